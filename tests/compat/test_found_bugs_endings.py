"""Endings that do not yet keep what DESIGN.md, "Endings", promises."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import aclosing
from typing import Any, TypedDict
from uuid import UUID

import anyio
import pytest
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.output_parsers import StrOutputParser
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.runnables import RunnableLambda

from lcel_compat import START, CompiledStateGraph, StateGraph, get_stream_writer

MANY = 1000


class State(TypedDict, total=False):
    """One key."""

    n: int


class Provider(BaseChatModel):
    """A model that streams for about a second, and notes when its stream is closed."""

    closed: list[str]
    made: list[int]

    @property
    def _llm_type(self) -> str:
        return "provider"

    def _generate(self, *args: Any, **kwargs: Any) -> Any:
        return ChatResult(generations=[ChatGeneration(message=AIMessage("whole"))])

    def _stream(self, *args: Any, **kwargs: Any) -> Iterator[Any]:
        try:
            while len(self.made) < MANY:
                self.made.append(1)
                time.sleep(0.0005)
                yield ChatGenerationChunk(message=AIMessageChunk("x"))
        finally:
            self.closed.append("stream")


class Root(BaseCallbackHandler):
    """Remembers how the root run ended."""

    run_inline = True

    def __init__(self) -> None:
        self.ends: list[str] = []

    def on_chain_end(self, outputs: Any, *, parent_run_id: UUID | None = None, **kwargs: Any) -> None:
        if parent_run_id is None:
            self.ends.append("end")

    def on_chain_error(self, error: BaseException, *, parent_run_id: UUID | None = None, **kwargs: Any) -> None:
        if parent_run_id is None:
            self.ends.append(type(error).__name__)


def graph(node: Any) -> CompiledStateGraph:
    """A graph of one node."""
    return StateGraph(State).add_node("node", node).add_edge(START, "node").compile()


def in_a_sequence(model: Provider) -> Any:
    return RunnableLambda(lambda state: "hi") | model | (lambda message: None)


def with_a_parser(model: Provider) -> Any:
    return RunnableLambda(lambda state: "hi") | model | StrOutputParser() | (lambda text: None)


def in_a_function(model: Provider) -> Any:
    def node(state: Any) -> None:
        model.invoke("hi")

    return node


@pytest.mark.parametrize("build", [in_a_sequence, with_a_parser, in_a_function], ids=lambda f: f.__name__)
@pytest.mark.parametrize("mode", ["messages", "events"])
def test_closing_a_sync_stream_closes_the_model_at_its_next_token(mode: str, build: Any) -> None:
    """When a sync stream is closed, a streaming model is closed at its next token, with a parser after it or without."""
    model = Provider(closed=[], made=[])
    stream = graph(build(model)).stream({"n": 1}, stream_mode=mode)
    for _ in stream:
        if len(model.made) > 20:
            break
    stream.close()  # type: ignore[attr-defined]
    assert model.closed == ["stream"]
    assert len(model.made) < MANY / 2


@pytest.mark.parametrize("build", [in_a_sequence, in_a_function], ids=lambda f: f.__name__)
async def test_closing_an_async_stream_ends_a_model_in_a_thread(build: Any) -> None:
    """A model that streams in a thread, for an async run that was closed, is closed at its next token."""
    model = Provider(closed=[], made=[])
    stream = graph(build(model)).astream({"n": 1}, stream_mode="messages")
    async with aclosing(stream):  # type: ignore[type-var]
        async for _ in stream:
            if len(model.made) > 20:
                break
    await asyncio.sleep(0.05)
    assert model.closed == ["stream"]
    assert len(model.made) < MANY / 2


class Sleeper:
    """An async node that needs a moment to clean up when it is cancelled."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    async def __call__(self, state: Any) -> None:
        get_stream_writer()("awake")
        try:
            await asyncio.sleep(60)
        finally:
            await asyncio.sleep(0.02)
            self.notes.append("cleaned up")


async def _stream(compiled: CompiledStateGraph, root: Root) -> None:
    async for _ in compiled.astream({"n": 1}, {"callbacks": [root]}, stream_mode="custom"):
        pass


async def _invoke(compiled: CompiledStateGraph, root: Root) -> None:
    await compiled.ainvoke({"n": 1}, {"callbacks": [root]})


HOW = pytest.mark.parametrize("how", [_stream, _invoke], ids=["astream", "ainvoke"])


@HOW
async def test_cancelled_by_a_cancel_scope(how: Any) -> None:
    """A scope of anyio's cancels again at every await, as servers do on a disconnect: nodes are awaited all the same."""
    sleeper, root = Sleeper(), Root()
    with anyio.move_on_after(0.02) as scope:
        await how(graph(sleeper), root)
    assert scope.cancelled_caught
    assert sleeper.notes == ["cleaned up"]
    assert root.ends == ["CancelledError"]


@HOW
async def test_cancelled_twice(how: Any) -> None:
    """A second ``cancel`` while nodes clean up does not leave them behind, nor the root without an outcome."""
    sleeper, root = Sleeper(), Root()
    task = asyncio.create_task(how(graph(sleeper), root))
    await asyncio.sleep(0.02)
    task.cancel()
    await asyncio.sleep(0.005)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert sleeper.notes == ["cleaned up"]
    assert root.ends == ["CancelledError"]


async def test_closed_under_a_cancel_scope() -> None:
    """A stream that is closed because its reader was cancelled by a scope awaits its nodes as well."""
    sleeper, root = Sleeper(), Root()
    stream = graph(sleeper).astream({"n": 1}, {"callbacks": [root]}, stream_mode="custom")
    with anyio.move_on_after(0.02):
        async with aclosing(stream):  # type: ignore[type-var]
            async for _ in stream:
                await asyncio.sleep(60)
    assert sleeper.notes == ["cleaned up"]
    assert len(root.ends) == 1
