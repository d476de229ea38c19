"""The comparison raises no false alarm: LangGraph equals itself, however often one asks."""

from __future__ import annotations

import pytest

from tests.differential.observe import MODES, events, items, log, steps
from tests.differential.table import FEW, Case, parameters
from tests.support.colours import ASYNC, SYNC
from tests.support.engines import LANGGRAPH
from tests.support.logs import assert_same_log
from tests.support.normal import assert_same_events, assert_same_items

pytestmark = pytest.mark.langgraph


@pytest.mark.parametrize("case", parameters())
def test_modes_equal_themselves(case: Case) -> None:
    """Two runs of one graph on LangGraph compare as equal in every mode."""
    colour = SYNC if case.runs_in("sync") else ASYNC
    modes = list(MODES)
    first, second = (items(LANGGRAPH, case, colour, modes) for _ in range(2))
    assert_same_items(modes, first, second, steps(case.name), loose=case.loose)


@pytest.mark.parametrize("case", parameters("async"))
def test_events_equal_themselves(case: Case) -> None:
    """Two recordings of events on LangGraph compare as equal."""
    assert_same_events(events(LANGGRAPH, case), events(LANGGRAPH, case), at_once=case.at_once)


@pytest.mark.parametrize("case", FEW, ids=lambda case: case.name)
def test_logs_equal_themselves(case: Case) -> None:
    """Run logs and v1 events of graphs whose branches race compare as equal, too."""
    for _ in range(3):
        assert_same_log(log(LANGGRAPH, case), log(LANGGRAPH, case))
        v1 = [events(LANGGRAPH, case, version="v1") for _ in range(2)]
        assert_same_events(*v1)
