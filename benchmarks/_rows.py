"""What one line of the table holds, and how a goal judges it."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """A median with its interquartile range."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """The spread of at least one value; a single value is its own quartiles."""
        if len(values) == 1:
            return cls(median=values[0], low=values[0], high=values[0])
        low, median, high = statistics.quantiles(values, n=4, method="inclusive")
        return cls(median=median, low=low, high=high)


@dataclass(frozen=True, slots=True, kw_only=True)
class Goal:
    """A bound to beat, on the row's ratio or on our own figure."""

    sense: Literal["at least", "at most"]
    bound: float
    of: Literal["ratio", "ours"] = "ratio"

    def met(self, value: float) -> bool:
        """Whether `value` is on the right side of the bound (the bound itself counts)."""
        return value >= self.bound if self.sense == "at least" else value <= self.bound

    def __str__(self) -> str:
        sign = "≥" if self.sense == "at least" else "≤"
        return f"{self.of} {sign} {self.bound:g}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of the table. Figures are medians, in `unit`; what was not measured is None."""

    scenario: str
    unit: str
    against: str
    reference: float | None = None
    ours: float | None = None
    ratio: Spread | None = None
    goal: Goal | None = None
    note: str = ""
    failed: bool = False

    @property
    def met(self) -> bool | None:
        """Whether the goal is met; None where there is no goal or nothing was measured."""
        ratio = None if self.ratio is None else self.ratio.median
        value = self.ours if self.goal is not None and self.goal.of == "ours" else ratio
        return None if self.goal is None or value is None else self.goal.met(value)
