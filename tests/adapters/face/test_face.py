"""The face of a graph that is a whole chain: everything that one does with a chain."""

from __future__ import annotations

import asyncio
import pickle
import time
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest
from langchain_core.callbacks import BaseCallbackHandler, dispatch_custom_event, get_usage_metadata_callback
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import Runnable, RunnableConfig, RunnableGenerator, RunnableLambda, RunnableParallel
from langchain_core.tracers import LangChainTracer
from langchain_core.tracers.context import collect_runs, tracing_v2_enabled
from langchain_core.tracers.langchain import wait_for_all_tracers
from langgraph.cache.memory import InMemoryCache
from langgraph.checkpoint.memory import InMemorySaver
from langsmith import Client

from lcel_adapters import FaceError, FaceInterruptError, as_lcel, as_node
from tests.adapters.face.watch import (
    EACH_LIBRARY,
    VERSIONS,
    Recorder,
    State,
    assert_same_runnable,
    face_of,
    graph_of,
    tree,
)
from tests.support.colours import ASYNC, SYNC, Colour, Raised, run
from tests.support.engines import OURS, Library
from tests.support.models import TEXT, ModelFault, StreamingChat, chat_chain
from tests.support.normal import assert_same_events

VALUE = {"topic": "parrots"}
WORDS = ["A", " parrot", " repeats", " it."]


def _rag(model: Any = None) -> Runnable[Any, Any]:
    return chat_chain(model).with_config(run_name="rag", tags=["main"], metadata={"tier": "free"})


# In larger chains ------------------------------------------------------------------------------------------


def _upper(texts: Iterator[str]) -> Iterator[str]:
    for text in texts:
        yield text.upper()


async def _aupper(texts: AsyncIterator[str]) -> AsyncIterator[str]:
    async for text in texts:
        yield text.upper()


COMPOSED: dict[str, tuple[Callable[[Any], Any], Any]] = {
    "piped into a function": (lambda chain: chain | str.upper, VALUE),
    "piped into a stream": (lambda chain: chain | RunnableGenerator(_upper, _aupper), VALUE),
    "piped from a function": (lambda chain: RunnableLambda(lambda topic: {"topic": topic}) | chain, "parrots"),
    "piped from a dict": (lambda chain: {"topic": lambda topic: topic} | chain, "parrots"),
    "in a parallel": (lambda chain: RunnableParallel(one=chain, two=str), VALUE),
    "configured": (lambda chain: chain.with_config(run_name="other", tags=["late"], metadata={"a": 1}), VALUE),
    "bound": (lambda chain: chain.bind(stop=["x"]), VALUE),
    "with fallbacks": (lambda chain: chain.with_fallbacks([RunnableLambda(str)]), VALUE),
    "as a fallback": (lambda chain: RunnableLambda(_fails).with_fallbacks([chain]), VALUE),
    "retried": (lambda chain: chain.with_retry(stop_after_attempt=2, wait_exponential_jitter=False), VALUE),
    "mapped": (lambda chain: RunnableLambda(lambda x: x) | chain.map(), [VALUE, {"topic": "crows"}]),
    "returned by a function": (lambda chain: RunnableLambda(lambda value: chain), VALUE),
    "called by a function": (lambda chain: RunnableLambda(lambda value: chain.invoke(value)), VALUE),
    "listened to": (lambda chain: chain.with_listeners(on_start=lambda run: None), VALUE),
    "picked": (lambda chain: RunnableParallel(one=chain).pick("one"), VALUE),
    "assigned": (lambda chain: RunnableLambda(lambda x: x) | RunnableParallel(one=chain).assign(n=len), VALUE),
}


def _fails(value: Any) -> Any:
    raise ValueError("not this one")


@EACH_LIBRARY
@pytest.mark.slow
@pytest.mark.parametrize("how", COMPOSED)
def test_composed(how: str, lib: Library) -> None:
    """A face in a larger chain, or wrapped as chains are wrapped, is what the chain is there."""
    compose, value = COMPOSED[how]
    many = how in ("in a parallel", "mapped", "picked", "assigned", "piped from a dict")
    names, versions = (("rag",), ("v2",)) if how == "mapped" else ((), VERSIONS)
    assert_same_runnable(
        lambda: compose(_rag()),
        lambda: compose(face_of(lib, _rag())),
        value,
        at_once=many,
        names=names,
        versions=versions,
    )


@EACH_LIBRARY
def test_a_stream_goes_in_and_out_piece_by_piece(lib: Library, colour: Colour) -> None:
    """After a model, the face of a parser streams its tokens as they come; its graph gets them all, at the end."""
    states: list[Any] = []

    def parser() -> Runnable[Any, Any]:
        return (StrOutputParser() | RunnableGenerator(_upper, _aupper)).with_config(run_name="parser")

    def chain(last: Any) -> Any:
        return StreamingChat(message_id="1") | last

    assert_same_runnable(lambda: chain(parser()), lambda: chain(face_of(lib, parser())), "hi")

    def select(state: Any) -> Any:
        states.append(state["x"].content)
        return state["x"]

    face = as_lcel(graph_of(lib, parser(), input=select), input="x", output="y")
    assert colour.observe_stream(chain(face), "hi")[:4] == [word.upper() for word in WORDS]
    assert states == [TEXT]


@EACH_LIBRARY
def test_the_graph_runs_while_the_chain_streams(lib: Library, colour: Colour) -> None:
    """Fed by a stream, the graph runs from the end of the input on, and not after the last chunk."""
    began: list[Any] = []

    def select(state: Any) -> Any:
        began.append(state["x"])
        return state["x"]

    face = as_lcel(graph_of(lib, chat_chain(), input=select), input="x", output="y")

    def feed() -> Iterator[Any]:
        yield VALUE

    async def afeed() -> AsyncIterator[Any]:
        yield VALUE

    async def read() -> None:
        chunks: Any = face.atransform(afeed())
        assert [await anext(chunks), await anext(chunks)] == WORDS[:2]
        assert began == [VALUE]
        await chunks.aclose()

    if colour is ASYNC:
        run(read())
        return
    chunks: Any = face.transform(feed())
    assert [next(chunks), next(chunks)] == WORDS[:2]
    assert began == [VALUE]
    chunks.close()


def test_a_pickled_face_is_the_same_face() -> None:
    """Over our engine a face can be pickled if chain and graph can, with what it was bound to."""
    prompt = ChatPromptTemplate.from_template("On {topic}.")
    face = face_of(OURS, (prompt | StreamingChat() | StrOutputParser()).with_config(run_name="rag"))
    again = pickle.loads(pickle.dumps(face))
    assert_same_runnable(lambda: face, lambda: again, VALUE)


@EACH_LIBRARY
def test_the_description_is_the_chains(lib: Library) -> None:
    """Name, types, schemas, configurable fields and drawing are those of the chain."""
    for chain in (chat_chain(), _rag(), chat_chain().bind(stop=["x"])):
        face = face_of(lib, chain)
        assert face.get_name() == chain.get_name()
        assert face.get_name("Input") == chain.get_name("Input")
        assert face.get_input_jsonschema() == chain.get_input_jsonschema()
        assert face.get_output_jsonschema() == chain.get_output_jsonschema()
        assert (face.InputType, face.OutputType) == (chain.InputType, chain.OutputType)
        assert face.config_specs == chain.config_specs
        assert len(face.get_graph().nodes) == len(chain.get_graph().nodes)


@EACH_LIBRARY
def test_batch(lib: Library, colour: Colour) -> None:
    """``batch`` answers every input in its order, each under a root run of its own."""
    inputs = [{"topic": topic} for topic in ("parrots", "crows", "owls")]
    for more in ({}, {"return_exceptions": True}):
        tracer = Recorder()
        config: RunnableConfig = {"max_concurrency": 2, "callbacks": [tracer]}
        face: Any = face_of(lib, _rag())
        found = face.batch(inputs, config, **more) if colour is SYNC else run(face.abatch(inputs, config, **more))
        assert found == [TEXT] * 3
        assert [root.name for root in tracer.roots] == ["rag"] * 3


@EACH_LIBRARY
def test_keys_that_the_state_lacks_reach_the_chain(lib: Library) -> None:
    """Behind a face that maps keys, the chain is still given all that its caller gave."""

    class Topic(State, total=False):
        topic: str

    def chain() -> Runnable[Any, Any]:
        return RunnableLambda(lambda value: sorted(value))

    def face() -> Any:
        graph = graph_of(lib, chain(), state=Topic, input={"topic": "topic"})
        return as_lcel(graph, input={"topic": "topic"}, output="y")

    assert_same_runnable(chain, face, {"topic": "parrots", "more": 1})


@EACH_LIBRARY
def test_a_face_is_one_step(lib: Library) -> None:
    """Piped on, a bare sequence is taken apart by core into its steps; its face stays one, as a named chain does."""
    piped = face_of(lib, chat_chain()) | str.upper
    assert [step.get_name() for step in piped.steps] == ["RunnableSequence", "upper"]  # type: ignore[attr-defined]
    named = chat_chain().with_config(run_name="RunnableSequence")
    expected = ASYNC.observe_events(named | str.upper, VALUE)
    assert_same_events(expected, ASYNC.observe_events(piped, VALUE))


# Events ----------------------------------------------------------------------------------------------------

FILTERS: list[dict[str, list[str]]] = [
    {"include_names": ["StrOutputParser"]},
    {"include_types": ["chat_model"]},
    {"include_tags": ["seq:step:1"]},
    {"include_tags": ["main"]},
    {"exclude_names": ["rag"]},
    {"exclude_types": ["prompt", "parser"]},
    {"exclude_tags": ["seq:step:2"]},
    {"include_names": ["rag"], "include_types": ["parser"], "exclude_tags": ["seq:step:2"]},
]


@EACH_LIBRARY
@pytest.mark.parametrize("version", ["v1", "v2"])
@pytest.mark.parametrize("chosen", FILTERS, ids=lambda chosen: ",".join(chosen))
def test_filters(chosen: dict[str, list[str]], version: str, lib: Library) -> None:
    """Every filter shows of the face what it shows of the chain, the first event's input included."""
    config: RunnableConfig = {"run_name": "rag", "tags": ["main"]}
    expected = ASYNC.observe_events(chat_chain(), VALUE, config, version=version, **chosen)
    assert expected
    found = ASYNC.observe_events(face_of(lib, chat_chain()), VALUE, config, version=version, **chosen)
    assert_same_events(expected, found)


@EACH_LIBRARY
def test_configuration_reaches_the_chain(lib: Library) -> None:
    """Name, tags, metadata, run id, limits and configurable values are the chain's, as the caller gave them."""

    def shows(value: Any, config: RunnableConfig) -> Any:
        kept = ("tags", "metadata", "recursion_limit", "max_concurrency")
        return {key: config.get(key) for key in kept} | {
            key: value for key, value in config["configurable"].items() if not key.startswith("__")
        }

    config: dict[str, Any] = {
        "run_name": "mine",
        "run_id": "6ffd5de1-0c1c-4dd5-9d5f-2bbd2a1d8a11",
        "tags": ["a"],
        "metadata": {"m": 1},
        "recursion_limit": 7,
        "max_concurrency": 3,
        "configurable": {"model": "x", "thread_id": "1"},
    }
    assert_same_runnable(lambda: RunnableLambda(shows), lambda: face_of(lib, RunnableLambda(shows)), 1, config)
    events = ASYNC.observe_events(face_of(lib, RunnableLambda(shows)), 1, dict(config))
    assert {event["run_id"] for event in events} == {config["run_id"]}


@EACH_LIBRARY
def test_custom_events(lib: Library) -> None:
    """Custom events belong to the run in the chain that dispatched them."""

    def progress(text: str) -> str:
        dispatch_custom_event("progress", {"done": 1})
        return text

    def chain() -> Runnable[Any, Any]:
        return chat_chain() | RunnableLambda(progress)

    assert_same_runnable(chain, lambda: face_of(lib, chain()), VALUE)


# Who listens -----------------------------------------------------------------------------------------------


class _Sink(Client):
    """LangSmith's client, which sends nothing and remembers the names of runs."""

    def __init__(self) -> None:
        super().__init__(api_url="http://localhost:9", api_key="none", auto_batch_tracing=False)
        self.names: list[tuple[str, bool]] = []

    def create_run(self, name: str, *args: Any, **kwargs: Any) -> None:
        self.names.append((name, kwargs.get("parent_run_id") is None))

    def update_run(self, *args: Any, **kwargs: Any) -> None:
        """Nothing is sent."""


@EACH_LIBRARY
@pytest.mark.parametrize("variable", ["LANGSMITH_TRACING", "LANGCHAIN_TRACING_V2"])
@pytest.mark.parametrize("how", ["invoke", "observe_stream"])
def test_no_second_root_in_a_tracer_of_the_environment(
    lib: Library, how: str, variable: str, colour: Colour, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With tracing switched on by the environment, LangSmith sees the chain's runs and no graph."""
    from langchain_core.tracers import langchain as tracers
    from langsmith import utils

    sink = _Sink()
    monkeypatch.setenv(variable, "true")
    monkeypatch.setattr(tracers, "get_client", lambda: sink)
    forget: Any = utils.get_env_var
    forget.cache_clear()
    try:
        getattr(colour, how)(face_of(lib, _rag()), VALUE)
    finally:
        monkeypatch.delenv(variable)
        forget.cache_clear()
    wait_for_all_tracers()
    assert [name for name, is_root in sink.names if is_root] == ["rag"]
    assert sorted(name for name, _ in sink.names) == ["ChatPromptTemplate", "StrOutputParser", "StreamingChat", "rag"]


@EACH_LIBRARY
@pytest.mark.filterwarnings("ignore:The `copy` method is deprecated")  # in core 0.3's run collector
def test_no_second_root_in_a_tracer_of_a_block(lib: Library, colour: Colour) -> None:
    """``tracing_v2_enabled``, ``collect_runs`` and the usage callback see the chain's runs and no graph."""
    sink = _Sink()
    face = face_of(lib, _rag())
    with tracing_v2_enabled(client=sink) as tracer, collect_runs() as collected, get_usage_metadata_callback():
        assert isinstance(tracer, LangChainTracer)
        assert colour.invoke(face, VALUE) == TEXT
        assert "".join(colour.observe_stream(face, VALUE)) == TEXT
    wait_for_all_tracers()
    assert [root.name for root in collected.traced_runs] == ["rag", "rag"]
    assert [name for name, is_root in sink.names if is_root] == ["rag", "rag"]


@EACH_LIBRARY
def test_inside_another_runnable_the_face_is_its_child(lib: Library, colour: Colour) -> None:
    """Called by a function without a configuration, the face's run is a child of the function's, and its only one."""
    face = face_of(lib, _rag())

    def outer(value: Any) -> Any:
        return "".join(face.stream(value)) + face.invoke(value)

    tracer = Recorder()
    assert SYNC.invoke(RunnableLambda(outer), VALUE, {"callbacks": [tracer], "tags": ["up"]}) == TEXT * 2
    (root,) = [tree(run, list) for run in tracer.roots]
    assert [(run["name"], run["tags"]) for run in root["runs"]] == [("rag", ["main", "up"])] * 2


@EACH_LIBRARY
def test_the_graph_itself_still_shows_itself(lib: Library) -> None:
    """A face leaves the graph that it was made of as it was: observed, that is a graph."""
    graph = graph_of(lib, _rag())
    before = ASYNC.observe_events(graph, {"x": VALUE})
    face = as_lcel(graph, input="x", output="y")
    assert SYNC.invoke(face, VALUE) == TEXT
    assert_same_events(before, ASYNC.observe_events(graph, {"x": VALUE}))


@EACH_LIBRARY
def test_two_faces_over_one_graph(lib: Library) -> None:
    """Two faces over one graph, and one face run twice at once, do not touch each other."""
    graph = graph_of(lib, _rag())
    faces = [as_lcel(graph, input="x", output="y"), as_lcel(graph, input="x", output="y")]

    async def both() -> list[Any]:
        async def read(face: Any) -> str:
            return "".join([chunk async for chunk in face.astream(VALUE)])

        return await asyncio.gather(*(read(face) for face in faces * 3))

    assert run(both()) == [TEXT] * 6


# Endings ---------------------------------------------------------------------------------------------------


@EACH_LIBRARY
@pytest.mark.parametrize("after", [0, 2])
def test_errors(lib: Library, after: int) -> None:
    """A fault of the model, at once or in mid-stream, ends the face as it ends the chain."""

    def chain() -> Runnable[Any, Any]:
        return _rag(StreamingChat(fail_after=after))

    assert_same_runnable(chain, lambda: face_of(lib, chain()), VALUE)


class _Watch(BaseCallbackHandler):
    """Notes how runs end."""

    def __init__(self) -> None:
        self.ends: list[str] = []

    def on_chain_end(self, outputs: Any, **kwargs: Any) -> None:
        self.ends.append(f"end {outputs!r}")

    def on_chain_error(self, error: BaseException, **kwargs: Any) -> None:
        self.ends.append(f"error {type(error).__name__}")

    def on_llm_end(self, response: Any, **kwargs: Any) -> None:
        self.ends.append("llm end")

    def on_llm_error(self, error: BaseException, **kwargs: Any) -> None:
        self.ends.append(f"llm error {type(error).__name__}")


@EACH_LIBRARY
def test_an_abandoned_stream(lib: Library) -> None:
    """A reader who closes the stream closes the chain, whose callbacks end as they do without a graph."""

    def left(runnable: Any) -> list[str]:
        watch = _Watch()
        stream = runnable.stream(VALUE, {"callbacks": [watch]})
        assert next(stream) == "A"
        stream.close()
        return watch.ends

    async def aleft(runnable: Any) -> list[str]:
        watch = _Watch()
        stream = runnable.astream(VALUE, {"callbacks": [watch]})
        assert await anext(stream) == "A"
        await stream.aclose()
        await asyncio.sleep(0.05)  # generators that core leaves open are closed when they are collected
        return watch.ends

    assert left(face_of(lib, _rag())) == left(_rag())
    assert run(aleft(face_of(lib, _rag()))) == run(aleft(_rag()))


@EACH_LIBRARY
@pytest.mark.parametrize("how", ["astream", "ainvoke"])
def test_a_cancelled_caller(lib: Library, how: str) -> None:
    """Cancelling the task that reads cancels the model where it waits, and waits for it."""

    async def cancelled(runnable: Any) -> list[str]:
        watch = _Watch()

        async def read() -> None:
            config: RunnableConfig = {"callbacks": [watch]}
            if how == "ainvoke":
                await runnable.ainvoke(VALUE, config)
            async for _ in runnable.astream(VALUE, config):
                pass

        task = asyncio.create_task(read())
        await asyncio.sleep(0.05)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return watch.ends

    def slow() -> Runnable[Any, Any]:
        return chat_chain(StreamingChat(delay=0.2)) if how == "astream" else RunnableLambda(str, afunc=_sleep)

    expected = run(cancelled(slow()))
    assert expected
    assert run(cancelled(face_of(lib, slow()))) == expected


async def _sleep(value: Any) -> Any:
    await asyncio.sleep(5)


@EACH_LIBRARY
def test_a_slow_reader_holds_the_chain(lib: Library, colour: Colour) -> None:
    """Nothing is made before it is asked for: the chain makes one piece for each that is read."""
    made: list[str] = []

    def count(texts: Iterator[str]) -> Iterator[str]:
        for text in texts:
            made.append(text)
            yield text

    async def acount(texts: AsyncIterator[str]) -> AsyncIterator[str]:
        async for text in texts:
            made.append(text)
            yield text

    face = face_of(lib, chat_chain() | RunnableGenerator(count, acount))
    if colour is SYNC:
        stream: Any = face.stream(VALUE)
        assert next(stream) == "A"
        time.sleep(0.05)
        assert made == ["A"]
        stream.close()
        return

    async def read() -> None:
        astream: Any = face.astream(VALUE)
        assert await anext(astream) == "A"
        await asyncio.sleep(0.05)
        assert made == ["A"]
        await astream.aclose()

    run(read())


# Retries, interrupts, threads ------------------------------------------------------------------------------


class _Flaky:
    """Streams three pieces, and fails the first times before the piece ``at``."""

    def __init__(self, at: int, times: int = 1) -> None:
        self.at = at
        self.times = times
        self.attempts = 0

    def pieces(self, values: Iterator[Any]) -> Iterator[str]:
        list(values)
        self.attempts += 1
        for number, piece in enumerate("abc"):
            if number == self.at and self.attempts <= self.times:
                raise ModelFault("broken off")
            yield piece

    async def apieces(self, values: AsyncIterator[Any]) -> AsyncIterator[str]:
        async for _ in values:
            pass
        for piece in self.pieces(iter(())):
            yield piece


@EACH_LIBRARY
@pytest.mark.parametrize(("at", "expected"), [(0, ["a", "b", "c"]), (1, ["a", Raised("ModelFault", "broken off")])])
def test_a_retried_node_never_repeats_a_chunk(lib: Library, at: int, expected: list[Any], colour: Colour) -> None:
    """A retry policy tries again while nothing was handed out; after a chunk the error is the reader's, at once."""
    flaky = _Flaky(at)
    policy = lib.RetryPolicy(initial_interval=0.01, jitter=False, max_attempts=3, retry_on=ModelFault)
    graph = graph_of(lib, RunnableGenerator(flaky.pieces, flaky.apieces), retry_policy=policy)
    assert colour.observe_stream(as_lcel(graph, input="x", output="y"), 1) == expected
    assert flaky.attempts == 2 - at


@EACH_LIBRARY
def test_a_long_backoff_does_not_hold_the_error(lib: Library, colour: Colour) -> None:
    """After a chunk went out no retry is waited for: the error does not take the policy's interval to arrive."""
    flaky = _Flaky(1, times=9)
    policy = lib.RetryPolicy(initial_interval=20.0, max_attempts=9, retry_on=ModelFault)
    graph = graph_of(lib, RunnableGenerator(flaky.pieces, flaky.apieces), retry_policy=policy)
    began = time.monotonic()
    found = colour.observe_stream(as_lcel(graph, input="x", output="y"), 1)
    assert found == ["a", Raised("ModelFault", "broken off")]
    assert time.monotonic() - began < 5


@EACH_LIBRARY
@pytest.mark.parametrize("where", ["chain", "function"])
@pytest.mark.parametrize("how", ["invoke", "observe_stream"])
def test_an_interrupt_is_an_error(lib: Library, where: str, how: str, colour: Colour) -> None:
    """An interrupt reached through the face raises, in the chain or in a node beside it; no empty answer."""

    def asks(value: Any) -> Any:
        return {"y": lib.interrupt("sure?")} if where == "function" else lib.interrupt("sure?")

    builder = lib.StateGraph(State)
    builder.add_node("node", asks if where == "function" else as_node(RunnableLambda(asks), input="x", output="y"))
    builder.add_edge(lib.START, "node")
    face = as_lcel(builder.compile(checkpointer=InMemorySaver()), input="x", output="y")
    found: Any = None
    try:
        found = getattr(colour, how)(face, 1, {"configurable": {"thread_id": "1"}})
    except FaceInterruptError as error:
        found = [Raised(type(error).__name__, None)]
    assert [item.error for item in found] == ["FaceInterruptError"]


@EACH_LIBRARY
def test_threads(lib: Library, colour: Colour) -> None:
    """A thread id passes through to the graph's saver, also from around the call; without one nothing is saved."""
    saver = InMemorySaver()
    builder = lib.StateGraph(State)
    builder.add_node("node", as_node(chat_chain(), input="x", output="y"))
    builder.add_edge(lib.START, "node")
    graph = builder.compile(checkpointer=saver)
    face = as_lcel(graph, input="x", output="y")
    assert colour.invoke(face, VALUE) == TEXT
    assert list(saver.list(None)) == []
    config: RunnableConfig = {"configurable": {"thread_id": "1"}}
    assert "".join(colour.observe_stream(face, VALUE, config)) == TEXT
    assert graph.get_state(config).values == {"x": VALUE, "y": TEXT}
    outer = RunnableLambda(lambda value: face.invoke(value), afunc=lambda value: face.ainvoke(value))
    around: RunnableConfig = {"configurable": {"thread_id": "2"}}
    assert colour.invoke(outer, VALUE, around) == TEXT
    assert graph.get_state(around).values == {"x": VALUE, "y": TEXT}


@EACH_LIBRARY
def test_a_cache_is_refused(lib: Library) -> None:
    """A result from a cache has no runs to show, so a cached node is refused when the face is made."""
    builder = lib.StateGraph(State)
    builder.add_node("node", as_node(_rag(), input="x", output="y"), cache_policy=lib.CachePolicy())
    builder.add_edge(lib.START, "node")
    with pytest.raises(FaceError, match="cache"):
        as_lcel(builder.compile(cache=InMemoryCache()))


@EACH_LIBRARY
def test_what_nodes_find_around_them_is_there_in_the_chain(lib: Library, colour: Colour) -> None:
    """``get_stream_writer`` works in a chain behind a face, where nobody reads what is written."""

    def writes(value: Any) -> Any:
        lib.get_stream_writer()("note")
        return value

    face = face_of(lib, RunnableLambda(writes))
    assert colour.invoke(face, 1) == 1
    assert colour.observe_stream(face, 1) == [1]


@EACH_LIBRARY
def test_a_chain_that_yields_nothing(lib: Library, colour: Colour) -> None:
    """An empty stream is an empty stream."""

    def nothing(values: Iterator[Any]) -> Iterator[Any]:
        list(values)
        yield from ()

    async def anothing(values: AsyncIterator[Any]) -> AsyncIterator[Any]:
        async for value in values:
            if value is None:
                yield value

    chain = RunnableGenerator(nothing, anothing)
    assert colour.observe_stream(face_of(lib, chain), 1) == colour.observe_stream(chain, 1) == []
