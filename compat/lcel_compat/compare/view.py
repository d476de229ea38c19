"""What reports draw: the runs of both sides in one order, and the events of each pair side by side."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Final, Literal, TypeAlias

from lcel_compat.compare._align import align
from lcel_compat.compare._model import SEVERITIES, Finding, Severity
from lcel_compat.compare._normal import BY_KEY, lane_steps
from lcel_compat.compare._pairs import Case
from lcel_compat.compare._recorded import Lane, Recorded, Run
from lcel_compat.compare._text import shown, text_of
from lcel_compat.compare._values import at

__all__ = ["Case", "Group", "Mark", "Row", "RunView", "first_chunk", "grouped", "rows", "run_views", "span"]

Mark: TypeAlias = Literal["same", "changed", "missing", "extra", "folded"]
_Pair: TypeAlias = tuple[Run | None, Run | None]
_Place: TypeAlias = tuple[_Pair, int, Severity | None]
_CONTEXT: Final = 2
"""How many equal events stand around a difference; more are folded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of two aligned lanes.

    Attributes:
        mark: What it is; ``"folded"`` stands for several equal events.
        event: The event's name; empty where events are folded.
        before: The event's data as JSON text on the old side; None if it is not there.
        after: The same of the new side.
        count: How many events are folded.
    """

    mark: Mark
    event: str = ""
    before: str | None = None
    after: str | None = None
    count: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class RunView:
    """One run in a report: on both sides, or on one.

    Attributes:
        old: The run of the old side.
        new: The run of the new side.
        depth: How deep it stands, from 0.
        findings: The positions, in the comparison's findings, of those that are about it.
        severity: The gravest of them.
    """

    old: Run | None
    new: Run | None
    depth: int
    findings: tuple[int, ...]
    severity: Severity | None

    @property
    def path(self) -> tuple[str, ...]:
        """The names that findings call it by."""
        run = self.old or self.new
        return run.path if run is not None else ()


def run_views(case: Case, findings: Sequence[Finding]) -> list[RunView]:
    """All runs of a case: the old side's tree, with what is new below the run where it stands now."""
    about: dict[tuple[str, ...], list[int]] = {}
    for number, finding in enumerate(findings):
        if finding.input == case.input:
            about.setdefault(finding.run, []).append(number)
    views: list[RunView] = []
    tops = list(_paired(case, case.before.roots, case.after.roots))
    todo: list[_Place] = [(pair, 0, None) for pair in reversed(tops)]
    while todo:
        (old, new), depth, above = todo.pop()
        run = old or new
        numbers = about.get(run.path, []) if run is not None else []
        severity = _gravest(findings[n].severity for n in numbers)
        if severity is None and (old is None or new is None):
            severity = above  # Its topmost run speaks for a subtree that is gone or new.
        views.append(RunView(old=old, new=new, depth=depth, findings=tuple(numbers), severity=severity))
        below = _paired(case, old.children if old else (), new.children if new else ())
        todo.extend(reversed([(pair, depth + 1, severity) for pair in below]))
    return views


def _gravest(severities: Iterable[Severity]) -> Severity | None:
    return min(severities, key=SEVERITIES.index, default=None)


def _paired(case: Case, olds: Iterable[Run], news: Iterable[Run]) -> Iterator[_Pair]:
    """Siblings of either side; a pair stands where its old run stood."""
    for old in olds:
        yield old, case.matching.new.get(old)
    for new in news:
        if new not in case.matching.old:
            yield None, new


def rows(case: Case, view: RunView, *, limit: int) -> list[Row]:
    """The events of a run, old beside new, equal stretches folded; at most ``limit`` lines of each lane."""
    keys = {key for run in (view.old, view.new) if run is not None for key in run.by_key}
    found: list[Row] = []
    for key in (None, *sorted(keys)):
        lines = list(_lane_rows(case, view, key))
        found += lines[:limit]
        if len(lines) > limit:
            found.append(Row(mark="folded", count=sum(line.count for line in lines[limit:])))
    return found


def _lane_rows(case: Case, view: RunView, key: str | None) -> Iterator[Row]:
    old, new = (_numbers(run, key) for run in (view.old, view.new))
    blocks = align(old, new)
    for number, block in enumerate(blocks):
        i, j = block.old[0], block.new[0]
        if block.equal:
            edges = (number > 0, number < len(blocks) - 1)
            yield from _equal_rows(case, key, old[i : block.old[1]], edges)
        else:
            yield from _unequal_rows(case, key, old[i : block.old[1]], new[j : block.new[1]])


def _numbers(run: Run | None, key: str | None) -> list[int]:
    return [] if run is None else list(lane_steps(run, key))


def _equal_rows(case: Case, key: str | None, steps: Sequence[int], edges: tuple[bool, bool]) -> Iterator[Row]:
    head, tail = (_CONTEXT if edge else _CONTEXT - 1 for edge in edges)
    folded = len(steps) - head - tail
    for step in steps[:head] if folded > 1 else steps:
        yield _row(case, "same", key, step, step)
    if folded > 1:
        yield Row(mark="folded", count=folded)
        for step in steps[len(steps) - tail :]:
            yield _row(case, "same", key, step, step)


def _unequal_rows(case: Case, key: str | None, old: Sequence[int], new: Sequence[int]) -> Iterator[Row]:
    """Events of one name beside each other, in order; what is left of either side alone."""
    names = dict.fromkeys(_event(case, step) for step in (*old, *new))
    for name in names:
        olds, news = ([step for step in side if _event(case, step) == name] for side in (old, new))
        for one, other in zip_longest(olds, news):
            mark: Mark = "missing" if other is None else "extra" if one is None else "changed"
            yield _row(case, mark, key, one, other)


def _row(case: Case, mark: Mark, key: str | None, old: int | None, new: int | None) -> Row:
    step = old if old is not None else new
    event = "" if step is None else _event(case, step)
    name = event if key is None else f"{event} [{key}]"
    return Row(mark=mark, event=name, before=_said(case, key, old), after=_said(case, key, new))


def _event(case: Case, step: int) -> str:
    return str(at(case.before.texts.value(step), ("event",)))


def _said(case: Case, key: str | None, step: int | None) -> str | None:
    if step is None:
        return None
    value = case.before.texts.value(step)
    data = at(value, ("data",))
    chunk = at(data, ("chunk",) if key is None else ("chunk", key))
    is_chunk = isinstance(data, dict) and data.keys() == {"chunk"}
    said = "(chunks by key, below)" if chunk == BY_KEY else text_of(shown(chunk if is_chunk else data))
    aside = at(value, ("with",)) if isinstance(value, dict) and "with" in value else None
    return said if aside is None else f"{said} {text_of(shown(aside))}"


def span(recorded: Recorded, run: Run, *, timed: bool) -> tuple[float, float]:
    """When a run's first and last own events came: in milliseconds if they are ``timed``, else by position."""
    last = max(_last(lane) for _, lane in run.lanes())
    return _moment(recorded, run.first, timed), _moment(recorded, last, timed)


def first_chunk(recorded: Recorded, run: Run, *, timed: bool) -> float | None:
    """When a run's own first chunk came, as ``span`` says when; None if it gave none."""
    keyed = [min(lane.at) for lane in run.by_key.values() if lane.at]
    named = (at(recorded.texts.value(step), ("event",)) for step in run.main.steps)
    whole = next((place for name, place in zip(named, run.main.at, strict=True) if str(name).endswith("_stream")), None)
    found = min((*keyed, *(() if whole is None else (whole,))), default=None)
    return None if found is None else _moment(recorded, found, timed)


def _last(lane: Lane) -> int:
    return max(lane.at, default=0)


def _moment(recorded: Recorded, position: int, timed: bool) -> float:
    return float(recorded.times[min(position, len(recorded.times) - 1)] if timed else position)


@dataclass(frozen=True, slots=True)
class Group:
    """Findings that say the same of several runs, as of metadata that all runs inherit."""

    findings: tuple[Finding, ...]
    numbers: tuple[int, ...]

    @property
    def first(self) -> Finding:
        """The one that stands for all."""
        return self.findings[0]


def grouped(findings: Sequence[Finding]) -> list[Group]:
    """Findings by what they say, in order."""
    found: dict[str, list[int]] = {}
    for number, one in enumerate(findings):
        data = one.to_dict()
        apart = ("run", "at", "message", "readers", *(("before", "after") if one.kind == "run_reparented" else ()))
        key = text_of({name: value for name, value in data.items() if name not in apart})
        found.setdefault(key, []).append(number)
    return [Group(tuple(findings[n] for n in numbers), tuple(numbers)) for numbers in found.values()]
