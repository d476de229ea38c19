"""Everything that can be seen of a runnable, so that a chain and its face can be compared in one line."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypedDict

import pytest
from langchain_core.runnables import Runnable
from langchain_core.tracers import BaseTracer, Run
from langchain_core.tracers.log_stream import RunLog

from lcel_adapters import as_lcel, as_node
from tests.support.colours import ASYNC, COLOURS, Colour, Raised, observe_log, raised
from tests.support.engines import LANGGRAPH, OURS, Library
from tests.support.normal import assert_same, assert_same_events
from tests.support.plain import flat, plain

LIBRARIES = [
    pytest.param(OURS, id=OURS.name),
    pytest.param(LANGGRAPH, id=LANGGRAPH.name, marks=pytest.mark.langgraph),
]
EACH_LIBRARY = pytest.mark.parametrize("lib", LIBRARIES)
VERSIONS = ("v2", "v1")


class State(TypedDict, total=False):
    """What goes into a chain, and what comes out."""

    x: Any
    y: Any


def graph_of(lib: Library, chain: Any, *, state: Any = State, input: Any = "x", output: Any = "y", **node: Any) -> Any:
    """A graph whose one node is a chain; ``node`` are further arguments of ``add_node``."""
    builder = lib.StateGraph(state)
    builder.add_node("node", as_node(chain, input=input, output=output), **node)
    builder.add_edge(lib.START, "node")
    builder.add_edge("node", lib.END)
    return builder.compile()


def face_of(lib: Library, chain: Any) -> Runnable[Any, Any]:
    """The face of a graph whose one node is a chain."""
    return as_lcel(graph_of(lib, chain), input="x", output="y")


class Recorder(BaseTracer):
    """A tracer that keeps the root runs, as any tracer sees them."""

    def __init__(self) -> None:
        super().__init__()
        self.roots: list[Run] = []

    def _persist_run(self, run: Run) -> None:
        self.roots.append(run)


def tree(run: Run, order: Callable[[Any], Any]) -> dict[str, Any]:
    """A run as plain data, its children in the order that ``order`` gives them."""
    children = [tree(child, order) for child in run.child_runs]
    return {
        "name": run.name,
        "type": run.run_type,
        "tags": sorted(run.tags or ()),
        "metadata": plain((run.extra or {}).get("metadata")),
        "inputs": plain(run.inputs),
        "outputs": plain(run.outputs),
        "error": (run.error or "").partition("Traceback")[0],
        "events": [event["name"] for event in run.events],
        "runs": order(children),
    }


def traced(colour: Colour, how: str, runnable: Any, value: Any, config: Mapping[str, Any], *, loose: bool) -> list[Any]:
    """The root runs that a tracer saw, and what came out at the end of them."""
    tracer = Recorder()
    outcome: Any
    try:
        outcome = getattr(colour, how)(runnable, value, {**config, "callbacks": [tracer]})
    except Exception as error:
        outcome = raised(error)
    order = (lambda runs: sorted(runs, key=lambda run: _blank(flat(run)))) if loose else list
    return [[tree(run, order) for run in tracer.roots], _settled(outcome, loose=loose)]


def logged(runnable: Any, value: Any, config: Any, *, loose: bool) -> Any:
    """The patches of ``astream_log``, or of runs that overlap what the patches add up to."""
    patches = observe_log(runnable, value, config)
    if not loose:
        return patches
    total = RunLog(state=None)  # type: ignore[arg-type]  # core adds patches to this, as well
    for patch in patches:
        if not isinstance(patch, Raised):
            total = total + patch
    state: Any = total.state or {}
    entries = [
        {**entry, "streamed_output": _settled(entry["streamed_output"], loose=True)}
        for entry in (state.get("logs") or {}).values()
    ]
    last = patches[-1] if isinstance(patches[-1], Raised) else state.get("final_output")
    return [sorted(_blank(flat(plain(entry))) for entry in entries), last]


def _settled(outcome: Any, *, loose: bool) -> Any:
    """What a stream yielded, a dict's keys each on their own where they come at once."""
    if not (loose and isinstance(outcome, list) and all(isinstance(chunk, Mapping) for chunk in outcome)):
        return outcome
    keys: dict[Any, list[Any]] = {}
    for chunk in outcome:
        for key, part in chunk.items():
            keys.setdefault(key, []).append(part)
    return keys


def _blank(text: str) -> str:
    return re.sub(r"[0-9a-f]{8}-[0-9a-f-]{27}|\d{4}-\d\d-\d\dT[\d:.+]+", "", text)


def assert_same_runnable(
    chain: Callable[[], Any],
    face: Callable[[], Any],
    value: Any,
    config: Mapping[str, Any] | None = None,
    *,
    only: str | None = None,
    at_once: bool = False,
    names: Iterable[str] = (),
    versions: Iterable[str] = VERSIONS,
) -> None:
    """Raise ``AssertionError`` unless nobody can tell the two apart.

    Compared are the events of versions 1 and 2, ``astream_log``, and in each colour the chunks of a stream, the output
    of an invocation, and what a tracer sees of both.

    Args:
        chain: Makes the one; each observation takes a fresh one, since some remember.
        face: Makes the other.
        value: Their input.
        config: Their configuration.
        only: The one colour they have.
        at_once: Whether runs in them overlap.
        names: Names of runs that user code starts at once.
        versions: The versions of events to compare.
    """
    config = dict(config or {})
    if only != "sync":
        for version in versions:
            old = ASYNC.observe_events(chain(), value, dict(config), version=version)
            assert_same_events(old, ASYNC.observe_events(face(), value, dict(config), version=version), at_once=names)
        if "v1" in versions:
            old_log = logged(chain(), value, dict(config), loose=at_once)
            assert_same(old_log, logged(face(), value, dict(config), loose=at_once))
    for colour in COLOURS:
        if only in (None, colour.name):
            for how in ("invoke", "observe_stream"):
                old = traced(colour, how, chain(), value, config, loose=at_once)
                assert_same(old, traced(colour, how, face(), value, config, loose=at_once))
