"""State keys that the run computes: how many supersteps are left."""

from __future__ import annotations

import operator
from dataclasses import dataclass, field
from importlib import import_module
from typing import Annotated, Any, NotRequired, TypedDict

import pytest
from langchain_core.runnables import RunnableLambda
from pydantic import BaseModel

from lcel_adapters import as_node
from lcel_compat import END, START, StateGraph
from lcel_compat._schema import read_schema
from lcel_compat.errors import InvalidGraphError
from lcel_compat.managed import IsLastStep, IsLastStepManager, RemainingSteps, RemainingStepsManager, managed_of
from tests.support.colours import Colour
from tests.support.engines import LANGGRAPH, OURS, Library

BOTH = (LANGGRAPH, OURS)


class State(TypedDict):
    """A state that counts down."""

    last: IsLastStep
    log: Annotated[list[str], operator.add]
    left: NotRequired[RemainingSteps]


def theirs(kind: str = "TypedDict") -> Any:
    """A state with LangGraph's own annotations, which mean the same."""
    managed = import_module("langgraph.managed")
    log = Annotated[list[str], operator.add]
    if kind == "TypedDict":
        return TypedDict("Theirs", {"last": managed.IsLastStep, "log": log, "left": managed.RemainingSteps})  # type: ignore[operator]
    namespace = {"__annotations__": {"last": managed.IsLastStep, "log": log, "left": managed.RemainingSteps}}
    if kind == "dataclass":
        defaults = {"last": False, "left": 0, "log": field(default_factory=list)}
        return dataclass(type("Theirs", (), {**namespace, **defaults}))
    return type("Theirs", (BaseModel,), {**namespace, "last": False, "left": 0, "log": [], "__module__": __name__})


def look(state: Any) -> Any:
    """A node that notes what it is given."""
    seen = state if isinstance(state, dict) else vars(state)
    return {"log": [f"{seen['last']} {seen['left']}"], "left": 99}


def route(state: Any) -> str:
    """A path that reads what the run computes."""
    return END if (state if isinstance(state, dict) else vars(state))["last"] else "look"


def counting(lib: Library, schema: Any) -> Any:
    """A graph that goes round until its last superstep."""
    builder = lib.StateGraph(schema).add_node("look", look).add_edge(START, "look")
    return builder.add_conditional_edges("look", route).compile()


def test_schema() -> None:
    """A managed key is no channel; it is computed from the superstep and the limit."""
    schema = read_schema(State)
    assert (tuple(schema.channels), tuple(schema.managed)) == (("log",), ("last", "left"))
    assert schema.computed(3, 10) == {"last": False, "left": 7}
    assert schema.computed(9, 10) == {"last": True, "left": 1}
    assert managed_of(operator.add) is None


def test_in_a_run(colour: Colour) -> None:
    """Nodes and paths read what is left of the run, writes to such a key are dropped, and no output shows it."""
    result = colour.invoke(counting(OURS, State), {"log": [], "left": 7}, {"recursion_limit": 4})
    assert result == {"log": ["False 3", "False 2", "True 1"]}


@pytest.mark.langgraph
@pytest.mark.parametrize("kind", ["TypedDict", "dataclass", "model"])
def test_as_in_langgraph(colour: Colour, kind: str) -> None:
    """LangGraph's annotations give nodes and paths the values that they give them there, in every mode."""
    modes = {"stream_mode": ["values", "updates"], "config": {"recursion_limit": 5}}
    schema = theirs(kind)
    expected, actual = (colour.observe_stream(counting(lib, schema), {"log": []}, **modes) for lib in (LANGGRAPH, OURS))
    assert expected == actual
    assert len(actual) == 9


@pytest.mark.langgraph
def test_ours_in_langgraph(colour: Colour) -> None:
    """LangGraph refuses our annotations aloud, and takes them once they are registered there."""
    managed_value = import_module("langgraph.managed.base").ManagedValue
    schemas = [TypedDict(f"S{n}", {"left": RemainingSteps, "last": IsLastStep, "log": list}) for n in "ab"]  # type: ignore[operator]
    if not issubclass(RemainingStepsManager, managed_value):
        with pytest.raises(ValueError, match="reducer"):
            LANGGRAPH.StateGraph(schemas[0])
    for manager in (IsLastStepManager, RemainingStepsManager):
        managed_value.register(manager)
    graphs = [lib.StateGraph(schemas[1]).add_node("look", look).add_edge(START, "look").compile() for lib in BOTH]
    results = [colour.invoke(graph, {"log": []}, {"recursion_limit": 3}) for graph in graphs]
    assert results == [{"log": ["False 2"]}] * 2


def test_an_adapted_node_may_map_one(colour: Colour) -> None:
    """``as_node`` may name a managed key as its input."""
    node = as_node(RunnableLambda(lambda left: [f"{left}"]), input="left", output="log")
    graph = StateGraph(State).add_node("node", node).add_edge(START, "node").compile()
    assert colour.invoke(graph, {"log": []}, {"recursion_limit": 9}) == {"log": ["8"]}


class Part(TypedDict):
    """A part of the state with a managed key."""

    left: RemainingSteps


@pytest.mark.parametrize("side", ["input_schema", "output_schema"])
def test_not_in_input_and_output(side: str) -> None:
    """What the run computes can neither be given nor returned."""
    with pytest.raises(InvalidGraphError, match=rf"{side.split('_')[0]} schema 'Part' has 'left'"):
        StateGraph(State, **{side: Part})


@pytest.mark.langgraph
@pytest.mark.parametrize("side", ["input_schema", "output_schema"])
def test_not_in_input_and_output_there(side: str) -> None:
    """LangGraph refuses the same, in either library's graph with LangGraph's annotations."""
    for lib in (LANGGRAPH, OURS):
        with pytest.raises(ValueError, match=r"Managed|computes"):
            lib.StateGraph(theirs(), **{side: theirs("dataclass")})


def test_a_node_may_declare_one(colour: Colour) -> None:
    """A node's own schema may have a managed key that the state does not have."""

    class Plain(TypedDict):
        log: Annotated[list[str], operator.add]

    def node(state: Part) -> Any:
        return {"log": [str(state)]}

    graph = StateGraph(Plain).add_node("node", node).add_edge(START, "node").compile()
    assert colour.invoke(graph, {"log": []}, {"recursion_limit": 3}) == {"log": ["{'left': 2}"]}


class Kept(TypedDict):
    """The same key as one that is kept."""

    left: int


class Other(TypedDict):
    """The same key as another computation."""

    left: IsLastStep


@pytest.mark.parametrize("schema", [Kept, Other], ids=lambda c: c.__name__)
def test_schemas_have_to_agree(schema: Any) -> None:
    """A key cannot be computed for one node and kept, or computed otherwise, for another; in either order."""
    for first, second in ((State, schema), (schema, State)):
        with pytest.raises(InvalidGraphError, match="'left'"):
            StateGraph(first).add_node("node", look, input_schema=second)
