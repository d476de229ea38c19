"""Small graphs on which LangGraph and this engine differ, and ways to look at them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

from langchain_core.callbacks import BaseCallbackHandler
from langgraph.checkpoint.memory import InMemorySaver
from typing_extensions import TypedDict

from tests.support.engines import Library

THREAD: Any = {"configurable": {"thread_id": "1"}}


class State(TypedDict, total=False):
    topic: str
    x: int
    y: int


def line(lib: Library, *nodes: Any, schema: Any = State) -> Any:
    """A graph of these nodes, one after the other, named a, b, c, …"""
    builder = lib.StateGraph(schema)
    names = "abcdefgh"[: len(nodes)]
    for name, node in zip(names, nodes, strict=True):
        builder.add_node(name, node)
    for start, end in zip([lib.START, *names], names, strict=False):
        builder.add_edge(start, end)
    return builder


def loop(lib: Library, turns: int) -> Any:
    """A graph that comes back to its node until it has been there this often."""
    builder = line(lib, lambda state: {"x": state["x"] + 1})
    builder.add_conditional_edges("a", lambda state: "a" if state["x"] < turns else lib.END, ["a", lib.END])
    return builder.compile()


def around(lib: Library, node: Any, **compile_options: Any) -> Any:
    """A graph of one node, which may be a graph."""
    return lib.StateGraph(State).add_node("n", node).add_edge(lib.START, "n").compile(**compile_options)


def asking(lib: Library, *names: str) -> Any:
    """A saved graph of nodes that run at once and ask something each."""
    builder = lib.StateGraph(State)
    for name in names:
        builder.add_node(name, lambda state: {"x": lib.interrupt("how many?")}).add_edge(lib.START, name)
    return builder.compile(checkpointer=InMemorySaver())


def until(condition: Callable[[], bool]) -> None:
    """Wait for something that happens in another thread, five seconds at most."""
    deadline = time.monotonic() + 5
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.001)


def events_of(graph: Any, value: Any, **kwargs: Any) -> list[Any]:
    """What ``astream_events`` gives, version 2."""

    async def collect() -> list[Any]:
        return [event async for event in graph.astream_events(value, version="v2", **kwargs)]

    return asyncio.run(collect())


class Names(BaseCallbackHandler):
    """Remembers the name of every chain run."""

    def __init__(self) -> None:
        self.seen: list[Any] = []

    def on_chain_start(self, *args: Any, name: Any = None, **kwargs: Any) -> None:
        self.seen.append(name)
