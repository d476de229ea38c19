"""Who may use a server, and what of it: API keys, or the application's own ``langgraph_sdk.Auth``."""

from __future__ import annotations

from lcel_adapters.serve._auth._binding import refuse_open_binding
from lcel_adapters.serve._auth._errors import AuthError, Denied, OpenBindingError
from lcel_adapters.serve._auth._filter import Filter, FilterError
from lcel_adapters.serve._auth._guard import Access, Guard
from lcel_adapters.serve._auth._user import User, configurable_of

__all__ = [
    "Access",
    "AuthError",
    "Denied",
    "Filter",
    "FilterError",
    "Guard",
    "OpenBindingError",
    "User",
    "configurable_of",
    "refuse_open_binding",
]
