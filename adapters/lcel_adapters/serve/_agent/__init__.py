"""The Agent Server's routes."""

from __future__ import annotations

from collections.abc import Iterable

from fastapi import APIRouter, FastAPI

from lcel_adapters.serve._agent._absent import router as absent
from lcel_adapters.serve._agent._assistants import router as assistants
from lcel_adapters.serve._agent._errors import install_errors
from lcel_adapters.serve._agent._graphs import router as graphs
from lcel_adapters.serve._agent._runs import router as runs
from lcel_adapters.serve._agent._state import router as state
from lcel_adapters.serve._agent._store import router as store
from lcel_adapters.serve._agent._system import health, measured
from lcel_adapters.serve._agent._system import router as system
from lcel_adapters.serve._agent._threads import router as threads
from lcel_adapters.serve._project import HttpSection

__all__ = ["absent", "first_parts", "health", "include_routes", "measured", "system"]


def include_routes(app: FastAPI, http: HttpSection) -> set[str]:
    """Add the routes that a project does not leave out, and let errors look as on the Agent Server.

    Returns:
        What their paths begin with.
    """
    groups = (
        (http.disable_assistants, (assistants, graphs)),
        (http.disable_threads, (threads, state)),
        (http.disable_runs, (runs,)),
        (http.disable_store, (store,)),
        # Whoever starts it has to see that it did.
        (False, (health,)),
        (http.disable_meta, (measured, system)),
    )
    included = [router for disabled, routers in groups if not disabled for router in routers]
    for router in included:
        app.include_router(router)
    install_errors(app)
    return first_parts(included) | {"docs", "openapi.json"}


def first_parts(routers: Iterable[APIRouter]) -> set[str]:
    """What the paths of routers' routes begin with."""
    paths = [getattr(route, "path", "/") for router in routers for route in router.routes]
    return {path.split("/")[1] for path in paths}
