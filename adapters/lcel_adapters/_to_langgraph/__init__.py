"""``to_langgraph``: the way out, LangGraph's own graph of the same definition."""

from __future__ import annotations

from lcel_adapters._to_langgraph._graph import to_langgraph

__all__ = ["to_langgraph"]
