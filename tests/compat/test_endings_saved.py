"""Endings of runs that are saved, in the middle of a superstep of a graph inside: nothing is left, nothing is lost."""

from __future__ import annotations

import asyncio
import gc
import operator
import threading
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import aclosing
from typing import Annotated, Any, TypedDict
from uuid import UUID

import anyio
import pytest
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.runnables import RunnableLambda
from langgraph.checkpoint.memory import InMemorySaver

from lcel_compat import START, CompiledStateGraph, StateGraph, get_stream_writer
from tests.compat.test_endings import MANY, endless, engine_threads
from tests.support.saving import Told

pytestmark = pytest.mark.usefixtures("only_what_is_new")

THREAD: Any = {"configurable": {"thread_id": "1"}}
DURABILITIES = ("sync", "async", "exit")
BOUND = 3.0
"""Seconds within which a run that is stopped has ended; the engine's own grace is longer, and must not be needed."""


class State(TypedDict, total=False):
    """One key that is folded."""

    log: Annotated[list[str], operator.add]


class Fault(Exception):
    """What the consumers and nodes of these tests raise."""


class Balance(BaseCallbackHandler):
    """Counts the starts and the outcomes of each run."""

    run_inline = True

    def __init__(self) -> None:
        self.started: dict[UUID, str] = {}
        self.over: Counter[UUID] = Counter()

    def _start(self, serialized: Any, inputs: Any, *, run_id: UUID, **kwargs: Any) -> None:
        assert run_id not in self.started
        self.started[run_id] = kwargs.get("name") or ""

    def _over(self, *args: Any, run_id: UUID, **kwargs: Any) -> None:
        self.over[run_id] += 1

    on_chain_start = _start
    on_chat_model_start = on_tool_start = _start  # type: ignore[assignment]  # less is said of the arguments
    on_chain_end = on_chain_error = on_llm_end = on_llm_error = on_tool_end = on_tool_error = _over

    def check(self) -> None:
        """Each run that started has exactly one outcome."""
        assert {self.started[run]: count for run, count in self.over.items() if count != 1} == {}
        assert [name for run, name in self.started.items() if run not in self.over] == []


def _with(handler: BaseCallbackHandler) -> Any:
    return {**THREAD, "callbacks": [handler]}


class Sleeper:
    """A node that sleeps the first time, and notes that it was cancelled and has cleaned up."""

    def __init__(self) -> None:
        self.notes: list[str] = []
        self.began = asyncio.Event()

    async def __call__(self, state: Any) -> dict[str, list[str]]:
        get_stream_writer()("awake")
        if self.began.is_set():
            return {"log": ["slept"]}
        self.began.set()
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            self.notes.append("cancelled")
            await asyncio.sleep(0.01)
            self.notes.append("cleaned up")
            raise
        return {}


class Nest:
    """A graph in a graph in a graph: nodes that finish, one beside them that sleeps, and a saver."""

    def __init__(self, sleeper: Any, *, called: bool = False, saver: Any = None) -> None:
        self.ran: list[str] = []
        self._shown = False
        self.saver: Any = saver or InMemorySaver()
        builder = StateGraph(State).add_node("before", self._node("before")).add_node("beside", self._node("beside"))
        builder.add_node("sleeper", sleeper).add_edge(START, "before")
        inner = builder.add_edge("before", "beside").add_edge("before", "sleeper").compile()
        middle = StateGraph(State).add_node("inner", inner).add_edge(START, "inner").compile()
        outer = StateGraph(State).add_node("first", self._node("first"))
        outer.add_node("middle", self._calls(middle) if called else middle)
        self.graph: CompiledStateGraph = (
            outer.add_edge(START, "first").add_edge("first", "middle").compile(checkpointer=self.saver)
        )

    def _node(self, name: str) -> Any:
        def node(state: Any) -> dict[str, list[str]]:
            self.ran.append(name)
            return {"log": [name]}

        async def anode(state: Any) -> dict[str, list[str]]:
            return node(state)

        return RunnableLambda(node, afunc=anode)

    def is_midway(self, item: Any, sleeper: Sleeper) -> bool:
        """Whether the innermost superstep has one finished node and one that sleeps."""
        self._shown = self._shown or (item[1] == "updates" and "beside" in item[2])
        return self._shown and sleeper.began.is_set()

    async def midway(self, sleeper: Sleeper) -> None:
        """Wait until the innermost superstep has one finished node and one that sleeps."""
        await sleeper.began.wait()
        while "beside" not in self.ran:  # noqa: ASYNC110 - the node knows nothing of events
            await asyncio.sleep(0.002)
        for _ in range(20):
            await asyncio.sleep(0.001)

    @staticmethod
    def _calls(graph: CompiledStateGraph) -> Any:
        async def calls(state: Any) -> Any:
            return await graph.ainvoke(state)

        return calls


Ending = Callable[[Nest, Sleeper, Any, Any], Awaitable[None]]
MODES: Any = ["updates", "custom", "events"]


def _stream(nest: Nest, config: Any, durability: Any) -> Any:
    return nest.graph.astream({"log": []}, config, stream_mode=MODES, subgraphs=True, durability=durability)


async def by_aclose(nest: Nest, sleeper: Sleeper, config: Any, durability: Any) -> None:
    async with aclosing(_stream(nest, config, durability)) as stream:
        async for item in stream:
            if nest.is_midway(item, sleeper):
                break


async def by_break(nest: Nest, sleeper: Sleeper, config: Any, durability: Any) -> None:
    async for item in _stream(nest, config, durability):
        if nest.is_midway(item, sleeper):
            break
    gc.collect()
    while len(asyncio.all_tasks()) > 1:  # noqa: ASYNC110 - nobody tells when the loop has closed the generator
        await asyncio.sleep(0.002)


async def by_error_of_the_consumer(nest: Nest, sleeper: Sleeper, config: Any, durability: Any) -> None:
    with pytest.raises(Fault):  # noqa: PT012 - the consumer is what raises
        async with aclosing(_stream(nest, config, durability)) as stream:
            async for item in stream:
                if nest.is_midway(item, sleeper):
                    raise Fault


async def by_cancel(nest: Nest, sleeper: Sleeper, config: Any, durability: Any) -> None:
    task = asyncio.create_task(nest.graph.ainvoke({"log": []}, config, durability=durability))
    await nest.midway(sleeper)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def by_cancelling_twice(nest: Nest, sleeper: Sleeper, config: Any, durability: Any) -> None:
    task = asyncio.create_task(nest.graph.ainvoke({"log": []}, config, durability=durability))
    await nest.midway(sleeper)
    task.cancel()
    await asyncio.sleep(0.003)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def by_cancel_scope(nest: Nest, sleeper: Sleeper, config: Any, durability: Any) -> None:
    async with anyio.create_task_group() as group:

        async def read() -> None:
            async for _ in _stream(nest, config, durability):
                pass

        group.start_soon(read)
        await nest.midway(sleeper)
        group.cancel_scope.cancel()


async def by_scope_around_invoke(nest: Nest, sleeper: Sleeper, config: Any, durability: Any) -> None:
    async def cancel() -> None:
        await nest.midway(sleeper)
        scope.cancel()

    cancelling = asyncio.create_task(cancel())
    with anyio.CancelScope() as scope:
        await nest.graph.ainvoke({"log": []}, config, durability=durability)
    await cancelling
    assert scope.cancelled_caught


async def by_step_timeout(nest: Nest, sleeper: Sleeper, config: Any, durability: Any) -> None:
    nest.graph = nest.graph.copy({"step_timeout": 0.3})
    with pytest.raises(TimeoutError):
        await nest.graph.ainvoke({"log": []}, config, durability=durability)


ENDINGS = [
    by_aclose,
    by_break,
    by_error_of_the_consumer,
    by_cancel,
    by_cancelling_twice,
    by_cancel_scope,
    by_scope_around_invoke,
    by_step_timeout,
]


@pytest.fixture(autouse=True)
def nothing_left() -> Iterator[None]:
    """Let garbage speak up while the test is still responsible, and find threads that outlived it."""
    yield
    gc.collect()
    assert not engine_threads()


@pytest.mark.parametrize("called", [False, True], ids=["node", "called"])
@pytest.mark.parametrize("durability", DURABILITIES)
@pytest.mark.parametrize("end", ENDINGS, ids=lambda f: f.__name__)
async def test_stopped_inside(end: Ending, durability: Any, called: bool) -> None:
    """However a run is stopped, the innermost node is cancelled and awaited, each start has one outcome, and no task,
    thread or warning is left; what had finished is saved, so that the thread goes on without running it again."""
    sleeper, balance = Sleeper(), Balance()
    nest = Nest(sleeper, called=called)
    started = time.monotonic()
    await end(nest, sleeper, _with(balance), durability)
    assert time.monotonic() - started < BOUND
    assert sleeper.notes == ["cancelled", "cleaned up"]
    assert asyncio.all_tasks() == {asyncio.current_task()}
    balance.check()
    assert sorted(nest.ran) == ["before", "beside", "first"]
    final = await nest.graph.copy({"step_timeout": None}).ainvoke(None, THREAD, durability=durability)
    assert final["log"][-1] == "slept"
    assert sorted(nest.ran) == ["before", "beside", "first"]


@pytest.mark.parametrize("durability", DURABILITIES)
async def test_a_neighbour_outside_fails(durability: Any) -> None:
    """A node beside a graph fails: the graph's nodes are cancelled and awaited, and what they finished is saved."""
    sleeper, balance = Sleeper(), Balance()
    nest = Nest(sleeper)
    tried: list[int] = []

    async def fails(state: Any) -> None:
        tried.append(1)
        if len(tried) == 1:
            await sleeper.began.wait()
            await asyncio.sleep(0.02)
            raise Fault

    inner = nest.graph.copy({"checkpointer": None})
    builder = StateGraph(State).add_node("sub", inner).add_node("fails", fails)
    graph = builder.add_edge(START, "sub").add_edge(START, "fails").compile(checkpointer=InMemorySaver())
    with pytest.raises(Fault):
        await graph.ainvoke({"log": []}, _with(balance), durability=durability)
    assert sleeper.notes == ["cancelled", "cleaned up"]
    assert asyncio.all_tasks() == {asyncio.current_task()}
    balance.check()
    await graph.ainvoke(None, THREAD, durability=durability)
    assert sorted(nest.ran) == ["before", "beside", "first"]


@pytest.mark.parametrize("end", ENDINGS, ids=lambda f: f.__name__)
async def test_a_slow_saver_is_waited_for(end: Ending) -> None:
    """What was on its way to the saver when a run is stopped arrives there before the caller goes on."""
    sleeper = Sleeper()
    nest = Nest(sleeper, saver=Told(delay=0.02))
    await end(nest, sleeper, THREAD, "async")
    calls = list(nest.saver.calls)
    assert nest.saver.story.count(("writes", "beside")) == 1
    await asyncio.sleep(0.05)
    assert nest.saver.calls == calls


@pytest.mark.parametrize("end", [by_aclose, by_cancel], ids=lambda f: f.__name__)
async def test_a_saver_that_fails_while_a_run_is_stopped(end: Ending) -> None:
    """A saver that fails does not hide how the run ended, nor leave anything running."""
    sleeper, balance = Sleeper(), Balance()
    nest = Nest(sleeper, saver=Told(fails_at=0))
    await end(nest, sleeper, _with(balance), "exit")
    assert sleeper.notes == ["cancelled", "cleaned up"]
    assert len(nest.saver.calls) > 0
    assert asyncio.all_tasks() == {asyncio.current_task()}
    balance.check()


@pytest.mark.parametrize("mode", ["messages", "events"])
@pytest.mark.parametrize("called", [False, True], ids=["node", "called"])
async def test_the_providers_stream_is_closed(mode: Any, called: bool) -> None:
    """A model that streams in a graph inside is closed when the outermost graph's consumer stops."""
    model, balance = endless(), Balance()
    nest = Nest(RunnableLambda(lambda state: "hi") | model | (lambda message: None), called=called)
    stream: Any = nest.graph.astream({"log": []}, _with(balance), stream_mode=mode, subgraphs=True)
    async with aclosing(stream):
        async for _ in stream:
            if len(model.made) > 20:
                break
    made = len(model.made)
    assert model.closed == ["astream"]
    await asyncio.sleep(0.005)
    assert len(model.made) == made
    assert asyncio.all_tasks() == {asyncio.current_task()}
    balance.check()


# In threads ------------------------------------------------------------------------------------------------


class Holding:
    """A synchronous node that sends a value and then works for a while; it cannot be ended."""

    def __init__(self, seconds: float = 0.05) -> None:
        self.seconds = seconds
        self.done = threading.Event()

    def __call__(self, state: Any) -> dict[str, list[str]]:
        get_stream_writer()("awake")
        time.sleep(self.seconds)
        self.done.set()
        return {"log": ["slept"]}


@pytest.mark.parametrize("durability", DURABILITIES)
@pytest.mark.parametrize("drop", [False, True], ids=["close", "drop"])
def test_closed_in_threads(durability: Any, drop: bool) -> None:
    """A sync stream that is closed waits for the functions that run, at any depth, saves them, and starts no more."""
    holding, balance = Holding(), Balance()
    nest = Nest(holding)
    stream: Any = nest.graph.stream(
        {"log": []}, _with(balance), stream_mode=MODES, subgraphs=True, durability=durability
    )
    for item in stream:
        if item[1:] == ("custom", "awake"):
            break
    if drop:
        del stream
        gc.collect()
    else:
        stream.close()
    assert holding.done.is_set()
    assert not engine_threads()
    balance.check()
    ran = list(nest.ran)
    assert nest.graph.invoke(None, THREAD)["log"][-1] == "slept"
    assert sorted(nest.ran) == ["before", "beside", "first"]
    assert len(ran) >= 2


def test_a_streaming_model_in_threads() -> None:
    """A model that streams in a graph inside is closed at its next token, and its thread has ended."""
    model, balance = endless(), Balance()
    nest = Nest(RunnableLambda(lambda state: "hi") | model | (lambda message: None))
    stream: Any = nest.graph.stream({"log": []}, _with(balance), stream_mode="messages", subgraphs=True)
    for _ in stream:
        if len(model.made) > 20:
            break
    stream.close()
    assert model.closed == ["stream"]
    assert len(model.made) < MANY / 2
    balance.check()


def test_a_failure_in_threads() -> None:
    """A node that fails beside a graph waits for that graph's functions; what they wrote is saved."""
    holding = Holding()
    nest = Nest(holding)
    tried: list[int] = []

    def fails(state: Any) -> None:
        tried.append(1)
        if len(tried) == 1:
            while "beside" not in nest.ran:
                time.sleep(0.002)
            raise Fault

    inner = nest.graph.copy({"checkpointer": None})
    builder = StateGraph(State).add_node("sub", inner).add_node("fails", fails)
    graph = builder.add_edge(START, "sub").add_edge(START, "fails").compile(checkpointer=InMemorySaver())
    with pytest.raises(Fault):
        graph.invoke({"log": []}, THREAD)
    assert holding.done.is_set()
    assert not engine_threads()
    graph.invoke(None, THREAD)
    assert sorted(nest.ran) == ["before", "beside", "first"]


@pytest.mark.parametrize("durability", DURABILITIES)
def test_work_that_ends_after_the_consumer_left(durability: Any) -> None:
    """What a runnable in a thread makes after its stream was closed is kept: it does not run again."""
    ran: list[str] = []
    begun, left = threading.Event(), threading.Event()

    def slow(state: Any) -> dict[str, list[str]]:
        begun.set()
        left.wait(5)
        ran.append("slow")
        return {"log": ["slow"]}

    def quick(state: Any) -> dict[str, list[str]]:
        begun.wait(5)
        return {"log": ["quick"]}

    builder = StateGraph(State).add_node("slow", RunnableLambda(slow)).add_node("quick", quick)
    graph = builder.add_edge(START, "slow").add_edge(START, "quick").compile(checkpointer=InMemorySaver())
    stream: Any = graph.stream({"log": []}, THREAD, stream_mode=["updates", "events"], durability=durability)
    for mode, _ in stream:
        if mode == "updates":
            break
    threading.Timer(0.05, left.set).start()
    stream.close()
    assert sorted(graph.invoke(None, THREAD)["log"]) == ["quick", "slow"]
    assert ran == ["slow"]
