"""Equality 2, the modes: a graph of ours yields what LangGraph's yields, item by item."""

from __future__ import annotations

from typing import Any

import pytest

from tests.differential.observe import MODES, items, steps
from tests.differential.table import CASES, FEW, Case, coloured
from tests.support.colours import Colour
from tests.support.engines import LANGGRAPH, OURS
from tests.support.normal import assert_same_items

pytestmark = pytest.mark.langgraph

LISTS = (["messages", "updates"], ["debug", "custom"], ["values", "tasks"])


def _assert_equal(case: Case, colour: Colour, mode: Any, **options: Any) -> None:
    expected = items(LANGGRAPH, case, colour, mode, **options)
    actual = items(OURS, case, colour, mode, **options)
    assert_same_items(mode, expected, actual, steps(case.name), loose=case.loose)


@pytest.mark.parametrize(("case", "colour"), coloured(alike=True))
def test_one_mode(case: Case, colour: Colour, subtests: pytest.Subtests) -> None:
    """Each single mode yields LangGraph's bare items."""
    for mode in MODES:
        with subtests.test(mode):
            _assert_equal(case, colour, mode)


@pytest.mark.parametrize(("case", "colour"), coloured(alike=True))
def test_all_modes_at_once(case: Case, colour: Colour) -> None:
    """A list of modes yields LangGraph's pairs, in LangGraph's order where steps are single."""
    _assert_equal(case, colour, list(MODES))


@pytest.mark.parametrize("modes", LISTS, ids="+".join)
@pytest.mark.parametrize("case", FEW, ids=lambda case: case.name)
def test_some_modes_at_once(case: Case, modes: list[str], colour: Colour) -> None:
    """A list of some modes yields those modes alone."""
    _assert_equal(case, colour, modes)


@pytest.mark.parametrize("case", FEW, ids=lambda case: case.name)
def test_tuple_of_modes(case: Case, colour: Colour) -> None:
    """A tuple of modes yields pairs as a list does (LangGraph loses the names)."""
    expected = items(OURS, case, colour, ["values", "updates"])
    actual = items(OURS, case, colour, ("values", "updates"))
    assert_same_items(["values", "updates"], expected, actual, steps(case.name))


@pytest.mark.parametrize("case", FEW, ids=lambda case: case.name)
def test_list_of_one_mode(case: Case, colour: Colour) -> None:
    """A list of one mode yields pairs, a bare mode bare items."""
    pairs = items(OURS, case, colour, ["values"])
    assert [mode for mode, _ in pairs] == ["values"] * len(pairs)
    assert_same_items("values", items(OURS, case, colour, "values"), [item for _, item in pairs])


@pytest.mark.parametrize("case", [case for case in CASES if case.differs], ids=lambda case: case.name)
def test_chosen_difference(case: Case, colour: Colour) -> None:
    """A row that says it differs from LangGraph does differ: else it belongs to the equal ones."""
    with pytest.raises(AssertionError, match="differ"):
        _assert_equal(case, colour, list(MODES))
