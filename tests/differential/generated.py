"""Graphs that Hypothesis makes: a description, a strategy for it, and the graph it describes.

A description is drawn once and built on both libraries. Every graph ends: edges lead forward, and
the one kind of edge that leads back counts its turns.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass, field, make_dataclass
from typing import Annotated, Any

from hypothesis import strategies as st
from langchain_core.runnables import RunnableLambda, RunnableParallel
from pydantic import create_model
from typing_extensions import TypedDict

from tests.support.engines import Library
from tests.support.models import StreamingChat, chat_chain

STATES = ("typeddict", "dataclass", "pydantic")
KINDS = ("function", "async", "chain", "parallel", "writer", "silent", "chat", "lambda", "subgraph")
NAMES = "abcdefgh"


@dataclass(frozen=True, slots=True, kw_only=True)
class Spec:
    """A graph: its kind of state, its nodes' kinds, and edges between node numbers.

    ``edges`` are ``(from, to)``; ``joins`` are ``(froms, to)``; ``routes`` are
    ``(from, targets, mapped)``, where the length of the log picks the target; ``back`` is
    ``(from, to, turns)``. ``-1`` stands for START, the number of nodes for END.
    """

    state: str
    kinds: tuple[str, ...]
    edges: frozenset[tuple[int, int]]
    joins: frozenset[tuple[tuple[int, ...], int]]
    routes: frozenset[tuple[int, tuple[int, ...], bool]]
    back: tuple[int, int, int] | None

    @property
    def asynchronous(self) -> bool:
        """Whether a node is async, so that the graph has no synchronous side."""
        return "async" in self.kinds


@st.composite
def specs(draw: st.DrawFn) -> Spec:
    """Draw a graph of one to six nodes in which START reaches every node by some edge."""
    size = draw(st.integers(1, 6))
    edges, joins, routes = set(), set(), set()
    for node in range(size):
        before = list(range(node))
        kind = draw(st.sampled_from(("edge", "edge", "fan", "join", "route")))
        sources = tuple(sorted(draw(_some(before)))) if before else ()
        if len(sources) > 1 and kind == "join":
            joins.add((sources, node))
        elif sources and kind == "route":
            others = draw(_some(list(range(node, size + 1))))
            routes.add((sources[0], tuple(sorted({node, *others})), draw(st.booleans())))
        elif sources and kind == "fan":
            edges |= {(source, node) for source in sources}
        else:
            edges.add((sources[0] if sources else -1, node))
    kinds = tuple(draw(st.lists(st.sampled_from(KINDS), min_size=size, max_size=size)))
    return Spec(
        state=draw(st.sampled_from(STATES)),
        kinds=kinds,
        edges=frozenset(edges),
        joins=frozenset(joins),
        routes=frozenset(routes),
        back=draw(st.none() | _back(size)),
    )


def _some(numbers: list[int]) -> st.SearchStrategy[set[int]]:
    return st.sets(st.sampled_from(numbers), min_size=1, max_size=3)


def _back(size: int) -> st.SearchStrategy[tuple[int, int, int]]:
    node = st.integers(0, size - 1)
    return st.tuples(node, node, st.integers(1, 2)).map(lambda b: (max(b[:2]), min(b[:2]), b[2]))


def build(spec: Spec) -> Callable[[Library], Any]:
    """Return the function that builds the described graph on a library."""
    return lambda lib: _built(spec, lib)


def _built(spec: Spec, lib: Library) -> Any:
    builder = lib.StateGraph(_state(spec.state))
    names = {-1: lib.START, len(spec.kinds): lib.END, **dict(enumerate(NAMES[: len(spec.kinds)]))}
    for number, kind in enumerate(spec.kinds):
        builder.add_node(names[number], NODES[kind](lib, names[number]))
    for start, end in sorted(spec.edges):
        builder.add_edge(names[start], names[end])
    for starts, end in sorted(spec.joins):
        builder.add_edge([names[start] for start in starts], names[end])
    for start, ends, mapped in sorted(spec.routes):
        targets = [names[end] for end in ends]
        builder.add_conditional_edges(names[start], _picks(targets), targets if mapped else None)
    if spec.back:
        start, end, turns = spec.back
        builder.add_conditional_edges(names[start], _again(names[end], turns, lib.END))
    return builder.compile()


def _state(kind: str) -> Any:
    fields: dict[str, Any] = {
        "log": Annotated[list[str], operator.add],
        "turns": Annotated[int, operator.add],
        "topic": str,
    }
    if kind == "pydantic":
        defaults: dict[str, Any] = {"log": [], "turns": 0, "topic": "birds"}
        pairs: dict[str, Any] = {key: (of, defaults[key]) for key, of in fields.items()}
        return create_model("Drawn", **pairs)
    if kind == "dataclass":
        empty = {"log": field(default_factory=list), "turns": 0, "topic": "birds"}
        return make_dataclass("Drawn", [(k, t, empty[k]) for k, t in fields.items()])
    return TypedDict("Drawn", fields)  # type: ignore[operator]


def _read(state: Any, key: str) -> Any:
    return state[key] if isinstance(state, dict) else getattr(state, key)


def _picks(targets: list[str]) -> Callable[[Any], Any]:
    """Return a path function that picks one target, or two of them, by the length of the log."""

    def path(state: Any) -> Any:
        length = len(_read(state, "log"))
        picked = targets[length % len(targets)]
        return picked if length % 2 else sorted({picked, targets[0]})

    path.__name__ = f"to_{'_'.join(targets)}"  # a node may have one path of each name
    return path


def _again(target: str, turns: int, end: str) -> Callable[[Any], str]:
    def path(state: Any) -> str:
        return target if _read(state, "turns") < turns * 4 else end

    return path


def _update(name: str) -> dict[str, Any]:
    return {"log": [name], "turns": 1}


def _function(lib: Library, name: str) -> Any:
    return lambda state: _update(name)


def _async(lib: Library, name: str) -> Any:
    async def node(state: Any) -> dict[str, Any]:
        return _update(name)

    return node


def _chain(lib: Library, name: str) -> Any:
    chain = chat_chain(StreamingChat(text=f"Node {name} speaks."))
    return RunnableLambda(_topic) | chain | (lambda text: {**_update(name), "log": [text]})


def _topic(state: Any) -> dict[str, Any]:
    return {"topic": _read(state, "topic")}


def _parallel(lib: Library, name: str) -> Any:
    return RunnableParallel(log=lambda state: [name], turns=lambda state: 1)


def _writer(lib: Library, name: str) -> Any:
    def node(state: Any) -> dict[str, Any]:
        lib.get_stream_writer()({"node": name, "length": len(_read(state, "log"))})
        lib.get_stream_writer()({"node": name, "length": -1})
        return _update(name)

    return node


def _silent(lib: Library, name: str) -> Any:
    return lambda state: {"turns": 1}


def _chat(lib: Library, name: str) -> Any:
    def node(state: Any) -> dict[str, Any]:
        answer = StreamingChat(text=f"From {name}.").invoke("go")
        return {**_update(name), "log": [str(answer.content)]}

    return node


def _lambda(lib: Library, name: str) -> Any:
    return RunnableLambda(lambda state: _update(name)).with_config(tags=[name])


def _subgraph(lib: Library, name: str) -> Any:
    builder = lib.StateGraph(_state("typeddict"))
    builder.add_node("inner", _function(lib, name))
    builder.add_edge(lib.START, "inner")
    graph = builder.compile()
    return lambda state: {**graph.invoke({"log": [], "turns": 0}), "turns": 1}


NODES: dict[str, Callable[[Library, str], Any]] = {
    "function": _function,
    "async": _async,
    "chain": _chain,
    "parallel": _parallel,
    "writer": _writer,
    "silent": _silent,
    "chat": _chat,
    "lambda": _lambda,
    "subgraph": _subgraph,
}
