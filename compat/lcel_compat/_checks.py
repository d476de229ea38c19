"""What has to hold before a graph is compiled: names, edges, interrupts, savers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from lcel_compat._constants import END, NAMESPACE_SEPARATOR, ROOT, START, TASK_SEPARATOR, is_reserved
from lcel_compat._edges import Edges
from lcel_compat._nodes import NodeSpec, check_timeout
from lcel_compat.errors import InvalidGraphError


def check_name(name: str, nodes: Iterable[str]) -> None:
    """A node's name is free, and means nothing to the engine or in checkpoints.

    Raises:
        InvalidGraphError: If it is not.
    """
    if name in nodes:
        raise InvalidGraphError(
            f"There is a node {name!r} already. Give the second one a name of its own:"
            ' add_node("another_name", action).'
        )
    if name in (START, END):
        raise InvalidGraphError(f"{name!r} is reserved for where a graph {_what_is(name)}.")
    if is_reserved(name):
        raise InvalidGraphError(f"The node name {name!r} is reserved: checkpoints use it. Choose another name.")
    for character in (NAMESPACE_SEPARATOR, TASK_SEPARATOR):
        if character in name:
            raise InvalidGraphError(
                f"The node name {name!r} holds the reserved character {character!r}, which separates the parts of"
                " checkpoint namespaces. Choose another name."
            )


def check_join(starts: tuple[str, ...], end: str, nodes: Iterable[str]) -> None:
    """A join waits for nodes that are there already.

    Raises:
        InvalidGraphError: Naming the join and the node.
    """
    if not starts:
        raise InvalidGraphError(f"The join to {end!r} has no nodes to wait for.")
    join = f"The join {list(starts)!r} -> {end!r}"
    for name in (*starts, end):
        if name == START:
            raise InvalidGraphError(f"{join} waits for {START!r}, which is not a node; leave it out.")
        if name not in nodes and name != END:
            raise InvalidGraphError(f"{join} needs node {name!r}; add it with add_node first.")


def check_edges(nodes: Mapping[str, NodeSpec], edges: Edges) -> None:
    """All edges start and end at nodes, and there is a way in.

    Raises:
        InvalidGraphError: Naming the edge and the node.
    """
    sources = edges.sources()
    for name, edge in sources.items():
        if name not in nodes and name != START:
            raise InvalidGraphError(_unknown(name, f"{edge} starts there", nodes))
    if START not in sources:
        raise InvalidGraphError(
            "The graph has no entry point. Say where it begins, with add_edge(START, node) or"
            f" set_entry_point(node); the nodes are {_names(nodes)}."
        )
    targets = edges.targets()
    targets |= {end: f"the destinations of {n!r}" for n, spec in nodes.items() for end in spec.ends}
    for name, edge in targets.items():
        if name not in nodes and name != END:
            raise InvalidGraphError(_unknown(name, f"{edge} leads there", nodes))


def check_mapped_keys(nodes: Mapping[str, NodeSpec], keys: Iterable[str]) -> None:
    """A node that says which state keys it maps to (``lcel_adapters.as_node``) may only name keys there are.

    Raises:
        InvalidGraphError: Naming the node and the key.
    """
    known = tuple(keys)
    if ROOT in known:
        return
    for name, spec in nodes.items():
        for key in getattr(spec.action, "state_keys", ()):
            if key not in known:
                raise InvalidGraphError(
                    f"Node {name!r} maps the state key {key!r}, which the state does not have; its keys are"
                    f" {', '.join(repr(k) for k in known)}."
                )


def check_timeouts(nodes: Mapping[str, NodeSpec]) -> None:
    """Only asynchronous nodes have a timeout.

    Raises:
        InvalidGraphError: Naming the node.
    """
    for name, spec in nodes.items():
        check_timeout(name, spec)


def interrupt_names(argument: str, given: Any, nodes: Iterable[str]) -> Any:
    """The nodes of ``interrupt_before`` or ``interrupt_after``: a tuple of names, or ``"*"`` for all.

    Raises:
        InvalidGraphError: If one is no node, or a single name stands where a list has to.
    """
    if given is None or given == "*":
        return given or ()
    known = tuple(nodes)
    if isinstance(given, str):
        raise InvalidGraphError(f"{argument} is {given!r}, but it has to be a list of node names, or '*' for all.")
    for name in given:
        if name not in known:
            raise InvalidGraphError(f"{argument} names {name!r}, and there is no such node; there is {_names(known)}.")
    return tuple(given)


def check_saver(given: Any) -> None:
    """A ``checkpointer`` is a saver, ``True``, ``False`` or ``None``.

    Raises:
        TypeError: If it is something else.
    """
    if given is None or isinstance(given, bool):
        return
    from langgraph.checkpoint.base import BaseCheckpointSaver

    if isinstance(given, BaseCheckpointSaver):
        return
    hint = " It is a context manager: with ... as saver." if hasattr(given, "__enter__") else ""
    hint = " It is a class: call it." if isinstance(given, type) else hint
    raise TypeError(
        f"compile() was given the checkpointer {given!r} ({type(given).__name__}), but it has to be a saver such as"
        f" InMemorySaver(), True, False or None.{hint}"
    )


def _unknown(name: str, why: str, nodes: Iterable[str]) -> str:
    if name in (START, END):
        return f"{name!r} is where the graph {_what_is(name)}, but {why}. Correct the edge."
    return (
        f"There is no node {name!r}, but {why}. The nodes are {_names(nodes)}; add the missing one with"
        f" add_node({name!r}, ...) or correct the edge."
    )


def _what_is(name: str) -> str:
    return "begins" if name == START else "ends"


def _names(nodes: Iterable[str]) -> str:
    return ", ".join(repr(name) for name in nodes) or "none yet"
