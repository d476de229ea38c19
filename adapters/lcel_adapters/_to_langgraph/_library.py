"""LangGraph, imported where it is used: it is no dependency of this package."""

from __future__ import annotations

from functools import cache
from types import SimpleNamespace
from typing import Any


@cache
def langgraph() -> Any:
    """LangGraph's modules ``config``, ``errors``, ``graph``, ``runtime`` and ``types``, by these names.

    Raises:
        ImportError: If it is not installed, with the line that installs it.
    """
    try:
        from langgraph import config, errors, graph, runtime, types
    except ImportError as error:
        raise ImportError('This needs LangGraph: pip install "lcel-compat[langgraph]"') from error
    return SimpleNamespace(config=config, errors=errors, graph=graph, runtime=runtime, types=types)
