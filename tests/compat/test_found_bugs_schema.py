"""JSON schemas that are not yet what the state's class says."""

from __future__ import annotations

import operator
import typing
from dataclasses import dataclass, field
from typing import Annotated, Any

import pytest

from tests.support.engines import LANGGRAPH, OURS, Library


class Optionals(typing.TypedDict, total=False):
    """Nothing of it is required but one key."""

    topic: typing.Required[str]
    log: Annotated[list[str], operator.add]


class Inherited(Optionals):
    """A required key on top of optional ones."""

    count: int


@dataclass
class Data:
    """A dataclass with a default that a function makes."""

    topic: str
    log: Annotated[list[str], operator.add] = field(default_factory=list)


def one_node(lib: Library, state: Any) -> Any:
    """A compiled graph of one node that does nothing."""
    builder = lib.StateGraph(state)
    builder.add_node("node", lambda state: None)
    builder.add_edge(lib.START, "node")
    return builder.compile()


@pytest.mark.parametrize(("source", "required"), [(Optionals, {"topic"}), (Inherited, {"topic", "count"})])
def test_required_in_an_optional_class(source: Any, required: set[str]) -> None:
    """``Required`` in a class with ``total=False`` makes a key required, also where annotations are strings."""
    schema = one_node(OURS, source).get_input_jsonschema()
    assert set(schema.get("required", ())) == required


@pytest.mark.langgraph
def test_default_factory_of_a_dataclass() -> None:
    """A dataclass's default that a function makes is in the JSON schema, as in LangGraph's."""
    mine, theirs = (one_node(lib, Data) for lib in (OURS, LANGGRAPH))
    assert mine.get_input_jsonschema() == theirs.get_input_jsonschema()
