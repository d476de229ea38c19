"""What ``to_jsonable`` and ``to_json`` make of everything an event or a stream item may hold."""

from __future__ import annotations

import array
import collections
import dataclasses
import datetime
import decimal
import enum
import fractions
import functools
import ipaddress
import json
import math
import os
import pathlib
import re
import subprocess
import sys
import types
import uuid
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple
from unittest.mock import MagicMock

import pydantic
import pydantic.v1
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from langchain_core.agents import AgentAction, AgentFinish
from langchain_core.documents import Document
from langchain_core.language_models.fake_chat_models import GenericFakeChatModel
from langchain_core.messages import (
    AIMessage,
    AIMessageChunk,
    AnyMessage,
    BaseMessage,
    ChatMessage,
    FunctionMessage,
    HumanMessage,
    RemoveMessage,
    SystemMessage,
    ToolMessage,
)
from langchain_core.output_parsers import StrOutputParser
from langchain_core.outputs import (
    ChatGeneration,
    ChatGenerationChunk,
    ChatResult,
    Generation,
    LLMResult,
)
from langchain_core.prompt_values import ChatPromptValue, ImagePromptValue, StringPromptValue
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import Runnable, RunnableLambda
from langchain_core.tools import tool
from langchain_core.tracers.log_stream import RunLogPatch

from lcel_compat.events import _json_rules, _json_text, _json_values, to_json, to_jsonable
from lcel_compat.events._json_walk import Encoder
from lcel_compat.types import Command, Send
from tests.support.models import Shelf

CALL = {"name": "search", "args": {"q": "x"}, "id": "1", "type": "tool_call"}
HERE = "tests.compat.test_json"


class Colour(enum.Enum):
    RED = "red"
    PAIR = (1, 2)


class Level(enum.IntEnum):
    HIGH = 3


class Mood(str, enum.Enum):  # noqa: UP042 - the form that code for Python 3.10 still has
    GOOD = "good"


class Point(NamedTuple):
    x: int
    y: object


@dataclasses.dataclass
class Plain:
    name: str
    parts: object = None
    unset: int = dataclasses.field(init=False)


@dataclasses.dataclass(frozen=True, slots=True)
class Slotted:
    value: object


class Inner(pydantic.BaseModel):
    a: int = 1


class Wider(Inner):
    b: int = 2


class Model(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="allow", arbitrary_types_allowed=True)

    inner: Inner
    thing: Any = None
    hidden: str = pydantic.Field(default="no", exclude=True)
    secret: pydantic.SecretStr = pydantic.SecretStr("s3cret")

    @pydantic.computed_field  # type: ignore[prop-decorator]
    @property
    def double(self) -> int:
        return self.inner.a * 2


class Celsius(pydantic.BaseModel):
    degrees: float
    inner: Inner = Inner()

    @pydantic.field_serializer("degrees")
    def with_unit(self, degrees: float) -> str:
        return f"{degrees} °C"


class BrokenDump(pydantic.BaseModel):
    a: int = 1

    def model_dump(self, **_: Any) -> dict[str, Any]:
        raise RuntimeError("no")


class Numbers(pydantic.RootModel[list[int]]):
    pass


class Old(pydantic.v1.BaseModel):
    a: int = 1
    b: object = None


class Bag(Mapping[str, object]):
    def __init__(self, **items: object) -> None:
        self.items_ = items

    def __getitem__(self, key: str) -> object:
        return self.items_[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self.items_)

    def __len__(self) -> int:
        return len(self.items_)


class Row:
    """Something with ``keys`` and ``[]``, as rows of databases have them, and registered nowhere."""

    def keys(self) -> list[str]:
        return ["id"]

    def __getitem__(self, key: str) -> int:
        return 7


class Unregistered:
    def __len__(self) -> int:
        return 2

    def __getitem__(self, index: int) -> int:
        return [5, 6][index]

    def __iter__(self) -> Iterator[int]:
        return iter([5, 6])


class Endless(Sequence[int]):
    def __getitem__(self, index: Any) -> Any:
        return 0

    def __len__(self) -> int:
        return sys.maxsize


class Matrix:
    """The part of NumPy's arrays and scalars that the encoder reads."""

    dtype = "int64"

    def __init__(self, plain: object) -> None:
        self.plain = plain

    def tolist(self) -> object:
        return self.plain


class Client:
    def __init__(self) -> None:
        self.api_key = "s3cret"


class BadRepr:
    def __repr__(self) -> str:
        raise RuntimeError("no")


class BadEverything:
    def __getattribute__(self, name: str) -> Any:
        raise RuntimeError(name)

    def __hash__(self) -> int:
        return 1

    def __eq__(self, other: object) -> bool:
        raise RuntimeError("==")


class BadMeta(type):
    def __getattribute__(cls, name: str) -> Any:
        raise RuntimeError(name)

    def __hash__(cls) -> int:
        raise RuntimeError("hash")


class BadClass(metaclass=BadMeta):
    pass


class BadMapping(Bag):
    def __getitem__(self, key: str) -> object:
        raise KeyError(key)


class BadText(str):
    def __str__(self) -> str:
        raise RuntimeError("no")

    def isascii(self) -> bool:
        return True


class BadError(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no")


class Bottomless:
    """A mapping that holds a new one of its kind, for ever."""

    def keys(self) -> list[str]:
        return ["a", "b"]

    def __getitem__(self, key: str) -> Bottomless:
        return Bottomless()


class SlotsOnly:
    __slots__ = ("value",)


def plain_function() -> None: ...


def failing_node() -> Exception:
    try:
        raise ValueError("bad", 3) from KeyError("k")
    except ValueError as error:
        error.add_note("in node 'a'")
        return error


def message_fields(**fields: object) -> dict[str, object]:
    common: dict[str, object] = {"additional_kwargs": {}, "response_metadata": {}, "name": None, "id": None}
    return common | fields


SCALARS: list[tuple[object, object]] = [
    (None, None),
    (True, True),
    (0, 0),
    (-(2**63), -(2**63)),
    (2**64 - 1, 2**64 - 1),
    (2**64, "18446744073709551616"),
    (-(2**63) - 1, "-9223372036854775809"),
    (1 << 4000, hex(1 << 4000)),
    (1 << 40000, hex(1 << 40000)),
    (1.5, 1.5),
    (math.nan, "NaN"),
    (math.inf, "Infinity"),
    (-math.inf, "-Infinity"),
    ("é\u2028", "é\u2028"),
    ("a\ud800b", "a\ufffdb"),
    ("\ud83d\ude00", "😀"),
    (BadText("text"), "text"),
    (BadText("\ud800"), "\ufffd"),
    (Level.HIGH, 3),
    (Mood.GOOD, "good"),
    (Colour.RED, "red"),
    (Colour.PAIR, [1, 2]),
    (b"\x00\xff", "AP8="),
    (bytearray(b"a"), "YQ=="),
    (memoryview(b"a"), "YQ=="),
    (decimal.Decimal("1.10"), "1.10"),
    (decimal.Decimal("sNaN"), "sNaN"),
    (fractions.Fraction(1, 3), "1/3"),
    (1 + 2j, "1+2j"),
    (uuid.UUID(int=7), "00000000-0000-0000-0000-000000000007"),
    (datetime.datetime(2024, 1, 2, 3, 4, 5, tzinfo=datetime.UTC), "2024-01-02T03:04:05+00:00"),
    (datetime.date(2024, 1, 2), "2024-01-02"),
    (datetime.time(3, 4), "03:04:00"),
    (datetime.timedelta(minutes=1, milliseconds=500), 60.5),
    (datetime.UTC, "UTC"),
    (pathlib.PurePosixPath("/a/b"), "/a/b"),
    (re.compile("a+", re.IGNORECASE), "a+"),
    (ipaddress.ip_address("10.0.0.1"), "10.0.0.1"),
    (collections.UserString("u"), "u"),
    (pydantic.SecretStr("s3cret"), "**********"),
    (pydantic.AnyUrl("https://example.com/a"), "https://example.com/a"),
    (Matrix(3), 3),
]

CONTAINERS: list[tuple[object, object]] = [
    ((1, "a"), [1, "a"]),
    (collections.deque([1, (2,)]), [1, [2]]),
    ({3, 20, 100}, [3, 20, 100]),
    ({"b", "a", None, 2, math.inf}, [2, "Infinity", "a", "b", None]),
    (frozenset({frozenset({2, 1})}), [[1, 2]]),
    (range(3), [0, 1, 2]),
    (array.array("i", [1, 2]), [1, 2]),
    (types.SimpleNamespace(a=1), {"a": 1}),
    (types.MappingProxyType({"a": 1}), {"a": 1}),
    (collections.OrderedDict(b=1, a=2), {"b": 1, "a": 2}),
    (collections.defaultdict(list, a=[1]), {"a": [1]}),
    (collections.ChainMap({"a": 1}, {"b": 2}), {"b": 2, "a": 1}),
    (collections.UserList([1]), [1]),
    ({"a": 1}.keys(), ["a"]),
    ({"a": 1}.values(), [1]),
    ({"a": 1}.items(), [["a", 1]]),
    (Bag(a={1}), {"a": [1]}),
    (Row(), {"id": 7}),
    (Unregistered(), [5, 6]),
    (Matrix([[1, 2], [3, 4]]), [[1, 2], [3, 4]]),
    (Point(1, {2}), {"x": 1, "y": [2]}),
    (Plain("n", Slotted(1)), {"name": "n", "parts": {"value": 1}}),
    (Numbers([1, 2]), [1, 2]),
    (Old(b={1}), {"a": 1, "b": [1]}),
    (Celsius(degrees=3, inner=Wider()), {"degrees": "3.0 °C", "inner": {"a": 1, "b": 2}}),
    (BrokenDump(), {"a": 1}),
    (
        Model(inner=Wider(), thing={1}, more=b"a"),  # type: ignore[call-arg]
        {
            "inner": {"a": 1, "b": 2},
            "thing": [1],
            "secret": "**********",
            "more": "YQ==",
            "double": 2,
        },
    ),
    (Send("a", {1}), {"node": "a", "args": [1]}),
    (
        Command(update={"a": (1,)}, goto=[Send("b", 1)]),
        {"graph": None, "update": {"a": [1]}, "resume": None, "goto": [{"node": "b", "args": 1}]},
    ),
]

KEYS: list[tuple[object, object]] = [
    ({1: "a", None: "b", 2.5: "c"}, {"1": "a", "null": "b", "2.5": "c"}),
    ({True: 1, False: 0}, {"true": 1, "false": 0}),
    ({math.nan: 1}, {"NaN": 1}),
    ({(1, "a"): 1}, {'[1,"a"]': 1}),
    ({Mood.GOOD: 1, uuid.UUID(int=0): 2}, {"good": 1, str(uuid.UUID(int=0)): 2}),
    ({1: "number", "1": "text"}, {"1#2": "number", "1": "text"}),
    ({1: 1, "1": 2, "1#2": 3}, {"1#3": 1, "1": 2, "1#2": 3}),
    (dict(zip(["\ud800", "\udfff", "\ufffd"], [1, 2, 3], strict=True)), {"\ufffd#2": 1, "\ufffd#3": 2, "\ufffd": 3}),
    ({Slotted((1, Slotted(2))): 1}, {'{"value":[1,{"value":2}]}': 1}),
]

OPAQUE: list[tuple[object, object]] = [
    (Client(), {"type": f"{HERE}.Client", "repr": f"<{HERE}.Client object>"}),
    (SlotsOnly(), {"type": f"{HERE}.SlotsOnly", "repr": f"<{HERE}.SlotsOnly object>"}),
    (BadRepr(), {"type": f"{HERE}.BadRepr", "repr": "<repr() failed>"}),
    (BadEverything(), {"type": f"{HERE}.BadEverything", "repr": f"<{HERE}.BadEverything object>"}),
    (BadMapping(a=1), {"type": f"{HERE}.BadMapping", "repr": f"<{HERE}.BadMapping object>"}),
    (iter([1]), {"type": "builtins.list_iterator", "repr": "<list_iterator object>"}),
    (plain_function, {"type": "builtins.function", "name": f"{HERE}.plain_function"}),
    (len, {"type": "builtins.builtin_function_or_method", "name": "builtins.len"}),
    ("".join, {"type": "builtins.builtin_function_or_method", "name": "str.join"}),
    (Plain, {"type": "builtins.type", "name": f"{HERE}.Plain"}),
    (json, {"type": "builtins.module", "name": "json"}),
    (Client().__repr__, {"type": "builtins.method-wrapper", "repr": None}),
    (
        RunnableLambda(len, name="mine"),
        {"type": "langchain_core.runnables.base.RunnableLambda", "name": "mine"},
    ),
    (functools.partial(int, "1"), {"type": "functools.partial", "repr": None}),
    (MagicMock(name="m"), {"type": "unittest.mock.MagicMock", "repr": None}),
]

ERRORS: list[tuple[BaseException, object]] = [
    (ValueError("bad"), {"type": "exception", "error": "ValueError", "message": "bad"}),
    (ValueError(), {"type": "exception", "error": "ValueError", "message": ""}),
    (KeyError("k"), {"type": "exception", "error": "KeyError", "message": "'k'", "args": ["k"]}),
    (
        BadError({1}),
        {
            "type": "exception",
            "error": "BadError",
            "message": "<str() failed>",
            "args": [[1]],
        },
    ),
    (
        failing_node(),
        {
            "type": "exception",
            "error": "ValueError",
            "message": "('bad', 3)",
            "args": ["bad", 3],
            "notes": ["in node 'a'"],
            "cause": {"type": "exception", "error": "KeyError", "message": "'k'", "args": ["k"]},
        },
    ),
    (
        ExceptionGroup("two", [ValueError("a"), TypeError("b")]),
        {
            "type": "exception",
            "error": "ExceptionGroup",
            "message": "two (2 sub-exceptions)",
            "exceptions": [
                {"type": "exception", "error": "ValueError", "message": "a"},
                {"type": "exception", "error": "TypeError", "message": "b"},
            ],
        },
    ),
]

LANGCHAIN: list[pydantic.BaseModel] = [
    HumanMessage("hi", id="1", name="me"),
    SystemMessage([{"type": "text", "text": "be brief"}]),
    AIMessage("", tool_calls=[CALL], response_metadata={"m": 1}),
    AIMessage("x", usage_metadata={"input_tokens": 1, "output_tokens": 2, "total_tokens": 3}),
    AIMessageChunk(content="x", tool_call_chunks=[{"name": "a", "args": "{", "id": "1", "index": 0}]),
    ToolMessage("3", tool_call_id="1", artifact={"rows": [1]}, status="error"),
    FunctionMessage(content="3", name="f"),
    ChatMessage(content="x", role="critic"),
    RemoveMessage(id="1"),
    Document("text", metadata={"source": "a"}, id="d"),
    StringPromptValue(text="x"),
    ImagePromptValue(image_url={"url": "data:,"}),
    Generation(text="x", generation_info={"logprobs": None}),
    AgentAction(tool="search", tool_input={"q": "x"}, log="l"),
    AgentFinish({"output": "x"}, "l"),
]


def ids(cases: Sequence[tuple[object, object]]) -> list[str]:
    return [f"{type(value).__name__}{index}" for index, (value, _) in enumerate(cases)]


@pytest.mark.parametrize(("value", "expected"), SCALARS, ids=ids(SCALARS))
def test_scalars(value: object, expected: object) -> None:
    """A value without parts becomes the scalar that the module's table names."""
    actual = to_jsonable(value)
    assert (type(actual), actual) == (type(expected), expected)


@pytest.mark.parametrize(("value", "expected"), CONTAINERS, ids=ids(CONTAINERS))
def test_containers(value: object, expected: object) -> None:
    """A value with parts becomes an array or an object that has all of them, in a stable order."""
    actual = to_jsonable(value)
    assert actual == expected
    assert json.dumps(actual) == json.dumps(expected)


@pytest.mark.parametrize(("value", "expected"), KEYS, ids=ids(KEYS))
def test_keys(value: object, expected: object) -> None:
    """Keys of any type become text, and no two of them the same."""
    assert to_jsonable(value) == expected


@pytest.mark.parametrize(("value", "expected"), ERRORS, ids=ids(ERRORS))
def test_exceptions(value: BaseException, expected: object) -> None:
    """An exception shows its class and message, and whatever else it knows."""
    assert to_jsonable(value) == expected


@pytest.mark.parametrize(("value", "expected"), OPAQUE, ids=ids(OPAQUE))
def test_values_without_a_form(value: object, expected: dict[str, str | None]) -> None:
    """Anything else is named by its dotted class, and shown without addresses and attributes."""
    actual = to_jsonable(value)
    assert isinstance(actual, dict)
    assert actual.keys() == expected.keys()
    assert {key: part for key, part in actual.items() if expected[key] is not None} == {
        key: part for key, part in expected.items() if part is not None
    }
    assert not re.search("0x[0-9a-f]{6}|s3cret", to_json(actual))


@pytest.mark.parametrize("value", LANGCHAIN, ids=lambda value: type(value).__name__)
def test_langchain_models_are_their_flat_dump(value: pydantic.BaseModel) -> None:
    """Messages, documents and their like look as ``model_dump()`` has them, keys in its order."""
    assert to_json(value) == json.dumps(value.model_dump(), separators=(",", ":"))


def test_models_inside_models_keep_their_own_fields() -> None:
    """A message in a prompt value or generation keeps what ``model_dump()`` of the outer loses."""
    message = AIMessage("", tool_calls=[CALL])
    assert "tool_calls" not in ChatPromptValue(messages=[message]).model_dump()["messages"][0]
    flat = message.model_dump()
    generation = ChatGeneration(message=message)
    inner = {"text": "", "generation_info": None, "type": "ChatGeneration", "message": flat}
    assert to_jsonable(ChatPromptValue(messages=[message])) == {"messages": [flat]}
    assert to_jsonable(generation) == inner
    assert to_jsonable(ChatResult(generations=[generation])) == {
        "generations": [inner],
        "llm_output": None,
    }
    assert to_jsonable(LLMResult(generations=[[generation]]))["generations"] == [[inner]]  # type: ignore[index, call-overload]


def test_message_with_odd_content() -> None:
    """A message is flat however odd the things are that its free-form fields hold."""
    message = ToolMessage("x", tool_call_id="1", artifact={"raw": b"a", "at": {math.nan}})
    expected = message_fields(content="x", type="tool", tool_call_id="1", artifact={"raw": "YQ==", "at": ["NaN"]})
    assert to_jsonable(message) == expected | {"status": "success"}


def test_chunk_of_a_generation() -> None:
    """The chunk of v1's model events keeps the message chunk whole."""
    chunk = AIMessageChunk(content="x", id="1")
    value = to_jsonable(ChatGenerationChunk(message=chunk))
    assert isinstance(value, dict)
    assert value["message"] == chunk.model_dump()


def test_run_log_patch() -> None:
    """An item of ``astream_log`` is its operations, as LangServe sends it."""
    patch = RunLogPatch({"op": "add", "path": "/a", "value": HumanMessage("x", id="1")})
    value = HumanMessage("x", id="1").model_dump()
    assert to_jsonable(patch) == {"ops": [{"op": "add", "path": "/a", "value": value}]}


@pytest.mark.langgraph
def test_langgraph_values() -> None:
    """LangGraph's own packets, commands, interrupts and snapshots are read without importing it."""
    from langgraph import types as theirs

    assert to_jsonable(theirs.Send("a", {1})) == {"node": "a", "args": [1]}
    assert to_jsonable(theirs.Interrupt("why", id="i")) == {
        "value": "why",
        "id": "i",
        "response_schema": None,
    }
    command = theirs.Command(goto="x", update={"a": (1,)})
    assert to_jsonable(command) == {
        "graph": None,
        "update": {"a": [1]},
        "resume": None,
        "goto": "x",
    }
    task = theirs.PregelTask("1", "a", ("pull",), interrupts=(theirs.Interrupt("why", id="i"),))
    shown = to_jsonable(task)
    assert isinstance(shown, dict)
    assert shown["path"] == ["pull"]
    assert shown["interrupts"] == [to_jsonable(theirs.Interrupt("why", id="i"))]


def test_cycle_names_the_path() -> None:
    """A value inside itself is cut with the path of where it was met first."""
    inner: dict[str, object] = {}
    inner["odd key"] = [inner]
    node = Plain("n")
    node.parts = {"self": node}
    model = Model(inner=Inner())
    model.thing = [model]
    assert to_jsonable([1, {"a": inner}]) == [
        1,
        {"a": {"odd key": [{"type": "cycle", "path": "$[1].a"}]}},
    ]
    assert to_json({"x y": inner}).endswith('{"type":"cycle","path":"$[\\"x y\\"]"}]}}')
    assert to_jsonable([node]) == [{"name": "n", "parts": {"self": {"type": "cycle", "path": "$[0]"}}}]
    assert '"thing":[{"type":"cycle","path":"$"}]' in to_json(model)


def test_exceptions_that_cause_each_other() -> None:
    """A cycle of causes ends as any other."""
    one, two = ValueError("1"), ValueError("2")
    one.__cause__, two.__cause__ = two, one
    assert to_json(one).count("cycle") == 1


def test_shared_values_are_no_cycle() -> None:
    """What stands twice side by side is shown twice."""
    shared = [[1]]
    assert to_jsonable([shared, shared, {"a": shared}]) == [[[1]], [[1]], {"a": [[1]]}]


def nested(levels: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(levels):
        value = [value]
    return value


@pytest.mark.parametrize("levels", [101, 102, 5_000, 200_000])
def test_depth_is_bounded(levels: int) -> None:
    """The hundredth level is the last; nothing below it is opened, however deep it goes."""
    value: Any = to_jsonable(nested(levels))
    depth = 0
    while isinstance(value, list) and value:
        value, depth = value[0], depth + 1
    assert depth == 100
    assert value == {"type": "truncated", "of": "builtins.list"}


def test_one_level_less_is_whole() -> None:
    """A hundred levels and an empty one below them are not cut."""
    assert to_jsonable(nested(100)) == nested(100)


def at_the_end_of_the_stack(call: Callable[[], str], spare: int) -> str:
    frame: types.FrameType | None = sys._getframe()
    used = 0
    while frame is not None:
        used, frame = used + 1, frame.f_back

    def down(left: int) -> str:
        return call() if left <= 0 else down(left - 1)

    return down(sys.getrecursionlimit() - used - spare)


@pytest.mark.parametrize("indent", [None, 2])
def test_a_full_stack_is_no_obstacle(indent: int | None) -> None:
    """The walk and the text need no stack of Python's, so they work at the end of it too."""
    value = {"a": nested(90), "b": [1, "x", {"c": None, "é": []}], "e": {}}
    text = at_the_end_of_the_stack(lambda: to_json(value, indent=indent), spare=40)
    assert json.loads(text) == value


def test_amount_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """A value that would unfold without end is cut after so many parts, and stays stable."""
    unfolding = functools.partial(Encoder, parts=1_000)
    once = unfolding().encode(Bottomless())
    assert to_json(once).count('"of"') > 10
    assert len(to_json(once)) < 100_000
    assert unfolding().encode(once) == once
    monkeypatch.setattr(_json_values, "MAX_ITEMS", 3)
    cut = {"type": "truncated", "of": f"{HERE}.Endless"}
    assert to_jsonable(Endless()) == [0, 0, 0, cut]


def test_what_only_looks_like_a_marker_is_encoded() -> None:
    """Someone's own object with the keys of a marker is an object like any other."""
    alike: list[dict[object, object]] = [
        {"type": "truncated", "of": {1}},
        {"type": "truncated", "of": "\ud800"},
        {"type": "truncated", "of": 1},
        {"type": {1}, "of": "x"},
    ]
    assert to_jsonable(alike) == [
        {"type": "truncated", "of": [1]},
        {"type": "truncated", "of": "\ufffd"},
        {"type": "truncated", "of": 1},
        {"type": [1], "of": "x"},
    ]


def test_a_wide_value_that_repeats_itself_ends() -> None:
    """Ten lists of a hundred references each are not 100**10 parts."""
    value: list[Any] = []
    for _ in range(10):
        value = [value] * 100
    once = Encoder(parts=10_000).encode(value)
    assert len(to_json(once)) < 1_000_000


def test_iterators_are_not_consumed() -> None:
    """A generator that is encoded can still be iterated from its start."""
    numbers = (number for number in range(3))
    assert to_jsonable({"g": numbers}) == {
        "g": {
            "type": "builtins.generator",
            "repr": "<generator object test_iterators_are_not_consumed.<locals>.<genexpr>>",
        }
    }
    assert list(numbers) == [0, 1, 2]


def test_hostile_classes() -> None:
    """Not even a class that refuses every question is an error."""
    shown = to_jsonable([BadClass(), BadClass])
    assert json.loads(to_json(shown)) == shown


def test_fields_that_raise_show_why() -> None:
    """A computed field that raises stands there as the exception."""

    class Shaky(pydantic.BaseModel):
        a: int = 1

        @pydantic.computed_field  # type: ignore[prop-decorator]
        @property
        def b(self) -> int:
            raise ValueError("no b")

    error = {"type": "exception", "error": "ValueError", "message": "no b"}
    assert to_jsonable(Shaky()) == {"a": 1, "b": error}


def test_interrupts_pass_through() -> None:
    """Only what is not an ``Exception`` leaves the encoder."""

    class Stop(Bag):
        def __len__(self) -> int:
            return 1

        def keys(self) -> Any:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        to_jsonable([Stop()])


def test_input_is_left_alone() -> None:
    """Encoding neither changes a value nor shares a container with it."""
    event = {"data": {"chunk": AIMessageChunk(content="x", id="1"), "tags": ["a"], "default": None}}
    missing: collections.defaultdict[str, list[int]] = collections.defaultdict(list)
    copy = {"data": dict(event["data"], tags=["a"])}
    out: Any = to_jsonable([event, missing])
    out[0]["data"]["tags"].append("b")
    out[0]["data"]["chunk"]["additional_kwargs"]["k"] = 1
    assert event == copy
    assert not missing


def test_text_is_strict_and_on_one_line() -> None:
    """The text is UTF-8, has no NaN, and no reader finds a line end in it; indented it has some."""
    value = {"a": ["\u2028\u2029\x85\n\r\x0b\ud800", math.nan, "é"]}
    text = to_json(value)
    assert text == r'{"a":["\u2028\u2029\u0085\n\r\u000b' + '\ufffd","NaN","é"]}'
    assert text.splitlines() == [text]
    assert json.loads(text.encode()) == to_jsonable(value)
    assert len(to_json(value, indent=2).splitlines()) == 7


def test_long_reprs_are_cut() -> None:
    """A repr may be as long as it likes; 500 characters of it are shown."""

    class Talker:
        def __repr__(self) -> str:
            return "x" * 10_000

    shown = to_jsonable(Talker())
    assert isinstance(shown, dict)
    assert shown["repr"] == "x" * 500 + "…"


def test_sets_are_stable_across_processes() -> None:
    """The order of a set does not depend on the seed of string hashes."""
    program = (
        "from lcel_compat.events import to_json;"
        "print(to_json([{'a', 'bb', 'c', 4, (1, 'x'), None, frozenset('xyz')}, {'k': {'q', 'r'}}]))"
    )

    def run(seed: str) -> str:
        environ = os.environ | {"PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join(sys.path)}
        done = subprocess.run([sys.executable, "-c", program], env=environ, capture_output=True, text=True, check=True)
        return done.stdout

    assert len({run(seed) for seed in "123"}) == 1


def test_import_is_cheap() -> None:
    """Importing the encoder loads neither LangChain nor pydantic nor NumPy."""
    program = "import sys, lcel_compat.events._json; print(*sys.modules)"
    environ = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", program], env=environ, capture_output=True, text=True, check=True)
    roots = {name.partition(".")[0] for name in done.stdout.split()}
    assert not roots & {"langchain_core", "langgraph", "pydantic", "numpy", "asyncio"}


def test_many_classes_do_not_pile_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rules of classes made at run time are forgotten, and built-in values survive that."""
    monkeypatch.setattr(_json_rules, "_MAX_RULES", 8)
    monkeypatch.setattr(_json_rules, "_RULES", {})
    for number in range(30):
        cls = dataclasses.make_dataclass(f"Made{number}", ["a"])
        assert to_jsonable([cls(True), Mood.GOOD, None, 1]) == [{"a": True}, "good", None, 1]
    assert len(_json_rules._RULES) <= 8


# --- whatever Hypothesis thinks of ---------------------------------------------------------------


def cyclic(parts: list[Any]) -> list[Any]:
    parts.append(parts)
    return parts


def cyclic_dict(parts: dict[Any, Any]) -> dict[Any, Any]:
    parts["self"] = {"inner": (parts,)}
    return parts


def wrapped(given: tuple[object, int]) -> object:
    """A value so far down that the bound on depth falls somewhere inside it."""
    value, levels = given
    for _ in range(levels):
        value = {"d": value}
    return value


HOSTILE = st.one_of(
    # One builds each: what Hypothesis itself may look at must not raise.
    st.builds(lambda: BadClass()),
    st.builds(lambda: BadClass),
    st.builds(lambda: BadEverything()),
    st.builds(BadRepr),
    st.builds(BadError),
    st.builds(lambda: BadMapping(a=1)),
    st.builds(SlotsOnly),
    st.builds(Client),
    st.builds(Row),
    st.builds(Unregistered),
    st.builds(lambda: MagicMock()),
)
HASHABLE = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(st.characters(exclude_categories=())),
    st.binary(max_size=8),
    st.complex_numbers(),
    st.decimals(allow_nan=False),  # A signaling NaN has no hash.
    st.fractions(),
    st.uuids(),
    st.datetimes(),
    st.dates(),
    st.timedeltas(),
    st.sampled_from([Colour.PAIR, Mood.GOOD, Level.HIGH, int, len, math, ..., NotImplemented]),
    st.integers(1 << 2040, 1 << 2060),
    st.text().map(BadText),
)
NESTED_HASHABLE = st.recursive(
    HASHABLE,
    lambda inner: st.one_of(
        st.tuples(inner, inner),
        st.frozensets(inner, max_size=3),
        inner.map(Slotted),
        inner.map(lambda key: Point(1, key)),
    ),
    max_leaves=6,
)
MARKERS = st.sampled_from(
    [
        {"type": "truncated", "of": "a\ud800"},
        {"type": "truncated", "of": 1},
        {"type": "truncated", 1: "of"},
        {"type": "cycle", "path": "$"},
    ]
)
VALUES: st.SearchStrategy[Any] = st.recursive(
    st.one_of(NESTED_HASHABLE, HOSTILE, MARKERS),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(NESTED_HASHABLE, inner, max_size=4),
        st.dictionaries(st.text(max_size=3), inner, max_size=4),
        st.sets(NESTED_HASHABLE, max_size=4),
        st.lists(inner, max_size=3).map(tuple),
        st.lists(inner, max_size=3).map(collections.deque),
        st.lists(inner, max_size=3).map(cyclic),
        st.dictionaries(st.integers(), inner, max_size=3).map(cyclic_dict),
        inner.map(lambda part: Plain("n", part)),
        inner.map(lambda part: Model.model_construct(inner=Inner(), thing=part)),
        inner.map(lambda part: Model.model_construct(inner=part)),
        inner.map(lambda part: Document("x", metadata={"part": part})),
        inner.map(lambda part: AIMessage("x", additional_kwargs={"part": part})),
        inner.map(lambda part: ValueError("x", part)),
        inner.map(lambda part: Bag(a=part)),
        inner.map(lambda part: iter([part])),
        st.tuples(inner, st.sampled_from([90, 98, 99, 100])).map(wrapped),
    ),
    max_leaves=12,
)


@settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(VALUES)
def test_total_idempotent_and_strict(value: Any) -> None:
    """No value raises; its JSON reads back as it was, and encoding it again changes nothing."""
    once = to_jsonable(value)
    text = to_json(value)
    text.encode("utf-8")
    assert json.loads(text, parse_constant=pytest.fail) == once
    assert to_jsonable(once) == once
    assert to_json(once) == text
    assert "".join(_json_text._pieces(json.loads(text))) == _json_text._COMPACT.encode(once)


# --- real events ----------------------------------------------------------------------------------


@tool
def count_letters(text: str) -> int:
    """Count letters."""
    return len(text)


def whole_chain(*, fail: bool = False) -> Runnable[Any, Any]:
    def checked(text: str) -> str:
        if fail:
            raise ValueError("unusable answer")
        return text

    model = GenericFakeChatModel(messages=iter([AIMessage("the answer is long", id="a")]))
    prompt = ChatPromptTemplate.from_messages([("system", "s"), ("human", "{docs} {n}")])
    gather = {"docs": (lambda x: x["q"]) | Shelf(), "n": (lambda x: x["q"]) | count_letters}
    return gather | prompt | model | StrOutputParser() | RunnableLambda(checked)


async def collected(stream: AsyncIterator[Any]) -> list[Any]:
    out: list[Any] = []
    try:
        async for event in stream:
            out.append(event)
    except ValueError:
        out.append({"event": "failed"})
    return out


def models_in(value: Any) -> Iterator[pydantic.BaseModel]:
    """Every message and document in an event, in the order in which it is encoded."""
    if isinstance(value, BaseMessage | Document):
        yield value
    elif isinstance(value, pydantic.BaseModel):
        yield from models_in(list(vars(value).values()))
    elif isinstance(value, dict):
        yield from models_in(list(value.values()))
    elif isinstance(value, list | tuple):
        for part in value:
            yield from models_in(part)


READ: pydantic.TypeAdapter[Any] = pydantic.TypeAdapter(AnyMessage)


def read_back(value: Any) -> Iterator[object]:
    """What a client makes of an event: the messages and documents it tells by their ``type``."""
    if isinstance(value, list):
        for part in value:
            yield from read_back(part)
    elif isinstance(value, dict):
        if value.get("type") == "Document":
            yield Document(**value)
        elif "content" in value and "additional_kwargs" in value:
            yield READ.validate_python(value)
        else:
            yield from read_back(list(value.values()))


@pytest.mark.parametrize("version", ["v1", "v2"])
@pytest.mark.parametrize("fail", [False, True])
@pytest.mark.filterwarnings("ignore:.*v1.*")
async def test_real_events(version: Any, fail: bool) -> None:
    """Every event of a chain with everything in it is JSON, and its messages can be read back."""
    chain = whole_chain(fail=fail)
    events = await collected(chain.astream_events({"q": "why"}, version=version))
    kinds = {event["event"] for event in events}
    expected = {"on_chat_model_stream", "on_parser_stream", "on_retriever_end", "on_tool_end"}
    assert kinds >= expected | ({"failed"} if fail else {"on_chain_end"})
    found = 0
    for event in events:
        decoded = json.loads(to_json(event))
        assert to_jsonable(event) == decoded
        original = list(models_in(event))
        assert list(read_back(decoded)) == original
        found += len(original)
    assert found > 15


@pytest.mark.parametrize("version", ["v1", "v2"])
@pytest.mark.filterwarnings("ignore:.*v1.*")
async def test_plain_json_fails_on_these_events(version: Any) -> None:
    """The events above are what ``json`` alone cannot write, so that the test above says something."""
    events = await collected(whole_chain().astream_events({"q": "why"}, version=version))

    def refused(event: object) -> bool:
        try:
            json.dumps(event)
        except TypeError:
            return True
        return False

    assert sum(map(refused, events)) > 8


@pytest.mark.filterwarnings("ignore:astream_log is deprecated")
async def test_real_log_patches() -> None:
    """Every item of ``astream_log`` is JSON too."""
    patches = [patch async for patch in whole_chain().astream_log({"q": "why"})]
    assert patches
    for patch in patches:
        assert json.loads(to_json(patch))["ops"] == to_jsonable(patch.ops)
