"""Values compared: where two JSON values differ, and what chunks make together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple, cast

from lcel_compat.compare._text import Renaming, is_message, text_of
from lcel_compat.events import JsonValue


class _Absent(str):
    """A text of its own: equal to none that a recording holds, since it is known by identity."""

    __slots__ = ()


ABSENT: Final[str] = _Absent("(missing)")
"""Stands where one side has nothing."""
_ADDED: Final = frozenset({"arguments", "args", "content", "page_content", "text", "reasoning"})
"""Keys whose texts add up from chunk to chunk."""
_MOST_LEAVES: Final = 1_000


class Leaf(NamedTuple):
    """One place where two values differ: keys and indexes to it, and the two sides."""

    path: tuple[str, ...]
    before: JsonValue
    after: JsonValue


def leaves(before: JsonValue, after: JsonValue, renaming: Renaming) -> list[Leaf]:
    """The places where two values differ, in order; a list of another length is one place."""
    found: list[Leaf] = []
    todo = [Leaf((), before, after)]
    while todo and len(found) < _MOST_LEAVES:
        leaf = todo.pop()
        inner = list(_inside(leaf))
        if inner:
            todo.extend(reversed(inner))
        elif (leaf.before is ABSENT) != (leaf.after is ABSENT) or not _equal(leaf.before, leaf.after, renaming):
            found.append(leaf)
    return found


def _inside(leaf: Leaf) -> Iterator[Leaf]:
    match leaf.before, leaf.after:
        case dict() as old, dict() as new:
            for key in sorted({**old, **new}):
                yield Leaf((*leaf.path, key), old.get(key, ABSENT), new.get(key, ABSENT))
        case list() as old, list() as new if len(old) == len(new):
            for index, (one, other) in enumerate(zip(old, new, strict=True)):
                yield Leaf((*leaf.path, str(index)), one, other)


def _equal(before: JsonValue, after: JsonValue, renaming: Renaming) -> bool:
    if isinstance(before, str) and isinstance(after, str):
        return renaming.equal(before, after)
    return renaming.equal(text_of(before), text_of(after))  # 1, 1.0 and True are equal, their texts are not.


def common(paths: Sequence[tuple[str, ...]]) -> tuple[str, ...]:
    """The longest path that all others begin with."""
    first, last = min(paths), max(paths)
    length = next((n for n, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), min(len(first), len(last)))
    return first[:length]


def at(value: JsonValue, path: Sequence[str]) -> JsonValue:
    """What stands at a path; ``ABSENT`` if nothing does."""
    for key in path:
        if isinstance(value, dict):
            value = value.get(key, ABSENT)
        elif isinstance(value, list) and key.isdecimal() and int(key) < len(value):
            value = value[int(key)]
        else:
            return ABSENT
    return value


def kind_of(value: JsonValue) -> str:
    """The kind of a chunk: JSON's types, and messages by theirs."""
    if is_message(value):
        return str(cast("Mapping[str, object]", value)["type"])
    names = {dict: "object", list: "array", str: "text", bool: "truth value", type(None): "null"}
    return names.get(type(value), "number")


def is_nothing(chunk: JsonValue) -> bool:
    """Whether a chunk adds nothing to the whole, as the empty one that core ends a model's stream with (rule 21)."""
    if isinstance(chunk, dict) and is_message(chunk):
        said = (
            "content",
            "tool_calls",
            "tool_call_chunks",
            "invalid_tool_calls",
            "usage_metadata",
            "additional_kwargs",
        )
        return not any(chunk.get(key) for key in said)
    return chunk == ""


def text_in(chunk: JsonValue) -> JsonValue:
    """What a chunk divides: a message's content, or the chunk itself."""
    return at(chunk, ("content",)) if is_message(chunk) else chunk


def whole(chunks: Sequence[JsonValue]) -> JsonValue:
    """What chunks make together: texts in a row, messages as one message, other values as a list."""
    if all(isinstance(chunk, str) for chunk in chunks):
        return "".join(cast("Sequence[str]", chunks))
    if chunks and all(is_message(chunk) for chunk in chunks):
        return _merged(cast("Sequence[dict[str, JsonValue]]", chunks))
    return list(chunks)


def _merged(parts: Sequence[Mapping[str, JsonValue]]) -> dict[str, JsonValue]:
    keys = sorted({key for part in parts for key in part})
    return {key: _sum(key, [part[key] for part in parts if key in part]) for key in keys}


def _sum(key: str, values: Sequence[JsonValue]) -> JsonValue:
    """What the values of one key make; a key of which only one chunk has a value has that."""
    said = [value for value in values if value not in (None, "", [], {})]
    if key in _ADDED and all(isinstance(value, str) for value in said):
        return "".join(cast("Sequence[str]", said))
    if key == "tool_call_chunks" or (said and all(_are_parts(value) for value in said)):
        return _by_index(part for value in said if isinstance(value, list) for part in value)
    different: list[JsonValue] = list({text_of(value): value for value in said}.values())
    return different[0] if len(different) == 1 else different


def _are_parts(value: JsonValue) -> bool:
    return isinstance(value, list) and all(isinstance(part, dict) and "index" in part for part in value)


def _by_index(parts: Iterator[JsonValue]) -> JsonValue:
    grouped: dict[str, list[Mapping[str, JsonValue]]] = {}
    for part in parts:
        if isinstance(part, dict):
            grouped.setdefault(text_of(part.get("index")), []).append(part)
    return [_merged(group) for group in grouped.values()]
