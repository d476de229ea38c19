"""State schemas: which keys a class declares, what nodes are given, and the JSON schemas of a graph."""

from __future__ import annotations

import operator
import typing
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, Optional

import pytest
import typing_extensions
from langchain_core.messages import AIMessage
from pydantic import BaseModel, Field, ValidationError

from lcel_compat import START, MessagesState, StateGraph
from lcel_compat._schema import portable, read_schema
from lcel_compat.channels import LastValue, Reduced
from lcel_compat.errors import InvalidGraphError
from tests.support.colours import Colour
from tests.support.engines import LANGGRAPH, OURS, Library


class Typed(typing.TypedDict):
    """A state of ``typing``."""

    topic: str
    log: Annotated[list[str], operator.add]


class Extended(typing_extensions.TypedDict):
    """A state of ``typing_extensions``."""

    topic: str
    log: Annotated[list[str], operator.add]


class Optionals(typing.TypedDict, total=False):
    """Nothing of it is required but one key."""

    topic: typing.Required[str]
    log: Annotated[list[str], operator.add]


class Mixed(typing.TypedDict):
    """Wrappers on top of reducers."""

    topic: str
    log: typing.NotRequired[Annotated[list[str], operator.add]]
    mark: typing_extensions.NotRequired[int]


class Inherited(Optionals):
    """A required key on top of optional ones."""

    count: int


class Inner(typing.TypedDict):
    """Part of another."""

    words: list[str]


class Nested(typing.TypedDict):
    """TypedDicts in every kind of container."""

    topic: str
    inner: Inner
    several: list[Inner]
    by_name: dict[str, Inner]
    perhaps: Inner | None
    old_style: Optional[Inner]  # noqa: UP045 - the spelling is the point
    pair: tuple[Inner, int]
    choice: Literal["a", "b"]
    log: Annotated[list[Inner], operator.add]


class Tree(typing.TypedDict):
    """A recursive state."""

    topic: str
    children: list[Tree]


@dataclass
class Data:
    """A dataclass with defaults of both kinds."""

    topic: str
    log: Annotated[list[str], operator.add] = field(default_factory=list)
    mark: int = 3


class Model(BaseModel):
    """A pydantic model."""

    topic: str
    log: Annotated[list[str], operator.add] = Field(default_factory=list)
    mark: int = 3


CLASSES: list[Any] = [Typed, Extended, Optionals, Mixed, Inherited, Nested, Tree, Data, Model]
EVERY = pytest.mark.parametrize("source", CLASSES, ids=lambda c: c.__name__)


def one_node(lib: Library, state: Any, node: Any, **schemas: Any) -> Any:
    """A compiled graph of one node."""
    builder = lib.StateGraph(state, **schemas)
    builder.add_node("node", node)
    builder.add_edge(lib.START, "node")
    return builder.compile()


def idle(state: Any) -> None:
    """A node that does nothing."""


@pytest.mark.parametrize(
    ("source", "keys"),
    [
        (Typed, {"topic": LastValue, "log": Reduced}),
        (Extended, {"topic": LastValue, "log": Reduced}),
        (Optionals, {"topic": LastValue, "log": Reduced}),
        (Mixed, {"topic": LastValue, "log": Reduced, "mark": LastValue}),
        (Inherited, {"topic": LastValue, "log": Reduced, "count": LastValue}),
        (Tree, {"topic": LastValue, "children": LastValue}),
        (Data, {"topic": LastValue, "log": Reduced, "mark": LastValue}),
        (Model, {"topic": LastValue, "log": Reduced, "mark": LastValue}),
        (MessagesState, {"messages": Reduced}),
        (Annotated[int, operator.add], {"__root__": Reduced}),
        (int, {"__root__": LastValue}),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_keys(source: Any, keys: dict[str, type]) -> None:
    """Every field is a key, in the order of declaration; one annotated with a function is folded."""
    assert {name: type(channel) for name, channel in read_schema(source).channels.items()} == keys


@pytest.mark.parametrize(
    ("source", "kind"),
    [(Typed, dict), (Extended, dict), (Optionals, dict), (Data, Data), (Model, Model)],
    ids=lambda value: value.__name__,
)
def test_a_node_is_given_an_instance(colour: Colour, source: Any, kind: Any) -> None:
    """A node sees an instance of the state's class; the run's result is a dict in any case."""
    seen: list[Any] = []

    def node(state: Any) -> dict[str, list[str]]:
        seen.append(state)
        return {"log": ["node"]}

    result = colour.invoke(one_node(OURS, source, node), {"topic": "birds", "log": ["in"]})
    assert type(seen[0]) is kind
    topic = seen[0]["topic"] if kind is dict else seen[0].topic
    assert (topic, result["log"]) == ("birds", ["in", "node"])


@pytest.mark.parametrize("source", [Data, Model], ids=lambda c: c.__name__)
def test_an_instance_as_input_and_as_update(colour: Colour, source: Any) -> None:
    """A run may be given an instance of the state's class, and a node may return one."""
    graph = one_node(OURS, source, lambda state: source(topic="new", log=["node"]))
    assert colour.invoke(graph, source(topic="old", log=["in"])) == {"topic": "new", "log": ["in", "node"], "mark": 3}


def test_pydantic_validates_what_a_node_is_given(colour: Colour) -> None:
    """A pydantic state is validated when a node reads it, so that wrong input is an error of pydantic's."""
    with pytest.raises(ValidationError, match="topic"):
        colour.invoke(one_node(OURS, Model, idle), {"topic": ["no text"]})


def test_plain_type_is_the_whole_state(colour: Colour) -> None:
    """A state that is no mapping is given, kept and returned as it is."""
    builder = StateGraph(Annotated[int, operator.add])
    builder.add_sequence([("double", lambda n: n), ("one", lambda n: 1)])
    builder.add_edge(START, "double")
    assert colour.invoke(builder.compile(), 5) == 11


def test_input_and_output_schemas(colour: Colour) -> None:
    """Only keys of the input schema are taken, only keys of the output schema are returned."""

    class In(typing.TypedDict):
        topic: str

    class Out(typing.TypedDict):
        answer: str

    class State(In, Out):
        log: Annotated[list[str], operator.add]

    graph = one_node(OURS, State, lambda s: {"answer": f"{s['topic']}{s['log']}"}, input_schema=In, output_schema=Out)
    assert colour.invoke(graph, {"topic": "birds", "log": ["dropped"]}) == {"answer": "birds[]"}


class TopicOnly(typing.TypedDict):
    """A node's own view."""

    topic: str


class Private(typing.TypedDict):
    """A key that only nodes pass to each other."""

    secret: str


def test_a_node_reads_what_its_annotation_says(colour: Colour) -> None:
    """A node whose parameter is annotated with a class is given that part of the state alone."""
    seen: list[Any] = []

    def node(state: TopicOnly) -> None:
        seen.append(state)

    colour.invoke(one_node(OURS, Typed, node), {"topic": "birds", "log": ["in"]})
    assert seen == [{"topic": "birds"}]


def test_private_keys(colour: Colour) -> None:
    """A key that only a node's schema declares can be written and read, and is not returned."""

    def first(state: Typed) -> dict[str, str]:
        return {"secret": "shared"}

    def second(state: Private) -> dict[str, list[str]]:
        return {"log": [state["secret"]]}

    builder = StateGraph(Typed)
    builder.add_sequence([first, second]).add_edge(START, "first")
    assert colour.invoke(builder.compile(), {"topic": "t"}) == {"topic": "t", "log": ["shared"]}


def test_key_that_was_never_written(colour: Colour) -> None:
    """A plain key that nobody wrote is not there, while a folded one starts empty."""
    seen: list[Any] = []
    colour.invoke(one_node(OURS, Typed, lambda s: seen.append(s)), {})
    assert seen == [{"log": []}]


def test_unresolvable_annotation() -> None:
    """An annotation that the module does not know is an error that names the class and the name."""

    class Lost(typing.TypedDict):
        key: Nowhere  # type: ignore[name-defined] # noqa: F821

    with pytest.raises(InvalidGraphError, match=r"'Lost'.*Nowhere"):
        StateGraph(Lost)


# JSON schemas ----------------------------------------------------------------------------------------------


@EVERY
def test_json_schema_names_the_keys(source: Any) -> None:
    """Every class has JSON schemas of input and output, ``typing.TypedDict`` on Python 3.11 too."""
    graph = one_node(OURS, source, idle)
    for schema in (graph.get_input_jsonschema(), graph.get_output_jsonschema()):
        resolved = schema if "properties" in schema else next(iter(schema["$defs"].values()))
        assert set(resolved["properties"]) == set(read_schema(source).keys)


@pytest.mark.parametrize(
    ("source", "required"),
    [
        (Typed, {"topic", "log"}),
        (Optionals, {"topic"}),
        (Mixed, {"topic"}),
        (Inherited, {"topic", "count"}),
        (Data, {"topic"}),
        (Model, {"topic"}),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_json_schema_says_what_is_required(source: Any, required: set[str]) -> None:
    """``total=False``, ``NotRequired``, ``Required``, inheritance and defaults decide what is required.

    The annotations of this module are strings, which hide the wrappers from the class itself.
    """
    schema = one_node(OURS, source, idle).get_input_jsonschema()
    assert set(schema.get("required", ())) == required


@EVERY
def test_schema_classes_validate(source: Any) -> None:
    """``get_input_schema`` and ``get_output_schema`` are pydantic models, as core's tools need them."""
    graph = one_node(OURS, source, idle)
    for model in (graph.get_input_schema(), graph.get_output_schema()):
        assert issubclass(model, BaseModel)
        assert model.model_json_schema()
    with pytest.raises(ValidationError):
        graph.get_input_schema().model_validate({"topic": ["no text"]})


def test_recursive_schema_refers_to_itself() -> None:
    """A TypedDict that contains itself is described by a reference, and validated at every depth."""
    graph = one_node(OURS, Tree, idle)
    good = {"topic": "a", "children": [{"topic": "b", "children": []}]}
    bad = {"topic": "a", "children": [{"topic": 1, "children": []}]}
    model = graph.get_input_schema()
    assert model.model_validate(good)
    with pytest.raises(ValidationError):
        model.model_validate(bad)


def test_nested_schema_is_validated() -> None:
    """TypedDicts inside lists, dicts, unions and tuples are read as well."""
    model = one_node(OURS, Nested, idle).get_input_schema()
    inner = {"words": ["x"]}
    good = {
        "topic": "t",
        "inner": inner,
        "several": [inner],
        "by_name": {"a": inner},
        "perhaps": None,
        "old_style": inner,
        "pair": (inner, 1),
        "choice": "a",
        "log": [],
    }
    assert model.model_validate(good)
    for key, wrong in {"inner": {}, "several": [{}], "by_name": {"a": 1}, "perhaps": 1, "pair": (1, 1)}.items():
        with pytest.raises(ValidationError):
            model.model_validate({**good, key: wrong})


def test_portable_leaves_the_rest_alone() -> None:
    """Types without a TypedDict in them are the very same afterwards."""
    for hint in (int, list[str], dict[str, int] | None, Annotated[int, "note"], Literal["a"], AIMessage):
        assert portable(hint) is hint


def test_messages_state_schema() -> None:
    """``MessagesState`` has a schema with the message types in it."""
    schema = one_node(OURS, MessagesState, idle).get_input_jsonschema()
    assert "messages" in schema["properties"]
    assert "AIMessage" in schema["$defs"]


@pytest.mark.langgraph
@pytest.mark.parametrize("source", [Extended, Data, Model, MessagesState], ids=lambda c: c.__name__)
@pytest.mark.parametrize("side", ["input", "output"])
def test_same_json_schema_as_langgraph(source: Any, side: str) -> None:
    """Where LangGraph can make a JSON schema on this Python, ours is the same."""
    mine, theirs = (one_node(lib, source, idle) for lib in (OURS, LANGGRAPH))
    assert getattr(mine, f"get_{side}_jsonschema")() == getattr(theirs, f"get_{side}_jsonschema")()
