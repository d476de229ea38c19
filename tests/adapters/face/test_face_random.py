"""Chains that nobody thought of: composed at random, behind the face of either library's graph, in each colour."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import PromptTemplate
from langchain_core.runnables import (
    Runnable,
    RunnableBranch,
    RunnableGenerator,
    RunnableLambda,
    RunnableParallel,
    RunnablePassthrough,
)

from tests.adapters.face.watch import EACH_LIBRARY, assert_same_runnable, face_of
from tests.support.engines import Library
from tests.support.models import ModelFault, PlainChat, StreamingChat, SyncChat

Make = Callable[[], Runnable[Any, Any]]
"""Makes a chain from a string to a string."""


def _shout(text: str) -> str:
    return text.upper()


def _text(prompt: Any) -> str:
    return str(prompt.to_string())


def _fail(text: str) -> str:
    raise ModelFault("by chance")


def _letters(texts: Any) -> Any:
    for text in texts:
        yield from text.split(" ")


async def _aletters(texts: Any) -> Any:
    async for text in texts:
        for word in text.split(" "):
            yield word


LEAVES: dict[str, Make] = {
    "function": lambda: RunnableLambda(_shout),
    "passthrough": RunnablePassthrough,
    "generator": lambda: RunnableGenerator(_letters, _aletters),
    "model": lambda: StreamingChat(text="a b c", message_id="1") | StrOutputParser(),
    "model of one colour": lambda: SyncChat(text="d e", message_id="2") | StrOutputParser(),
    "model that does not stream": lambda: PlainChat(text="f g", message_id="3") | StrOutputParser(),
    "prompt": lambda: (
        RunnableLambda(lambda text: {"text": text})
        | PromptTemplate.from_template("{text}!")
        | (lambda p: p.to_string())
    ),
    "returns a runnable": lambda: RunnableLambda(lambda text: RunnableLambda(_shout)),
}
FAULTS: dict[str, Make] = {
    "fault": lambda: RunnableLambda(_fail),
    "fault of a model": lambda: StreamingChat(text="a b c", message_id="4", fail_after=1) | StrOutputParser(),
}


def _sequence(steps: list[Make]) -> Make:
    def make() -> Runnable[Any, Any]:
        chain = steps[0]()
        for step in steps[1:]:
            chain = chain | step()
        return chain

    return make


def _parallel(one: Make, two: Make) -> Make:
    join = RunnableLambda(lambda both: both["one"] + both["two"], name="join")
    return lambda: RunnableParallel(one=one(), two=two()) | join


def _branch(one: Make, two: Make) -> Make:
    return lambda: RunnableBranch((lambda text: len(text) > 3, one()), two())


def _fallback(one: Make, two: Make) -> Make:
    return lambda: one().with_fallbacks([two()])


def _configured(make: Make, tag: str) -> Make:
    return lambda: make().with_config(run_name=f"named {tag}", tags=[tag], metadata={"m": tag})


def _retried(make: Make) -> Make:
    return lambda: make().with_retry(stop_after_attempt=2, wait_exponential_jitter=False)


def _wider(chains: st.SearchStrategy[Make], parts: st.SearchStrategy[Make]) -> st.SearchStrategy[Make]:
    return st.one_of(
        st.lists(chains, min_size=2, max_size=3).map(_sequence),
        st.builds(_parallel, parts, parts),
        st.builds(_branch, chains, chains),
        st.builds(_fallback, chains, chains),
        st.builds(_configured, chains, st.sampled_from(["x", "y"])),
        chains.map(_retried),
    )


SOUND = st.recursive(st.sampled_from(list(LEAVES.values())), lambda chains: _wider(chains, chains), max_leaves=4)
CHAINS = st.recursive(
    st.sampled_from([*LEAVES.values(), *FAULTS.values()]), lambda chains: _wider(chains, SOUND), max_leaves=5
)
"""Parts of a parallel do not fail: how far the others had come by then differs between any two runs of one chain."""


EXAMPLES = settings().max_examples // 2
"""Each example is looked at in a dozen ways."""


@EACH_LIBRARY
@pytest.mark.slow
@settings(max_examples=EXAMPLES)
@given(make=CHAINS)
def test_composed_at_random(lib: Library, make: Make) -> None:
    """Whatever a chain is composed of, its face cannot be told from it: v1, v2, the log, a tracer, in both colours."""
    assert_same_runnable(make, lambda: face_of(lib, make()), "ab cd", at_once=True)


@EACH_LIBRARY
@settings(max_examples=5)
@given(make=CHAINS)
def test_a_few_composed_at_random(lib: Library, make: Make) -> None:
    """The same for a few chains, where there is no time for many."""
    assert_same_runnable(make, lambda: face_of(lib, make()), "ab cd", at_once=True)
