"""Values in files: what comes back is what was, and nothing that a file asks for is made but messages and the like."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.agents import AgentAction, AgentActionMessageLog, AgentFinish
from langchain_core.documents import Document
from langchain_core.load import dumpd
from langchain_core.messages import (
    AIMessage,
    AIMessageChunk,
    ChatMessage,
    ChatMessageChunk,
    FunctionMessage,
    FunctionMessageChunk,
    HumanMessage,
    HumanMessageChunk,
    RemoveMessage,
    SystemMessage,
    SystemMessageChunk,
    ToolMessage,
    ToolMessageChunk,
)
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, Generation, GenerationChunk
from langchain_core.prompt_values import ChatPromptValue, ChatPromptValueConcrete, StringPromptValue

from lcel_compat.events import to_json, to_jsonable
from lcel_compat.events._stored import _CLASSES, NotStoredError, from_stored, may_hold_objects, to_stored

CALL: Any = {"name": "look", "args": {"at": ["a", 1]}, "id": "c1"}
USAGE: Any = {"input_tokens": 1, "output_tokens": 2, "total_tokens": 3}
OBJECTS: list[Any] = [
    AIMessage("a", tool_calls=[CALL], usage_metadata=USAGE, id="x", response_metadata={"lc": 1}),
    AIMessageChunk(content="he", tool_call_chunks=[{"name": "a", "args": '{"x', "id": "1", "index": 0}]),
    AIMessageChunk(content=[{"type": "text", "text": "x", "index": 0}]),
    HumanMessage([{"type": "text", "text": "x"}], additional_kwargs={"lc": {"lc": 1}}),
    HumanMessage("x", custom="a field of no class"),
    HumanMessageChunk(content="x"),
    SystemMessage("s", name="n"),
    SystemMessageChunk(content="s"),
    ToolMessage("r", tool_call_id="c", artifact={"lc": 1, "x": [1]}, status="error"),
    ToolMessageChunk(content="r", tool_call_id="c"),
    ChatMessage(content="x", role="r"),
    ChatMessageChunk(content="x", role="r"),
    FunctionMessage(content="x", name="f"),
    FunctionMessageChunk(content="x", name="f"),
    RemoveMessage(id="z"),
    Document("p", metadata={"lc": 1, "n": {"__lc_escaped__": 2}}, id="d"),
    Generation(text="x"),
    GenerationChunk(text="y", generation_info={"a": 1}),
    ChatGeneration(message=AIMessage("m")),
    ChatGenerationChunk(message=AIMessageChunk(content="m")),
    ChatPromptValue(messages=[HumanMessage("x")]),
    ChatPromptValue(messages=[]),
    ChatPromptValueConcrete(messages=[AIMessage("x")]),
    StringPromptValue(text="x"),
    AgentAction(tool="t", tool_input={"a": 1}, log="l"),
    AgentActionMessageLog(tool="t", tool_input="a", log="l", message_log=[AIMessage("m")]),
    AgentFinish({"output": 1}, "l"),
]


@pytest.mark.parametrize("value", OBJECTS, ids=lambda value: type(value).__name__)
def test_an_object_comes_back(value: Any) -> None:
    """Through text and back, an object of each class is equal, of its class, and the same JSON."""
    back = from_stored(json.loads(json.dumps(to_stored({"in": [value]}))))["in"][0]
    assert type(back) is type(value)
    assert back == value
    assert to_json(back) == to_json(value)


def test_every_class_of_the_table_is_tested() -> None:
    """The objects above are of each class that a file may ask for."""
    assert {type(value).__name__ for value in OBJECTS} == {name for names in _CLASSES.values() for name in names}


def test_core_reads_what_we_write() -> None:
    """``langchain_core.load`` restores what is kept, which is core's own form."""
    from langchain_core.load.load import Reviver

    message = AIMessage("a", id="x")
    stored: Any = to_stored(message)
    assert Reviver(allowed_objects=[AIMessage])(stored) == message
    assert from_stored(dumpd(message)) == message


def test_a_derived_class_is_kept_as_cores() -> None:
    """A message of someone's own class is kept as the core message that it is."""

    class Mine(AIMessage):
        type: Any = "mine"
        more: int = 3

    back = from_stored(to_stored(Mine(content="x", id="i")))
    assert type(back) is AIMessage
    assert back == AIMessage("x", id="i")


LOOKALIKES: list[Any] = [
    dumpd(AIMessage("x")),
    {"lc": 1},
    {"lc": 2, "type": "constructor"},
    {"lc": 1, "type": "secret", "id": ["PATH"]},
    {"__lc_escaped__": {"lc": 1}},
    {"a": [{"__lc_escaped__": dumpd(AIMessage("x"))}], "__lc_escaped__": 1},
]


@pytest.mark.parametrize("value", LOOKALIKES, ids=range(len(LOOKALIKES)))
def test_a_dict_that_looks_like_an_object_stays_a_dict(value: Any) -> None:
    """What an application has in its dicts comes back as it was, whatever core would make of it."""
    assert from_stored(json.loads(json.dumps(to_stored([value])))) == [value]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda inner: (
        st.lists(inner) | st.dictionaries(st.sampled_from(["lc", "type", "id", "__lc_escaped__", "x"]), inner)
    ),
)


@given(value=JSON)
def test_any_json_comes_back(value: Any) -> None:
    """JSON of any shape comes back equal, and text is only searched for objects where there may be some."""
    text = json.dumps(to_stored(value))
    back = from_stored(json.loads(text)) if may_hold_objects(text) else json.loads(text)
    assert back == to_jsonable(value)


@given(value=JSON)
def test_any_json_in_a_file_is_read_or_refused(value: Any) -> None:
    """Whatever a file holds, reading it gives a value or ``NotStoredError``, nothing else."""
    try:
        from_stored(value)
    except NotStoredError:
        assert may_hold_objects(json.dumps(value))


def test_everything_else_is_its_json() -> None:
    """What is no object of the table is kept as ``to_jsonable`` gives it, cycles and objects without a form as well."""
    cycle: list[Any] = [{"lc": 1}]
    cycle.append(cycle)
    for value in (cycle, {1: {2}, "x": b"y"}, object, ValueError("x"), (1, (2,)), float("nan"), {"a": Ellipsis}):
        stored = to_stored(value)
        json.dumps(stored)
        if value is not cycle:
            assert stored == to_jsonable(value)
    assert from_stored(to_stored(cycle)) == [{"lc": 1}, {"type": "cycle", "path": "$"}]
