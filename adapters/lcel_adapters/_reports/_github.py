"""The comparison as GitHub annotations: workflow commands, one line per group of findings."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from lcel_compat.compare import Comparison, Severity
from lcel_compat.compare.view import Group, grouped

_COMMANDS: Final[dict[Severity, str]] = {"breaking": "error", "changed": "warning", "info": "notice"}
_MOST: Final = 50
"""GitHub shows ten annotations of a step and keeps fifty of a job."""


def write(comparison: Comparison) -> str:
    """The commands, for standard output of a workflow's step."""
    return "".join(f"{line}\n" for line in _lines(comparison))


def _lines(comparison: Comparison) -> Iterator[str]:
    groups = grouped(comparison.findings)
    for group in groups[:_MOST]:
        yield _line(group)
    if len(groups) > _MOST:
        yield f"::notice title=lcel-compat::{len(groups) - _MOST} more findings are in the other reports"
    yield f"::notice title=lcel-compat::verdict: {comparison.verdict}"


def _line(group: Group) -> str:
    one = group.first
    more = f" (and so {len(group.findings) - 1} more)" if len(group.findings) > 1 else ""
    noticed = f" Who would notice: {one.readers[0]}." if one.readers else ""
    title = _escaped(f"{one.kind} at {'/'.join(one.run)}").replace(",", "%2C").replace(":", "%3A")
    return f"::{_COMMANDS[one.severity]} title={title}::{_escaped(f'{one.message}{more}.{noticed}')}"


def _escaped(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
