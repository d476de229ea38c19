"""How a run ends: complete, failed, abandoned or cancelled; once, with nothing left behind."""

from __future__ import annotations

import asyncio
import gc
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import aclosing
from typing import Any, TypedDict
from uuid import UUID

import pytest
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessageChunk
from langchain_core.output_parsers import StrOutputParser
from langchain_core.outputs import ChatGenerationChunk
from langchain_core.runnables import Runnable, RunnableLambda

from lcel_compat import START, CompiledStateGraph, StateGraph, get_stream_writer
from lcel_compat import _drive as drive
from lcel_compat.errors import NodeCancelledError
from tests.support.colours import Colour, Raised

pytestmark = pytest.mark.usefixtures("only_what_is_new")


class State(TypedDict, total=False):
    """One key."""

    n: int


class Fault(Exception):
    """What a node of these tests raises."""


MANY = 1000
"""Pieces after which even an endless model stops in a thread, so that a failing test does not hang."""


class Endless(BaseChatModel):
    """A model whose provider never stops, and which notes when its stream is closed."""

    closed: list[str]
    made: list[int]

    @property
    def _llm_type(self) -> str:
        return "endless"

    def _generate(self, *args: Any, **kwargs: Any) -> Any:
        raise AssertionError("it is meant to stream")

    def _stream(self, *args: Any, **kwargs: Any) -> Iterator[Any]:
        try:
            while len(self.made) < MANY:
                self.made.append(1)
                time.sleep(0.0005)
                yield ChatGenerationChunk(message=AIMessageChunk(content="x"))
        finally:
            self.closed.append("stream")

    async def _astream(self, *args: Any, **kwargs: Any) -> AsyncIterator[Any]:
        try:
            while True:
                self.made.append(1)
                await asyncio.sleep(0)
                yield ChatGenerationChunk(message=AIMessageChunk(content="x"))
        finally:
            self.closed.append("astream")


class Outcomes(BaseCallbackHandler):
    """Remembers how each chain run began and ended."""

    run_inline = True

    def __init__(self) -> None:
        self.names: dict[UUID, str] = {}
        self.ends: list[tuple[str, str]] = []

    def on_chain_start(self, serialized: Any, inputs: Any, *, run_id: UUID, **kwargs: Any) -> None:
        self.names[run_id] = kwargs.get("name") or ""

    def on_chain_end(self, outputs: Any, *, run_id: UUID, **kwargs: Any) -> None:
        self.ends.append((self.names[run_id], "end"))

    def on_chain_error(self, error: BaseException, *, run_id: UUID, **kwargs: Any) -> None:
        self.ends.append((self.names[run_id], type(error).__name__))

    def of(self, name: str) -> list[str]:
        return [outcome for run, outcome in self.ends if run == name]


def graph(**nodes: Any) -> CompiledStateGraph:
    """Nodes side by side."""
    builder = StateGraph(State)
    for name, node in nodes.items():
        builder.add_node(name, node).add_edge(START, name)
    return builder.compile()


def endless() -> Endless:
    return Endless(closed=[], made=[])


def chain(model: Endless) -> Runnable[Any, Any]:
    return RunnableLambda(lambda state: "hi") | model | (lambda message: None)


class Sleeper:
    """An async node that sleeps, and notes that it began, was cancelled, and had its time to clean up."""

    def __init__(self) -> None:
        self.began = asyncio.Event()
        self.notes: list[str] = []

    async def __call__(self, state: Any) -> None:
        self.began.set()
        try:
            get_stream_writer()("awake")
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            self.notes.append("cancelled")
            raise
        finally:
            await asyncio.sleep(0.005)
            self.notes.append("cleaned up")


@pytest.fixture(autouse=True)
def nothing_left() -> Iterator[None]:
    """Let garbage speak up while the test is still responsible, and find threads that outlived it."""
    yield
    gc.collect()
    assert not engine_threads()


def engine_threads() -> list[threading.Thread]:
    """Threads of the engine's that are still running."""
    return [thread for thread in threading.enumerate() if thread.name.startswith("lcel-compat")]


async def settled() -> set[asyncio.Task[Any]]:
    """Tasks beside the current one, without giving any of them another turn."""
    return {task for task in asyncio.all_tasks() if task is not asyncio.current_task()}


Ending = Callable[[CompiledStateGraph, Sleeper], Any]


async def by_aclose(compiled: CompiledStateGraph, sleeper: Sleeper) -> None:
    stream: Any = compiled.astream({"n": 1}, stream_mode=["custom", "events", "values"])
    async with aclosing(stream):
        async for item in stream:
            if item == ("custom", "awake"):
                break


async def by_exception_of_the_consumer(compiled: CompiledStateGraph, sleeper: Sleeper) -> None:
    stream: Any = compiled.astream({"n": 1}, stream_mode="custom")
    with pytest.raises(Fault):  # noqa: PT012 - the consumer is what raises
        async with aclosing(stream):
            async for _ in stream:
                raise Fault


async def by_cancelling_the_task(compiled: CompiledStateGraph, sleeper: Sleeper) -> None:
    task = asyncio.create_task(compiled.ainvoke({"n": 1}))
    await sleeper.began.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def by_cancelling_a_reading_task(compiled: CompiledStateGraph, sleeper: Sleeper) -> None:
    async def read() -> None:
        async for _ in compiled.astream({"n": 1}, stream_mode="events"):
            pass

    task = asyncio.create_task(read())
    await sleeper.began.wait()
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def by_timeout(compiled: CompiledStateGraph, sleeper: Sleeper) -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.02):
            await compiled.ainvoke({"n": 1})


async def by_task_group(compiled: CompiledStateGraph, sleeper: Sleeper) -> None:
    async def fail() -> None:
        await sleeper.began.wait()
        raise Fault

    with pytest.raises(ExceptionGroup):  # noqa: PT012 - the group is what raises
        async with asyncio.TaskGroup() as group:
            group.create_task(compiled.ainvoke({"n": 1}))
            group.create_task(fail())


async def by_failing_neighbour(compiled: CompiledStateGraph, sleeper: Sleeper) -> None:
    async def fail(state: Any) -> None:
        await sleeper.began.wait()
        raise Fault

    with pytest.raises(Fault):
        await graph(sleeper=sleeper, fails=fail).ainvoke({"n": 1})


ENDINGS = [
    by_aclose,
    by_exception_of_the_consumer,
    by_cancelling_the_task,
    by_cancelling_a_reading_task,
    by_timeout,
    by_task_group,
    by_failing_neighbour,
]


@pytest.mark.parametrize("end", ENDINGS, ids=lambda f: f.__name__)
async def test_nodes_are_cancelled_and_awaited(end: Ending) -> None:
    """However a run ends early, its node is cancelled, has cleaned up when the caller goes on, and no task is left."""
    sleeper = Sleeper()
    await end(graph(sleeper=sleeper), sleeper)
    assert sleeper.notes == ["cancelled", "cleaned up"]
    assert await settled() == set()


@pytest.mark.parametrize("end", ENDINGS[:-1], ids=lambda f: f.__name__)
async def test_nodes_of_a_subgraph_are_cancelled_and_awaited(end: Ending) -> None:
    """The same for a node of a graph inside the graph."""
    sleeper = Sleeper()
    inner = graph(sleeper=sleeper)

    async def calls(state: Any) -> None:
        writer = get_stream_writer()
        async for item in inner.astream(state, stream_mode="custom"):
            writer(item)

    await end(graph(outer=calls), sleeper)
    assert sleeper.notes == ["cancelled", "cleaned up"]
    assert await settled() == set()


@pytest.mark.parametrize("end", ENDINGS, ids=lambda f: f.__name__)
async def test_the_root_run_ends_once(end: Ending) -> None:
    """A handler sees exactly one end or error of the root, and of every node that it saw the start of."""
    handler, sleeper = Outcomes(), Sleeper()
    await end(graph(sleeper=sleeper).with_config(callbacks=[handler]), sleeper)
    if end is by_failing_neighbour:
        return
    assert sorted(handler.names.values()) == ["LangGraph", "sleeper"]
    assert len(handler.of("LangGraph")) == 1
    assert handler.of("LangGraph") != ["end"]
    assert handler.of("sleeper") == ["CancelledError"]


@pytest.mark.parametrize("mode", ["messages", "events", ["messages", "events", "values"]], ids=str)
async def test_the_providers_stream_is_closed(mode: Any) -> None:
    """When its consumer stops, a model's stream is closed before the caller goes on."""
    model = endless()
    stream: Any = graph(node=chain(model)).astream({"n": 1}, stream_mode=mode)
    async with aclosing(stream):
        async for _ in stream:
            if len(model.made) > 20:
                break
    made = len(model.made)
    assert model.closed == ["astream"]
    await asyncio.sleep(0.005)
    assert len(model.made) == made
    assert await settled() == set()


async def test_the_providers_stream_is_closed_when_a_neighbour_fails() -> None:
    """A model that streams beside a node that fails is closed before the exception arrives."""
    model = endless()

    async def fail(state: Any) -> None:
        while len(model.made) < 20:  # noqa: ASYNC110 - the model knows nothing of events
            await asyncio.sleep(0)
        raise Fault

    with pytest.raises(Fault):
        async for _ in graph(node=chain(model), fails=fail).astream({"n": 1}, stream_mode="messages"):
            pass
    assert model.closed == ["astream"]


async def test_a_loop_that_is_left_by_break() -> None:
    """A plain ``break`` ends the run as soon as the generator is collected and the loop gets a turn."""
    sleeper = Sleeper()
    async for _ in graph(sleeper=sleeper).astream({"n": 1}, stream_mode="custom"):
        break
    gc.collect()
    for _ in range(20):
        await asyncio.sleep(0.002)
    assert sleeper.notes == ["cancelled", "cleaned up"]
    assert await settled() == set()


async def test_a_stream_that_is_never_read() -> None:
    """A stream that nobody reads starts nothing, and can be dropped or closed."""
    ran: list[Any] = []
    compiled: Any = graph(node=ran.append)
    compiled.astream({"n": 1})
    compiled.stream({"n": 1})
    await compiled.astream({"n": 1}).aclose()
    compiled.stream({"n": 1}).close()
    assert ran == []


async def test_the_message_of_a_cancellation_is_kept() -> None:
    """What ``cancel`` was given arrives with the ``CancelledError``."""
    sleeper = Sleeper()
    task = asyncio.create_task(graph(sleeper=sleeper).ainvoke({"n": 1}))
    await sleeper.began.wait()
    task.cancel("enough")
    with pytest.raises(asyncio.CancelledError, match="enough"):
        await task
    assert task.cancelled()


async def test_a_node_that_refuses_to_be_cancelled(monkeypatch: pytest.MonkeyPatch) -> None:
    """A node that swallows cancellation is given up on after a bound; the run does not hang."""
    monkeypatch.setattr(drive, "GRACE", 0.05)
    enough = asyncio.Event()

    async def stubborn(state: Any) -> None:
        get_stream_writer()("awake")
        while not enough.is_set():
            try:
                await enough.wait()
            except asyncio.CancelledError:
                continue

    started = time.monotonic()
    stream: Any = graph(stubborn=stubborn).astream({"n": 1}, stream_mode="custom")
    await anext(stream)
    await stream.aclose()
    assert 0.04 < time.monotonic() - started < 2
    enough.set()
    await asyncio.wait(await settled(), timeout=1)
    assert await settled() == set()


async def test_a_node_that_cancels_itself() -> None:
    """A ``CancelledError`` of a node's own fails the run, saying so; its neighbours are cancelled."""
    sleeper = Sleeper()

    async def gives_up(state: Any) -> None:
        await sleeper.began.wait()
        raise asyncio.CancelledError("mine")

    with pytest.raises(NodeCancelledError) as caught:
        await graph(gives_up=gives_up, sleeper=sleeper).ainvoke({"n": 1})
    assert str(caught.value.__cause__) == "mine"
    assert sleeper.notes == ["cancelled", "cleaned up"]


# Complete and failed, in both colours ----------------------------------------------------------------------


def writes_then_fails(state: Any) -> None:
    get_stream_writer()("before")
    raise Fault("broken")


@pytest.mark.parametrize("modes", [None, "values", "custom", "events", ["custom", "messages", "values"]], ids=str)
def test_complete(colour: Colour, modes: Any) -> None:
    """A run that comes to its end tells handlers so, once for the root and once for each node."""
    handler = Outcomes()
    config = {"callbacks": [handler]}
    compiled = graph(a=lambda state: {"n": 2}, b=lambda state: None)
    if modes is None:
        colour.invoke(compiled, {"n": 1}, config)
    else:
        colour.observe_stream(compiled, {"n": 1}, config, stream_mode=modes)
    assert sorted(handler.ends) == [("LangGraph", "end"), ("a", "end"), ("b", "end")]


@pytest.mark.parametrize("modes", [None, "values", "custom", "events", ["custom", "messages", "values"]], ids=str)
def test_failed(colour: Colour, modes: Any) -> None:
    """A run that fails tells handlers of the error, innermost first, once for the node and once for the root."""
    handler = Outcomes()
    config = {"callbacks": [handler]}
    compiled = graph(a=writes_then_fails)
    if modes is None:
        with pytest.raises(Fault, match="broken"):
            colour.invoke(compiled, {"n": 1}, config)
    else:
        items = colour.observe_stream(compiled, {"n": 1}, config, stream_mode=modes)
        assert items[-1] == Raised("Fault", "broken")
    assert handler.ends == [("a", "Fault"), ("LangGraph", "Fault")]


def test_items_before_a_failure_arrive_before_it(colour: Colour) -> None:
    """What was streamed before a node failed is delivered, and then the exception is raised."""
    items = colour.observe_stream(graph(a=writes_then_fails), {"n": 1}, stream_mode=["values", "custom", "updates"])
    assert items == [("values", {"n": 1}), ("custom", "before"), Raised("Fault", "broken")]


def test_items_of_a_slow_consumer_arrive_before_a_failure(colour: Colour) -> None:
    """Also when the node had failed long before the consumer came to read them."""

    def many(state: Any) -> None:
        for n in range(100):
            get_stream_writer()(n)
        raise Fault("broken")

    items = colour.observe_stream(graph(a=many), {"n": 1}, stream_mode="custom")
    assert items == [*range(100), Raised("Fault", "broken")]


def test_a_failing_run_has_no_end_event(colour: Colour) -> None:
    """By default events are core's: a failed run has a start and no end (EVENTS.md, rule 11)."""
    events = colour.observe_events(graph(a=writes_then_fails), {"n": 1})
    assert events[-1] == Raised("Fault", "broken")
    assert [(e["event"], e["name"]) for e in events[:-1]] == [("on_chain_start", "LangGraph"), ("on_chain_start", "a")]


def test_nothing_follows_a_failure(colour: Colour) -> None:
    """No node of the next superstep starts after one has failed, and no state is shown."""
    ran: list[Any] = []
    builder = StateGraph(State).add_node("a", writes_then_fails).add_node("b", ran.append)
    builder.add_edge(START, "a").add_edge("a", "b")
    items = colour.observe_stream(builder.compile(), {"n": 1}, stream_mode="values")
    assert items == [{"n": 1}, Raised("Fault", "broken")]
    assert ran == []


def test_the_first_failure_counts(colour: Colour) -> None:
    """Of two nodes that fail, the exception is that of the one that failed first."""
    first = threading.Event()

    def early(state: Any) -> None:
        first.set()
        raise Fault("early")

    def late(state: Any) -> None:
        first.wait(5)
        time.sleep(0.02)
        raise Fault("late")

    with pytest.raises(Fault, match="early"):
        colour.invoke(graph(a_late=late, b_early=early), {"n": 1})


# Threads ---------------------------------------------------------------------------------------------------


def in_a_sequence(model: Endless) -> Any:
    return chain(model)


def with_a_parser(model: Endless) -> Any:
    return RunnableLambda(lambda state: "hi") | model | StrOutputParser() | (lambda text: None)


def in_a_function(model: Endless) -> Any:
    def node(state: Any) -> None:
        model.invoke("hi")

    return node


@pytest.mark.parametrize("build", [in_a_sequence, with_a_parser, in_a_function], ids=lambda f: f.__name__)
@pytest.mark.parametrize("mode", ["messages", "events", ["messages", "events", "values"]], ids=str)
def test_closing_a_generator_closes_the_model(mode: Any, build: Any) -> None:
    """When a sync stream is closed, a streaming model is closed at its next token, and its thread has ended."""
    model, handler = endless(), Outcomes()
    stream: Any = graph(node=build(model)).stream({"n": 1}, {"callbacks": [handler]}, stream_mode=mode)
    for _ in stream:
        if len(model.made) > 20:
            break
    stream.close()
    assert model.closed == ["stream"]
    assert len(model.made) < MANY / 2
    assert not engine_threads()
    assert len(handler.of("LangGraph")) == 1


async def test_closing_ends_a_model_in_a_thread_of_the_loop() -> None:
    """A model that a sync node of an async run streams in a thread is closed at its next token as well."""
    model = endless()
    stream: Any = graph(node=in_a_function(model)).astream({"n": 1}, stream_mode="messages")
    async with aclosing(stream):
        async for _ in stream:
            if len(model.made) > 20:
                break
    for _ in range(100):
        await asyncio.sleep(0.005)
        if model.closed:
            break
    assert model.closed == ["stream"]
    assert len(model.made) < MANY / 2


def test_a_generator_that_is_dropped() -> None:
    """A sync stream that is left by ``break`` and dropped ends its run as closing it does."""
    handler = Outcomes()

    def read() -> None:
        for _ in graph(node=lambda s: get_stream_writer()(1)).stream(
            {"n": 1}, {"callbacks": [handler]}, stream_mode="custom"
        ):
            break

    read()
    gc.collect()
    assert len(handler.of("LangGraph")) == 1


def test_a_running_function_is_awaited() -> None:
    """A function that runs in a thread cannot be ended: closing waits for it, and starts nothing more."""
    notes: list[str] = []

    def slow(state: Any) -> None:
        get_stream_writer()("awake")
        time.sleep(0.03)
        notes.append("done")

    builder = StateGraph(State).add_node("slow", slow).add_node("next", lambda s: notes.append("next"))
    builder.add_edge(START, "slow").add_edge("slow", "next")
    stream: Any = builder.compile().stream({"n": 1}, stream_mode="custom")
    assert next(stream) == "awake"
    stream.close()
    assert notes == ["done"]


def test_abandoned_in_sync_ends_once() -> None:
    """A handler sees exactly one outcome of the root when a sync stream is closed, and it is no end."""
    handler = Outcomes()

    def node(state: Any) -> None:
        get_stream_writer()("awake")

    stream: Any = graph(node=node).stream({"n": 1}, {"callbacks": [handler]}, stream_mode=["values", "custom"])
    next(stream)
    stream.close()
    assert len(handler.of("LangGraph")) == 1
    assert handler.of("LangGraph") != ["end"]


def test_waiting_tasks_of_an_abandoned_run_do_not_start() -> None:
    """Of nodes that wait for their turn under ``max_concurrency`` none starts after the consumer stopped."""
    ran: list[str] = []

    def node(state: Any) -> None:
        ran.append("x")
        get_stream_writer()("awake")
        time.sleep(0.02)

    compiled = graph(a=node, b=node, c=node)
    stream: Any = compiled.stream({"n": 1}, {"max_concurrency": 1}, stream_mode="custom")
    next(stream)
    stream.close()
    assert ran == ["x"]


def test_threads_end_with_the_run(colour: Colour) -> None:
    """After a run that was read to its end no thread of the engine's is left."""
    colour.observe_stream(graph(a=lambda s: None, b=lambda s: None), {"n": 1}, stream_mode=["custom", "values"])
    assert not engine_threads()


def test_a_failure_waits_for_its_neighbours_threads() -> None:
    """In a sync run the exception arrives when the threads beside the failed node have come to their end."""
    notes: list[str] = []

    began = threading.Event()

    def slow(state: Any) -> None:
        began.set()
        time.sleep(0.03)
        notes.append("done")

    def fail(state: Any) -> None:
        began.wait(5)
        raise Fault

    with pytest.raises(Fault):
        graph(slow=slow, fails=fail).invoke({"n": 1})
    assert notes == ["done"]


def test_a_generator_may_be_closed_twice() -> None:
    """Closing again, and reading after closing, does nothing."""
    stream: Any = graph(node=lambda s: None).stream({"n": 1}, stream_mode="values")
    next(stream)
    stream.close()
    stream.close()
    assert list(stream) == []
