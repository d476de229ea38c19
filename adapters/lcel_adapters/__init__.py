"""What touches other people's code: LCEL runnables as nodes, graphs as LCEL runnables, the command line, the sample
application.

Nothing is loaded before it is used: pytest loads this package's plugin in every run of its users.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lcel_adapters._apart import ChainGraph, from_lcel
    from lcel_adapters._face import FaceError, FaceInterruptError, LegacyFace, as_lcel
    from lcel_adapters._node import RunnableNode, as_node
    from lcel_adapters._to_langgraph import to_langgraph

_HOMES = {
    "ChainGraph": "_apart",
    "FaceError": "_face",
    "FaceInterruptError": "_face",
    "LegacyFace": "_face",
    "RunnableNode": "_node",
    "as_lcel": "_face",
    "as_node": "_node",
    "from_lcel": "_apart",
    "to_langgraph": "_to_langgraph",
}

__all__ = [
    "ChainGraph",
    "FaceError",
    "FaceInterruptError",
    "LegacyFace",
    "RunnableNode",
    "as_lcel",
    "as_node",
    "from_lcel",
    "to_langgraph",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
