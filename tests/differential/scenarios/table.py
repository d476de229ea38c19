"""The table of scenarios."""

from __future__ import annotations

import pytest

from tests.differential.scenarios import control, durability, faults, interrupts, subgraphs, travel
from tests.differential.scenarios.play import SCENARIOS, Scenario
from tests.support.colours import COLOURS

__all__ = [
    "ALIKE",
    "SCENARIOS",
    "Scenario",
    "coloured",
    "control",
    "durability",
    "faults",
    "interrupts",
    "subgraphs",
    "travel",
]


ALIKE = [one for one in SCENARIOS if not one.differs]
"""The scenarios that are meant to give what LangGraph gives."""


def coloured(*names: str) -> list[object]:
    """Return ``(scenario, colour)`` for every colour of the alike scenarios, or of those named, as parameters."""
    chosen = [one for one in ALIKE if not names or one.name in names]
    return [
        pytest.param(scenario, colour, id=f"{scenario.name}-{colour.name}") for scenario in chosen for colour in COLOURS
    ]
