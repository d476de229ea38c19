"""What touches other people's code: LCEL runnables as nodes, graphs as LCEL runnables, the command line, the sample
application.
"""

from __future__ import annotations

from lcel_adapters._face import FaceError, FaceInterruptError, LegacyFace, as_lcel
from lcel_adapters._node import RunnableNode, as_node
from lcel_adapters._to_langgraph import to_langgraph

__all__ = ["FaceError", "FaceInterruptError", "LegacyFace", "RunnableNode", "as_lcel", "as_node", "to_langgraph"]
