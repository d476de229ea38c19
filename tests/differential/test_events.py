"""Equality 1 (four ways to the same events) and equality 2 (the events LangGraph's graph emits)."""

from __future__ import annotations

from typing import Any

import pytest

from tests.differential.observe import core_events, events, items, log, steps
from tests.differential.table import Case, coloured, parameters
from tests.support.colours import ASYNC, SYNC, Colour
from tests.support.engines import LANGGRAPH, OURS
from tests.support.logs import assert_same_log
from tests.support.normal import assert_same_events, assert_same_items

ASYNCHRONOUS = pytest.mark.parametrize("case", parameters("async"))
SYNCHRONOUS = pytest.mark.parametrize("case", parameters("sync"))
BOTH = pytest.mark.parametrize("case", parameters("sync", "async"))
EITHER = pytest.mark.parametrize(("case", "colour"), coloured())


def _same(case: Case, expected: list[Any], actual: list[Any]) -> None:
    assert_same_events(expected, actual, at_once=case.at_once)


@ASYNCHRONOUS
def test_events_mode_is_astream_events(case: Case) -> None:
    """``astream(stream_mode="events")`` yields what ``astream_events(version="v2")`` yields."""
    _same(case, events(OURS, case), items(OURS, case, ASYNC, "events"))


@ASYNCHRONOUS
def test_core_called_unbound(case: Case) -> None:
    """Core's own ``Runnable.astream_events`` makes the same events of our graph."""
    _same(case, core_events(OURS, case), events(OURS, case))


@BOTH
def test_sync_events_are_async_events(case: Case) -> None:
    """The sync ``stream_events`` yields what ``astream_events`` yields."""
    _same(case, events(OURS, case), events(OURS, case, SYNC))


@SYNCHRONOUS
def test_sync_events_mode_is_stream_events(case: Case) -> None:
    """``stream(stream_mode="events")`` yields what ``stream_events`` yields."""
    _same(case, events(OURS, case, SYNC), items(OURS, case, SYNC, "events"))


@EITHER
def test_events_beside_other_modes(case: Case, colour: Colour) -> None:
    """``events`` in a list of modes are the events that the mode yields alone."""
    beside = items(OURS, case, colour, ["updates", "events", "messages"])
    actual = [i[1] if isinstance(i, tuple) else i for i in beside if _is_event_item(i)]
    _same(case, items(OURS, case, colour, "events"), actual)


def _is_event_item(item: Any) -> bool:
    return not isinstance(item, tuple) or item[0] == "events"


@pytest.mark.langgraph
@ASYNCHRONOUS
def test_langgraph_v2(case: Case) -> None:
    """``astream_events(version="v2")`` yields what LangGraph's graph yields."""
    _same(case, events(LANGGRAPH, case), events(OURS, case))


@pytest.mark.langgraph
@ASYNCHRONOUS
def test_langgraph_v1(case: Case) -> None:
    """``astream_events(version="v1")`` yields what LangGraph's graph yields."""
    expected = events(LANGGRAPH, case, version="v1")
    _same(case, expected, events(OURS, case, version="v1"))


@pytest.mark.langgraph
@ASYNCHRONOUS
def test_langgraph_log(case: Case) -> None:
    """``astream_log`` tells the runs that LangGraph's graph tells."""
    assert_same_log(log(LANGGRAPH, case), log(OURS, case))


@pytest.mark.langgraph
@pytest.mark.parametrize("mode", ["values", ["messages", "updates", "custom"]], ids=str)
@ASYNCHRONOUS
def test_langgraph_root_chunks(case: Case, mode: Any) -> None:
    """``astream_events(stream_mode=...)`` shapes the root's chunks as LangGraph's does.

    Only the root's: with ``messages`` LangGraph loses other runs' chunks at random (EVENTS.md, 5.2).
    """
    expected = _root_chunks(events(LANGGRAPH, case, stream_mode=mode))
    actual = _root_chunks(events(OURS, case, stream_mode=mode))
    assert_same_items(mode, expected, actual, steps(case.name), loose=case.loose)


def _root_chunks(recorded: list[Any]) -> list[Any]:
    found = [event for event in recorded if isinstance(event, dict) and not event["parent_ids"]]
    return [event["data"]["chunk"] for event in found if event["event"] == "on_chain_stream"]
