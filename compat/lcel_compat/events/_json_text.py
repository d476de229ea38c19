"""The text of JSON values: one line that every reader takes for one, on a stack of our own where Python's is short."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Iterable, Iterator
from typing import Final, TypeAlias

JsonValue: TypeAlias = "bool | int | float | str | list[JsonValue] | dict[str, JsonValue] | None"
"""What ``json.loads`` can give."""


_LINE_END: Final = re.compile("[\x85\u2028\u2029]")
_COMPACT: Final = json.JSONEncoder(ensure_ascii=False, allow_nan=False, check_circular=False, separators=(",", ":"))


def dumps(value: JsonValue, indent: int | None = None) -> str:
    """The text of ``value``, strict JSON that UTF-8 can encode; compact but for ``indent``."""
    text = _written(value, indent)
    return text if text.isascii() else _LINE_END.sub(lambda end: f"\\u{ord(end[0]):04x}", text)


def _written(value: JsonValue, indent: int | None) -> str:
    try:
        if indent is None:
            return _COMPACT.encode(value)
        return json.dumps(value, ensure_ascii=False, allow_nan=False, check_circular=False, indent=indent)
    except RecursionError:
        return "".join(_pieces(value))


def _pieces(value: JsonValue) -> Iterator[str]:
    """The text of ``value`` in pieces, made on a stack of our own."""
    todo: list[JsonValue | _Piece] = [value]
    while todo:
        part = todo.pop()
        if isinstance(part, _Piece):
            yield part.text
        elif isinstance(part, dict):
            todo.extend(reversed(_spread("{", part.items(), "}")))
        elif isinstance(part, list):
            todo.extend(reversed(_spread("[", ((None, item) for item in part), "]")))
        else:
            yield _COMPACT.encode(part)


@dataclasses.dataclass(frozen=True, slots=True)
class _Piece:
    """Text that is JSON already."""

    text: str


def _spread(start: str, members: Iterable[tuple[str | None, JsonValue]], end: str) -> list[JsonValue | _Piece]:
    out: list[JsonValue | _Piece] = []
    for key, member in members:
        lead = "," if out else start
        out += [_Piece(lead if key is None else f"{lead}{_COMPACT.encode(key)}:"), member]
    return [*out, _Piece(end)] if out else [_Piece(start + end)]
