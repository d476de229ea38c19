"""Single values out of threads, by paths as ``values.messages[-1].content``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from fastapi import HTTPException

Path = tuple[str | int, ...]
ROOTS = ("config", "interrupts", "metadata", "values")
_PATH = re.compile(r"[^.\[\]]+(?:\.[^.\[\]]+|\[-?\d{1,9}\])*")
_PART = re.compile(r"\[(-?\d+)\]|([^.\[\]]+)")


def paths_of(asked: Mapping[str, str]) -> dict[str, Path]:
    """Paths, taken apart.

    Raises:
        HTTPException: One is none, or begins with what threads do not have (422).
    """
    return {name: _path(text) for name, text in asked.items()}


def extracted(row: Mapping[str, Any], paths: Mapping[str, Path]) -> dict[str, Any]:
    """What is there in a thread's row, None where nothing is; nothing if nothing was asked for."""
    return {"extracted": {name: _at(row, path) for name, path in paths.items()}} if paths else {}


def _path(text: str) -> Path:
    if not _PATH.fullmatch(text):
        raise HTTPException(422, f"Extract path {text!r} is none: write names and [numbers], as values.messages[-1].id")
    path = tuple(int(number) if number else name for number, name in _PART.findall(text))
    if path[0] not in ROOTS:
        raise HTTPException(422, f"Extract path {text!r} must start with one of: {', '.join(ROOTS)}")
    return path


def _at(value: Any, path: Path) -> Any:
    for part in path:
        try:
            value = value[part]
        except (LookupError, TypeError):
            return None
    return value
