"""Strict msgpack: which classes a graph's schemas allow a saver to build again."""

from __future__ import annotations

import collections
import decimal
import operator
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Annotated, Any, Generic, Literal, NamedTuple, NewType, Optional, TypeVar

import pydantic.v1
import pytest
import typing_extensions
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from pydantic import BaseModel, SecretStr

from lcel_compat._allowlist import serde_allowlist, with_allowlist
from tests.support.fences import environment

T = TypeVar("T")


class Colour(Enum):
    RED = "red"


@dataclass
class Inner:
    colour: Colour


@dataclass
class Item:
    inner: Inner
    again: Item | None = None


@dataclass
class Box(Generic[T]):
    content: T


class Model(BaseModel):
    item: Item


class Old(pydantic.v1.BaseModel):
    n: int


class Pair(NamedTuple):
    left: Item
    right: int


class Typed(typing_extensions.TypedDict):
    item: typing_extensions.NotRequired[Item]


Name = NewType("Name", Item)
Alias = typing_extensions.TypeAliasType("Alias", list[Item])
ITEM = {"Item", "Inner", "Colour"}
FOUND: dict[str, tuple[Any, set[str]]] = {
    "nothing": (None, set()),
    "anything": (Any, set()),
    "builtin": (dict[str, int], set()),
    "what is always allowed": (dict[str, decimal.Decimal], set()),
    "dataclass": (Item, ITEM),
    "pydantic": (Model, {"Model", *ITEM}),
    "pydantic 1": (Old, {"Old"}),
    "enum": (Colour, {"Colour"}),
    "member of an enum": (Literal[Colour.RED], {"Colour"}),
    "TypedDict": (Typed, ITEM),
    "named tuple": (Pair, {"Pair", *ITEM}),
    "secret": (SecretStr, {"SecretStr"}),
    "list": (list[Inner], {"Inner", "Colour"}),
    "deque": (collections.deque[Colour], {"Colour"}),
    "sequence": (Sequence[Inner], {"Inner", "Colour"}),
    "mapping": (Mapping[str, Colour], {"Colour"}),
    "tuple": (tuple[Inner, ...], {"Inner", "Colour"}),
    "union": (Inner | None, {"Inner", "Colour"}),
    "optional": (Optional[Inner], {"Inner", "Colour"}),  # noqa: UP045 - as older code writes it
    "generic dataclass": (Box[Colour], {"Box", "Colour"}),
    "reduced": (Annotated[list[Colour], operator.add], {"Colour"}),
    "remarks are no part of it": (Annotated[int, Item], set()),
    "new type": (Name, ITEM),
    "alias": (Alias, ITEM),
    "function": (Callable[[int], Colour], {"Colour"}),
}
OURS = {"Command", "Interrupt", "Overwrite", "Send", "TimeoutPolicy"}


@pytest.mark.parametrize("case", FOUND)
def test_the_classes_that_a_schema_names_are_allowed(case: str) -> None:
    """Each class that the serializer writes by name is found, however deep the annotation names it."""
    schema, expected = FOUND[case]
    found = serde_allowlist([schema]) - serde_allowlist([])
    assert {name for _, name in found} == expected
    assert {module for module, _ in found} <= {__name__, "pydantic.types"}


def test_messages_and_our_own_types_are_always_allowed() -> None:
    """Without any schema the list holds core's messages and the types that a checkpoint may name as ours."""
    always = serde_allowlist([])
    assert {name for module, name in always if module.startswith("lcel_compat.")} == OURS
    assert ("langchain_core.messages.human", "HumanMessage") in always
    assert {module.split(".")[0] for module, _ in always} == {"lcel_compat", "langchain_core"}


def test_an_annotation_that_cannot_be_resolved_does_not_hide_the_others() -> None:
    """Pydantic has resolved a model's fields even where a name in its class means nothing."""

    class Unresolved(BaseModel):
        item: Item

    Unresolved.__annotations__["other"] = "Missing"
    assert {name for _, name in serde_allowlist([Unresolved])} >= {"Unresolved", *ITEM}


@pytest.mark.parametrize("saver", [None, True, False])
def test_what_is_no_saver_is_handed_on(saver: bool | None) -> None:
    """`compile(checkpointer=...)` takes more than savers."""
    assert with_allowlist(saver, [Item]) is saver


def test_outside_strict_mode_a_saver_stays_as_it_is() -> None:
    """Nothing is narrowed or copied unless the environment asks for strictness, whatever the saver was given."""
    for serde in (None, JsonPlusSerializer(allowed_msgpack_modules=[Colour])):
        saver = InMemorySaver(serde=serde)
        assert with_allowlist(saver, [Item]) is saver


STRICT = """
import operator, sys
from dataclasses import dataclass
from enum import Enum
from typing import Annotated, Any, NamedTuple, TypedDict
from langchain_core.messages import AIMessage, AnyMessage, HumanMessage
from langgraph.checkpoint.memory import InMemorySaver
from pydantic import BaseModel, SecretStr
from lcel_compat._allowlist import with_allowlist
from lcel_compat._serde import from_wire_writes, to_wire_writes
from lcel_compat.types import Interrupt, Send

class Colour(Enum):
    RED = "red"

@dataclass
class Item:
    colour: Colour

class Model(BaseModel):
    item: Item

class Pair(NamedTuple):
    left: Item

@dataclass
class Stranger:
    n: int

class State(TypedDict):
    messages: list[AnyMessage]
    items: Annotated[list[Item], operator.add]
    model: Model | None
    pair: Pair
    key: SecretStr
    deep: list[list[Any]]

state = {
    "messages": [HumanMessage("hi"), AIMessage("ho")],
    "items": [Item(Colour.RED)],
    "model": Model(item=Item(Colour.RED)),
    "pair": Pair(Item(Colour.RED)),
    "key": SecretStr("x"),
    "deep": [[Send("a", 1)]],
}
plain = InMemorySaver()
saver = with_allowlist(plain, [State, None])
assert saver is not plain and saver.storage is plain.storage

def stored(by, value):
    return by.serde.loads_typed(by.serde.dumps_typed(value))

assert stored(saver, state) == state
assert stored(saver, Stranger(1)) == {"n": 1}
assert stored(plain, Item(Colour.RED)) == {"colour": "red"}
assert stored(plain, state["messages"]) == state["messages"]
if sys.argv[1:] == ["special"]:
    writes = [("__pregel_tasks", Send("a", 1, timeout=2)), ("__interrupt__", [Interrupt("sure?", "7f")])]
    read = from_wire_writes([("t", name, stored(plain, value)) for name, value in to_wire_writes(writes)])
    assert [pair for _, *pair in read] == [list(pair) for pair in writes]
"""


@pytest.mark.slow
def test_strict_msgpack_builds_what_the_schemas_name() -> None:
    """With `LANGGRAPH_STRICT_MSGPACK` a state of the graph's classes comes back equal, and of other classes as data."""
    _run_strict()


@pytest.mark.slow
@pytest.mark.langgraph
def test_strict_msgpack_builds_packets_and_interrupts() -> None:
    """With `LANGGRAPH_STRICT_MSGPACK` what stands under LangGraph's special names is read without being allowed."""
    _run_strict("special")


def _run_strict(*arguments: str) -> None:
    env: Mapping[str, str] = environment() | {"LANGGRAPH_STRICT_MSGPACK": "true"}
    done = subprocess.run(
        [sys.executable, "-c", STRICT, *arguments], env=env, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
