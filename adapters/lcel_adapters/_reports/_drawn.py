"""The comparison as the data that ``view/comparison.js`` draws, in the HTML report and on a server's page.

It is of bounded size whatever was compared, and says what it leaves out.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from lcel_compat.compare import Comparison
from lcel_compat.compare.view import Case, Row, RunView, first_chunk, grouped, rows, run_views, span
from lcel_compat.events import JsonValue, to_json

_MOST_RUNS: Final = 2_000
_MOST_ROWS: Final = 400
"""Lines per lane of a run: whoever reads a page reads no more."""
_FEW_ROWS: Final = 10
_ROWS_IN_ALL: Final = 20_000
"""Lines of all runs of an input; beyond, every run shows but a few."""
_MOST_TEXT: Final = 4_000
"""Characters of one event's data."""


def drawn(comparison: Comparison) -> dict[str, JsonValue]:
    """What is drawn.

    ``verdict``, ``inputs``, ``events``, ``noise`` and ``timings`` are as ``Comparison.to_dict`` gives them; in
    ``findings``, values are text; ``groups`` are of findings that say the same; of ``cases`` there is one per input.
    """
    groups: list[JsonValue] = [list(group.numbers) for group in grouped(comparison.findings)]
    whole = comparison.to_dict()
    return {
        **{name: whole[name] for name in ("verdict", "inputs", "events", "noise", "timings")},
        "findings": [_finding(one.to_dict()) for one in comparison.findings],
        "groups": groups,
        "cases": [_case(case, comparison) for case in comparison.cases],
    }


def _finding(data: dict[str, JsonValue]) -> JsonValue:
    return {**data, **{side: None if data[side] is None else _cut(to_json(data[side])) for side in ("before", "after")}}


def _case(case: Case, comparison: Comparison) -> JsonValue:
    views = run_views(case, comparison.findings)
    runs: list[JsonValue] = []
    left = _ROWS_IN_ALL
    timed = len(case.before.times) > 0 and len(case.after.times) > 0
    for view in views[:_MOST_RUNS]:
        lines = rows(case, view, limit=_MOST_ROWS if left > 0 else _FEW_ROWS)
        runs.append(_run(case, view, lines, timed))
        left -= len(lines)
    return {
        "input": case.input,
        "unit": "ms" if timed else "events",
        "runs": runs,
        "left_out": max(0, len(views) - _MOST_RUNS),
        "errors": [None if error is None else _cut(to_json(error)) for error in (case.before.error, case.after.error)],
    }


def _run(case: Case, view: RunView, lines: Iterable[Row], timed: bool) -> JsonValue:
    sides: list[JsonValue] = []
    for recorded, run in ((case.before, view.old), (case.after, view.new)):
        if run is None:
            sides.append(None)
            continue
        begin, end = span(recorded, run, timed=timed)
        first = first_chunk(recorded, run, timed=timed)
        facts: dict[str, JsonValue] = {"name": run.name, "kind": run.kind, "tags": list(run.tags)}
        sides.append({**facts, "begin": begin, "end": end, "first": first})
    return {
        "sides": sides,
        "path": list(view.path),
        "depth": view.depth,
        "severity": view.severity,
        "findings": list(view.findings),
        "rows": [_row(row) for row in lines],
    }


def _row(row: Row) -> JsonValue:
    before, after = (None if said is None else _cut(said) for said in (row.before, row.after))
    return [row.mark, row.event, before, None if row.mark == "same" else after, row.count]


def _cut(text: str) -> str:
    rest = len(text) - _MOST_TEXT
    return text if rest <= 0 else f"{text[:_MOST_TEXT]}… ({rest} more characters)"
