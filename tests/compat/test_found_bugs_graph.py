"""Mistakes that are not yet refused, or refused with words that do not help."""

from __future__ import annotations

import asyncio
import operator
from collections.abc import Callable
from typing import Annotated, Any, TypedDict

import pytest

from lcel_compat import END, START, Command, StateGraph
from lcel_compat.errors import InvalidGraphError, InvalidUpdateError
from tests.support.colours import Colour, run

RESERVED = ("__input__", "__interrupt__", "__resume__", "__error__", "__no_writes__", "__pregel_push", "__pregel_pull")
"""What LangGraph's checkpoints use for other things than state keys and nodes."""


class State(TypedDict, total=False):
    """One key that is folded and one that is not."""

    log: Annotated[list[str], operator.add]
    answer: str


def idle(state: Any) -> None:
    """A node that does nothing."""


def graph(node: Any = idle, schema: Any = State) -> StateGraph:
    """A builder of one node, named ``"a"``."""
    return StateGraph(schema).add_node("a", node).add_edge(START, "a")


@pytest.mark.parametrize("name", RESERVED)
def test_reserved_node_names(name: str) -> None:
    """A node cannot have a name under which checkpoints keep something else."""
    with pytest.raises(InvalidGraphError, match=rf"{name}.*reserved"):
        graph().add_node(name, idle).compile()


@pytest.mark.parametrize("name", [*RESERVED, "__pregel_tasks", "branch:to:a"])
def test_reserved_state_keys(name: str) -> None:
    """A state key cannot have such a name either, nor that of a channel of the graph itself."""
    with pytest.raises(InvalidGraphError, match=rf"{name}.*reserved"):
        graph(schema=TypedDict("Odd", {name: int})).compile()  # type: ignore[operator]


@pytest.mark.langgraph
def test_the_same_names_are_reserved() -> None:
    """Every name that LangGraph reserves is reserved, so that a graph can be moved there."""
    from langgraph._internal._constants import RESERVED as THEIRS

    for name in sorted(THEIRS):
        with pytest.raises(InvalidGraphError, match="reserved"):
            graph().add_node(name, idle).compile()


@pytest.mark.parametrize("path_map", [None, {"b": "a"}], ids=["no path map", "path map"])
@pytest.mark.parametrize("answer", [{"to": "a"}, {"a"}, [["a"]]], ids=str)
def test_answer_that_is_not_hashable(colour: Colour, answer: Any, path_map: Any) -> None:
    """An answer of any type that leads nowhere is refused with the names of the edge and its node."""

    def choose(state: Any) -> Any:
        return answer

    compiled = graph().add_conditional_edges("a", choose, path_map).compile()
    with pytest.raises(InvalidUpdateError, match=r"'choose' of node 'a'.*leads nowhere"):
        colour.invoke(compiled, {"log": []})


@pytest.mark.parametrize("goto", [3, None, [["a"]]], ids=str)
def test_command_to_no_node(colour: Colour, goto: Any) -> None:
    """A ``Command`` whose ``goto`` is no name, packet or list of them is refused with the name of its node."""
    with pytest.raises(InvalidUpdateError, match="'a'"):
        colour.invoke(graph(lambda state: Command(goto=goto)).compile(), {"log": []})


@pytest.mark.timeout(5)
@pytest.mark.parametrize("limit", [-1, -5])
def test_negative_max_concurrency(limit: int) -> None:
    """A run that may not run anything is refused, as one without supersteps is, and does not wait for ever."""
    with pytest.raises(ValueError, match="max_concurrency"):
        run(asyncio.wait_for(graph().compile().ainvoke({"log": []}, {"max_concurrency": limit}), 1))
    with pytest.raises(ValueError, match="max_concurrency"):
        graph().compile().invoke({"log": []}, {"max_concurrency": limit})


MISPLACED: list[Callable[[], Any]] = [
    lambda: graph().add_conditional_edges(END, idle, ["a"]).compile(),
    lambda: graph().add_conditional_edges("a", idle, [START]).compile(),
    lambda: graph().add_node("b", idle, destinations=(START,)).compile(),
    lambda: graph().add_edge([START, "a"], "a"),
]


@pytest.mark.parametrize("make", MISPLACED, ids=["from END", "to START", "destinations", "join"])
def test_remedies_that_help(make: Callable[[], Any]) -> None:
    """Nobody is told to add ``START`` or ``END`` with ``add_node``, which refuses them."""
    with pytest.raises(InvalidGraphError) as caught:
        make()
    assert "add_node" not in str(caught.value)


@pytest.mark.parametrize("schema", [{"log": list}, None, "State"], ids=str)
def test_schema_that_is_no_type(schema: Any) -> None:
    """What is no type cannot be a state, and the error says so."""
    with pytest.raises(InvalidGraphError, match=r"schema.*type"):
        StateGraph(schema)


@pytest.mark.parametrize("buffer", ["3", None, 1.5], ids=str)
def test_buffer_that_is_no_whole_number(buffer: Any) -> None:
    """A buffer that is no number of items is refused by name."""
    with pytest.raises((TypeError, ValueError), match="buffer"):
        graph().compile(buffer=buffer)


def test_recursion_limit_that_is_no_number(colour: Colour) -> None:
    """A limit that came as text, from a command line or JSON, is refused by name."""
    with pytest.raises((TypeError, ValueError), match="recursion_limit"):
        colour.invoke(graph().compile(), {"log": []}, {"recursion_limit": "9"})


@pytest.mark.parametrize(
    "wrong",
    [{"stream_mode": "nothing"}, {"stream_mode": []}, {"output_keys": "nowhere"}],
    ids=str,
)
def test_wrong_calls_fail_at_the_call(wrong: Any) -> None:
    """``stream`` and ``astream`` refuse what is wrong about the call before anything is read.

    A server has sent its status by then, and ``version`` and unsupported arguments are refused at the call already.
    """
    compiled = graph().compile()
    for call in (compiled.stream, compiled.astream):
        with pytest.raises(ValueError, match=r"mode|output_keys"):
            call({"log": []}, **wrong)


def test_events_as_chunks_of_events_fail_at_the_call() -> None:
    """The same goes for ``astream_events`` and ``stream_events``."""
    compiled = graph().compile()
    for call in (compiled.stream_events, compiled.astream_events):
        with pytest.raises(ValueError, match="cannot be events"):
            call({"log": []}, stream_mode="events")
