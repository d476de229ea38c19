"""From a builder to a ``Program``: one channel for each key, edge and join, and nodes that know what they write."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from lcel_compat._constants import END, ROOT, START, TASKS, branch_channel, join_channel
from lcel_compat._edges import Edges
from lcel_compat._nodes import NodeSpec
from lcel_compat._pipeline import feeds
from lcel_compat._program import Branch, Node, Program
from lcel_compat._schema import Schema
from lcel_compat._subgraphs import find_subgraph
from lcel_compat.channels import AfterFinish, Barrier, Channel, Ephemeral, Packets

if TYPE_CHECKING:
    from lcel_compat.graph import StateGraph


def assemble(
    builder: StateGraph[Any, Any, Any, Any], nodes: Mapping[str, NodeSpec], edges: Edges, name: str
) -> Program:
    """Make the program of a graph that has been checked.

    Args:
        builder: The graph's schemas and state keys.
        nodes: Its nodes, with all defaults applied.
        edges: What leads from node to node.
        name: The graph's name.
    """
    parts = _Parts(
        schemas=builder.schemas,
        keys=tuple(builder.channels),
        state=builder.state_schema,
        input=builder.schemas[builder.input_schema],
        nodes=nodes,
        edges=edges,
        channels={**builder.channels, **_control_channels(nodes, edges)},
    )
    made = parts.streaming({node: parts.node(node) for node in (START, *nodes)})
    listeners: dict[str, list[str]] = {}
    for node in made.values():
        for trigger in node.triggers:
            listeners.setdefault(trigger, []).append(node.name)
    return Program(
        name=name,
        nodes=made,
        channels=parts.channels,
        listeners={channel: tuple(who) for channel, who in listeners.items()},
        input=parts.input,
        output=builder.schemas[builder.output_schema],
        whole=builder.schemas[builder.state_schema],
        state=parts.keys,
        is_root=parts.keys == (ROOT,),
        deferred=tuple(key for key, channel in parts.channels.items() if channel.deferred),
    )


def _control_channels(nodes: Mapping[str, NodeSpec], edges: Edges) -> dict[str, Channel]:
    channels: dict[str, Channel] = {START: Ephemeral(START), TASKS: Packets(TASKS)}
    for name, spec in nodes.items():
        key = branch_channel(name)
        channels[key] = AfterFinish(key) if spec.defer else Ephemeral(key)
    for starts, end in edges.joins:
        if end != END:
            key = join_channel(starts, end)
            channels[key] = Barrier(key, starts, deferred=nodes[end].defer)
    return channels


@dataclass(frozen=True, slots=True, kw_only=True)
class _Parts:
    """What every node of a program is made from."""

    schemas: Mapping[Any, Schema]
    keys: tuple[str, ...]
    state: Any
    input: Schema
    nodes: Mapping[str, NodeSpec]
    edges: Edges
    channels: Mapping[str, Channel]

    def node(self, name: str) -> Node:
        """One node; ``START`` has no specification and hands the input on."""
        spec = self.nodes.get(name)
        if spec is None:
            start: tuple[str, ...] = (START,)
            return self._node(name, start, self.input, self.input.keys)
        waits = [join_channel(starts, end) for starts, end in self.edges.joins if end == name]
        triggers = tuple(sorted([branch_channel(name), *waits]))
        return self._node(
            name,
            triggers,
            self.schemas[spec.input_schema],
            self.keys,
            body=spec.body,
            metadata=spec.metadata,
            consumes=tuple(t for t in triggers if not self.channels[t].transient),
            retry=spec.retry_policy or (),
            cache=spec.cache_policy,
            timeout=spec.timeout,
            handler=spec.error_handler_node,
            handles=spec.is_error_handler,
            subgraph=find_subgraph(spec.action),
        )

    def streaming(self, made: dict[str, Node]) -> dict[str, Node]:
        """The nodes, of which some know who may read their result while it is made."""
        edges = [(start, end) for start, end in self.edges.streaming if start != START and end != END]
        for start, end in sorted(edges):
            if feeds(made[start], made[end], self.edges.into(end), self.channels):
                made[start] = replace(made[start], feeds=(*made[start].feeds, end))
        return made

    def _node(self, name: str, triggers: tuple[str, ...], schema: Schema, keys: tuple[str, ...], **own: Any) -> Node:
        return Node(
            name=name,
            schema=schema,
            triggers=triggers,
            keys=frozenset(keys),
            ordered_keys=keys,
            edges=self._edges_of(name),
            branches=self._branches_of(name),
            names=frozenset(self.nodes),
            root=keys == (ROOT,),
            **own,
        )

    def _edges_of(self, name: str) -> tuple[tuple[str, Any], ...]:
        plain = [(branch_channel(end), None) for start, end in self.edges.plain if start == name and end != END]
        joins = [(join_channel(s, end), name) for s, end in self.edges.joins if name in s and end != END]
        return (*plain, *joins)

    def _branches_of(self, name: str) -> tuple[Branch, ...]:
        around = self.nodes[name].input_schema if name in self.nodes else self.state
        return tuple(
            Branch(
                name=label,
                path=branch.body,
                ends=branch.ends,
                schema=self.schemas[around if branch.input_schema is None else branch.input_schema],
                passes_result=branch.input_schema is None,
                targets=frozenset(self.nodes) if branch.ends is None else frozenset(branch.ends.values()),
            )
            for label, branch in self.edges.branches.get(name, {}).items()
        )
