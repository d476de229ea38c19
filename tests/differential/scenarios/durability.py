"""Scenarios of what is in the saver when: each durability with a run that completes, fails, stops, asks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.differential.scenarios.play import SCENARIOS, Scenario
from tests.differential.scenarios.stage import Stage
from tests.differential.scenarios.steps import Step, answer, history, ran, saved, state, stream

BIRDS = {"log": ["birds"]}
KEEPING = ("sync", "async", "exit")


def _script(durability: str) -> tuple[Step, ...]:
    again = stream(lambda stage: stage.lib.Command(resume="yes"), durability=durability)
    first = stream(BIRDS, durability=durability)
    return (
        first,
        saved(),
        state(subgraphs=True),
        stream(None, durability=durability),
        saved(),
        again,
        saved(),
        history(),
        ran(),
    )


def _completes(stage: Stage) -> Any:
    """A run that completes."""
    return stage.graph({"a": None, "b": None, "c": None}, "^>a>b>c>$")


def _fails(stage: Stage) -> Any:
    """A run that fails beside a finished node."""
    nodes = {"a": None, "ok": None, "bad": stage.fails("bad", late=0.03), "c": None}
    return stage.graph(nodes, "^>a>ok>c>$ a>bad>c")


def _asks(stage: Stage) -> Any:
    """A run that asks."""
    return stage.graph({"a": None, "ask": stage.asks("ask", "which?"), "n": None, "c": None}, "^>a>ask>c>$ a>n>c")


def _stops(stage: Stage) -> Any:
    """A run that stops before a node."""
    return stage.graph({"a": None, "b": None, "c": None}, "^>a>b>c>$", interrupt_before=["b"])


def _asks_inside(stage: Stage) -> Any:
    """A run whose subgraph asks."""
    inner = stage.sub({"x": None, "ask": stage.asks("ask", "which?"), "y": None}, "^>x>ask>y>$")
    return stage.graph({"a": None, "sub": inner, "c": None}, "^>a>sub>c>$")


def _fails_inside(stage: Stage) -> Any:
    """A run whose subgraph fails."""
    inner = stage.sub({"x": None, "bad": stage.fails("bad"), "y": None}, "^>x>bad>y>$")
    return stage.graph({"a": None, "sub": inner, "c": None}, "^>a>sub>c>$")


def _has_its_own_memory(stage: Stage) -> Any:
    """A run with a subgraph whose state lasts."""
    inner = stage.sub({"x": None}, "^>x>$", checkpointer=True)
    return stage.graph({"a": None, "sub": inner}, "^>a>sub>$")


def _sends(stage: Stage) -> Any:
    """A run with packets under way that stops before them."""
    each = stage.node("each", lambda state: {"log": [state["topic"]]})
    builder = stage.builder({"start": None, "each": each}, "^>start")
    packets = [stage.lib.Send("each", {"topic": topic}) for topic in "pq"]
    builder.add_conditional_edges("start", lambda state: packets, ["each"])
    return builder.compile(checkpointer=stage.saver, interrupt_before=["each"])


def _answered_in_turn(stage: Stage) -> Any:
    """A node is finished by an answer while its sibling asks a second question, and a third."""
    nodes = {"l": stage.asks("l", "left?"), "r": stage.asks("r", "right 1?", "right 2?", "right 3?"), "c": None}
    return stage.graph(nodes, "^>l>c>$ ^>r>c")


BUILDS: tuple[Callable[[Stage], Any], ...] = (
    _completes,
    _fails,
    _asks,
    _stops,
    _asks_inside,
    _fails_inside,
    _has_its_own_memory,
    _sends,
)
SCENARIOS += [
    Scenario(
        name=f"durability.{durability}_answered_in_turn",
        build=_answered_in_turn,
        steps=(
            stream(BIRDS, durability=durability),
            answer({"left?": 1, "right 1?": 2}, durability=durability),
            saved(),
            answer({"right 2?": 3}, durability=durability),
            state(),
            saved(),
            answer({"right 3?": 4}, durability=durability),
            state(),
            saved(),
            ran(),
        ),
    )
    for durability in KEEPING
]
SCENARIOS += [
    Scenario(name=f"durability.{durability}{build.__name__}", build=build, steps=_script(durability))
    for build in BUILDS
    for durability in KEEPING
]
