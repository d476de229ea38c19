"""The encoder's walk through a value."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final, TypeAlias, cast

from lcel_compat.events._json_rules import KINDS, PLAIN, reduced
from lcel_compat.events._json_text import JsonValue, dumps
from lcel_compat.events._json_values import Unordered, dotted, is_truncated, text, truncated

_MAX_DEPTH: Final = 100
_MAX_PARTS: Final = 10_000_000
_MAX_KEY_LEVELS: Final = 8
_MAX_KEY_PARTS: Final = 1_000

_Member: TypeAlias = tuple[Any, object]
"""An index or key, which is text already, and the part that belongs there."""


class _Frame:
    """One array or object being encoded: what is left of it, and where the encoded parts go."""

    __slots__ = ("items", "key", "source", "target", "unordered")

    def __init__(self, source: object, target: Any, items: Iterator[_Member], unordered: bool) -> None:
        self.source = source  # Held, so that its id stays its own while we are inside it.
        self.target = target
        self.items = items
        self.unordered = unordered
        self.key: int | str = 0


class Encoder:
    """One depth-first walk on a stack of its own, since Python's would overflow.

    Args:
        depth: At which level the walk starts, of the 100 that it may descend.
        parts: How many members it may encode.
        reduce: What makes a value one step plainer: a JSON scalar, or one of ``KINDS`` with its parts as they were.
    """

    def __init__(
        self, *, depth: int = 0, parts: int = _MAX_PARTS, reduce: Callable[[object], object] = reduced
    ) -> None:
        self._reduce = reduce
        self._depth = depth
        self._parts_left = parts
        self._stack: list[_Frame] = []
        self._inside: dict[int, int] = {}

    def encode(self, value: object) -> JsonValue:
        """Return the JSON value of ``value``."""
        holder: list[JsonValue] = [None]
        self._stack.append(_Frame(None, holder, iter([(0, value)]), False))
        while self._stack:
            self._advance(self._stack[-1])
        return holder[0]

    def _advance(self, frame: _Frame) -> None:
        """Encode the parts of ``frame`` up to the next array or object; if none is left, leave."""
        target = frame.target
        level = len(self._stack)
        for key, part in frame.items:
            kind = type(part)
            if part is None or (kind is str and cast("str", part).isascii()):
                target[key] = part
            elif (kind is list or kind is dict) and not part:
                target[key] = kind()
            else:
                frame.key = key
                target[key] = self._enter(part)
                if len(self._stack) > level:
                    return
        self._leave()

    def _enter(self, value: object) -> object:
        """The JSON of ``value``; its parts, if it has any, are left to a frame that is pushed."""
        if id(value) in self._inside:
            return self._open(value, self._cycle(value))
        shape = self._reduce(value)
        return self._open(value, shape) if type(shape) in KINDS else shape

    def _open(self, source: object, shape: Any) -> object:
        if len(shape) == 2 and is_truncated(shape):
            return {"type": "truncated", "of": text(shape["of"])}
        needed = 1 + len(shape)
        if needed > self._parts_left or self._depth + len(self._stack) > _MAX_DEPTH:
            return truncated(source)
        self._parts_left -= needed
        if not shape:
            return KINDS[type(shape)]()
        flat = _flat(shape)
        return self._pushed(source, shape) if flat is None else flat

    def _pushed(self, source: object, shape: Any) -> object:
        target: Any
        if KINDS[type(shape)] is dict:
            target, items = {}, self._members(shape)
        else:
            target, items = [None] * len(shape), enumerate(list(shape))
        self._inside[id(source)] = len(self._stack)
        self._stack.append(_Frame(source, target, items, type(shape) in _SETS))
        return target

    def _leave(self) -> None:
        frame = self._stack.pop()
        self._inside.pop(id(frame.source), None)
        if frame.unordered:
            frame.target.sort(key=_canonical)

    def _members(self, shape: Any) -> Iterator[_Member]:
        if type(shape) is not dict:
            return iter(self._with_text_keys(shape))
        pairs = list(shape.items())
        if _has_plain_keys(shape):
            return iter(pairs)
        return iter(self._with_text_keys(pairs))

    def _with_text_keys(self, pairs: list[tuple[object, object]]) -> list[_Member]:
        """The pairs with their keys as text; keys that are that text already have precedence."""
        texts = [(key, self._key(key)) for key, _ in pairs]
        kept = [type(key) is str and key == name for key, name in texts]
        taken = {name for (_, name), keep in zip(texts, kept, strict=True) if keep}
        out: list[_Member] = []
        for (_, part), (_, name), keep in zip(pairs, texts, kept, strict=True):
            free = name if keep else _free(name, taken)
            taken.add(free)
            out.append((free, part))
        return out

    def _key(self, key: object) -> str:
        plain = reduced(key)
        if type(plain) in KINDS:
            plain = self._structured_key(key)
        return plain if isinstance(plain, str) else dumps(cast("JsonValue", plain))

    def _structured_key(self, key: object) -> object:
        # A key in a key in a key: every level starts deeper, so that this recursion ends.
        depth = max(self._depth + len(self._stack), _MAX_DEPTH - _MAX_KEY_LEVELS)
        try:
            return Encoder(depth=depth, parts=_MAX_KEY_PARTS).encode(key)
        except RecursionError:
            return dotted(type(key))

    def _cycle(self, value: object) -> dict[str, str]:
        steps = map(_path_step, self._stack[1 : self._inside[id(value)]])
        return {"type": "cycle", "path": "$" + "".join(steps)}


def _all_of(allowed: frozenset[type], parts: Iterable[object]) -> bool:
    try:
        return allowed.issuperset(map(type, parts))
    except Exception:  # A metaclass whose hash raises is no scalar's.
        return False


def _has_plain_keys(shape: dict[Any, object]) -> bool:
    return _all_of(_JUST_TEXT, shape) and "".join(shape).isascii()


def _flat(shape: Any) -> list[object] | dict[str, object] | None:
    """The JSON of a list or dict of scalars, which needs no frame: most in an event are that."""
    if type(shape) is list and _all_of(_SCALARS, shape):
        return [PLAIN[type(part)](part) for part in shape]
    if type(shape) is not dict or not _all_of(_SCALARS, shape.values()):
        return None
    if not _has_plain_keys(shape):
        return None
    return {key: PLAIN[type(part)](part) for key, part in shape.items()}


_SCALARS: Final = frozenset(PLAIN)
_JUST_TEXT: Final = frozenset({str})
_SETS: Final = frozenset({set, frozenset, Unordered})
_IDENTIFIER: Final = re.compile(r"[A-Za-z_]\w*", re.ASCII)


def _path_step(frame: _Frame) -> str:
    if isinstance(frame.key, int):
        return "[*]" if frame.unordered else f"[{frame.key}]"
    return f".{frame.key}" if _IDENTIFIER.fullmatch(frame.key) else f"[{dumps(frame.key)}]"


def _free(text: str, taken: set[str]) -> str:
    """``text``, or the first of ``text#2``, ``text#3``... that is not ``taken``."""
    number, free = 1, text
    while free in taken:
        number += 1
        free = f"{text}#{number}"
    return free


def _canonical(value: JsonValue) -> tuple[int, float, str]:
    """A sort key over JSON values: numbers by size, then everything else by its text."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return (0, value, "")
    return (1, 0, dumps(value))
