"""``langgraph.json`` read: what it says, what is wrong with it, and what is passed over."""

from __future__ import annotations

import json
from collections.abc import Iterator
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from lcel_adapters.serve._project._errors import ProjectError
from lcel_adapters.serve._project._model import HOSTED, UNSUPPORTED, Config, Section

EXAMPLE: Final = '{"graphs": {"agent": "./agent.py:graph"}}'
_JAVASCRIPT: Final = (".js", ".mjs", ".cjs", ".jsx", ".ts", ".mts", ".cts", ".tsx")


def read(path: Path) -> tuple[Config, tuple[str, ...]]:
    """What the file says, and what of it is passed over, as sentences.

    Raises:
        ProjectError: It cannot be read, is not what it should be, or asks for what there is not.
    """
    raw = _object(path)
    config = _validated(path, raw)
    _check(path, raw, config)
    return config, tuple(_passed_over(path, raw, config))


def _object(path: Path) -> dict[str, Any]:
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ProjectError(f"There is no file {str(path)!r}. Write it: {EXAMPLE}") from error
    except OSError as error:
        raise ProjectError(f"{path}: it cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise ProjectError(f"{path}: it is no UTF-8 text. Save it as UTF-8.") from error
    except json.JSONDecodeError as error:
        raise ProjectError(f"{path}: it is no JSON: {error.msg}, line {error.lineno}, column {error.colno}.") from error
    if not isinstance(raw, dict):
        raise ProjectError(f"{path}: it holds no object. Write {EXAMPLE}")
    return raw


def _validated(path: Path, raw: dict[str, Any]) -> Config:
    try:
        return Config.model_validate(raw)
    except ValidationError as error:
        raise ProjectError(f"{path}: {_said(error.errors()[0])}") from error


def _said(detail: ErrorDetails) -> str:
    key = ".".join(map(str, detail["loc"]))
    if detail["type"] == "value_error":
        return f"{key}: {detail['ctx']['error']}."
    if detail["type"] == "missing":
        return f"{key}: it is missing."
    return f"{key}: {detail['msg'].replace('Input', 'it', 1)}, not {json.dumps(detail['input'], default=repr)[:60]}."


def _check(path: Path, raw: dict[str, Any], config: Config) -> None:
    for key, reason in UNSUPPORTED.items():
        if _at(raw, key):
            raise ProjectError(f"{path}: {key}: it is not supported: {reason}. Remove it to be served without it.")
    if not config.graphs:
        raise ProjectError(f"{path}: graphs: there is none. Write {EXAMPLE}")
    for name, graph in config.graphs.items():
        _check_graph(f"{path}: graphs.{name}", name, graph.path)


def _check_graph(where: str, name: str, spec: str) -> None:
    if not name.strip() or "/" in name:
        raise ProjectError(f"{where}: a name that clients can say is needed, without a slash.")
    place = spec.rpartition(":")[0]
    if place.lower().endswith(_JAVASCRIPT):
        raise ProjectError(f"{where}: {spec!r} is no Python. Only graphs in Python can be served.")


def _passed_over(path: Path, raw: dict[str, Any], config: Config) -> Iterator[str]:
    if hosted := sorted(key for key in HOSTED if _at(raw, key) is not None):
        yield f"{path}: {', '.join(hosted)}: passed over, since only the hosted platform needs it."
    for key, known in _unknown(config):
        name = key.rpartition(".")[2]
        near = get_close_matches(name, known, n=1)
        yield f"{path}: {key}: nobody knows it.{f' Is {near[0]!r} meant?' if near else ''}"


def _unknown(section: Section, prefix: str = "") -> Iterator[tuple[str, list[str]]]:
    """The keys that the file's models do not have, each with those that stand beside it."""
    model = type(section)
    others = {key.removeprefix(prefix).partition(".")[0] for key in (*HOSTED, *UNSUPPORTED) if key.startswith(prefix)}
    known = sorted({field.alias or name for name, field in model.model_fields.items()} | others)
    for key in section.model_extra or {}:
        if key not in known:
            yield f"{prefix}{key}", known
    for name in model.model_fields:
        yield from _unknown_in(getattr(section, name), f"{prefix}{name}.")


def _unknown_in(value: Any, prefix: str) -> Iterator[tuple[str, list[str]]]:
    if isinstance(value, Section):
        yield from _unknown(value, prefix)
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from _unknown_in(inner, f"{prefix}{key}.")


def _at(raw: Any, key: str) -> Any:
    for part in key.split("."):
        raw = raw.get(part) if isinstance(raw, dict) else None
    return raw
