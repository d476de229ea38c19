"""The assertion that two recordings of events are the same to their consumers."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal, Protocol, TypeAlias

from lcel_compat.compare import Comparison, Contract, compare_events, compare_recordings, explain
from lcel_compat.events import RecordedRun, Recording, load

Events: TypeAlias = "Recording | RecordedRun | Iterable[Any] | str | Path"
"""Events, a run of a recording, a recording, or the path of its file."""

_ORDER = ("same", "changed", "breaking")


class AssertSameEvents(Protocol):
    """What the fixture `assert_same_events` gives."""

    def __call__(
        self,
        before: Events,
        after: Events,
        *,
        contract: Contract | str | Path | None = None,
        fail_on: Literal["changed", "breaking"] = "changed",
    ) -> Comparison:
        """See `assert_same_events` below."""


def assert_same_events(
    before: Events,
    after: Events,
    *,
    contract: Contract | str | Path | None = None,
    fail_on: Literal["changed", "breaking"] = "changed",
) -> Comparison:
    """Fail unless no consumer would notice the difference.

    Args:
        before: The old side.
        after: The new side; with several inputs on both, the first is compared with the first, and so on.
        contract: What the consumers read, or the path of the file that says so; only that can be breaking then.
        fail_on: From which verdict on the test fails.

    Returns:
        The comparison, for whoever wants to look closer.

    Raises:
        AssertionError: With the findings, and the events of the runs concerned, old beside new.
        ComparisonError: If one side has more inputs than the other.
        RecordingError: If a file is no recording.
    """
    __tracebackhide__ = True
    rules = Contract.load(contract) if isinstance(contract, str | Path) else contract
    comparison = _compared(_read(before), _read(after), rules)
    if _ORDER.index(comparison.verdict) >= _ORDER.index(fail_on):
        raise AssertionError(f"the events differ\n{explain(comparison)}")
    return comparison


def _read(events: Events) -> Any:
    return load(events) if isinstance(events, str | Path) else events


def _compared(before: Any, after: Any, contract: Contract | None) -> Comparison:
    if isinstance(before, Recording) or isinstance(after, Recording):
        return compare_recordings(_runs(before), _runs(after), contract=contract)
    return compare_events(before, after, contract=contract)


def _runs(events: Any) -> Iterable[Any]:
    return events if isinstance(events, Recording) else [events]
