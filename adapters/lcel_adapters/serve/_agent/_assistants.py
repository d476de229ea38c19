"""Routes of assistants (AGENT-SERVER.md, (ii) Endpoints)."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

from fastapi import APIRouter, HTTPException, Response

from lcel_adapters.serve._agent._asked import BOTH
from lcel_adapters.serve._agent._models import (
    Assistant,
    AssistantCount,
    AssistantCreate,
    AssistantPatch,
    AssistantSearch,
    AssistantVersion,
    ErrorBody,
    VersionChoice,
    VersionSearch,
)
from lcel_adapters.serve._agent._routing import AccessOf, JsonRoute, ServingOf, answer, paginated
from lcel_adapters.serve._agent._threads import MISSING, forget_threads
from lcel_adapters.serve._auth import Access
from lcel_adapters.serve._serving import Serving
from lcel_adapters.serve._storage import (
    AssistantQuery,
    Page,
    Row,
    ThreadQuery,
    assistant_history,
    count_assistants,
    create_assistant,
    delete_assistant,
    get_assistant,
    patch_assistant,
    search_assistants,
    set_version,
)

router = APIRouter(tags=["Assistants"], route_class=JsonRoute, responses={422: {"model": ErrorBody}})
CREATED: dict[int | str, dict[str, Any]] = {status: {"model": ErrorBody} for status in (400, 404, 409)}


@router.post("/assistants", response_model=Assistant, responses=CREATED)
async def create(body: AssistantCreate, serving: ServingOf, access: AccessOf) -> Response:
    """Make an assistant: a graph with a configuration."""
    assistant_id = str(body.assistant_id or uuid4())
    value = {**body.model_dump(), "assistant_id": assistant_id, "metadata": dict(body.metadata or {})}
    seen = await access.authorize("assistants", "create", value)
    _check_graph(serving, value["graph_id"])
    columns = {
        "graph_id": value["graph_id"],
        "name": value["name"] or "Untitled",
        "description": value["description"],
        "metadata": value["metadata"],
        **_aligned({"config": value["config"] or {}, "context": value["context"] or {}}),
    }
    row = await serving.database.write(lambda c: create_assistant(c, assistant_id, columns))
    if row is None and body.if_exists == "do_nothing":
        row = await serving.database.read(lambda c: get_assistant(c, assistant_id, seen))
    if row is None:
        raise HTTPException(409, f"Assistant {assistant_id} already exists")
    serving.assistants.forget(assistant_id)
    return answer(row)


@router.post("/assistants/search", response_model=list[Assistant], response_model_exclude_unset=True)
async def search(body: AssistantSearch, serving: ServingOf, access: AccessOf) -> Response:
    """Look for assistants; the newest first, unless they are to be sorted otherwise."""
    value = body.model_dump(include={"graph_id", "metadata", "name", "limit", "offset"})
    query, seen = await _query(serving, access, value)
    page = Page(
        limit=body.limit,
        offset=body.offset,
        sort_by=body.sort_by or "created_at",
        sort_order=body.sort_order or "desc",
    )
    rows, total = await serving.database.read(lambda c: search_assistants(c, query, page, seen))
    shown = [{key: row[key] for key in body.select} if body.select else row for row in rows]
    return paginated(shown, total, body.offset)


@router.post("/assistants/count", response_model=int)
async def count(body: AssistantCount, serving: ServingOf, access: AccessOf) -> Response:
    """Count assistants."""
    query, seen = await _query(serving, access, body.model_dump())
    return answer(await serving.database.read(lambda c: count_assistants(c, query, seen)))


@router.get("/assistants/{assistant_id}", response_model=Assistant, responses=MISSING)
async def get(assistant_id: UUID, serving: ServingOf, access: AccessOf) -> Response:
    """An assistant."""
    return answer(await find_assistant_row(serving, access, str(assistant_id)))


@router.patch("/assistants/{assistant_id}", response_model=Assistant, responses=CREATED)
async def patch(assistant_id: UUID, body: AssistantPatch, serving: ServingOf, access: AccessOf) -> Response:
    """Give an assistant a new version; what is left out stays as it is, metadata is added to."""
    value = {**body.model_dump(), "assistant_id": str(assistant_id), "metadata": dict(body.metadata or {})}
    seen = await access.authorize("assistants", "update", value)
    if value["graph_id"] is not None:
        _check_graph(serving, value["graph_id"])
    named = ("graph_id", "name", "description", "metadata", "config", "context")
    changed = {key: value[key] for key in named if value[key] is not None}
    changed |= _aligned({key: changed[key] for key in ("config", "context") if key in changed})
    row = await serving.database.write(lambda c: patch_assistant(c, str(assistant_id), changed, seen))
    serving.assistants.forget(str(assistant_id))
    return answer(_there(row, assistant_id))


@router.delete("/assistants/{assistant_id}", status_code=204, response_class=Response, responses=MISSING)
async def delete(assistant_id: UUID, serving: ServingOf, access: AccessOf, delete_threads: bool = False) -> Response:
    """Delete an assistant and its versions; with ``delete_threads`` the threads whose metadata name it, too."""
    seen = await access.authorize("assistants", "delete", {"assistant_id": str(assistant_id)})
    if not await serving.database.write(lambda c: delete_assistant(c, str(assistant_id), seen)):
        raise HTTPException(404, f"Assistant with ID {assistant_id} not found")
    serving.assistants.forget(str(assistant_id))
    if delete_threads:
        await forget_threads(serving, access, ThreadQuery(metadata={"assistant_id": str(assistant_id)}))
    return Response(status_code=204)


@router.post("/assistants/{assistant_id}/versions", response_model=list[AssistantVersion], responses=MISSING)
async def versions(assistant_id: UUID, body: VersionSearch, serving: ServingOf, access: AccessOf) -> Response:
    """The versions of an assistant, the newest first."""
    seen = await access.authorize("assistants", "read", {"assistant_id": str(assistant_id)})
    page = Page(limit=body.limit, offset=body.offset, sort_by="version")
    found = await serving.database.read(lambda c: assistant_history(c, str(assistant_id), body.metadata, page, seen))
    return answer(_there(found, assistant_id))


@router.post("/assistants/{assistant_id}/latest", response_model=Assistant, responses=MISSING)
async def latest(assistant_id: UUID, body: VersionChoice, serving: ServingOf, access: AccessOf) -> Response:
    """Make an assistant what it was in a version."""
    value = {"assistant_id": str(assistant_id), "version": body.version}
    seen = await access.authorize("assistants", "update", value)
    try:
        row = await serving.database.write(lambda c: set_version(c, str(assistant_id), body.version, seen))
    except LookupError:
        raise HTTPException(404, f"Version {body.version} not found for assistant {assistant_id}") from None
    serving.assistants.forget(str(assistant_id))
    return answer(_there(row, assistant_id))


async def find_assistant_row(serving: Serving, access: Access, assistant_id: str) -> Row:
    """An assistant that the one who asks may see.

    Raises:
        HTTPException: It is not there, or another's (404, both alike).
    """
    seen = await access.authorize("assistants", "read", {"assistant_id": assistant_id})
    row = await serving.database.read(lambda c: get_assistant(c, assistant_id, seen))
    if row is None:
        raise HTTPException(404, "Not Found")
    return row


async def _query(serving: Serving, access: Access, value: dict[str, Any]) -> tuple[AssistantQuery, Any]:
    """What is looked for, as the application's authorization leaves it, and what may be seen of it."""
    seen = await access.authorize("assistants", "search", value)
    if value["graph_id"] is not None:
        _check_graph(serving, value["graph_id"])
    return AssistantQuery(metadata=value["metadata"], graph_id=value["graph_id"], name=value["name"]), seen


def _check_graph(serving: Serving, graph_id: str) -> None:
    if graph_id not in serving.targets:
        raise HTTPException(404, f"Graph {graph_id!r} not found. Expected one of: {sorted(serving.targets)}")


def _aligned(columns: dict[str, Any]) -> dict[str, Any]:
    """``config`` and ``context`` that say the same, where only one of them says something (AGENT-SERVER.md, Q13).

    Raises:
        HTTPException: Both do (400).
    """
    config, context = columns.get("config"), columns.get("context")
    configurable = (config or {}).get("configurable")
    if configurable and context:
        raise HTTPException(400, BOTH)
    if configurable:
        return {**columns, "context": configurable}
    return {**columns, "config": {**(config or {}), "configurable": context}} if context else columns


def _there(found: Any, assistant_id: UUID) -> Any:
    if found is None:
        raise HTTPException(404, f"Assistant {assistant_id} not found")
    return found
