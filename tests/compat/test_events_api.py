"""``astream_events`` and its relatives: filters, the first event, ownership, and four ways to the same events."""

from __future__ import annotations

import json
import operator
import uuid
from collections.abc import Callable, Sequence
from functools import cache
from typing import Annotated, Any, TypedDict

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.callbacks import adispatch_custom_event, dispatch_custom_event
from langchain_core.runnables import RunnableLambda, RunnableParallel

from lcel_compat import END, START, CompiledStateGraph, Send, StateGraph
from tests.support.colours import ASYNC, SYNC, Colour, unbound_events
from tests.support.models import MULTIPLY, Shelf, StreamingChat, TextModel, chat_chain
from tests.support.normal import assert_same_events
from tests.support.plugin import count

IN = {"topic": "parrots"}


class State(TypedDict, total=False):
    """What goes in, what comes out, and a folded key."""

    topic: str
    answer: Any
    log: Annotated[list[Any], operator.add]


class Calls(StreamingChat):
    """A model that counts how often it was asked."""

    asked: list[int] = []  # noqa: RUF012 - pydantic copies it

    async def _astream(self, *args: Any, **kwargs: Any) -> Any:
        self.asked.append(1)
        async for piece in super()._astream(*args, **kwargs):
            yield piece

    def _stream(self, *args: Any, **kwargs: Any) -> Any:
        self.asked.append(1)
        yield from super()._stream(*args, **kwargs)


def graph(*nodes: Any, path: Any = None, ends: Any = None) -> CompiledStateGraph:
    """Nodes ``n0``, ``n1``, … in a row, and a conditional edge of the first if there is a path."""
    builder = StateGraph(State).add_sequence([(f"n{i}", node) for i, node in enumerate(nodes)])
    builder.add_edge(START, "n0")
    if path is not None:
        builder.add_conditional_edges("n0", path, ends)
    return builder.compile()


def answer(text: Any) -> dict[str, Any]:
    return {"answer": text}


def chain() -> CompiledStateGraph:
    """A chain with tags and a name of its own, and a function."""
    named = chat_chain().with_config(run_name="rag", tags=["main"])
    return graph(named | answer, lambda state: {"log": [1]})


def rich() -> CompiledStateGraph:
    """A run of every type: prompt, chat model, parser, llm, tool, retriever, chains, a custom event."""

    def calls(state: State) -> dict[str, Any]:
        dispatch_custom_event("progress", {"percent": 50})
        product = MULTIPLY.invoke({"a": 6, "b": 7})
        documents = Shelf(tags=["books"]).invoke(state["topic"])
        return {"log": [product, len(documents), "".join(TextModel().stream("complete me"))]}

    return graph(chat_chain(StreamingChat(tags=["spoken"])).with_config(tags=["main"]) | answer, calls)


def parallel() -> CompiledStateGraph:
    """Two models at once inside a node."""
    both = RunnableParallel(a=chat_chain(), b=chat_chain(StreamingChat(text="Another answer.")))
    return graph(both | answer)


def routed() -> CompiledStateGraph:
    """A conditional edge whose function has a run."""

    def choose(state: State) -> str:
        return END

    return graph(lambda state: {"answer": "x"}, path=choose, ends=[END])


def sent() -> CompiledStateGraph:
    """Tasks that packets start."""
    builder = StateGraph(State).add_node("work", lambda packet: {"log": [packet["n"]]})
    builder.add_conditional_edges(START, lambda state: [Send("work", {"n": n}) for n in range(3)], ["work"])
    return builder.compile(name="senders")


def nested() -> CompiledStateGraph:
    """A graph inside a graph."""
    return graph(chain(), lambda state: {"log": [2]})


GRAPHS: list[Callable[[], CompiledStateGraph]] = [chain, rich, parallel, routed, sent, nested]
EVERY = pytest.mark.parametrize("build", GRAPHS, ids=lambda f: f.__name__)


# Equality 1 ------------------------------------------------------------------------------------------------


@EVERY
def test_four_ways_to_the_same_events(build: Callable[[], CompiledStateGraph], colour: Colour) -> None:
    """``stream_mode="events"``, ``(a)stream_events`` and core's own method called unbound give the same events."""
    expected = unbound_events(build(), IN)
    assert len(expected) > 4
    assert_same_events(expected, colour.observe_events(build(), IN))
    assert_same_events(expected, colour.observe_stream(build(), IN, stream_mode="events"))


@EVERY
@pytest.mark.parametrize(
    "modes", [["events"], ["values", "events"], ("debug", "messages", "events", "custom")], ids=str
)
def test_events_in_a_list(build: Callable[[], CompiledStateGraph], colour: Colour, modes: Any) -> None:
    """``events`` beside other modes are exactly the events of ``astream_events``, whatever else is asked for."""
    items = colour.observe_stream(build(), IN, stream_mode=modes)
    assert_same_events(unbound_events(build(), IN), [item for mode, item in items if mode == "events"])


def test_one_run_for_many_modes(colour: Colour) -> None:
    """However many modes are asked for, the model is asked once."""
    model = Calls(asked=[])
    modes = ["values", "updates", "custom", "messages", "debug", "tasks", "events"]
    items = colour.observe_stream(graph(chat_chain(model) | answer), IN, stream_mode=modes)
    assert model.asked == [1]
    assert {mode for mode, _ in items} == set(modes) - {"custom"}


# The form of events ----------------------------------------------------------------------------------------


def test_keys(colour: Colour) -> None:
    """Every event has core's seven keys with core's types (EVENTS.md, rule 3)."""
    types = {"event": str, "data": dict, "name": str, "tags": list, "run_id": str, "metadata": dict, "parent_ids": list}
    for event in colour.observe_events(rich(), IN):
        assert {key: type(value) for key, value in event.items()} == types


def test_every_type_of_run_appears(colour: Colour) -> None:
    """Each type of run has its events."""
    found = {event["event"] for event in colour.observe_events(rich(), IN)}
    assert found >= {
        "on_chain_start",
        "on_chain_stream",
        "on_chain_end",
        "on_prompt_start",
        "on_prompt_end",
        "on_chat_model_start",
        "on_chat_model_stream",
        "on_chat_model_end",
        "on_parser_start",
        "on_parser_stream",
        "on_parser_end",
        "on_tool_start",
        "on_tool_end",
        "on_retriever_start",
        "on_retriever_end",
        "on_llm_start",
        "on_llm_stream",
        "on_llm_end",
        "on_custom_event",
    }


def test_events_are_the_consumers_own(colour: Colour) -> None:
    """Events are plain dicts that a consumer may change while it reads: later events are what they would have been."""

    def spoil(event: dict[str, Any]) -> dict[str, Any]:
        kept = dict(event, data=dict(event["data"]), parent_ids=list(event["parent_ids"]))
        event["start_time"] = 1
        event["data"].clear()
        event["parent_ids"].append("spoilt")
        event["name"] = event["event"] = "spoilt"
        return kept

    expected = colour.observe_events(rich(), IN)
    assert_same_events(expected, _read_with(colour, rich(), spoil))


def _read_with(colour: Colour, compiled: CompiledStateGraph, look: Callable[[Any], Any]) -> list[Any]:
    if colour is SYNC:
        return [look(event) for event in compiled.stream_events(IN)]

    class Looked:
        async def astream(self, x: Any, config: Any) -> Any:
            async for event in compiled.astream_events(IN):
                yield look(event)

    return ASYNC.observe_stream(Looked(), IN)


def test_tags_and_metadata_of_one_run_are_shared(colour: Colour) -> None:
    """As in core, all events of one run carry the same tags and metadata objects (EVENTS.md, rule 38)."""
    objects: dict[str, set[tuple[int, int]]] = {}
    events = [e for e in colour.observe_events(rich(), IN) if e["event"] != "on_custom_event"]
    for event in events:
        objects.setdefault(event["run_id"], set()).add((id(event["tags"]), id(event["metadata"])))
    assert all(len(seen) == 1 for seen in objects.values())


def test_the_tree_is_closed(colour: Colour) -> None:
    """Each run has one start and one end, its parents are runs of the stream, and the root has none (rule 4)."""
    events = colour.observe_events(rich(), IN)
    starts = [e["run_id"] for e in events if e["event"].endswith("_start")]
    ends = [e["run_id"] for e in events if e["event"].endswith("_end")]
    assert sorted(starts) == sorted(ends)
    assert len(set(starts)) == len(starts)
    parents = {e["run_id"]: e["parent_ids"] for e in events if e["event"].endswith("_start")}
    assert parents[starts[0]] == []
    for above in parents.values():
        assert not above or above == [*parents[above[-1]], above[-1]]


@pytest.mark.parametrize(
    "include", [None, {"include_types": ["chat_model"]}, {"include_names": ["StrOutputParser"]}], ids=str
)
def test_the_first_event_carries_the_input(colour: Colour, include: Any) -> None:
    """The first event that is shown carries the root's input, and the end of its run none (rule 16)."""
    events = colour.observe_events(chain(), IN, **(include or {}))
    first = events[0]
    assert first["data"]["input"] == IN
    (end,) = [e for e in events if e["run_id"] == first["run_id"] and e["event"].endswith("_end")]
    assert "input" not in end["data"]


def test_the_root_run_id(colour: Colour) -> None:
    """``config["run_id"]`` is the root's (rule 43)."""
    run_id = uuid.uuid4()
    events = colour.observe_events(chain(), IN, {"run_id": run_id, "run_name": "mine", "tags": ["t"]})
    assert (events[0]["run_id"], events[0]["name"], events[0]["tags"]) == (str(run_id), "mine", ["t"])
    assert {e["run_id"] for e in events if not e["parent_ids"]} == {str(run_id)}


def test_custom_events(colour: Colour) -> None:
    """A custom event has the user's name and data and the run id of the run around it (rule 12)."""
    events = colour.observe_events(rich(), IN)
    (custom,) = [e for e in events if e["event"] == "on_custom_event"]
    (node,) = [e for e in events if e["event"] == "on_chain_start" and e["name"] == "n1"]
    assert (custom["name"], custom["data"], custom["run_id"]) == ("progress", {"percent": 50}, node["run_id"])


def test_custom_events_of_async_nodes() -> None:
    """``adispatch_custom_event`` works in async nodes, with data of any kind."""

    async def node(state: Any) -> None:
        await adispatch_custom_event("note", [1, "two"])

    events = ASYNC.observe_events(graph(node), IN)
    assert [(e["name"], e["data"]) for e in events if e["event"] == "on_custom_event"] == [("note", [1, "two"])]


@pytest.mark.parametrize(
    ("mode", "chunks"),
    [
        ("updates", [{"n0": {"answer": 1}}, {"n1": {"log": [2]}}]),
        ("values", [IN | {"log": []}, IN | {"answer": 1, "log": []}, IN | {"answer": 1, "log": [2]}]),
        (["updates"], [("updates", {"n0": {"answer": 1}}), ("updates", {"n1": {"log": [2]}})]),
    ],
    ids=str,
)
def test_chunks_of_the_root(colour: Colour, mode: Any, chunks: list[Any]) -> None:
    """``stream_mode`` says what the root's ``on_chain_stream`` events carry; ``updates`` if nothing is said."""
    compiled = graph(lambda s: {"answer": 1}, lambda s: {"log": [2]})
    events = colour.observe_events(compiled, IN, stream_mode=mode)
    assert [e["data"]["chunk"] for e in events if e["event"] == "on_chain_stream" and not e["parent_ids"]] == chunks


def test_other_streams_say_the_same_as_the_events(colour: Colour) -> None:
    """The tokens of ``messages`` are the chunks of the model's events, and the last of ``values`` the root's output."""
    items = colour.observe_stream(chain(), IN, stream_mode=["messages", "events", "values"])
    tokens = [item[0].content for mode, item in items if mode == "messages"]
    events = [item for mode, item in items if mode == "events"]
    assert tokens == [e["data"]["chunk"].content for e in events if e["event"] == "on_chat_model_stream"]
    assert events[-1]["data"]["output"] == [item for mode, item in items if mode == "values"][-1]


def test_version_one_is_cores_own() -> None:
    """``astream_events(version="v1")`` gives core's events of version 1: no parents (rule 4)."""
    events = ASYNC.observe_events(chain(), IN, version="v1")
    assert {tuple(e["parent_ids"]) for e in events} == {()}
    assert (events[0]["event"], events[0]["name"], events[-1]["event"]) == (
        "on_chain_start",
        "LangGraph",
        "on_chain_end",
    )


def test_events_of_a_graph_in_a_chain() -> None:
    """Behind ``|`` the events of a graph are under the chain's root, those of its runs unchanged."""
    inside = ASYNC.observe_events(RunnableLambda(lambda x: x) | chain(), IN)
    alone = ASYNC.observe_events(chain(), IN)

    def models(events: Sequence[Any]) -> list[Any]:
        return [(e["event"], e["name"], len(e["parent_ids"])) for e in events if "chat_model" in e["event"]]

    assert models(inside) == [(event, name, depth + 1) for event, name, depth in models(alone)]


# Filters ---------------------------------------------------------------------------------------------------

NAMES = ["LangGraph", "n0", "n1", "rag", "ChatPromptTemplate", "StreamingChat", "StrOutputParser", "Shelf", "multiply"]
TYPES = ["chain", "prompt", "chat_model", "llm", "parser", "tool", "retriever", "progress", "nothing"]
TAGS = ["main", "spoken", "books", "graph:step:1", "seq:step:2", "unknown"]
KINDS = {"names": NAMES, "types": TYPES, "tags": TAGS}


@cache
def unfiltered() -> CompiledStateGraph:
    """One graph for all filters."""
    return rich()


def _same_as_core(filters: dict[str, Any]) -> None:
    expected = unbound_events(unfiltered(), IN, **filters)
    for colour in (SYNC, ASYNC):
        assert_same_events(expected, colour.observe_events(unfiltered(), IN, **filters))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("which", ["include", "exclude"])
def test_one_filter(kind: str, which: str) -> None:
    """Each filter with each name, type or tag alone keeps and drops what core's does, in both colours."""
    for value in KINDS[kind]:
        if value == "progress" and which == "include":
            continue  # a custom event that comes first: the test below
        _same_as_core({f"{which}_{kind}": [value]})


@pytest.mark.parametrize("which", ["include", "exclude"])
def test_empty_filters(which: str) -> None:
    """An empty list of includes keeps nothing, and one of excludes drops nothing, as in core."""
    _same_as_core({f"{which}_names": []})
    _same_as_core({f"{which}_names": [], f"{which}_types": ["chat_model"]})


def test_a_custom_event_as_the_first(colour: Colour) -> None:
    """A custom event is filtered by its name as its type; as the first event it gets the input like any other."""
    expected = unbound_events(unfiltered(), IN, include_types=["progress"])
    assert expected[0]["data"] == {"percent": 50, "input": IN}
    assert_same_events(expected, colour.observe_events(unfiltered(), IN, include_types=["progress"]))


chosen = st.fixed_dictionaries(
    {},
    optional={
        f"{which}_{kind}": st.lists(st.sampled_from(values), max_size=3, unique=True)
        for which in ("include", "exclude")
        for kind, values in KINDS.items()
    },
)


@given(chosen)
def test_any_combination_of_filters(filters: dict[str, Any]) -> None:
    """Whatever the filters, the events are those that core's own filters let through, in both colours."""
    count("filters", json.dumps(filters, sort_keys=True))
    _same_as_core(filters)
