"""What the annotations of nodes and paths say: which part of the state they read, and where they may lead.

The rules are LangGraph's (``langgraph/graph/state.py``, ``langgraph/graph/_branch.py``).
"""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable, Mapping
from typing import Any, Literal

from langchain_core.runnables import Runnable, RunnableLambda

from lcel_compat._foreign import foreign_name
from lcel_compat.types import Command


def node_annotations(action: Any) -> tuple[Any | None, tuple[str, ...]]:
    """The input schema that a node's annotations declare, and where its commands may lead."""
    if isinstance(action, Runnable | dict):
        return None, ()
    hints = _hints(action)
    return _annotated_schema(action, hints), _command_targets(hints.get("return"))


def path_annotations(path: Any) -> tuple[Any | None, tuple[Any, ...]]:
    """The state that a path's annotations say it reads, and the answers that they allow."""
    function = _function_of(path)
    if function is None:
        return None, ()
    hints = _hints(function)
    returned = hints.get("return")
    literal = typing.get_args(returned) if typing.get_origin(returned) is Literal else ()
    return _annotated_schema(function, hints), literal


def _hints(function: Any) -> dict[str, Any]:
    """The annotations of a function, or nothing where they cannot be resolved."""
    target = function if inspect.isroutine(function) else getattr(function, "__call__", None)  # noqa: B004
    if target is None:
        return {}
    try:
        return typing.get_type_hints(target)
    except (NameError, TypeError, AttributeError):
        return {}


def _annotated_schema(function: Any, hints: Mapping[str, Any]) -> Any | None:
    """The class that a function's first parameter is annotated with, if it has fields of its own."""
    try:
        first = next(iter(inspect.signature(function).parameters), None)
    except (TypeError, ValueError):
        return None
    hint = hints.get(first or "")
    try:
        return hint if isinstance(hint, type) and typing.get_type_hints(hint) else None
    except (NameError, TypeError):
        return None


def _command_targets(hint: Any) -> tuple[str, ...]:
    for candidate in (hint, *typing.get_args(hint)):
        if _is_command(typing.get_origin(candidate)):
            (argument,) = typing.get_args(candidate)
            if typing.get_origin(argument) is Literal:
                return typing.get_args(argument)
    return ()


def _is_command(origin: Any) -> bool:
    return origin is Command or (isinstance(origin, type) and foreign_name(origin) == "Command")


def _function_of(path: Any) -> Callable[..., Any] | None:
    if isinstance(path, RunnableLambda):
        return getattr(path, "func", None) or getattr(path, "afunc", None)
    return None if isinstance(path, Runnable) else path
