"""LangGraph's own ``Command``, ``Send`` and ``Overwrite``, which a program that moves still hands to our graphs.

They are known by the names of their class and its module, so that LangGraph need not be installed.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Final

from lcel_compat.types import Command, Overwrite, Send

_MODULE: Final = "langgraph.types"


@lru_cache(maxsize=512)
def foreign_name(cls: Any) -> str | None:
    """``"Command"``, ``"Send"`` or ``"Overwrite"`` if this is LangGraph's class of that name, or made from it."""
    names = (base.__name__ for base in cls.__mro__ if base.__module__ == _MODULE)
    return next((name for name in names if name in ("Command", "Overwrite", "Send")), None)


def adopted(value: Any) -> Any:
    """Our ``Command``, ``Send`` or ``Overwrite`` for LangGraph's; anything else as it is."""
    cls: Any = type(value)
    name = foreign_name(cls)
    if name is None:
        return value
    if name == "Overwrite":
        return Overwrite(value.value)
    if name == "Send":
        return Send(value.node, value.arg, timeout=getattr(value, "timeout", None))
    goto = value.goto
    several = isinstance(goto, list | tuple)
    return Command(
        graph=value.graph,
        update=value.update,
        resume=value.resume,
        goto=[adopted(target) for target in goto] if several else adopted(goto),
    )


def is_command(value: Any) -> bool:
    """Whether this is a ``Command``, ours or LangGraph's."""
    cls: Any = type(value)
    return isinstance(value, Command) or foreign_name(cls) == "Command"
