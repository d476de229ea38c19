"""Stream items as lines to read: pure of terminals, but for `as_text` at the end.

`Folder` takes items one by one and gives `Line`s; a run's tokens, which come by the hundred, become one line with
their count and their text.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from langchain_core.documents import Document
from langchain_core.messages import BaseMessage, BaseMessageChunk
from rich.text import Text

from lcel_compat.events import to_json

TIMES: Final = "\N{MULTIPLICATION SIGN}"

_MODE_WIDTH: Final = 11
_KIND_WIDTH: Final = 20
_MAX_DETAIL: Final = 20_000
_MAX_MEMBER: Final = 48
_READ_WHOLE: Final = frozenset({"messages", "chunks"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line about one stream item, or about several that were folded.

    Attributes:
        mode: The stream mode.
        kind: What happened: an event type, `task`, a message's class.
        name: To whom: a run or node.
        detail: What with: text, or JSON.
        count: Items folded into this line.
        depth: How far inside the run stands.
    """

    mode: str
    kind: str = ""
    name: str = ""
    detail: str = ""
    count: int = 1
    depth: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """An item described: its line and, if it is one of a series, which series and what it adds."""

    line: Line
    series: Hashable | None = None
    chunk: Any = None


@dataclass(slots=True)
class _Series:
    line: Line
    pieces: list[str] = field(default_factory=list)
    last: Any = None
    count: int = 0

    def add(self, chunk: Any) -> None:
        text = text_of(chunk)
        self.count += 1
        if text is None:
            self.last = chunk
        else:
            self.pieces.append(text)

    def folded(self) -> Line:
        detail = quoted("".join(self.pieces)) if self.pieces else _value(self.last)
        return replace(self.line, detail=detail, count=self.count)


class Folder:
    """Folds a stream into lines; the order of what is not folded stays."""

    def __init__(self) -> None:
        self._open: dict[Hashable, _Series] = {}

    def add(self, mode: str, item: Any) -> list[Line]:
        """The lines that are ready now: none while a series goes on."""
        shown = describe(mode, item)
        if shown.series is None:
            return [*self.close(), shown.line]
        series = self._open.setdefault((mode, shown.series), _Series(shown.line))
        series.add(shown.chunk)
        return []

    def pending(self) -> list[Line]:
        """The series that go on, as far as they came."""
        return [series.folded() for series in self._open.values()]

    def close(self) -> list[Line]:
        """The series that went on until now."""
        lines = self.pending()
        self._open.clear()
        return lines


def describe(mode: str, item: Any) -> Shown:
    """An item of any mode as a line; a mode that is not known is shown as JSON."""
    try:
        return _DESCRIBERS[mode](item)
    except (KeyError, TypeError, ValueError, AttributeError):
        # Not the shape this mode has here: another library, a newer version.
        return Shown(line=Line(mode=mode, detail=_value(item)))


def _event(item: Any) -> Shown:
    kind, data = item["event"], item["data"]
    line = Line(mode="events", kind=kind, name=item["name"], depth=len(item["parent_ids"]))
    if kind.endswith("_stream"):
        return Shown(line=line, series=(kind, item["run_id"]), chunk=data["chunk"])
    value = data.get("output" if kind.endswith("_end") else "input", data)
    return Shown(line=replace(line, detail=_value(value)))


def _update(item: Any) -> Shown:
    (node, update), *more = item.items()
    if more:
        return Shown(line=Line(mode="updates", detail=_value(item)))
    return Shown(line=Line(mode="updates", name=node, detail=_value(update)))


def _message(item: Any) -> Shown:
    message, metadata = item
    line = Line(mode="messages", kind=type(message).__name__, name=str(metadata.get("langgraph_node", "")))
    if isinstance(message, BaseMessageChunk):
        return Shown(line=line, series=message.id, chunk=message)
    return Shown(line=replace(line, detail=_value(message)))


def _task(item: Any) -> Shown:
    return Shown(line=_task_line("tasks", item))


def _debug(item: Any) -> Shown:
    if not item["type"].startswith("task"):
        line = Line(mode="debug", name=item["type"], detail=_value(item["payload"]))
    else:
        line = _task_line("debug", item["payload"])
    return Shown(line=replace(line, kind=f"step {item['step']}" + (f" {line.kind}" if line.kind else "")))


def _task_line(mode: str, payload: Mapping[str, Any]) -> Line:
    if "input" in payload:
        return Line(mode=mode, kind="task", name=payload["name"], detail=_value(payload["input"]))
    if payload["error"] is not None:
        return Line(mode=mode, kind="error", name=payload["name"], detail=_value(payload["error"]))
    return Line(mode=mode, kind="result", name=payload["name"], detail=_value(payload["result"]))


def _chunk(item: Any) -> Shown:
    if text_of(item) is None:
        return Shown(line=Line(mode="chunks", detail=_value(item)))
    return Shown(line=Line(mode="chunks"), series="text", chunk=item)


_DESCRIBERS: Final[dict[str, Callable[[Any], Shown]]] = {
    "updates": _update,
    "messages": _message,
    "tasks": _task,
    "debug": _debug,
    "events": _event,
    "chunks": _chunk,
}


def text_of(chunk: Any) -> str | None:
    """The text that a chunk adds, `None` if it is no text."""
    if isinstance(chunk, str):
        return chunk
    if isinstance(chunk, BaseMessage):
        return chunk.content if isinstance(chunk.content, str) else "".join(map(_block_text, chunk.content))
    return None


def _block_text(block: Any) -> str:
    return block if isinstance(block, str) else str(block.get("text", ""))


def _value(value: Any) -> str:
    """A value on one line: text in quotes, a dict as `key=value`, documents and messages by what they are."""
    text = text_of(value)
    if text is not None:
        return quoted(text)
    if isinstance(value, Mapping):
        # One among several must leave the others room.
        limit = _MAX_DETAIL if len(value) == 1 else _MAX_MEMBER
        return "  ".join(f"{key}={_member(member, limit)}" for key, member in value.items())
    return _several(getattr(value, "messages", value)) or brief(value)


def _member(value: Any, limit: int) -> str:
    inner = _value(value)
    return shortened(f"{{{inner}}}" if isinstance(value, Mapping) else inner, limit)


def _several(value: Any) -> str:
    """Which documents or messages a list holds; nothing for other values."""
    if not isinstance(value, list) or not value:
        return ""
    if all(isinstance(part, Document) for part in value):
        return f"[{', '.join(str(part.id or part.metadata.get('source', 'document')) for part in value)}]"
    if all(isinstance(part, BaseMessage) for part in value):
        return f"[{', '.join(part.type for part in value)}]"
    return _several(value[0]) if len(value) == 1 else ""


def quoted(text: str) -> str:
    """Text on one line, in quotes; to be read, not to be parsed."""
    return shortened('"' + text.replace("\n", "\\n") + '"', _MAX_DETAIL)


def brief(value: Any) -> str:
    """Any value as JSON on one line, cut where it is very long; nothing for nothing."""
    return "" if value is None else shortened(to_json(value), _MAX_DETAIL)


def shortened(text: str, limit: int) -> str:
    """`text`, or its beginning and an ellipsis; at most `limit` characters."""
    return text if len(text) <= limit else text[: limit - 1].rstrip() + "…"


def as_text(line: Line, *, label: bool, width: int) -> Text:
    """A line for the terminal; `label` puts the mode in front.

    It is cut at `width`, but for the text of `messages` and `chunks`, which is there to be read.
    """
    text = Text()
    if label:
        text.append(f"{line.mode:<{_MODE_WIDTH}}", "dim")
    if line.kind:
        text.append(f"{line.kind:<{_KIND_WIDTH}} ", _style(line.kind))
    if line.name:
        text.append("  " * line.depth + line.name + "  ", "bold")
    if line.count > 1:
        text.append(f"{TIMES}{line.count}  ", "cyan")
    text.append(printable(line.detail))
    text.rstrip()
    if line.mode not in _READ_WHOLE:
        text.truncate(width, overflow="ellipsis")
    return text


def printable(text: str) -> str:
    """Text without the characters that would move a terminal's cursor or change its colours."""
    return "".join(character if character.isprintable() else "�" for character in text)


def _style(kind: str) -> str:
    return "red" if "error" in kind else "green" if kind.endswith("_end") or "result" in kind else "cyan"
