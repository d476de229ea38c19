"""Equality 2 on threads: scripts of runs, answers, updates and re-runs give what LangGraph gives, step by step."""

from __future__ import annotations

import pytest

from tests.differential.scenarios.play import assert_same_play, is_racing, oracle, play
from tests.differential.scenarios.streams import EVENTS, FULL, VIEWS, View
from tests.differential.scenarios.table import ALIKE, SCENARIOS, Scenario, coloured
from tests.support.colours import ASYNC, COLOURS, SYNC, Colour
from tests.support.engines import LANGGRAPH, OURS

pytestmark = pytest.mark.langgraph

NAMED = [pytest.param(scenario, id=scenario.name) for scenario in ALIKE]
TURNS = [pytest.param(one, id=one.name) for one in ALIKE if len(one.steps) > 1]
FEW_VIEWS = 2
"""Views a scenario is played in every day, in turn; the soak plays all."""
BY_VIEW = [
    pytest.param(one, VIEWS[(FEW_VIEWS * number + offset) % len(VIEWS)], COLOURS[number % 2], id=f"{one.name}-{offset}")
    for number, one in enumerate(ALIKE)
    for offset in range(FEW_VIEWS)
]


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
@pytest.mark.parametrize("view", VIEWS, ids=lambda view: view.name)
@pytest.mark.parametrize("scenario", NAMED)
def test_every_view(scenario: Scenario, view: View, colour: Colour) -> None:
    """Every scenario in every view and both colours."""
    _assert_same(scenario, colour, view)


@pytest.mark.soak
@pytest.mark.parametrize(("scenario", "colour"), coloured())
def test_langgraph_equals_itself(scenario: Scenario, colour: Colour) -> None:
    """Five plays of a scenario on LangGraph are equal: what the comparison finds is no accident."""
    for _ in range(5):
        assert_same_play(oracle(scenario, colour), play(scenario, colour, LANGGRAPH), racing=is_racing(scenario))


@pytest.mark.slow
@pytest.mark.parametrize("scenario", NAMED)
def test_events(scenario: Scenario, subtests: pytest.Subtests) -> None:
    """The events of every run are LangGraph's, whichever colour of ours emits them (LangGraph has only the async)."""
    expected = oracle(scenario, ASYNC, EVENTS)
    for colour in COLOURS:
        with subtests.test(colour.name):
            actual = play(scenario, colour, OURS, view=EVENTS)
            assert_same_play(expected, actual, EVENTS, racing=is_racing(scenario))


@pytest.mark.slow
@pytest.mark.parametrize("turn", range(2), ids=["ours first", "langgraph first"])
@pytest.mark.parametrize("scenario", TURNS)
def test_taking_turns(scenario: Scenario, turn: int) -> None:
    """A thread begun by one engine is continued by the other, a step by each, and nobody can tell."""
    libs = (OURS, LANGGRAPH) if turn == 0 else (LANGGRAPH, OURS)
    colour = COLOURS[turn] if scenario.runs_in(COLOURS[turn].name) else COLOURS[1 - turn]
    actual = play(scenario, colour, *libs)
    assert_same_play(oracle(scenario, colour), actual, racing=is_racing(scenario))
