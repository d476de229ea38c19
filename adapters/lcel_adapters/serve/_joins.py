"""LangGraph's joins, so that a server that is killed does not lose the node behind one.

LangGraph saves checkpoints while it goes on (``durability: async``), and a join (``add_edge([...], node)``) hands out
the very set that it goes on adding to (``NamedBarrierValue.checkpoint``, langgraph 1.2.22
``channels/named_barrier_value.py:60``). A checkpoint that is written late then says that all have come before they
have: whoever goes on from it waits for nobody, and the node behind the join never runs. Here a join hands out a copy.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from functools import cache
from typing import Any

_KINDS = ("NamedBarrierValue", "NamedBarrierValueAfterFinish")


def copying_joins(channels: Mapping[str, Any]) -> dict[str, Any]:
    """The channels of a graph of LangGraph's, in which joins hand out copies; the others are the same objects."""
    return {name: _copying(channel) for name, channel in channels.items()}


def copy_joins_inside(graph: Any) -> None:
    """The same for the graphs that are nodes of a graph, in place: they are part of what is served."""
    for _, inner in graph.get_subgraphs(recurse=True):
        inner.channels = copying_joins(inner.channels)


def _copying(channel: Any) -> Any:
    module = sys.modules.get("langgraph.channels.named_barrier_value")
    if module is None or type(channel) not in {getattr(module, kind) for kind in _KINDS}:
        return channel
    kind: Any = type(channel)
    made = _kind(kind)(channel.typ, channel.names)
    made.key = channel.key
    return made


@cache
def _kind(joins: Any) -> Any:
    """A kind of join that hands out copies."""

    def checkpoint(self: Any) -> Any:
        held = joins.checkpoint(self)
        return (set(held[0]), *held[1:]) if isinstance(held, tuple) else set(held)

    return type(joins.__name__, (joins,), {"__slots__": (), "__module__": joins.__module__, "checkpoint": checkpoint})
