"""Equalities 1 and 2 on graphs that Hypothesis makes, seeded, with their distinct shapes counted.

Hypothesis's profile sets how many graphs are drawn. Shrinking is left to the soak, being too slow
for every day: a failing graph is printed as it was drawn.
"""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from tests.differential.cases import Case
from tests.differential.generated import Spec, build, specs
from tests.differential.observe import MODES, core_events, events, items
from tests.support.colours import ASYNC, SYNC
from tests.support.engines import LANGGRAPH, OURS
from tests.support.normal import assert_same_events, assert_same_items, steps_of
from tests.support.plugin import count

SOAK = settings().max_examples > 100
SEEDED = settings(
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    phases=(Phase.generate, Phase.shrink) if SOAK else (Phase.generate,),
    print_blob=False,
)
MODE_LIST = list(MODES)


def _case(spec: Spec) -> Case:
    count("random graphs", spec)
    only = "async" if spec.asynchronous else None
    x = {"log": [], "turns": 0, "topic": "birds"}
    return Case(name="random", build=build(spec), input=x, config={"recursion_limit": 12}, only=only)


@pytest.mark.langgraph
@SEEDED
@given(spec=specs())
def test_modes(spec: Spec) -> None:
    """Every mode of a random graph yields LangGraph's items, sync and async."""
    case = _case(spec)
    for colour in (ASYNC, SYNC):
        if case.runs_in(colour.name):
            expected = items(LANGGRAPH, case, colour, MODE_LIST)
            debug = [item[1] for item in expected if isinstance(item, tuple) and item[0] == "debug"]
            actual = items(OURS, case, colour, MODE_LIST)
            assert_same_items(MODE_LIST, expected, actual, steps_of(debug))


@pytest.mark.langgraph
@SEEDED
@given(spec=specs())
def test_events(spec: Spec) -> None:
    """A random graph emits LangGraph's events, v2 and v1."""
    case = _case(spec)
    for version in ("v2", "v1"):
        expected = events(LANGGRAPH, case, version=version)
        assert_same_events(expected, events(OURS, case, version=version))


@SEEDED
@given(spec=specs())
def test_four_paths(spec: Spec) -> None:
    """The four ways to a random graph's events give the same events."""
    case = _case(spec)
    expected = events(OURS, case)
    assert_same_events(expected, items(OURS, case, ASYNC, "events"))
    assert_same_events(expected, core_events(OURS, case))
    if case.runs_in("sync"):
        assert_same_events(expected, items(OURS, case, SYNC, "events"))
        assert_same_events(expected, events(OURS, case, SYNC))
