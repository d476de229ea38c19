"""``as_node``: a runnable as a node of a graph, ours or LangGraph's."""

from __future__ import annotations

import operator
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, TypedDict

import pytest
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.runnables import Runnable, RunnableConfig, RunnableGenerator, RunnableLambda, RunnablePassthrough
from pydantic import BaseModel

from lcel_adapters import RunnableNode, as_node
from lcel_compat.errors import InvalidGraphError, InvalidUpdateError
from tests.support.colours import ASYNC, SYNC, Colour, run
from tests.support.engines import LANGGRAPH, OURS, Library
from tests.support.models import TEXT, PlainChat, StreamingChat, chat_chain
from tests.support.normal import assert_same_events, assert_same_items

LIBRARIES = [
    pytest.param(OURS, id=OURS.name),
    pytest.param(LANGGRAPH, id=LANGGRAPH.name, marks=pytest.mark.langgraph),
]
EACH_LIBRARY = pytest.mark.parametrize("lib", LIBRARIES)


class TypedState(TypedDict, total=False):
    """The state as a TypedDict."""

    topic: str
    mood: str
    answer: Any


@dataclass
class DataState:
    """The state as a dataclass."""

    topic: str = ""
    mood: str = ""
    answer: Any = None


class ModelState(BaseModel):
    """The state as a pydantic model."""

    topic: str = ""
    mood: str = ""
    answer: Any = None


STATES = (TypedState, DataState, ModelState)
INPUT = {"topic": "parrots", "mood": "happy"}


def _graph(lib: Library, node: Any, state: Any = TypedState) -> Any:
    builder = lib.StateGraph(state)
    builder.add_node("node", node)
    builder.add_edge(lib.START, "node")
    builder.add_edge("node", lib.END)
    return builder.compile()


def _as_dict(value: Any) -> dict[str, Any]:
    if isinstance(value, Mapping):
        return dict(value)
    return {"topic": value.topic, "mood": value.mood}


def _seen(state: Any) -> dict[str, Any]:
    """Keep what a runnable was given, without the keys that a state fills in by itself."""
    return {key: value for key, value in _as_dict(state).items() if key in {"topic", "mood", "about", "how"}}


def _update(result: Any) -> dict[str, Any]:
    return {"answer": [result]}


INPUTS: dict[str, tuple[Any, Any]] = {
    "key": ("topic", "parrots"),
    "mapping": ({"about": "topic", "how": "mood"}, {"about": "parrots", "how": "happy"}),
    "function": (lambda state: _as_dict(state)["topic"].upper(), "PARROTS"),
    "whole": (None, INPUT),
}
"""Each input mapping, and what the runnable is given by it."""
OUTPUTS: dict[str, tuple[Any, Callable[[Any], Any], Callable[[Any], Any]]] = {
    "key": ("answer", lambda result: result, lambda result: result),
    "function": (_update, lambda result: result, lambda result: [result]),
    "update": (None, lambda result: {"answer": result}, lambda result: result),
}
"""Each output mapping, what the runnable makes of its result, and what is in the state then."""


@EACH_LIBRARY
@pytest.mark.parametrize("state", STATES, ids=lambda state: state.__name__)
@pytest.mark.parametrize("output", OUTPUTS)
@pytest.mark.parametrize("input", INPUTS)
def test_mappings(lib: Library, state: Any, input: str, output: str, colour: Colour) -> None:
    """Every input mapping with every output mapping, on every kind of state, gives the update it promises."""
    (read, given), (write, wrap, stored) = INPUTS[input], OUTPUTS[output]

    def echo(value: Any) -> Any:
        return wrap(value if isinstance(value, str) else _seen(value))

    graph = _graph(lib, as_node(echo, input=read, output=write), state)
    expected = {"node": {"answer": stored(given)}}
    assert colour.invoke(graph, dict(INPUT)) == {**INPUT, **expected["node"]}
    assert colour.observe_stream(graph, dict(INPUT), stream_mode="updates") == [expected]


@EACH_LIBRARY
def test_several_nodes_share_the_state(lib: Library, colour: Colour) -> None:
    """What one wrapped runnable wrote, the next reads; reducers apply as for any node."""

    class State(TypedDict, total=False):
        n: int
        log: Annotated[list[int], operator.add]

    builder = lib.StateGraph(State)
    builder.add_node("one", as_node(lambda n: n + 1, input="n", output="n"))
    builder.add_node("two", as_node(lambda n: [n], input="n", output="log"))
    builder.add_edge(lib.START, "one")
    builder.add_edge("one", "two")
    builder.add_edge("two", lib.END)
    assert colour.invoke(builder.compile(), {"n": 1, "log": [0]}) == {"n": 2, "log": [0, 2]}


# What is streamed ------------------------------------------------------------------------------------------


def _chain_node() -> RunnableNode:
    return as_node(chat_chain(), input={"topic": "topic"}, output="answer")


@EACH_LIBRARY
def test_parts_appear_as_they_are_made(lib: Library) -> None:
    """Tokens, parsed parts and chunks of the chain appear as events, each before the model's next token."""
    events = ASYNC.observe_events(_graph(lib, _chain_node()), dict(INPUT))
    streams = [(e["event"], e["name"], e["data"]["chunk"]) for e in events if "chunk" in e["data"]]
    parts = [(event, getattr(chunk, "content", chunk)) for event, name, chunk in streams if chunk and name != "node"]
    kinds = ("on_chat_model_stream", "on_parser_stream", "on_chain_stream")
    words = ("A", " parrot", " repeats", " it.")
    found = [part for part in parts if part[1] in words]
    assert found == [(kind, word) for word in words for kind in kinds]


@EACH_LIBRARY
@pytest.mark.parametrize("model", [StreamingChat, PlainChat])
def test_messages_shows_each_token_once(lib: Library, model: Any, colour: Colour) -> None:
    """``messages`` yields the tokens of a wrapped chain once, and no message a second time when the node ends."""
    graph = _graph(lib, as_node(chat_chain(model()), input={"topic": "topic"}, output="answer"))
    items = colour.observe_stream(graph, dict(INPUT), stream_mode="messages")
    assert "".join(message.content for message, _ in items) == TEXT
    assert {metadata["langgraph_node"] for _, metadata in items} == {"node"}
    assert len({message.id for message, _ in items}) == 1


@EACH_LIBRARY
def test_a_message_as_update_is_shown_once(lib: Library, colour: Colour) -> None:
    """A model that writes its message to the state: the tokens are shown and the finished message is not."""
    graph = _graph(lib, as_node(StreamingChat(), input="topic", output="answer"))
    items = colour.observe_stream(graph, dict(INPUT), stream_mode="messages")
    assert "".join(message.content for message, _ in items) == TEXT


# Whose events ----------------------------------------------------------------------------------------------


async def _by_hand(state: TypedState, config: RunnableConfig) -> dict[str, Any]:
    """What ``_chain_node()`` is, written by hand as an asynchronous function."""
    parts = [part async for part in chat_chain().astream({"topic": state["topic"]}, config)]
    return {"answer": "".join(parts)}


def _by_hand_sync(state: TypedState, config: RunnableConfig) -> dict[str, Any]:
    """What ``_chain_node()`` is, written by hand as a function."""
    return {"answer": "".join(chat_chain().stream({"topic": state["topic"]}, config))}


@EACH_LIBRARY
def test_events_are_those_of_a_node_written_by_hand(lib: Library) -> None:
    """The wrapper opens no run: the events are those of a function that streams the chain."""
    expected = ASYNC.observe_events(_graph(lib, _by_hand), dict(INPUT))
    assert_same_events(expected, ASYNC.observe_events(_graph(lib, _chain_node()), dict(INPUT)))


def test_synchronous_events_are_those_of_a_node_written_by_hand() -> None:
    """The same holds for the synchronous events."""
    expected = SYNC.observe_events(_graph(OURS, _by_hand_sync), dict(INPUT))
    assert_same_events(expected, SYNC.observe_events(_graph(OURS, _chain_node()), dict(INPUT)))


def _words(texts: Iterator[str]) -> Iterator[str]:
    for text in texts:
        yield from text.split()


async def _awords(texts: AsyncIterator[str]) -> AsyncIterator[str]:
    async for text in texts:
        for word in text.split():
            yield word


WRAPPED: dict[str, Callable[[], RunnableNode]] = {
    "chain": _chain_node,
    "named chain": lambda: as_node(chat_chain().with_config(run_name="c", tags=["t"]), output="answer"),
    "model": lambda: as_node(StreamingChat(), input="topic", output="answer"),
    "plain model": lambda: as_node(PlainChat(), input="topic", output="answer"),
    "parallel": lambda: as_node({"a": chat_chain(), "b": RunnablePassthrough()}, output="answer"),
    "function": lambda: as_node(lambda state: {"answer": state["mood"]}),
    "generator": lambda: as_node(RunnableGenerator(_words, atransform=_awords), input="topic", output="answer"),
    "piped": lambda: as_node(_chain_node() | (lambda update: update["answer"].upper()), output="answer"),
    "nested": lambda: as_node(_chain_node()),
    "configured": lambda: _chain_node().with_config(run_name="bound", tags=["mine"]),  # type: ignore[dict-item,return-value]
    "failing": lambda: as_node(StreamingChat(fail_after=2), input="topic", output="answer"),
    "missing key": lambda: as_node(chat_chain(), input={"topic": "answer"}, output="answer"),
}
BLOCKING = {"piped"}
"""Where core before 1.0 looks for a function's source file while the loop runs (runnables/utils.py)."""
EACH_WRAPPED = pytest.mark.parametrize(
    "make",
    [
        pytest.param(make, id=name, marks=[pytest.mark.blocking] if name in BLOCKING else [])
        for name, make in WRAPPED.items()
    ],
)


@pytest.mark.langgraph
@EACH_WRAPPED
def test_events_are_those_of_langgraph(make: Callable[[], RunnableNode]) -> None:
    """LangGraph's graph of the same wrapped runnable emits the same events."""
    expected = ASYNC.observe_events(_graph(LANGGRAPH, make()), dict(INPUT))
    assert_same_events(expected, ASYNC.observe_events(_graph(OURS, make()), dict(INPUT)))


@EACH_WRAPPED
def test_synchronous_events_are_the_asynchronous_ones(make: Callable[[], RunnableNode]) -> None:
    """Wrapped runnables emit the same events in both colours."""
    expected = ASYNC.observe_events(_graph(OURS, make()), dict(INPUT))
    assert_same_events(expected, SYNC.observe_events(_graph(OURS, make()), dict(INPUT)))


@pytest.mark.langgraph
@pytest.mark.parametrize("mode", ["values", "updates", "messages", "debug", "tasks"])
@EACH_WRAPPED
def test_modes_are_those_of_langgraph(make: Callable[[], RunnableNode], mode: str, colour: Colour) -> None:
    """The other modes yield what LangGraph's graph of the same wrapped runnable yields."""
    expected = colour.observe_stream(_graph(LANGGRAPH, make()), dict(INPUT), stream_mode=mode)
    actual = colour.observe_stream(_graph(OURS, make()), dict(INPUT), stream_mode=mode)
    assert_same_items(mode, expected, actual)


# Configuration ---------------------------------------------------------------------------------------------


class Starts(BaseCallbackHandler):
    """Remembers which runs started, with which tags."""

    def __init__(self) -> None:
        self.runs: list[tuple[str, frozenset[str]]] = []

    def on_chain_start(self, serialized: Any, inputs: Any, *, name: str = "", tags: Any = None, **kw: Any) -> None:
        self.runs.append((name, frozenset(tags or ())))


@EACH_LIBRARY
def test_config_and_callbacks_reach_the_runnable(lib: Library, colour: Colour) -> None:
    """The wrapped runnable sees the run's tags, metadata and ``configurable``, and its run the run's callbacks."""
    seen: list[RunnableConfig] = []

    def inner(topic: str, config: RunnableConfig) -> str:
        seen.append(config)
        return topic

    starts = Starts()
    config = {"tags": ["t"], "metadata": {"m": 1}, "configurable": {"user": "ada"}, "callbacks": [starts]}
    colour.invoke(_graph(lib, as_node(inner, input="topic", output="answer")), dict(INPUT), config)
    manager = seen[0]["callbacks"]
    assert "t" in manager.tags  # type: ignore[union-attr]
    assert seen[0]["metadata"]["m"] == 1
    assert seen[0]["metadata"]["langgraph_node"] == "node"
    assert seen[0]["configurable"]["user"] == "ada"
    assert starts.runs == [
        ("LangGraph", frozenset({"t"})),
        ("node", frozenset({"t", "graph:step:1"})),
        ("inner", frozenset({"t", "seq:step:1"})),
    ]


@EACH_LIBRARY
def test_bound_configuration_reaches_the_runnable(lib: Library, colour: Colour) -> None:
    """``with_config`` on the node binds to the wrapped runnable, as it does for the runnable itself."""
    starts = Starts()
    node = as_node(RunnableLambda(str.upper), input="topic", output="answer").with_config(run_name="n", tags=["bound"])
    colour.invoke(_graph(lib, node), dict(INPUT), {"callbacks": [starts]})
    assert starts.runs[-1] == ("n", frozenset({"bound", "seq:step:1"}))


# Outside a graph -------------------------------------------------------------------------------------------


def test_it_is_a_runnable_by_itself(colour: Colour) -> None:
    """Outside a graph it goes from state to update, and streams one chunk: the update."""
    node = _chain_node()
    assert isinstance(node, Runnable)
    assert colour.invoke(node, dict(INPUT)) == {"answer": TEXT}
    assert colour.observe_stream(node, dict(INPUT)) == [{"answer": TEXT}]


def test_it_batches(colour: Colour) -> None:
    """``batch`` and ``abatch`` map states to updates, one by one."""
    node = as_node(str.upper, input="topic", output="answer")
    states = [{"topic": "a"}, {"topic": "b"}]
    updates = run(node.abatch(states)) if colour is ASYNC else node.batch(states)
    assert updates == [{"answer": "A"}, {"answer": "B"}]


def test_it_is_piped(colour: Colour) -> None:
    """``|`` on either side makes a sequence in which the update is passed on."""
    piped = (lambda topic: {"topic": topic}) | _chain_node() | (lambda update: update["answer"].upper())
    assert colour.invoke(piped, "parrots") == TEXT.upper()
    assert "".join(colour.observe_stream(piped, "parrots")) == TEXT.upper()


def test_it_opens_no_run_outside_a_graph(colour: Colour) -> None:
    """Called by itself, the first run anyone sees is the wrapped runnable's."""
    starts = Starts()
    colour.invoke(as_node(RunnableLambda(str.upper), input="topic", output="answer"), INPUT, {"callbacks": [starts]})
    assert starts.runs == [("upper", frozenset())]


def test_its_name_is_that_of_what_it_wraps() -> None:
    """A node that is added without a name is named after the wrapped runnable."""
    builder: Any = OURS.StateGraph(TypedState)
    builder.add_node(as_node(RunnableLambda(str.upper), input="topic", output="answer"))
    assert list(builder.nodes) == ["upper"]


def test_a_wrapped_stream_is_closed() -> None:
    """When the run breaks off, the wrapped generator is closed and does not run on."""
    closed: list[str] = []

    def words(texts: Iterator[str]) -> Iterator[str]:
        try:
            for text in texts:
                yield from text.split()
        finally:
            closed.append("words")

    events = _graph(OURS, as_node(RunnableGenerator(words), input="topic", output="answer")).stream_events(
        {"topic": "a b c"}
    )
    for event in events:
        if event["event"] == "on_chain_stream":
            break
    events.close()
    assert closed == ["words"]


# Wrong use -------------------------------------------------------------------------------------------------


MAPPED = pytest.mark.parametrize(
    "mappings",
    [{"input": "nowhere"}, {"input": {"topic": "nowhere"}}, {"input": "topic", "output": "nowhere"}],
    ids=["key", "mapping", "output"],
)


@MAPPED
@pytest.mark.parametrize("state", STATES, ids=lambda state: state.__name__)
def test_a_key_that_the_state_lacks_is_refused(state: Any, mappings: Any) -> None:
    """A mapping that names a key which the state does not have is refused when the graph is compiled."""
    node = as_node(str.upper, **{"output": "answer", **mappings})
    with pytest.raises(InvalidGraphError, match=r"'node' maps the state key 'nowhere'.*'topic'"):
        _graph(OURS, node, state)


@pytest.mark.langgraph
@pytest.mark.parametrize("state", STATES, ids=lambda state: state.__name__)
@pytest.mark.parametrize("input", ["nowhere", {"topic": "nowhere"}], ids=["key", "mapping"])
def test_a_missing_key_is_named(state: Any, input: Any, colour: Colour) -> None:
    """In LangGraph's graph, which does not ask, reading such a key raises an error that names it and the others."""
    graph = _graph(LANGGRAPH, as_node(str.upper, input=input, output="answer"), state)
    with pytest.raises(KeyError, match=r"'nowhere'.*'topic'"):
        colour.invoke(graph, dict(INPUT))


def test_a_key_that_nothing_wrote_yet_is_named() -> None:
    """A key of the schema that holds nothing yet counts as missing."""
    with pytest.raises(KeyError, match=r"'answer'.*which holds nothing yet.*'topic'"):
        _graph(OURS, as_node(str, input="answer", output="mood")).invoke(dict(INPUT))


@pytest.mark.parametrize(
    "mappings", [{"input": 1}, {"output": 1}, {"output": {"a": "b"}}, {"input": ["topic"]}], ids=str
)
def test_a_wrong_mapping_is_refused(mappings: dict[str, Any]) -> None:
    """A mapping that is none of the documented kinds is refused at once, with its name and value."""
    ((name, value),) = mappings.items()
    with pytest.raises(TypeError, match=rf"{name}="):
        as_node(str.upper, **{name: value})


@pytest.mark.parametrize("mapping", [{"topic": 1}, {"topic": None}, {"topic": ["a", "b"]}], ids=str)
def test_a_mapping_to_other_things_than_keys_is_refused(mapping: Any) -> None:
    """The values of an input mapping are state keys; anything else is refused at once, not when the node runs."""
    with pytest.raises(TypeError, match="input="):
        as_node(str.upper, input=mapping)


def test_what_is_no_runnable_is_refused() -> None:
    """Something that LCEL would not take for a runnable is refused as LCEL refuses it."""
    with pytest.raises(TypeError, match="Expected a Runnable, callable or dict"):
        as_node(3)


def test_a_result_that_is_no_update_is_refused(colour: Colour) -> None:
    """Without an output mapping the result is the update; one that is none is refused, with the node's name."""
    with pytest.raises(InvalidUpdateError, match="'node'"):
        colour.invoke(_graph(OURS, as_node(str.upper, input="topic")), dict(INPUT))
