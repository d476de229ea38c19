"""What langchain-core keeps private and the engine relies on: it fails here on the day core moves it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextvars import copy_context
from typing import Any
from uuid import UUID

import langchain_core
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.runnables import Runnable, RunnableConfig, RunnableGenerator, RunnableLambda
from langchain_core.tracers.langchain import LangChainTracer
from langsmith import Client
from langsmith.run_helpers import get_current_run_tree

from lcel_compat import _core
from tests.differential.cases import Log, single
from tests.support.colours import Colour
from tests.support.engines import OURS
from tests.support.models import TEXT, PlainChat, StreamingChat


class Tokens(BaseCallbackHandler):
    """Counts the tokens that it is told of; core does not stream for it."""

    def __init__(self) -> None:
        self.tokens: list[str] = []

    def on_llm_new_token(self, token: Any, **kwargs: Any) -> None:
        self.tokens.append(token)


class Marked(Tokens):
    """The same with both taps, which is what core looks for; it also keeps the chunks of each tapped run."""

    def __init__(self) -> None:
        super().__init__()
        self.tapped: dict[UUID, list[Any]] = {}

    def tap_output_iter(self, run_id: UUID, output: Iterator[Any]) -> Iterator[Any]:
        for chunk in output:
            self.tapped.setdefault(run_id, []).append(chunk)
            yield chunk

    async def tap_output_aiter(self, run_id: UUID, output: AsyncIterator[Any]) -> AsyncIterator[Any]:
        async for chunk in output:
            self.tapped.setdefault(run_id, []).append(chunk)
            yield chunk


def doubled() -> Runnable[Any, Any]:
    """A runnable that streams by transforming chunks, the kind that core taps."""

    def each(chunks: Iterator[int]) -> Iterator[int]:
        for chunk in chunks:
            yield chunk
            yield chunk

    async def aeach(chunks: AsyncIterator[int]) -> AsyncIterator[int]:
        async for chunk in chunks:
            yield chunk
            yield chunk

    return RunnableGenerator(each, aeach)


def test_marker_is_a_matter_of_the_two_taps() -> None:
    """A handler with both tap methods is marked, one without is not; nobody has to inherit anything."""
    assert isinstance(Marked(), _core.StreamingHandler)
    assert not isinstance(Tokens(), _core.StreamingHandler)


def test_model_does_not_stream_inside_invoke_for_an_ordinary_handler(colour: Colour) -> None:
    """Inside ``invoke`` a chat model gives its answer whole as long as no marked handler listens."""
    handler = Tokens()
    answer = colour.invoke(StreamingChat(), "hello", {"callbacks": [handler]})
    assert (answer.content, handler.tokens) == (TEXT, [])


def test_model_streams_inside_invoke_for_a_marked_handler(colour: Colour) -> None:
    """Inside ``invoke`` a chat model streams as soon as a marked handler listens, with the same answer."""
    handler = Marked()
    answer = colour.invoke(StreamingChat(), "hello", {"callbacks": [handler]})
    assert answer.content == TEXT
    assert "".join(handler.tokens) == TEXT
    assert len(handler.tokens) >= len(TEXT.split())


def test_model_that_cannot_stream_gives_no_tokens(colour: Colour) -> None:
    """A model without ``_stream`` is called whole even for a marked handler."""
    handler = Marked()
    answer = colour.invoke(PlainChat(), "hello", {"callbacks": [handler]})
    assert (answer.content, handler.tokens) == (TEXT, [])


def test_core_taps_the_first_marked_handler_alone(colour: Colour) -> None:
    """Of two marked handlers only the first sees chunks, which is why the engine has one composite."""
    first, second = Marked(), Marked()
    chunks = colour.observe_stream(doubled(), 1, {"callbacks": [Tokens(), first, second]})
    assert chunks == [1, 1]
    assert list(first.tapped.values()) == [[1, 1]]
    assert second.tapped == {}


def test_core_does_not_tap_what_is_invoked(colour: Colour) -> None:
    """A runnable that is invoked has no chunks to tap, marked handler or not (EVENTS.md, rule 18)."""
    handler = Marked()
    colour.invoke(RunnableLambda(lambda x: x + 1), 1, {"callbacks": [handler]})
    assert handler.tapped == {}


def test_a_lambda_finds_its_configuration_in_the_variable(colour: Colour) -> None:
    """What a ``RunnableLambda``'s function finds in ``var_child_runnable_config`` is what its run's children get."""
    seen: list[RunnableConfig | None] = []

    def look(x: int) -> int:
        seen.append(_core.var_child_runnable_config.get())
        return x

    config: RunnableConfig = {"tags": ["mine"], "metadata": {"user": 1}, "configurable": {"thread_id": "t"}}
    colour.invoke(RunnableLambda(look), 1, config)
    (found,) = seen
    assert found is not None
    assert (found["tags"], found["configurable"]) == (config["tags"], config["configurable"])
    assert found["metadata"]["user"] == 1
    assert found["callbacks"].parent_run_id is not None  # type: ignore[union-attr]


def test_enter_is_what_a_runnable_without_configuration_finds(colour: Colour) -> None:
    """A runnable that is called without a configuration takes the one that ``enter`` made the surrounding one."""
    seen: list[list[str]] = []

    def look(x: int, config: RunnableConfig) -> int:
        seen.append(config["tags"])
        return x

    def node() -> None:
        _core.enter({"tags": ["around"]})
        colour.invoke(RunnableLambda(look), 1)

    copy_context().run(node)
    assert seen == [["around"]]
    assert _core.var_child_runnable_config.get() is None


def test_marker_of_the_content_block_protocol() -> None:
    """From core 1.3 on there is a second marker, and an ordinary marked handler does not carry it."""
    version = tuple(int(part) for part in langchain_core.__version__.split(".")[:2])
    assert (_core.V3_MARKER is not None) == (version >= (1, 3))
    if _core.V3_MARKER is not None:
        assert not isinstance(Marked(), _core.V3_MARKER)


def test_langsmith_tracer_is_found_among_handlers() -> None:
    """``langsmith_tracer`` finds LangSmith's tracer and nothing else."""
    tracer = LangChainTracer.__new__(LangChainTracer)
    assert _core.langsmith_tracer([Tokens(), tracer]) is tracer
    assert _core.langsmith_tracer([Tokens()]) is None


class Silent(Client):
    """LangSmith's client, which sends nothing."""

    def create_run(self, *args: Any, **kwargs: Any) -> None:
        """Keep it."""

    def update_run(self, *args: Any, **kwargs: Any) -> None:
        """Keep it."""


def test_traceable_functions_are_children_of_the_entered_run(colour: Colour) -> None:
    """LangSmith's ``traceable`` finds the run that ``enter`` was given as its parent (``_set_tracing_context``)."""
    parents: list[Any] = []

    def look(state: Any) -> None:
        parents.append(get_current_run_tree())

    tracer = LangChainTracer(client=Silent(api_key="none", auto_batch_tracing=False))
    colour.invoke(single(OURS, Log, look), {"log": []}, {"callbacks": [tracer]})
    assert [parent and parent.name for parent in parents] == ["node"]
