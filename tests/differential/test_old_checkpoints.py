"""Threads that older versions of LangGraph wrote go on here as they do in LangGraph."""

from __future__ import annotations

import operator
from typing import Annotated, Any, TypedDict

import pytest
from langgraph.checkpoint.base.id import uuid6
from langgraph.checkpoint.memory import InMemorySaver

from tests.support.colours import Colour
from tests.support.engines import LANGGRAPH, OURS, Library

pytestmark = pytest.mark.langgraph

THREAD: Any = {"configurable": {"thread_id": "old", "checkpoint_ns": ""}}


class State(TypedDict, total=False):
    """A folded log."""

    log: Annotated[list[str], operator.add]


def version(number: int) -> str:
    return f"{number:032}.0.5"


def graph(lib: Library, saver: Any) -> Any:
    """a, then b and c, then d, by plain edges, a condition and a join."""
    builder = lib.StateGraph(State)
    for name in "abcd":
        builder.add_node(name, lambda state, name=name: {"log": [name]})
    builder.add_edge(lib.START, "a")
    builder.add_edge("a", "b")
    builder.add_conditional_edges("a", lambda state: "c", ["c"])
    builder.add_edge(["b", "c"], "d")
    return builder.compile(checkpointer=saver)


BEGUN = {"__input__": {}, "__start__": {"__start__": version(2)}}
STOPPED: dict[str, tuple[int, dict[str, Any], dict[str, str], dict[str, dict[str, str]]]] = {
    "after the input": (1, {"log": ["old"], "start:a": "__start__"}, {"start:a": version(3)}, BEGUN),
    "after a plain edge and a condition": (
        1,
        {"log": ["old"], "a": "a", "branch:a:condition:c": "a"},
        {"start:a": version(3), "a": version(4), "branch:a:condition:c": version(4)},
        {**BEGUN, "a": {"start:a": version(3)}},
    ),
    "with packets beside": (2, {"log": ["old"]}, {"start:a": version(3)}, {**BEGUN, "a": {"start:a": version(3)}}),
    "one channel a node, packets beside": (
        3,
        {"log": ["old"], "branch:to:b": None},
        {"branch:to:a": version(3), "branch:to:b": version(4)},
        {**BEGUN, "a": {"branch:to:a": version(3)}},
    ),
}


def stopped(lib: Library, name: str) -> InMemorySaver:
    """A saver with one checkpoint of an older layout."""
    layout, values, versions, seen = STOPPED[name]
    saver = InMemorySaver()
    checkpoint: Any = {
        "v": layout,
        "ts": "2024-01-01T00:00:00+00:00",
        "id": str(uuid6(clock_seq=1)),
        "channel_values": dict(values),
        "channel_versions": {"__start__": version(2), "log": version(3), **versions},
        "versions_seen": {node: dict(known) for node, known in seen.items()},
        "pending_sends": [lib.Send("d", {"log": []})] if "packets" in name else [],
    }
    saver.put(THREAD, checkpoint, {"source": "loop", "step": 1, "parents": {}}, checkpoint["channel_versions"])
    return saver


@pytest.mark.parametrize("name", STOPPED)
def test_what_is_next(name: str) -> None:
    """The state of an old thread, and the nodes that run next, are LangGraph's."""
    theirs, ours = (graph(lib, stopped(LANGGRAPH, name)).get_state(THREAD) for lib in (LANGGRAPH, OURS))
    assert (ours.values, sorted(ours.next)) == (theirs.values, sorted(theirs.next))
    assert ours.next


@pytest.mark.parametrize("name", STOPPED)
def test_it_goes_on(name: str, colour: Colour) -> None:
    """An old thread goes on with the streams it has in LangGraph, and ends in the same state."""
    seen = []
    for lib in (LANGGRAPH, OURS):
        running = graph(lib, stopped(LANGGRAPH, name))
        items = colour.observe_stream(running, None, THREAD, stream_mode="updates")
        seen.append((sorted(map(str, items)), sorted(running.get_state(THREAD).values["log"])))
    assert seen[0] == seen[1]
    assert len(seen[0][0]) >= 1
