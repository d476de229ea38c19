"""The 30 consumer checks of EVENTS.md 5.1: what real code reads of a chain's events, it reads of the face's."""

from __future__ import annotations

from typing import Any, TypedDict

import pytest

from tests.adapters.face.consumers import CHECKS, rag
from tests.adapters.face.watch import EACH_LIBRARY, face_of, graph_of
from tests.support.colours import run
from tests.support.engines import OURS, Library

REPETITIONS = 8


async def _all(check: Any, runnable: Any) -> list[bool]:
    return [await check(runnable) for _ in range(REPETITIONS)]


def test_there_are_thirty() -> None:
    """The table holds as many consumers as the survey's."""
    assert len(CHECKS) == 30


@pytest.mark.parametrize("name", CHECKS)
def test_the_chain_satisfies(name: str) -> None:
    """Each consumer works on the chain, or it would say nothing about the face."""
    assert run(CHECKS[name](rag()))


@EACH_LIBRARY
@pytest.mark.slow
@pytest.mark.parametrize("name", CHECKS)
def test_the_face_satisfies(name: str, lib: Library) -> None:
    """Each consumer works on the face, every time."""
    assert run(_all(CHECKS[name], face_of(lib, rag()))) == [True] * REPETITIONS


def test_a_graph_without_the_face_does_not() -> None:
    """On the bare graph a consumer that joins the root's string chunks finds dicts: the checks can fail."""

    class Asked(TypedDict, total=False):
        question: str
        y: str

    graph = graph_of(OURS, rag(), state=Asked, input={"question": "question"})
    with pytest.raises(TypeError):
        run(CHECKS["root chunks by the first start's run id"](graph))
