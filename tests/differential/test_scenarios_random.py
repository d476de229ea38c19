"""Equality 2 on threads that Hypothesis makes: random graphs of graphs, random scripts, both engines, both colours.

Seeded, with distinct graphs and scripts counted in the session's last lines.
"""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.differential.scenarios.drawn import Drawn, actions, graphs, scenario_of
from tests.differential.scenarios.play import assert_same_play, has_races, play
from tests.support.colours import COLOURS
from tests.support.engines import LANGGRAPH, OURS, Library
from tests.support.plugin import count

SOAK = settings().max_examples > 100
SEEDED = settings(
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    phases=(Phase.generate, Phase.shrink) if SOAK else (Phase.generate,),
    print_blob=False,
)
Script = tuple[tuple[str, int], ...]
SCRIPTS = st.lists(actions(), min_size=1, max_size=6).map(tuple)


def _compare(spec: Drawn, script: Script, number: int, *libs: Library) -> None:
    count("random graphs on threads", spec)
    count("random scripts", (spec, script))
    colour, scenario = COLOURS[number], scenario_of(spec, script)
    expected = play(scenario, colour, LANGGRAPH)
    assert_same_play(expected, play(scenario, colour, *libs), racing=has_races(expected))


@pytest.mark.slow
@pytest.mark.langgraph
@SEEDED
@given(spec=graphs(), script=SCRIPTS, number=st.integers(0, 1))
def test_scripts(spec: Drawn, script: Script, number: int) -> None:
    """Whatever is done to a thread of a random graph gives what it gives on LangGraph."""
    _compare(spec, script, number, OURS)


@pytest.mark.slow
@pytest.mark.langgraph
@SEEDED
@given(spec=graphs(), script=SCRIPTS, number=st.integers(0, 1), first=st.booleans())
def test_taking_turns(spec: Drawn, script: Script, number: int, first: bool) -> None:
    """Both engines take turns on a thread of a random graph, and nobody can tell."""
    _compare(spec, script, number, *((OURS, LANGGRAPH) if first else (LANGGRAPH, OURS)))


@pytest.mark.soak
@pytest.mark.langgraph
@SEEDED
@given(spec=graphs(), script=SCRIPTS, number=st.integers(0, 1))
def test_langgraph_equals_itself(spec: Drawn, script: Script, number: int) -> None:
    """Two plays of a random script on LangGraph are equal: what the comparison finds is no accident."""
    _compare(spec, script, number, LANGGRAPH)
