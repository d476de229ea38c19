"""The measurements of serving: the load is real, counted rightly, and fails where a run does. None looks at speed."""

from __future__ import annotations

import asyncio
import gc
import math
import os
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, suppress
from time import process_time
from typing import Any

import pytest

from benchmarks import _serving, _serving_profile
from benchmarks import _serving_databases as databases
from benchmarks._serving_client import Connection, LoadError
from benchmarks._serving_load import Loaded, Order, load, percentile
from benchmarks._serving_processes import Process, processor_seconds
from benchmarks._timing import Settings
from benchmarks._workloads import LCEL_COMPAT

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Any]
CHUNKED = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"


@pytest.fixture
def settings() -> Iterator[Settings]:
    """The shortest measurement there is, with us on both sides."""
    with asyncio.Runner() as runner:
        yield Settings(theirs=LCEL_COMPAT, ours=LCEL_COMPAT, runner=runner, rounds=1, block=1e-9, quick=True)


@asynccontextmanager
async def answering(*parts: bytes, pause: float = 0.0) -> AsyncIterator[int]:
    """A server that answers each request with these parts; its port."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while head := await reader.readuntil(b"\r\n\r\n"):
            length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
            await reader.readexactly(length)
            for part in parts:
                writer.write(part)
                await writer.drain()
                await asyncio.sleep(pause)

    async with listening(handle) as port:
        yield port


@asynccontextmanager
async def listening(handle: Handler) -> AsyncIterator[int]:
    """A server that treats each connection so, until it breaks off; its port."""
    handlers: set[asyncio.Task[None]] = set()

    async def handled(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        handlers.add(task)
        with suppress(asyncio.IncompleteReadError):
            await handle(reader, writer)
        writer.close()
        await writer.wait_closed()

    async with await asyncio.start_server(handled, "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1]
        await asyncio.gather(*handlers)


def chunk(data: bytes) -> bytes:
    """One chunk of a body."""
    return b"%x\r\n%b\r\n" % (len(data), data)


async def test_a_stream_is_put_together_from_chunks_however_they_arrive() -> None:
    """An event that looks like the end of a body, cut right there, is no end; the connection is used again."""
    events = b"event: a\r\ndata: 1\r\n\r\n", b"event: b\r\ndata: 2\r\nid: 10\r\n\r\n"
    whole = CHUNKED + b"".join(map(chunk, events)) + chunk(b"")
    cut = whole.index(b"id: 10\r\n\r\n") + len(b"id: 10\r\n\r\n")

    async with answering(whole[:20], whole[20:cut], whole[cut:], pause=0.01) as port, Connection(port) as connection:
        first, second = [await connection.post("/", {}) for _ in range(2)]

    assert (first.status, first.body) == (200, b"".join(events))
    assert second.body == first.body
    assert first.first <= first.whole


async def test_the_first_event_is_timed_when_it_is_whole() -> None:
    """Half an event is none."""
    parts = CHUNKED + chunk(b"event: a\r\ndata: 1\r\n"), chunk(b"\r\n"), chunk(b"event: b\r\n\r\n") + chunk(b"")

    async with answering(*parts, pause=0.05) as port, Connection(port) as connection:
        answer = await connection.post("/", {})

    assert 0.05 <= answer.first < answer.whole


async def test_a_run_that_fails_ends_the_measurement() -> None:
    """Errors are not counted as runs."""
    stream = CHUNKED + chunk(b'event: error\r\ndata: {"answer":"token token token "}\r\n\r\n') + chunk(b"")

    async with answering(stream) as port:
        with pytest.raises(LoadError, match="event: error"):
            await load(port, os.getpid(), Order(), clients=1, seconds=0)


async def test_a_server_that_breaks_off_ends_the_measurement() -> None:
    """A stream without its end is no run."""
    broken = CHUNKED + chunk(b'event: values\r\ndata: {"answer":"token token token "}\r\n\r\n')

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(broken)

    async with listening(handle) as port:
        with pytest.raises(LoadError, match="ended the connection"):
            await load(port, os.getpid(), Order(), clients=1, seconds=0)


def loaded(rate: int, first: float) -> Loaded:
    """A second of load."""
    whole = tuple(float(number) for number in range(rate))
    return Loaded(seconds=1.0, first=(first,) * rate, whole=whole, processor=0.5, bytes=100)


def test_ratios_are_formed_per_round() -> None:
    """Runs per second are ours over theirs, milliseconds theirs over ours; each has its goal."""
    theirs, ours = [loaded(100, 4.0), loaded(50, 8.0)], [loaded(200, 2.0), loaded(150, 2.0)]

    rate = _serving.rate_row("s", theirs, ours, goal=2)
    first = _serving.first_row("s", theirs, ours, goal=10)

    assert rate.ratio is not None
    assert first.ratio is not None
    assert (rate.reference, rate.ours, rate.ratio.median, rate.met) == (75, 175, 2.5, True)
    assert (first.reference, first.ours, first.ratio.median, first.met) == (6, 2, 3, True)
    assert str(first.goal) == "ours ≤ 10"


def test_a_percentile_is_a_value_that_was_seen() -> None:
    """The median of many, the only one of one."""
    assert (percentile(range(100), 0.5), percentile(range(100), 0.99), percentile([7.0], 0.99)) == (50, 99, 7)


@pytest.fixture
def somebody_else_is_told() -> Iterator[None]:
    """Another callback of the collector, as Hypothesis has one."""

    def told(phase: str, facts: Mapping[str, int]) -> None:
        assert phase in {"start", "stop"}

    gc.callbacks.insert(0, told)
    yield
    gc.callbacks.remove(told)


@pytest.mark.usefixtures("somebody_else_is_told", "only_what_is_new")
@pytest.mark.skipif(not hasattr(os, "sysconf") or math.isnan(processor_seconds(os.getpid())), reason="Linux's clocks")
def test_a_profile_tells_what_the_main_thread_was_busy_with() -> None:
    """Collecting garbage and making JSON are told apart, and together are about all that was used."""
    profile = _serving_profile.Profile()
    from lcel_adapters.serve._json import dumps

    # A millisecond to look at: not more, or that would be all that is done.
    kept: list[list[int]] = [[] for _ in range(30_000)]
    profile.start()
    begun = process_time()
    while process_time() - begun < 1:
        gc.collect()
        dumps([{"key": number, "frozen": frozenset((number,))} for number in range(500)])
    used = process_time() - begun
    kinds = profile.stop()

    assert len(kept) == 30_000
    assert {"garbage collection", "frames made"} <= set(kinds)
    assert 0.5 * used < sum(kinds.values()) < 1.1 * used


@pytest.mark.slow
@pytest.mark.parametrize("order", [Order(), Order(thread=True), Order(thread=True, body={"stream_resumable": True})])
async def test_our_server_bears_the_load(order: Order) -> None:
    """A server on our engine answers every kind of order, and can be profiled meanwhile."""
    with databases.made(1) as urls:
        async with _serving.served(["ours"], urls) as (server,):
            await server.process.asked("profile")
            found = await server.loaded(order, 3, 0.2)
            report = await server.process.asked("report")

    assert len(found.first) == len(found.whole) >= 3
    assert found.rate > 0
    assert all(first <= whole for first, whole in zip(found.first, found.whole, strict=True))
    assert sum(report["kinds"].values()) > 0


@pytest.mark.slow
async def test_a_place_in_the_queue_is_taken_and_left() -> None:
    """Rows of runs are claimed and ended as often as is told."""
    with databases.made(1) as urls:
        async with Process("_serving_queue", ["rows", *urls]) as rows:
            assert await rows.said() == "ready"
            found = await rows.asked([2, 0.1])

    assert found["rate"] > 0
    assert found["processor_ms"] > 0


@pytest.mark.slow
@pytest.mark.langgraph
@pytest.mark.parametrize("thread", [False, True])
def test_open_streams_are_counted_and_weighed(settings: Settings, thread: bool) -> None:
    """A few streams, one of them read slowly, all end well and the server's memory is told."""
    (row,) = _serving.open_streams(settings, "open", thread=thread)

    assert row.ours is not None
    assert 20 < row.ours < 500
    assert row.met is True


def test_postgres_is_left_out_where_there_is_none(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """The line says so, and is no failure."""
    monkeypatch.setattr(databases, "answers", lambda: False)

    (row,) = _serving.contest(Order(thread=True), postgres=True)(settings, "contest")

    assert "left out: no PostgreSQL at" in row.note
    assert row.failed is False


def test_no_scenario_of_serving_has_the_name_of_another() -> None:
    """Each measurement of this part can be singled out by name."""
    found = [name for name, _ in _serving.serving()]

    assert len(set(found)) == len(found)
