"""The table, with rich where it is installed, and the JSON of the same lines."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Sequence
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final, TextIO

from benchmarks._rows import Row
from benchmarks._timing import Settings

HEADINGS: Final = (
    *("scenario", "unit", "against"),
    *("reference", "ours", "ratio"),
    *("goal", "met", "note"),
)
NUMERIC: Final = frozenset({"reference", "ours", "ratio"})
PACKAGES: Final = ("langgraph", "langchain-core", "lcel-compat")


def environment() -> dict[str, str]:
    """The interpreter, the machine and the versions the figures belong to."""
    machine = f"{platform.system()} {platform.machine()}, {os.cpu_count()} CPUs"
    found = {"python": platform.python_version(), "machine": machine}
    return found | {name: _version(name) for name in PACKAGES}


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def cells(row: Row) -> tuple[str, ...]:
    """The row as text, one cell per heading."""
    ratio = row.ratio
    return (
        row.scenario,
        row.unit,
        row.against,
        _figure(row.reference),
        _figure(row.ours),
        "" if ratio is None else f"{ratio.median:.2f} [{ratio.low:.2f}-{ratio.high:.2f}]",
        "" if row.goal is None else str(row.goal),
        {None: "", True: "yes", False: "NO"}[row.met],
        row.note,
    )


def _figure(value: float | None) -> str:
    return "" if value is None else f"{value:,.2f}" if value < 100 else f"{value:,.0f}"


def print_table(rows: Sequence[Row], out: TextIO) -> None:
    """Print the table to `out`."""
    try:
        from rich.table import Table
    except ImportError:
        _print_plain(rows, out)
    else:
        _print_rich(Table(), rows, out)


def _print_rich(table: Any, rows: Sequence[Row], out: TextIO) -> None:
    from rich.console import Console
    from rich.text import Text

    for heading in HEADINGS:
        table.add_column(heading, justify="right" if heading in NUMERIC else "left")
    for row in rows:
        # Text, since the brackets of a ratio would be taken for markup.
        table.add_row(*map(Text, cells(row)), style="red" if row.failed else None)
    # Where the output is a file there is no width to fit; folding would only break the figures.
    Console(file=out, width=None if out.isatty() else 220).print(table)


def _print_plain(rows: Sequence[Row], out: TextIO) -> None:
    lines = [HEADINGS, *map(cells, rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        padded = (
            text.rjust(width) if heading in NUMERIC else text.ljust(width)
            for heading, text, width in zip(HEADINGS, line, widths, strict=True)
        )
        print("  ".join(padded).rstrip(), file=out)


def write_json(rows: Sequence[Row], settings: Settings, path: Path) -> None:
    """Write `{"environment", "settings", "rows"}`; a row has its fields, `goal` as text, `met`."""
    document = {
        "environment": environment(),
        "settings": {
            "theirs": settings.theirs.name,
            "ours": settings.ours.name,
            "rounds": settings.rounds,
            "block": settings.block,
            "quick": settings.quick,
            "freeze": settings.freeze,
        },
        "rows": [_json_row(row) for row in rows],
    }
    path.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def _json_row(row: Row) -> dict[str, Any]:
    goal = None if row.goal is None else str(row.goal)
    return asdict(row) | {"goal": goal, "met": row.met}
