"""Routes that show an assistant's graph: its drawing, its schemas, the graphs inside (AGENT-SERVER.md, (ii))."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Annotated, Any, cast
from uuid import UUID

from fastapi import APIRouter, HTTPException, Query, Response
from langchain_core.runnables import RunnableConfig

from lcel_adapters.serve._agent._asked import assistant_id_of
from lcel_adapters.serve._agent._assistants import find_assistant_row
from lcel_adapters.serve._agent._models import Drawing, ErrorBody, GraphSchemas, Schemas
from lcel_adapters.serve._agent._routing import AccessOf, JsonRoute, ServingOf, answer
from lcel_adapters.serve._agent._schemas import schemas_of
from lcel_adapters.serve._auth import Access, configurable_of
from lcel_adapters.serve._project import ServerRuntime
from lcel_adapters.serve._serving import Serving
from lcel_adapters.serve._target import Target

REFUSED: dict[int | str, dict[str, Any]] = {status: {"model": ErrorBody} for status in (404, 422)}
router = APIRouter(tags=["Assistants"], route_class=JsonRoute, responses=REFUSED)


@router.get("/assistants/{assistant_id}/graph", response_model=Drawing)
async def drawing(
    assistant_id: str,
    serving: ServingOf,
    access: AccessOf,
    xray: Annotated[str, Query(description="Whether graphs inside are drawn, or down to which level.")] = "false",
) -> Response:
    """The graph of an assistant, or of that name, to be drawn."""
    known = assistant_id_of(assistant_id) if assistant_id in serving.targets else _uuid(assistant_id)
    levels = _levels(xray)
    async with _opened(serving, access, known) as (_, graph, config):
        drawn = (await graph.aget_graph(config, xray=levels)).to_json()
    for node in drawn["nodes"]:
        # Where the node's function is defined is nobody's business.
        if isinstance(node.get("data"), dict):
            node["data"].pop("id", None)
    return answer(drawn)


@router.get("/assistants/{assistant_id}/schemas", response_model=GraphSchemas)
async def schemas(assistant_id: UUID, serving: ServingOf, access: AccessOf) -> Response:
    """What the graph of an assistant takes and gives, as JSON schemas."""
    async with _opened(serving, access, str(assistant_id)) as (target, graph, _):
        found = {"graph_id": target.name, **schemas_of(graph)}
        if target.wrapped:
            # Clients give what the runnable takes, not the state around it.
            found["input_schema"] = target.runnable.get_input_jsonschema()
    return answer(found)


@router.get("/assistants/{assistant_id}/subgraphs", response_model=dict[str, Schemas])
async def subgraphs(assistant_id: UUID, serving: ServingOf, access: AccessOf, recurse: bool = False) -> Response:
    """The graphs inside the graph of an assistant, by their namespaces."""
    return await _subgraphs(serving, access, assistant_id, None, recurse)


@router.get("/assistants/{assistant_id}/subgraphs/{namespace}", response_model=dict[str, Schemas])
async def subgraph(
    assistant_id: UUID, namespace: str, serving: ServingOf, access: AccessOf, recurse: bool = False
) -> Response:
    """The graph of one namespace."""
    return await _subgraphs(serving, access, assistant_id, namespace, recurse)


async def _subgraphs(
    serving: Serving, access: Access, assistant_id: UUID, namespace: str | None, recurse: bool
) -> Response:
    async with _opened(serving, access, str(assistant_id)) as (_, graph, _):
        found = graph.aget_subgraphs(namespace=namespace, recurse=recurse)
        return answer({name: schemas_of(inner) async for name, inner in found})


@asynccontextmanager
async def _opened(
    serving: Serving, access: Access, assistant_id: str
) -> AsyncGenerator[tuple[Target, Any, RunnableConfig], None]:
    """What an assistant's graph is served as, the graph, and the assistant's configuration.

    Raises:
        HTTPException: The assistant or its graph is not there (404).
    """
    row = await find_assistant_row(serving, access, assistant_id)
    target = serving.targets.get(row["graph_id"])
    if target is None:
        raise HTTPException(404, f"The assistant's graph {row['graph_id']!r} is not served here.")
    said = row["config"].get("configurable") or {}
    user = None if access.user is None else access.user.dict()
    config = cast(RunnableConfig, {**row["config"], "configurable": configurable_of(said, user)})
    runtime = ServerRuntime(access_context="assistants.read", user=access.user, store=serving.store)
    async with target.opened(config, runtime, saved=True) as graph:
        yield target, graph, config


def _uuid(text: str) -> str:
    try:
        return str(UUID(text))
    except ValueError:
        raise HTTPException(422, "Invalid assistant ID: must be a UUID") from None


def _levels(text: str) -> bool | int:
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    if text.isascii() and text.isdigit() and int(text[:9]) > 0:
        return int(text[:9])
    raise HTTPException(422, "Invalid xray value")
