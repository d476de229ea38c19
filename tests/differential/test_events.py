"""Equality 1 (four ways to the same events) and equality 2 (the events LangGraph's graph emits)."""

from __future__ import annotations

from typing import Any

import pytest

from tests.differential.observe import core_events, events, items, log, steps
from tests.differential.table import FEW, Case, parameters
from tests.support.colours import ASYNC, SYNC
from tests.support.engines import LANGGRAPH, OURS
from tests.support.logs import assert_same_log
from tests.support.normal import assert_same_events, assert_same_items

ASYNCHRONOUS = pytest.mark.parametrize("case", parameters("async"))
SYNCHRONOUS = pytest.mark.parametrize("case", parameters("sync"))
BOTH = pytest.mark.parametrize("case", parameters("sync", "async"))
ALIKE = pytest.mark.parametrize("case", parameters("async", alike=True))


def _same(case: Case, expected: list[Any], actual: list[Any]) -> None:
    assert_same_events(expected, actual, at_once=case.at_once)


@ASYNCHRONOUS
def test_asynchronous_paths(case: Case, subtests: pytest.Subtests) -> None:
    """Every asynchronous way to the events yields what ``astream_events(version="v2")`` yields."""
    expected = events(OURS, case)
    with subtests.test("core called unbound"):
        _same(case, core_events(OURS, case), expected)
    with subtests.test('astream(stream_mode="events")'):
        _same(case, expected, items(OURS, case, ASYNC, "events"))
    with subtests.test("events beside other modes"):
        beside = items(OURS, case, ASYNC, ["updates", "events", "messages"])
        found = [item for item in beside if _is_event_item(item)]
        _same(case, expected, [i[1] if isinstance(i, tuple) else i for i in found])


def _is_event_item(item: Any) -> bool:
    return not isinstance(item, tuple) or item[0] == "events"


@SYNCHRONOUS
def test_synchronous_paths(case: Case) -> None:
    """``stream(stream_mode="events")`` yields what ``stream_events`` yields."""
    _same(case, events(OURS, case, SYNC), items(OURS, case, SYNC, "events"))


@BOTH
def test_synchronous_as_asynchronous(case: Case) -> None:
    """The sync ``stream_events`` yields what ``astream_events`` yields."""
    _same(case, events(OURS, case), events(OURS, case, SYNC))


@pytest.mark.langgraph
@ALIKE
def test_langgraph_v2(case: Case) -> None:
    """``astream_events(version="v2")`` yields what LangGraph's graph yields."""
    _same(case, events(LANGGRAPH, case), events(OURS, case))


@pytest.mark.langgraph
@ALIKE
def test_langgraph_v1(case: Case) -> None:
    """``astream_events(version="v1")`` yields what LangGraph's graph yields."""
    expected = events(LANGGRAPH, case, version="v1")
    _same(case, expected, events(OURS, case, version="v1"))


@pytest.mark.langgraph
@ALIKE
def test_langgraph_log(case: Case) -> None:
    """``astream_log`` tells the runs that LangGraph's graph tells."""
    assert_same_log(log(LANGGRAPH, case), log(OURS, case))


@pytest.mark.langgraph
@ALIKE
def test_langgraph_root_chunks(case: Case) -> None:
    """``astream_events(stream_mode=...)`` shapes the root's chunks as LangGraph's does.

    Only the root's: with ``messages`` LangGraph loses other runs' chunks at random (EVENTS.md, 5.2).
    """
    mode = ["values", "messages", "updates", "custom"]
    expected = _root_chunks(events(LANGGRAPH, case, stream_mode=mode))
    actual = _root_chunks(events(OURS, case, stream_mode=mode))
    assert_same_items(mode, expected, actual, steps(case.name), loose=case.loose)


@pytest.mark.langgraph
@pytest.mark.parametrize("case", FEW, ids=lambda case: case.name)
def test_langgraph_bare_root_chunks(case: Case) -> None:
    """``astream_events(stream_mode="values")`` has bare states as the root's chunks."""
    expected = _root_chunks(events(LANGGRAPH, case, stream_mode="values"))
    actual = _root_chunks(events(OURS, case, stream_mode="values"))
    assert_same_items("values", expected, actual)


def _root_chunks(recorded: list[Any]) -> list[Any]:
    found = [event for event in recorded if isinstance(event, dict) and not event["parent_ids"]]
    return [event["data"]["chunk"] for event in found if event["event"] == "on_chain_stream"]
