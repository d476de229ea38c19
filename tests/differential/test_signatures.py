"""Code moves by changing an import: each name and parameter of LangGraph's graphs is here, or refused by number."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Iterator
from pydoc import locate
from typing import Any, TypedDict

import pytest
from langchain_core.runnables import Runnable
from langgraph.graph import START as THEIR_START
from langgraph.graph import StateGraph as TheirGraph
from langgraph.graph.state import CompiledStateGraph as TheirCompiled

from lcel_compat import START, StateGraph
from lcel_compat._refused import REFUSALS
from lcel_compat.compiled import CompiledStateGraph

pytestmark = pytest.mark.langgraph

PAIRS = {"StateGraph": (TheirGraph, StateGraph), "CompiledStateGraph": (TheirCompiled, CompiledStateGraph)}
REFUSED = {name: number for number, refusal in REFUSALS.items() for name in refusal.names}
OLD_NAME = re.compile(r"kwargs\.get\(\s*\"(\w+)\"")
KEYWORDS = inspect.Parameter.VAR_KEYWORD


class State(TypedDict):
    """Any state."""

    n: int


def _compiled(library: Any, start: str) -> Any:
    builder = library(State)
    builder.add_node("node", lambda state: state)
    builder.add_edge(start, "node")
    return builder.compile()


def names() -> Iterator[tuple[str, str]]:
    """Yield ``(class, name)`` for all that LangGraph's two classes have and core's ``Runnable`` has not."""
    for owner, (theirs, _) in PAIRS.items():
        declared = {
            name for cls in theirs.__mro__ for name in getattr(cls, "__annotations__", ()) if cls is not Runnable
        }
        for name in sorted({*dir(theirs), *declared}):
            inherited = getattr(theirs, name, None) is getattr(Runnable, name, theirs)
            if not name.startswith("_") and not inherited:
                yield owner, name


def methods() -> Iterator[tuple[str, str]]:
    """Yield ``(class, method)``, the two constructors that users call among them."""
    yield "StateGraph", "__init__"
    yield from (pair for pair in names() if inspect.isfunction(getattr(PAIRS[pair[0]][0], pair[1], None)))


def parameters() -> Iterator[tuple[str, str, inspect.Parameter]]:
    """Yield ``(class, method, parameter)`` for the methods that are not refused as a whole."""
    for owner, name in methods():
        if f"{owner}.{name}" not in REFUSED:
            theirs = inspect.signature(getattr(PAIRS[owner][0], name)).parameters
            yield from ((owner, name, p) for p in [*theirs.values()][1:] if p.kind is not KEYWORDS)


def _identified(found: Iterable[tuple[Any, ...]]) -> list[Any]:
    return [pytest.param(*values, id=".".join(getattr(v, "name", v) for v in values)) for values in found]


def _refusal(owner: str, method: str, parameter: str) -> str | None:
    return REFUSED.get(f"{owner if method == '__init__' else method}.{parameter}")


@pytest.mark.parametrize(("owner", "name"), _identified(names()))
def test_every_name_is_decided(owner: str, name: str) -> None:
    """Each method and attribute of LangGraph's is one of ours, or refused by a number: exactly one of the two."""
    ours = StateGraph(State) if owner == "StateGraph" else _compiled(StateGraph, START)
    missing = getattr(ours, name, Ellipsis) is Ellipsis
    assert missing == (f"{owner}.{name}" in REFUSED)


@pytest.mark.parametrize(("owner", "name", "theirs"), _identified(parameters()))
def test_every_parameter_is_decided(owner: str, name: str, theirs: inspect.Parameter) -> None:
    """Each parameter has its name, its kind and its default here, or is refused by a number: exactly one of the two."""
    ours = inspect.signature(getattr(PAIRS[owner][1], name)).parameters.get(theirs.name)
    if _refusal(owner, name, theirs.name):
        assert ours is None
    else:
        assert ours is not None, f"{owner}.{name} has no {theirs.name}, and no refusal says why"
        assert (ours.kind, ours.default) == (theirs.kind, theirs.default)


@pytest.mark.parametrize(("owner", "name"), _identified(methods()))
def test_what_is_ours_alone_is_asked_for_by_name(owner: str, name: str) -> None:
    """A parameter that LangGraph has not is a keyword with a default, so that no call written for LangGraph changes."""
    if f"{owner}.{name}" in REFUSED:
        return
    theirs, ours = (inspect.signature(getattr(cls, name)).parameters for cls in PAIRS[owner])
    added = [p for p in ours.values() if p.name not in theirs and p.kind is not KEYWORDS]
    assert [p.name for p in added if p.kind is not p.KEYWORD_ONLY or p.default is p.empty] == []
    shared = [name for name in theirs if name in ours]
    assert shared == [name for name in ours if name in theirs]


@pytest.mark.parametrize(("owner", "name"), _identified(methods()))
def test_old_names_are_refused(owner: str, name: str) -> None:
    """What LangGraph still takes under an old name, through ``**kwargs``, is refused by a number."""
    old = OLD_NAME.findall(inspect.getsource(getattr(PAIRS[owner][0], name)))
    assert [parameter for parameter in old if not _refusal(owner, name, parameter)] == []


def _exists(name: str) -> bool:
    """Whether LangGraph has what a refusal names: ``module.object``, ``Class.name`` or ``method.parameter``."""
    if name.startswith("langgraph."):
        return locate(name) is not None or _is_field(*name.rsplit(".", 1))
    owner, _, last = name.partition(".")
    if owner in PAIRS and last in {found for cls, found in names() if cls == owner}:
        return True
    sought = [pair for pair in methods() if owner == (pair[0] if pair[1] == "__init__" else pair[1])]
    return any(last in _taken(*pair) for pair in sought)


def _is_field(owner: str, name: str) -> bool:
    return name in getattr(locate(owner), "__annotations__", ())


def _taken(owner: str, name: str) -> set[str]:
    method = getattr(PAIRS[owner][0], name)
    return {*inspect.signature(method).parameters, *OLD_NAME.findall(inspect.getsource(method))}


@pytest.mark.parametrize("name", list(REFUSED))
def test_every_refusal_is_about_something(name: str) -> None:
    """LangGraph still has what a refusal names; otherwise the refusal can go."""
    assert _exists(name)


def test_compiled_graphs_have_the_attributes_that_a_run_shows() -> None:
    """A graph compiled without options holds the same values in the attributes that both classes have."""
    theirs, ours = _compiled(TheirGraph, THEIR_START), _compiled(StateGraph, START)
    attributes = ("name", "checkpointer", "store", "cache", "config", "step_timeout", "context_schema")
    found = {name: getattr(ours, name, Ellipsis) for name in attributes}
    assert found == {name: getattr(theirs, name) for name in attributes}
