"""What the demo prints, as rich renderables."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from rich import box
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from lcel_adapters._cli._events import Move, Pair, Run
from lcel_adapters._cli._render import TIMES, Folder, Line, as_text, printable, shortened
from lcel_adapters.desk import DeskModel

_NARROW: Final = 90
_BESIDE: Final = 34
"""What counts and differences need beside the names of runs; in a very narrow terminal names are cut first."""
_MAX_LINES: Final = 8
_LABEL: Final = 10
"""Width of what stands left of a section's lines."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """What one listener wrote, piece by piece, before and after.

    Attributes:
        listener: Its name.
        reads: Which events it reads.
        before: What it wrote on the chain's events.
        after: What it wrote on the graph's.
    """

    listener: str
    reads: str
    before: list[str]
    after: list[str]

    @property
    def same(self) -> bool:
        return self.before == self.after


def head(question: str, model: Any) -> RenderableType:
    """What is about to run."""
    return Group(
        Text("A support desk, moved from LCEL into a graph", "bold"),
        Text(),
        _labelled([("Question", Text(printable(question))), ("Model", Text(printable(_model_name(model))))]),
    )


def answer(move: Move) -> RenderableType:
    """What the chain and the graph answered: once, if they answered the same."""
    chain = str(_output(move.before))
    output = _output(move.after)
    graph = str(output["answer"]) if isinstance(output, dict) else str(output)
    if chain == graph:
        return _labelled([("Answer", _prose(chain))])
    return _labelled([("As a chain", _prose(chain)), ("As a graph", _prose(graph))])


def side_by_side(move: Move, width: int) -> RenderableType:
    """Both event streams, a row for each run."""
    table = _table(width)
    for pair in move.pairs:
        table.add_row(*_row(pair, width))
    return Group(
        _heading("Events", "how often each run starts / streams / ends, as a chain and as a graph"),
        table,
    )


def verdict(move: Move) -> RenderableType:
    """What is the same and what is not, in sentences with numbers."""
    told = _labelled([("Same", _lines(_kept(move))), ("Changed", _lines(_changed(move)))])
    return Padding(told, (1, 0, 0, 0))


def listeners(heard: Sequence[Heard]) -> RenderableType:
    """What the application's own listeners get before and after."""
    rows = [(one.listener, Group(*_listener(one))) for one in heard]
    return Group(_heading("Listeners", "what code that reads these events gets"), _labelled(rows))


def modes(items: Sequence[tuple[str, Any]], order: Sequence[str], width: int) -> RenderableType:
    """One run of the desk in nodes, mode by mode."""
    rows = []
    for mode in order:
        own = [item for name, item in items if name == mode]
        rows.append((mode, Group(*_mode(mode, own, width - _LABEL - 7)), str(len(own))))
    table = _grid()
    table.add_column(justify="right", style="cyan", no_wrap=True, min_width=4)
    table.add_column(ratio=1)
    for name, lines, count in rows:
        table.add_row(name, count, lines)
    about = f"one run of the desk taken apart into nodes; {len(items)} items"
    return Group(_heading("Modes", about), table)


def _model_name(model: Any) -> str:
    """Class and name of a model; not its `repr`, which may hold more than belongs on a screen."""
    kind = type(model).__name__
    if isinstance(model, DeskModel):
        return f"{kind}, deterministic and offline"
    name = getattr(model, "model_name", None) or getattr(model, "model", None)
    return f"{kind}, {name}" if isinstance(name, str) else kind


def _table(width: int) -> Table:
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1), pad_edge=False, show_edge=False, expand=False)
    table.add_column("Run", no_wrap=True, overflow="ellipsis", min_width=12, max_width=max(12, width - _BESIDE))
    if width >= _NARROW:
        table.add_column("Type", no_wrap=True, style="dim")
    for side in ("Chain", "Graph"):
        table.add_column(side, justify="right", no_wrap=True, min_width=5)
    table.add_column("Difference", overflow="fold", min_width=12)
    return table


def _row(pair: Pair, width: int) -> list[RenderableType]:
    run = pair.shown
    step = "  " if width >= _NARROW else " "
    name = Text(step * (len(run.path) - 1) + printable(run.name), "" if pair.before else "yellow")
    kind = [Text(run.type)] if width >= _NARROW else []
    difference = Text(pair.difference, "yellow") if pair.difference else Text("same", "green")
    return [name, *kind, _counts(pair.before), _counts(pair.after), difference]


def _counts(run: Run | None) -> Text:
    if run is None:
        return Text("-", "dim")
    return Text("/".join(str(run.count(phase)) for phase in ("start", "stream", "end")))


def _kept(move: Move) -> list[str]:
    lines = [f"{move.same} of {len(move.kept)} runs: the same events with the same data and tags."]
    for kind, noun in (("on_chat_model_stream", "model tokens"), ("on_parser_stream", "parser chunks")):
        before, after = move.streamed(kind)
        if before == after:
            lines.append(f"All {before} {noun} ({kind}).")
    return lines


def _changed(move: Move) -> list[str]:
    lines = [f"{len(move.before)} events became {len(move.after)}."]
    old, new = _root(move.before), _root(move.after)
    if old != new:
        lines.append(f"The root run is {new!r}, no longer {old!r}; {_kind_of_output(move)}.")
    added = [pair.shown.name for pair in move.pairs if pair.before is None and pair.shown.name != new]
    if added:
        lines.append(f"A node adds a run of its own: {', '.join(added)}. All runs below it have more parents.")
    if move.new_metadata:
        lines.append(f"Every run gains metadata: {', '.join(move.new_metadata)}.")
    if move.lost_metadata:
        lines.append(f"Metadata is lost: {', '.join(move.lost_metadata)}.")
    for kind in ("on_chat_model_stream", "on_parser_stream"):
        before, after = move.streamed(kind)
        if before != after:
            lines.append(f"{kind}: {before} became {after}. (A model that samples answers anew each time.)")
    return lines


def _kind_of_output(move: Move) -> str:
    before, after = _output(move.before), _output(move.after)
    return f"it ends with {_shape(after)} where the chain ended with {_shape(before)}"


def _shape(value: Any) -> str:
    if isinstance(value, dict):
        return f"the state, {{{', '.join(value)}}},"
    return "the text" if isinstance(value, str) else f"a {type(value).__name__}"


def _root(events: Sequence[Any]) -> str:
    return str(events[0]["name"]) if events else ""


def _output(events: Sequence[Any]) -> Any:
    return events[-1]["data"].get("output") if events else None


def _listener(heard: Heard) -> list[Text]:
    first = Text.assemble(("unchanged", "green") if heard.same else ("changed", "yellow"), f"  reads {heard.reads}")
    if heard.same:
        return [first, Text(_summary(heard.before))]
    return [first, Text(f"before  {_summary(heard.before)}"), Text(f"after   {_summary(heard.after)}")]


def _summary(pieces: Sequence[str]) -> str:
    text = printable("".join(pieces).strip().replace("\n", " "))
    if len(pieces) <= 1:
        return text or "nothing"
    return f"{len(pieces)} pieces, {len(''.join(pieces))} characters: {shortened(text, 60)}"


def _mode(mode: str, items: Sequence[Any], width: int) -> list[Text]:
    if mode == "events":
        counts = Counter(item["event"] for item in items)
        return [Text(", ".join(f"{kind}{TIMES}{number}" for kind, number in counts.most_common()))]
    if mode == "values":
        return [Text(", ".join(state)) for state in items]
    lines = _folded(mode, items)
    shown = [_cut(as_text(line, label=False, width=width), width) for line in lines[:_MAX_LINES]]
    return [*shown, Text(f"… and {len(lines) - _MAX_LINES} more", "dim")] if len(lines) > _MAX_LINES else shown


def _folded(mode: str, items: Sequence[Any]) -> list[Line]:
    folder = Folder()
    return [line for item in items for line in folder.add(mode, item)] + folder.close()


def _cut(text: Text, width: int) -> Text:
    text.truncate(width, overflow="ellipsis")
    return text


def _heading(title: str, about: str) -> RenderableType:
    return Padding(Text.assemble((title, "bold"), "  ", (about, "dim")), (1, 0, 0, 0))


def _grid() -> Table:
    table = Table.grid(padding=(0, 1), expand=True)
    table.add_column(style="bold", no_wrap=True, width=_LABEL)
    return table


def _labelled(rows: Sequence[tuple[str, RenderableType]]) -> Table:
    table = _grid()
    table.add_column(ratio=1)
    for label, content in rows:
        table.add_row(label, content)
    return table


def _lines(lines: Sequence[str]) -> RenderableType:
    return Group(*(Text(line) for line in lines))


def _prose(text: str) -> Text:
    """Text of several paragraphs, its line ends kept."""
    return Text("\n".join(printable(line) for line in text.splitlines() if line))
