"""Graph execution for applications built of LCEL runnables, with the streams that their consumers rely on.

    from lcel_compat import END, START, StateGraph

A ``StateGraph`` has LangGraph's signatures; what it compiles to is a LangChain ``Runnable`` that streams in every mode
of ``lcel_compat.modes`` from one run. Names are imported when they are first used, so that importing the package is
cheap.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lcel_compat._constants import END, START
    from lcel_compat._context import get_config, get_store, get_stream_writer, interrupt
    from lcel_compat._messages import MessagesState, add_messages
    from lcel_compat.compiled import CompiledStateGraph
    from lcel_compat.graph import StateGraph
    from lcel_compat.policies import CachePolicy, RetryPolicy, TimeoutPolicy
    from lcel_compat.runtime import Runtime, get_runtime
    from lcel_compat.types import Command, Interrupt, Overwrite, Send, StateSnapshot, StreamMode, StreamWriter

_HOMES = {
    "CachePolicy": "policies",
    "Command": "types",
    "CompiledStateGraph": "compiled",
    "END": "_constants",
    "Interrupt": "types",
    "MessagesState": "_messages",
    "Overwrite": "types",
    "RetryPolicy": "policies",
    "Runtime": "runtime",
    "START": "_constants",
    "Send": "types",
    "StateGraph": "graph",
    "StateSnapshot": "types",
    "StreamMode": "types",
    "StreamWriter": "types",
    "TimeoutPolicy": "policies",
    "add_messages": "_messages",
    "get_config": "_context",
    "get_runtime": "runtime",
    "get_store": "_context",
    "get_stream_writer": "_context",
    "interrupt": "_context",
}

__all__ = [
    "END",
    "START",
    "CachePolicy",
    "Command",
    "CompiledStateGraph",
    "Interrupt",
    "MessagesState",
    "Overwrite",
    "RetryPolicy",
    "Runtime",
    "Send",
    "StateGraph",
    "StateSnapshot",
    "StreamMode",
    "StreamWriter",
    "TimeoutPolicy",
    "add_messages",
    "get_config",
    "get_runtime",
    "get_store",
    "get_stream_writer",
    "interrupt",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
