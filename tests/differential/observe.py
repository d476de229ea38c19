"""Run a row of the table on one library and keep what it yielded."""

from __future__ import annotations

import copy
from functools import cache
from typing import Any

from tests.differential.cases import CASES, Build, Case
from tests.support.colours import ASYNC, SYNC, Colour, observe_log, unbound_events
from tests.support.engines import LANGGRAPH, Library
from tests.support.normal import steps_of
from tests.support.trees import Steps

MODES = ("values", "updates", "custom", "messages", "debug", "tasks")


def graph(lib: Library, case: Case) -> Any:
    """Return the graph of ``case``; a row of the table is built once per library."""
    return _built(lib, case.build)


@cache
def _built(lib: Library, build: Build) -> Any:
    return build(lib)


def items(lib: Library, case: Case, colour: Colour, mode: Any, **options: Any) -> list[Any]:
    """Return what the graph of ``case`` yields in a mode or in a list of modes."""
    x = copy.deepcopy(case.input)
    return colour.observe_stream(graph(lib, case), x, case.settings(), stream_mode=mode, **options)


def events(lib: Library, case: Case, colour: Colour = ASYNC, **options: Any) -> list[Any]:
    """Return the events of the graph of ``case``."""
    x = copy.deepcopy(case.input)
    return colour.observe_events(graph(lib, case), x, case.settings(), **options)


def core_events(lib: Library, case: Case) -> list[Any]:
    """Return the events that core's own ``astream_events`` makes of the graph, called unbound."""
    return unbound_events(graph(lib, case), copy.deepcopy(case.input), case.settings())


def log(lib: Library, case: Case) -> list[Any]:
    """Return the patches of ``astream_log``."""
    return observe_log(graph(lib, case), copy.deepcopy(case.input), case.settings())


@cache
def steps(name: str) -> Steps:
    """Return the node names of each superstep of a row, as LangGraph's ``debug`` tells them."""
    case = next(case for case in CASES if case.name == name)
    return steps_of(items(LANGGRAPH, case, SYNC if case.only == "sync" else ASYNC, "debug"))
