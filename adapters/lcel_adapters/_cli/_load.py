"""What an argument names: a graph by `MODULE:OBJECT`, an input by JSON, `@FILE` or `-`."""

from __future__ import annotations

import inspect
import json
import sys
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from operator import attrgetter
from pathlib import Path
from types import ModuleType
from typing import Any, Final
from uuid import UUID

from langchain_core.runnables import Runnable, RunnableConfig

_CONFIG_KEYS: Final = tuple(sorted(frozenset(RunnableConfig.__annotations__) - {"callbacks"}))
"""Callbacks are objects, which no JSON is."""
_FORM = "write MODULE:OBJECT or FILE.py:OBJECT, as in lcel_adapters.desk:graph"


class CannotRunError(Exception):
    """Nothing was run; the message says why not and what to do instead."""


def load_runnable(spec: str) -> Runnable[Any, Any]:
    """The graph or other runnable that `MODULE:OBJECT` or `FILE.py:OBJECT` names.

    OBJECT may be dotted. A builder of a graph is compiled, a function without arguments that makes one is called.

    Raises:
        CannotRunError: If the module, the object or a runnable in it cannot be had.
    """
    place, colon, path = spec.rpartition(":")
    if not (place and colon and path):
        raise CannotRunError(f"{spec!r} names no graph: {_FORM}.")
    return _runnable(spec, find(spec, _import(place), path))


def is_factory(spec: str) -> bool:
    """Whether what `MODULE:OBJECT` names has to be called to have a runnable.

    Raises:
        CannotRunError: If there is nothing of that name.
    """
    place, _, path = spec.rpartition(":")
    return not isinstance(find(spec, _import(place), path), Runnable)


def read_json(text: str, *, option: str) -> Any:
    """The value of an option: JSON, `@FILE` with JSON in it, or `-` for JSON on standard input.

    Raises:
        CannotRunError: If the file cannot be read or the text is no JSON.
    """
    source, content = _source(text, option)
    try:
        return json.loads(content)
    except json.JSONDecodeError as error:
        found = f"is no JSON: {content.strip()[:40]!r}" if content.strip() else "is empty"
        raise CannotRunError(
            f"{option}: {source} {found} ({error.msg}, line {error.lineno}, column {error.colno})."
            f""" Write {option} '{{"key": "value"}}', {option} @FILE, or {option} - to read standard input."""
        ) from error


def read_config(text: str | None) -> dict[str, Any]:
    """The configuration of a run, `{}` if there is none; a `run_id` in it as the UUID that core expects.

    Raises:
        CannotRunError: If it is no JSON object, holds a key that core would pass over in silence or that JSON cannot
            express, or a `run_id` that is no UUID.
    """
    config = {} if text is None else read_json(text, option="--config")
    if not isinstance(config, dict):
        raise CannotRunError(
            f"--config is {config!r}, but a configuration is an object:"
            """ --config '{"tags": ["trial"], "configurable": {"thread_id": "1"}}'."""
        )
    if unknown := [key for key in config if key not in _CONFIG_KEYS]:
        raise CannotRunError(
            f"--config: a configuration cannot hold {', '.join(map(repr, unknown))} here. It takes"
            f" {', '.join(_CONFIG_KEYS)}; values of your own go into configurable."
        )
    return {**config, "run_id": _uuid(config["run_id"])} if "run_id" in config else config


def _uuid(text: Any) -> UUID:
    try:
        return UUID(text)
    except (AttributeError, TypeError, ValueError) as error:
        raise CannotRunError(
            f"--config: run_id is {text!r}, which is no UUID. Leave it out to get a new one."
        ) from error


def _source(text: str, option: str) -> tuple[str, str]:
    if text == "-":
        return "standard input", sys.stdin.read()
    if not text.startswith("@"):
        return "the argument", text
    try:
        return text[1:], Path(text[1:]).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise CannotRunError(f"{option}: cannot read the file {text[1:]!r}: {_reason(error)}.") from error


def _import(place: str) -> ModuleType:
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    try:
        return _import_file(Path(place)) if place.endswith(".py") else import_module(place)
    except CannotRunError:
        raise
    except ModuleNotFoundError as error:
        raise CannotRunError(not_found(place, error)) from error
    except Exception as error:
        raise CannotRunError(
            f"{place!r} failed while it was imported: {type(error).__name__}: {error}. Nothing was run."
        ) from error


def _import_file(path: Path) -> ModuleType:
    if not path.is_file():
        raise CannotRunError(f"There is no file {str(path)!r} in {str(Path.cwd())!r}.")
    sys.path.insert(0, str(path.parent.resolve()))
    spec = spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    # Registered, because annotations of a state are looked up in the module by its name.
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    return module


def not_found(place: str, error: ModuleNotFoundError) -> str:
    if error.name is not None and (place == error.name or place.startswith(f"{error.name}.")):
        return (
            f"There is no module {error.name!r}. Start lcel-compat in the folder that holds it, or name the file:"
            " FILE.py:OBJECT."
        )
    return f"{place!r} imports {error.name!r}, which is not installed in {sys.prefix!r}."


def find(spec: str, module: ModuleType, path: str) -> Any:
    try:
        return attrgetter(path)(module)
    except AttributeError as error:
        raise CannotRunError(f"{spec!r}: {error}.{_offers(module)}") from error


def _offers(module: ModuleType) -> str:
    names = [name for name, value in vars(module).items() if _is_offer(value) and not name.startswith("_")]
    return f" It has {', '.join(map(repr, sorted(names)))}." if names else ""


def _is_offer(value: Any) -> bool:
    return isinstance(value, Runnable) or is_builder(value)


def is_builder(value: Any) -> bool:
    return not isinstance(value, type) and hasattr(value, "add_node") and callable(getattr(value, "compile", None))


def _runnable(spec: str, found: Any) -> Runnable[Any, Any]:
    made = found
    if callable(found) and not isinstance(found, Runnable):
        made = _made(spec, found)
    if is_builder(made):
        made = called(spec, made.compile)
    if isinstance(made, Runnable):
        return made
    raise CannotRunError(
        f"{spec!r} is {described(made)}, which cannot be streamed. Name a compiled graph, a chain, or a function"
        " without arguments that makes one."
    )


def _made(spec: str, factory: Any) -> Any:
    if inspect.iscoroutinefunction(factory):
        raise CannotRunError(f"{spec!r} is an async function. Name a graph, or a plain function that makes one.")
    if missing := _missing(factory):
        raise CannotRunError(
            f"{spec!r} takes the argument{'s' * (len(missing) > 1)} {', '.join(map(repr, missing))}. Name a graph, or a"
            " function that makes one without arguments."
        )
    return called(spec, factory)


def _missing(factory: Any) -> list[str]:
    """The parameters that a call without arguments would leave open."""
    try:
        parameters = inspect.signature(factory).parameters.values()
    except (TypeError, ValueError):
        return []
    many = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return [p.name for p in parameters if p.default is p.empty and p.kind not in many]


def called(spec: str, make: Any) -> Any:
    try:
        return make()
    except Exception as error:
        raise CannotRunError(f"{spec!r} could not be made: {type(error).__name__}: {error}") from error


def described(value: Any) -> str:
    return f"the module {value.__name__!r}" if isinstance(value, ModuleType) else f"of type {type(value).__name__}"


def _reason(error: Exception) -> str:
    return (error.strerror or str(error)) if isinstance(error, OSError) else "it is no UTF-8 text"
