"""Threads of LangGraph's own graphs, read and written again by us: no byte changes, and LangGraph goes on from them."""

from __future__ import annotations

import asyncio
import operator
import sys
import types
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Annotated, Any, TypeAlias

import pytest
import typing_extensions
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.messages import AIMessage, AnyMessage, HumanMessage
from langgraph._internal._serde import build_serde_allowlist
from langgraph.checkpoint.base import CheckpointTuple
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, StateGraph
from langgraph.graph.message import add_messages
from langgraph.types import Command, Interrupt, Overwrite, Send, TimeoutPolicy, interrupt
from pydantic import BaseModel
from typing_extensions import TypedDict

from lcel_compat import types as ours
from lcel_compat._allowlist import serde_allowlist
from lcel_compat._constants import ERROR, INTERRUPT, TASKS
from lcel_compat._serde import (
    from_wire_checkpoint,
    from_wire_writes,
    to_wire_checkpoint,
    to_wire_writes,
)

CONFIG: Any = {"configurable": {"thread_id": "1", "checkpoint_ns": ""}}
SCHEMA = {"type": "string"}
Graph: TypeAlias = Callable[[InMemorySaver], Any]


class State(TypedDict):
    """A log that is added to, messages, and packets that a node keeps for later."""

    log: Annotated[list[Any], operator.add]
    answers: Annotated[list[Any], operator.add]
    messages: Annotated[list[AnyMessage], add_messages]
    later: list[Send]


class Input(TypedDict):
    """What a packet brings."""

    n: int


def asking(saver: InMemorySaver) -> Any:
    """Three packets ask, one of them twice; a sibling overwrites the log and sends on when all are answered."""

    async def ask(state: Input) -> dict[str, Any]:
        times = 2 if state["n"] == 2 else 1
        answers = [interrupt({"n": state["n"], "time": time}, response_schema=SCHEMA) for time in range(times)]
        return {"answers": [[state["n"], *answers]]}

    async def clear(state: State) -> dict[str, Any]:
        return {"log": Overwrite(["cleared"]), "messages": [AIMessage("ok", id="2")]}

    async def work(state: Input) -> dict[str, Any]:
        return {"log": [state["n"]]}

    def spread(state: State) -> list[Send | str]:
        timeout = TimeoutPolicy(idle_timeout=3.0, refresh_on="heartbeat")
        return [
            Send("ask", {"n": 1}),
            Send("ask", {"n": 2}, timeout=5),
            Send("ask", {"n": 3}, timeout=timeout),
            "clear",
        ]

    builder = StateGraph(State)
    builder.add_node("ask", ask)
    builder.add_node("clear", clear)
    builder.add_node("work", work)
    builder.add_conditional_edges(START, spread, ["ask", "clear"])
    builder.add_conditional_edges("clear", lambda _: [Send("work", {"n": n}) for n in range(2)], ["work"])
    return builder.compile(checkpointer=saver)


def failing(saver: InMemorySaver) -> Any:
    """One packet's node fails, every time; its sibling has overwritten the log by then, and would send on."""

    async def fail(state: Input) -> None:
        await asyncio.sleep(0.01)
        raise ValueError("no", state["n"])

    async def succeed(state: Input) -> Command[Any]:
        return Command(update={"log": Overwrite(["done"])}, goto=Send("fail", {"n": 2}))

    builder = StateGraph(State)
    builder.add_node("fail", fail)
    builder.add_node("succeed", succeed)
    builder.add_conditional_edges(START, lambda _: [Send("fail", {"n": 1}), Send("succeed", {"n": 0})])
    return builder.compile(checkpointer=saver)


def keeping(saver: InMemorySaver) -> Any:
    """A node keeps packets in the state, and stops for an answer before they are sent."""

    async def plan(state: State) -> dict[str, Any]:
        return {"later": [Send("work", {"n": n}) for n in range(2)], "messages": [HumanMessage("go", id="1")]}

    async def ask(state: State) -> dict[str, Any]:
        return {"log": [interrupt("now?")]}

    async def work(state: Input) -> dict[str, Any]:
        return {"log": [state["n"]]}

    builder = StateGraph(State)
    builder.add_node("plan", plan)
    builder.add_node("ask", ask)
    builder.add_node("work", work)
    builder.add_edge(START, "plan")
    builder.add_edge("plan", "ask")
    builder.add_conditional_edges("ask", lambda state: state["later"], ["work"])
    return builder.compile(checkpointer=saver)


HOLDS: dict[Graph, set[str]] = {
    asking: {TASKS, INTERRUPT, "__start__", "log", "messages"},
    failing: {TASKS, ERROR, "__start__", "log"},
    keeping: {INTERRUPT, "__start__", "log", "messages", "later"},
}
"""The graphs, with channels that their threads hold."""


def stopped(graph: Graph) -> InMemorySaver:
    """The saver of a thread that LangGraph ran until it had to wait, or failed."""
    saver = InMemorySaver()
    try:
        asyncio.run(graph(saver).ainvoke({"log": Overwrite(["start"])}, CONFIG))
    except ValueError:
        assert graph is failing
    return saver


def read(saver: InMemorySaver) -> list[CheckpointTuple]:
    """A thread's checkpoints, oldest first, read by us and made ready to be written by us."""
    return [_carried(found) for found in [*saver.list(CONFIG)][::-1]]


def _carried(found: CheckpointTuple) -> CheckpointTuple:
    """A checkpoint read by us and made ready to be written by us."""
    values = to_wire_checkpoint(_ours(from_wire_checkpoint(found.checkpoint["channel_values"])))
    pending = _ours(from_wire_writes(found.pending_writes))
    writes = [(task, *write) for task, *pair in pending for write in to_wire_writes([(pair[0], pair[1])])]
    checkpoint = found.checkpoint | {"channel_values": values}
    return found._replace(checkpoint=checkpoint, pending_writes=writes)


def _ours(value: Any) -> Any:
    """The value, after a look that none of LangGraph's types is left in it."""
    foreign = [type(item) for item in _everything(value) if type(item).__module__ == "langgraph.types"]
    assert foreign == []
    return value


def _everything(value: Any) -> Iterator[Any]:
    yield value
    if isinstance(value, dict | list | tuple):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _everything(item)


@pytest.mark.parametrize("graph", HOLDS)
def test_what_langgraph_wrote_is_written_again_byte_by_byte(graph: Graph) -> None:
    """Each value that LangGraph stored is read as ours and written as the bytes that were there."""
    saver = stopped(graph)
    rewritten = _rewritten(saver)
    assert {channel for channel, *_ in rewritten} >= HOLDS[graph]
    assert [channel for channel, before, after in rewritten if before != after] == []


@pytest.mark.parametrize("graph", [asking, failing])
def test_without_langgraph_its_special_values_are_written_again_byte_by_byte(
    graph: Graph, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where LangGraph's types cannot be imported, only an `Overwrite` is written in another form than it had."""
    saver = stopped(graph)
    monkeypatch.setitem(sys.modules, "langgraph.types", None)
    rewritten = _rewritten(saver)
    assert {channel for channel, before, after in rewritten if before == after} >= HOLDS[graph] - {"__start__", "log"}
    changed = {channel: data for channel, (_, data), (_, after) in rewritten if data != after}
    assert set(changed) == {"__start__", "log"}
    assert all(b"Overwrite" in data for data in changed.values())


def _rewritten(saver: InMemorySaver) -> list[tuple[str, Any, Any]]:
    """Channel, stored bytes before, and after us, of each value of the thread."""
    dumps, rewritten = saver.serde.dumps_typed, []
    for found in read(saver):
        for channel, value in found.checkpoint["channel_values"].items():
            version = found.checkpoint["channel_versions"][channel]
            rewritten.append((channel, saver.blobs["1", "", channel, version], dumps(value)))
        # A saver gives writes back in the order of tasks, and keeps them in the order in which they came.
        before = sorted(write[:3] for write in saver.writes["1", "", found.checkpoint["id"]].values())
        after = sorted((task, channel, dumps(value)) for task, channel, value in found.pending_writes or ())
        rewritten += [(channel, old, new) for (_, channel, old), (*_, new) in zip(before, after, strict=True)]
    return rewritten


@pytest.mark.parametrize(
    ("graph", "installed"), [(asking, True), (failing, True), (keeping, True), (asking, False), (failing, False)]
)
def test_what_we_wrote_is_continued_by_langgraph(
    graph: Graph, installed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A thread that went through our hands is to LangGraph the thread it was: same states, and the same end."""
    original, copied = stopped(graph), InMemorySaver()
    with monkeypatch.context() as patch:
        if not installed:
            patch.setitem(sys.modules, "langgraph.types", None)
        for found in read(original):
            copied.put(found.parent_config or CONFIG, *_parts(found))
            for task in dict.fromkeys(task for task, *_ in found.pending_writes or ()):
                writes = [(channel, value) for owner, channel, value in found.pending_writes or () if owner == task]
                copied.put_writes(found.config, writes, task)
    first, second = graph(original), graph(copied)
    assert _history(first, installed) == _history(second, installed)
    assert asyncio.run(_continued(first)) == asyncio.run(_continued(second))


def _parts(found: CheckpointTuple) -> Any:
    return found.checkpoint, found.metadata, found.checkpoint["channel_versions"]


def _history(graph: Any, installed: bool) -> list[Any]:
    """What LangGraph shows of the thread; a task's result shows an `Overwrite` in the form that it has."""
    return [
        (state.values, state.next, state.interrupts, state.metadata, state.tasks if installed else len(state.tasks))
        for state in graph.get_state_history(CONFIG)
    ]


async def _continued(graph: Any) -> list[Any]:
    """What the graph answers when it is asked to go on until nothing is left, and the state then."""
    answers: list[Any] = []
    for _ in range(3):
        waiting = graph.get_state(CONFIG).interrupts
        go_on: Any = Command(resume={asked.id: "yes" for asked in waiting}) if waiting else None
        try:
            answers.append(await graph.ainvoke(go_on, CONFIG))
        except ValueError as error:
            answers.append(repr(error))
    return [answers, graph.get_state(CONFIG).values]


def test_the_threads_stop_where_they_are_meant_to() -> None:
    """The graphs wait for three answers, fail, and wait for one; then they go on to their ends."""
    waiting, failed, kept = (graph(stopped(graph)) for graph in HOLDS)
    assert [asked.value["n"] for asked in waiting.get_state(CONFIG).interrupts] == [1, 2, 3]
    assert [task.error for task in failed.get_state(CONFIG).tasks] == ["ValueError('no', 1)", None]
    assert [asked.value for asked in kept.get_state(CONFIG).interrupts] == ["now?"]
    ends = [asyncio.run(_continued(graph))[1] for graph in (waiting, failed, kept)]
    assert [end["log"] for end in ends] == [["cleared", 0, 1], ["done"], ["start", "yes", 0, 1]]
    assert ends[0]["answers"] == [[1, "yes"], [2, "yes", "yes"], [3, "yes"]]


def test_an_error_is_shown_as_langgraph_shows_it() -> None:
    """`get_state` of LangGraph shows the text of an error; so the write is read as that text."""
    saver = stopped(failing)
    shown = [task.error for task in failing(saver).get_state(CONFIG).tasks if task.error]
    found = saver.get_tuple(CONFIG)
    assert found is not None
    assert [error for _, channel, error in from_wire_writes(found.pending_writes) if channel == ERROR] == shown


OLD = [
    {"value": 1, "resumable": True, "ns": ["a:1"], "when": "during"},
    {"value": 1, "resumable": True, "ns": ["a:1", "b:2"], "when": "during"},
    {"value": 1, "resumable": False, "ns": None, "when": "during"},
    {"value": 1, "when": "during"},
    {"value": 1, "id": "7f"},
    {"value": 1, "id": "7f", "response_schema": {"type": "string"}},
]


@pytest.mark.parametrize("fields", OLD, ids=repr)
def test_interrupts_of_any_age_are_read_as_langgraph_reads_them(fields: dict[str, Any]) -> None:
    """The fields that some release wrote make the same interrupt, id included, with LangGraph's class and without."""
    theirs: Any = Interrupt(**fields)
    [(_, _, [from_object])] = from_wire_writes([("t", INTERRUPT, [theirs])])
    [(_, _, [from_fields])] = from_wire_writes([("t", INTERRUPT, [fields])])
    assert from_object == from_fields == ours.Interrupt(theirs.value, theirs.id, response_schema=theirs.response_schema)


def test_a_saver_that_keeps_objects_is_given_langgraph_s_own() -> None:
    """With LangGraph loaded, its own classes go to the saver, so that its `isinstance` holds without a serializer."""
    given_to_saver = to_wire_checkpoint({"packet": ours.Send("a", 1, timeout=2), "list": [ours.Overwrite(1)]})
    assert given_to_saver == {"packet": Send("a", 1, timeout=2), "list": [Overwrite(1)]}
    back = from_wire_checkpoint(given_to_saver)
    assert back == {"packet": ours.Send("a", 1, timeout=2), "list": [ours.Overwrite(1)]}


def test_what_was_kept_before_langgraph_was_loaded_is_ours_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """An object that a saver kept as it was given, in a process that has loaded LangGraph since then, is read too."""
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "langgraph.types", None)
        kept = to_wire_checkpoint({"packet": ours.Send("a", 1)})
    read = from_wire_checkpoint(kept)
    assert type(read["packet"]) is ours.Send


def test_an_interrupt_of_langgraph_before_it_had_schemas_is_read() -> None:
    """LangGraph 1.2.0 has no `response_schema`: such an object is an interrupt without one."""
    theirs: Any = Interrupt(1, "7f")
    del theirs.response_schema
    assert from_wire_writes([("t", INTERRUPT, [theirs])]) == [("t", INTERRUPT, [ours.Interrupt(1, "7f")])]


class Colour(Enum):
    RED = "red"


@dataclass
class Item:
    colour: Colour
    inner: Item | None


class Model(BaseModel):
    items: list[Item]


class Keys(TypedDict):
    model: Model


SPECIAL: Any = typing_extensions
"""Looked up where a type checker does not: it knows no annotations that are made at run time."""
WRAPS: list[Callable[[Any], Any]] = [
    list.__class_getitem__,
    deque.__class_getitem__,
    lambda part: types.GenericAlias(dict, (str, part)),
    lambda part: types.GenericAlias(tuple, (part, ...)),
    lambda part: SPECIAL.Optional[part],
    lambda part: SPECIAL.Annotated[part, operator.add],
    lambda part: SPECIAL.TypedDict("Made", {"key": part}),
]


def _wrapped(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.builds(lambda wrap, part: wrap(part), st.sampled_from(WRAPS), inner)


ANNOTATIONS = st.recursive(st.sampled_from([int, str, Any, Colour, Item, Model, Keys]), _wrapped, max_leaves=6)


@given(st.lists(ANNOTATIONS, min_size=1, max_size=3))
def test_the_allow_list_is_langgraph_s_and_our_own_types(schemas: list[Any]) -> None:
    """For annotations that LangGraph looks into, the list is what its compiled graph gives to a saver."""
    allowed = {pair for pair in serde_allowlist(schemas) if not pair[0].startswith("lcel_compat.")}
    assert allowed == build_serde_allowlist(schemas=schemas)
