"""What is refused: each refusal has a number, an error that names it, and a row in the guide."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, TypedDict

import pytest

from lcel_compat import START, StateGraph
from lcel_compat._refused import REFUSALS, refuse
from lcel_compat.errors import InvalidGraphError
from tests.support.engines import LANGGRAPH

TABLE = Path(__file__).parents[2] / "migration_guide" / "differences.md"
ROWS = {m[1]: m[0] for m in re.finditer(r"^\| (R\d+) \|.*\|$", TABLE.read_text("utf-8"), re.MULTILINE)}


class State(TypedDict, total=False):
    """One plain key."""

    n: int


def idle(state: Any) -> None:
    """A node that does nothing."""


def builder() -> Any:
    """A builder of one node."""
    return StateGraph(State).add_node("a", idle).add_edge(START, "a")


CALLS: dict[str, Callable[..., Any]] = {
    "StateGraph": lambda **more: StateGraph(State, **more),
    "add_node": lambda **more: builder().add_node("b", idle, **more),
    "compile": lambda **more: builder().compile(**more),
}


ARGUMENTS = [
    (number, function, argument)
    for number, refusal in REFUSALS.items()
    for function, _, argument in (name.rpartition(".") for name in refusal.names)
    if function in CALLS
]


def test_the_guide_has_the_same_refusals() -> None:
    """The guide's table has a row for each refusal, with its reason, its remedy and its arguments."""
    assert list(ROWS) == list(REFUSALS) == [f"R{n}" for n in range(1, len(REFUSALS) + 1)]
    for number, row in ROWS.items():
        plain = row.replace("`", "").lower()
        refusal = REFUSALS[number]
        assert refusal.why.lower() in plain
        for name in refusal.names:
            assert name.split(".")[-1].lower() in plain


@pytest.mark.parametrize(("number", "function", "argument"), ARGUMENTS)
def test_refused_arguments(number: str, function: str, argument: str) -> None:
    """A refused argument is an error with the number and the remedy; one that asks for nothing is fine."""
    with pytest.raises(TypeError, match=rf"{function}\(\) does not take {argument}: .*Refusal {number} ") as caught:
        CALLS[function](**{argument: object()})
    assert REFUSALS[number].instead in str(caught.value)
    nothings: list[Any] = [None, False, (), []]
    for nothing in nothings:
        assert CALLS[function](**{argument: nothing}) is not None


@pytest.mark.parametrize("function", CALLS)
def test_mistakes(function: str) -> None:
    """An argument that nobody has is a mistake, also if it asks for nothing."""
    for value in (None, 3):
        with pytest.raises(TypeError, match=rf"{function}\(\) got an unexpected keyword argument 'nmae'"):
            CALLS[function](nmae=value)


@pytest.mark.langgraph
@pytest.mark.parametrize("function", CALLS)
def test_every_argument_of_langgraph(function: str) -> None:
    """Each argument of LangGraph's builder is one of ours, of the same kind and default, or refused."""
    ours, theirs = (_parameters(cls, function) for cls in (StateGraph, LANGGRAPH.StateGraph))
    refused = {argument for _, where, argument in ARGUMENTS if where == function}
    assert theirs.keys() - ours.keys() - refused == set()
    for name in theirs.keys() & ours.keys():
        assert (theirs[name].kind, theirs[name].default) == (ours[name].kind, ours[name].default), name
    assert not refused & ours.keys()


def _parameters(cls: Any, function: str) -> dict[str, inspect.Parameter]:
    method = cls.__init__ if function == "StateGraph" else getattr(cls, function)
    parameters = inspect.signature(method).parameters.values()
    return {p.name: p for p in parameters if p.kind is not inspect.Parameter.VAR_KEYWORD}


OUR_OWN = {"add_edge": {"stream"}}
"""Parameters that LangGraph has not, by method."""


@pytest.mark.langgraph
def test_every_method_of_langgraph() -> None:
    """The builder has every public method of LangGraph's, and those named in the test above take the same."""
    theirs = {n for n, _ in inspect.getmembers(LANGGRAPH.StateGraph, inspect.isfunction) if not n.startswith("_")}
    assert theirs - set(dir(StateGraph)) == set()
    for name in theirs - CALLS.keys():
        ours, other = (_parameters(cls, name) for cls in (StateGraph, LANGGRAPH.StateGraph))
        assert ours.keys() - other.keys() == OUR_OWN.get(name, set())
        for parameter in other.values():
            same = ours[parameter.name]
            assert (same.kind, same.default) == (parameter.kind, parameter.default)


@pytest.mark.langgraph
def test_channels_and_managed_values_of_langgraph() -> None:
    """A key annotated with a channel or with a managed value of the user's own is refused where the state is read."""
    from langgraph.channels import DeltaChannel, EphemeralValue, LastValue, Topic
    from langgraph.managed.base import ManagedValue

    class Mine(ManagedValue[int]):
        @staticmethod
        def get(scratchpad: Any) -> int:
            return 1

    channels: list[Any] = [EphemeralValue, LastValue(int), Topic(int), DeltaChannel(lambda a, b: a)]
    for number, notes in {"R3": channels, "R4": [Mine]}.items():
        for note in notes:
            with pytest.raises(InvalidGraphError, match=rf"'key'.*LangGraph's.*Refusal {number} "):
                StateGraph(TypedDict("Odd", {"key": Annotated[int, note]}))  # type: ignore[operator]


def test_nothing_to_refuse() -> None:
    """No arguments, no error."""
    refuse("compile", {})
