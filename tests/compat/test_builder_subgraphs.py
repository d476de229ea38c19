"""Which graph a node runs: found when the graph is compiled, as LangGraph finds it."""

from __future__ import annotations

import functools
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, TypedDict

import pytest
from langchain_core.runnables import RunnableLambda, RunnableParallel, RunnablePassthrough

from lcel_compat import StateGraph
from lcel_compat._subgraphs import find_subgraph
from tests.support.engines import LANGGRAPH, OURS, Library


class State(TypedDict, total=False):
    """One plain key."""

    n: int


def inner(lib: Library, **options: Any) -> Any:
    """A graph to be found."""
    return lib.StateGraph(State).add_node("node", idle).add_edge(lib.START, "node").compile(**options)


def idle(state: Any) -> None:
    """A node that does nothing."""


SHELF = SimpleNamespace(graph=None, deeper=SimpleNamespace(graph=None))
HIDDEN: list[Any] = []


class Holder:
    """An object that has a graph."""

    def __init__(self, graph: Any) -> None:
        self.graph = graph

    def method(self, state: Any) -> Any:
        return self.graph.invoke(state)

    def __call__(self, state: Any) -> Any:
        return self.graph.invoke(state)

    @property
    def moody(self) -> Any:
        raise RuntimeError("not today")


def plain(graph: Any) -> Callable[[Any], Any]:
    """A function that calls the graph."""

    def node(state: Any) -> Any:
        return graph.invoke(state)

    return node


def recursive(graph: Any) -> Callable[[Any], Any]:
    """A function that calls itself, and a graph."""

    def node(state: Any) -> Any:
        return node(state) if state is None else graph.invoke(state)

    return node


def nested(graph: Any) -> Callable[[Any], Any]:
    """A function whose inner function calls the graph."""

    def node(state: Any) -> Any:
        def inside() -> Any:
            return [graph.invoke(s) for s in [state]]

        return inside()

    return node


def nested_path(graph: Any) -> Callable[[Any], Any]:
    """A function whose inner function alone names the attribute that is the graph."""
    holder = Holder(graph)

    def node(state: Any) -> Any:
        return (lambda: holder.graph.invoke(state))()

    return node


def awaited(graph: Any) -> Callable[[Any], Any]:
    """A coroutine function that awaits the graph."""

    async def node(state: Any) -> Any:
        return await graph.ainvoke(state)

    return node


def decorated(graph: Any) -> Callable[[Any], Any]:
    """A wrapper that says what it wraps."""

    def node(state: Any) -> Any:
        return graph.invoke(state)

    @functools.wraps(node)
    def wrapper(*args: Any) -> Any:
        return node(*args)

    return wrapper


def empty_cell(graph: Any) -> Callable[[Any], Any]:
    """A function one of whose variables has no value as yet."""

    def node(state: Any) -> Any:
        return later, graph

    if graph is None:
        later = 1
    return node


def moody(graph: Any) -> Callable[[Any], Any]:
    """A function that names a property that raises, before the graph."""
    holder = Holder(graph)
    return lambda state: (holder.moody, holder.graph.invoke(state))


def through_a_global(graph: Any) -> Callable[[Any], Any]:
    """A function that reaches the graph along attributes of a global."""
    SHELF.deeper.graph = graph
    return lambda state: SHELF.deeper.graph.invoke(state)


def in_a_list(graph: Any) -> Callable[[Any], Any]:
    """A function that takes the graph out of a container, where nobody looks."""
    HIDDEN[:] = [graph]
    return lambda state: HIDDEN[0].invoke(state)


def generator(graph: Any) -> Callable[[Any], Any]:
    """A generator that runs the graph."""

    def node(state: Any) -> Any:
        yield graph.invoke(state)

    return node


ACTIONS: dict[str, Callable[[Any], Any]] = {
    "graph": lambda graph: graph,
    "configured": lambda graph: graph.with_config(tags=["x"]),
    "bound": lambda graph: graph.bind(stream_mode="values"),
    "sequence": lambda graph: RunnablePassthrough() | graph,
    "sequence in a sequence": lambda graph: RunnableLambda(idle) | (RunnablePassthrough() | graph).with_config({}),
    "parallel": lambda graph: RunnableParallel(a=graph),
    "dict": lambda graph: {"a": graph},
    "lambda": lambda graph: lambda state: graph.invoke(state),
    "runnable lambda": lambda graph: RunnableLambda(plain(graph)),
    "awaited runnable lambda": lambda graph: RunnableLambda(awaited(graph)),
    "bound method in a closure": lambda graph: (lambda call: lambda state: call(state))(graph.invoke),
    "method": lambda graph: Holder(graph).method,
    "callable object": Holder,
    "partial": lambda graph: functools.partial(lambda graph, state: graph.invoke(state), graph),
    "recursive": recursive,
    "nested": nested,
    "nested path": nested_path,
    "awaited": awaited,
    "decorated": decorated,
    "empty cell": empty_cell,
    "moody": moody,
    "global": through_a_global,
    "list": in_a_list,
    "generator": generator,
    "class": lambda graph: type("Node", (), {"__init__": lambda self, state: graph.invoke(state)}),
    "default": lambda graph: lambda state, graph=graph: graph.invoke(state),
    "nothing": lambda graph: idle,
    "built-in": lambda graph: len,
}

ONLY_OURS = {"moody"}
"""LangGraph gives up where a property raises."""


HIDDEN_FROM_VIEW = {
    "bound",
    "sequence in a sequence",
    "parallel",
    "dict",
    "method",
    "callable object",
    "partial",
    "list",
    "class",
    "default",
    "nothing",
    "built-in",
}
"""Where nobody looks: in other runnables than sequences and lambdas, in containers, attributes, arguments."""


@pytest.mark.parametrize("name", ACTIONS)
def test_where_graphs_are_found(name: str) -> None:
    """A node's graph is found in sequences and in what functions name; one without a state of its own is not."""
    assert (find_subgraph(ACTIONS[name](inner(OURS))) is None) is (name in HIDDEN_FROM_VIEW)
    assert find_subgraph(ACTIONS[name](inner(OURS, checkpointer=False))) is None


@pytest.mark.langgraph
@pytest.mark.parametrize("options", [{}, {"checkpointer": True}, {"checkpointer": False}], ids=str)
@pytest.mark.parametrize("name", ACTIONS)
def test_the_same_graph_is_found(name: str, options: dict[str, Any]) -> None:
    """A node's graph is found wherever LangGraph finds it, and nowhere else; ours and LangGraph's alike."""
    theirs = inner(LANGGRAPH, **options)
    compiled = (
        LANGGRAPH.StateGraph(State).add_node("node", ACTIONS[name](theirs)).add_edge("__start__", "node").compile()
    )
    expected = [type(graph).__name__ for graph in compiled.nodes["node"].subgraphs]
    for lib in (OURS, LANGGRAPH):
        found = find_subgraph(ACTIONS[name](inner(lib, **options)))
        if name in ONLY_OURS and options.get("checkpointer", True) is not False:
            assert found is not None
        else:
            assert expected == ([] if found is None else [type(found).__name__])


def test_nodes_know_their_graph() -> None:
    """A compiled graph's nodes know the graph that they run, the very object."""
    graph = inner(OURS)
    builder = StateGraph(State).add_node("plain", idle).add_node("graph", graph).add_node("calls", nested(graph))
    nodes = builder.add_edge("__start__", "plain").compile().program.nodes
    assert {name: node.subgraph for name, node in nodes.items()} == {
        "__start__": None,
        "plain": None,
        "graph": graph,
        "calls": graph,
    }


def test_runnables_in_a_circle() -> None:
    """Runnables that name each other are looked at once."""
    ends: list[Any] = []
    a: Any = RunnableLambda(lambda state: ends and b.invoke(state))
    b: Any = RunnableLambda(lambda state: ends and a.invoke(state))
    assert find_subgraph(a) is None
