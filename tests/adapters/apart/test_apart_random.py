"""Chains that nobody thought of, taken apart: whoever calls them or listens to them cannot tell."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from langchain_core.runnables import (
    Runnable,
    RunnableBranch,
    RunnableGenerator,
    RunnableLambda,
    RunnableParallel,
    RunnablePassthrough,
)

from lcel_adapters import as_lcel, from_lcel
from tests.adapters.face.test_face_random import CHAINS, SOUND, Make
from tests.adapters.face.watch import assert_same_runnable
from tests.support.colours import ASYNC


def _forked(one: Make, two: Make) -> Make:
    """A parallel whose chunks are read as they come."""
    return lambda: RunnableParallel(one=one(), two=RunnableParallel(deep=two())) | RunnableGenerator(_said, _asaid)


def _said(parts: Any) -> Any:
    for part in parts:
        yield "".join(_texts(part))


async def _asaid(parts: Any) -> Any:
    async for part in parts:
        yield "".join(_texts(part))


def _texts(part: Any) -> list[str]:
    if isinstance(part, dict):
        return sorted(text for inner in part.values() for text in _texts(inner))
    return [str(part)]


def _gathered(one: Make, two: Make) -> Make:
    """``assign`` onto a parallel, and a function that gathers both."""
    join: Any = RunnableLambda(lambda all: all["first"] + all["second"], name="join")
    return lambda: RunnableParallel(first=one()) | RunnablePassthrough.assign(second=_first() | two()) | join


def _first() -> Runnable[Any, Any]:
    return RunnableLambda(lambda all: all["first"])


def _nested(one: Make, two: Make) -> Make:
    """Branches in branches, with names and tags around sequences."""
    long: Any = RunnableLambda(lambda text: len(text) > 4, name="long")
    return lambda: RunnableBranch(
        (long, (RunnablePassthrough() | one()).with_config(tags=["inner"], run_name="inner")),
        RunnableBranch((lambda text: "c" in text, two()), RunnablePassthrough()),
    )


def _more(chains: st.SearchStrategy[Make], parts: st.SearchStrategy[Make]) -> st.SearchStrategy[Make]:
    return st.one_of(
        chains,
        st.builds(_gathered, parts, parts),
        st.builds(_nested, chains, chains),
        st.builds(_then, chains, chains),
        st.builds(_then, parts, st.builds(_gathered, parts, parts)),
    )


def _then(one: Make, two: Make) -> Make:
    return lambda: one() | two()


WIDER = _more(CHAINS, SOUND)


def _apart(make: Make, depth: int | None) -> Callable[[], Any]:
    return lambda: as_lcel(from_lcel(make(), depth=depth).compile())


DEPTHS = st.sampled_from([None, None, 0, 1, 2])


@pytest.mark.slow
@given(make=WIDER, depth=DEPTHS)
def test_composed_at_random(make: Make, depth: int | None) -> None:
    """Whatever a chain is composed of, taken apart it is the chain: events, the log, a tracer, in both colours."""
    assert_same_runnable(make, _apart(make, depth), "ab cd", at_once=True)


@settings(max_examples=8)
@given(make=WIDER, depth=DEPTHS)
def test_a_few_composed_at_random(make: Make, depth: int | None) -> None:
    """The same for a few chains, where there is no time for many."""
    assert_same_runnable(make, _apart(make, depth), "ab cd", at_once=True)


@settings(max_examples=5)
@given(one=SOUND, two=SOUND)
def test_parallels_that_stream(one: Make, two: Make) -> None:
    """A generator after a parallel reads the parallel's own chunks, as they come."""
    make = _forked(one, two)
    whole, apart = (ASYNC.observe_stream(each, "ab cd") for each in (make(), _apart(make, None)()))
    assert sorted("".join(map(str, whole))) == sorted("".join(map(str, apart)))
