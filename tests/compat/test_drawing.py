"""Drawings of compiled graphs: langchain-core's ``Graph``, as Mermaid, ASCII and JSON."""

from __future__ import annotations

import operator
from typing import Annotated, Any, Literal, TypedDict

import pytest
from langchain_core.runnables import RunnableLambda
from langchain_core.runnables.graph import Graph
from syrupy.assertion import SnapshotAssertion

from lcel_compat import END, START, Command, StateGraph
from tests.support.colours import Colour, run


class State(TypedDict):
    """What the nodes did."""

    log: Annotated[list[str], operator.add]


def _node(state: State) -> dict[str, list[str]]:
    return {"log": ["did"]}


def _steer(state: State) -> Command[Literal["first", "__end__"]]:
    return Command(goto="first")


def _choose(state: State) -> Literal["yes", "no"]:
    return "yes"


def _line(*names: str) -> StateGraph:
    return StateGraph(State).add_sequence([(name, _node) for name in names]).add_edge(START, names[0])


def _edges(graph: Graph) -> list[str]:
    arrows = {True: "-.->", False: "-->"}
    labels = [f": {e.data}" if e.data is not None else "" for e in graph.edges]
    return [
        f"{e.source} {arrows[e.conditional]} {e.target}{label}" for e, label in zip(graph.edges, labels, strict=True)
    ]


def _everything() -> Any:
    inner = _line("one", "two").compile()
    builder = StateGraph(State)
    builder.add_node("first", _node, metadata={"team": "desk"})
    builder.add_node("inner", inner)
    builder.add_node("join", _node)
    builder.add_node("steer", _steer, destinations={"first": "again", END: "enough"})
    builder.add_node("last", _node, defer=True)
    builder.add_edge(START, "first")
    builder.add_conditional_edges("first", _choose, {"yes": "inner", "no": END})
    builder.add_edge("first", "steer")
    builder.add_edge(["inner", "steer"], "join")
    builder.add_edge("first", "last")
    return builder.compile()


def test_mermaid(snapshot: SnapshotAssertion) -> None:
    """The Mermaid of a graph with every kind of edge and node, its graph inside drawn in place of the node."""
    assert _everything().get_graph(xray=True).draw_mermaid() == snapshot


def test_json(snapshot: SnapshotAssertion) -> None:
    """The JSON of the same graph: what a server sends to those who draw themselves."""
    assert _everything().get_graph(xray=True).to_json() == snapshot


def test_plain_edges() -> None:
    """An edge is an arrow, and a node that nothing follows leads to the end."""
    assert _edges(_line("a", "b").compile().get_graph()) == ["__start__ --> a", "a --> b", "b --> __end__"]


def test_labels() -> None:
    """The answers of a path label its edges, unless they are the names of the nodes."""
    builder = _line("a")
    builder.add_node("yes", _node)
    builder.add_node("b", _node)
    builder.add_conditional_edges("a", _choose, {"yes": "yes", "no": "b"})
    assert _edges(builder.compile().get_graph())[1:3] == ["a -.-> b: no", "a -.-> yes"]


def test_an_edge_that_is_a_choice_too() -> None:
    """A place that a node leads to by an edge and by a choice is drawn once, as a choice."""
    builder = _line("a", "b").add_conditional_edges("a", lambda state: "go", {"go": "b"})
    assert _edges(builder.compile().get_graph())[1] == "a -.-> b: go"


def test_destinations() -> None:
    """Where a node's commands may lead is drawn like a path: from its annotation, or from ``destinations``."""
    builder = _line("first", "second")
    builder.add_node("annotated", _steer)
    builder.add_node("told", _steer, destinations=["first"])
    builder.add_edge("second", "annotated")
    builder.add_edge("second", "told")
    edges = _edges(builder.compile().get_graph())
    assert {"annotated -.-> first", "annotated -.-> __end__", "told -.-> first"} <= set(edges)


def test_deferred_node_hangs_on_what_runs_last() -> None:
    """A deferred node is marked, and drawn behind the nodes that run before it."""
    builder = _line("a", "b", "c")
    builder.add_node("last", _node, defer=True)
    builder.add_edge("a", "last")
    drawing = builder.compile().get_graph()
    assert drawing.nodes["last"].metadata == {"defer": True}
    assert "c -.-> last" in _edges(drawing)


def test_loops_end() -> None:
    """A loop without a way out is drawn, once around."""
    builder = _line("a", "b").add_edge("b", "a")
    assert _edges(builder.compile().get_graph())[:3] == ["__start__ --> a", "a --> b", "b --> a"]


def test_nodes_hold_what_they_run() -> None:
    """The ``data`` of a drawing's node is the runnable itself, or a function as a runnable of the node's name."""
    runnable = RunnableLambda(_node)
    graph = _line("a").add_node("runnable", runnable).add_edge("a", "runnable").compile()
    nodes = graph.get_graph().nodes
    assert nodes["runnable"].data is runnable
    assert isinstance(nodes["a"].data, RunnableLambda)
    assert (nodes["a"].data.func, nodes["a"].data.get_name()) == (_node, "a")


def test_xray_counts_levels() -> None:
    """``xray=1`` opens the graphs in nodes, ``xray=2`` those in them too, ``True`` all of them."""
    middle = StateGraph(State).add_node("inner", _line("a", "b").compile()).add_edge(START, "inner").compile()
    outer = StateGraph(State).add_node("middle", middle).add_edge(START, "middle").compile()
    found = [[n for n in outer.get_graph(xray=x).nodes if n[:2] != "__"] for x in (False, 1, 2, True)]
    deep = ["middle:inner:a", "middle:inner:b"]
    assert found == [["middle"], ["middle:inner"], deep, deep]


def test_both_colours_draw_the_same(colour: Colour) -> None:
    """``aget_graph`` draws what ``get_graph`` draws."""
    graph = _everything()
    drawn = graph.get_graph(xray=True) if colour.name == "sync" else run(graph.aget_graph(xray=True))
    assert drawn.to_json() == _everything().get_graph(xray=True).to_json()


def test_drawing_changes_nothing() -> None:
    """A graph can be drawn any number of times, before and after it runs."""
    graph = _everything()
    first = graph.get_graph(xray=True).to_json()
    line = _line("a").compile()
    line.get_graph()
    assert line.invoke({"log": []}) == {"log": ["did"]}
    assert graph.get_graph(xray=True).to_json() == first


def test_notebooks_draw_without_a_server() -> None:
    """A notebook is given Mermaid, which it draws itself: a graph is not sent to anybody for looking at it."""
    graph = _line("a").compile()
    assert graph._repr_mimebundle_() == {
        "text/plain": repr(graph),
        "text/vnd.mermaid": graph.get_graph().draw_mermaid(),
    }


@pytest.mark.parametrize("moments", ["before", "after", "before,after"])
def test_interrupts_are_marked(moments: str) -> None:
    """A node that the run stops before or after says so."""
    options: dict[str, Any] = {f"interrupt_{moment}": ["b"] for moment in moments.split(",")}
    nodes = _line("a", "b").compile(**options).get_graph().nodes
    assert (nodes["a"].metadata, nodes["b"].metadata) == (None, {"__interrupt": moments})
    everywhere = _line("a").compile(interrupt_before="*").get_graph().nodes
    assert everywhere["a"].metadata is None
