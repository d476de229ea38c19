"""The builder that ``from_lcel`` makes: a graph that remembers the chain it was."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

from langchain_core.runnables import Runnable

from lcel_adapters._apart._parts import Part
from lcel_adapters._apart._values import Value
from lcel_adapters._node import RunnableNode, as_node
from lcel_compat import StateGraph
from lcel_compat.errors import InvalidGraphError


class ChainGraph(StateGraph[Any, Any, Any, Any]):
    """A graph that was a chain; ``from_lcel`` makes one with all its nodes and edges.

    Args:
        state: The state's schema: ``input``, the keys that the steps write, and any others; ``None`` to make one.
        chain: The chain.
        depth: How far it is taken apart; see ``from_lcel``.

    Attributes:
        chain: The chain.
        depth: How far it was taken apart.
        part: What became of its parts.
        result: Where in the final state the chain's output is.
        steps: What each node of the chain runs, by name.
        inputs: The input mapping of each.
        paths: The paths of the conditional edges, by the node that decides.
        ends: What the chain's end comes after.
    """

    def __init__(self, state: Any, chain: Runnable[Any, Any], *, depth: int | None = None) -> None:
        from lcel_adapters._apart._take import taken_apart

        apart = taken_apart(chain, depth)
        super().__init__(apart.state if state is None else state)
        self.chain = chain
        self.depth = depth
        self.part: Part = apart.part
        self.result: Value = apart.result
        self.steps = {leaf.name: leaf.runnable for leaf in apart.leaves}
        self.inputs = {leaf.name: leaf.input for leaf in apart.leaves}
        self.paths = apart.ways
        self.ends = apart.ends

    def replace_node(self, name: str, action: Any, **options: Any) -> Self:
        """Let a node do something else, where it stands.

        The face that ``as_lcel`` gives the graph stays what it was around the node. A function of the state, a tool
        node or a subgraph is shown there as one chain run named after the node; the value of the key that the node used
        to write is what the next step of the chain is given.

        Args:
            name: The node.
            action: What it does from now on: anything that ``add_node`` takes. A runnable that is no node yet, neither
                a function nor made by ``as_node``, gets the mappings of the one it replaces.
            **options: Further arguments of ``add_node``.

        Raises:
            InvalidGraphError: If there is no such node.
        """
        if name not in self.nodes:
            known = ", ".join(repr(node) for node in self.nodes)
            raise InvalidGraphError(f"There is no node {name!r} to replace; there is {known}.")
        before = dict(self.nodes)
        old = self.nodes.pop(name)
        try:
            self.add_node(name, _mapped(action, old.action), **options)
        except BaseException:
            self.nodes = before
            raise
        made = self.nodes
        self.nodes = {each: made[each] for each in before if each in made} | made
        return self

    def sources(self, name: str) -> list[str]:
        """The nodes that may lead to a node, once for each edge."""
        return self._edges.into(name)

    def mappings(self) -> Mapping[str, RunnableNode]:
        """The nodes that adapt a runnable, by name."""
        return {name: spec.action for name, spec in self.nodes.items() if isinstance(spec.action, RunnableNode)}


def _mapped(action: Any, old: Any) -> Any:
    if not isinstance(action, Runnable) or isinstance(action, RunnableNode) or not isinstance(old, RunnableNode):
        return action
    if hasattr(action, "builder"):  # a graph reads and writes the state itself
        return action
    return as_node(action, input=old.input, output=old.output)
