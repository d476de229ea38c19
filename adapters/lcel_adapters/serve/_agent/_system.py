"""Routes that tell about the server itself."""

from __future__ import annotations

import asyncio
from importlib.metadata import PackageNotFoundError, version

from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from sqlalchemy import select, true

from lcel_adapters.serve._agent._routing import ServingOf, answer
from lcel_adapters.serve._serving import Serving
from lcel_adapters.serve._storage import StorageError

PATIENCE = 5.0
"""Seconds that the database has to answer."""
health = APIRouter(tags=["System"])
measured = APIRouter(tags=["System"])
router = APIRouter(tags=["System"])


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


# Read from files, once: not on the event loop.
_OURS, _LANGGRAPH = _version("lcel-compat"), _version("langgraph")


@health.head("/ok", include_in_schema=False)
@health.get("/ok", responses={503: {"description": "It is about to end, or its database keeps nothing."}})
async def ok(serving: ServingOf, check_db: bool = False) -> Response:
    """Whether the server takes requests; with ``check_db`` whether its database answers and keeps, too."""
    ends = serving.draining is not None
    database = await _answers(serving) if check_db else None
    services = {} if database is None else {"database": database}
    well = not ends and database is not False
    return answer({"ok": well, "services": services}, status=200 if well else 503)


async def _answers(serving: Serving) -> bool:
    try:
        async with asyncio.timeout(PATIENCE):
            await serving.database.read(lambda connection: connection.execute(select(true())).scalar_one())
    except (StorageError, TimeoutError):
        return False
    return not serving.database.kept_waiting


@measured.get("/metrics")
async def metrics(serving: ServingOf) -> Response:
    """Measurements, in the format of Prometheus."""
    return Response(generate_latest(serving.metrics.registry), media_type=CONTENT_TYPE_LATEST)


@router.get("/info")
async def info() -> Response:
    """What the server is."""
    return answer(
        {
            "version": _OURS,
            "langgraph_py_version": _LANGGRAPH,
            "flags": {"assistants": True, "crons": False, "langsmith": False},
            "host": {"kind": "self-hosted"},
        }
    )
