"""Events from a server that runs: a LangServe route, or an Agent Server.

LangServe's `/stream_events` sends each event as `data`, then `end`; a run that fails sends `error` and is cut off
(EVENTS.md 1.2). An Agent Server sends what its mode `events` gives as `events`, among others, and ends without a mark;
`error` is the last if the run failed. Events stay the JSON that was sent: the comparison takes a message and its JSON
for the same.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import Any
from urllib.parse import urlsplit

from lcel_adapters._cli._load import CannotRunError

INSTALL = 'recording from a server needs httpx and httpx-sse: pip install "lcel-compat[record]"'
_LANGSERVE = "/stream_events"
_AGENT_SERVER = "/runs/stream"


class FailedRemotelyError(Exception):
    """A run that a server says has failed.

    Attributes:
        type: The name of the error's class, as far as the server tells it.
        message: What it said.
    """

    def __init__(self, type: str, message: str) -> None:
        super().__init__(f"{type}: {message}")
        self.type = type
        self.message = message


@dataclass(frozen=True, slots=True, kw_only=True)
class Remote:
    """A server's runs.

    Attributes:
        url: Where events are asked for.
        body: What is sent beside the input.
        event: The name under which the server sends an event.
        headers: Sent with each request, and never written to a file.
        timeout: Seconds without a sign of the server after which a run is given up.
    """

    url: str
    body: dict[str, Any]
    event: str
    headers: dict[str, str] = field(default_factory=dict, repr=False)
    timeout: float = 60.0

    @asynccontextmanager
    async def open(self, value: Any) -> AsyncIterator[AsyncIterator[Any]]:
        """The events that the server sends for one run over `value`.

        Raises:
            CannotRunError: If the server cannot be reached or refuses.
        """
        httpx, sse = _packages()
        try:
            async with (
                httpx.AsyncClient(timeout=self.timeout, headers=self.headers, verify=_trusted()) as client,
                sse.aconnect_sse(client, "POST", self.url, json={"input": value, **self.body}) as connection,
            ):
                await self._check(connection.response)
                yield self._events(connection)
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.InvalidURL, httpx.UnsupportedProtocol) as error:
            raise CannotRunError(f"{self.url} cannot be reached: {error or type(error).__name__}.") from error

    async def _check(self, response: Any) -> None:
        kind = response.headers.get("content-type", "")
        if response.status_code == 200 and kind.startswith("text/event-stream"):
            return
        said = (await response.aread()).decode("utf-8", "replace").strip()
        answered = f"{self.url} answered {response.status_code} {response.reason_phrase}".rstrip()
        remedy = "" if self.event == "events" else " For an Agent Server give --assistant as well."
        raise CannotRunError(f"{answered}, and no stream of events{f': {said[:200]}' if said else ''}.{remedy}")

    async def _events(self, connection: Any) -> AsyncIterator[Any]:
        async for message in connection.aiter_sse():
            if message.event == "error":
                raise _failure(message.data)
            if message.event == self.event:
                yield json.loads(message.data)


def langserve(url: str, config: dict[str, Any], headers: Iterable[str]) -> Remote:
    """A LangServe route, by its address with or without `/stream_events`."""
    body = {"config": config, "kwargs": {}}
    return Remote(url=_ending(url, _LANGSERVE), body=body, event="data", headers=parse_headers(headers))


def agent_server(url: str, assistant: str, config: dict[str, Any], headers: Iterable[str]) -> Remote:
    """An assistant of an Agent Server, by the server's address; its runs have no thread."""
    body = {"assistant_id": assistant, "stream_mode": ["events"], "config": config}
    return Remote(url=_ending(url, _AGENT_SERVER), body=body, event="events", headers=parse_headers(headers))


def is_url(text: str) -> bool:
    """Whether an argument is the address of a server."""
    return urlsplit(text).scheme in ("http", "https")


def parse_headers(lines: Iterable[str]) -> dict[str, str]:
    """Headers written as `NAME: VALUE`.

    Raises:
        CannotRunError: If one is not.
    """
    headers = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if not (colon and name.strip()):
            raise CannotRunError("--header: write it as 'NAME: VALUE', as in --header 'X-Api-Key: ...'.")
        headers[name.strip()] = value.strip()
    return headers


def _ending(url: str, path: str) -> str:
    plain = url.rstrip("/")
    return plain if plain.endswith(path) else plain + path


def _failure(data: str) -> FailedRemotelyError:
    """What a server tells of an error: LangServe a status, an Agent Server a class."""
    try:
        told = json.loads(data)
    except ValueError:
        told = None
    if not isinstance(told, dict):
        return FailedRemotelyError("error", data)
    kind = told.get("error") or (f"HTTP {told['status_code']}" if "status_code" in told else "error")
    return FailedRemotelyError(str(kind), str(told.get("message", "")))


@cache
def _trusted() -> Any:
    """The certificates, which take longer to read than most runs take."""
    return _packages()[0].create_ssl_context()


def _packages() -> tuple[Any, Any]:
    try:
        import httpx
        import httpx_sse
    except ModuleNotFoundError as error:
        raise CannotRunError(f"{error.name} is not installed; {INSTALL}") from error
    return httpx, httpx_sse
