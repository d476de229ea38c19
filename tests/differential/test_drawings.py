"""A graph of ours is drawn as LangGraph draws the same graph: JSON, Mermaid, ASCII."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.messages import AIMessage
from langchain_core.runnables import RunnableLambda
from langchain_core.runnables.graph import Graph

from tests.differential.cases import Log, says
from tests.differential.generated import Spec, build, specs
from tests.differential.observe import graph
from tests.differential.table import Case, parameters
from tests.differential.test_random import SEEDED
from tests.support.engines import LANGGRAPH, OURS, Library
from tests.support.plugin import count

pytestmark = pytest.mark.langgraph

ANY_FUNCTION = (
    ["langgraph", "_internal", "_runnable", "RunnableCallable"],
    ["langchain_core", "runnables", "base", "RunnableLambda"],
    ["langchain", "schema", "runnable", "RunnablePassthrough"],
)
ANY_GRAPH = (["langgraph", "graph", "state", "CompiledStateGraph"], ["lcel_compat", "compiled", "CompiledStateGraph"])


def _alike(drawing: Graph) -> Any:
    """Return a drawing's JSON; functions and compiled graphs are objects of other classes, the rest is compared."""
    json = drawing.to_json()
    for node in json["nodes"]:
        if isinstance(data := node.get("data"), dict) and data["id"] in (*ANY_FUNCTION, *ANY_GRAPH):
            data["id"] = "graph" if data["id"] in ANY_GRAPH else "function"
    return json


def _ascii(drawing: Graph) -> str:
    """Return the ASCII drawing, or the advice to install what draws it: the same on both sides."""
    try:
        return str(drawing.draw_ascii())
    except ImportError as error:
        return str(error)


def _assert_drawn_alike(make: Callable[[Library], Any], *, xray: int | bool = False) -> None:
    theirs, ours = (make(lib).get_graph(xray=xray) for lib in (LANGGRAPH, OURS))
    assert _alike(ours) == _alike(theirs)
    assert ours.draw_mermaid() == theirs.draw_mermaid()


@pytest.mark.parametrize("case", parameters())
def test_table(case: Case) -> None:
    """Every graph of the table is drawn alike."""
    _assert_drawn_alike(lambda lib: graph(lib, case))
    _assert_drawn_alike(lambda lib: graph(lib, case), xray=True)


@pytest.mark.parametrize("case", parameters()[::10])
def test_ascii(case: Case) -> None:
    """A graph's ASCII drawing is LangGraph's."""
    assert _ascii(graph(OURS, case).get_graph()) == _ascii(graph(LANGGRAPH, case).get_graph())


@SEEDED
@given(spec=specs())
def test_generated(spec: Spec) -> None:
    """Generated graphs are drawn alike."""
    count("drawn graphs", spec)
    _assert_drawn_alike(build(spec))


Plan = dict[str, Any]
NAMES = ("uvwxy", "klmno", "abcde")
"""The nodes of graphs by depth; core's Mermaid cannot draw a graph in one of the same name."""


@st.composite
def plans(draw: st.DrawFn, depth: int = 2) -> Plan:
    """Draw what only drawings show: labels, destinations, deferred nodes, interrupts, any edges, graphs in graphs."""
    names = list(NAMES[depth][: draw(st.integers(1, 5))])
    place, places = st.sampled_from(names), st.sampled_from([*names, "__end__"])
    joined = st.sets(place, min_size=min(2, len(names))).map(sorted).map(tuple)
    inner = draw(st.none() | plans(depth - 1)) if depth else None
    return {
        "names": names,
        "inner": inner,
        "first": draw(st.sets(place, min_size=1, max_size=2)),
        "edges": draw(st.sets(st.tuples(place, places), max_size=5)),
        "joins": draw(st.sets(st.tuples(joined, places), max_size=2)),
        "routes": draw(st.dictionaries(place, st.dictionaries(st.sampled_from("123") | place, places), max_size=3)),
        "doubled": draw(st.booleans()),
        "ends": draw(st.dictionaries(place, st.lists(places, unique=True), max_size=2)),
        "labels": draw(st.dictionaries(place, st.dictionaries(places, st.just("label")), max_size=2)),
        "defer": draw(st.sets(place)),
        "before": draw(st.lists(place, unique=True)),
        "after": draw(st.lists(place, unique=True)),
        "metadata": draw(st.dictionaries(place, st.just({"team": "desk"}))),
    }


def _planned(plan: Plan) -> Callable[[Library], Any]:
    return lambda lib: _build(plan, lib)


def _build(plan: Plan, lib: Library) -> Any:
    builder = lib.StateGraph(Log)
    for name in plan["names"]:
        options = {"defer": name in plan["defer"], "metadata": plan["metadata"].get(name)}
        ends = plan["labels"].get(name) or tuple(plan["ends"].get(name, ())) or None
        action = _build(plan["inner"], lib) if plan["inner"] and name == plan["names"][0] else says(name)
        builder.add_node(name, action, destinations=ends, **options)
    for name in sorted(plan["first"]):
        builder.add_edge(lib.START, name)
    for edge in sorted(plan["edges"]):
        builder.add_edge(*edge)
    for starts, end in sorted(plan["joins"]):
        builder.add_edge(list(starts), end)
    for source, ends in plan["routes"].items():
        builder.add_conditional_edges(source, _anywhere, ends)
        for end in sorted(set(ends.values())) if plan["doubled"] else ():
            builder.add_edge(source, end)
    return builder.compile(interrupt_before=plan["before"], interrupt_after=plan["after"])


def _anywhere(state: Log) -> str:
    return "__end__"


def _ambiguous(plan: Plan) -> bool:
    """Whether LangGraph cannot draw it: it sorts edges by their labels, and ``None`` is no text."""
    try:
        _build(plan, LANGGRAPH).get_graph(xray=True)
    except TypeError:
        return True
    return False


@SEEDED
@given(plan=plans(), xray=st.sampled_from([False, 1, True]))
def test_planned(plan: Plan, xray: int | bool) -> None:
    """Graphs of every kind of edge, reachable or not, with graphs in them, are drawn alike."""
    count("planned drawings", str(plan))
    if _ambiguous(plan):
        assert _build(plan, OURS).get_graph(xray=True).to_json()
    else:
        _assert_drawn_alike(_planned(plan), xray=xray)


def _with_tools(lib: Library) -> Any:
    from langgraph.prebuilt import ToolNode

    def add(a: int, b: int) -> int:
        """Add."""
        return a + b

    builder = lib.StateGraph(lib.MessagesState)
    builder.add_node("model", lambda state: {"messages": [AIMessage("done")]})
    builder.add_node("tools", ToolNode([add]))
    builder.add_node("runnable", RunnableLambda(lambda state: state))
    builder.add_edge(lib.START, "model")
    builder.add_conditional_edges("model", _anywhere, ["tools", lib.END])
    builder.add_edge("tools", "runnable")
    return builder.compile()


def test_tools() -> None:
    """A tool node shows the names of its tools, and a runnable its class."""
    _assert_drawn_alike(_with_tools)


def _with_handler(lib: Library) -> Any:
    builder = lib.StateGraph(Log)
    builder.add_node("risky", says("risky"), error_handler=says("handler"))
    builder.add_node("calm", says("calm"))
    builder.add_sequence([("one", says("one")), ("two", says("two"))])
    builder.set_node_defaults(error_handler=says("default"))
    builder.add_edge(lib.START, "risky")
    builder.add_edge("risky", "calm")
    builder.add_edge("calm", "one")
    return builder.compile()


def test_error_handlers() -> None:
    """Error handlers are drawn as the nodes they are, with no edge to them."""
    _assert_drawn_alike(_with_handler)
