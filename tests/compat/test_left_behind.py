"""A run that is over leaves nothing behind: its state is gone without the garbage collector."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import time
import weakref
from collections.abc import Callable, Coroutine, Iterator
from typing import Any, TypedDict

import pytest
from langgraph.checkpoint.memory import InMemorySaver

from lcel_compat import START, CompiledStateGraph, StateGraph
from tests.support.colours import run


class State(TypedDict, total=False):
    """One value."""

    value: Any


class Value:
    """Something that a weak reference can watch."""


@pytest.fixture(autouse=True)
def no_collector() -> Iterator[None]:
    """Circles stay as long as the test takes."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def watched(graph: Callable[[Any], CompiledStateGraph], drive: Callable[[CompiledStateGraph], None]) -> bool:
    """Whether the value of a node's update is still there after the run."""
    made: list[weakref.ref[Value]] = []

    def node(state: State) -> State:
        value = Value()
        made.append(weakref.ref(value))
        return {"value": value}

    drive(graph(node))
    assert made
    end = time.monotonic() + 2  # a thread of the pool holds on to what it did last until it looks for more
    while any(reference() is not None for reference in made) and time.monotonic() < end:
        time.sleep(0.001)
    return any(reference() is not None for reference in made)


def plain(node: Any) -> CompiledStateGraph:
    return StateGraph(State).add_node("a", node).add_edge(START, "a").compile()


def nested(node: Any) -> CompiledStateGraph:
    return plain(plain(node))


def ends_in_an_error(node: Any) -> CompiledStateGraph:
    def fail(state: State) -> State:
        raise ValueError("lost")

    builder = StateGraph(State).add_node("a", node).add_node("b", fail)
    return builder.add_edge(START, "a").add_edge("a", "b").compile()


# Whoever reads a failing run holds its error in frames of their own; here the error is handled where it arrives.


def invoked(graph: CompiledStateGraph) -> None:
    with contextlib.suppress(ValueError):
        graph.invoke({})


def streamed(graph: CompiledStateGraph) -> None:
    with contextlib.suppress(ValueError):
        for _ in graph.stream({}, stream_mode=["values", "updates", "custom"], subgraphs=True):
            pass


async def ainvoked(graph: CompiledStateGraph) -> None:
    with contextlib.suppress(ValueError):
        await graph.ainvoke({})


async def astreamed(graph: CompiledStateGraph) -> None:
    with contextlib.suppress(ValueError):
        async for _ in graph.astream({}, stream_mode=["values", "updates", "custom"], subgraphs=True):
            pass


WAYS: dict[str, Callable[[CompiledStateGraph], None]] = {
    "invoke": invoked,
    "ainvoke": lambda graph: run(ainvoked(graph)),
    "stream": streamed,
    "astream": lambda graph: run(astreamed(graph)),
}


@pytest.mark.parametrize("graph", [plain, nested])
@pytest.mark.parametrize("way", WAYS)
def test_a_run_that_is_complete(graph: Callable[[Any], CompiledStateGraph], way: str) -> None:
    """After a run, whichever way it was made, the values of its state are gone."""
    assert not watched(graph, WAYS[way])


@pytest.mark.parametrize("way", WAYS)
def test_a_run_that_failed(way: str) -> None:
    """After a run that failed, and whose error was handled, the values of its state are gone."""
    assert not watched(ends_in_an_error, WAYS[way])


def _waits(node: Any) -> CompiledStateGraph:
    async def wait(state: State) -> None:
        await asyncio.sleep(30)

    builder = StateGraph(State).add_node("a", node).add_node("b", wait)
    return builder.add_edge(START, "a").add_edge("a", "b").compile()


async def _cancelled(graph: CompiledStateGraph) -> None:
    task = asyncio.ensure_future(graph.ainvoke({}))
    await asyncio.sleep(0.05)
    task.cancel()
    await asyncio.wait([task])


async def _left(graph: CompiledStateGraph) -> None:
    items = graph.astream({}, stream_mode="updates")
    async for _ in items:
        break
    await items.aclose()


@pytest.mark.parametrize("leave", [_cancelled, _left])
def test_a_run_that_nobody_waits_for(leave: Callable[[CompiledStateGraph], Coroutine[Any, Any, None]]) -> None:
    """After a run that was cancelled, or whose reader left, the values of its state are gone."""
    assert not watched(_waits, lambda graph: run(leave(graph)))


def test_a_thread_is_kept_by_its_saver_alone() -> None:
    """What a saver keeps is in the saver: when that is gone, so is the state."""
    saver = InMemorySaver()
    reference = weakref.ref(saver)
    builder = StateGraph(State).add_node("a", lambda state: {"value": [1]}).add_edge(START, "a")
    graph = builder.compile(checkpointer=saver)
    graph.invoke({}, {"configurable": {"thread_id": "1"}})
    del saver, graph
    assert reference() is None
