"""No false alarm on the graphs that the engines are compared on: each against itself, in both versions of events."""

from __future__ import annotations

import pytest

from lcel_compat.compare import compare_events
from tests.differential.observe import events
from tests.differential.table import CASES, Case
from tests.support.engines import LANGGRAPH, OURS, Library

GRAPHS = [case for case in CASES if case.runs_in("async")]
FEW = [case for case in GRAPHS if case.name in ("diamond", "send", "parallel_chat")]
pytestmark = pytest.mark.langgraph


@pytest.mark.parametrize("library", [LANGGRAPH, OURS], ids=lambda library: library.name)
def test_graphs_whose_nodes_race_are_the_same_as_themselves(library: Library) -> None:
    """Parallel nodes and tasks sent by `Send` emit and chunk in any order, which is no difference."""
    check(library, FEW, times=3)


@pytest.mark.slow
@pytest.mark.parametrize("library", [LANGGRAPH, OURS], ids=lambda library: library.name)
def test_every_graph_is_the_same_as_itself(library: Library) -> None:
    """All graphs of the table: lines, branches, loops, errors, tools, subgraphs, chains in nodes."""
    check(library, GRAPHS, times=1)


def check(library: Library, graphs: list[Case], *, times: int) -> None:
    """Record each graph twice, as often as asked, in each version of events, and compare."""
    for case in graphs:
        for version in ("v1", "v2") * times:
            recordings = [events(library, case, version=version) for _ in range(2)]
            assert compare_events(*recordings).findings == (), f"{case.name}, {version}"
