"""Streams as streams: what arrives when, who waits for whom, what happens when somebody leaves."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from langchain_core.runnables import RunnableGenerator, RunnableLambda

from lcel_adapters.serve._langserve import add_routes
from tests.serving.langserve.routes import WARNINGS
from tests.support.servers import Server

pytestmark = [pytest.mark.slow, *WARNINGS]
ENDPOINTS = pytest.mark.parametrize("endpoint", ["stream", "stream_events", "stream_log"])
PIECE = "x" * 10_000


class Tap:
    """A source of chunks that says how far it came, and whether it was closed."""

    def __init__(self) -> None:
        self.made = 0
        self.closed = threading.Event()
        self.go = threading.Event()

    async def slowly(self, chunks: AsyncIterator[Any]) -> AsyncIterator[str]:
        """Make two chunks, the second when it is allowed."""
        yield "first"
        await asyncio.to_thread(self.go.wait, 10)
        yield "second"

    async def forever(self, chunks: AsyncIterator[Any]) -> AsyncIterator[str]:
        """Make chunks until closed."""
        try:
            while True:
                self.made += 1
                yield PIECE
                await asyncio.sleep(0)
        finally:
            self.closed.set()

    async def waiting(self, chunks: AsyncIterator[Any]) -> AsyncIterator[str]:
        """Make one chunk, and wait for good."""
        try:
            yield "first"
            await asyncio.Event().wait()
        finally:
            self.closed.set()


def _runnable(generator: Any) -> Any:
    return RunnableGenerator(generator).with_types(input_type=int, output_type=str)


@pytest.fixture
def tap() -> Tap:
    """The source."""
    return Tap()


@pytest.fixture
def server(tap: Tap) -> Iterator[str]:
    """A server of it."""
    app = FastAPI()
    for name in ("slowly", "forever", "waiting"):
        add_routes(app, _runnable(getattr(tap, name)), path=f"/{name}")
    with closing(Server(app)) as running:
        running.open()
        yield running.url


def _until(condition: Any) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@ENDPOINTS
def test_chunks_arrive_as_they_are_made(server: str, tap: Tap, endpoint: str) -> None:
    """The first chunk is there before the second is made."""
    with httpx.stream("POST", f"{server}/slowly/{endpoint}", json={"input": 1}, timeout=10) as answer:
        lines = answer.iter_lines()
        assert any("first" in line for line in lines)
        tap.go.set()
        assert any("second" in line for line in lines)


@pytest.mark.parametrize("endpoint", ["stream", "stream_events"])
@pytest.mark.parametrize("path", ["forever", "waiting"])
def test_who_leaves_ends_the_run(server: str, tap: Tap, path: str, endpoint: str) -> None:
    """When the client leaves, the run is stopped, be it at work or waiting."""
    with httpx.stream("POST", f"{server}/{path}/{endpoint}", json={"input": 1}, timeout=10) as answer:
        assert next(answer.iter_lines())
    assert tap.closed.wait(10)


def test_a_slow_client_holds_the_run(server: str, tap: Tap) -> None:
    """A client that reads nothing costs the buffers on the way, and no more."""
    with httpx.stream("POST", f"{server}/forever/stream", json={"input": 1}, timeout=10) as answer:
        pieces = answer.iter_raw(100_000)
        next(pieces)
        made = -1
        while made != tap.made:
            made = tap.made
            time.sleep(0.3)
        assert 10 < made < 3000
        read = sum(len(next(pieces)) for _ in range(200))
        _until(lambda: tap.made > made + read // len(PIECE) // 2)
    assert tap.closed.wait(10)


def test_many_at_once(server: str, tap: Tap) -> None:
    """Runs do not hear each other."""
    tap.go.set()
    found: list[str] = []

    def ask() -> None:
        found.append(httpx.post(f"{server}/slowly/stream", json={"input": 1}, timeout=20).text)

    threads = [threading.Thread(target=ask) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {text.count("event: data") for text in found} == {2}
    assert len({text.split("\r\n")[1] for text in found}) == 20


async def _pinged() -> list[bytes]:
    """What a stream sends in 16 seconds in which nothing is made."""
    from lcel_adapters.serve._langserve import _streams
    from lcel_adapters.serve._sse import EventStream

    sent: list[bytes] = []

    async def nothing() -> AsyncIterator[bytes]:
        await asyncio.sleep(0.2)
        yield b""

    async def receive() -> Any:
        await asyncio.Event().wait()

    async def send(message: Any) -> None:
        sent.append(message.get("body", b""))

    response: Any = EventStream(nothing(), heartbeat=0.05, comment=_streams._PING)  # type: ignore[arg-type]
    await response({}, receive, send)
    return sent


async def test_pings() -> None:
    """A comment keeps a silent connection alive; LangServe's comes every 15 seconds as well."""
    from lcel_adapters.serve._langserve import _streams

    assert _streams._PING_SECONDS == 15
    assert b": ping\r\n\r\n" in await _pinged()


def test_the_loop_is_free(server: str, tap: Tap) -> None:
    """A synchronous function of a chain runs beside the event loop: other requests are answered meanwhile."""
    app = FastAPI()
    gate = threading.Event()

    def block(value: int) -> int:
        gate.wait(10)
        return value

    def quick(value: int) -> int:
        return value

    add_routes(app, RunnableLambda(block), path="/block")
    add_routes(app, RunnableLambda(quick), path="/quick")
    with closing(Server(app)) as running:
        running.open()
        held = threading.Thread(target=lambda: httpx.post(f"{running.url}/block/invoke", json={"input": 1}, timeout=20))
        held.start()
        assert httpx.post(f"{running.url}/quick/invoke", json={"input": 1}).json()["output"] == 1
        assert held.is_alive()
        gate.set()
        held.join()
