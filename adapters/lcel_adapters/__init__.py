"""What touches other people's code: LCEL runnables as nodes, the command line, the sample application."""

from __future__ import annotations

from lcel_adapters._node import RunnableNode, as_node

__all__ = ["RunnableNode", "as_node"]
