"""Checkpoints of older versions of LangGraph, in the layout of today's.

What an edge leaves for the node it leads to stood in a channel ``start:node``, ``branch:source:condition:node`` or,
after a plain edge, in a channel named after its source (layouts before 3); packets stood beside the channels (before
4). All of it is in ``branch:to:node`` and ``__pregel_tasks`` now (``langgraph/graph/state.py``,
``_migrate_checkpoint``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, cast

from lcel_compat._constants import INTERRUPT, LAYOUT, START, TASKS, branch_channel
from lcel_compat._program import Program

if TYPE_CHECKING:
    from langgraph.checkpoint.base import Checkpoint

_ONE_CHANNEL_A_NODE: Final = 3
"""The first layout in which every node is triggered by a channel of its own."""


def migrated(checkpoint: Checkpoint, program: Program) -> Checkpoint:
    """A checkpoint in today's layout; the one that was given is not changed.

    Args:
        checkpoint: As a saver gave it.
        program: The graph whose thread it is of.
    """
    if checkpoint["v"] >= LAYOUT or not checkpoint["channel_versions"]:
        return checkpoint
    found: Any = {
        **checkpoint,
        "channel_values": dict(checkpoint["channel_values"]),
        "channel_versions": dict(checkpoint["channel_versions"]),
        "versions_seen": {name: dict(seen) for name, seen in checkpoint["versions_seen"].items()},
    }
    if checkpoint["v"] < _ONE_CHANNEL_A_NODE:
        for old in checkpoint["channel_versions"]:
            if targets := _led_to(old, program):
                _rename(found, old, targets)
    if packets := found.pop("pending_sends", None):
        found["channel_values"][TASKS] = packets
        found["channel_versions"][TASKS] = max(found["channel_versions"].values())
    return cast("Checkpoint", found)


def _led_to(channel: str, program: Program) -> Sequence[str]:
    """The nodes that a channel of an older layout triggered."""
    nodes = program.nodes
    parts = channel.split(":")
    if channel in nodes and channel != START:
        triggers = {branch_channel(name): name for name in nodes}
        return [triggers[edge] for edge, _ in nodes[channel].edges if edge in triggers]
    old_form = parts[0] == "start" or (parts[0] == "branch" and len(parts) == 4)
    return [parts[-1]] if old_form and parts[-1] in nodes else []


def _rename(checkpoint: Mapping[str, Any], old: str, targets: Sequence[str]) -> None:
    """Move what a channel holds to the channels of the nodes that it triggered, the newest version winning."""
    values, versions = checkpoint["channel_values"], checkpoint["channel_versions"]
    version, held = versions.pop(old), old in values
    value = values.pop(old, None)
    for node in targets:
        new = branch_channel(node)
        versions[new] = max(versions.get(new, version), version)
        if held:
            values.setdefault(new, value)
        for who in (node, INTERRUPT):
            seen = checkpoint["versions_seen"].get(who, {})
            if old in seen:
                seen[new] = max(seen.get(new, seen[old]), seen[old])
    for seen in checkpoint["versions_seen"].values():
        seen.pop(old, None)
