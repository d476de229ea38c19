"""The comparison in a terminal: verdict, findings, noise, timings."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from lcel_adapters._cli._render import printable
from lcel_compat.compare import Comparison, Severity, Spread, Verdict
from lcel_compat.compare.view import Group as Same
from lcel_compat.compare.view import grouped
from lcel_compat.events import to_json

_STYLES: Final[dict[Severity, str]] = {"breaking": "bold red", "changed": "yellow", "info": "blue"}
_VERDICTS: Final[dict[Verdict, tuple[str, str]]] = {
    "same": ("bold green", "no consumer would notice"),
    "changed": ("bold yellow", "it can be seen, and no known consumer depends on it"),
    "breaking": ("bold red", "consumers would notice"),
}
_MOST: Final = 40


def show(comparison: Comparison, console: Console) -> None:
    """Print the comparison; findings that say the same of several runs stand once."""
    for part in _parts(comparison):
        console.print(part)


def _parts(comparison: Comparison) -> Iterator[RenderableType]:
    style, said = _VERDICTS[comparison.verdict]
    before, after = comparison.events
    count = f"{comparison.inputs} input{'s' * (comparison.inputs != 1)}, {before} events before, {after} after"
    yield Text.assemble((comparison.verdict, style), f": {said} ", (f"({count})", "dim"))
    groups = grouped(comparison.findings)
    for group in groups[:_MOST]:
        yield Padding(_finding(group), (1, 0, 0, 0))
    if len(groups) > _MOST:
        yield Text(f"\n… and {len(groups) - _MOST} more; --report html:FILE has them all", "dim")
    if comparison.noise:
        yield Padding(_noise(comparison), (1, 0, 0, 0))
    for case in comparison.cases:
        if case.before.error is not None and case.before.error == case.after.error:
            yield Text(f"\ninput {case.input}: both sides ended with {_brief(case.before.error)}", "yellow")
    if comparison.timings:
        yield Padding(_timings(comparison), (1, 0, 0, 0))


def _finding(group: Same) -> RenderableType:
    one = group.first
    more = f" (and so {len(group.findings) - 1} more)" if len(group.findings) > 1 else ""
    head = Text.assemble((f"{one.severity:9}", _STYLES[one.severity]), printable(one.message), (more, "dim"))
    place = one.where or one.event or "run"
    change = Text.assemble(f"{place}: ", (_brief(one.before), "red"), " → ", (_brief(one.after), "green"))
    lines: list[RenderableType] = [head, Padding(change, (0, 0, 0, 9))]
    if one.readers:
        lines.append(Padding(Text(f"noticed by {one.readers[0]}", "dim"), (0, 0, 0, 9)))
    return Group(*lines)


def _noise(comparison: Comparison) -> RenderableType:
    table = Table("noise: the old side does not repeat it either", "what", "rate", box=None, header_style="dim")
    for one in comparison.noise[:_MOST]:
        place = " ".join(filter(None, ("/".join(one.run), one.event, one.where)))
        table.add_row(Text(printable(place)), one.kind, f"{one.rate:.0%}")
    return table


def _timings(comparison: Comparison) -> RenderableType:
    table = Table("milliseconds", "input", "before", "after", box=None, header_style="dim")
    for one in comparison.timings:
        table.add_row(one.name.replace("_", " "), str(one.input), _spread(one.before), _spread(one.after))
    return table


def _spread(spread: Spread | None) -> str:
    if spread is None:
        return "none"
    if spread.count == 1:
        return f"{spread.median:.1f}"
    return f"{spread.median:.1f} ({spread.low:.1f} to {spread.high:.1f})"


def _brief(value: Any) -> str:
    if value is None:
        return "nothing"
    text = printable(to_json(value))
    return text if len(text) <= 70 else text[:69] + "…"
