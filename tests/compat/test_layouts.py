"""Checkpoints of older layouts, read without LangGraph; tests/differential/test_old_checkpoints.py compares with it."""

from __future__ import annotations

from typing import Any, TypedDict

from lcel_compat import START, CompiledStateGraph, StateGraph
from lcel_compat._layouts import migrated


class State(TypedDict, total=False):
    """One key."""

    n: int


def graph() -> CompiledStateGraph:
    builder = StateGraph(State)
    for name in "abc":
        builder.add_node(name, lambda state: {"n": 1})
    builder.add_edge(START, "a")
    builder.add_edge("a", "b")
    builder.add_edge("a", "c")
    return builder.compile()


def old(layout: int, **fields: Any) -> Any:
    return {
        "v": layout,
        "channel_values": {},
        "channel_versions": {},
        "versions_seen": {},
        "pending_sends": [],
        **fields,
    }


def test_packets_stood_beside_the_channels() -> None:
    """Packets of a checkpoint from before LangGraph 1.0 are moved into their channel, under the newest version."""
    given = old(3, channel_values={"n": 1}, channel_versions={"n": 4, "branch:to:b": 7}, pending_sends=["packet"])
    found = migrated(given, graph().program)
    assert found["channel_values"] == {"n": 1, "__pregel_tasks": ["packet"]}
    assert found["channel_versions"] == {"n": 4, "branch:to:b": 7, "__pregel_tasks": 7}
    assert given["pending_sends"] == ["packet"]


def test_a_node_was_a_channel() -> None:
    """What a node left under its own name triggers the nodes that its plain edges lead to; the newest version wins."""
    given = old(
        1,
        channel_values={"a": "a", "branch:a:condition:c": "a"},
        channel_versions={"a": 5, "branch:a:condition:c": 6, "start:a": 2},
        versions_seen={"a": {"start:a": 2}, "b": {"a": 5}, "__interrupt__": {"a": 5}},
    )
    found = migrated(given, graph().program)
    assert found["channel_versions"] == {"branch:to:b": 5, "branch:to:c": 6, "branch:to:a": 2}
    assert found["channel_values"] == {"branch:to:b": "a", "branch:to:c": "a"}
    assert found["versions_seen"] == {
        "a": {"branch:to:a": 2},
        "b": {"branch:to:b": 5},
        "__interrupt__": {"branch:to:b": 5, "branch:to:c": 5},
    }
    assert set(given["channel_versions"]) == {"a", "branch:a:condition:c", "start:a"}


def test_channels_of_nodes_that_are_gone_stay() -> None:
    """A channel of a node that the graph has no more is left as it is."""
    given = old(1, channel_versions={"start:gone": 1, "branch:x:y:gone": 2})
    assert migrated(given, graph().program)["channel_versions"] == {"start:gone": 1, "branch:x:y:gone": 2}


def test_todays_layout_is_not_touched() -> None:
    """A checkpoint of today's layout, or an empty one, is handed on as the object it is."""
    for given in (old(4, channel_versions={"start:a": 1}), old(1)):
        assert migrated(given, graph().program) is given
