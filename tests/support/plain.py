"""Turn any value that appears in a stream into plain data, and plain data into readable lines.

Plain data is made of ``dict``, ``list``, ``tuple``, ``Obj`` and scalars. The lines are what gets
compared and what a reader sees when two recordings differ. Identifiers and times differ from run
to run, so they are replaced in the text: an identifier by ``#n`` in order of first appearance, a
time by ``<time>``.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from pydantic import BaseModel

WIDTH = 100
_UUID = r"[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}"
_IDENTIFIER = re.compile(rf"(?<![0-9a-f]){_UUID}(?![0-9a-f])")
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)?")
_ADDRESS = re.compile(r" at 0x[0-9a-f]+")


class Obj(NamedTuple):
    """An object by the name of its class and its fields; the defining module is not compared."""

    name: str
    fields: dict[str, Any]


def plain(value: Any) -> Any:
    """Return ``value`` as plain data; identifiers stay as they are until the text is made."""
    if value is None or isinstance(value, bool | int | float | str | bytes | Obj):
        return value
    if isinstance(value, Mapping):
        return {_key(key): plain(item) for key, item in value.items()}
    if isinstance(value, set | frozenset):
        return Obj("set", {"items": sorted((plain(item) for item in value), key=flat)})
    if isinstance(value, list):
        return [plain(item) for item in value]
    return _tuple(value) if isinstance(value, tuple) else _object(value)


def _tuple(value: tuple[Any, ...]) -> Any:
    names = getattr(value, "_fields", None)
    if names is None:
        return tuple(plain(item) for item in value)
    return Obj(type(value).__name__, _said(dict(zip(names, value, strict=True))))


def _object(value: Any) -> Any:
    name = type(value).__name__
    if isinstance(value, BaseException):
        return Obj(name, {} if is_library_error(value) else {"args": plain(value.args)})
    if isinstance(value, BaseModel):
        return Obj(name, _said({**value.__dict__, **(value.__pydantic_extra__ or {})}))
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return Obj(name, _said({f.name: getattr(value, f.name) for f in dataclasses.fields(value)}))
    if hasattr(value, "__slots__") and name in {"Send", "Interrupt"}:
        return Obj(name, _said({key: getattr(value, key) for key in value.__slots__}))
    return Obj(name, {"repr": _ADDRESS.sub("", repr(value))})


def is_library_error(error: BaseException) -> bool:
    """Whether a graph library worded the error: each says it in its own words."""
    return type(error).__module__.startswith(("langgraph", "lcel_compat"))


def _said(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Leave empty fields out: a message has a dozen of them, and they hide what changed."""
    return {
        key: plain(item)
        for key, item in fields.items()
        if item is not None and not (isinstance(item, list | dict | tuple) and not item)
    }


def _key(key: Any) -> str:
    return key if isinstance(key, str) else flat(plain(key))


def flat(value: Any) -> str:
    """Return plain data as one line; mappings are sorted by key."""
    if isinstance(value, Obj):
        return f"{value.name}({', '.join(f'{k}={flat(v)}' for k, v in sorted(value.fields.items()))})"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{k!r}: {flat(v)}" for k, v in sorted(value.items())) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(flat, value)) + "]"
    if isinstance(value, tuple):
        return "(" + ", ".join(map(flat, value)) + ",)"
    return repr(value)


def blank(value: Any) -> str:
    """Return one line with every identifier and time blanked: what identical siblings share."""
    return _IDENTIFIER.sub("#", _TIME.sub("<time>", flat(value)))


def lines(value: Any) -> list[str]:
    """Return plain data as indented lines with identifiers numbered by first appearance."""
    return number("\n".join(_lines(value, "", ""))).split("\n")


def _lines(value: Any, label: str, indent: str) -> Iterator[str]:
    whole = flat(value)
    parts = list(_parts(value))
    if not parts or len(indent) + len(label) + len(whole) <= WIDTH:
        yield f"{indent}{label}{whole}"
        return
    yield f"{indent}{label}{_opening(value)}"
    for name, part in parts:
        yield from _lines(part, name, indent + "  ")


def _parts(value: Any) -> Iterable[tuple[str, Any]]:
    if isinstance(value, Obj):
        return [(f"{key} = ", item) for key, item in sorted(value.fields.items())]
    if isinstance(value, dict):
        return [(f"{key!r}: ", item) for key, item in sorted(value.items())]
    return [("- ", item) for item in value] if isinstance(value, list | tuple) else ()


def _opening(value: Any) -> str:
    return value.name if isinstance(value, Obj) else type(value).__name__


def number(text: str) -> str:
    """Replace times by ``<time>`` and each identifier by ``#n``, in order of first appearance."""
    seen: dict[str, str] = {}

    def name(match: re.Match[str]) -> str:
        return seen.setdefault(match.group().replace("-", ""), f"#{len(seen) + 1}")

    return _IDENTIFIER.sub(name, _TIME.sub("<time>", text))
