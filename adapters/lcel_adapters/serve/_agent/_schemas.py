"""The JSON schemas of a graph of either engine."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Annotated, Any, NotRequired, Required, get_args, get_origin, get_type_hints

from pydantic import create_model

from lcel_compat.compiled import CompiledStateGraph

_log = logging.getLogger(__name__)


def schemas_of(graph: Any) -> dict[str, Any]:
    """What it is given, returns, keeps as its state, and is configured by; None for what has no schema."""
    context = _tried(graph, lambda: graph.get_context_jsonschema())
    return {
        "input_schema": _tried(graph, lambda: graph.get_input_jsonschema()),
        "output_schema": _tried(graph, lambda: graph.get_output_jsonschema()),
        "state_schema": _tried(graph, lambda: _state_schema(graph)),
        "config_schema": context or {},
        "context_schema": context,
    }


def _tried(graph: Any, make: Callable[[], dict[str, Any] | None]) -> dict[str, Any] | None:
    """A schema; None where a type has none, as the types of an application may be anything."""
    try:
        return make()
    except Exception as error:
        _log.warning("a schema of the graph %r cannot be made: %s", graph.get_name(), error)
        return None


def _state_schema(graph: Any) -> dict[str, Any]:
    """Every key of the state may be left out; what cannot be written as a schema is anything."""
    keys = _keys(graph) if isinstance(graph, CompiledStateGraph) else _channels(graph)
    fields: dict[str, Any] = {name: (_expressible(kind), None) for name, kind in keys.items()}
    found: dict[str, Any] = create_model(graph.get_name("State"), **fields).model_json_schema()
    return found


def _channels(graph: Any) -> dict[str, Any]:
    """The keys of a graph of LangGraph's, and what is written to them."""
    return {name: graph.channels[name].UpdateType for name in graph.stream_channels_list}


def _keys(graph: CompiledStateGraph[Any, Any, Any, Any]) -> dict[str, Any]:
    """The keys of a graph of ours, and what is written to them."""
    found: dict[str, Any] = {}
    for schema in graph.builder.schemas.values():
        hints = get_type_hints(schema.source, include_extras=True)
        found = {name: _written(hints[name]) for name in schema.keys if name in hints} | found
    return found


def _written(hint: Any) -> Any:
    while get_origin(hint) in (Annotated, Required, NotRequired):
        hint = get_args(hint)[0]
    return hint


def _expressible(kind: Any) -> Any:
    try:
        create_model("Key", value=(kind, None)).model_json_schema()
    except Exception:
        return Any
    return kind
