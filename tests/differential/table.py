"""The table of graphs that equalities 1 and 2 are shown on."""

from __future__ import annotations

import pytest

from tests.differential import nodes, shapes
from tests.differential.cases import CASES, Case
from tests.support.colours import COLOURS

RACING = ("diamond", "send", "parallel_chat", "writer_in_function", "line", "chat", "reducers")
FEW = [case for case in CASES if case.name in RACING]

__all__ = ["CASES", "FEW", "Case", "coloured", "nodes", "parameters", "shapes"]


def parameters(*colours: str, alike: bool = False) -> list[object]:
    """Return the graphs that run in all of ``colours`` as pytest parameters, one id per graph.

    With ``alike``, rows whose difference from LangGraph is chosen are left out.
    """
    found = [case for case in CASES if all(case.runs_in(colour) for colour in colours)]
    return [pytest.param(case, id=case.name) for case in found if not (alike and case.differs)]


def coloured(*, alike: bool = False) -> list[object]:
    """Return ``(case, colour)`` for every graph and every colour it runs in, as ``parameters``."""
    pairs = [(case, colour) for case in CASES for colour in COLOURS if case.runs_in(colour.name)]
    return [
        pytest.param(case, colour, id=f"{case.name}-{colour.name}")
        for case, colour in pairs
        if not (alike and case.differs)
    ]
