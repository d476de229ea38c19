"""A run that is asked to stop ends between two supersteps, is saved, and can be continued."""

from __future__ import annotations

import operator
from collections.abc import Iterator
from typing import Annotated, Any, TypedDict

import pytest
from langgraph.checkpoint.memory import InMemorySaver

from lcel_compat import START, CompiledStateGraph, Runtime, StateGraph, get_stream_writer
from lcel_compat.errors import GraphDrained
from lcel_compat.runtime import RunControl
from tests.compat.test_endings import Outcomes, engine_threads
from tests.support.colours import Colour, Raised

THREAD: Any = {"configurable": {"thread_id": "1"}}
LINE = ["a", "b", "c"]


class State(TypedDict, total=False):
    """One key that is folded."""

    log: Annotated[list[str], operator.add]


class Line:
    """Three nodes after each other; the control is asked to drain while one of them runs."""

    def __init__(self, at: str | None, *, depth: int = 0, saver: Any = None) -> None:
        self.control = RunControl()
        self.ran: list[str] = []
        self.seen: list[Any] = []
        self.at = at
        builder = StateGraph(State).add_sequence([(name, self._node(name)) for name in LINE])
        graph: Any = builder.add_edge(START, "a").compile(checkpointer=None if depth else saver)
        for level in range(depth):
            outer = StateGraph(State).add_node("sub", graph).add_node("after", self._node("after"))
            graph = outer.add_edge(START, "sub").add_edge("sub", "after")
            graph = graph.compile(checkpointer=saver if level == depth - 1 else None)
        self.graph: CompiledStateGraph = graph

    def _node(self, name: str) -> Any:
        def node(state: Any, runtime: Runtime[Any]) -> dict[str, list[str]]:
            self.ran.append(name)
            if name == self.at:
                self.control.request_drain("deploy")
            self.seen.append((runtime.drain_requested, runtime.drain_reason))
            get_stream_writer()(name)
            return {"log": [name]}

        return node


@pytest.fixture(autouse=True)
def nothing_left() -> Iterator[None]:
    """No thread of the engine's outlives a run."""
    yield
    assert not engine_threads()


@pytest.mark.parametrize("at", ["a", "b"])
@pytest.mark.parametrize("durability", ["sync", "async", "exit"])
def test_drained_and_continued(colour: Colour, at: str, durability: Any) -> None:
    """The node that runs comes to its end, nothing more starts, and the thread goes on with what is left."""
    line = Line(at, saver=InMemorySaver())
    with pytest.raises(GraphDrained, match="deploy") as caught:
        colour.invoke(line.graph, {"log": []}, THREAD, control=line.control, durability=durability)
    assert caught.value.reason == "deploy"
    done = LINE[: LINE.index(at) + 1]
    assert line.ran == done
    state = line.graph.get_state(THREAD)
    assert (state.values, state.next) == ({"log": done}, (LINE[len(done)],))
    line.at = None
    assert colour.invoke(line.graph, None, THREAD) == {"log": LINE}
    assert line.ran == LINE


def test_what_the_consumer_sees(colour: Colour) -> None:
    """All items of what ran arrive, and then the reason why no more does."""
    line = Line("a", saver=InMemorySaver())
    asked: Any = {"stream_mode": ["custom", "values"], "control": line.control}
    items = colour.observe_stream(line.graph, {"log": []}, THREAD, **asked)
    assert items[:-1] == [("values", {"log": []}), ("custom", "a"), ("values", {"log": ["a"]})]
    assert items[-1] == Raised("GraphDrained", None)


def test_asked_before_it_begins(colour: Colour) -> None:
    """A run whose control was asked before takes its input and runs nothing."""
    line = Line(None, saver=InMemorySaver())
    line.control.request_drain()
    with pytest.raises(GraphDrained, match="shutdown"):
        colour.invoke(line.graph, {"log": ["in"]}, THREAD, control=line.control)
    assert line.ran == []
    assert line.graph.get_state(THREAD).next
    assert colour.invoke(line.graph, None, THREAD) == {"log": ["in", *LINE]}


def test_asked_at_the_end(colour: Colour) -> None:
    """A run that has nothing left to do is complete, though it was asked to stop."""
    line = Line("c", saver=InMemorySaver())
    assert colour.invoke(line.graph, {"log": []}, THREAD, control=line.control) == {"log": LINE}


def test_nodes_may_look(colour: Colour) -> None:
    """A node that works long finds in its runtime whether, and why, the run is asked to stop."""
    line = Line("b", saver=InMemorySaver())
    with pytest.raises(GraphDrained):
        colour.invoke(line.graph, {"log": []}, THREAD, control=line.control)
    assert line.seen == [(False, None), (True, "deploy")]


@pytest.mark.parametrize("depth", [1, 2])
def test_graphs_inside_stop_too(colour: Colour, depth: int) -> None:
    """A graph inside stops between its own supersteps, and goes on there when the outermost is continued."""
    line = Line("a", depth=depth, saver=InMemorySaver())
    with pytest.raises(GraphDrained):
        colour.invoke(line.graph, {"log": []}, THREAD, control=line.control)
    assert line.ran == ["a"]
    line.at = None
    colour.invoke(line.graph, None, THREAD)
    assert line.ran == [*LINE, *["after"] * depth]


def test_without_a_saver(colour: Colour) -> None:
    """A run that is not saved ends in the same way; there is nothing to continue."""
    line = Line("a")
    with pytest.raises(GraphDrained):
        colour.invoke(line.graph, {"log": []}, control=line.control)
    assert line.ran == ["a"]


def test_what_callbacks_see(colour: Colour) -> None:
    """The root has one outcome: the drain; nodes that ran have ended."""
    line, handler = Line("b", saver=InMemorySaver()), Outcomes()
    with pytest.raises(GraphDrained):
        colour.invoke(line.graph, {"log": []}, {**THREAD, "callbacks": [handler]}, control=line.control)
    assert sorted(handler.ends) == [("LangGraph", "GraphDrained"), ("a", "end"), ("b", "end")]


def test_neighbours_come_to_their_end(colour: Colour) -> None:
    """The superstep that runs when the request comes is finished, with all of its tasks."""
    control, ran = RunControl(), list[str]()

    def node(name: str) -> Any:
        def run(state: Any) -> dict[str, list[str]]:
            control.request_drain()
            ran.append(name)
            return {"log": [name]}

        return run

    builder = StateGraph(State).add_node("after", node("after"))
    for name in "abc":
        builder.add_node(name, node(name)).add_edge(START, name).add_edge(name, "after")
    graph = builder.compile(checkpointer=InMemorySaver())
    with pytest.raises(GraphDrained):
        colour.invoke(graph, {"log": []}, THREAD, control=control, durability="sync")
    assert sorted(ran) == ["a", "b", "c"]
    assert graph.get_state(THREAD).next == ("after",)
