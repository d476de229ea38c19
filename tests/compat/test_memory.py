"""Long runs: what a run holds on to does not grow with its supersteps, nor with the runs that came before."""

from __future__ import annotations

import asyncio
import gc
import time
import tracemalloc
import weakref
from collections.abc import Iterator
from typing import Any, TypedDict

import pytest
from langgraph.checkpoint.memory import InMemorySaver

from lcel_compat import END, START, CompiledStateGraph, Send, StateGraph
from tests.support.colours import SYNC, Colour

STEPS = 2_000
LONG = 10_000
WARM = 1_000
"""Supersteps after which everything that is made once is there, and caches of core's are full."""
ALLOWED = 80_000
"""Bytes that a run may hold more after 1,000 or 9,000 further supersteps; a leak of one object in each takes more."""
CONFIG: Any = {"recursion_limit": 1_000_000, "configurable": {"thread_id": "1"}}


class State(TypedDict, total=False):
    """A counter."""

    n: int


class Forgetful(InMemorySaver):
    """A saver that keeps the newest checkpoint alone."""

    def put(self, config: Any, checkpoint: Any, metadata: Any, new_versions: Any) -> Any:
        self.storage.clear()
        self.writes.clear()
        self.blobs.clear()
        versions = checkpoint["channel_versions"]
        return super().put(config, checkpoint, metadata, versions)


class Meter:
    """Notes how much memory is held at two supersteps of so many, once a saver had so many seconds to catch up."""

    def __init__(self, steps: int = STEPS, pause: float = 0.0) -> None:
        self.steps = steps
        self.pause = pause
        self.held: list[int] = []

    def step(self, n: int) -> None:
        """The loop is at this superstep."""
        if n in (WARM, self.steps - 1):
            time.sleep(self.pause)
            gc.collect()
            self.held.append(tracemalloc.get_traced_memory()[0])


def plain(meter: Meter) -> StateGraph:
    """One node in a loop."""

    def node(state: State) -> dict[str, int]:
        meter.step(state["n"])
        return {"n": state["n"] + 1}

    builder = StateGraph(State).add_node("a", node).add_edge(START, "a")
    return builder.add_conditional_edges("a", lambda state: "a" if state["n"] < meter.steps else END, ["a", END])


def packets(meter: Meter) -> StateGraph:
    """A loop by packets."""

    def node(n: int) -> dict[str, int]:
        meter.step(n)
        return {"n": n + 1}

    def path(state: State) -> Any:
        return Send("a", state["n"]) if state["n"] < meter.steps else END

    builder = StateGraph(State).add_node("a", node)
    return builder.add_conditional_edges(START, path, ["a"]).add_conditional_edges("a", path, ["a", END])


@pytest.fixture
def traced() -> Iterator[None]:
    """Memory is counted while the test runs."""
    gc.collect()
    tracemalloc.start()
    yield
    tracemalloc.stop()


@pytest.mark.slow
@pytest.mark.usefixtures("traced")
@pytest.mark.parametrize(("build", "mode"), [(plain, None), (packets, "updates"), (plain, "events")])
def test_a_long_loop(colour: Colour, build: Any, mode: Any) -> None:
    """A long loop holds no more at its end than near its beginning, however it is looked at."""
    meter = Meter(LONG if (mode, colour.name, build) == (None, "sync", plain) else STEPS)
    read_to_the_end(colour, build(meter).compile(), mode)
    assert meter.held[1] - meter.held[0] < ALLOWED


@pytest.mark.slow
@pytest.mark.usefixtures("traced")
@pytest.mark.parametrize("durability", ["sync", "async"])
def test_a_long_loop_that_is_saved(colour: Colour, durability: Any) -> None:
    """The same for a run whose saver keeps the newest checkpoint alone."""
    meter = Meter(pause=0.3)
    read_to_the_end(colour, plain(meter).compile(checkpointer=Forgetful()), "updates", durability=durability)
    assert meter.held[1] - meter.held[0] < ALLOWED


def read_to_the_end(colour: Colour, graph: CompiledStateGraph, mode: Any, **asked: Any) -> None:
    """Run it, and keep nothing of what it shows."""
    if mode is None:
        colour.invoke(graph, {"n": 0}, CONFIG, **asked)
    elif colour is SYNC:
        for _ in graph.stream({"n": 0}, CONFIG, stream_mode=mode, **asked):
            pass
    else:

        async def read() -> None:
            async for _ in graph.astream({"n": 0}, CONFIG, stream_mode=mode, **asked):
                pass

        asyncio.run(read())


def test_what_a_run_was_given_is_let_go(colour: Colour) -> None:
    """After a run nothing of the engine's holds on to the values that went through it, failed or not."""

    class Value:
        """Something that can be watched."""

    class Fault(Exception):
        pass

    def keeps(state: Any) -> dict[str, Any]:
        return {"n": state["n"]}

    def fails(state: Any) -> None:
        raise Fault

    for node, modes in ((keeps, ["values", "events"]), (fails, ["values", "tasks"]), (keeps, ["custom"])):
        graph = StateGraph(State).add_node("a", node).add_edge(START, "a").compile()
        value: Any = Value()
        watched = weakref.ref(value)
        colour.observe_stream(graph, {"n": value}, stream_mode=modes)
        del value
        for _ in range(100):  # a thread of the loop's may still be on its way back
            gc.collect()
            if watched() is None:
                break
            time.sleep(0.005)
        assert watched() is None
