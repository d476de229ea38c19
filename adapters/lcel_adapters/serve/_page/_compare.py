"""Two runs that the page recorded, compared: the page draws what comes of it, and compares nothing itself."""

from __future__ import annotations

from typing import Annotated, Any, Final

from pydantic import BaseModel, Field, FiniteFloat, model_validator

from lcel_adapters._reports._drawn import drawn
from lcel_compat.compare import compare_events
from lcel_compat.events import JsonValue, RecordedRun

MOST_EVENTS: Final = 50_000
"""Of one side; a comparison of so many takes seconds."""


class Fault(BaseModel):
    """How a run failed, as its stream's ``error`` event says."""

    error: str = ""
    message: str = ""


class Side(BaseModel):
    """One run's events in the order in which they came."""

    events: Annotated[list[dict[str, Any]], Field(max_length=MOST_EVENTS)]
    times: list[FiniteFloat] = Field(description="Milliseconds from the request, one per event.")
    error: Fault | None = None

    @model_validator(mode="after")
    def _timed(self) -> Side:
        if len(self.times) != len(self.events):
            raise ValueError(f"there are {len(self.events)} events and {len(self.times)} times; each needs one")
        return self

    def recorded(self) -> RecordedRun:
        """The same as a recording."""
        return RecordedRun(
            input=None,
            events=tuple(self.events),
            times=tuple(self.times),
            ended="complete" if self.error is None else "error",
            error_type="" if self.error is None else self.error.error or "error",
            error_message="" if self.error is None else self.error.message,
            duration=max(self.times, default=0.0),
        )


class Sides(BaseModel):
    """The legacy run, and the graph's."""

    before: Side
    after: Side


def compared(sides: Sides) -> dict[str, JsonValue]:
    """What ``compare_events`` finds, as ``view/comparison.js`` draws it."""
    return drawn(compare_events(sides.before.recorded(), sides.after.recorded()))
