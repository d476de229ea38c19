"""Equality 2 on threads that Hypothesis makes: random graphs of graphs, random scripts, both engines, both colours.

Seeded, with distinct graphs and scripts counted in the session's last lines.
"""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.differential.scenarios.drawn import DURABILITIES, Drawn, Script, actions, graphs, scenario_of
from tests.differential.scenarios.play import assert_same_play, has_races, play
from tests.support.colours import COLOURS, Colour
from tests.support.engines import LANGGRAPH, OURS, Library
from tests.support.plugin import count

SOAK = settings().max_examples > 100
SEEDED = settings(
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    phases=(Phase.generate, Phase.shrink) if SOAK else (Phase.generate,),
    print_blob=False,
)
SCRIPTS = st.lists(actions(), min_size=1, max_size=6).map(tuple)
COLOUR = st.sampled_from(COLOURS)


def _compare(spec: Drawn, script: Script, durability: str, colour: Colour, *libs: Library) -> None:
    count("random graphs on threads", spec)
    count("random scripts", (spec, script, durability, colour.name))
    scenario = scenario_of(spec, script, durability)
    expected = play(scenario, colour, LANGGRAPH)
    assert_same_play(expected, play(scenario, colour, *libs), racing=has_races(expected))


@pytest.mark.slow
@pytest.mark.langgraph
@SEEDED
@given(spec=graphs(), script=SCRIPTS, durability=DURABILITIES, colour=COLOUR)
def test_scripts(spec: Drawn, script: Script, durability: str, colour: Colour) -> None:
    """Whatever is done to a thread of a random graph gives what it gives on LangGraph."""
    _compare(spec, script, durability, colour, OURS)


@pytest.mark.slow
@pytest.mark.langgraph
@SEEDED
@given(spec=graphs(), script=SCRIPTS, durability=DURABILITIES, colour=COLOUR, first=st.booleans())
def test_taking_turns(spec: Drawn, script: Script, durability: str, colour: Colour, first: bool) -> None:
    """Both engines take turns on a thread of a random graph, and nobody can tell."""
    _compare(spec, script, durability, colour, *((OURS, LANGGRAPH) if first else (LANGGRAPH, OURS)))


@pytest.mark.soak
@pytest.mark.langgraph
@SEEDED
@given(spec=graphs(), script=SCRIPTS, durability=DURABILITIES, colour=COLOUR)
def test_langgraph_equals_itself(spec: Drawn, script: Script, durability: str, colour: Colour) -> None:
    """Two plays of a random script on LangGraph are equal: what the comparison finds is no accident."""
    _compare(spec, script, durability, colour, LANGGRAPH)
