"""A compiled graph as a picture: langchain-core's ``Graph``, which draws itself as Mermaid, ASCII or JSON.

The edges are found by walking the graph without data: every edge is taken, each conditional edge once to all the
places it declares. So a drawing shows what can happen and not what was written down: a deferred node hangs on the
nodes that run last, an edge out of a node that nothing leads to is left out. The rules are LangGraph's
(``langgraph/pregel/_draw.py``), so that both draw the same graph.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from langchain_core.runnables import Runnable, RunnableConfig, RunnableLambda, RunnablePassthrough, RunnableSequence
from langchain_core.runnables.graph import Graph

from lcel_compat._body import FunctionBody
from lcel_compat._constants import END, START, branch_channel
from lcel_compat._stateful import Stateful

if TYPE_CHECKING:
    from lcel_compat._machine import Breakpoints
    from lcel_compat._program import Node, Program
    from lcel_compat.channels import Channel

_LIMIT: Final = 251
"""Supersteps after which a loop without a way out counts as drawn, LangGraph's number."""


class _Edge(NamedTuple):
    source: str
    target: str
    conditional: bool
    label: str | None


class _Lead(NamedTuple):
    """What a node writes to start another: the channel, and how the edge will look."""

    channel: str
    conditional: bool
    label: str | None


class Drawable(Stateful):
    """What a compiled graph shows of itself and of the graphs inside it.

    Attributes:
        interrupt_before_nodes: The nodes before which every run stops.
        interrupt_after_nodes: The nodes after which it stops.
    """

    interrupt_before_nodes: Breakpoints
    interrupt_after_nodes: Breakpoints

    def get_graph(self, config: RunnableConfig | None = None, *, xray: int | bool = False) -> Graph:
        """A drawing of the graph, which has ``draw_mermaid()``, ``draw_ascii()`` and ``to_json()``.

        Args:
            config: Handed on to the graphs inside.
            xray: Whether to draw the graphs inside in the place of their nodes; a number says how many levels deep.
        """
        inside: list[tuple[str, Any]] = list(self.get_subgraphs()) if xray else []
        return draw(self, {name: graph.get_graph(config, xray=_below(xray)) for name, graph in inside})

    async def aget_graph(self, config: RunnableConfig | None = None, *, xray: int | bool = False) -> Graph:
        """A drawing of the graph; see ``get_graph``. A graph inside that is on a server is asked for its own."""
        inside: list[tuple[str, Any]] = [found async for found in self.aget_subgraphs()] if xray else []
        return draw(self, {name: await graph.aget_graph(config, xray=_below(xray)) for name, graph in inside})

    def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, str]:
        """What a notebook shows: Mermaid, which it draws itself. LangGraph has a server on the net draw it."""
        return {"text/plain": repr(self), "text/vnd.mermaid": self.get_graph().draw_mermaid()}


def draw(compiled: Drawable, subgraphs: Mapping[str, Graph]) -> Graph:
    """Draw a compiled graph.

    Args:
        compiled: The graph.
        subgraphs: The drawings to put in the place of nodes, by the nodes' names.

    Returns:
        A drawing with a node for each node of the graph, whose ``data`` is what the node runs, and whose metadata
        are the node's own, with ``defer``, ``__interrupt`` (``"before"``, ``"after"``, ``"before,after"``) and
        ``__tools`` (the names of a tool node's tools) where they apply.
    """
    program = compiled.program
    walk = _Walk(program, {name: _places(compiled, node) for name, node in program.nodes.items()})
    edges = walk.edges()
    graph = Graph()
    for name, node in program.nodes.items():
        bound = _bound(compiled, node)
        graph.add_node(bound, name, metadata=_metadata(compiled, node, bound) or None)
    for source, target, conditional, label in sorted(edges, key=_order):
        _connect(graph, source, target, label=label if label != target else None, conditional=conditional)
    for source, conditional in _last(edges, walk.ran):
        _connect(graph, source, END, conditional=conditional)
    for name, subgraph in subgraphs.items():
        _insert(graph, name, subgraph)
    return graph


def _below(xray: int | bool) -> int | bool:
    """What ``xray`` says to the graphs one level down: a number counts the levels, ``True`` has no end."""
    return xray if isinstance(xray, bool) or xray <= 0 else xray - 1


# Nodes -------------------------------------------------------------------------------------------------


def _bound(compiled: Drawable, node: Node) -> Runnable[Any, Any]:
    """What a node runs, as a Runnable, since that is what a drawing's nodes hold."""
    action = getattr(compiled.builder.nodes.get(node.name), "action", None)
    if isinstance(action, Runnable):
        return action
    if node.body is None:
        return RunnablePassthrough(name=node.name)
    if isinstance(node.body, FunctionBody):
        return RunnableLambda(node.body.function, name=node.name)
    runnables = node.body.runnables
    return runnables[0] if len(runnables) == 1 else RunnableSequence(*runnables)


def _metadata(compiled: Drawable, node: Node, bound: Runnable[Any, Any]) -> dict[str, Any]:
    found = dict(node.metadata)
    if node.name != START and compiled.program.channels[branch_channel(node.name)].deferred:
        found["defer"] = True
    listed = {"before": compiled.interrupt_before_nodes, "after": compiled.interrupt_after_nodes}
    # No node is in "*", which would say the same of them all; LangGraph does not show it either.
    if moments := [moment for moment, names in listed.items() if node.name in names]:
        found["__interrupt"] = ",".join(moments)
    tools = getattr(bound, "tools_by_name", None)
    if isinstance(tools, Mapping) and tools:
        found["__tools"] = list(tools)
    return found


def _insert(graph: Graph, name: str, subgraph: Graph) -> None:
    """Put a drawing in the place of a node; one that has no single beginning and end stays a node."""
    if len(subgraph.nodes) <= 1 or name not in graph.nodes or not subgraph.first_node() or not subgraph.last_node():
        return
    subgraph.trim_first_node()
    subgraph.trim_last_node()
    del graph.nodes[name]
    first, last = graph.extend(subgraph, prefix=name)
    for index, edge in enumerate(graph.edges):
        source = last.id if last and edge.source == name else edge.source
        target = first.id if first and edge.target == name else edge.target
        graph.edges[index] = edge.copy(source=source, target=target)


# Edges -------------------------------------------------------------------------------------------------


def _order(edge: _Edge) -> tuple[str, str, bool, str]:
    return (edge.source, edge.target, edge.conditional, edge.label or "")


def _connect(graph: Graph, source: str, target: str, *, label: str | None = None, conditional: bool = False) -> None:
    """Add an edge unless there is one already; of several ways between two nodes the plain one is drawn."""
    if any(edge.source == source and edge.target == target for edge in graph.edges):
        return
    if target == END and END not in graph.nodes:
        graph.add_node(None, END)
    graph.add_edge(graph.nodes[source], graph.nodes[target], label, conditional)


def _last(edges: Iterable[_Edge], ran: Iterable[str]) -> list[tuple[str, bool]]:
    """The nodes to draw an edge to ``END`` from, since nothing else follows them; and whether it is conditional.

    Where every node leads somewhere and nothing to ``END``, it is the one that ran last.
    """
    sources, targets = {edge.source for edge in edges}, {edge.target for edge in edges}
    if dead_ends := targets - sources - {END}:
        return [(name, False) for name in sorted(dead_ends)]
    alone = tuple(ran)
    return [(alone[0], True)] if len(alone) == 1 and END not in targets else []


def _places(compiled: Drawable, node: Node) -> list[tuple[str, str | None]]:
    """Where a node may lead by its commands and conditional edges, with the label of each edge."""
    spec = compiled.builder.nodes.get(node.name)
    destinations = () if spec is None else spec.ends
    labelled = destinations.items() if isinstance(destinations, Mapping) else ((name, None) for name in destinations)
    routes = ((end, str(answer)) for branch in node.branches for answer, end in (branch.ends or {}).items())
    return [*labelled, *routes]


class _Walk:
    """A run without data that takes every edge.

    Attributes:
        ran: The nodes of the last superstep.
    """

    def __init__(self, program: Program, places: Mapping[str, list[tuple[str, str | None]]]) -> None:
        self.ran: list[str] = [START]
        self._program = program
        self._places = places
        self._channels: dict[str, Channel] = {
            key: channel.fresh() for key, channel in program.channels.items() if key in program.listeners
        }
        self._leads: dict[str, set[_Lead]] = {}
        self._declared: dict[str, set[_Lead]] = {}
        self._edges: set[_Edge] = set()

    def edges(self) -> set[_Edge]:
        """Walk until nothing is left to run, or round a loop often enough, and answer with all edges found."""
        nodes = self.ran
        for _ in range(_LIMIT):
            if not nodes:
                break
            self.ran, nodes = nodes, self._step(nodes)
        return self._edges

    def _step(self, nodes: Iterable[str]) -> list[str]:
        """Run these nodes; answer with the next, and draw the edges that lead to them."""
        writes: defaultdict[str, list[Any]] = defaultdict(list)
        now = {name: self._run(name, writes) for name in nodes}
        self._leads.update(now)
        started = self._started(self._apply(nodes, writes))
        for name in started:
            self._draw(name, now)
        return started

    def _run(self, name: str, writes: defaultdict[str, list[Any]]) -> set[_Lead]:
        """What a node starts; where it only may lead counts as written the first time."""
        labels: dict[str, str | None] = {}
        if name not in self._declared:
            for place, label in self._places[name]:
                if place == END:
                    self._edges.add(_Edge(name, END, True, label))
                else:
                    labels[branch_channel(place)] = label
            declared = [(branch_channel(place), label) for place, label in self._places[name] if place != END]
            self._declared[name] = {_Lead(channel, True, label) for channel, label in declared}
        edges = self._program.nodes[name].edges
        for channel, value in (*edges, *((channel, None) for channel in labels)):
            writes[channel].append(value)
        # An edge to a place that the node may lead to as well is drawn once, as conditional.
        leads = {_Lead(channel, channel in labels, labels.get(channel)) for channel, _ in edges}
        return leads | {_Lead(channel, True, label) for channel, label in labels.items()} | self._declared[name]

    def _apply(self, nodes: Iterable[str], writes: Mapping[str, list[Any]]) -> set[str]:
        """Write to the channels as a superstep does; answer with those that start something."""
        for name in nodes:
            for trigger in self._program.nodes[name].triggers:
                if trigger in self._channels:
                    self._channels[trigger].consume()
        changed = self._available(key for key, values in writes.items() if self._channels[key].update(values))
        return changed or self._available(key for key, channel in self._channels.items() if channel.finish())

    def _available(self, keys: Iterable[str]) -> set[str]:
        return {key for key in keys if self._channels[key].available}

    def _started(self, channels: Iterable[str]) -> list[str]:
        return sorted({name for channel in channels for name in self._program.listeners[channel]})

    def _draw(self, name: str, now: Mapping[str, set[_Lead]]) -> None:
        """Draw the edges to a node that starts; without one from this superstep, from all that ran in it."""
        leading = list(self._leading_to(name))
        self._edges |= {_Edge(source, name, lead.conditional, lead.label) for source, lead in leading}
        if not any(lead in now.get(source, ()) for source, lead in leading):
            self._edges |= {_Edge(source, name, True, None) for source in now}

    def _leading_to(self, name: str) -> Iterator[tuple[str, _Lead]]:
        triggers = self._program.nodes[name].triggers
        return ((source, lead) for source, leads in self._leads.items() for lead in leads if lead.channel in triggers)
