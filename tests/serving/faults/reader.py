"""A client that does not give up: it streams a run, and when its server is gone it goes on where it was at another."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import httpx

GONE = (httpx.TransportError,)
PATIENCE = 60.0
"""Seconds that a client tries again, before its test fails."""
SILENCE = 20.0
"""Seconds after which a client takes a server that says nothing for gone."""


@dataclass(frozen=True, slots=True)
class Got:
    """A frame as a client has it."""

    id: int | None
    event: str
    data: Any


def frames(lines: Iterator[str]) -> Iterator[Got]:
    """The frames of a stream, whole ones only."""
    parts: dict[str, str] = {}
    for line in lines:
        if line:
            name, _, value = line.partition(": ")
            parts[name] = value
        elif parts:
            if "event" in parts:
                number = parts.get("id")
                yield Got(None if number is None else int(number), parts["event"], json.loads(parts["data"]))
            parts = {}


@dataclass(kw_only=True)
class Ask:
    """What is run: a graph, its input or the answer to its question, and how it is streamed."""

    graph: str
    body: dict[str, Any]
    thread_id: str = field(default_factory=lambda: str(uuid4()))

    def json(self) -> dict[str, Any]:
        """The body of the request."""
        return {"assistant_id": self.graph, "if_not_exists": "create", "stream_resumable": True, **self.body}


class Client:
    """Talks to whichever server answers.

    Args:
        urls: Says where servers are now, the best first.
        silence: Seconds after which a server that says nothing is gone.
    """

    def __init__(self, urls: Callable[[], Sequence[str]], silence: float = SILENCE) -> None:
        self._urls = urls
        self._http = httpx.Client(timeout=httpx.Timeout(silence, connect=2), verify=False, trust_env=False)

    def close(self) -> None:
        """Let go of connections."""
        self._http.close()

    def get(self, path: str) -> Any:
        """JSON, from the first server that answers; None if it is not there."""
        return self.asked("GET", path)

    def asked(self, method: str, path: str, body: Any = None) -> Any:
        """What a request is answered, by the first server that answers; asked again until one does."""
        ends = time.monotonic() + PATIENCE
        while True:
            for url in self._urls():
                try:
                    answer = self._http.request(method, url + path, json=body)
                except GONE:
                    continue
                if answer.status_code == 404:
                    return None
                if answer.status_code < 500:
                    answer.raise_for_status()
                    return answer.json() if answer.content else None
            if time.monotonic() > ends:
                raise TimeoutError(f"nobody answered {method} {path}")
            time.sleep(0.05)

    def submit(self, ask: Ask) -> str:
        """Have something run in the background, once; the run's id."""
        token, run_id = str(uuid4()), None
        ends = time.monotonic() + PATIENCE
        while run_id is None and time.monotonic() < ends:
            try:
                path = f"{self._urls()[0]}/threads/{ask.thread_id}/runs"
                answer = self._http.post(path, json={**ask.json(), "metadata": {"token": token}})
                answer.raise_for_status()
                run_id = answer.json()["run_id"]
            except GONE:
                time.sleep(0.3)
                run_id = self.accepted(ask, token)
        if run_id is None:
            raise TimeoutError(f"nobody accepted {ask}")
        return str(run_id)

    def accepted(self, ask: Ask, token: str) -> str | None:
        """The run that was made of a request whose answer was lost; None if there is none."""
        found = self.get(f"/threads/{ask.thread_id}/runs?limit=100") or []
        return next((run["run_id"] for run in found if run["metadata"].get("token") == token), None)

    def over(self, ask: Ask, run_id: str) -> str:
        """Wait for a run's end; its status."""
        ends = time.monotonic() + PATIENCE
        while time.monotonic() < ends:
            run = self.get(f"/threads/{ask.thread_id}/runs/{run_id}")
            if run is None or run["status"] not in ("pending", "running"):
                return "none" if run is None else str(run["status"])
            time.sleep(0.03)
        raise TimeoutError(f"run {run_id} of {ask} is {run['status']} for {PATIENCE} s")

    def replay(self, ask: Ask, run_id: str, after: int = -1) -> list[Got]:
        """Everything that is kept of the stream of a run that is over, behind a number."""
        ends = time.monotonic() + PATIENCE
        while time.monotonic() < ends:
            for url in self._urls():
                with suppress(*GONE), self.join(url, ask, run_id, after) as answer:
                    answer.raise_for_status()
                    return list(frames(answer.iter_lines()))
            time.sleep(0.05)
        raise TimeoutError(f"nobody replayed run {run_id} of {ask.graph}")

    def stream(self, url: str, ask: Ask, token: str) -> Any:
        """The request for a run that is streamed."""
        body = {**ask.json(), "metadata": {"token": token}}
        return self._http.stream("POST", f"{url}/threads/{ask.thread_id}/runs/stream", json=body)

    def join(self, url: str, ask: Ask, run_id: str, after: int) -> Any:
        """The request for what follows of a run."""
        path = f"/threads/{ask.thread_id}/runs/{run_id}/stream"
        return self._http.stream("GET", url + path, headers={"last-event-id": str(after)})


class Reader:
    """Runs something and reads its stream to the end, wherever that is.

    Args:
        urls: Says where servers are now, the best first.
        ask: What is run.
        silence: Seconds after which a server that says nothing is gone.

    Attributes:
        got: The frames, in the order in which they came.
        run_id: Of the run, once it is known.
        connections: How often it had to ask.
    """

    def __init__(self, urls: Callable[[], Sequence[str]], ask: Ask, silence: float = SILENCE) -> None:
        self.ask = ask
        self.got: list[Got] = []
        self.run_id: str | None = None
        self.connections = 0
        self._urls = urls
        self._silence = silence
        self._token = str(uuid4())
        self._last = -1

    def read(self) -> Reader:
        """Read, until the run is over.

        Raises:
            TimeoutError: It does not end.
        """
        ends = time.monotonic() + PATIENCE
        client = Client(self._urls, self._silence)
        try:
            while time.monotonic() < ends:
                with suppress(*GONE):
                    if self._connect(client, self._urls()[0]) and self._is_over(client):
                        return self
                if self.run_id is None:
                    # It may have been accepted all the same, and what a dead server asked of its database be done yet.
                    time.sleep(0.3)
                    self.run_id = client.accepted(self.ask, self._token)
                time.sleep(0.02)
        finally:
            client.close()
        raise TimeoutError(f"run {self.run_id} of {self.ask.graph} does not end: {len(self.got)} frames")

    def _is_over(self, client: Client) -> bool:
        """As LangGraph's SDK sees to it: a stream may end before its run does."""
        run = client.get(f"/threads/{self.ask.thread_id}/runs/{self.run_id}")
        return run is None or run["status"] not in ("pending", "running")

    def _connect(self, client: Client, url: str) -> bool:
        """Read what comes; whether the server itself ended the stream."""
        self.connections += 1
        with self._request(client, url) as answer:
            if answer.status_code >= 500:
                return False
            if answer.status_code >= 400:
                answer.read()
            answer.raise_for_status()
            self.run_id = answer.headers["content-location"].rpartition("/")[2]
            for frame in frames(answer.iter_lines()):
                self.got.append(frame)
                self._last = frame.id or self._last
        return True

    def _request(self, client: Client, url: str) -> Any:
        if self.run_id is None:
            return client.stream(url, self.ask, self._token)
        return client.join(url, self.ask, self.run_id, self._last)
