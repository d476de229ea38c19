"""Threads on every kind of saver: what a scenario gives does not depend on where its thread is kept."""

from __future__ import annotations

import pytest

from tests.differential.scenarios.play import assert_same_play, has_races, play
from tests.differential.scenarios.savers import POSTGRES, SQLITE, Place
from tests.differential.scenarios.table import Scenario, coloured
from tests.support.colours import Colour
from tests.support.engines import LANGGRAPH, OURS, Library

KEPT = (
    "subgraphs.two_deep",
    "subgraphs.with_its_own_memory",
    "subgraphs.sent_to_and_interrupted",
    "interrupts.one",
    "interrupts.answered_one_by_one",
    "interrupts.with_a_schema",
    "travel.fork",
    "travel.question_asked_again",
    "travel.in_bulk_at_once",
    "travel.history_in_part",
    "faults.beside_a_sibling",
    "control.packets_pending",
    "control.messages",
    "control.pydantic_state",
    "durability.exit_asks_inside",
)

PLACES = [pytest.param(SQLITE, id="sqlite"), pytest.param(POSTGRES, id="postgres", marks=pytest.mark.postgres)]


def _assert_same(scenario: Scenario, colour: Colour, place: Place, *libs: Library) -> None:
    expected = play(scenario, colour, libs[0])
    assert_same_play(expected, play(scenario, colour, *libs, place=place), racing=has_races(expected))


@pytest.mark.slow
@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize(("scenario", "colour"), coloured(*KEPT))
def test_ours(scenario: Scenario, colour: Colour, place: Place) -> None:
    """A thread in a database goes as one in memory goes."""
    _assert_same(scenario, colour, place, OURS)


@pytest.mark.slow
@pytest.mark.langgraph
@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize(("scenario", "colour"), coloured(*KEPT))
def test_taking_turns(scenario: Scenario, colour: Colour, place: Place) -> None:
    """Both engines take turns on a thread in a database."""
    _assert_same(scenario, colour, place, LANGGRAPH, OURS)
