"""The graph behind a face, ours or LangGraph's: its shape, and a silent copy whose nodes are places.

Of LangGraph's graph this uses ``builder.edges``, ``waiting_edges`` and ``branches``, ``nodes``, and ``copy`` of graph
and node, none of which is imported: LangGraph is there when its graph is.
"""

from __future__ import annotations

import dataclasses
import functools
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, cast

from langchain_core.runnables import Runnable, RunnableConfig

from lcel_adapters._face._beside import Beside
from lcel_adapters._face._places import AdaptedPlace, ForeignPlace, GraphWork, Place, RunnableWork
from lcel_adapters._node import RunnableNode
from lcel_compat import END, START, CompiledStateGraph
from lcel_compat._body import FunctionBody, body_of
from lcel_compat._core import var_child_runnable_config

MakePlace = Callable[[str, Any], Place]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """What a face has to know of a graph before it runs.

    Attributes:
        nodes: What each node runs.
        follows: The nodes that each node, and ``START``, may lead to, ``END`` included.
        outputs: The state keys that the graph returns; ``None`` if its state is no mapping.
        stops: Nodes before or after which the graph is told to stop.
        cached: Nodes whose results may be taken from a cache.
        heard: Whether callbacks are bound to the graph.
    """

    nodes: Mapping[str, Any]
    follows: Mapping[str, frozenset[str]]
    outputs: tuple[str, ...] | None
    stops: tuple[str, ...] = ()
    cached: tuple[str, ...] = ()
    heard: bool = False

    @property
    def only(self) -> RunnableNode | None:
        """The adapted node that is the whole graph, if there is one."""
        if len(self.nodes) != 1:
            return None
        ((name, node),) = self.nodes.items()
        straight = self.follows[START] == {name} and self.follows[name] == {END}
        return node if straight and isinstance(node, RunnableNode) else None

    def after(self, name: str) -> set[str]:
        """The nodes that may run after a node, itself included if the graph may come back to it."""
        reached: set[str] = set()
        ahead = [name]
        while ahead:
            new = self.follows.get(ahead.pop(), frozenset()) - reached
            reached |= new
            ahead.extend(new)
        return reached


class Silent:
    """A graph that can be run unobserved.

    Attributes:
        graph: The graph as it was given.
        shape: What is known of it.
    """

    graph: Any
    shape: Shape

    def copy(self, place: MakePlace) -> Runnable[Any, Any]:
        """The graph with each node's runnable in a place."""
        raise NotImplementedError

    def unsaved(self, silent: Any) -> Any:
        """The same copy for a run that names no thread: it persists nothing."""
        raise NotImplementedError


class OurGraph(Silent):
    """A graph of ``lcel_compat``."""

    def __init__(self, graph: CompiledStateGraph[Any, Any, Any, Any]) -> None:
        self.graph = graph
        program = graph.program
        self.shape = Shape(
            nodes={name: spec.action for name, spec in graph.builder.nodes.items()},
            follows={name: frozenset(self._ends(node)) for name, node in program.nodes.items()},
            outputs=None if program.is_root else tuple(program.output.keys),
            stops=_stops(graph),
            cached=tuple(name for name, spec in graph.builder.nodes.items() if graph.cache and spec.cache_policy),
            heard=bool((graph.config or {}).get("callbacks")),
        )

    def _ends(self, node: Any) -> Iterator[str]:
        listeners = self.graph.program.listeners
        for channel, _ in node.edges:
            yield from listeners.get(channel, ())
        for branch in node.branches:
            yield from branch.targets
            yield END
        spec = self.graph.builder.nodes.get(node.name)
        ends = spec.ends if spec is not None else ()
        yield from ends
        if not node.edges and not node.branches and not ends:
            yield END
        if (node.name, END) in self.graph.builder.edges:
            yield END

    def copy(self, place: MakePlace) -> Runnable[Any, Any]:
        program = self.graph.program
        nodes = {
            name: node if node.body is None else dataclasses.replace(node, body=self._body(name, node.body, place))
            for name, node in program.nodes.items()
        }
        silent = self.graph.with_config({})
        silent.program = dataclasses.replace(program, nodes=nodes)
        return cast("Runnable[Any, Any]", silent)

    def unsaved(self, silent: Any) -> Any:
        copy = silent.copy()
        copy.checkpointer = None
        return copy

    def _body(self, name: str, body: Any, place: MakePlace) -> Any:
        if isinstance(body, FunctionBody):
            return body_of(_function_in_place(name, body.function, is_async=body.is_async), name=name)
        return body_of(place(name, self.shape.nodes[name]))


class TheirGraph(Silent):
    """A graph of LangGraph."""

    def __init__(self, graph: Any) -> None:
        self.graph = graph
        builder = graph.builder
        self.shape = Shape(
            nodes={name: graph.nodes[name].bound for name in builder.nodes},
            follows={name: frozenset(self._ends(name)) for name in (START, *builder.nodes)},
            outputs=tuple(graph.output_channels) if isinstance(graph.output_channels, list) else None,
            stops=_stops(graph),
            cached=tuple(name for name in builder.nodes if graph.cache and graph.nodes[name].cache_policy),
            heard=bool((graph.config or {}).get("callbacks")),
        )

    def _ends(self, name: str) -> Iterator[str]:
        builder = self.graph.builder
        found = [end for start, end in builder.edges if start == name]
        found += [end for starts, end in builder.waiting_edges if name in starts]
        for branch in builder.branches.get(name, {}).values():
            found += [END, *(builder.nodes if branch.ends is None else branch.ends.values())]
        if name in builder.nodes:
            found += builder.nodes[name].ends or ()
        yield from found or (END,)

    def copy(self, place: MakePlace) -> Runnable[Any, Any]:
        nodes = {
            name: node.copy({"bound": place(name, node.bound)}) if name in self.shape.nodes else node
            for name, node in self.graph.nodes.items()
        }
        return cast("Runnable[Any, Any]", self.graph.copy({"nodes": nodes}))

    def unsaved(self, silent: Any) -> Any:
        return silent.copy({"checkpointer": None})


def _stops(graph: Any) -> tuple[str, ...]:
    """The nodes before or after which a graph stops; the options take a list of them, or ``"*"``."""
    options = (getattr(graph, f"interrupt_{when}_nodes", ()) for when in ("before", "after"))
    return tuple(name for option in options for name in ((option,) if isinstance(option, str) else option))


def silent_graph(graph: Any) -> Silent | None:
    """The graph as one that can be run unobserved; ``None`` if it is no compiled ``StateGraph``."""
    if isinstance(graph, CompiledStateGraph):
        return OurGraph(graph)
    theirs = sys.modules.get("langgraph.graph.state")
    return TheirGraph(graph) if theirs is not None and isinstance(graph, theirs.CompiledStateGraph) else None


def place_of(name: str, action: Any, *, speaks: bool = False, runs: Runnable[Any, Any] | None = None) -> Place:
    """The place of a node.

    Args:
        name: Its name.
        action: The runnable that it is in the graph.
        speaks: Whether its chunks are those of the face.
        runs: The runnable that it then runs.
    """
    if isinstance(action, RunnableNode):
        node = RunnableNode(runs, input=action.input, output=action.output) if speaks and runs else action
        return AdaptedPlace(name, node, speaks=speaks)
    inner = silent_graph(action)
    return ForeignPlace(name, RunnableWork(action) if inner is None else GraphWork(inner.copy(place_of)))


def _function_in_place(name: str, function: Callable[..., Any], *, is_async: bool) -> Callable[..., Any]:
    """A function that does in a place what ``function`` does; the engine fills its parameters as before."""

    @functools.wraps(function)
    def shown(state: Any, **arguments: Any) -> Any:
        return ForeignPlace(name, _Call(function, arguments)).invoke(state, var_child_runnable_config.get())

    @functools.wraps(function)
    async def ashown(state: Any, **arguments: Any) -> Any:
        return await ForeignPlace(name, _Call(function, arguments)).ainvoke(state, var_child_runnable_config.get())

    return ashown if is_async else shown


class _Call:
    """The work of a function in a graph of ours: to be called with what the engine gave it."""

    def __init__(self, function: Callable[..., Any], arguments: dict[str, Any]) -> None:
        self.function = function
        self.arguments = arguments

    def invoke(self, state: Any, config: RunnableConfig, beside: Beside) -> Any:
        """Call it; the result has to be awaited if the function is asynchronous."""
        own = {"config": config} if "config" in self.arguments else {}
        return self.function(state, **{**self.arguments, **own})

    ainvoke = invoke
