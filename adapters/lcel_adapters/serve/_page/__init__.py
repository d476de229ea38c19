"""The page at ``/``: run a graph and watch it, look at a thread's history, put a legacy run beside a graph run."""

from __future__ import annotations

from lcel_adapters.serve._page._routes import router

__all__ = ["router"]
