"""A slow consumer of ``subgraphs=True`` holds producers in graphs inside, however they are run."""

from __future__ import annotations

import asyncio
import threading
import time
from contextlib import aclosing
from typing import Any

import pytest

from lcel_compat import START, CompiledStateGraph, StateGraph, get_stream_writer
from tests.compat.test_backpressure import (
    BUFFER,
    BURST,
    TOTAL,
    Lead,
    Producer,
    State,
    awriter,
    deep_awriter,
    loop,
    model_alone,
    model_called_in_a_function,
    params,
    single,
    writer,
)
from tests.compat.test_endings import engine_threads

CONFIG: Any = {"recursion_limit": 9999}
START_AT: Any = {"n": 0}


def is_token(item: Any) -> bool:
    return bool(item[0].content == "x")


BOTH = {
    "tokens": Producer("messages", model_alone, is_token),
    "tokens of an inner call": Producer("messages", model_called_in_a_function, is_token),
    "written": Producer("custom", writer),
    "values": Producer("values", loop),
    "updates": Producer("updates", loop),
    "tasks": Producer("tasks", loop, lambda item: "result" in item),
}
AWAITED = {
    **BOTH,
    "written by a coroutine": Producer("custom", awriter),
    "written deep in a coroutine": Producer("custom", deep_awriter),
}


def as_node(inner: CompiledStateGraph, lead: Lead) -> Any:
    return inner


def in_two_levels(inner: CompiledStateGraph, lead: Lead) -> Any:
    return StateGraph(State).add_node("inner", inner).add_edge(START, "inner").compile(buffer=BUFFER)


def called(inner: CompiledStateGraph, lead: Lead) -> Any:
    def calls(state: Any) -> Any:
        return inner.invoke(state)

    return calls


def acalled(inner: CompiledStateGraph, lead: Lead) -> Any:
    async def calls(state: Any) -> Any:
        return await inner.ainvoke(state)

    return calls


def nested(producer: Producer, place: Any, lead: Lead) -> CompiledStateGraph:
    """The producer's graph inside another."""
    inner = producer.build(lead).compile(buffer=BUFFER)
    return single(place(inner, lead)).compile(buffer=BUFFER)


def is_below(namespace: tuple[str, ...]) -> bool:
    """Whether an item is of a graph inside."""
    return len(namespace) > 0


@pytest.mark.parametrize("place", [as_node, in_two_levels, acalled], ids=lambda f: f.__name__)
@params(AWAITED)
async def test_awaited(producer: Producer, place: Any) -> None:
    """On an event loop a producer inside is never further ahead of a slow consumer than the buffer and its burst."""
    lead = Lead()
    stream: Any = nested(producer, place, lead).astream(START_AT, CONFIG, stream_mode=producer.mode, subgraphs=True)
    async with aclosing(stream):
        async for namespace, item in stream:
            lead.read += is_below(namespace) and producer.counts(item)
            await asyncio.sleep(0)
    _assert_held(lead)


@pytest.mark.parametrize("place", [as_node, in_two_levels, called], ids=lambda f: f.__name__)
@params(BOTH)
def test_threads(producer: Producer, place: Any) -> None:
    """In a sync run the same holds."""
    lead = Lead()
    stream = nested(producer, place, lead).stream(START_AT, CONFIG, stream_mode=producer.mode, subgraphs=True)
    for namespace, item in stream:
        lead.read += is_below(namespace) and producer.counts(item)
    _assert_held(lead)


def _assert_held(lead: Lead) -> None:
    assert lead.made in (600, TOTAL), "the producer came to its end"
    assert lead.read >= lead.made
    assert lead.highest <= BUFFER + BURST, f"{lead.highest} ahead of a buffer of {BUFFER}"


@params(BOTH)
def test_closing_releases_threads_that_wait(producer: Producer) -> None:
    """A producer inside that waits for room goes on, or is ended, when the consumer closes the stream."""
    lead = Lead()
    stream: Any = nested(producer, in_two_levels, lead).stream(
        START_AT, CONFIG, stream_mode=producer.mode, subgraphs=True
    )
    next(stream)
    deadline = time.monotonic() + 5
    while lead.made < BUFFER // 4 and time.monotonic() < deadline:
        time.sleep(0.001)
    stream.close()
    assert not engine_threads()


@params(AWAITED)
async def test_closing_releases_tasks_that_wait(producer: Producer) -> None:
    """The same on an event loop: no task stays."""
    before = asyncio.all_tasks()
    graph = nested(producer, in_two_levels, Lead())
    stream: Any = graph.astream(START_AT, CONFIG, stream_mode=producer.mode, subgraphs=True)
    async with aclosing(stream):
        await anext(stream)
        for _ in range(50):
            await asyncio.sleep(0)
    assert asyncio.all_tasks() == before


async def test_nobody_asked_for_what_is_below() -> None:
    """Without ``subgraphs`` a producer inside is not held by a consumer that is not shown its items."""
    lead = Lead()
    stream: Any = nested(BOTH["written"], as_node, lead).astream(START_AT, stream_mode="custom")
    async with aclosing(stream):
        assert [item async for item in stream] == []
    assert lead.made == TOTAL


def test_neighbours_inside_are_held_together() -> None:
    """Several graphs side by side share the buffer of the one consumer."""
    leads = [Lead() for _ in range(3)]
    builder = StateGraph(State)
    for number, lead in enumerate(leads):
        builder.add_node(f"n{number}", writer(lead).compile()).add_edge(START, f"n{number}")
    read = 0
    for _ in builder.compile(buffer=BUFFER).stream({"log": []}, stream_mode="custom", subgraphs=True):
        read += 1
        assert sum(lead.made for lead in leads) - read <= BUFFER + BURST * len(leads)
    assert read == TOTAL * len(leads)


def test_a_consumer_that_stands_still() -> None:
    """Without anybody reading, a thread inside a graph inside makes what fits into the buffer and waits."""
    lead, began = Lead(), threading.Event()

    def node(state: Any) -> None:
        write = get_stream_writer()
        began.set()
        for number in range(TOTAL):
            lead.make()
            write(number)

    inner = single(node).compile()
    stream: Any = single(inner).compile(buffer=BUFFER).stream(START_AT, stream_mode="custom", subgraphs=True)
    next(stream)
    assert began.wait(5)
    time.sleep(0.05)
    assert lead.made <= BUFFER + BURST
    stream.close()


@pytest.mark.parametrize("mode", ["values", "updates", "tasks", "custom"])
async def test_a_consumer_that_stands_still_on_the_loop(mode: Any) -> None:
    """The same on an event loop, also for what supersteps show of which no node waits."""
    lead = Lead()
    producer = AWAITED["written by a coroutine"] if mode == "custom" else BOTH[mode]
    stream: Any = nested(producer, as_node, lead).astream(START_AT, CONFIG, stream_mode=mode, subgraphs=True)
    async with aclosing(stream):
        while not (await anext(stream))[0]:
            pass
        await asyncio.sleep(0.05)
        assert lead.made <= BUFFER + BURST
