"""LangGraph's own ``Command`` and ``Send`` in our graphs: a program that is half moved runs as it did."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Annotated, Any, Literal, TypedDict

import pytest

from lcel_compat import END, START, Command, Send, StateGraph
from lcel_compat._annotations import node_annotations
from lcel_compat._foreign import adopted, is_command
from lcel_compat.errors import InvalidUpdateError, ParentCommand
from lcel_compat.policies import TimeoutPolicy
from tests.support.colours import Colour
from tests.support.engines import LANGGRAPH, OURS, Library

pytestmark = pytest.mark.langgraph


class State(TypedDict, total=False):
    """One key that is folded and one that is not."""

    log: Annotated[list[str], operator.add]
    answer: str


def note(name: str) -> Callable[[Any], State]:
    """A node that notes its name and what it was given."""
    return lambda state: {"log": [f"{name}:{state.get('answer')}"]}


RESULTS: dict[str, Callable[[Library], Any]] = {
    "command": lambda lib: lib.Command(update={"answer": "x"}, goto="b"),
    "command to several": lambda lib: lib.Command(goto=["b", lib.Send("c", {"answer": "sent"})]),
    "command to a packet": lambda lib: lib.Command(update={"log": ["a"]}, goto=lib.Send("c", {"answer": "sent"})),
    "command to the end": lambda lib: lib.Command(update={"log": ["a"]}, goto=END),
    "command with pairs": lambda lib: lib.Command(update=[("log", ["a"]), ("log", ["b"]), ("answer", "x")]),
    "list of commands": lambda lib: [lib.Command(update={"log": ["a"]}, goto="b"), {"answer": "x"}],
    "packet": lambda lib: lib.Send("c", {"answer": "sent"}),
}
ANSWERS: dict[str, Callable[[Library], Any]] = {
    "packet": lambda lib: lib.Send("c", {"answer": "sent"}),
    "packets": lambda lib: [lib.Send("c", {"answer": "1"}), "b", lib.Send("b", {"answer": "2"})],
}


def returning(engine: Library, types: Library, name: str) -> Any:
    """A graph whose node returns one of ``RESULTS`` made of these types."""
    builder = engine.StateGraph(State)
    for node in "bc":
        builder.add_node(node, note(node))
    return builder.add_node("a", lambda state: RESULTS[name](types)).add_edge(START, "a").compile()


def answering(engine: Library, types: Library, name: str) -> Any:
    """A graph whose conditional edge gives one of ``ANSWERS`` made of these types."""
    builder = engine.StateGraph(State)
    for node in "abc":
        builder.add_node(node, note(node))
    builder.add_conditional_edges("a", lambda state: ANSWERS[name](types))
    return builder.add_edge(START, "a").compile()


@pytest.mark.parametrize(
    ("build", "name"),
    [*((returning, name) for name in RESULTS), *((answering, name) for name in ANSWERS)],
    ids=lambda value: value if isinstance(value, str) else value.__name__,
)
def test_the_same_stream(colour: Colour, build: Callable[[Library, Library, str], Any], name: str) -> None:
    """Results and answers made of LangGraph's types, or of ours, stream what LangGraph's graph streams."""
    modes = {"stream_mode": ["values", "updates"]}
    given = {"log": ["in"]}
    expected = colour.observe_stream(build(LANGGRAPH, LANGGRAPH, name), given, **modes)
    for types in (LANGGRAPH, OURS):
        assert expected == colour.observe_stream(build(OURS, types, name), given, **modes)


def test_our_command_to_their_packet(colour: Colour) -> None:
    """The two may be mixed: our command goes to LangGraph's packet."""
    builder = StateGraph(State).add_node("c", note("c"))
    theirs = LANGGRAPH.Send("c", {"answer": "sent"})
    for goto in (theirs, [theirs]):
        graph = builder.add_node(f"a{type(goto).__name__}", lambda state, goto=goto: Command(goto=goto))
        compiled = graph.add_edge(START, f"a{type(goto).__name__}").compile()
    assert colour.invoke(compiled, {"log": []}) == {"log": ["c:sent", "c:sent"]}


def test_adopted() -> None:
    """Every field comes over, of derived classes too; what is neither stays the very same object."""

    class Derived(LANGGRAPH.Send):  # type: ignore[name-defined, misc]
        """A packet of the user's."""

    timed = LANGGRAPH.Send("c", 1, timeout=3)
    assert adopted(timed) == Send("c", 1, timeout=TimeoutPolicy(run_timeout=3.0))
    assert adopted(Derived("c", 1)) == Send("c", 1)
    theirs = LANGGRAPH.Command(graph="x", update={"a": 1}, resume={"i": 2}, goto=[timed, "b"])
    assert adopted(theirs) == Command(graph="x", update={"a": 1}, resume={"i": 2}, goto=[adopted(timed), "b"])
    others: list[Any] = [Send("a", 1), Command(), {"a": 1}, None, "b", type(theirs)]
    for other in others:
        assert adopted(other) is other
    commands: list[Any] = [theirs, Command(), timed, Send("a", 1), {}]
    assert [is_command(x) for x in commands] == [True, True, False, False, False]


def test_annotations_of_theirs() -> None:
    """A return annotation with LangGraph's ``Command`` says where a node may lead, also as one of several results."""
    command = LANGGRAPH.Command

    def alone(state: State) -> Any: ...

    def one_of(state: State) -> Any: ...

    alone.__annotations__["return"] = command[Literal["b", "c"]]
    one_of.__annotations__["return"] = command[Literal["b"]] | State
    assert (node_annotations(alone)[1], node_annotations(one_of)[1]) == (("b", "c"), ("b",))


@pytest.mark.parametrize("types", [LANGGRAPH, OURS], ids=lambda lib: lib.name)
@pytest.mark.parametrize("several", [False, True])
def test_command_for_the_parent(types: Library, several: bool) -> None:
    """A command for the graph around leaves the node as ``ParentCommand``, with nothing written."""
    command = types.Command(graph=Command.PARENT, update={"answer": "x"}, goto="elsewhere")
    node = returning(OURS, OURS, "packet").program.nodes["a"]
    with pytest.raises(ParentCommand) as caught:
        node.writes([{"log": ["a"]}, command] if several else command)
    assert caught.value.command == Command(graph=Command.PARENT, update={"answer": "x"}, goto="elsewhere")


def test_what_they_do_not_say_right() -> None:
    """A misspelt node in LangGraph's types is as much of an error as in ours."""
    node = returning(OURS, OURS, "packet").program.nodes["a"]
    for result in (LANGGRAPH.Send("nowhere", {}), LANGGRAPH.Command(goto="nowhere"), LANGGRAPH.Command(graph="aside")):
        with pytest.raises(InvalidUpdateError, match="'a'"):
            node.writes(result)
