"""Holding producers back where the event loop is blocked."""

from __future__ import annotations

import time
from typing import Any, TypedDict

import pytest
from langchain_core.runnables import RunnableParallel

from lcel_compat import START, StateGraph, _mailbox
from tests.support.colours import run
from tests.support.models import StreamingChat


class State(TypedDict, total=False):
    """Nothing to speak of."""

    n: int


@pytest.mark.blocking
def test_a_blocked_loop_is_found_out_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Threads that cannot be held back, as the loop that would read is blocked by them, go on at full speed."""
    monkeypatch.setattr(_mailbox, "_LOOP_ANSWERS_WITHIN", 0.5)
    models = RunnableParallel({name: StreamingChat(text="one two three four five six") for name in "abc"})

    async def node(state: Any) -> None:
        models.invoke("hi")

    graph = StateGraph(State).add_node("node", node).add_edge(START, "node").compile(buffer=2)

    async def items() -> list[Any]:
        return [item async for item in graph.astream({"n": 0}, stream_mode="messages")]

    started = time.monotonic()
    assert len([item for item in run(items()) if item[0].content]) == 18
    assert time.monotonic() - started < 2
