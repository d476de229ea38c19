"""Our types on their way through a saver's serializer, with LangGraph and where its module cannot be imported."""

from __future__ import annotations

import copy
import pickle
import subprocess
import sys
from collections.abc import Callable, Iterable
from contextlib import suppress
from importlib import import_module
from importlib.metadata import version
from typing import Any

import ormsgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.documents import Document
from langchain_core.messages import (
    AIMessage,
    AIMessageChunk,
    AnyMessage,
    ChatMessage,
    FunctionMessage,
    HumanMessage,
    RemoveMessage,
    SystemMessage,
    ToolMessage,
)
from langgraph.checkpoint.base import empty_checkpoint
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer

from lcel_compat._constants import ERROR, INTERRUPT, TASKS
from lcel_compat._serde import (
    as_error,
    from_wire_checkpoint,
    from_wire_writes,
    to_wire_checkpoint,
    to_wire_writes,
)
from lcel_compat.channels import overwrites, overwriting
from lcel_compat.policies import TimeoutPolicy
from lcel_compat.types import Command, Interrupt, Overwrite, Send
from tests.support.fences import environment

SERIALIZER = JsonPlusSerializer()
LIMITED = TimeoutPolicy(run_timeout=2.0, idle_timeout=0.5, refresh_on="heartbeat")
LOSES = pytest.mark.xfail(
    tuple(map(int, version("langgraph-checkpoint").split(".")[:2])) < (4, 3),
    reason="before 4.3 the serializer gives back nothing for a class that it cannot import",
    strict=False,
)


@pytest.fixture
def without_langgraph(monkeypatch: pytest.MonkeyPatch) -> None:
    """LangGraph's types cannot be imported, as where it is not installed."""
    monkeypatch.setitem(sys.modules, "langgraph.types", None)


@pytest.fixture(params=["langgraph", "without"])
def either(request: pytest.FixtureRequest) -> None:
    """Once with LangGraph loaded, where it is installed, once without."""
    if request.param == "without":
        request.getfixturevalue("without_langgraph")
    with suppress(ImportError):
        import_module("langgraph.types")


def written(data: bytes) -> Any:
    """What the serializer wrote, with each object as ``(module, name, fields)``."""
    return ormsgpack.unpackb(
        data, ext_hook=lambda _code, inner: tuple(written(inner)), option=ormsgpack.OPT_NON_STR_KEYS
    )


def stored(value: Any) -> Any:
    """The value after a saver's serializer has written and read it."""
    return SERIALIZER.loads_typed(SERIALIZER.dumps_typed(value))


def wire(value: Any) -> Any:
    """The value as a saver is given it in a checkpoint."""
    return to_wire_checkpoint({"key": value})["key"]


POLICY = ("langgraph.types", "TimeoutPolicy", {"run_timeout": 2.0, "idle_timeout": 0.5, "refresh_on": "heartbeat"})
WRITTEN = {
    "send": (Send("a", {"n": 1}), ("langgraph.types", "Send", ["a", {"n": 1}])),
    "limited send": (Send("a", 1, timeout=LIMITED), ("langgraph.types", "Send", ["a", 1, POLICY])),
    "policy": (LIMITED, POLICY),
    "interrupt": (
        Interrupt("sure?", "7f", response_schema={"type": "boolean"}),
        ("langgraph.types", "Interrupt", {"value": "sure?", "id": "7f", "response_schema": {"type": "boolean"}}),
    ),
    "overwrite": (
        Overwrite([1]),
        ("langgraph.types", "Overwrite", {"value": [1], "type": "__overwrite__"}),
    ),
    "command": (
        Command(update={"n": Overwrite(1)}, goto=[Send("a", 1), "b"]),
        (
            "langgraph.types",
            "Command",
            {
                "graph": None,
                "update": {"n": ("langgraph.types", "Overwrite", {"value": 1, "type": "__overwrite__"})},
                "resume": None,
                "goto": [("langgraph.types", "Send", ["a", 1]), "b"],
            },
        ),
    ),
    "in a list": ([Send("a", 1), 2], [("langgraph.types", "Send", ["a", 1]), 2]),
    "in a tuple": ((Send("a", 1),), [("langgraph.types", "Send", ["a", 1])]),
    "in a dict": ({"n": Send("a", 1)}, {"n": ("langgraph.types", "Send", ["a", 1])}),
}


@pytest.mark.usefixtures("either")
@pytest.mark.parametrize("case", WRITTEN)
def test_each_type_is_written_under_the_name_of_langgraph_s(case: str) -> None:
    """The bytes name LangGraph's module and class and carry its fields, whether or not it is there."""
    value, expected = WRITTEN[case]
    [(channel, given_to_saver)] = to_wire_writes([("channel", value)])
    assert channel == "channel"
    assert expected == written(SERIALIZER.dumps_typed(given_to_saver)[1])
    assert SERIALIZER.dumps_typed(given_to_saver) == SERIALIZER.dumps_typed(wire(value))


def test_writing_does_not_load_langgraph() -> None:
    """A process that has not loaded LangGraph hands a `Send` to the serializer without loading it."""
    code = (
        "import sys\n"
        "from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer\n"
        "from lcel_compat._serde import to_wire_writes\n"
        "from lcel_compat.types import Send\n"
        "[(_, packet)] = to_wire_writes([('__pregel_tasks', Send('a', 1, timeout=2))])\n"
        "assert b'langgraph.types' in JsonPlusSerializer().dumps_typed(packet)[1]\n"
        "assert 'langgraph.types' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], env=environment(), check=True, timeout=60)


SPECIAL = [
    ("t1", TASKS, Send("a", {"n": [1]})),
    ("t1", TASKS, Send("b", ["c", 1], timeout=LIMITED)),
    ("t2", INTERRUPT, [Interrupt("sure?", "7f"), Interrupt({"n": 1}, "80", response_schema={"type": "object"})]),
    ("t3", "n", 1),
    ("t3", "messages", [HumanMessage("hi", id="m")]),
]


@LOSES
@pytest.mark.usefixtures("either")
def test_pending_writes_come_back_from_a_saver_as_they_were() -> None:
    """What tasks wrote under LangGraph's special names and under a state's own is read as what it was."""
    saver, config = InMemorySaver(), _thread("1")
    config = saver.put(config, empty_checkpoint(), {}, {})
    for task in dict.fromkeys(task for task, *_ in SPECIAL):
        saver.put_writes(config, to_wire_writes((channel, value) for t, channel, value in SPECIAL if t == task), task)
    found = saver.get_tuple(config)
    assert found is not None
    assert from_wire_writes(found.pending_writes) == SPECIAL


@LOSES
@pytest.mark.usefixtures("either")
def test_packets_come_back_from_a_checkpoint_as_they_were() -> None:
    """The packets of the next superstep and the state are read from a checkpoint as what they were."""
    values = {TASKS: [Send("a", {"n": 1}), Send("b", None, timeout=LIMITED)], "n": 1, "todo": ["a", 1]}
    saver, checkpoint = InMemorySaver(), empty_checkpoint()
    checkpoint["channel_values"] = to_wire_checkpoint(values)
    checkpoint["channel_versions"] = dict.fromkeys(values, "1")
    config = saver.put(_thread("1"), checkpoint, {}, checkpoint["channel_versions"])
    found = saver.get_tuple(config)
    assert found is not None
    assert values == from_wire_checkpoint(found.checkpoint["channel_values"])


@LOSES
@pytest.mark.usefixtures("without_langgraph")
def test_an_overwrite_still_overwrites_after_it_has_become_a_dict() -> None:
    """Without LangGraph an `Overwrite` is read as a dict, which a reduced key takes for the same."""
    [(_, _, write)] = from_wire_writes([("t", "n", stored(wire(Overwrite([1]))))])
    assert overwrites(write)
    assert overwriting(write) == [1]


@pytest.mark.usefixtures("without_langgraph")
def test_a_value_that_only_pickle_takes_is_pickled_as_ours() -> None:
    """With `pickle_fallback`, a packet that msgpack refuses can be written and read without LangGraph."""
    serializer = JsonPlusSerializer(pickle_fallback=True)
    packet = Send("a", {"n": 1 + 2j}, timeout=LIMITED)
    kind, data = serializer.dumps_typed(wire(packet))
    assert kind == "pickle"
    assert packet == serializer.loads_typed((kind, data))


@pytest.mark.usefixtures("without_langgraph")
@pytest.mark.parametrize("case", WRITTEN)
def test_a_saver_that_keeps_objects_gives_back_ours(case: str) -> None:
    """What is not serialized at all, or pickled, or copied, is ours again when it is read."""
    value, _ = WRITTEN[case]
    keeps: list[Callable[[Any], Any]] = [lambda kept: kept, copy.deepcopy, _pickled]
    for keep in keeps:
        [(_, _, read)] = from_wire_writes([("t", "key", keep(wire(value)))])
        assert value == read
        assert type(value) is type(read)


def _pickled(value: Any) -> Any:
    return pickle.loads(pickle.dumps(value))


READ = {
    "packet": (TASKS, ["a", {"n": 1}], Send("a", {"n": 1})),
    "packet in a tuple": (TASKS, ("a", 1), Send("a", 1)),
    "packet without a policy": (TASKS, ["a", 1, None], Send("a", 1)),
    "packet of a later LangGraph": (
        TASKS,
        ["a", 1, {"run_timeout": 2.0, "idle_timeout": None, "refresh_on": "auto", "grace": 1}],
        Send("a", 1, timeout=2),
    ),
    "packet with one field of a policy": (TASKS, ["a", 1, {"run_timeout": 2.0}], Send("a", 1, timeout=2)),
    "no packet": (TASKS, [1, 2], [1, 2]),
    "lost packet": (TASKS, None, None),
    "too long for a packet": (TASKS, ["a", 1, None, 2], ["a", 1, None, 2]),
    "interrupt alone": (INTERRUPT, {"value": 1, "id": "7f"}, Interrupt(1, "7f")),
    "interrupts in a tuple": (INTERRUPT, ({"value": 1, "id": "7f"},), (Interrupt(1, "7f"),)),
    "interrupt before 0.6": (
        INTERRUPT,
        [{"value": 1, "resumable": True, "ns": ["a:1"], "when": "during"}],
        [Interrupt(1, "b65aa096a1ddcbb45dc317ce993bf219")],
    ),
    "interrupt before 0.2.24": (INTERRUPT, [{"value": 1, "when": "during"}], [Interrupt(1)]),
    "no interrupt": (INTERRUPT, [{"id": "7f"}, 1], [{"id": "7f"}, 1]),
    "error": (ERROR, "ValueError('no')", "ValueError('no')"),
    "same shapes as a user's values": ("n", [["a", 1], {"value": 1, "id": "7f"}], [["a", 1], {"value": 1, "id": "7f"}]),
}


@pytest.mark.parametrize("case", READ)
def test_what_is_left_of_an_object_is_read_only_where_it_can_be_nothing_else(case: str) -> None:
    """Lists and dicts become packets and interrupts under the special names; all else stays as it is."""
    channel, value, expected = READ[case]
    assert [("t", channel, expected)] == from_wire_writes([("t", channel, value)])


def test_a_checkpoint_that_holds_packets_in_an_older_form_is_left_as_it_is() -> None:
    """What is no list of packets, and what a packet cannot be, is handed on to the engine."""
    for value in (None, [], [None], [[], [["a", 1]]]):
        assert {TASKS: value} == from_wire_checkpoint({TASKS: value})


def test_there_may_be_no_pending_writes_and_task_ids_become_text() -> None:
    """A saver may answer `None` for pending writes; ids are compared as text, as LangGraph does."""
    assert from_wire_writes(None) == []
    assert from_wire_writes([(7, "n", 1)]) == [("7", "n", 1)]  # type: ignore[list-item]  # a UUID, from some savers


def test_an_exception_is_read_as_one_that_tells_what_it_was() -> None:
    """The serializer keeps an exception's `repr`; `as_error` makes an exception with that text, and keeps real ones."""
    failed = ValueError("no")
    [(_, _, text)] = from_wire_writes([("t", ERROR, stored(dict(to_wire_writes([(ERROR, failed)]))[ERROR]))])
    assert text == "ValueError('no')"
    assert type(as_error(text)) is Exception
    assert str(as_error(text)) == "ValueError('no')"
    assert failed is as_error(failed)


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**40), 2**40) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text(max_size=5), PLAIN, max_size=4))
def test_values_without_our_types_are_neither_changed_nor_copied(values: dict[str, Any]) -> None:
    """Whatever a user's state holds is handed on as the very same objects, both ways."""
    assert _same(values.values(), to_wire_checkpoint(values).values())
    assert _same(values.values(), (value for _, value in to_wire_writes(values.items())))
    user_s = {name: value for name, value in values.items() if name not in (TASKS, INTERRUPT)}
    assert _same(user_s.values(), from_wire_checkpoint(user_s).values())
    read = from_wire_writes([("t", name, value) for name, value in user_s.items()])
    assert _same(user_s.values(), (value for *_, value in read))


def _same(expected: Iterable[Any], actual: Iterable[Any]) -> bool:
    return all(one is other for one, other in zip(expected, actual, strict=True))


class Detour(Send):
    """A user's own kind of packet."""


def test_subclasses_are_the_user_s_own() -> None:
    """An object of a class derived from ours is not renamed: LangGraph does not know what it adds."""
    detour = Detour("a", 1)
    assert detour is wire(detour)


def test_a_value_is_searched_one_level_deep() -> None:
    """Deeper than a list, tuple or dict of the state nothing is renamed, and nothing that is given is changed."""
    deep, state = [Send("a", 1)], {"n": Send("b", 1)}
    assert deep is wire([deep, Send("a", 1)])[0]
    assert type(wire(state)["n"]) is not Send
    assert Send("b", 1) == state["n"]
    assert type(state["n"]) is Send


MESSAGES: list[AnyMessage | AIMessageChunk | RemoveMessage | Document] = [
    HumanMessage("hi", id="1", name="bob"),
    AIMessage("yes", tool_calls=[{"name": "f", "args": {"n": 1}, "id": "c", "type": "tool_call"}]),
    AIMessage("no", usage_metadata={"input_tokens": 1, "output_tokens": 2, "total_tokens": 3}),
    AIMessageChunk(content="y", response_metadata={"model_name": "m"}),
    SystemMessage([{"type": "text", "text": "be brief"}]),
    ToolMessage("2", tool_call_id="c", artifact={"n": 1}),
    ChatMessage(content="hi", role="critic"),
    FunctionMessage(content="2", name="f"),
    RemoveMessage(id="1"),
    Document("text", metadata={"n": 1}),
]


@pytest.mark.usefixtures("either")
@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: type(message).__name__)
def test_messages_need_nothing(message: Any) -> None:
    """Core's messages are the same classes for both engines: they go to the saver untouched and come back equal."""
    assert message is wire(message)
    assert {"messages": [message]} == from_wire_checkpoint({"messages": stored([message])})
    assert type(message) is type(stored(message))


def _thread(thread: str) -> Any:
    return {"configurable": {"thread_id": thread, "checkpoint_ns": ""}}
