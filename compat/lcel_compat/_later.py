"""Arguments that LangGraph takes and this engine does not have yet."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

_LATER: Final = frozenset(
    {
        "cache",
        "cache_policy",
        "checkpointer",
        "context",
        "context_schema",
        "control",
        "debug",
        "durability",
        "error_handler",
        "interrupt_after",
        "interrupt_before",
        "print_mode",
        "retry_policy",
        "store",
        "subgraphs",
        "timeout",
        "trace_policy",
        "transformers",
        "version",
    }
)


def refuse(where: str, arguments: Mapping[str, Any]) -> None:
    """Say of arguments that are not taken whether they are mistakes, or LangGraph's and missing here.

    One of LangGraph's that asks for nothing (``None``, ``False``, empty) is fine.

    Raises:
        TypeError: Naming the function and the argument.
    """
    for name in arguments:
        if name not in _LATER:
            raise TypeError(f"{where}() got an unexpected keyword argument {name!r}")
    asked = sorted(name for name, value in arguments.items() if value not in (None, False, (), []))
    if asked:
        raise TypeError(f"{where}() does not support {', '.join(asked)} yet, which LangGraph's has.")
