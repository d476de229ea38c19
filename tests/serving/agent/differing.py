"""Where two normal forms differ, in lines a person can read."""

from __future__ import annotations

import json
from collections.abc import Iterator
from difflib import SequenceMatcher
from typing import Any

from tests.support.wire import Form

WIDTH = 600


def differing(expected: Form, found: Form) -> list[str]:
    """Every difference between what was expected and what was found, by exchange, event and path in it."""
    old, new = [list(_parts(form)) for form in (expected, found)]
    matcher = SequenceMatcher(None, [_line(part) for part in old], [_line(part) for part in new], autojunk=False)
    lines: list[str] = []
    for kind, a, b, c, d in matcher.get_opcodes():
        if kind == "replace" and b - a == d - c:
            lines += [line for one, other in zip(old[a:b], new[c:d], strict=True) for line in _inside(one, other)]
        elif kind != "equal":
            lines += [f"missing: {_line(part)}"[:WIDTH] for part in old[a:b]]
            lines += [f"too much: {_line(part)}"[:WIDTH] for part in new[c:d]]
    return lines


def _parts(form: Form) -> Iterator[tuple[str, Any]]:
    for exchange in form:
        name = str(exchange.get("name"))
        yield name, {key: value for key, value in exchange.items() if key != "events"}
        for event in exchange.get("events", ()):
            yield f"{name} event", event


def _line(part: tuple[str, Any]) -> str:
    return f"{part[0]} {json.dumps(part[1], sort_keys=True)}"


def _inside(old: tuple[str, Any], new: tuple[str, Any]) -> Iterator[str]:
    if old[0] != new[0] or (isinstance(old[1], list) and old[1][0] != new[1][0]):
        yield f"missing: {_line(old)}"[:WIDTH]
        yield f"too much: {_line(new)}"[:WIDTH]
        return
    label = f"{old[0]} {old[1][0]}" if isinstance(old[1], list) else old[0]
    yield from (f"{label}: {line}"[:WIDTH] for line in _paths(old[1], new[1], ""))


def _paths(old: Any, new: Any, path: str) -> Iterator[str]:
    if isinstance(old, dict) and isinstance(new, dict):
        for key in sorted(old.keys() | new.keys()):
            if key not in new or key not in old:
                found = f"missing: {json.dumps(old[key])}" if key in old else f"too much: {json.dumps(new[key])}"
                yield f"{path}.{key} {found}"
            else:
                yield from _paths(old[key], new[key], f"{path}.{key}")
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for number, (one, other) in enumerate(zip(old, new, strict=True)):
            yield from _paths(one, other, f"{path}[{number}]")
    elif old != new or type(old) is not type(new):
        yield f"{path} expected {json.dumps(old)} found {json.dumps(new)}"
