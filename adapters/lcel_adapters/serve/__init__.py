"""Graphs over HTTP, for the clients of LangGraph's Agent Server and for those of LangServe.

    from lcel_adapters.serve import add_routes, create_app

``pip install "lcel-compat[serve]"``. Names are imported when they are first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lcel_adapters._cli._load import CannotRunError
    from lcel_adapters.serve._app import create_app
    from lcel_adapters.serve._auth import Guard
    from lcel_adapters.serve._langserve import CustomUserType, add_routes
    from lcel_adapters.serve._project import Project
    from lcel_adapters.serve._settings import Settings

_HOMES = {
    "CannotRunError": "_project._errors",
    "CustomUserType": "_langserve",
    "Guard": "_auth",
    "Project": "_project",
    "Settings": "_settings",
    "add_routes": "_langserve",
    "create_app": "_app",
}

__all__ = ["CannotRunError", "CustomUserType", "Guard", "Project", "Settings", "add_routes", "create_app"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        value = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("lcel_"):
            raise
        raise ModuleNotFoundError(
            f'Serving needs {error.name!r}, which is not installed: pip install "lcel-compat[serve]"', name=error.name
        ) from error
    globals()[name] = value
    return value
