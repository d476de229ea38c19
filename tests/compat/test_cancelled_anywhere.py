"""Runs that are cancelled at any turn of the event loop, once or at every turn after it: nothing is left or lost."""

from __future__ import annotations

import asyncio
import operator
import os
from collections.abc import Callable
from typing import Annotated, Any, TypedDict

import pytest
from langchain_core.callbacks import BaseCallbackHandler
from langgraph.checkpoint.memory import InMemorySaver

from lcel_compat import START, CompiledStateGraph, Send, StateGraph, get_stream_writer
from tests.compat.test_endings_saved import Balance
from tests.support.plugin import count
from tests.support.saving import Told

pytestmark = pytest.mark.usefixtures("only_what_is_new")

THREAD: Any = {"configurable": {"thread_id": "1"}}
INPUT: Any = {"log": ["in"]}
STRIDE = 1 if os.environ.get("CI") else 5
"""Turns between one cancellation that is tried and the next."""
DURABILITIES: Any = ("sync", "async", "exit")


class State(TypedDict, total=False):
    """One key that is folded."""

    log: Annotated[list[str], operator.add]


class SlowlyTold(Told):
    """A saver that lets the loop turn a few times before it has saved anything."""

    async def aput(self, *args: Any) -> Any:
        for _ in range(3):
            await asyncio.sleep(0)
        return await super().aput(*args)


def node(name: str, turns: int = 1) -> Any:
    """A node that lets the loop turn a few times, in its work and when it is cancelled."""

    async def run(state: Any) -> dict[str, list[str]]:
        try:
            for _ in range(turns):
                get_stream_writer()(name)
                await asyncio.sleep(0)
        except asyncio.CancelledError:
            await asyncio.sleep(0)
            raise
        return {"log": [name]}

    return run


def line() -> StateGraph:
    """Three nodes after each other."""
    builder = StateGraph(State).add_sequence([(name, node(name)) for name in "abc"])
    return builder.add_edge(START, "a")


def fan() -> StateGraph:
    """Neighbours, packets and a join."""
    builder = StateGraph(State).add_node("a", node("a")).add_node("b", node("b", 3)).add_node("work", node("work", 2))
    builder.add_node("end", node("end")).add_edge(START, "a").add_edge(START, "b").add_edge(["a", "b"], "end")
    return builder.add_conditional_edges("a", lambda state: [Send("work", {}), Send("work", {})], ["work"])


def nested() -> StateGraph:
    """A graph in a graph in a graph, beside a node."""
    inner = StateGraph(State).add_node("inner", line().compile()).add_edge(START, "inner").compile()
    builder = StateGraph(State).add_node("sub", inner).add_node("beside", node("beside", 4)).add_node("z", node("z"))
    return builder.add_edge(START, "sub").add_edge(START, "beside").add_edge(["sub", "beside"], "z")


def called() -> StateGraph:
    """A function that calls a graph twice."""
    inner = line().compile()

    async def calls(state: Any) -> Any:
        first = await inner.ainvoke({"log": []})
        second = await inner.ainvoke({"log": []})
        return {"log": [*first["log"], *second["log"]]}

    return (
        StateGraph(State)
        .add_node("calls", calls)
        .add_node("z", node("z"))
        .add_edge(START, "calls")
        .add_edge("calls", "z")
    )


GRAPHS = [line, fan, nested, called]


async def read(graph: CompiledStateGraph, value: Any, handlers: list[BaseCallbackHandler], durability: Any) -> None:
    """Read a run to its end."""
    config: Any = {**THREAD, "callbacks": handlers}
    modes: Any = ["values", "custom", "events"]
    stream = graph.astream(value, config, stream_mode=modes, subgraphs=True, durability=durability)
    async for _ in stream:
        pass


async def stopped_at(turn: int, work: Any, *, again: bool) -> bool:
    """Cancel some work after so many turns, and then if asked at every turn; whether it was not over before."""
    task = asyncio.create_task(work)
    for _ in range(turn):
        await asyncio.sleep(0)
    if task.done():
        task.result()
        return False
    task.cancel()
    while not task.done():
        await asyncio.sleep(0)
        if again:
            task.cancel()
    with pytest.raises(asyncio.CancelledError):
        task.result()
    return True


async def whole(build: Callable[[], StateGraph]) -> Any:
    """What a run comes to that nobody stops."""
    return await build().compile(checkpointer=InMemorySaver()).ainvoke(INPUT, THREAD)


@pytest.mark.slow
@pytest.mark.parametrize("again", [False, True], ids=["once", "at every turn"])
@pytest.mark.parametrize("durability", DURABILITIES)
@pytest.mark.parametrize("build", GRAPHS, ids=lambda f: f.__name__)
async def test_cancelled_at_any_turn(build: Callable[[], StateGraph], durability: Any, again: bool) -> None:
    """At whichever turn a run is cancelled, no task is left, each run that handlers saw start has one outcome, and the
    thread goes on to the same end."""
    expected = await whole(build)
    turn = 0
    while True:
        balance = Balance()
        graph = build().compile(checkpointer=SlowlyTold())
        stopped = await stopped_at(turn, read(graph, INPUT, [balance], durability), again=again)
        assert asyncio.all_tasks() == {asyncio.current_task()}
        balance.check()
        if not stopped:
            break
        count("turns at which runs were cancelled", (build.__name__, durability, again, turn))
        begun = (await graph.aget_state(THREAD)).created_at is not None
        assert await graph.ainvoke(None if begun else INPUT, THREAD) == expected
        turn += STRIDE
    assert turn > 15


@pytest.mark.parametrize("build", [fan, nested], ids=lambda f: f.__name__)
async def test_in_sync_what_was_shown_is_kept(build: Callable[[], StateGraph]) -> None:
    """With ``durability="sync"`` a node whose update the consumer has seen does not run again after a cancellation."""
    for turn in range(0, 60, 2):
        saver, shown = Told(), list[str]()
        graph = build().compile(checkpointer=saver)

        async def look(graph: CompiledStateGraph = graph, shown: list[str] = shown) -> None:
            async for _, update in graph.astream(
                INPUT, THREAD, stream_mode="updates", subgraphs=True, durability="sync"
            ):
                shown.extend(update)

        await stopped_at(turn, look(), again=True)
        ran_again: list[str] = []
        begun = (await graph.aget_state(THREAD)).created_at is not None
        async for _, task in graph.astream(None if begun else INPUT, THREAD, stream_mode="tasks", subgraphs=True):
            if "result" in task:
                ran_again.append(task["name"])
        for name in {*shown} - {"work"}:
            assert name not in ran_again, f"{name} at turn {turn}"


async def test_a_stream_that_is_left_at_any_item() -> None:
    """A consumer that leaves after any number of items leaves nothing behind; the thread goes on to the same end."""
    expected = await whole(nested)
    number = 0
    while True:
        balance, left = Balance(), True
        graph = nested().compile(checkpointer=InMemorySaver())
        config: Any = {**THREAD, "callbacks": [balance]}
        stream: Any = graph.astream(INPUT, config, stream_mode=["values", "tasks", "custom"], subgraphs=True)
        for _ in range(number):
            if await anext(stream, None) is None:
                left = False
        await stream.aclose()
        assert asyncio.all_tasks() == {asyncio.current_task()}
        balance.check()
        if not left:
            break
        begun = (await graph.aget_state(THREAD)).created_at is not None
        assert await graph.ainvoke(None if begun else INPUT, THREAD) == expected
        number += 1
    assert number > 20
