"""LangServe's dialect: its endpoints, frames and errors, so that its clients work unchanged (EVENTS.md, 1)."""

from __future__ import annotations

from lcel_adapters.serve._langserve._limited import limit
from lcel_adapters.serve._langserve._routes import add_routes
from lcel_adapters.serve._langserve._types import CustomUserType

__all__ = ["CustomUserType", "add_routes", "limit"]
