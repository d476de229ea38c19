"""Streaming edges: a node that begins on the first chunk of the one before it, and writes in its own superstep."""

from __future__ import annotations

import asyncio
import operator
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import aclosing
from itertools import pairwise
from typing import Annotated, Any, TypedDict

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.output_parsers import StrOutputParser
from langchain_core.runnables import Runnable, RunnableGenerator, RunnableLambda

from lcel_adapters import as_node
from lcel_compat import END, START, StateGraph
from lcel_compat._pipeline import StreamableNode
from lcel_compat.errors import GraphRecursionError, InvalidGraphError
from lcel_compat.policies import CachePolicy, RetryPolicy
from tests.support.colours import ASYNC, SYNC, Colour, Raised, run
from tests.support.models import TEXT, ModelFault, StreamingChat
from tests.support.normal import assert_same_items

MODES = ("values", "updates", "tasks", "debug")


class State(TypedDict, total=False):
    """A question, and what each node makes of it."""

    topic: str
    message: Any
    text: str
    loud: str
    more: str
    folded: Annotated[str, operator.add]


def _shout(texts: Iterator[str]) -> Iterator[str]:
    for text in texts:
        yield text.upper()


async def _ashout(texts: AsyncIterator[str]) -> AsyncIterator[str]:
    async for text in texts:
        yield text.upper()


def _loud() -> Runnable[Any, Any]:
    return RunnableGenerator(_shout, _ashout, name="shout")


def _model(**options: Any) -> Any:
    return as_node(StreamingChat(message_id="1", **options), input="topic", output="message")


def _parser(**mappings: Any) -> Any:
    return as_node(StrOutputParser(), **{"input": "message", "output": "text", **mappings})


def _line(*nodes: tuple[str, Any], stream: bool = True, **options: Any) -> Any:
    builder = StateGraph(State)
    for name, action in nodes:
        builder.add_node(name, action)
    names = [START, *(name for name, _ in nodes), END]
    for start, end in pairwise(names):
        builder.add_edge(start, end, stream=stream)
    return builder.compile(**options)


def _three(*, stream: bool = True, model: Any = None, **options: Any) -> Any:
    loud = as_node(_loud(), input="text", output="loud")
    return _line(("model", model or _model()), ("parse", _parser()), ("shout", loud), stream=stream, **options)


def _names(events: list[Any], *kinds: str) -> list[str]:
    return [f"{e['event']} {e['name']}" for e in events if e["event"] in kinds]


def _parsed(events: list[Any]) -> list[str]:
    return [event["data"]["chunk"] for event in events if event["event"] == "on_parser_stream"]


def test_a_node_reads_what_the_one_before_it_is_making(colour: Colour) -> None:
    """The parser has said its first word before the model says its last, and so has the node after the parser."""
    events = colour.observe_stream(_three(model=_model(delay=0.02)), {"topic": "parrots"}, stream_mode="events")
    seen = _names(events, "on_chat_model_stream", "on_parser_stream", "on_chain_stream")
    last = max(index for index, name in enumerate(seen) if name.startswith("on_chat_model"))
    assert seen.index("on_parser_stream StrOutputParser") < last
    assert seen.index("on_chain_stream shout") < last
    assert [text for text in _parsed(events) if text] == ["A", " parrot", " repeats", " it."]


@pytest.mark.parametrize("mode", MODES)
def test_the_other_modes_keep_the_order_of_the_supersteps(mode: str, colour: Colour) -> None:
    """Beside events, each other mode shows the items, in the order, that it shows of the graph without streams."""
    observed = [
        colour.observe_stream(_three(stream=stream), {"topic": "x"}, stream_mode=[mode, "events"])
        for stream in (False, True)
    ]
    plain, streamed = ([item for name, item in items if name == mode] for items in observed)
    assert len(plain) >= 3
    assert_same_items(mode, plain, streamed)


def test_events_differ_in_chunks_and_nothing_else(colour: Colour) -> None:
    """The same runs start and end, with the same parents, tags and metadata; their inputs are known at the end."""

    def runs(stream: bool) -> list[Any]:
        events = colour.observe_stream(_three(stream=stream), {"topic": "x"}, stream_mode="events")
        ends = [e for e in events if e["event"].endswith("_end")]
        place = {e["run_id"]: e["name"] for e in events}
        return sorted(
            (e["name"], e["tags"], [place[p] for p in e["parent_ids"]], e["metadata"].get("langgraph_step"))
            for e in ends
        )

    assert runs(True) == runs(False)
    events = colour.observe_stream(_three(), {"topic": "x"}, stream_mode="events")
    (start, end) = [e for e in events if e["name"] == "parse" and e["event"] in ("on_chain_start", "on_chain_end")]
    assert start["data"] == {}
    assert end["data"]["input"].keys() == {"topic", "message", "folded"}


def test_a_node_ahead_has_the_task_that_its_superstep_gives_it(colour: Colour) -> None:
    """Events of a node that began early carry the step and the task id that ``tasks`` shows for it later."""
    items = colour.observe_stream(_three(), {"topic": "x"}, stream_mode=["events", "tasks"])
    tasks = {item["name"]: item["id"] for mode, item in items if mode == "tasks"}
    spaces = {
        e["metadata"]["langgraph_node"]: (e["metadata"]["langgraph_step"], e["metadata"]["langgraph_checkpoint_ns"])
        for mode, e in items
        if mode == "events" and "langgraph_node" in e["metadata"]
    }
    assert spaces == {name: (number, f"{name}:{tasks[name]}") for number, name in enumerate(spaces, 1)}


def test_without_a_reader_of_chunks_nodes_run_one_after_the_other(colour: Colour) -> None:
    """``invoke`` streams nothing: the model's answer is whole, as without the streaming edge."""
    assert colour.invoke(_three(), {"topic": "x"}) == colour.invoke(_three(stream=False), {"topic": "x"})
    updates = colour.observe_stream(_three(), {"topic": "x"}, stream_mode="updates")
    assert type(updates[0]["model"]["message"]).__name__ == "AIMessage"


def _with(action: Any = None, *, node: dict[str, Any] | None = None, **options: Any) -> Callable[[], Any]:
    """A model and a parser at a streaming edge, of which something speaks against streaming."""

    def make() -> Any:
        builder = StateGraph(State)
        builder.add_node("model", _model())
        builder.add_node("parse", action or _parser(), **(node or {}))
        builder.add_edge(START, "model")
        builder.add_edge("model", "parse", stream=True)
        return builder.compile(**options)

    return make


def _saved() -> Any:
    from langgraph.checkpoint.memory import InMemorySaver

    return _with(checkpointer=InMemorySaver())()


def _joined() -> Any:
    builder = StateGraph(State)
    builder.add_node("model", _model())
    builder.add_node("other", lambda state: {"more": "x"})
    builder.add_node("parse", _parser())
    builder.add_edge(START, "model")
    builder.add_edge(START, "other")
    builder.add_edge("model", "parse", stream=True)
    builder.add_edge(["model", "other"], "parse")
    return builder.compile()


def _branching() -> Any:
    builder = StateGraph(State)
    builder.add_node("model", _model())
    builder.add_node("parse", _parser())
    builder.add_edge(START, "model")
    builder.add_edge("model", "parse", stream=True)
    builder.add_conditional_edges("model", lambda state: END, [END])
    return builder.compile()


def _beside() -> Any:
    """The parser reads a key that a node beside the model may write."""
    both = as_node(RunnableLambda(lambda both: both["m"]) | StrOutputParser(), input={"m": "message", "k": "more"})
    both.output = "text"
    builder = StateGraph(State)
    builder.add_node("model", _model())
    builder.add_node("other", lambda state: {"more": "x"})
    builder.add_node("parse", both)
    builder.add_edge(START, "model")
    builder.add_edge(START, "other")
    builder.add_edge("model", "parse", stream=True)
    return builder.compile()


def _folded() -> Any:
    builder = StateGraph(State)
    builder.add_node("say", as_node(_loud(), input="topic", output="folded"))
    builder.add_node("parse", as_node(StrOutputParser(), input="folded", output="text"))
    builder.add_edge(START, "say")
    builder.add_edge("say", "parse", stream=True)
    return builder.compile()


GATHERED: dict[str, Callable[[], Any]] = {
    "saver": _saved,
    "stop before": _with(interrupt_before=["parse"]),
    "stop after": _with(interrupt_after=["model"]),
    "retry": _with(node={"retry_policy": RetryPolicy()}),
    "cache": _with(node={"cache_policy": CachePolicy()}),
    "error handler": _with(node={"error_handler": lambda state: {}}),
    "input by a function": _with(_parser(input=lambda state: state["message"])),
    "whole state": _with(as_node(RunnableLambda(lambda s: s["message"]) | StrOutputParser(), output="text")),
    "another key": _with(_parser(input="topic")),
    "plain function": _with(lambda state: {"text": StrOutputParser().invoke(state["message"])}),
    "join": _joined,
    "branch": _branching,
    "a node beside": _beside,
    "a key that is folded": _folded,
}


@pytest.mark.parametrize("why", GATHERED)
def test_where_a_stream_is_gathered(why: str, colour: Colour) -> None:
    """A saver, a stop, a branch, a join, a policy, a folded key or a function between two nodes: nothing flows."""
    config = {"configurable": {"thread_id": "1"}}
    events = colour.observe_stream(GATHERED[why](), {"topic": "x"}, config, stream_mode="events")
    assert not any(isinstance(event, Raised) for event in events)
    assert len(_parsed(events)) <= 1
    ends = _names(events, "on_chain_end", "on_chain_start")
    if "on_chain_start parse" in ends:
        assert ends.index("on_chain_start parse") > ends.index(
            "on_chain_end say" if "fold" in why else "on_chain_end model"
        )


def test_another_key_is_read_from_the_state(colour: Colour) -> None:
    """A node that reads more than what streams finds the rest in the state."""

    def heads(parts: Iterator[dict[str, Any]]) -> Iterator[str]:
        topic = ""
        for part in parts:
            topic = part.get("about", topic)
            yield f"{topic}:{part['m'].content}" if "m" in part else ""

    async def aheads(parts: AsyncIterator[dict[str, Any]]) -> AsyncIterator[str]:
        async for part in parts:
            for text in heads(iter([{"about": "birds", **part}])):
                yield text

    node = as_node(RunnableGenerator(heads, aheads), input={"m": "message", "about": "topic"}, output="text")
    graph = _line(("model", _model()), ("heads", node))
    updates = [
        i
        for m, i in colour.observe_stream(graph, {"topic": "birds"}, stream_mode=["updates", "events"])
        if m == "updates"
    ]
    assert updates[-1]["heads"]["text"].removesuffix("birds:") == "birds:Abirds: parrotbirds: repeatsbirds: it."


def test_one_node_may_feed_several(colour: Colour) -> None:
    """Two nodes read the same chunks, each at its own pace."""
    builder = StateGraph(State)
    builder.add_node("model", _model())
    builder.add_node("parse", _parser())
    builder.add_node("again", as_node(StrOutputParser() | _loud(), input="message", output="loud"))
    builder.add_edge(START, "model")
    builder.add_edge("model", "parse", stream=True)
    builder.add_edge("model", "again", stream=True)
    events = colour.observe_stream(builder.compile(), {"topic": "x"}, stream_mode="events")
    assert len([text for text in _parsed(events) if text]) == 8
    assert events[-1]["data"]["output"]["loud"] == TEXT.upper()
    assert events[-1]["data"]["output"]["text"] == TEXT


def test_lines_beside_each_other_stream_each_for_itself(colour: Colour) -> None:
    """In two lines at once each node reads its own predecessor only, so neither has to wait for the other."""
    builder = StateGraph(State)
    builder.add_node("model", _model())
    builder.add_node("parse", _parser())
    builder.add_node("say", as_node(_loud(), input="topic", output="more"))
    builder.add_node("shout", as_node(_loud(), input="more", output="loud"))
    for start, end in ((START, "model"), ("model", "parse"), (START, "say"), ("say", "shout")):
        builder.add_edge(start, end, stream=True)
    events = colour.observe_stream(builder.compile(), {"topic": "x"}, stream_mode="events")
    assert len([text for text in _parsed(events) if text]) == 4
    assert {"text": TEXT, "loud": "X"}.items() <= events[-1]["data"]["output"].items()


# How a stream ends ---------------------------------------------------------------------------------------


def test_what_reads_a_node_that_fails_fails_with_it(colour: Colour) -> None:
    """The model breaks off: the parser's run ends with the model's error, nothing is written, the error comes out."""
    graph = _three(model=_model(fail_after=2))
    fault = Raised("ModelFault", "broken off after 2 pieces")
    assert colour.observe_stream(graph, {"topic": "x"}, stream_mode=["updates", "values", "events"])[-1] == fault
    *events, last = colour.observe_events(graph, {"topic": "x"}, error_events=True)
    assert last == fault
    assert [e["data"]["chunk"] for e in events if e["event"] == "on_chain_stream" and not e["parent_ids"]] == []
    failed = {e["name"] for e in events if e["event"].endswith("_error")}
    assert failed == {"LangGraph", "model", "StreamingChat", "parse", "StrOutputParser", "shout"}
    assert _parsed(events) == ["A", " parrot"]


def _breaks(texts: Iterator[str]) -> Iterator[str]:
    for text in texts:
        yield text
        raise ModelFault("no more")


async def _abreaks(texts: AsyncIterator[str]) -> AsyncIterator[str]:
    async for text in texts:
        yield text
        raise ModelFault("no more")


def test_a_node_that_fails_ahead_fails_in_its_superstep(colour: Colour) -> None:
    """The second node breaks off at once; the first is heard to its end, and its update comes before the error."""
    broken = as_node(StrOutputParser() | RunnableGenerator(_breaks, _abreaks), input="message", output="text")
    graph = _line(("model", _model(delay=0.01)), ("break", broken))
    items = colour.observe_stream(graph, {"topic": "x"}, stream_mode=["updates", "tasks", "events"])
    assert items[-1] == Raised("ModelFault", "no more")
    shown = [
        (mode, next(iter(item)) if mode == "updates" else item["name"]) for mode, item in items[:-1] if mode != "events"
    ]
    assert shown[:3] == [("tasks", "model"), ("updates", "model"), ("tasks", "model")]
    assert shown[3] == ("tasks", "break")
    tokens = _names([i for m, i in items[:-1] if m == "events"], "on_chat_model_stream")
    assert len(tokens) >= 4


def _threads() -> set[str]:
    return {thread.name for thread in threading.enumerate() if thread.name.startswith("lcel-compat")}


@pytest.mark.parametrize("wanted", ["on_parser_stream", "on_chat_model_stream"])
def test_a_consumer_that_stops_ends_both(wanted: str) -> None:
    """Whoever stops reading in mid-stream leaves no node, no thread and no open stream behind."""

    async def work() -> set[str]:
        before = asyncio.all_tasks()
        async with aclosing(_three(model=_model(delay=0.01)).astream({"topic": "x"}, stream_mode="events")) as events:
            async for event in events:
                if event["event"] == wanted:
                    break
        return {task.get_name() for task in asyncio.all_tasks() - before}

    assert run(work()) == set()
    stream = _three(model=_model(delay=0.01)).stream({"topic": "x"}, stream_mode="events")
    assert any(event["event"] == wanted for event in stream)
    stream.close()
    assert _threads() == set()


def test_cancellation_reaches_a_node_that_is_ahead() -> None:
    """A run that is cancelled while a node waits for its superstep ends that node too, and is cancelled."""
    ended: list[str] = []

    async def last(texts: AsyncIterator[str]) -> AsyncIterator[str]:
        try:
            async for text in texts:
                yield text
            await asyncio.sleep(10)
        finally:
            ended.append("last")

    async def work() -> None:
        node = as_node(RunnableGenerator(_shout, last), input="topic", output="text")
        graph = _line(("say", as_node(_loud(), input="topic", output="topic")), ("last", node))
        task = asyncio.ensure_future(_drained(graph))
        await asyncio.sleep(0.05)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    run(work())
    assert ended == ["last"]


async def _drained(graph: Any) -> None:
    async for _ in graph.astream({"topic": "x"}, stream_mode="events"):
        pass


def test_a_superstep_that_never_comes(colour: Colour) -> None:
    """If the run ends between the two supersteps, what was ahead is ended, and the run ends as without the stream."""
    outcome = colour.observe_stream(_three(), {"topic": "x"}, {"recursion_limit": 1}, stream_mode="events")
    assert outcome[-1] == Raised(GraphRecursionError.__name__, None)
    assert _threads() == set()


def test_no_more_nodes_run_at_once_than_may(colour: Colour) -> None:
    """With ``max_concurrency=1`` nothing is read ahead."""
    events = colour.observe_stream(_three(), {"topic": "x"}, {"max_concurrency": 1}, stream_mode="events")
    assert len(_parsed(events)) == 1
    assert events[-1]["data"]["output"]["loud"] == TEXT.upper()


def test_a_slow_reader_holds_the_node_that_makes_the_chunks() -> None:
    """The model is no further ahead of who reads the events than the run's buffer lets it be."""
    made = 0

    async def many(texts: AsyncIterator[str]) -> AsyncIterator[str]:
        nonlocal made
        async for text in texts:
            for _ in range(200):
                made += 1
                yield text
                await asyncio.sleep(0)

    async def work() -> int:
        first = as_node(RunnableGenerator(_shout, many), input="topic", output="text")
        graph = _line(("many", first), ("shout", as_node(_loud(), input="text", output="loud")), buffer=4)
        async with aclosing(graph.astream({"topic": "x"}, stream_mode="events")) as events:
            async for event in events:
                if event["name"] == "shout" and event["event"] == "on_chain_stream":
                    await asyncio.sleep(0.05)
                    return made
        return made

    assert run(work()) < 50


# Building ------------------------------------------------------------------------------------------------


def test_a_join_cannot_stream() -> None:
    """An edge that waits for several nodes says that it cannot stream."""
    builder = StateGraph(State)
    builder.add_node("model", _model())
    builder.add_node("parse", _parser())
    with pytest.raises(InvalidGraphError, match="cannot stream: it waits"):
        builder.add_edge(["model"], "parse", stream=True)


def test_the_last_word_on_an_edge_counts() -> None:
    """An edge that is added again without ``stream`` streams no more."""
    builder = StateGraph(State)
    builder.add_node("model", _model())
    builder.add_node("parse", _parser())
    builder.add_edge(START, "model")
    builder.add_edge("model", "parse", stream=True)
    assert builder.streaming_edges == {("model", "parse")}
    builder.add_edge("model", "parse")
    assert builder.streaming_edges == set()
    assert not builder.compile().program.streams


def test_an_adapted_node_is_streamable() -> None:
    """What ``as_node`` makes keeps the protocol; a function and a bare runnable do not."""
    assert isinstance(_parser(), StreamableNode)
    assert not isinstance(StrOutputParser(), StreamableNode)


def test_a_state_that_lacks_a_key_says_so(colour: Colour) -> None:
    """A node at a streaming edge reports a missing key in the words of any adapted node."""
    items = colour.observe_stream(_three(), {"more": "x"}, stream_mode="events")
    assert items[-1].error == "KeyError"
    assert "reads the state key 'topic', which holds nothing yet" in str(items[-1].text)


@given(st.lists(st.tuples(st.booleans(), st.sampled_from(["words", "gather", "fail"])), min_size=2, max_size=6))
def test_any_line_of_nodes_ends_as_without_streams(nodes: list[tuple[bool, str]]) -> None:
    """However edges stream and nodes gather, split or fail, the state and the updates are those without streams."""

    class Keys(TypedDict, total=False):
        k0: str
        k1: str
        k2: str
        k3: str
        k4: str
        k5: str
        k6: str

    def build(streams: bool) -> Any:
        builder = StateGraph(Keys)
        names = [START, *(f"n{index}" for index in range(len(nodes))), END]
        for index, (_, kind) in enumerate(nodes):
            builder.add_node(f"n{index}", as_node(_KINDS[kind](), input=f"k{index}", output=f"k{index + 1}"))
        for (start, end), stream in zip(pairwise(names), [False, *(s for s, _ in nodes)], strict=True):
            builder.add_edge(start, end, stream=stream and streams)
        return builder.compile()

    for colour in (SYNC, ASYNC):
        plain, streamed = (
            list(colour.observe_stream(build(s), {"k0": "a b"}, stream_mode=["updates", "values", "events"]))
            for s in (False, True)
        )
        for mode in ("updates", "values"):
            old, new = ([i for i in items if isinstance(i, Raised) or i[0] == mode] for items in (plain, streamed))
            assert old == new


def _words(texts: Iterator[str]) -> Iterator[str]:
    for text in texts:
        yield from (f"{word} " for word in text.split())


async def _awords(texts: AsyncIterator[str]) -> AsyncIterator[str]:
    async for text in texts:
        for word in text.split():
            yield f"{word} "


_KINDS: dict[str, Callable[[], Runnable[Any, Any]]] = {
    "words": lambda: RunnableGenerator(_words, _awords),
    "gather": lambda: RunnableLambda(lambda text: f"<{text}>"),
    "fail": lambda: RunnableGenerator(_breaks, _abreaks),
}
