"""Which node of a graph sits for which step of the chain it was, and what has become of the two.

A graph that was a chain may have been edited. A step may begin as soon as its input comes, as in the chain, where the
graph would give its node that very input: the node still reads what the step read, from nodes that still write it,
along streaming edges or the joins that ``from_lcel`` made, and has no retry policy or error handler. Anywhere else the
step waits until the graph comes to its node, and takes the input from there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from lcel_adapters._apart._graph import ChainGraph
from lcel_adapters._apart._parts import After, Branch, Leaf, Part, last, leaves, levels
from lcel_adapters._node import RunnableNode
from lcel_compat import START


@dataclass(frozen=True, slots=True, kw_only=True)
class Seat:
    """A step of the chain, and the node that sits for it.

    Attributes:
        leaf: The step, as it was.
        node: What the node adapts; ``None`` if it is a function, a subgraph or gone.
        ahead: Whether the step may begin before the graph comes to the node.
        again: Whether the graph may have something to say to an error: to try again, or to handle it.
        stays: Whether the step is the chain's last, and the graph has nodes that are no steps.
        level: How many runs of the chain it stands in.
    """

    leaf: Leaf
    node: RunnableNode | None
    ahead: bool
    again: bool
    stays: bool
    level: int

    @property
    def name(self) -> str:
        """The node's name."""
        return self.leaf.name


def seats_of(graph: ChainGraph) -> dict[str, Seat]:
    """The seats of a graph, by node."""
    known = _Known(graph)
    return {leaf.name: known.seat(leaf) for leaf in leaves(graph.part)}


def handlers_of(graph: ChainGraph) -> dict[str, str]:
    """The nodes that handle errors, each with the node whose errors it handles."""
    specs = graph.nodes.items()
    return {spec.error_handler_node: name for name, spec in specs if spec.error_handler_node is not None}


class _Known:
    """What can be known of an edited graph."""

    def __init__(self, graph: ChainGraph) -> None:
        self._graph = graph
        self._nodes = graph.mappings()
        self._leaves = {leaf.name: leaf for leaf in leaves(graph.part)}
        self._decided = dict(_decisions(graph.part))
        self._levels = dict(levels(graph.part))
        self._last = {leaf.name for leaf in last(graph.part)}

    def seat(self, leaf: Leaf) -> Seat:
        """The seat of a step."""
        spec = self._graph.nodes.get(leaf.name)
        again = spec is not None and bool(spec.retry_policy or spec.error_handler_node)
        node = self._nodes.get(leaf.name)
        stays = leaf.name in self._last and not self._leaves.keys() >= self._graph.nodes.keys()
        ahead = self._keeps(leaf) and self._is_reached(leaf) and not again
        return Seat(leaf=leaf, node=node, ahead=ahead, again=again, stays=stays, level=self._levels[leaf.name])

    def _keeps(self, leaf: Leaf) -> bool:
        """Whether a node still reads and writes what its step did; a decision has to be the same, as well."""
        node = self._nodes.get(leaf.name)
        if node is None or node.input != leaf.input or node.output != leaf.output:
            return False
        return leaf.name not in self._decided or node.bound is leaf.runnable

    def _is_reached(self, leaf: Leaf) -> bool:
        """Whether the edges into a node are those of its step, and the nodes before it still write what it reads."""
        after, into = leaf.after, sorted(self._graph.sources(leaf.name))
        before = [self._leaves[name] for name in after.names if name != START]
        certain = all(self._keeps(each) and not self._is_handled(each) for each in before)
        return into == sorted(after.names) and self._leads(after, leaf.name) and certain

    def _is_handled(self, leaf: Leaf) -> bool:
        """Whether something else may write what a node writes, if the node fails."""
        return self._graph.nodes[leaf.name].error_handler_node is not None

    def _leads(self, after: After, name: str) -> bool:
        graph = self._graph
        if after.chosen:
            (decision,) = after.names
            paths = [branch.path for branch in graph.branches.get(decision, {}).values()]
            return paths == [self._decided[decision]]
        if after.every and len(after.names) > 1:
            return (after.names, name) in graph.waiting_edges
        return {(start, name) for start in after.names} <= graph.streaming_edges


def _decisions(part: Part) -> Any:
    """The nodes that decide, with where each decision leads."""
    if isinstance(part, Branch):
        yield part.decision.name, part.follow
    for inner in part.parts:
        yield from _decisions(inner)
