"""What a run hands to its nodes beside the state."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from inspect import Parameter, signature
from types import SimpleNamespace
from typing import Any, TypedDict

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.runnables import RunnableConfig
from langgraph.store.base import BaseStore
from langgraph.store.memory import InMemoryStore
from pydantic import BaseModel, ValidationError

from lcel_compat import START, StateGraph
from lcel_compat import runtime as ours
from lcel_compat.errors import NodeError
from lcel_compat.runtime import (
    ExecutionInfo,
    RunControl,
    Runtime,
    ServerInfo,
    coerce_context,
    get_runtime,
    server_info_of,
)
from tests.support.colours import Colour

INFO = ExecutionInfo(checkpoint_id="c", checkpoint_ns="a:t", task_id="t")


@dataclass
class Record:
    """A context that is a dataclass."""

    user: str
    depth: int = 1


class Model(BaseModel):
    """A context that is a pydantic model."""

    user: str
    depth: int = 1


class Mapping(TypedDict):
    """A context that is a dict."""

    user: str


def test_coerced_contexts() -> None:
    """A dict becomes an instance where the schema is a class of its own; everything else stays what it is."""
    assert Record("ann") == coerce_context(Record, {"user": "ann"})
    assert Model(user="ann") == coerce_context(Model, {"user": "ann"})
    for schema in (Record, Model, Mapping, None, dict[str, str]):
        assert coerce_context(schema, None) is None
    for value in (Record("ann"), {"user": "ann"}, 3):
        assert coerce_context(None, value) is value
        assert coerce_context(Mapping, value) is value
    record: Any = Record("ann")
    assert coerce_context(Model, record) is record


@pytest.mark.parametrize(("schema", "error"), [(Record, TypeError), (Model, ValidationError)])
def test_a_context_that_lacks_a_field(schema: Any, error: type[Exception]) -> None:
    """A dict that is no context of the declared form is refused with the error of the class."""
    with pytest.raises(error, match="user"):
        coerce_context(schema, {"depth": 2})


def test_drain() -> None:
    """A control remembers that somebody asked the run to end, and why; the runtime shows it."""
    control = RunControl()
    runtime: Runtime[Any] = Runtime(control=control)
    assert (runtime.drain_requested, runtime.drain_reason) == (False, None)
    control.request_drain("deploy")
    assert (runtime.drain_requested, runtime.drain_reason) == (True, "deploy")
    assert (Runtime().drain_requested, Runtime().drain_reason) == (False, None)


def test_patched_execution_info() -> None:
    """One attempt after the other is told its number; a runtime outside of a node has none to tell."""
    runtime: Runtime[Any] = Runtime(execution_info=INFO)
    assert replace(INFO, node_attempt=2) == runtime.patch_execution_info(node_attempt=2).execution_info
    with pytest.raises(RuntimeError, match="node"):
        Runtime().patch_execution_info(node_attempt=2)


class Anonymous:
    """A user as a server's proxy shows it: attributes without the protocol's methods."""

    identity = "ann"


@pytest.mark.parametrize(
    ("configurable", "expected"),
    [
        ({}, None),
        ({"thread_id": "1", "langgraph_auth_user": {"identity": "ann"}}, None),
        ({"assistant_id": 7}, ServerInfo("7", "")),
        ({"graph_id": "g"}, ServerInfo("", "g")),
        ({"langgraph_auth_user": Anonymous}, ServerInfo("", "", Anonymous)),  # type: ignore[arg-type]
    ],
)
def test_server_info(configurable: dict[str, Any], expected: ServerInfo | None) -> None:
    """What a LangGraph server puts into the configuration is shown to nodes."""
    assert expected == server_info_of(configurable)


def test_get_runtime_outside_of_a_node() -> None:
    """Code that no node called is told where to call it."""
    with pytest.raises(RuntimeError, match=r"get_runtime\(\) was called outside of a node.*copy_context"):
        ours.get_runtime()


class State(TypedDict, total=False):
    """What the nodes below write."""

    seen: list[Any]


def graph_of(node: Any, colour: Colour, **options: Any) -> Any:
    """Return a graph of one node, which is asynchronous where the colour is."""

    @functools.wraps(node)
    async def anode(*args: Any, **kwargs: Any) -> Any:
        return node(*args, **kwargs)

    builder = StateGraph(State, context_schema=Record)
    builder.add_node("node", anode if colour.name == "async" else node)
    return builder.add_edge(START, "node").compile(**options)


def test_what_a_node_is_given(colour: Colour) -> None:
    """A node finds the context in its declared form, the store, and which task of which thread it is."""

    def node(state: State, runtime: Runtime[Record], store: BaseStore, config: RunnableConfig) -> State:
        info = runtime.execution_info
        assert info is not None
        assert runtime.store is store
        assert runtime == get_runtime(Record)
        where = (info.checkpoint_ns == f"node:{info.task_id}", info.thread_id, info.node_attempt)
        return {"seen": [runtime.context, where, config["configurable"]["checkpoint_ns"] == info.checkpoint_ns]}

    store = InMemoryStore()
    graph = graph_of(node, colour, store=store)
    given = colour.invoke(graph, {}, {"configurable": {"thread_id": "t"}}, context={"user": "ann"})
    assert given == {"seen": [Record("ann"), (True, "t", 1), True]}


def test_what_a_node_is_given_where_there_is_none(colour: Colour) -> None:
    """Without store and context a node finds none; the writer and the heartbeat may be called all the same."""

    def node(state: State, runtime: Runtime[Any], store: Any = "unset", error: NodeError | None = None) -> State:
        runtime.stream_writer("anybody?")
        runtime.heartbeat()
        return {"seen": [runtime.context, runtime.store, runtime.server_info, store, error, runtime.drain_requested]}

    graph = graph_of(node, colour)
    assert colour.invoke(graph, {}) == {"seen": [None, None, None, "unset", None, False]}


def test_a_server_tells_who_asks(colour: Colour) -> None:
    """What a LangGraph server puts into the configuration reaches nodes as ``server_info``."""

    def node(state: State, runtime: Runtime[Any]) -> State:
        return {"seen": [runtime.server_info]}

    config = {"configurable": {"assistant_id": "a", "graph_id": "g"}}
    assert colour.invoke(graph_of(node, colour), {}, config) == {"seen": [ServerInfo("a", "g")]}


# beside LangGraph's


def theirs() -> Any:
    """Return LangGraph's module."""
    return pytest.importorskip("langgraph.runtime")


def parameters(function: Callable[..., Any]) -> list[tuple[str, Any]]:
    """Return names of parameters, with their kinds."""
    return [(p.name, p.kind) for p in signature(function).parameters.values() if p.kind is not Parameter.VAR_KEYWORD]


@pytest.mark.langgraph
@pytest.mark.parametrize("name", ["ExecutionInfo", "ServerInfo", "Runtime"])
def test_fields_are_langgraphs(name: str) -> None:
    """The data has the same fields in the same order, with the same values by default."""
    here, there = getattr(ours, name), getattr(theirs(), name)
    plain = [(f.name, None if callable(f.default) else f.default, f.kw_only) for f in fields(here)]
    assert [(f.name, None if callable(f.default) else f.default, f.kw_only) for f in fields(there)] == plain


@pytest.mark.langgraph
@pytest.mark.parametrize("name", ["ExecutionInfo", "Runtime", "RunControl", "BaseUser"])
def test_methods_are_langgraphs(name: str) -> None:
    """What LangGraph's classes can do in public, these can, with the same parameters."""
    here, there = getattr(ours, name), getattr(theirs(), name)
    public = [n for n, member in vars(there).items() if not n.startswith("_") and callable(member)]
    assert [(n, parameters(getattr(there, n))) for n in public] == [(n, parameters(getattr(here, n))) for n in public]
    assert {n for n in vars(there) if not n.startswith("_")} <= set(dir(here))


@pytest.mark.langgraph
def test_what_the_module_exports() -> None:
    """Every public name of LangGraph's module is here."""
    assert set(theirs().__all__) <= set(vars(ours))


def one(value: int) -> None:
    """A writer."""


def two(value: int) -> None:
    """Another writer."""


CONTROL, STORE = RunControl(), InMemoryStore()
CHOICES: dict[str, list[Any]] = {
    "context": [None, {}, {"a": 1}, 0, "x"],
    "store": [None, STORE],
    "stream_writer": [one, two],
    "heartbeat": [one, two],
    "previous": [None, 0, "x"],
    "execution_info": [None, INFO],
    "server_info": [None, ServerInfo("a", "b")],
    "control": [None, CONTROL],
}
said = st.fixed_dictionaries({}, optional={name: st.sampled_from(values) for name, values in CHOICES.items()})


@pytest.mark.langgraph
@given(said, said)
def test_merge_is_langgraphs(first: dict[str, Any], second: dict[str, Any]) -> None:
    """Two runtimes merge as LangGraph's do: what the second does not say is the first's."""
    there = theirs().Runtime
    expected, merged = (cls(**first).merge(cls(**second)) for cls in (there, Runtime))
    assert _said(expected, there()) == _said(merged, Runtime())
    overridden = SimpleNamespace(ours=Runtime(**first).override(**second), theirs=there(**first).override(**second))
    assert _said(overridden.theirs, there()) == _said(overridden.ours, Runtime())


def _said(runtime: Any, silent: Any) -> dict[str, Any]:
    """What a runtime says that an empty one does not."""
    pairs = ((name, getattr(runtime, name)) for name in CHOICES)
    return {name: value for name, value in pairs if value is not getattr(silent, name)}
