"""A comparison in plain text: the verdict, what was found, and the events of the runs concerned, old beside new."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from lcel_compat.compare._model import Comparison, Finding
from lcel_compat.compare._text import text_of
from lcel_compat.compare.view import Group, Mark, Row, grouped, rows, run_views
from lcel_compat.events import JsonValue

_SIGNS: Final[dict[Mark, str]] = {"same": " ", "changed": "~", "missing": "-", "extra": "+", "folded": " "}


def explain(comparison: Comparison, *, findings: int = 20, lines: int = 12, width: int = 100) -> str:
    """A comparison as text, for a failed test or a log.

    Args:
        comparison: What to tell.
        findings: How many findings are told at most; those that say the same of several runs count once.
        lines: How many lines of events stand below each run that is concerned.
        width: How long a line may be.
    """
    return "\n".join(_cut(line, width) for line in _lines(comparison, findings, lines))


def _lines(comparison: Comparison, most: int, lines: int) -> Iterator[str]:
    before, after = comparison.events
    yield f"verdict: {comparison.verdict} ({before} events before, {after} after, {comparison.inputs} inputs)"
    groups = grouped(comparison.findings)
    for group in groups[:most]:
        yield from _told(group)
    if len(groups) > most:
        yield f"and {len(groups) - most} more findings"
    for noise in comparison.noise[:most]:
        place = " ".join(filter(None, (noise.event, noise.where)))
        yield f"noise: {'/'.join(noise.run)} {place}: {noise.kind}, {noise.rate:.0%} of the repetitions"
    yield from _events(comparison, most, lines)


def _told(group: Group) -> Iterator[str]:
    one = group.first
    others = f" (and so {len(group.findings) - 1} more)" if len(group.findings) > 1 else ""
    yield f"{one.severity}: {one.message}{others}"
    yield f"    {one.where or one.event or 'run'}: {_brief(one.before)} -> {_brief(one.after)}"
    if one.readers:
        yield f"    who would notice: {one.readers[0]}"


def _events(comparison: Comparison, most: int, lines: int) -> Iterator[str]:
    shown = 0
    for case in comparison.cases:
        for view in run_views(case, comparison.findings):
            if shown == most or not any(_is_of_events(comparison.findings[n]) for n in view.findings):
                continue
            shown += 1
            yield ""
            yield f"{'/'.join(view.path)}  (input {case.input}; - before, + after)"
            yield from _row_lines(row for row in rows(case, view, limit=lines))


def _is_of_events(finding: Finding) -> bool:
    return bool(finding.event)


def _row_lines(found: Iterator[Row]) -> Iterator[str]:
    for row in found:
        if row.mark == "folded":
            yield f"      ... {row.count} equal events"
        elif row.mark == "changed":
            yield f"  - {row.event} {row.before}"
            yield f"  + {row.event} {row.after}"
        else:
            yield f"  {_SIGNS[row.mark]} {row.event} {row.before if row.before is not None else row.after}"


def _brief(value: JsonValue) -> str:
    return "nothing" if value is None else _cut(text_of(value), 60)


def _cut(line: str, width: int) -> str:
    flat = line.replace("\n", "\\n").replace("\r", "\\r")
    return flat if len(flat) <= width else flat[: width - 1] + "…"
