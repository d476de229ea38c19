"""``from_lcel``: a chain taken apart into a graph, and the face that keeps it the chain."""

from __future__ import annotations

from lcel_adapters._apart._graph import ChainGraph
from lcel_adapters._apart._take import from_lcel

__all__ = ["ChainGraph", "from_lcel"]
