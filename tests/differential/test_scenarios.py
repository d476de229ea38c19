"""Equality 2 on threads: scripts of runs, answers, updates and re-runs give what LangGraph gives, step by step."""

from __future__ import annotations

import pytest

from tests.differential.scenarios.play import assert_same_play, is_racing, oracle, play
from tests.differential.scenarios.streams import EVENTS, FULL, VIEWS, View
from tests.differential.scenarios.table import ALIKE, SCENARIOS, Scenario, coloured
from tests.support.colours import ASYNC, COLOURS, SYNC, Colour
from tests.support.engines import LANGGRAPH, OURS, Library

pytestmark = pytest.mark.langgraph

NAMED = [pytest.param(scenario, id=scenario.name) for scenario in ALIKE]
TURNS = [one for one in ALIKE if len(one.steps) > 1]
BY_VIEW = [
    pytest.param(one, VIEWS[number % len(VIEWS)], COLOURS[number % 2], id=one.name) for number, one in enumerate(ALIKE)
]
"""Every scenario in one view; the soak has all."""


def _name(value: Scenario | Colour) -> str:
    return value.name


def _assert_same(scenario: Scenario, colour: Colour, view: View = FULL) -> None:
    expected, actual = oracle(scenario, colour, view), play(scenario, colour, OURS, view=view)
    assert_same_play(expected, actual, view, racing=is_racing(scenario))


@pytest.mark.parametrize(("scenario", "colour"), coloured())
def test_equals_langgraph(scenario: Scenario, colour: Colour) -> None:
    """Every step of a scenario gives what LangGraph's graph gives: streams of all modes, states, saved checkpoints."""
    _assert_same(scenario, colour)


@pytest.mark.parametrize("scenario", NAMED)
def test_colours_are_equal(scenario: Scenario) -> None:
    """LangGraph's sync and async sides give the same, so that one script speaks for both."""
    assert_same_play(oracle(scenario, SYNC), oracle(scenario, ASYNC), racing=is_racing(scenario))


@pytest.mark.slow
@pytest.mark.parametrize(("scenario", "view", "colour"), BY_VIEW)
def test_views(scenario: Scenario, view: View, colour: Colour) -> None:
    """Single modes, few modes, no subgraphs, stream parts: each shape of a stream is LangGraph's."""
    _assert_same(scenario, colour, view)


@pytest.mark.parametrize("scenario", [one for one in SCENARIOS if one.differs], ids=lambda one: one.name)
def test_chosen_difference(scenario: Scenario, colour: Colour) -> None:
    """A scenario that says it differs from LangGraph does differ: else it belongs to the equal ones."""
    with pytest.raises(AssertionError, match="differ"):
        _assert_same(scenario, colour)


@pytest.mark.soak
@pytest.mark.parametrize(("scenario", "colour"), coloured())
def test_every_view(scenario: Scenario, colour: Colour, subtests: pytest.Subtests) -> None:
    """Every scenario in every view and both colours."""
    for view in VIEWS:
        with subtests.test(view.name):
            _assert_same(scenario, colour, view)


@pytest.mark.soak
@pytest.mark.parametrize(("scenario", "colour"), coloured())
def test_langgraph_equals_itself(scenario: Scenario, colour: Colour) -> None:
    """Five plays of a scenario on LangGraph are equal: what the comparison finds is no accident."""
    for _ in range(5):
        assert_same_play(oracle(scenario, colour), play(scenario, colour, LANGGRAPH), racing=is_racing(scenario))


@pytest.mark.slow
@pytest.mark.parametrize(("scenario", "colour"), [(one, COLOURS[n % 2]) for n, one in enumerate(ALIKE)], ids=_name)
def test_events(scenario: Scenario, colour: Colour) -> None:
    """The events of every run are those that LangGraph's ``astream_events`` gives of the same nodes, sync or async."""
    _assert_same_events(scenario, colour)


@pytest.mark.soak
@pytest.mark.parametrize(("scenario", "colour"), coloured())
def test_all_events(scenario: Scenario, colour: Colour) -> None:
    """The same in both colours."""
    _assert_same_events(scenario, colour)


def _assert_same_events(scenario: Scenario, colour: Colour) -> None:
    expected, actual = oracle(scenario, colour, EVENTS), play(scenario, colour, OURS, view=EVENTS)
    assert_same_play(expected, actual, EVENTS, racing=is_racing(scenario))


@pytest.mark.slow
@pytest.mark.parametrize(("scenario", "colour"), [(one, COLOURS[n % 2]) for n, one in enumerate(TURNS)], ids=_name)
def test_taking_turns(scenario: Scenario, colour: Colour) -> None:
    """A thread begun by one engine is continued by the other, a step by each, and nobody can tell."""
    libs = (OURS, LANGGRAPH) if colour is SYNC else (LANGGRAPH, OURS)
    assert_same_play(oracle(scenario, colour), play(scenario, colour, *libs), racing=is_racing(scenario))


@pytest.mark.soak
@pytest.mark.parametrize("libs", [(OURS, LANGGRAPH), (LANGGRAPH, OURS)], ids=["ours first", "langgraph first"])
@pytest.mark.parametrize("scenario", TURNS, ids=_name)
def test_taking_all_turns(scenario: Scenario, libs: tuple[Library, ...], colour: Colour) -> None:
    """The same whoever begins, in both colours."""
    assert_same_play(oracle(scenario, colour), play(scenario, colour, *libs), racing=is_racing(scenario))
