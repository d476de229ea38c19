"""Nodes whose errors are handled: what a handler is told, what counts as the node's result, and what is saved."""

from __future__ import annotations

import asyncio
import operator
from typing import Annotated, Any, TypedDict

import pytest
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
from lcel_compat.errors import NodeError, NodeTimeoutError
from tests.compat.test_endings import Outcomes
from tests.support.colours import ASYNC, Colour, Raised

THREAD: Any = {"configurable": {"thread_id": "1"}}
QUICK = RetryPolicy(initial_interval=0.001, jitter=False, retry_on=lambda error: True)


class State(TypedDict, total=False):
    """One key that is folded."""

    log: Annotated[list[Any], operator.add]


class Fault(Exception):
    """What a node of these tests raises."""


def fails(state: Any) -> Any:
    raise Fault("broken")


class Handler:
    """An error handler that notes what it is told."""

    def __init__(self, result: Any = None) -> None:
        self.told: list[NodeError] = []
        self.states: list[Any] = []
        self.result = result

    def __call__(self, state: Any, error: NodeError) -> Any:
        self.told.append(error)
        self.states.append(state)
        return {"log": ["rescued"]} if self.result is None else self.result


def single(node: Any, handler: Any, **options: Any) -> StateGraph:
    """One node with a handler."""
    return StateGraph(State).add_node("a", node, error_handler=handler, **options).add_edge(START, "a")


def test_what_a_handler_is_told(colour: Colour) -> None:
    """It is told which node failed and how, and given that node's input."""
    handler = Handler()
    assert colour.invoke(single(fails, handler).compile(), {"log": ["in"]}) == {"log": ["in", "rescued"]}
    (error,) = handler.told
    assert error.node == "a"
    assert isinstance(error.error, Fault)
    assert handler.states == [{"log": ["in"]}]


def test_a_packets_handler_is_given_the_packet(colour: Colour) -> None:
    """The handler of a task that a packet started is given what the task was sent; each failure has its own."""
    handler = Handler()
    builder = StateGraph(State).add_node("work", fails, error_handler=handler)
    builder.add_conditional_edges(START, lambda state: [Send("work", n) for n in (1, 2, 3)], ["work"])
    assert colour.invoke(builder.compile(), {"log": []}) == {"log": ["rescued"] * 3}
    assert sorted(handler.states) == [1, 2, 3]


def test_what_consumers_see(colour: Colour) -> None:
    """``tasks`` shows the failure and the handler's task, ``updates`` the handler's, and callbacks both runs."""
    runs = Outcomes()
    compiled = single(fails, Handler()).compile()
    items = colour.observe_stream(compiled, {"log": []}, {"callbacks": [runs]}, stream_mode=["tasks", "updates"])
    handled = next(name for name in compiled.program.nodes if compiled.program.nodes[name].handles)
    assert [item for mode, item in items if mode == "updates"] == [{handled: {"log": ["rescued"]}}]
    assert [item["name"] for mode, item in items if mode == "tasks" and "error" in item] == ["a", handled]
    assert [type(item["error"]) for mode, item in items if mode == "tasks" and "error" in item] == [Fault, type(None)]
    assert runs.of("a") == ["Fault"]
    assert runs.of("LangGraph") == ["end"]


def test_a_handler_that_fails(colour: Colour) -> None:
    """If the handler fails as well, the run fails with the handler's error."""

    def worse(state: Any, error: NodeError) -> Any:
        raise Fault("worse") from error.error

    assert colour.observe_stream(single(fails, worse).compile(), {"log": []})[-1] == Raised("Fault", "worse")


def test_the_whole_superstep_is_applied_together(colour: Colour) -> None:
    """What a neighbour writes and what the handler writes belong to one superstep."""
    seen: list[Any] = []
    builder = single(fails, Handler())
    builder.add_node("b", lambda state: {"log": ["b"]}).add_node("c", lambda state: seen.append(state["log"]))
    builder.add_edge(START, "b").add_edge("b", "c")
    final = colour.invoke(builder.compile(), {"log": []})
    assert sorted(final["log"]) == ["b", "rescued"]
    assert seen == [final["log"]]


def test_a_conditional_edge_that_fails(colour: Colour) -> None:
    """The update of a node whose edge failed stays beside the handler's, as in LangGraph."""

    def route(state: Any) -> Any:
        raise Fault

    builder = single(lambda state: {"log": ["a"]}, Handler()).add_conditional_edges("a", route)
    assert colour.invoke(builder.compile(), {"log": []}) == {"log": ["a", "rescued"]}


def test_after_the_last_attempt(colour: Colour) -> None:
    """A handler runs once, when no attempt is left; what failed attempts wrote is gone."""
    handler, tried = Handler(), list[int]()

    def node(state: Any) -> Any:
        tried.append(1)
        raise Fault(str(len(tried)))

    colour.invoke(single(node, handler, retry_policy=QUICK).compile(), {"log": []})
    assert len(tried) == 3
    assert [str(error.error) for error in handler.told] == ["3"]


def test_a_timeout_is_handled() -> None:
    """A node that took too long is a failed one."""
    handler = Handler()

    async def slow(state: Any) -> None:
        await asyncio.sleep(30)

    async def rescue(state: Any, error: NodeError) -> Any:
        return handler(state, error)

    compiled = single(slow, rescue, timeout=TimeoutPolicy(run_timeout=0.02)).compile()
    assert ASYNC.invoke(compiled, {"log": []}) == {"log": ["rescued"]}
    assert isinstance(handler.told[0].error, NodeTimeoutError)


def test_a_handler_steers(colour: Colour) -> None:
    """A handler may answer with a command."""
    builder = single(fails, Handler(Command(update={"log": ["rescued"]}, goto=[Send("b", 1), "b"])))
    builder.add_node("b", lambda state: {"log": ["b"]})
    assert colour.invoke(builder.compile(), {"log": []}) == {"log": ["rescued", "b", "b"]}


def test_a_handler_asks(colour: Colour) -> None:
    """A handler may ask; when the thread goes on the node does not fail a second time."""
    tried: list[int] = []

    def node(state: Any) -> Any:
        tried.append(1)
        raise Fault("broken")

    def ask(state: Any, error: NodeError) -> Any:
        return {"log": [f"{error.node} {interrupt('what now?')}"]}

    compiled = single(node, ask).compile(checkpointer=InMemorySaver())
    asked = colour.invoke(compiled, {"log": []}, THREAD)["__interrupt__"]
    assert [i.value for i in asked] == ["what now?"]
    assert colour.invoke(compiled, Command(resume="go on"), THREAD) == {"log": ["a go on"]}
    assert tried == [1]


def test_a_handler_has_what_nodes_have(colour: Colour) -> None:
    """A handler may ask for the runtime and write to the stream."""

    def handler(state: Any, error: NodeError, runtime: Runtime[Any]) -> Any:
        get_stream_writer()("custom")
        runtime.stream_writer(str(runtime.context))

    compiled = single(fails, handler).compile()
    assert colour.observe_stream(compiled, {"log": []}, stream_mode="custom", context="ctx") == ["custom", "ctx"]


def test_a_graph_that_fails_is_handled(colour: Colour) -> None:
    """The error of a graph inside is handled where that graph is a node."""
    inner = StateGraph(State).add_node("in", fails).add_edge(START, "in").compile()
    handler = Handler()
    assert colour.invoke(single(inner, handler).compile(), {"log": []}) == {"log": ["rescued"]}
    assert isinstance(handler.told[0].error, Fault)


def defaults() -> CompiledStateGraph:
    """Two nodes that fail and share a default handler."""
    builder = StateGraph(State).set_node_defaults(error_handler=Handler(), retry_policy=QUICK)
    builder.add_node("a", fails).add_node("b", fails).add_edge(START, "a").add_edge(START, "b")
    return builder.compile()


def test_defaults(colour: Colour) -> None:
    """A default handler handles each node's failure for itself."""
    assert colour.invoke(defaults(), {"log": []}) == {"log": ["rescued", "rescued"]}


@pytest.mark.parametrize("durability", ["sync", "async", "exit"])
def test_a_handled_failure_is_saved(colour: Colour, durability: Any) -> None:
    """A thread whose failure was handled goes on with new input as any other."""
    compiled = single(fails, Handler()).compile(checkpointer=InMemorySaver())
    for expected in (["rescued"], ["rescued", "rescued"]):
        assert colour.invoke(compiled, {"log": []}, THREAD, durability=durability) == {"log": expected}
    assert compiled.get_state(THREAD).next == ()
