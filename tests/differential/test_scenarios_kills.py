"""Runs that are killed come to the same end: at every operation of the saver, wherever the consumer leaves, at random.

With ``durability="sync"`` a superstep begins only when the one before it is kept. With any, what is kept is not done
again. Kill points are counted in the session's last lines.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from itertools import count as numbers
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.differential.scenarios import durability, interrupts, subgraphs
from tests.differential.scenarios.drawn import ACTIONS, Drawn, build, forgets, graphs, remembers, steps
from tests.differential.scenarios.kills import MORTAL, Kill, Story, dying, story
from tests.differential.scenarios.play import Scenario, assert_same_play, play
from tests.differential.scenarios.stage import Stage
from tests.differential.scenarios.steps import Step, state
from tests.support.colours import ASYNC, COLOURS, Colour
from tests.support.engines import LANGGRAPH, OURS, Library
from tests.support.plugin import count

BUILDS: tuple[Callable[[Stage], Any], ...] = (
    *durability.BUILDS,
    interrupts.in_sent_tasks,
    subgraphs.two_in_parallel,
    subgraphs.in_a_loop,
    subgraphs.sent_to,
    subgraphs.called_twice_in_a_node,
    subgraphs.three_deep,
    subgraphs.to_the_parent,
)
SEEDED = settings(
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    phases=(Phase.generate,),
    print_blob=False,
)
SAVED = graphs().filter(lambda spec: not forgets(spec))
"""Graphs that are saved at every depth: one that is not asks its first question again after every answer."""
KILLS = st.lists(st.builds(Kill, st.sampled_from(("operation", "item")), st.integers(1, 30)), min_size=1, max_size=3)


def _assert_survived(base: Story, lived: Story, durability: str, *, lasting: bool = False) -> None:
    assert lived.twice == []
    if durability == "sync":
        assert lived.early == []
    if durability == "sync" or not lasting:
        assert lived.values == base.values


def _kill_everywhere(lib: Library, build: Callable[[Stage], Any], kind: str, durability: str, colour: Colour) -> int:
    """Kill a run at its first operation or item, at its second, and so on to its last; return how many there were."""
    base = story(lib, colour, build, durability=durability)
    for at in numbers(1):
        lived = story(lib, colour, build, [Kill(kind, at)], durability)
        if not lived.struck:
            return at - 1
        count("kill points", (build.__name__, kind, at, durability, colour.name))
        _assert_survived(base, lived, durability, lasting=build.__name__ == "_has_its_own_memory")
    raise AssertionError("unreachable")


EVERY = [pytest.param(build, kind, id=f"{build.__name__}-{kind}") for build in BUILDS for kind in ("operation", "item")]
TODAY = [
    pytest.param(build, ("operation", "item")[number % 2], COLOURS[number // 2 % 2], id=build.__name__)
    for number, build in enumerate(BUILDS)
]
"""Every graph in one way; the soak has all."""


@pytest.mark.slow
@pytest.mark.parametrize(("build", "kind", "colour"), TODAY)
def test_killed_anywhere(build: Callable[[Stage], Any], kind: str, colour: Colour) -> None:
    """A run that is killed at any operation, or left at any item, loses nothing kept and does nothing twice."""
    assert _kill_everywhere(OURS, build, kind, "sync", colour) > 0


@pytest.mark.soak
@pytest.mark.parametrize("durability", durability.KEEPING)
@pytest.mark.parametrize(("build", "kind"), EVERY)
def test_killed_anywhere_at_length(build: Callable[[Stage], Any], kind: str, durability: str, colour: Colour) -> None:
    """The same in both ways, with every durability and in both colours."""
    assert _kill_everywhere(OURS, build, kind, durability, colour) > 0


@pytest.mark.soak
@pytest.mark.langgraph
@pytest.mark.parametrize(("build", "kind"), EVERY)
def test_langgraph_killed_anywhere(build: Callable[[Stage], Any], kind: str) -> None:
    """LangGraph keeps the same promises: they are no invention of ours."""
    assert _kill_everywhere(LANGGRAPH, build, kind, "sync", ASYNC) > 0


@pytest.mark.slow
@SEEDED
@given(spec=SAVED, kills=KILLS, durability=st.sampled_from(durability.KEEPING), number=st.integers(0, 1))
def test_killed_at_random(spec: Drawn, kills: list[Kill], durability: str, number: int) -> None:
    """A random graph comes to the same end through up to three kills as without any."""
    base = story(OURS, COLOURS[number], build(spec), durability=durability)
    reached = [Kill(kill.kind, kill.at % base.operations + 1) for kill in kills]
    lived = story(OURS, COLOURS[number], build(spec), reached, durability)
    count("random kills", (spec, tuple(reached), durability, number))
    _assert_survived(base, lived, durability, lasting=remembers(spec))


def _dies(script: list[tuple[str, int, int | None]]) -> tuple[Step, ...]:
    """Return the steps of a script in which some actions are cut short by the saver's death."""
    first, *_, last = steps((), "sync")
    told: list[Step] = []
    for name, number, at in script:
        one = ACTIONS[name](number, "sync")
        told += [one if at is None else dying(one, at), state(subgraphs=True)]
    return (first, *told, last)


DEATHS = st.lists(
    st.tuples(st.sampled_from(("go", "all", "new", "fork")), st.integers(0, 9), st.none() | st.integers(1, 8)),
    min_size=2,
    max_size=5,
)


@pytest.mark.slow
@pytest.mark.langgraph
@SEEDED
@given(spec=graphs(alone=True, fails=False).filter(lambda spec: not forgets(spec)), script=DEATHS)
def test_goes_on_as_langgraph_does(spec: Drawn, script: list[tuple[str, int, int | None]]) -> None:
    """After a kill at the same operation, states, streams and what is kept are LangGraph's, item by item.

    Where tasks run one at a time and on one loop, so that both engines come to their operations in one order.
    """
    count("kill points beside LangGraph", (spec, tuple(script)))
    told = tuple(step.__class__(name=step.name, do=step.do) for step in _dies(script))
    scenario = Scenario(name="dies", build=build(spec), steps=told)
    expected = play(scenario, ASYNC, LANGGRAPH, place=MORTAL)
    assert_same_play(expected, play(scenario, ASYNC, OURS, place=MORTAL), racing=False)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["subgraphs.sent_to", "interrupts.three_in_a_node"])
def test_process_killed(name: str, tmp_path: Path) -> None:
    """Where a process ends at any operation on a file, the next one on it does nothing twice and comes to the end."""
    command = [sys.executable, "-m", "tests.differential.scenarios.process", name, str(tmp_path)]
    path = os.pathsep.join(("compat", "adapters"))
    done = subprocess.run(command, check=True, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": path})
    *killed, whole = map(json.loads, done.stdout.splitlines())
    assert len(killed) > 8
    for told in killed:
        count("processes killed", (name, told["at"]))
        assert sorted(told["codes"]) == sorted([*whole["codes"], 9])
        assert {**told, "at": 0, "codes": []} == {**whole, "at": 0, "codes": []}
