"""A graph inside other things, and all that may listen to it: nobody is told less because somebody else listens too."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from itertools import pairwise
from typing import Any, ClassVar, TypedDict

import langsmith.run_trees
import langsmith.utils
import pytest
from langchain_core.callbacks import (
    AsyncCallbackHandler,
    AsyncCallbackManager,
    BaseCallbackHandler,
    CallbackManager,
    get_usage_metadata_callback,
)
from langchain_core.globals import set_debug
from langchain_core.messages import AIMessage
from langchain_core.messages.ai import UsageMetadata
from langchain_core.output_parsers import StrOutputParser
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.prompts import PromptTemplate
from langchain_core.runnables import Runnable, RunnableConfig, RunnableLambda, RunnableParallel
from langchain_core.tracers.context import _configure_hooks, register_configure_hook, tracing_v2_enabled

from lcel_adapters import as_node
from tests.support.colours import ASYNC, SYNC, Colour, observe_log, unbound_events
from tests.support.engines import LANGGRAPH, OURS, Library
from tests.support.logs import assert_same_log
from tests.support.models import TEXT, PlainChat, StreamingChat, chat_chain
from tests.support.normal import assert_same_events

REPEATED = 30
"""The order of handlers after a merge hangs on their addresses: often enough to see every order (EVENTS.md, 5.2)."""
WORDS = ["A", " parrot", " repeats", " it."]
BOTH_MODES = ["messages", "events"]
Make = Callable[[Library], Any]


class Topic(TypedDict, total=False):
    """A topic and an answer to it."""

    topic: str
    answer: str


PARROTS: Topic = {"topic": "parrots"}


def line(lib: Library, **nodes: Any) -> Any:
    """Return a graph of nodes one after the other."""
    builder = lib.StateGraph(Topic)
    names = [lib.START, *nodes, lib.END]
    for name, node in nodes.items():
        builder.add_node(name, node)
    for first, second in pairwise(names):
        builder.add_edge(first, second)
    return builder.compile()


def answering(lib: Library) -> Any:
    """Return a graph of a chain whose parts are configured, so that core merges handlers on the way to each."""
    model = StreamingChat().with_config(tags=["voice"])
    parser = StrOutputParser().with_config(run_name="reader", tags=["answer"])
    chain = RunnableLambda(lambda state: state["topic"]) | model | parser
    return line(lib, write=as_node(chain.with_config(run_name="chain"), output="answer"))


def chunks(events: list[Any], name: str) -> list[Any]:
    """Return the chunks that runs of this name streamed, but for the empty one at a stream's end."""
    found = [e["data"]["chunk"] for e in events if e["name"] == name and "chunk" in e["data"]]
    return [chunk for chunk in (getattr(chunk, "content", chunk) for chunk in found) if chunk != ""]


def rooted(events: list[Any], *, bare: bool = False) -> list[Any]:
    """Return events without the parents that are not among them; ``bare`` of what runs inherit, too."""
    known = {event["run_id"] for event in events}
    less: dict[str, Any] = {"tags": [], "metadata": {}} if bare else {}
    return [{**e, "parent_ids": [p for p in e["parent_ids"] if p in known], **less} for e in events]


def below(events: list[Any], name: str) -> list[Any]:
    """Return the events of the runs below the run of this name."""
    (root,) = {event["run_id"] for event in events if event["name"] == name}
    return rooted([event for event in events if root in event["parent_ids"]])


# Inside runnables ------------------------------------------------------------------------------------------


def _piped(lib: Library) -> Runnable[Any, Any]:
    prompt = PromptTemplate.from_template("{topic}")
    piped: Runnable[Any, Any] = prompt | (lambda value: {"topic": value.to_string()}) | answering(lib) | _write
    return piped


def _write(update: Mapping[str, Any]) -> Any:
    """Return the answer from an update of the graph's node, or from its state."""
    return update.get("write", update)["answer"]


def _beside(lib: Library) -> Runnable[Any, Any]:
    return RunnableParallel(graph=answering(lib), chain=chat_chain())


def _called(lib: Library) -> Runnable[Any, Any]:
    graph = answering(lib)

    async def call(state: Topic) -> Any:
        return await graph.ainvoke(state)

    return RunnableLambda(call)


OUTSIDES: dict[str, Make] = {"pipe": _piped, "parallel": _beside, "function": _called}
EACH_OUTSIDE = pytest.mark.parametrize("make", [pytest.param(make, id=name) for name, make in OUTSIDES.items()])


@pytest.mark.blocking  # core before 1.0 reads a lambda's source file while the loop runs (runnables/utils.py)
@EACH_OUTSIDE
def test_events_inside_a_runnable(make: Make) -> None:
    """Below the graph's run, events are those that the graph emits by itself."""
    alone = ASYNC.observe_events(answering(OURS), dict(PARROTS))
    inside = ASYNC.observe_events(make(OURS), dict(PARROTS))
    assert_same_events(below(alone, "LangGraph"), below(inside, "LangGraph"))
    assert chunks(inside, "reader") == chunks(inside, "chain") == WORDS


@pytest.mark.blocking
@pytest.mark.langgraph
@EACH_OUTSIDE
@pytest.mark.parametrize("version", ["v1", "v2"])
def test_events_inside_a_runnable_are_those_of_langgraph(make: Make, version: str) -> None:
    """Events of both versions are those of LangGraph's graph at the same place."""
    expected = ASYNC.observe_events(make(LANGGRAPH), dict(PARROTS), version=version)
    assert_same_events(expected, ASYNC.observe_events(make(OURS), dict(PARROTS), version=version))


@pytest.mark.blocking
@pytest.mark.langgraph
@EACH_OUTSIDE
def test_log_inside_a_runnable_is_that_of_langgraph(make: Make) -> None:
    """``astream_log`` tells the runs that it tells of LangGraph's graph at the same place."""
    assert_same_log(observe_log(make(LANGGRAPH), dict(PARROTS)), observe_log(make(OURS), dict(PARROTS)))


@pytest.mark.blocking
@EACH_OUTSIDE
def test_v1_events_inside_a_runnable(make: Make) -> None:
    """Version 1 sees the parts of models, parsers and chains in the graph."""
    events = ASYNC.observe_events(make(OURS), dict(PARROTS), version="v1")
    assert chunks(events, "reader") == chunks(events, "chain") == WORDS


@pytest.mark.blocking
@EACH_OUTSIDE
def test_log_inside_a_runnable(make: Make) -> None:
    """``astream_log`` tells the parts of parsers in the graph."""
    ops = [op for patch in observe_log(make(OURS), dict(PARROTS)) for op in patch.ops]
    for name in ("reader", "chain"):
        path = f"/logs/{name}/streamed_output/-"
        assert [op["value"] for op in ops if op["path"] == path and op["value"]] == WORDS


# Inside graphs ---------------------------------------------------------------------------------------------


def _node(outer: Library, inner: Library) -> Any:
    return line(outer, inside=answering(inner))


def _wrapped(outer: Library, inner: Library) -> Any:
    return line(outer, inside=as_node(answering(inner)))


def _in_function(outer: Library, inner: Library) -> Any:
    graph = answering(inner)

    async def call(state: Topic) -> Any:
        return await graph.ainvoke(state)

    return line(outer, inside=call)


def _in_function_with_config(outer: Library, inner: Library) -> Any:
    graph = answering(inner)

    async def call(state: Topic, config: RunnableConfig) -> Any:
        return await graph.ainvoke(state, config)

    return line(outer, inside=call)


PLACES: dict[str, Callable[[Library, Library], Any]] = {
    "node": _node,
    "as_node": _wrapped,
    "function": _in_function,
    "function with config": _in_function_with_config,
}
EACH_PLACE = pytest.mark.parametrize("place", [pytest.param(make, id=name) for name, make in PLACES.items()])


@EACH_PLACE
def test_graph_inside_our_graph(place: Any) -> None:
    """A graph in a graph of ours: every part is seen from outside, below the node it runs in."""
    events = ASYNC.observe_events(place(OURS, OURS), dict(PARROTS))
    assert chunks(events, "reader") == chunks(events, "chain") == WORDS
    names = {event["run_id"]: event["name"] for event in events}
    (parents,) = {tuple(names[p] for p in e["parent_ids"]) for e in events if e["name"] == "reader"}
    assert parents == ("LangGraph", "inside", "LangGraph", "write", "chain")
    assert events[-1]["data"]["output"] == {**PARROTS, "answer": TEXT}


@pytest.mark.langgraph
@EACH_PLACE
@pytest.mark.parametrize(
    ("outer", "inner"),
    [
        pytest.param(OURS, OURS, id="ours in ours"),
        pytest.param(LANGGRAPH, OURS, id="ours in LangGraph's"),
        pytest.param(OURS, LANGGRAPH, id="LangGraph's in ours"),
    ],
)
def test_libraries_inside_each_other(outer: Library, inner: Library, place: Any) -> None:
    """Whichever library's graph is inside whichever, the events are those of LangGraph's inside LangGraph's."""
    expected = ASYNC.observe_events(place(LANGGRAPH, LANGGRAPH), dict(PARROTS))
    assert_same_events(expected, ASYNC.observe_events(place(outer, inner), dict(PARROTS)))


@pytest.mark.langgraph
@EACH_PLACE
def test_our_tokens_reach_langgraphs_messages(place: Any) -> None:
    """LangGraph's ``messages`` shows each token of our graph in its node once."""
    items = ASYNC.observe_stream(place(LANGGRAPH, OURS), dict(PARROTS), stream_mode="messages", subgraphs=True)
    assert [message.content for _, (message, _) in items if message.content] == WORDS


@pytest.mark.langgraph
@EACH_PLACE
def test_langgraphs_tokens_reach_our_events(place: Any) -> None:
    """Our ``events`` beside ``messages`` show each part of LangGraph's graph in our node once."""
    items = ASYNC.observe_stream(place(OURS, LANGGRAPH), dict(PARROTS), stream_mode=BOTH_MODES)
    assert chunks([item for mode, item in items if mode == "events"], "reader") == WORDS


# A streamed graph inside what is streamed ------------------------------------------------------------------


def _streams(inner: Any, mode: Any, kept: list[Any], colour: Colour, *, hand_on: bool) -> Any:
    """Return a function that streams a graph and keeps what comes; ``hand_on``: gives it its own config."""

    async def awaits(state: Topic, config: RunnableConfig) -> Topic:
        kept.append([item async for item in inner.astream(state, config if hand_on else None, stream_mode=mode)])
        return {"answer": "done"}

    def calls(state: Topic, config: RunnableConfig) -> Topic:
        kept.append(list(inner.stream(state, config if hand_on else None, stream_mode=mode)))
        return {"answer": "done"}

    return awaits if colour is ASYNC else calls


HAND_ON = pytest.mark.parametrize("hand_on", [True, False], ids=["config handed on", "config from context"])


@HAND_ON
@pytest.mark.parametrize("mode", ["messages", "events", BOTH_MODES], ids=str)
def test_streamed_inside_core_events(mode: Any, hand_on: bool) -> None:
    """Core's own ``astream_events`` sees all it sees when the graph inside is not itself looked at, every time."""
    quiet = RunnableLambda(_streams(answering(OURS), "updates", [], ASYNC, hand_on=hand_on))
    streamed = RunnableLambda(_streams(answering(OURS), mode, [], ASYNC, hand_on=hand_on))
    expected = ASYNC.observe_events(quiet, dict(PARROTS))
    assert chunks(expected, "reader") == WORDS
    for _ in range(REPEATED):
        assert_same_events(expected, ASYNC.observe_events(streamed, dict(PARROTS)))


@HAND_ON
def test_streamed_inside_core_log(hand_on: bool) -> None:
    """So do ``astream_log`` and version 1, whose handler is another one that core taps."""
    quiet = RunnableLambda(_streams(answering(OURS), "updates", [], ASYNC, hand_on=hand_on))
    streamed = RunnableLambda(_streams(answering(OURS), BOTH_MODES, [], ASYNC, hand_on=hand_on))
    log = observe_log(quiet, dict(PARROTS))
    events = ASYNC.observe_events(quiet, dict(PARROTS), version="v1")
    assert chunks(events, "reader") == WORDS
    for _ in range(REPEATED // 3):
        assert_same_log(log, observe_log(streamed, dict(PARROTS)))
        assert_same_events(events, ASYNC.observe_events(streamed, dict(PARROTS), version="v1"))


@HAND_ON
def test_a_streamed_graph_inside_core_events_is_seen_whole(hand_on: bool) -> None:
    """Inside core's ``astream_events`` the graph's own consumer sees what it sees without, every time."""
    kept: list[Any] = []
    inner = answering(OURS)
    alone = ASYNC.observe_stream(inner, dict(PARROTS), stream_mode=BOTH_MODES)
    streamed = RunnableLambda(_streams(inner, BOTH_MODES, kept, ASYNC, hand_on=hand_on))
    for _ in range(REPEATED):
        ASYNC.observe_events(streamed, dict(PARROTS))
    for items in kept:
        _assert_seen(alone, items)


@HAND_ON
def test_a_graph_streamed_in_a_thread_is_seen_whole(hand_on: bool) -> None:
    """A function that core runs in a thread streams a graph there: both consumers see every part, every time."""
    kept: list[Any] = []
    inner = answering(OURS)
    alone = SYNC.observe_stream(inner, dict(PARROTS), stream_mode=BOTH_MODES)
    streamed = RunnableLambda(_streams(inner, BOTH_MODES, kept, SYNC, hand_on=hand_on))
    for _ in range(REPEATED // 3):
        events = ASYNC.observe_events(streamed, dict(PARROTS))
        assert chunks(events, "reader") == chunks(events, "chain") == WORDS
    for items in kept:
        _assert_seen(alone, items)


def _assert_seen(alone: list[Any], items: list[Any]) -> None:
    """Assert that a list of both modes holds the same tokens, and the same events below the same root."""
    _assert_same_seen(*(([i for m, i in found if m == "events"]) for found in (alone, items)))
    tokens = [[i[0].content for m, i in found if m == "messages"] for found in (alone, items)]
    assert tokens[0] == tokens[1]
    assert [token for token in tokens[1] if token] == WORDS


def _assert_same_seen(alone: list[Any], events: list[Any]) -> None:
    assert_same_events(rooted(alone, bare=True), rooted(events, bare=True))


@HAND_ON
def test_two_levels_of_streams(colour: Colour, hand_on: bool) -> None:
    """Two graphs in each other, both streamed: the outer is seen as if the inner was not, the inner as if alone."""
    kept: list[Any] = []
    inner = answering(OURS)
    quiet = line(OURS, inside=_streams(inner, "updates", [], colour, hand_on=hand_on))
    streamed = line(OURS, inside=_streams(inner, BOTH_MODES, kept, colour, hand_on=hand_on))
    alone = colour.observe_stream(inner, dict(PARROTS), stream_mode=BOTH_MODES)
    expected = [item for mode, item in _both(quiet, colour) if mode == "events"]
    assert chunks(expected, "reader") == WORDS
    for _ in range(REPEATED // 3):
        assert_same_events(expected, [item for mode, item in _both(streamed, colour) if mode == "events"])
    for items in kept:
        _assert_seen(alone, items)


def _both(graph: Any, colour: Colour) -> list[Any]:
    return colour.observe_stream(graph, dict(PARROTS), stream_mode=BOTH_MODES)


def test_three_levels_of_streams(colour: Colour) -> None:
    """Streams nested three deep each see the parser's parts, under a fourth that is core's."""
    deepest: list[Any] = []
    middle: list[Any] = []
    inner = line(OURS, inside=_streams(answering(OURS), BOTH_MODES, deepest, colour, hand_on=False))
    outer = line(OURS, outside=_streams(inner, BOTH_MODES, middle, colour, hand_on=False))
    outermost = unbound_events(outer, dict(PARROTS)) if colour is ASYNC else SYNC.observe_events(outer, dict(PARROTS))
    for events in (outermost, *([i for m, i in kept[0] if m == "events"] for kept in (middle, deepest))):
        assert chunks(events, "reader") == WORDS


@pytest.mark.langgraph
def test_streamed_inside_langgraph() -> None:
    """LangGraph's graph sees all it sees when our graph in its node is not itself looked at, every time."""
    quiet = line(LANGGRAPH, inside=_streams(answering(OURS), "updates", [], ASYNC, hand_on=True))
    streamed = line(LANGGRAPH, inside=_streams(answering(OURS), BOTH_MODES, [], ASYNC, hand_on=True))
    expected = ASYNC.observe_events(quiet, dict(PARROTS))
    assert chunks(expected, "reader") == WORDS
    for _ in range(REPEATED):
        assert_same_events(expected, ASYNC.observe_events(streamed, dict(PARROTS)))


# Listeners -------------------------------------------------------------------------------------------------


class Counted(PlainChat):
    """A chat model that says what it used."""

    def _generate(self, messages: Any, stop: Any = None, run_manager: Any = None, **kw: Any) -> Any:
        usage = UsageMetadata(input_tokens=3, output_tokens=4, total_tokens=7)
        message = AIMessage(TEXT, usage_metadata=usage, response_metadata={"model_name": "counted"})
        return ChatResult(generations=[ChatGeneration(message=message)])


def _plain(colour: Colour) -> Any:
    """Return a graph of two functions, of which the second calls a model without a config."""

    def first(state: Topic) -> Topic:
        return {"topic": state["topic"].upper()}

    def second(state: Topic) -> Topic:
        return {"answer": str(Counted().invoke(state["topic"]).content)}

    async def awaited(state: Topic) -> Topic:
        return {"answer": str((await Counted().ainvoke(state["topic"])).content)}

    return line(OURS, first=first, second=awaited if colour is ASYNC else second)


TREE = {"LangGraph": None, "first": "LangGraph", "second": "LangGraph", "Counted": "second"}
"""The runs of that graph, each with its parent."""


class Tree(BaseCallbackHandler):
    """A user's handler that remembers each run with its parent, and how many ended."""

    def __init__(self) -> None:
        self.names: dict[Any, str] = {}
        self.runs: dict[str, str | None] = {}
        self.ended: list[str] = []

    def _started(self, name: str, run_id: Any, parent: Any) -> None:
        self.names[run_id] = name
        self.runs[name] = None if parent is None else self.names.get(parent, "unknown")

    def on_chain_start(self, serialized: Any, inputs: Any, *, run_id: Any, parent_run_id: Any = None, **kw: Any) -> Any:
        self._started(kw["name"], run_id, parent_run_id)

    def on_chat_model_start(self, serialized: Any, messages: Any, *, run_id: Any, **kw: Any) -> Any:
        self._started(serialized["name"], run_id, kw["parent_run_id"])

    def on_chain_end(self, outputs: Any, *, run_id: Any, **kw: Any) -> Any:
        self.ended.append(self.names[run_id])

    def on_llm_end(self, response: Any, *, run_id: Any, **kw: Any) -> Any:
        self.ended.append(self.names[run_id])


class AsyncTree(AsyncCallbackHandler):
    """The same with awaited callbacks."""

    def __init__(self) -> None:
        self.tree = Tree()

    async def on_chain_start(self, *args: Any, **kw: Any) -> None:
        self.tree.on_chain_start(*args, **kw)

    async def on_chat_model_start(self, *args: Any, **kw: Any) -> None:
        self.tree.on_chat_model_start(*args, **kw)

    async def on_chain_end(self, *args: Any, **kw: Any) -> None:
        self.tree.on_chain_end(*args, **kw)

    async def on_llm_end(self, *args: Any, **kw: Any) -> None:
        self.tree.on_llm_end(*args, **kw)


class Store:
    """LangSmith's client with a dict for a server."""

    def __init__(self) -> None:
        self.runs: dict[uuid.UUID, dict[str, Any]] = {}
        self.ended: set[uuid.UUID] = set()
        self.tracing_queue = None

    def create_run(self, name: str, inputs: Any, run_type: Any, **run: Any) -> None:
        self.runs[run["id"]] = {"name": name, **run}

    def update_run(self, run_id: uuid.UUID, **run: Any) -> None:
        self.ended.add(run_id)

    def tree(self) -> dict[str, str | None]:
        """Return each run's name with its parent's, once all have ended."""
        assert self.ended == set(self.runs)
        names: dict[Any, str | None] = {None: None, **{id: run["name"] for id, run in self.runs.items()}}
        return {run["name"]: names[run.get("parent_run_id")] for run in self.runs.values()}


WAYS = ("invoke", "values", "events", "messages")
EACH_WAY = pytest.mark.parametrize("way", WAYS)
# LangSmith's tracer of core before 1.0 calls what pydantic deprecated, and core drops the callback that warned.
TRACER_MAY_WARN = pytest.mark.filterwarnings("ignore::pydantic.PydanticDeprecatedSince20")


def _run(colour: Colour, way: str, config: Any = None) -> None:
    graph = _plain(colour)
    if way == "invoke":
        assert colour.invoke(graph, dict(PARROTS), config) == {"topic": "PARROTS", "answer": TEXT}
    else:
        assert colour.observe_stream(graph, dict(PARROTS), config, stream_mode=way)


def _assert_tree(tree: Tree) -> None:
    assert tree.runs == TREE
    assert sorted(tree.ended) == sorted(TREE)


@EACH_WAY
def test_a_handler_listens(colour: Colour, way: str) -> None:
    """A user's handler is told of each run with its parent, and of each end, also beside our own capture."""
    tree = Tree()
    _run(colour, way, {"callbacks": [tree]})
    _assert_tree(tree)


@EACH_WAY
def test_an_asynchronous_handler_listens(colour: Colour, way: str) -> None:
    """So is a handler with awaited callbacks."""
    handler = AsyncTree()
    _run(colour, way, {"callbacks": [handler]})
    _assert_tree(handler.tree)


@EACH_WAY
def test_a_handler_that_was_bound_listens(colour: Colour, way: str) -> None:
    """So is a handler that ``with_config`` bound to the graph."""
    tree = Tree()
    graph = _plain(colour).with_config(callbacks=[tree])
    colour.observe_stream(graph, dict(PARROTS), stream_mode="values" if way == "invoke" else way)
    _assert_tree(tree)


@EACH_WAY
def test_usage_callback_listens(colour: Colour, way: str) -> None:
    """``get_usage_metadata_callback`` counts what models in nodes used."""
    with get_usage_metadata_callback() as usage:
        _run(colour, way)
    assert usage.usage_metadata == {"counted": {"input_tokens": 3, "output_tokens": 4, "total_tokens": 7}}


@TRACER_MAY_WARN
@EACH_WAY
def test_langsmiths_tracer_listens(colour: Colour, way: str) -> None:
    """``tracing_v2_enabled`` sends LangSmith every run with its parent and its end."""
    store = Store()
    with tracing_v2_enabled(client=store):  # type: ignore[arg-type]
        _run(colour, way)
    assert store.tree() == TREE


@TRACER_MAY_WARN
@EACH_WAY
def test_tracing_by_environment_listens(colour: Colour, way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """``LANGCHAIN_TRACING_V2`` alone turns tracing on, for graphs of plain functions too."""
    store = Store()
    with _environment(monkeypatch, LANGCHAIN_TRACING_V2="true"):
        monkeypatch.setattr(langsmith.run_trees, "_CLIENT", store)
        _run(colour, way)
    assert store.tree() == TREE


@contextmanager
def _environment(monkeypatch: pytest.MonkeyPatch, **variables: str) -> Iterator[None]:
    """Set environment variables; LangSmith remembers what it read, so it has to forget before and after."""
    with monkeypatch.context() as patched:
        for name, value in variables.items():
            patched.setenv(name, value)
        langsmith.utils.get_env_var.cache_clear()  # type: ignore[attr-defined]
        yield
    langsmith.utils.get_env_var.cache_clear()  # type: ignore[attr-defined]


def test_set_debug_listens(colour: Colour, capsys: pytest.CaptureFixture[str]) -> None:
    """``set_debug(True)`` prints every run's start and end under its parents."""
    set_debug(True)
    try:
        _run(colour, "invoke")
    finally:
        set_debug(False)
    printed = capsys.readouterr().out
    for path in ("LangGraph", "LangGraph > chain:first", "LangGraph > chain:second > llm:Counted"):
        assert printed.count(f"[chain:{path}]") == 2, path


HOOKED: ContextVar[BaseCallbackHandler | None] = ContextVar("HOOKED", default=None)


class Hooked(Tree):
    """A handler that a configure hook brings; ``made`` holds those that were made."""

    made: ClassVar[list[Hooked]] = []

    def __init__(self) -> None:
        super().__init__()
        self.made.append(self)


@contextmanager
def _hooked(by: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Register a configure hook and turn it on, by its variable or by the environment; undo both."""
    before = list(_configure_hooks)
    Hooked.made.clear()
    register_configure_hook(HOOKED, True, Hooked, "LCEL_COMPAT_HOOKED" if by == "environment" else None)
    token = HOOKED.set(Hooked() if by == "variable" else None)
    try:
        with _environment(monkeypatch, **({"LCEL_COMPAT_HOOKED": "1"} if by == "environment" else {})):
            yield
    finally:
        HOOKED.reset(token)
        _configure_hooks[:] = before


@pytest.mark.parametrize("by", ["variable", "environment"])
@EACH_WAY
def test_configure_hooks_listen(colour: Colour, way: str, by: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A handler that a configure hook brings, by its variable or by the environment, counts as a listener."""
    with _hooked(by, monkeypatch):
        _run(colour, way)
    (heard,) = (tree for tree in Hooked.made if tree.runs)  # core makes one more wherever it asks, and drops it
    _assert_tree(heard)


# Nobody listens --------------------------------------------------------------------------------------------


@pytest.fixture
def dispatched(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Count the starts that core's callback managers are asked to dispatch, and how often one is configured."""
    found: Counter[str] = Counter()

    def counted(cls: Any, name: str) -> None:
        original = getattr(cls, name)

        def count(self: Any, *args: Any, **kwargs: Any) -> Any:
            found[name] += 1
            return original(self, *args, **kwargs)

        monkeypatch.setattr(cls, name, count)

    for cls in (CallbackManager, AsyncCallbackManager):
        counted(cls, "on_chain_start")
        configure: Any = vars(cls)["configure"].__func__
        monkeypatch.setattr(cls, "configure", classmethod(_counting(configure, found)))
    return found


def _counting(configure: Any, found: Counter[str]) -> Any:
    def count(cls: Any, *args: Any, **kwargs: Any) -> Any:
        found["configure"] += 1
        return configure(cls, *args, **kwargs)

    return count


def _functions(colour: Colour) -> Any:
    def step(state: Topic) -> Topic:
        return {"answer": state["topic"]}

    async def awaited(state: Topic) -> Topic:
        return {"answer": state["topic"]}

    one = awaited if colour is ASYNC else step
    return line(OURS, one=one, two=one, three=one)


@pytest.mark.parametrize("mode", ["values", "updates", "custom", "debug", "tasks"])
def test_nobody_listens(colour: Colour, mode: str, dispatched: Counter[str]) -> None:
    """Where nobody listens nothing is dispatched: who listens is asked once per run."""
    colour.observe_stream(_functions(colour), dict(PARROTS), stream_mode=mode)
    assert dispatched == {"configure": 1}


def test_nobody_listens_to_invoke(colour: Colour, dispatched: Counter[str]) -> None:
    """``invoke`` dispatches nothing either."""
    colour.invoke(_functions(colour), dict(PARROTS))
    assert dispatched == {"configure": 1}


def test_somebody_listens(colour: Colour, dispatched: Counter[str]) -> None:
    """With a handler there, the graph's run and each node's are dispatched: the count does count."""
    colour.invoke(_functions(colour), dict(PARROTS), {"callbacks": [Tree()]})
    assert dispatched["on_chain_start"] == 4


def test_only_the_capture_listens(colour: Colour, dispatched: Counter[str]) -> None:
    """For ``events`` alone nothing is dispatched; the graph's run and its nodes' are told to the capture directly."""
    events = colour.observe_stream(_functions(colour), dict(PARROTS), stream_mode="events")
    assert Counter(e["name"] for e in events if e["event"] == "on_chain_start") == Counter(
        ["LangGraph", "one", "two", "three"]
    )
    assert dispatched["on_chain_start"] == 0
