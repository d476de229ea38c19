"""Every kind of runnable that langchain-core has, alone and nested, behind the face."""

from __future__ import annotations

from itertools import cycle
from typing import Any

import pytest
from langchain_core.runnables import RunnableLambda, RunnablePassthrough

from tests.adapters.face.more import ALL
from tests.adapters.face.watch import EACH_LIBRARY, LIBRARIES, VERSIONS, assert_same_runnable, face_of
from tests.snapshots.kinds import Kind
from tests.support.engines import Library

WITHOUT_EVENTS = {"each": "RunnableEach refuses astream_events, where its face has them (runnables/base.py:5715)"}
"""Kinds whose own events cannot be compared, and why."""
ALONE = [pytest.param(kind, id=kind.name) for kind in ALL]
IN_TURN = [
    pytest.param(*library.values, kind, id=f"{kind.name}-{library.id}", marks=library.marks)
    for kind, library in zip(ALL, cycle(LIBRARIES), strict=False)
]
"""Every kind, on our graph or on LangGraph's in turn: what is around a runnable is the same code for both."""


@EACH_LIBRARY
@pytest.mark.parametrize("kind", ALONE)
def test_alone(kind: Kind, lib: Library) -> None:
    """A graph whose one node is a runnable of this kind cannot be told from the runnable."""
    assert_same_runnable(
        kind.make,
        lambda: face_of(lib, kind.make()),
        kind.value,
        kind.config,
        only=kind.only,
        at_once=kind.at_once,
        versions=() if kind.name in WITHOUT_EVENTS else VERSIONS,
    )


@pytest.mark.slow
@pytest.mark.parametrize(("lib", "kind"), IN_TURN)
def test_nested(kind: Kind, lib: Library) -> None:
    """The same for a sequence with a name and tags of its own, in which such a runnable is the middle step."""

    def nested() -> Any:
        steps = RunnablePassthrough() | kind.make() | RunnableLambda(lambda result: result, name="last")
        return steps.with_config(run_name="chain", tags=["main"], metadata={"tier": "free"})

    assert_same_runnable(
        nested, lambda: face_of(lib, nested()), kind.value, kind.config, only=kind.only, at_once=kind.at_once
    )
