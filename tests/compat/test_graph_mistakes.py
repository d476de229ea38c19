"""Mistakes in a graph or a call, refused with words that help."""

from __future__ import annotations

from typing import Any, TypedDict

import pytest

from lcel_compat import StateGraph
from lcel_compat.errors import InvalidGraphError


class State(TypedDict, total=False):
    """One plain key."""

    answer: str


@pytest.mark.parametrize("argument", ["input_schema", "output_schema"])
@pytest.mark.parametrize("schema", [{"answer": str}, "State"], ids=str)
def test_schema_that_is_no_type(argument: str, schema: Any) -> None:
    """What is no type cannot be an input or output schema either, and the error says so."""
    with pytest.raises(InvalidGraphError, match=r"schema.*type"):
        StateGraph(State, **{argument: schema})


@pytest.mark.parametrize("schema", [{"answer": str}, "State"], ids=str)
def test_schema_of_a_node_that_is_no_type(schema: Any) -> None:
    """The same goes for what a node is given."""
    with pytest.raises(InvalidGraphError, match=r"schema.*type"):
        StateGraph(State).add_node("a", lambda state: None, input_schema=schema)
