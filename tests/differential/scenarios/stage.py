"""What a scenario's graph is built with: a library, a colour, a saver, and a count of what ran.

A node is written once, as a plain function; ``Stage.node`` makes it the colour's own (``def`` or ``async def``) and
counts its executions, which is how a scenario sees that finished work is not done twice.
"""

from __future__ import annotations

import asyncio
import operator
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Annotated, Any, TypedDict

from langchain_core.runnables import Runnable, RunnableConfig

from tests.support.engines import Library

Work = Callable[[Any], Any]


class Log(TypedDict, total=False):
    """The state of most scenarios: what every node wrote, and a key that the last writer wins."""

    log: Annotated[list[str], operator.add]
    topic: str


class Failure(Exception):
    """What a failing node raises: no library's class, so that its text is compared as well."""


@dataclass(slots=True, kw_only=True)
class Stage:
    """One engine on one thread: what ``build(stage) -> graph`` and the nodes need.

    ``ran`` counts executions by node name; it is shared where two engines take turns on one thread. ``watch`` is shown
    the metadata of each execution.
    """

    lib: Library
    colour: str
    saver: Any
    ran: Counter[str] = field(default_factory=Counter)
    watch: Callable[[Mapping[str, Any]], None] | None = None

    def entered(self, name: str, config: RunnableConfig) -> None:
        """Count a node's execution, and show its metadata to who watches."""
        self.ran[name] += 1
        if self.watch:
            self.watch(config["metadata"])

    def node(self, name: str, work: Work | None = None, *, late: float = 0) -> Any:
        """Return a node of the stage's colour: it counts itself, sleeps ``late`` seconds, and does ``work``.

        Without ``work`` it writes its name to the log.
        """
        do = work or says(name)

        def node(state: Any, config: RunnableConfig) -> Any:
            self.entered(name, config)
            time.sleep(late)
            return do(state)

        async def anode(state: Any, config: RunnableConfig) -> Any:
            self.entered(name, config)
            await asyncio.sleep(late)
            return do(state)

        return anode if self.colour == "async" else node

    def calls(self, name: str, graph: Any, before: Work, after: Work) -> Any:
        """Return a node that calls ``graph`` on ``before(state)`` and answers with ``after(result)``."""

        def node(state: Any, config: RunnableConfig) -> Any:
            self.entered(name, config)
            return after(graph.invoke(before(state)))

        async def anode(state: Any, config: RunnableConfig) -> Any:
            self.entered(name, config)
            return after(await graph.ainvoke(before(state)))

        return anode if self.colour == "async" else node

    def asks(self, name: str, *questions: str) -> Any:
        """Return a node that interrupts with each question in turn and logs the answers."""
        return self.node(name, lambda state: {"log": [f"{name}: {self.lib.interrupt(q)}" for q in questions]})

    def fails(self, name: str, *, times: int = 1, late: float = 0) -> Any:
        """Return a node that raises ``Failure`` in its first executions and logs its name afterwards."""

        def work(state: Any) -> Any:
            if self.ran[name] <= times:
                raise Failure(f"{name} failed")
            return {"log": [name]}

        return self.node(name, work, late=late)

    def builder(self, nodes: Mapping[str, Any], paths: str, state: Any = Log, **schemas: Any) -> Any:
        """Return a builder of ``nodes`` with an edge for each step of each path.

        A node is ``None`` (logs its name), a function, or anything a graph takes as a node. In ``paths`` ``^`` stands
        for START and ``$`` for END: ``"^>a>b>$ a>c"``.
        """
        builder = self.lib.StateGraph(state, **schemas)
        for name, work in nodes.items():
            builder.add_node(name, self.node(name, work) if work is None or _is_work(work) else work)
        for path in paths.split():
            places = [{"^": self.lib.START, "$": self.lib.END}.get(place, place) for place in path.split(">")]
            for start, end in pairwise(places):
                builder.add_edge(start, end)
        return builder

    def graph(self, nodes: Mapping[str, Any], paths: str, state: Any = Log, **options: Any) -> Any:
        """Return the graph of ``builder(nodes, paths, state)``, compiled with the stage's saver."""
        return self.builder(nodes, paths, state).compile(checkpointer=self.saver, **options)

    def sub(self, nodes: Mapping[str, Any], paths: str, state: Any = Log, **options: Any) -> Any:
        """Return a subgraph: its saver is its parent's unless ``checkpointer`` says otherwise."""
        return self.builder(nodes, paths, state).compile(**options)


def _is_work(node: Any) -> bool:
    """Whether a node is a lambda or ``says``: what a stage made, or a runnable, is added as it is."""
    return not isinstance(node, Runnable) and getattr(node, "__name__", "") in {"<lambda>", "work"}


def says(text: str) -> Work:
    """Return a function that writes a text to the log."""

    def work(state: Any) -> dict[str, list[str]]:
        return {"log": [text]}

    return work
