"""The comparison as one HTML page that needs nothing else: no network, no server.

The page holds the comparison as JSON and draws it with a small script. Contents of events reach the document as text
only, never as markup: the template escapes, the JSON hides every ``<``, and the script sets ``textContent``.
"""

from __future__ import annotations

from collections.abc import Iterable
from importlib.resources import files
from typing import Final

from lcel_adapters._reports._missing import needs
from lcel_compat.compare import Comparison
from lcel_compat.compare.view import Case, Row, RunView, grouped, rows, run_views, span
from lcel_compat.events import JsonValue, to_json

_MOST_RUNS: Final = 2_000
_MOST_ROWS: Final = 400
"""Lines per lane of a run: whoever reads a page reads no more."""
_FEW_ROWS: Final = 10
_ROWS_IN_ALL: Final = 20_000
"""Lines of all runs of an input; beyond, every run shows but a few."""
_MOST_TEXT: Final = 4_000
"""Characters of one event's data."""
_PAGE: Final = files("lcel_adapters._reports")


def write(comparison: Comparison) -> str:
    """The page.

    Raises:
        ModuleNotFoundError: If jinja2 is not installed; the message says how to get it.
    """
    with needs("jinja2"):
        from jinja2 import Environment, StrictUndefined
        from markupsafe import Markup
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    template = environment.from_string(_resource("report.html.j2"))
    return template.render(
        verdict=comparison.verdict,
        comparison=comparison,
        style=Markup(_resource("report.css")),
        script=Markup(_resource("report.js")),
        data=Markup(_embedded(_data(comparison))),
    )


def _resource(name: str) -> str:
    return (_PAGE / name).read_text("utf-8")


def _embedded(data: JsonValue) -> str:
    """JSON that no HTML parser takes for anything but text."""
    text = to_json(data)
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


def _data(comparison: Comparison) -> JsonValue:
    groups: list[JsonValue] = [list(group.numbers) for group in grouped(comparison.findings)]
    return {
        "findings": [_finding(one.to_dict()) for one in comparison.findings],
        "groups": groups,
        "cases": [_case(case, comparison) for case in comparison.cases],
    }


def _finding(data: dict[str, JsonValue]) -> JsonValue:
    return {**data, **{side: None if data[side] is None else _cut(to_json(data[side])) for side in ("before", "after")}}


def _case(case: Case, comparison: Comparison) -> JsonValue:
    views = run_views(case, comparison.findings)
    drawn: list[JsonValue] = []
    left = _ROWS_IN_ALL
    timed = len(case.before.times) > 0 and len(case.after.times) > 0
    for view in views[:_MOST_RUNS]:
        lines = rows(case, view, limit=_MOST_ROWS if left > 0 else _FEW_ROWS)
        drawn.append(_run(case, view, lines, timed))
        left -= len(lines)
    return {
        "input": case.input,
        "unit": "ms" if timed else "events",
        "runs": drawn,
        "left_out": max(0, len(views) - _MOST_RUNS),
        "errors": [None if error is None else _cut(to_json(error)) for error in (case.before.error, case.after.error)],
    }


def _run(case: Case, view: RunView, lines: Iterable[Row], timed: bool) -> JsonValue:
    sides = ((case.before, view.old), (case.after, view.new))
    drawn: list[JsonValue] = []
    for recorded, run in sides:
        if run is None:
            drawn.append(None)
        else:
            begin, end = span(recorded, run, timed=timed)
            drawn.append({"name": run.name, "kind": run.kind, "tags": list(run.tags), "begin": begin, "end": end})
    return {
        "sides": drawn,
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
