"""Schemas as LangGraph reads them: as they are, but for keys that the run computes."""

from __future__ import annotations

import types
from collections.abc import Mapping
from typing import Any

from lcel_compat import managed
from lcel_compat._schema import Schema


class Schemas:
    """The schemas of one graph.

    The annotations of ``lcel_compat.managed`` mean nothing to LangGraph, so that a class that has them gets a subclass
    with LangGraph's annotations in their place; its instances are instances of the class.

    Args:
        known: What the engine read off each class.
    """

    def __init__(self, known: Mapping[Any, Schema]) -> None:
        self._known = known
        self._moved: dict[Any, Any] = {}

    def __getitem__(self, source: Any) -> Any:
        computed = self._known[source].managed
        if not computed:
            return source
        if source not in self._moved:
            self._moved[source] = _annotated(source, {key: _theirs(manager) for key, manager in computed.items()})
        return self._moved[source]


def _annotated(source: Any, annotations: Mapping[str, Any]) -> Any:
    """A subclass with other annotations: of a TypedDict, a dataclass or a pydantic model alike."""
    namespace = {
        "__module__": source.__module__,
        "__qualname__": source.__qualname__,
        "__doc__": source.__doc__,
        "__annotations__": dict(annotations),
    }
    return types.new_class(source.__name__, (source,), {}, lambda body: body.update(namespace))


def _theirs(manager: managed.Managed) -> Any:
    from langgraph.managed import IsLastStep, RemainingSteps

    return IsLastStep if manager is managed.IsLastStepManager else RemainingSteps
