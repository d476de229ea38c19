"""Nodes that are tried again, that take too long, and supersteps that do."""

from __future__ import annotations

import asyncio
import operator
import random
import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Annotated, Any, TypedDict

import pytest
from langchain_core.runnables import RunnableLambda
from langgraph.checkpoint.memory import InMemorySaver

from lcel_compat import (
    START,
    Command,
    CompiledStateGraph,
    RetryPolicy,
    Runtime,
    Send,
    StateGraph,
    TimeoutPolicy,
    get_stream_writer,
    interrupt,
)
from lcel_compat._execute import ASYNC, SYNC
from lcel_compat.errors import NodeTimeoutError, StepTimeoutError
from tests.compat.test_endings import Outcomes, engine_threads
from tests.support.colours import ASYNC as ASYNCHRONOUS
from tests.support.colours import Colour, Raised
from tests.support.models import StreamingChat

THREAD: Any = {"configurable": {"thread_id": "1"}}
QUICK = RetryPolicy(initial_interval=0.001, jitter=False, max_attempts=4)


class State(TypedDict, total=False):
    """One key that is folded."""

    log: Annotated[list[str], operator.add]


class Fault(Exception):
    """What a node of these tests raises; another attempt may do better."""


def single(node: Any, **options: Any) -> StateGraph:
    """One node."""
    return StateGraph(State).add_node("a", node, **options).add_edge(START, "a")


def fails(times: int, then: Callable[[], Any] = lambda: {"log": ["done"]}) -> tuple[Any, list[int]]:
    """A node that fails some times, and a list of the numbers of its attempts."""
    tried: list[int] = []

    def node(state: Any, runtime: Runtime[Any]) -> Any:
        tried.append(runtime.execution_info.node_attempt if runtime.execution_info else 0)
        if len(tried) <= times:
            raise Fault(str(len(tried)))
        return then()

    return node, tried


@pytest.fixture
def naps(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds that the engine waited between attempts; it does not really wait."""
    slept: list[float] = []

    def nap(self: Any, seconds: float, session: Any) -> None:
        slept.append(seconds)

    async def anap(self: Any, seconds: float, session: Any) -> None:
        slept.append(seconds)

    monkeypatch.setattr(type(SYNC), "sleep", nap)
    monkeypatch.setattr(type(ASYNC), "sleep", anap)
    return slept


# Trying again ----------------------------------------------------------------------------------------------


def test_how_often_and_after_how_long(colour: Colour, naps: list[float]) -> None:
    """A node is tried as often as its policy says, after intervals that grow; it knows which attempt it is."""
    node, tried = fails(3)
    policy = RetryPolicy(initial_interval=1.0, backoff_factor=3.0, max_interval=5.0, max_attempts=4, jitter=False)
    assert colour.invoke(single(node, retry_policy=policy).compile(), {"log": []}) == {"log": ["done"]}
    assert tried == [1, 2, 3, 4]
    assert naps == [1.0, 3.0, 5.0]


def test_the_last_error_is_raised(colour: Colour, naps: list[float]) -> None:
    """When a policy gives up, the run fails with what the last attempt raised."""
    node, tried = fails(9)
    items = colour.observe_stream(single(node, retry_policy=QUICK).compile(), {"log": []})
    assert items == [Raised("Fault", "4")]
    assert len(tried) == 4
    assert len(naps) == 3


def test_jitter(colour: Colour, naps: list[float], monkeypatch: pytest.MonkeyPatch) -> None:
    """With jitter up to a second, at random, is added to each interval."""
    monkeypatch.setattr(random, "random", lambda: 0.25)
    node, _ = fails(2)
    policy = RetryPolicy(initial_interval=1.0)
    colour.invoke(single(node, retry_policy=policy).compile(), {"log": []})
    assert naps == [1.25, 2.25]


def test_what_a_failed_attempt_wrote_is_gone(colour: Colour, naps: list[float]) -> None:
    """Of a node whose conditional edge fails, the update of the failed attempt is not kept beside the next one's."""
    routes: list[int] = []

    def route(state: Any) -> str:
        routes.append(1)
        if len(routes) < 3:
            raise Fault("route")
        return "__end__"

    builder = StateGraph(State).add_node("a", lambda state: {"log": ["a"]}, retry_policy=QUICK)
    builder.add_edge(START, "a").add_conditional_edges("a", route)
    assert colour.invoke(builder.compile(), {"log": []}) == {"log": ["a"]}
    assert len(routes) == 3


def test_what_an_attempt_sent_stays(colour: Colour, naps: list[float]) -> None:
    """What a failed attempt has streamed already cannot be taken back; its start, and one end, are in ``tasks``."""
    tried: list[int] = []

    def node(state: Any) -> None:
        tried.append(1)
        get_stream_writer()(len(tried))
        if len(tried) < 3:
            raise Fault

    compiled = single(node, retry_policy=QUICK).compile()
    items = colour.observe_stream(compiled, {"log": []}, stream_mode=["custom", "tasks"])
    assert [item for mode, item in items if mode == "custom"] == [1, 2, 3]
    assert [mode for mode, _ in items].count("tasks") == 2


def test_each_attempt_has_a_run_of_its_own(colour: Colour, naps: list[float]) -> None:
    """Callbacks see a start and an error of each attempt that failed, and then a start and an end."""
    node, _ = fails(2)
    handler = Outcomes()
    colour.invoke(single(node, retry_policy=QUICK).compile(), {"log": []}, {"callbacks": [handler]})
    assert handler.of("a") == ["Fault", "Fault", "end"]
    assert handler.of("LangGraph") == ["end"]


def test_a_retried_node_asks(colour: Colour, naps: list[float]) -> None:
    """A node that fails after its answer is tried again with that answer, and asks from its first question on."""
    tried: list[Any] = []

    def node(state: Any) -> Any:
        tried.append([interrupt("1"), interrupt("2")])
        if len(tried) < 3:
            raise Fault
        return {"log": tried[-1]}

    compiled = single(node, retry_policy=QUICK).compile(checkpointer=InMemorySaver())
    colour.invoke(compiled, {"log": []}, THREAD)
    colour.invoke(compiled, Command(resume="one"), THREAD)
    assert tried == []
    assert colour.invoke(compiled, Command(resume="two"), THREAD) == {"log": ["one", "two"]}
    assert tried == [["one", "two"]] * 3


def test_a_retried_node_that_is_a_graph(colour: Colour, naps: list[float]) -> None:
    """With a saver a graph inside a node that is tried again goes on where it failed; without one it begins anew."""
    for saver, expected in ((InMemorySaver(), ["first", "second", "second"]), (None, ["first", "second"] * 2)):
        ran: list[str] = []

        def second(state: Any, ran: list[str] = ran) -> None:
            ran.append("second")
            if ran.count("second") == 1:
                raise Fault

        inner = StateGraph(State).add_node("first", lambda state, ran=ran: ran.append("first"))
        inner.add_node("second", second).add_edge(START, "first").add_edge("first", "second")
        compiled = single(inner.compile(), retry_policy=QUICK).compile(checkpointer=saver)
        colour.invoke(compiled, {"log": []}, THREAD if saver else None)
        assert ran == expected


def test_each_packet_is_tried_for_itself(colour: Colour, naps: list[float]) -> None:
    """Tasks of one node fail and are tried again independently of each other."""
    tried: list[int] = []

    def work(number: int) -> Any:
        tried.append(number)
        if tried.count(number) <= number:
            raise Fault
        return {"log": [str(number)]}

    builder = StateGraph(State).add_node("work", work, retry_policy=QUICK)
    builder.add_conditional_edges(START, lambda state: [Send("work", n) for n in range(4)], ["work"])
    assert colour.invoke(builder.compile(), {"log": []}) == {"log": ["0", "1", "2", "3"]}
    assert [tried.count(number) for number in range(4)] == [1, 2, 3, 4]


async def test_a_cancelled_node_is_not_tried_again() -> None:
    """A run that is stopped while a node waits for its next attempt does not wait for it."""
    node, tried = fails(9)
    policy = RetryPolicy(initial_interval=60, jitter=False)
    task = asyncio.create_task(single(node, retry_policy=policy).compile().ainvoke({"log": []}))
    while not tried:  # noqa: ASYNC110 - the node knows nothing of events
        await asyncio.sleep(0.001)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(task, 5)
    assert tried == [1]


@pytest.mark.parametrize("times", [0, 2])
def test_a_retried_task_is_saved_once(colour: Colour, naps: list[float], times: int) -> None:
    """What the saver is told of a node does not depend on how often it was tried."""
    from tests.support.saving import Told

    saver = Told()
    node, _ = fails(times)
    colour.invoke(single(node, retry_policy=QUICK).compile(checkpointer=saver), {"log": []}, THREAD)
    assert saver.story.count(("writes", "a")) == 1


# Timeouts --------------------------------------------------------------------------------------------------


class Slow:
    """An asynchronous node that takes some time, and notes that it was cancelled and has cleaned up."""

    def __init__(self, seconds: float, act: Callable[[Runtime[Any]], Any] | None = None, pause: float = 0.01) -> None:
        self.seconds = seconds
        self.act = act
        self.pause = pause
        self.notes: list[str] = []

    async def __call__(self, state: Any, runtime: Runtime[Any]) -> Any:
        end = time.monotonic() + self.seconds
        try:
            while time.monotonic() < end:
                if self.act is not None:
                    self.act(runtime)
                await asyncio.sleep(min(self.pause, self.seconds))
        except asyncio.CancelledError:
            self.notes.append("cancelled")
            await asyncio.sleep(0.005)
            self.notes.append("cleaned up")
            raise
        return {"log": ["done"]}


def outcome(node: Any, timeout: Any, **options: Any) -> Any:
    """The log of a run, or the error that ended it."""
    try:
        return ASYNCHRONOUS.invoke(single(node, timeout=timeout, **options).compile(), {"log": []})["log"]
    except NodeTimeoutError as error:
        return error


@pytest.mark.parametrize("timeout", [0.03, timedelta(seconds=0.03), TimeoutPolicy(run_timeout=0.03)], ids=str)
def test_a_node_that_takes_too_long(timeout: Any) -> None:
    """It is cancelled, has its time to clean up, and the run fails with an error that says how long it may take."""
    slow = Slow(30)
    error = outcome(slow, timeout)
    assert (error.node, error.kind, error.timeout) == ("a", "run", 0.03)
    assert 0.03 <= error.elapsed < 5
    assert slow.notes == ["cancelled", "cleaned up"]


def test_a_node_that_is_in_time() -> None:
    """A timeout changes nothing for a node that keeps to it."""
    slow = Slow(0.01)
    assert outcome(slow, 20) == ["done"]
    assert slow.notes == []


def writes(runtime: Runtime[Any]) -> None:
    runtime.stream_writer("x")


def writes_by_function(runtime: Runtime[Any]) -> None:
    get_stream_writer()("x")


def beats(runtime: Runtime[Any]) -> None:
    runtime.heartbeat()


@pytest.mark.parametrize(
    ("act", "refresh_on", "lives"),
    [
        (None, "auto", False),
        (writes, "auto", True),
        (writes_by_function, "auto", True),
        (beats, "auto", True),
        (beats, "heartbeat", True),
        (writes, "heartbeat", False),
        (writes_by_function, "heartbeat", False),
    ],
)
def test_idle(act: Any, refresh_on: Any, lives: bool) -> None:
    """A node that makes no progress for too long is ended; what counts as progress is for its policy to say."""
    policy = TimeoutPolicy(idle_timeout=0.1, refresh_on=refresh_on)
    slow = Slow(0.25, act) if lives else Slow(30, act)
    result = outcome(slow, policy)
    if lives:
        assert result == ["done"]
    else:
        assert (result.kind, result.timeout) == ("idle", 0.1)
        assert slow.notes == ["cancelled", "cleaned up"]


def test_tokens_are_progress() -> None:
    """A model that streams keeps its node alive for as long as it gives tokens."""

    async def ask(state: Any) -> str:
        return "hi"

    async def note(message: Any) -> dict[str, list[str]]:
        return {"log": [message.content]}

    model = StreamingChat(text="a b c d e f g h", delay=0.04)
    chain = RunnableLambda(ask) | model | RunnableLambda(note)
    compiled = single(chain, timeout=TimeoutPolicy(idle_timeout=0.2)).compile()
    items = ASYNCHRONOUS.observe_stream(compiled, {"log": []}, stream_mode=["messages", "values"])
    assert items[-1] == ("values", {"log": ["a b c d e f g h"]})


def test_heartbeat_outside_of_a_timeout(colour: Colour) -> None:
    """``runtime.heartbeat()`` may be called in any node, and does nothing where no timeout listens."""

    def node(state: Any, runtime: Runtime[Any]) -> None:
        runtime.heartbeat()

    assert colour.invoke(single(node).compile(), {"log": []}) == {"log": []}


def test_both_limits() -> None:
    """Of two limits the one that is reached first counts."""
    both = TimeoutPolicy(run_timeout=0.06, idle_timeout=0.03)
    assert outcome(Slow(30), both).kind == "idle"
    assert outcome(Slow(30, beats), both).kind == "run"


def test_a_timeout_is_for_one_attempt() -> None:
    """A node that was too slow is tried again by the default policy, with all of its time."""
    waits = iter([30, 30, 0.001])

    async def node(state: Any) -> Any:
        await asyncio.sleep(next(waits))
        return {"log": ["done"]}

    assert outcome(node, 0.03, retry_policy=QUICK) == ["done"]


def test_a_packet_has_a_timeout_of_its_own() -> None:
    """``Send(timeout=...)`` counts instead of what the node says."""

    async def work(seconds: float) -> Any:
        await asyncio.sleep(seconds)
        return {"log": [str(seconds)]}

    builder = StateGraph(State).add_node("work", work, timeout=0.02)
    packets = [Send("work", 0.05, timeout=20), Send("work", 0.0)]
    builder.add_conditional_edges(START, lambda state: packets, ["work"])
    assert ASYNCHRONOUS.invoke(builder.compile(), {"log": []}) == {"log": ["0.05", "0.0"]}
    packets[:] = [Send("work", 30, timeout=TimeoutPolicy(idle_timeout=0.01))]
    assert ASYNCHRONOUS.observe_stream(builder.compile(), {"log": []})[-1].error == "NodeTimeoutError"


def test_timeouts_need_an_event_loop() -> None:
    """A synchronous run refuses a node with a timeout before it runs: a thread cannot be stopped."""
    slow = Slow(0)
    with pytest.raises(ValueError, match=r"'a' has a timeout.*a thread cannot be stopped"):
        single(slow, timeout=20).compile().invoke({"log": []})
    packet = Send("work", None, timeout=20)
    builder = StateGraph(State).add_node("work", lambda packet: {"log": ["ran"]})
    builder.add_conditional_edges(START, lambda state: packet, ["work"])
    with pytest.raises(ValueError, match="'work' has a timeout"):
        builder.compile().invoke({"log": []})


async def test_a_node_that_refuses_to_end_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """A node that swallows its cancellation is given up on after a bound, and the run fails all the same."""
    from lcel_compat import _asyncio

    monkeypatch.setattr(_asyncio, "GRACE", 0.03)
    enough = asyncio.Event()

    async def stubborn(state: Any) -> None:
        while not enough.is_set():
            try:
                await enough.wait()
            except asyncio.CancelledError:
                continue

    with pytest.raises(NodeTimeoutError):
        await asyncio.wait_for(single(stubborn, timeout=0.02).compile().ainvoke({"log": []}), 5)
    enough.set()
    await asyncio.sleep(0.01)
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_a_timed_node_is_cancelled_with_its_run() -> None:
    """A run that is stopped stops a node that has a timeout as it stops any other."""
    slow = Slow(30)
    task = asyncio.create_task(single(slow, timeout=20).compile().ainvoke({"log": []}))
    await asyncio.sleep(0.02)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert slow.notes == ["cancelled", "cleaned up"]
    assert asyncio.all_tasks() == {asyncio.current_task()}


def test_a_timed_node_writes_to_its_reader_alone() -> None:
    """Items that a node sends after its time is over are dropped, and its neighbours' arrive."""

    async def quick(state: Any) -> None:
        get_stream_writer()("quick")

    builder = single(Slow(30, writes_by_function, pause=0.005), timeout=0.05)
    compiled = builder.add_node("b", quick).add_edge(START, "b").compile()
    items = ASYNCHRONOUS.observe_stream(compiled, {"log": []}, stream_mode="custom")
    assert items[-1].error == "NodeTimeoutError"
    assert "quick" in items


# Supersteps ------------------------------------------------------------------------------------------------


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    """What holds a node; it is let go when the test is over."""
    event = threading.Event()
    yield event
    event.set()


def stepped(seconds: float, *nodes: Any) -> CompiledStateGraph:
    """Nodes after each other, in supersteps that may take as long as said."""
    builder = StateGraph(State)
    names = [chr(ord("a") + number) for number in range(len(nodes))]
    builder.add_sequence(list(zip(names, nodes, strict=True))).add_edge(START, "a")
    compiled = builder.compile()
    compiled.step_timeout = seconds
    return compiled


def test_a_superstep_that_takes_too_long(colour: Colour) -> None:
    """The run fails and names the nodes that were not done; what was streamed before arrives first."""

    def slow(state: Any) -> None:
        get_stream_writer()("began")
        time.sleep(0.15)

    compiled = stepped(0.05, lambda state: {"log": ["quick"]}, slow)
    items = colour.observe_stream(compiled, {"log": []}, stream_mode=["custom", "updates"])
    assert items[:-1] == [("updates", {"a": {"log": ["quick"]}}), ("custom", "began")]
    assert items[-1].error == "StepTimeoutError"
    with pytest.raises(StepTimeoutError, match=r"step_timeout of 0.05 s.*'b' had not finished"):
        colour.invoke(compiled, {"log": []})
    assert not engine_threads()


def test_each_superstep_has_its_own_time(colour: Colour) -> None:
    """A run may take longer than ``step_timeout`` if none of its supersteps does."""

    def node(state: Any) -> dict[str, list[str]]:
        time.sleep(0.04)
        return {"log": ["x"]}

    assert colour.invoke(stepped(0.12, *[node] * 5), {"log": []}) == {"log": ["x"] * 5}


def test_a_superstep_that_is_over_has_no_time(colour: Colour) -> None:
    """The time of a superstep does not run on while its consumer reads, nor after the run."""
    compiled = stepped(0.05, lambda state: None, lambda state: {"log": ["x"]})

    def read_slowly() -> list[Any]:
        items = []
        for item in compiled.stream({"log": []}, stream_mode="values"):
            time.sleep(0.08)
            items.append(item)
        return items

    async def aread_slowly() -> list[Any]:
        items = []
        async for item in compiled.astream({"log": []}, stream_mode="values"):
            await asyncio.sleep(0.08)
            items.append(item)
        return items

    read = read_slowly() if colour.name == "sync" else asyncio.run(aread_slowly())
    assert read[-1] == {"log": ["x"]}


async def test_nodes_of_a_late_superstep_are_cancelled() -> None:
    """On the event loop they are cancelled and have their time to clean up."""
    slow = Slow(30)
    with pytest.raises(StepTimeoutError):
        await stepped(0.03, slow).ainvoke({"log": []})
    assert slow.notes == ["cancelled", "cleaned up"]
    assert asyncio.all_tasks() == {asyncio.current_task()}


def test_a_timeout_error_of_a_nodes_own(colour: Colour) -> None:
    """A ``TimeoutError`` that a node raises is the node's, whatever the step's time."""

    def node(state: Any) -> None:
        raise TimeoutError("mine")

    for seconds in (None, 20):
        compiled = stepped(20, node)
        compiled.step_timeout = seconds
        assert colour.observe_stream(compiled, {"log": []})[-1] == Raised("TimeoutError", "mine")


def test_a_late_superstep_is_saved_so_far(colour: Colour) -> None:
    """What finished before a superstep was given up is in the thread, which can go on.

    In a thread also the late node comes to its end, and is not run again; on the event loop it was cancelled.
    """
    slow = [0.2, 0.0]
    left = ("slow",) if colour is ASYNCHRONOUS else ()

    def node(state: Any) -> dict[str, list[str]]:
        time.sleep(slow.pop(0))
        return {"log": ["slow"]}

    builder = StateGraph(State).add_node("quick", lambda state: {"log": ["quick"]}).add_node("slow", node)
    compiled = builder.add_edge(START, "quick").add_edge(START, "slow").compile(checkpointer=InMemorySaver())
    compiled.step_timeout = 0.08
    with pytest.raises(StepTimeoutError):
        colour.invoke(compiled, {"log": []}, THREAD)
    state = compiled.get_state(THREAD)
    assert (state.next, state.values) == (left, {"log": ["quick", *({"slow"} - {*left})]})
    assert colour.invoke(compiled, None, THREAD) == {"log": ["quick", "slow"]}
    assert len(slow) == (0 if left else 1)
