"""What a row of the table is, and the states and small nodes that the rows share."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, TypedDict, cast

from langchain_core.runnables import RunnableConfig

from tests.support.engines import Library

Build = Callable[[Library], Any]
Node = Callable[[Any], Any]


class Log(TypedDict):
    """A state whose only key collects what every node wrote, in LangGraph's task order."""

    log: Annotated[list[str], operator.add]


class Topic(TypedDict, total=False):
    """The state of graphs around a chain: a topic comes in, an answer goes out."""

    topic: str
    answer: str
    log: Annotated[list[str], operator.add]


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One graph with its input.

    ``only`` names the one colour a graph can run in; ``loose`` says that one task calls several
    models at once; ``at_once`` names runs that user code starts concurrently.
    ``differs`` says in which way, and why, ours is meant to behave other than LangGraph's.
    """

    name: str
    build: Build
    input: Any
    config: Mapping[str, Any] = field(default_factory=dict)
    only: str | None = None
    loose: bool = False
    at_once: tuple[str, ...] = ()
    differs: str = ""

    def runs_in(self, colour: str) -> bool:
        """Whether the graph can run in a colour (a graph of async nodes has no sync side)."""
        return self.only in (None, colour)

    def settings(self) -> RunnableConfig:
        """Return a fresh config: what one run puts into it is not seen by the next."""
        return cast("RunnableConfig", dict(self.config))


CASES: list[Case] = []


def case(input: Any, /, **options: Any) -> Callable[[Build], Build]:
    """Add ``build`` to the table under its own name, with an input and the fields of ``Case``."""

    def add(build: Build) -> Build:
        CASES.append(Case(name=build.__name__, build=build, input=input, **options))
        return build

    return add


def says(name: str) -> Node:
    """Return a node that writes its own name to the log."""

    def node(state: Any) -> dict[str, list[str]]:
        return {"log": [name]}

    return node


def awaits(name: str) -> Node:
    """Return an async node that writes its own name to the log."""

    async def node(state: Any) -> dict[str, list[str]]:
        return {"log": [name]}

    return node


def logged(lib: Library, names: str, edges: str = "") -> Any:
    """Return a builder over ``Log`` with one logging node per letter and an edge per pair.

    ``^`` stands for START and ``$`` for END: ``logged(lib, "ab", "^a ab b$")``.
    """
    builder = lib.StateGraph(Log)
    for name in names:
        builder.add_node(name, says(name))
    for edge in edges.split():
        builder.add_edge(_place(lib, edge[0]), _place(lib, edge[1]))
    return builder


def single(lib: Library, state: Any, node: Any, name: str = "node", **options: Any) -> Any:
    """Return a compiled graph of one node between START and END."""
    builder = lib.StateGraph(state)
    builder.add_node(name, node, **options)
    builder.add_edge(lib.START, name)
    builder.add_edge(name, lib.END)
    return builder.compile()


def chat_state(lib: Library, **extra: Any) -> Any:
    """Return a state with ``messages`` under the library's own reducer, and more keys if asked."""
    fields = {"messages": Annotated[list[Any], lib.add_messages], **extra}
    return TypedDict("ChatState", fields)  # type: ignore[operator]


def _place(lib: Library, letter: str) -> Any:
    return {"^": lib.START, "$": lib.END}.get(letter, letter)
