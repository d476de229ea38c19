"""Every kind of runnable that langchain-core has, as a step of a chain that was taken apart."""

from __future__ import annotations

from typing import Any

import pytest
from langchain_core.runnables import RunnableLambda, RunnableParallel, RunnablePassthrough

from lcel_adapters import as_lcel, from_lcel
from tests.adapters.face.more import ALL
from tests.adapters.face.watch import VERSIONS, assert_same_runnable
from tests.snapshots.kinds import Kind

KINDS = [pytest.param(kind, id=kind.name) for kind in ALL]
WITHOUT_EVENTS = {"each"}
"""A runnable that refuses ``astream_events`` where a graph has them (runnables/base.py:5715)."""
RACES = {"retry_streamed", "parallel_of_chains"}
"""Kinds that, like those that fail, no two runs of a parallel show alike: how far others came, whose chunk is first."""
STEADY = [pytest.param(kind, id=kind.name) for kind in ALL if kind.name not in RACES and "fail" not in kind.name]


@pytest.mark.parametrize("kind", KINDS)
def test_alone(kind: Kind) -> None:
    """A runnable taken apart, as far as it can be, cannot be told from itself."""
    assert_same_runnable(
        kind.make,
        lambda: as_lcel(from_lcel(kind.make()).compile()),
        kind.value,
        kind.config,
        only=kind.only,
        at_once=kind.at_once,
        versions=() if kind.name in WITHOUT_EVENTS else VERSIONS,
    )


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_in_a_sequence(kind: Kind) -> None:
    """The same for a sequence with a name and tags of its own, in which it is the middle step."""

    def nested() -> Any:
        steps = RunnablePassthrough() | kind.make() | RunnableLambda(lambda result: result, name="last")
        return steps.with_config(run_name="chain", tags=["main"], metadata={"tier": "free"})

    assert_same_runnable(
        nested,
        lambda: as_lcel(from_lcel(nested()).compile()),
        kind.value,
        kind.config,
        only=kind.only,
        at_once=kind.at_once,
    )


@pytest.mark.slow
@pytest.mark.parametrize("kind", STEADY)
def test_in_a_parallel(kind: Kind) -> None:
    """The same for a parallel in which it is the end of a branch beside another."""

    def nested() -> Any:
        beside: Any = RunnableLambda(lambda value: str(value)[:3], name="beside")
        return RunnableParallel(one=RunnablePassthrough() | kind.make(), two=beside)

    assert_same_runnable(
        nested,
        lambda: as_lcel(from_lcel(nested()).compile()),
        kind.value,
        kind.config,
        only=kind.only,
        at_once=True,
    )
