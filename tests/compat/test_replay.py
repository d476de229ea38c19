"""Replay: what is recorded of models, tools and retrievers, and that it is played back as it was."""

from __future__ import annotations

import asyncio
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from itertools import count
from pathlib import Path
from typing import Annotated, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.callbacks import BaseCallbackHandler, CallbackManagerForRetrieverRun, dispatch_custom_event
from langchain_core.documents import Document
from langchain_core.language_models import BaseChatModel, BaseLLM
from langchain_core.language_models.fake import FakeListLLM
from langchain_core.language_models.llms import LLM
from langchain_core.messages import AIMessage, AIMessageChunk, HumanMessage, ToolCall
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import Runnable, RunnableConfig, RunnableLambda, RunnableParallel
from langchain_core.tools import BaseTool, InjectedToolCallId, StructuredTool, ToolException, tool
from pydantic import Field

from lcel_compat import END, START, Send, StateGraph
from lcel_compat.compare import compare_recordings
from lcel_compat.events import RecordingError, record
from lcel_compat.replay import Cassette, MissingCallError, ReplayedError, ReplayError, replay
from tests.support.colours import Colour, run
from tests.support.models import ModelFault, PlainChat, Shelf, StreamingChat, SyncChat, TextModel, chat_chain
from tests.support.normal import assert_same_events
from tests.support.plugin import count as count_shape

MADE = count(1)
"""Numbers the answers, so that no two of them are alike: what is equal was played back."""


def _numbered(text: str) -> str:
    return f"{text} #{next(MADE)}"


class Chatty(StreamingChat):
    """A model that streams in both colours and never gives the same answer twice."""

    temperature: float | None = None

    def _generate(self, *args: Any, **kwargs: Any) -> Any:
        self.text = _numbered("It repeats")
        return super()._generate(*args, **kwargs)

    def _pieces(self) -> Iterator[ChatGenerationChunk]:
        self.text = _numbered("It repeats")
        yield from super()._pieces()


class Halting(SyncChat):
    """A model that streams from a thread and breaks off after two pieces, each time with another message."""

    def _pieces(self) -> Iterator[ChatGenerationChunk]:
        for index, piece in enumerate(super()._pieces()):
            if index == 2:
                raise ModelFault(_numbered("broken off"))
            yield piece


class Plain(PlainChat):
    """A model that cannot stream."""

    def _generate(self, *args: Any, **kwargs: Any) -> Any:
        self.text = _numbered("plainly")
        return super()._generate(*args, **kwargs)


class Text(TextModel):
    """A string model that tells its callbacks of tokens itself."""

    def _stream(self, *args: Any, **kwargs: Any) -> Any:
        self.text = _numbered("on parrots")
        return super()._stream(*args, **kwargs)

    def _generate(self, *args: Any, **kwargs: Any) -> Any:
        self.text = _numbered("on parrots")
        return super()._generate(*args, **kwargs)


class Changing(BaseRetriever):
    """A retriever that finds something else each time."""

    def _get_relevant_documents(self, query: str, *, run_manager: CallbackManagerForRetrieverRun) -> list[Document]:
        return [Document(_numbered(query), id="d", metadata={"lc": 1})]


class Stores(Changing):
    """A retriever as vector stores make them."""

    search_kwargs: dict[str, Any] = Field(default_factory=dict)


@tool
def roll(sides: int) -> str:
    """Roll a die."""
    return _numbered(str(sides))


@tool(response_format="content_and_artifact")
def look_up(word: str) -> tuple[str, list[Document]]:
    """Look a word up."""
    return _numbered(word), [Document(word)]


LEAVES: dict[str, tuple[Runnable[Any, Any], Any]] = {
    "chat model": (Chatty(), "hi"),
    "chat model that cannot stream": (Plain(), "hi"),
    "string model": (Text(), "hi"),
    "simple string model": (FakeListLLM(responses=["a", "b", "c", "d", "e", "f"]), "hi"),
    "chain with a string model": (RunnableLambda(str) | Text() | RunnableLambda(str.upper), "hi"),
    "retriever": (Changing(), "hi"),
    "tool": (roll, {"sides": 6}),
    "tool called by a model": (roll, {"type": "tool_call", "id": "c1", "name": "roll", "args": {"sides": 6}}),
    "tool with an artifact": (look_up, {"type": "tool_call", "id": "c1", "name": "look_up", "args": {"word": "a"}}),
    "chain": (chat_chain(Chatty()), {"topic": "parrots"}),
    "chain with a model that cannot stream": (chat_chain(Plain()), {"topic": "parrots"}),
}


def _twice(cassette: Cassette | Path, act: Callable[[], Any]) -> tuple[Any, Any]:
    with replay(cassette):
        first = act()
    with replay(cassette):
        return first, act()


@pytest.mark.parametrize("what", LEAVES)
def test_an_answer_is_played_back(what: str, colour: Colour, tmp_path: Path) -> None:
    """What any of the four families answered comes back equal, invoked or streamed, from memory and from a file."""
    runnable, asked = LEAVES[what]
    for cassette in (Cassette(), tmp_path / "cassette.jsonl", tmp_path / "cassette.jsonl.zst"):
        act = lambda: (colour.invoke(runnable, asked), colour.observe_stream(runnable, asked))  # noqa: E731
        first, second = _twice(cassette, act)
        assert _without_ids(second) == _without_ids(first)


def _without_ids(value: Any) -> Any:
    if isinstance(value, AIMessage):
        return value.model_copy(update={"id": None})
    return [_without_ids(part) for part in value] if isinstance(value, list | tuple) else value


@pytest.mark.parametrize("what", [name for name in LEAVES if "tool" not in name])
def test_events_are_the_same(what: str) -> None:
    """Recorded and played back, a program emits the same events, token by token."""
    runnable, asked = LEAVES[what]

    async def events() -> list[Any]:
        return [event async for event in runnable.astream_events(asked, version="v2")]

    assert_same_events(*_twice(Cassette(), lambda: run(events())))


def test_an_error_in_mid_stream_comes_at_the_same_chunk(colour: Colour) -> None:
    """A stream that broke off breaks off behind the same chunks, with an error of the same class and text."""
    first, second = _twice(Cassette(), lambda: colour.observe_stream(Halting(), "hi"))
    assert _without_ids(first) == _without_ids(second)
    assert len(first) == 3


def test_an_error_comes_again(colour: Colour) -> None:
    """A call that raised raises again, as often as it did."""

    class Failing(Plain):
        def _generate(self, *args: Any, **kwargs: Any) -> Any:
            raise ModelFault(_numbered("no answer"))

    cassette = Cassette()
    with replay(cassette):
        said = [_raised(colour, Failing()) for _ in range(2)]
    with replay(cassette):
        assert [_raised(colour, Failing()) for _ in range(2)] == said
    assert len(set(said)) == 2


def _raised(colour: Colour, model: Any) -> str:
    with pytest.raises(ModelFault) as caught:
        colour.invoke(model, "hi")
    return str(caught.value)


def test_a_tools_error_is_handled_as_it_was(colour: Colour) -> None:
    """A ``ToolException`` is one again, so that ``handle_tool_error`` answers for it."""

    def fail(x: int) -> str:
        raise ToolException(_numbered(f"no {x}"))

    failing = StructuredTool.from_function(fail, description="Fail.", handle_tool_error=True)
    first, second = _twice(Cassette(), lambda: colour.invoke(failing, {"x": 1}))
    assert first == second
    assert first.startswith("no 1 #")


class Refused(Exception):
    """An error as providers' clients have them: made from a response, with a status to read."""

    def __init__(self, response: dict[str, Any], *, status: int) -> None:
        super().__init__(f"refused: {response['reason']}")
        self.status = status
        self.response = object()


def _refusing(message: str = "quota") -> BaseTool:
    def refuse(x: int) -> str:
        raise Refused({"reason": message}, status=429)

    return StructuredTool.from_function(refuse, description="Refuse.")


def test_an_error_is_made_again_without_its_code() -> None:
    """Class, message, arguments and plain attributes are restored; no ``__init__`` is run for that."""
    cassette = Cassette()
    with replay(cassette), pytest.raises(Refused):
        _refusing().invoke({"x": 1})
    with replay(cassette), pytest.raises(Refused, match="refused: quota") as caught:
        _refusing().invoke({"x": 1})
    assert caught.value.status == 429
    assert not hasattr(caught.value, "response")


def test_an_error_of_a_class_that_is_not_loaded_is_named(tmp_path: Path) -> None:
    """Nothing is imported because a cassette says so: the error that comes instead says which it was."""
    path = tmp_path / "cassette.jsonl"
    with replay(path), pytest.raises(Refused):
        _refusing().invoke({"x": 1})
    for name in ("antigravity.Refused", "os.system", "builtins.SystemExit", "builtins.print", "nowhere"):
        text = path.read_text().replace(f"{__name__}.Refused", name)
        (tmp_path / "other.jsonl").write_text(text)
        with replay(tmp_path / "other.jsonl"), pytest.raises(ReplayedError, match="refused: quota") as caught:
            _refusing().invoke({"x": 1})
        assert caught.value.type == name
    assert "antigravity" not in sys.modules


# --- one recording for both sides -----------------------------------------------------------------


def test_a_stream_is_found_by_a_call_and_a_call_by_a_stream(colour: Colour) -> None:
    """How it is asked does not count: a stream answers ``invoke`` as a whole, an answer a stream in one piece."""
    chain = chat_chain(Chatty())
    cassette = Cassette()
    with replay(cassette):
        whole = colour.invoke(chain, {"topic": "a"})
        pieces = colour.observe_stream(chain, {"topic": "b"})
    with replay(cassette):
        assert "".join(colour.observe_stream(chain, {"topic": "a"})) == whole
        assert colour.invoke(chain, {"topic": "b"}) == "".join(pieces)


def test_the_same_question_again_gets_the_next_answer(colour: Colour) -> None:
    """Repeated calls are told apart by their number; one more than were recorded is an error that says so."""
    model, cassette = Chatty(), Cassette()
    with replay(cassette):
        answers = [colour.invoke(model, "hi").content for _ in range(3)]
    assert len(set(answers)) == 3
    with replay(cassette):
        assert [colour.invoke(model, "hi").content for _ in range(3)] == answers
        with pytest.raises(MissingCallError, match="Chatty 3 times, and it is made once more"):
            colour.invoke(model, "hi")


def test_each_block_begins_at_the_beginning() -> None:
    """Blocks that play from one cassette do not move each other's place; ``rewind`` moves a block's own."""
    model, cassette = Chatty(), Cassette()
    with replay(cassette) as recording:
        first = [model.invoke("hi").content for _ in range(2)]
        recording.rewind()
        assert [model.invoke("hi").content for _ in range(2)] == first
    with replay(cassette):
        assert model.invoke("hi").content == first[0]
        with replay(cassette) as inner:
            assert [model.invoke("hi").content for _ in range(2)] == first
            inner.rewind()
            assert model.invoke("hi").content == first[0]
        assert model.invoke("hi").content == first[1]


def test_what_differs_between_runs_does_not_count() -> None:
    """Ids and metadata of earlier answers, and whether they came in chunks, are no part of the question."""
    cassette = Cassette()
    calls = [ToolCall(name="t", args={"a": 1}, id="c1")]
    with replay(cassette):
        first = Chatty().invoke([HumanMessage("a", id="1"), AIMessage("b", id="run-1", tool_calls=calls)])
    chunk = AIMessageChunk(content="b", id="run-2", tool_calls=calls, response_metadata={"finish_reason": "stop"})
    with replay(cassette):
        assert Chatty().invoke([HumanMessage("a"), chunk]).content == first.content


@pytest.mark.parametrize(
    "other",
    [
        lambda: Chatty(name="another").invoke("hi", stop=["x"]),
        lambda: Chatty().invoke("hi"),
        lambda: Chatty().invoke("ho", stop=["x"]),
        lambda: Chatty().invoke("hi", stop=["x"], temperature=1),
        lambda: Plain().invoke("hi", stop=["x"]),
        lambda: Chatty(temperature=0.5).invoke("hi", stop=["x"]),
    ],
)
def test_what_is_asked_counts(other: Callable[[], Any]) -> None:
    """Another name, class, input, stop or argument is another question; the error shows the nearest that was asked."""
    cassette = Cassette()
    with replay(cassette):
        Chatty().invoke("hi", stop=["x"])
    with replay(cassette), pytest.raises(MissingCallError, match=r"(?s)nearest recorded call.*--- recorded.*\n[-+] "):
        other()


def test_a_retrievers_search_counts() -> None:
    """Two retrievers of one class that search for another number of documents are not taken for each other."""
    cassette = Cassette()
    with replay(cassette):
        Stores(search_kwargs={"k": 1}).invoke("hi")
    with replay(cassette), pytest.raises(MissingCallError, match=r'[+] +"k": 2'):
        Stores(search_kwargs={"k": 2}).invoke("hi")


def test_what_the_application_adds_to_a_tools_arguments_does_not_count() -> None:
    """An injected argument, as the id of the call, is no part of what the model asked for."""

    @tool
    def note(text: str, call: Annotated[str, InjectedToolCallId]) -> str:
        """Note something."""
        return _numbered(text)

    def ask_for(number: str) -> Any:
        return note.invoke({"type": "tool_call", "id": number, "name": "note", "args": {"text": "a"}}).content

    cassette = Cassette()
    with replay(cassette):
        first = ask_for("c1")
    with replay(cassette):
        assert ask_for("c2") == first


def test_a_string_models_answer_is_told_token_by_token() -> None:
    """A string model tells its callbacks itself: as often as it is streamed, and not when it is not."""
    chain, cassette = RunnableLambda(str) | Text() | RunnableLambda(str.upper), Cassette()

    async def events(x: str) -> list[str]:
        return [e["event"] async for e in chain.astream_events(x, version="v2") if e["event"] == "on_llm_stream"]

    class Tokens(BaseCallbackHandler):
        told: list[str]

        def on_llm_new_token(self, token: Any, **kwargs: Any) -> None:
            self.told.append(token)

    with replay(cassette):
        chain.invoke("invoked")
        assert len(run(events("streamed"))) == 3
    with replay(cassette):
        assert len(run(events("invoked"))) == 1
        tokens = Tokens()
        tokens.told = []
        chain.invoke("streamed", {"callbacks": [tokens]})
        assert tokens.told == []


def test_nothing_of_a_family_is_said_to_be_missing() -> None:
    """Where no call is near, the error shows the call alone."""
    cassette = Cassette()
    with replay(cassette):
        Chatty().invoke("hi")
    with replay(cassette), pytest.raises(MissingCallError, match=r'(?s)holds no call of a tool.*"sides": 6'):
        roll.invoke({"sides": 6})


# --- what holds other runs ------------------------------------------------------------------------


@tool
async def ask_async(topic: str, config: RunnableConfig) -> str:
    """Ask a model."""
    answer = await Chatty().ainvoke(topic, config)
    return str(answer.content)


@tool
def ask(topic: str, config: RunnableConfig) -> str:
    """Ask a model."""
    return str(Chatty().invoke(topic, config).content)


@tool
def announce(topic: str) -> str:
    """Tell whoever listens."""
    dispatch_custom_event("asked", {"topic": topic})
    return topic


class Router(SyncChat):
    """A chat model that asks another one."""

    def _generate(self, messages: Any, *args: Any, **kwargs: Any) -> ChatResult:
        return ChatResult(generations=[ChatGeneration(message=Plain().invoke(messages))])

    def _pieces(self) -> Iterator[ChatGenerationChunk]:
        for piece in Chatty().stream("routed"):
            yield ChatGenerationChunk(message=AIMessageChunk(content=str(piece.content)))


class Rewriting(Changing):
    """A retriever that has its query rewritten by a model."""

    def _get_relevant_documents(self, query: str, *, run_manager: CallbackManagerForRetrieverRun) -> list[Document]:
        config: RunnableConfig = {"callbacks": run_manager.get_child()}
        return [Document(str(Chatty().invoke(query, config).content))]


INSIDE: dict[str, tuple[Runnable[Any, Any], Any]] = {
    "tool": (RunnableLambda(lambda topic: len(ask.invoke(topic))), "parrots"),
    "asynchronous tool": (RunnableLambda(len) | RunnableLambda(str) | ask_async | len, "parrots"),
    "tool that dispatches an event": (announce | RunnableLambda(lambda text: text[:3]), {"topic": "parrots"}),
    "chat model": (Router(), "parrots"),
    "retriever": (Rewriting(), "parrots"),
}


@pytest.mark.parametrize("what", INSIDE)
def test_a_call_with_runs_inside_is_made_again(what: str) -> None:
    """What a tool, a model or a retriever calls is played back in its place, so that all its events are there again."""
    runnable, asked = INSIDE[what]

    async def events() -> list[Any]:
        return [event async for event in runnable.astream_events(asked, version="v2")]

    with_insides, again = _twice(Cassette(), lambda: run(events()))
    assert_same_events(with_insides, again)
    assert any(len(event["parent_ids"]) > 0 for event in again) or what == "chat model"


def test_a_result_that_json_cannot_keep_is_made_again() -> None:
    """A tool that returns an object is run again instead of returning something that only looks like it."""

    @tool
    def route(to: str) -> Any:
        """Go somewhere."""
        return Send(to, next(MADE))

    first, second = _twice(Cassette(), lambda: route.invoke({"to": "a"}))
    assert isinstance(second, Send)
    assert first.node == second.node
    assert first.arg != second.arg


@pytest.mark.blocking
def test_a_delegating_method_is_one_call() -> None:
    """A class whose asynchronous method calls its own synchronous one is recorded once, as it was asked."""

    class Delegating(Chatty):
        async def _agenerate(self, *args: Any, **kwargs: Any) -> Any:
            return await asyncio.to_thread(self._generate, *args, **kwargs)

        async def _astream(self, *args: Any, **kwargs: Any) -> AsyncIterator[ChatGenerationChunk]:
            for chunk in self._stream(*args, **kwargs):
                yield chunk

    cassette = Cassette()
    with replay(cassette):
        run(Delegating().ainvoke("a"))
        assert len(cassette) == 1
        run(_drained(Delegating().astream("b")))
        assert len(cassette) == 2


async def _drained(stream: AsyncIterator[Any]) -> list[Any]:
    return [item async for item in stream]


def test_a_models_own_protocol_events_are_a_stream_of_their_own() -> None:
    """What a model streams as content-block events is played back as that, and not taken for its chunks."""

    class Native(Chatty):
        def _stream_chat_model_events(self, messages: Any, **kwargs: Any) -> Iterator[dict[str, Any]]:
            yield {"event": "content-block-delta", "delta": _numbered("native")}

    def act() -> Any:
        return list(Native()._stream_chat_model_events("hi")), [chunk.content for chunk in Native().stream("hi")]

    first, second = _twice(Cassette(), act)
    assert first == second
    assert first[0][0]["delta"].startswith("native")


# --- who is in the block --------------------------------------------------------------------------


def test_classes_are_left_as_they_were() -> None:
    """After the block, whatever happened in it, every class has its own methods again."""
    classes = (Chatty, SyncChat, BaseChatModel, BaseLLM, LLM, BaseTool, StructuredTool, BaseRetriever, Shelf)
    before = [dict(vars(cls)) for cls in classes]
    with pytest.raises(AssertionError), replay(Cassette()):
        assert vars(SyncChat)["_stream"] is before[1]["_stream"]
    assert [dict(vars(cls)) for cls in classes] == before


def test_what_someone_else_put_there_stays() -> None:
    """A method that was replaced while the block was open is not put back."""
    own = vars(Text)["_generate"]
    try:
        with replay(Cassette()):
            mine = Text._generate = lambda *args, **kwargs: own(*args, **kwargs)  # type: ignore[method-assign]
        assert vars(Text)["_generate"] is mine
    finally:
        Text._generate = own  # type: ignore[method-assign]


def test_classes_made_inside_are_recorded() -> None:
    """A class that is made, or imported, in the middle of the block is recorded like any other."""
    cassette = Cassette()

    def act() -> Any:
        class Late(Plain):
            def _generate(self, *args: Any, **kwargs: Any) -> Any:
                return super()._generate(*args, **kwargs)

        class LateShelf(Changing):
            def _get_relevant_documents(self, query: str, **kwargs: Any) -> list[Document]:
                return [Document(_numbered(query))]

        return Late().invoke("hi").content, LateShelf().invoke("hi"), run(LateShelf().ainvoke("ho"))

    first, second = _twice(cassette, act)
    assert first == second
    assert len(cassette) == 3


def test_bound_methods_made_before_are_recorded() -> None:
    """A chain that holds ``retriever.invoke`` or ``model.stream`` as a function is played back too."""
    steps = [RunnableLambda(Changing().invoke), RunnableLambda(roll.invoke), RunnableLambda(Plain().invoke)]
    stream = Chatty().stream
    asked: list[Any] = ["hi", {"sides": 6}, "hi"]

    def act() -> Any:
        answers = [_without_ids(step.invoke(x)) for step, x in zip(steps, asked, strict=True)]
        return answers, _without_ids(list(stream("hi")))

    first, second = _twice(Cassette(), act)
    assert first == second


def test_threads_of_executors_belong_to_the_block() -> None:
    """What ``batch``, a parallel and ``run_in_executor`` start in threads is recorded and played back."""
    rolls = RunnableLambda(lambda x: roll.invoke(x["n"]))
    chain = RunnableParallel(a=chat_chain(Chatty()), b=chat_chain(Plain()), c=rolls)
    asked = [{"topic": f"t{n}", "n": {"sides": n}} for n in range(8)]
    first, second = _twice(Cassette(), lambda: (chain.batch(asked), run(chain.abatch(asked))))
    assert first == second


def test_other_threads_and_tasks_are_untouched() -> None:
    """Code that was not started from the block reaches its models, while the block is open and classes are wrapped."""
    cassette, model = Cassette(), Plain()
    with replay(cassette):
        recorded = model.invoke("hi").content
    with replay(cassette), ThreadPoolExecutor(1) as outside:
        assert outside.submit(model.invoke, "hi").result().content != recorded
        assert outside.submit(copy_context().run, model.invoke, "hi").result().content == recorded

    async def main() -> tuple[Any, Any]:
        opened, asked = asyncio.Event(), asyncio.Event()

        async def inside() -> Any:
            async with replay(cassette):
                opened.set()
                await asked.wait()
                return (await asyncio.create_task(model.ainvoke("hi"))).content

        async def besides() -> Any:
            await opened.wait()
            answer = (await model.ainvoke("hi")).content
            asked.set()
            return answer

        played, fresh = await asyncio.gather(inside(), besides())
        return played, fresh

    played, fresh = run(main())
    assert played == recorded != fresh


def test_blocks_in_concurrent_tasks_keep_apart() -> None:
    """Several blocks may be open at once, each with its cassette, some recording and some playing."""

    async def act(cassette: Cassette, name: str) -> list[str]:
        async with replay(cassette):
            answers = []
            for _ in range(3):
                answers.append(await chat_chain(Chatty()).ainvoke({"topic": name}))
                await asyncio.sleep(0.001)
            return answers

    async def all_at_once() -> tuple[list[list[str]], list[list[str]]]:
        cassettes = [Cassette() for _ in range(5)]
        jobs = [act(cassette, str(n)) for n, cassette in enumerate(cassettes)]
        first = await asyncio.gather(*jobs)
        again = await asyncio.gather(*(act(cassette, str(n)) for n, cassette in enumerate(cassettes)))
        return list(first), list(again)

    first, second = run(all_at_once())
    assert first == second
    assert len({answer for answers in first for answer in answers}) == 15


def test_a_nested_block_counts_alone() -> None:
    """Inside another block the inner one records, and the outer one goes on behind it."""
    outer, inner = Cassette(), Cassette()
    with replay(outer):
        first = Plain().invoke("hi").content
        with replay(inner):
            Plain().invoke("hi")
        Plain().invoke("hi")
    assert (len(outer), len(inner)) == (2, 1)
    with replay(outer):
        with replay(inner):
            assert Plain().invoke("hi").content != first
        assert Plain().invoke("hi").content == first


def test_what_outlives_its_block_is_made_as_if_there_were_none() -> None:
    """A task that is still running when the block ends reaches its models from then on, and is not recorded."""
    cassette = Cassette()

    async def main() -> Any:
        ended = asyncio.Event()

        async def late() -> Any:
            await ended.wait()
            return (await Plain().ainvoke("hi")).content

        with replay(cassette):
            recorded = await Plain().ainvoke("hi")
            tasks = [asyncio.create_task(late())]
            await asyncio.sleep(0)
        with replay(cassette):
            tasks.append(asyncio.create_task(late()))
            await asyncio.sleep(0)
        with replay(cassette):
            ended.set()
            return {recorded.content, *await asyncio.gather(*tasks)}

    assert len(run(main())) == 3
    assert len(cassette) == 1


def test_a_stream_that_was_not_read_to_its_end_says_so(colour: Colour) -> None:
    """Of a stream that its reader left, the chunks that were read are played; who reads on gets an error."""
    model, cassette = Chatty(), Cassette()
    with replay(cassette):
        stream: Any = model.stream("hi")
        first = next(stream)
        stream.close()
    with replay(cassette):
        stream = model.stream("hi")
        assert next(stream).content == first.content
        with pytest.raises(ReplayError, match="stopped after 1 chunks"):
            next(stream)


def test_a_cancelled_call_is_not_recorded() -> None:
    """What was cancelled gave no answer, and none is played."""

    class Slow(Plain):
        async def _agenerate(self, *args: Any, **kwargs: Any) -> Any:
            await asyncio.sleep(10)

    cassette = Cassette()

    async def main() -> None:
        async with replay(cassette):
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(Slow().ainvoke("hi"), 0.01)

    run(main())
    assert len(cassette) == 0


# --- graphs ---------------------------------------------------------------------------------------


def _graph(answer: Any) -> Any:
    builder = StateGraph(dict)
    for name in ("a", "b"):
        builder.add_node(name, answer)
        builder.add_edge(START, name)
        builder.add_edge(name, END)
    return builder.compile()


def test_a_chain_and_a_graph_play_from_one_cassette(colour: Colour) -> None:
    """What the old chain was answered, the new graph is answered: in its nodes, streamed or not."""
    chain, cassette = chat_chain(Chatty()), Cassette()
    with replay(cassette):
        old = colour.invoke(chain, {"topic": "parrots"})

    async def aanswer(state: dict[str, Any]) -> dict[str, Any]:
        return {"answer": await chain.ainvoke({"topic": "parrots"})}

    def answer(state: dict[str, Any]) -> dict[str, Any]:
        return {"answer": chain.invoke({"topic": "parrots"})}

    builder = StateGraph(dict)
    builder.add_node("answer", RunnableLambda(answer, afunc=aanswer))
    builder.add_edge(START, "answer")
    builder.add_edge("answer", END)
    with replay(cassette):
        assert colour.invoke(builder.compile(), {"x": 1})["answer"] == old
    with replay(cassette):
        events = colour.observe_events(builder.compile(), {"x": 1})
    tokens = [event["data"]["chunk"].content for event in events if event["event"] == "on_chat_model_stream"]
    assert "".join(tokens) == old


@pytest.mark.langgraph
def test_langgraphs_graphs_are_recorded_and_played(colour: Colour) -> None:
    """In LangGraph's nodes, threads and ToolNode calls belong to the block as well; an interrupt is not an answer."""
    from langgraph.checkpoint.memory import InMemorySaver
    from langgraph.graph import END, START, MessagesState, StateGraph
    from langgraph.prebuilt import ToolNode
    from langgraph.types import Command, interrupt

    @tool
    def approve(what: str) -> str:
        """Ask a person."""
        return f"{interrupt(what)} {what}"

    calls = [
        {"name": "roll", "args": {"sides": 6}, "id": "c1"},
        {"name": "approve", "args": {"what": "it"}, "id": "c2"},
    ]

    async def acall(state: Any) -> Any:
        return {"messages": [await Caller(tool_calls=calls).ainvoke(state["messages"])]}

    def call(state: Any) -> Any:
        return {"messages": [Caller(tool_calls=calls).invoke(state["messages"])]}

    builder = StateGraph(MessagesState)
    builder.add_node("call", RunnableLambda(call, afunc=acall))
    builder.add_node("tools", ToolNode([roll, approve]))
    builder.add_edge(START, "call")
    builder.add_edge("call", "tools")
    builder.add_edge("tools", END)

    def act() -> list[str]:
        graph, config = builder.compile(checkpointer=InMemorySaver()), {"configurable": {"thread_id": "1"}}
        assert "__interrupt__" in colour.invoke(graph, {"messages": [HumanMessage("go")]}, config)
        return [m.content for m in colour.invoke(graph, Command(resume="yes"), config)["messages"]]

    first, second = _twice(Cassette(), act)
    assert first == second
    assert first[-1] == "yes it"


class Caller(Chatty):
    """A model that calls tools."""


# --- anything -------------------------------------------------------------------------------------

NAMES = st.sampled_from(sorted(LEAVES))
WAYS = st.sampled_from(["invoke", "stream", "batch", "ainvoke", "astream", "abatch"])


async def _one(way: str, runnable: Any, asked: Any) -> Any:
    match way:
        case "invoke" | "batch":
            return await asyncio.to_thread(getattr(runnable, way), [asked, asked] if way == "batch" else asked)
        case "stream":
            return await asyncio.to_thread(lambda: list(runnable.stream(asked)))
        case "astream":
            return [chunk async for chunk in runnable.astream(asked)]
        case _:
            return await getattr(runnable, way)([asked, asked] if way == "abatch" else asked)


async def _program(steps: list[tuple[str, str]], at_once: bool) -> list[Any]:
    jobs = [_one(way, *LEAVES[name]) for name, way in steps]
    return list(await asyncio.gather(*jobs)) if at_once else [await job for job in jobs]


@given(steps=st.lists(st.tuples(NAMES, WAYS), max_size=8), at_once=st.booleans())
def test_any_program_is_played_back(steps: list[tuple[str, str]], at_once: bool) -> None:
    """Calls of any kind in any number and form, one after the other or at once, are answered as they were."""
    if at_once:  # Which of two equal questions that are asked at once is answered first is not certain.
        steps = [(name, way) for name, way in dict(steps).items() if name != "tool called by a model"]
    count_shape("programs replayed", (tuple(steps), at_once))
    first, second = _twice(Cassette(), lambda: run(_program(steps, at_once)))
    assert [_told(answer, way) for answer, (_, way) in zip(first, steps, strict=True)] == [
        _told(answer, way) for answer, (_, way) in zip(second, steps, strict=True)
    ]


def _told(answer: Any, way: str) -> Any:
    """An answer without its ids; a batch asks the same twice at once."""
    told = _without_ids(answer)
    return sorted(map(repr, told)) if way.endswith("batch") else told


@pytest.mark.parametrize("what", ["chain", "chain with a string model", "retriever"])
def test_recordings_under_replay_compare_as_the_same(what: str) -> None:
    """A program whose model never answers alike compares as the same with itself, with replay and not without."""
    runnable, asked = LEAVES[what]
    first, second = _twice(Cassette(), lambda: record(runnable, [asked]))
    assert compare_recordings(first, second).verdict == "same"
    assert compare_recordings(first, record(runnable, [asked])).verdict == "breaking"


# --- timing ---------------------------------------------------------------------------------------


@pytest.mark.slow
def test_time_is_played_back_when_asked_for(colour: Colour) -> None:
    """With a speed, chunks come when they came, that much faster; without, at once."""
    model, cassette = StreamingChat(delay=0.05), Cassette()
    with replay(cassette):
        colour.observe_stream(model, "hi")
    took = []
    for speed in (1.0, 4.0, None):
        began = time.perf_counter()
        with replay(cassette, speed=speed):
            colour.observe_stream(model, "hi")
        took.append(time.perf_counter() - began)
    assert took[0] >= 0.19
    assert 0.04 < took[1] < took[0]
    assert took[2] < 0.04


# --- cassettes ------------------------------------------------------------------------------------


def test_modes(tmp_path: Path) -> None:
    """``auto`` records what is not there; ``record`` begins anew; ``replay`` needs something to play."""
    path = tmp_path / "c.jsonl"
    with pytest.raises(ReplayError, match="nothing to replay"), replay(path, mode="replay"):
        pass
    with replay(path):
        first = Plain().invoke("hi").content
    with replay(path, mode="replay"):
        assert Plain().invoke("hi").content == first
    with replay(path, mode="record"):
        second = Plain().invoke("hi").content
    with replay(path):
        assert Plain().invoke("hi").content == second != first
    with pytest.raises(ValueError, match="'auto', 'record' or 'replay'"):
        replay(path, mode="once")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="above 0"):
        replay(path, speed=0)


def test_mistakes_with_blocks_are_named(tmp_path: Path) -> None:
    """A block is entered once, and a cassette is recorded by one block at a time."""
    block, cassette = replay(Cassette()), Cassette(tmp_path / "c.jsonl")
    with block, pytest.raises(ReplayError, match="entered before"), block:
        pass
    with replay(cassette), pytest.raises(ReplayError, match="being recorded already"), replay(cassette):
        pass


def test_secrets_are_not_kept(tmp_path: Path) -> None:
    """What is asked and answered is written without secrets, and is found again although they changed."""
    path, key = tmp_path / "c.jsonl", "sk-" + "a" * 40

    @tool
    def sign(api_key: str, text: str) -> str:
        """Sign."""
        return f"signed {text} with {api_key} #{next(MADE)}"

    with replay(path):
        sign.invoke({"api_key": key, "text": "a"})
        Plain().invoke(f"my key is {key}")
    assert key not in path.read_text()
    with replay(path):
        assert "**********" in sign.invoke({"api_key": "another", "text": "a"})
        Plain().invoke(f"my key is {key[:-1]}b")


def test_a_bad_cassette_is_refused(tmp_path: Path) -> None:
    """What is no cassette, or holds what no call is, is named with its line; a torn last line costs that call alone."""
    path = tmp_path / "c.jsonl"
    with replay(path):
        first = Plain().invoke("a").content
        Plain().invoke("b")
    text = path.read_text()
    path.write_text(text[:-30])
    cassette = Cassette(path)
    assert cassette.damage == ("line 3 is no JSON, and was cut off",)
    with replay(cassette):
        assert Plain().invoke("a").content == first
    for wrong, said in {
        text.replace("lcel-compat/cassette", "lcel-compat/recording"): "is a recording, not a cassette",
        text.replace('"version":1', '"version":9'): "of version 9",
        text.replace('"ending":"complete"', '"ending":"well"'): "line 2, holds no recorded call",
        text.replace('"index":0', '"index":"0"'): "'0' is no int",
        text.replace('"index":0,', ""): "KeyError",
        "{}": "does not say what it is",
        "": "nothing to replay",
    }.items():
        path.write_text(wrong)
        with pytest.raises((RecordingError, ReplayError), match=said), replay(path, mode="replay"):
            pass


def test_a_cassette_that_asks_for_a_class_makes_none(tmp_path: Path) -> None:
    """A result that names a class other than messages and documents is refused when it is to be played."""
    path = tmp_path / "c.jsonl"
    with replay(path):
        Changing().invoke("hi")
    text = path.read_text().replace('["langchain","schema","document","Document"]', '["langchain","llms","OpenAI"]')
    path.write_text(text)
    with replay(path), pytest.raises(RecordingError, match="may only ask for messages"):
        Changing().invoke("hi")


def test_threads_record_whole_lines(tmp_path: Path) -> None:
    """Calls that end at once in many threads are written one after the other, none lost."""
    path = tmp_path / "c.jsonl"
    barrier = threading.Barrier(4)

    def many(n: int) -> None:
        barrier.wait()
        for index in range(25):
            roll.invoke({"sides": 100 * n + index})

    with replay(path), ThreadPoolExecutor(4) as pool:
        contexts = [copy_context() for _ in range(4)]
        for future in [pool.submit(context.run, many, n) for n, context in enumerate(contexts)]:
            future.result()
    assert len(Cassette(path)) == 100
