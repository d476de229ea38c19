"""A client that plays scenarios on an Agent Server and keeps what was on the wire."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import chain, repeat
from typing import Any

import httpx

from tests.support.wire import Exchange, Form, events, normal_form

PATIENCE = 40.0
"""Seconds that one answer may take: the real server begins a run up to a second late, and the machine is busy."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """Ordered requests against one server.

    Attributes:
        name: Of the scenario; unique.
        group: The file of facts it belongs to.
        names: Its exchanges, in the order in which identifiers are named.
        play: Makes the requests, each under one of ``names``.
        captured: Whether transcripts of it exist; otherwise its facts were recorded by playing it.
        heartbeats: Whether there have to be some.
        flaps: Why the real server answers otherwise from time to time, if it does.
    """

    name: str
    group: str
    names: tuple[str, ...]
    play: Callable[[Stage], Awaitable[None]]
    captured: bool = True
    heartbeats: bool = False
    flaps: str = ""


class Answer:
    """An answer on its way: ``content`` grows as it arrives.

    Attributes:
        content: The body so far.
        headers: In lower case.
        status: The status code.
    """

    def __init__(self, name: str, request: httpx.Request, path: str) -> None:
        self.name, self.path = name, path
        self.method, self.sent = request.method, request.content.decode()
        self.status = 0
        self.headers: dict[str, str] = {}
        self.content = b""
        self.asked: Mapping[str, str] = {}
        self.cut = False
        self._changed = asyncio.Condition()

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.content)

    @property
    def run(self) -> str:
        """The id of the run that the request made."""
        return self.headers["content-location"].rpartition("/")[2]

    @property
    def thread(self) -> str:
        """The id of the thread that the request's run is on."""
        return self.headers["content-location"].split("/")[2]

    @property
    def ids(self) -> list[str]:
        """The ids of the frames so far."""
        return [identifier for _, _, identifier in events(self.content) if identifier]

    def data(self, event: str) -> Any:
        """The data of the first frame of that name."""
        return next(data for name, data, _ in events(self.content) if name == event)

    async def read(self, response: httpx.Response) -> None:
        """Take what arrives until the end."""
        self.status, self.headers = (
            response.status_code,
            {key.lower(): value for key, value in response.headers.items()},
        )
        await self._tell()
        async for chunk in response.aiter_raw():
            self.content += chunk
            await self._tell()

    async def begun(self) -> None:
        """Wait for the headers."""
        await self._until(lambda: self.status > 0)

    async def seen(self, event: str, count: int = 1) -> None:
        """Wait until ``count`` frames of that name have arrived whole."""
        await self._until(lambda: [name for name, _, _ in events(self.content)].count(event) >= count)

    async def _until(self, true: Callable[[], bool]) -> None:
        async with self._changed, asyncio.timeout(PATIENCE):
            await self._changed.wait_for(true)

    async def _tell(self) -> None:
        async with self._changed:
            self._changed.notify_all()

    def exchange(self) -> Exchange:
        """What was on the wire."""
        return Exchange(
            name=self.name,
            method=self.method,
            path=self.path,
            sent=self.sent,
            asked=self.asked,
            status=self.status,
            headers=self.headers,
            content=self.content,
            cut=self.cut,
        )


class Stage:
    """Requests against one server, their answers kept by name.

    Args:
        client: Its base URL is the server's.
    """

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client
        self.answers: dict[str, Answer] = {}

    async def thread(self, **body: Any) -> str:
        """The id of a new thread; not kept."""
        answer = await self._client.post("/threads", json=body)
        answer.raise_for_status()
        thread: str = answer.json()["thread_id"]
        return thread

    async def aside(self, method: str, path: str, body: Any = None) -> httpx.Response:
        """A request that is no part of the facts: what comes before and after."""
        return await self._client.request(method, path, json=body)

    async def settled(self, thread: str) -> None:
        """Wait until nothing runs on a thread: the real server ends some streams before it has written so.

        Args:
            thread: Its path.
        """
        async with asyncio.timeout(PATIENCE):
            for pause in chain((0.0,), repeat(0.05)):
                await asyncio.sleep(pause)
                if not await self._busy(thread):
                    return

    async def _busy(self, thread: str) -> bool:
        found, runs = [(await self.aside("GET", path)).json() for path in (thread, f"{thread}/runs")]
        if "status" not in found:
            return False
        return found["status"] == "busy" or any(run["status"] in ("pending", "running") for run in runs)

    async def call(
        self, name: str, method: str, path: str, body: Any = None, *, asked: Mapping[str, str] | None = None
    ) -> Answer:
        """A request and its whole answer.

        Args:
            name: Under which it is kept.
            method: Of the request.
            path: With the query.
            body: A text as it is, anything else as JSON.
            asked: Headers that belong to the facts.
        """
        async with self.open(name, method, path, body, asked=asked) as answer:
            pass
        return answer

    @asynccontextmanager
    async def open(
        self, name: str, method: str, path: str, body: Any = None, *, asked: Mapping[str, str] | None = None
    ) -> AsyncIterator[Answer]:
        """A request whose answer arrives while the block runs; the end of the block waits for its end.

        ``answer.cut = True`` inside makes the end of the block close the connection instead.
        """
        sent = body if isinstance(body, str) else "" if body is None else json.dumps(body)
        headers = dict(asked or {}) | ({"content-type": "application/json"} if sent else {})
        request = self._client.build_request(method, path, content=sent, headers=headers)
        answer = self.answers[name] = Answer(name, request, path)
        answer.asked = asked or {}
        reading = asyncio.create_task(self._send(request, answer))
        try:
            begun = asyncio.create_task(answer.begun())
            await asyncio.wait((reading, begun), return_when=asyncio.FIRST_COMPLETED)
            begun.cancel()
            yield answer
            if not answer.cut:
                async with asyncio.timeout(PATIENCE):
                    await reading
        finally:
            reading.cancel()
            await asyncio.wait((reading,))

    async def _send(self, request: httpx.Request, answer: Answer) -> None:
        response = await self._client.send(request, stream=True)
        try:
            await answer.read(response)
        finally:
            await response.aclose()


async def played(scenario: Scenario, url: str) -> Form:
    """What the server at ``url`` answers to a scenario, in normal form."""
    async with httpx.AsyncClient(base_url=url, timeout=PATIENCE) as client:
        stage = Stage(client)
        await scenario.play(stage)
    if set(stage.answers) != set(scenario.names):
        raise ValueError(f"{scenario.name!r} declares {scenario.names}, but played {tuple(stage.answers)}")
    exchanges = [stage.answers[name].exchange() for name in scenario.names]
    return normal_form(exchanges, beats=scenario.heartbeats)


async def all_played(scenarios: Sequence[Scenario], url: str, at_once: int) -> dict[Scenario, Form]:
    """What a server answers to scenarios, some of them at a time: most of them wait most of the time."""
    free = asyncio.Semaphore(at_once)

    async def form(scenario: Scenario) -> Form:
        async with free:
            try:
                return await played(scenario, url)
            except Exception as error:
                return [{"failed": f"{type(error).__name__}: {error}"}]

    return dict(zip(scenarios, await asyncio.gather(*map(form, scenarios)), strict=True))
