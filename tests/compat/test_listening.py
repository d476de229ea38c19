"""Custom events without a listener, callbacks that are given, and handlers that are not inherited."""

from __future__ import annotations

from collections.abc import Iterator
from contextvars import ContextVar
from typing import Any, TypedDict
from uuid import UUID

import pytest
from langchain_core.callbacks import BaseCallbackHandler, adispatch_custom_event, dispatch_custom_event
from langchain_core.runnables import RunnableConfig, RunnableLambda
from langchain_core.tracers.context import collect_runs, register_configure_hook

from tests.support.colours import ASYNC, SYNC, Colour, Raised
from tests.support.engines import LANGGRAPH, OURS, Library
from tests.support.models import chat_chain

LIBRARIES = [
    pytest.param(OURS, id=OURS.name),
    pytest.param(LANGGRAPH, id=LANGGRAPH.name, marks=pytest.mark.langgraph),
]
EACH_LIBRARY = pytest.mark.parametrize("lib", LIBRARIES)
INPUT = {"topic": "parrots"}
UNCAPTURED = ["values", "updates", "custom", "debug", "tasks"]


class State(TypedDict, total=False):
    """A topic comes in, an answer goes out."""

    topic: str
    answer: str


def _end(state: State) -> str:
    return "end"


def graph(lib: Library, node: Any, path: Any = _end) -> Any:
    """Return a graph of a node and a path."""
    builder = lib.StateGraph(State)
    builder.add_node("node", node)
    builder.add_edge(lib.START, "node")
    builder.add_conditional_edges("node", path, {"end": lib.END})
    return builder.compile(name="graph")


# Custom events when nobody listens -------------------------------------------------------------------------


def dispatches(state: State) -> dict[str, str]:
    """Dispatch an event, as nodes of applications do whether or not somebody listens."""
    dispatch_custom_event("progress", {"done": 0.5})
    return {"answer": "done"}


async def adispatches(state: State) -> dict[str, str]:
    """The same, asynchronously."""
    await adispatch_custom_event("progress", {"done": 0.5})
    return {"answer": "done"}


@EACH_LIBRARY
def test_a_node_dispatches_when_nobody_listens(lib: Library, colour: Colour) -> None:
    """``dispatch_custom_event`` in a function node does nothing when nobody listens; it does not raise."""
    node = dispatches if colour is SYNC else adispatches
    assert colour.invoke(graph(lib, node), dict(INPUT)) == {**INPUT, "answer": "done"}


@EACH_LIBRARY
@pytest.mark.parametrize("mode", UNCAPTURED)
def test_a_node_dispatches_in_every_mode(lib: Library, mode: str, colour: Colour) -> None:
    """The same in the stream modes that look at no callbacks."""
    node = dispatches if colour is SYNC else adispatches
    items = colour.observe_stream(graph(lib, node), dict(INPUT), stream_mode=mode)
    assert [item for item in items if isinstance(item, Raised)] == []


@EACH_LIBRARY
def test_a_path_dispatches_when_nobody_listens(lib: Library, colour: Colour) -> None:
    """The same in the path of a conditional edge."""

    def path(state: State) -> str:
        dispatch_custom_event("chosen", "end")
        return "end"

    assert colour.invoke(graph(lib, lambda state: {"answer": "done"}, path), INPUT) == {**INPUT, "answer": "done"}


# Callbacks that are given, and those around ----------------------------------------------------------------


def _parents(events: list[Any], name: str) -> set[str]:
    names = {event["run_id"]: event["name"] for event in events}
    return {names[event["parent_ids"][-1]] for event in events if event["name"] == name}


def _answers(state: State) -> dict[str, str]:
    return {"answer": "done"}


@EACH_LIBRARY
def test_a_graph_with_fallbacks_hangs_under_them(lib: Library) -> None:
    """Streamed, a graph with fallbacks is a child of the run with fallbacks, which hands it its callbacks."""
    chain = RunnableLambda(dict) | graph(lib, _answers).with_fallbacks([chat_chain()])
    assert _parents(ASYNC.observe_events(chain, INPUT), "graph") == {"RunnableWithFallbacks"}


def test_given_callbacks_decide_the_parent() -> None:
    """A callback manager that is passed keeps its own parent, whatever run surrounds the call.

    Core's ``ensure_config`` lets the given callbacks replace the surrounding ones (runnables/config.py).
    """

    async def call(state: Any, config: RunnableConfig) -> Any:
        manager: Any = config["callbacks"]
        run = await manager.on_chain_start(None, state, name="mine")
        result = await graph(OURS, _answers).ainvoke(state, {"callbacks": run.get_child()})
        await run.on_chain_end(result)
        return result

    assert _parents(ASYNC.observe_events(RunnableLambda(call), INPUT), "graph") == {"mine"}


# Configure hooks that are not inherited --------------------------------------------------------------------


class Starts(BaseCallbackHandler):
    """Remembers the chains that started, each with its parent."""

    def __init__(self) -> None:
        self.names: dict[UUID | None, str | None] = {None: None}
        self.tree: set[tuple[str, str | None]] = set()

    def on_chain_start(self, serialized: Any, inputs: Any, *, run_id: UUID, name: str = "", **kw: Any) -> None:
        self.names[run_id] = name
        self.tree.add((name, self.names.get(kw.get("parent_run_id"), "?")))


TREE: set[tuple[str, str | None]] = {("graph", None), ("node", "graph"), ("inner", "node"), ("_end", "node")}
HOOKED: ContextVar[BaseCallbackHandler | None] = ContextVar("hooked_here", default=None)
register_configure_hook(HOOKED, inheritable=False)


def _observed(colour: Colour, mode: str | None) -> None:
    whole = graph(OURS, RunnableLambda(_answers, name="inner"))
    if mode is None:
        colour.invoke(whole, dict(INPUT))
    else:
        colour.observe_stream(whole, dict(INPUT), stream_mode=mode)


def _tree_of(runs: Any, parent: str | None = None) -> Iterator[tuple[str, str | None]]:
    for run in runs:
        yield run.name, parent
        yield from _tree_of(run.child_runs, run.name)


# The collector of core before 1.0 calls what pydantic deprecated, and core drops the callback that warned.
COLLECTOR_MAY_WARN = pytest.mark.filterwarnings("ignore::pydantic.PydanticDeprecatedSince20")
EACH_MODE = pytest.mark.parametrize("mode", [None, "updates", "messages", "events"], ids=str)


@COLLECTOR_MAY_WARN
@EACH_MODE
def test_collect_runs_sees_the_tree(mode: str | None, colour: Colour) -> None:
    """``collect_runs`` gets one tree of all runs, so that ``traced_runs[0]`` is the root, as it is for a chain."""
    with collect_runs() as collected:
        _observed(colour, mode)
    assert [run.name for run in collected.traced_runs] == ["graph"]
    assert set(_tree_of(collected.traced_runs)) == TREE


@EACH_MODE
def test_a_hook_that_is_not_inherited_sees_nodes(mode: str | None, colour: Colour) -> None:
    """A handler that core configures for each run anew, and hands to no child, sees nodes and paths as well."""
    starts = Starts()
    token = HOOKED.set(starts)
    try:
        _observed(colour, mode)
    finally:
        HOOKED.reset(token)
    assert starts.tree == TREE


@COLLECTOR_MAY_WARN
def test_a_chain_of_core_shows_how(colour: Colour) -> None:
    """In a sequence of core's both see every run, which is what the tests above ask of a graph."""
    starts = Starts()
    token = HOOKED.set(starts)
    chain = (RunnableLambda(_answers, name="first") | RunnableLambda(dict, name="second")).with_config(run_name="whole")
    with collect_runs() as collected:
        colour.invoke(chain, dict(INPUT))
    HOOKED.reset(token)
    assert starts.tree == {("whole", None), ("first", "whole"), ("second", "whole")}
    assert set(_tree_of(collected.traced_runs)) == starts.tree


# Names -----------------------------------------------------------------------------------------------------


@COLLECTOR_MAY_WARN
@EACH_LIBRARY
def test_a_name_may_be_changed(lib: Library, colour: Colour) -> None:
    """What a copy or an assignment says is the name of its runs from then on; the original keeps its own."""
    original = graph(lib, _answers)
    copied, assigned = original.copy({"name": "copied"}), original.copy()
    assigned.name = "assigned"
    for one, name in ((original, "graph"), (copied, "copied"), (assigned, "assigned")):
        with collect_runs() as collected:
            colour.invoke(one, dict(INPUT))
        assert (one.get_name(), [run.name for run in collected.traced_runs]) == (name, [name])
