"""Routes of the store of items (AGENT-SERVER.md, (ii) Endpoints)."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Query, Response

from lcel_adapters.serve._agent._models import (
    ErrorBody,
    FoundItems,
    Item,
    Namespaces,
    NamespaceSearch,
    StoreKey,
    StorePut,
    StoreSearch,
    Text,
)
from lcel_adapters.serve._agent._routing import AccessOf, JsonRoute, ServingOf, answer
from lcel_adapters.serve._auth import Access
from lcel_adapters.serve._json import plain

REFUSED: dict[int | str, dict[str, Any]] = {status: {"model": ErrorBody} for status in (400, 422)}
router = APIRouter(tags=["Store"], route_class=JsonRoute, responses=REFUSED)


@router.put("/store/items", status_code=204, response_class=Response)
async def put(body: StorePut, serving: ServingOf, access: AccessOf) -> Response:
    """Store an item, in the place of one with the same key."""
    value = {**body.model_dump(), "namespace": _checked(body.namespace)}
    await _allowed(access, "put", value)
    with _refusals():
        await serving.store.aput(
            tuple(value["namespace"]), value["key"], plain(value["value"]), index=value["index"], ttl=value["ttl"]
        )
    return Response(status_code=204)


@router.get("/store/items", response_model=Item | None)
async def get(
    serving: ServingOf,
    access: AccessOf,
    key: Text,
    namespace: Annotated[list[Text] | None, Query(description="Its labels, or one text with periods between.")] = None,
    refresh_ttl: bool | None = None,
) -> Response:
    """An item; null if there is none."""
    labels = [label for text in namespace or [] for label in text.split(".")]
    value: dict[str, Any] = {"namespace": _checked(labels), "key": key}
    await _allowed(access, "get", value)
    item = await serving.store.aget(tuple(value["namespace"]), value["key"], refresh_ttl=refresh_ttl)
    return answer(None if item is None else _shown(item))


@router.delete("/store/items", status_code=204, response_class=Response)
async def delete(body: StoreKey, serving: ServingOf, access: AccessOf) -> Response:
    """Delete an item; one that is not there is no error."""
    value: dict[str, Any] = {"namespace": _checked(body.namespace), "key": body.key}
    await _allowed(access, "delete", value)
    with _refusals():
        await serving.store.adelete(tuple(value["namespace"]), value["key"])
    return Response(status_code=204)


@router.post("/store/items/search", response_model=FoundItems)
async def search(body: StoreSearch, serving: ServingOf, access: AccessOf) -> Response:
    """Look for items in a namespace and those below it."""
    value = {**body.model_dump(exclude={"namespace_prefix"}), "namespace": _labels(body.namespace_prefix)}
    await _allowed(access, "search", value)
    with _refusals():
        found = await serving.store.asearch(
            tuple(value["namespace"]),
            filter=value["filter"],
            query=value["query"],
            limit=value["limit"],
            offset=value["offset"],
            refresh_ttl=body.refresh_ttl,
        )
    return answer({"items": [{**_shown(item), "score": item.score} for item in found]})


@router.post("/store/namespaces", response_model=Namespaces)
async def namespaces(body: NamespaceSearch, serving: ServingOf, access: AccessOf) -> Response:
    """The namespaces that hold something."""
    value = {
        **body.model_dump(exclude={"prefix"}),
        "namespace": _labels(body.prefix) or None,
        "suffix": _labels(body.suffix) or None,
    }
    await _allowed(access, "list_namespaces", value)
    with _refusals():
        found = await serving.store.alist_namespaces(
            prefix=value["namespace"],
            suffix=value["suffix"],
            max_depth=value["max_depth"],
            limit=value["limit"],
            offset=value["offset"],
        )
    return answer({"namespaces": [list(namespace) for namespace in found]})


async def _allowed(access: Access, action: str, value: dict[str, Any]) -> None:
    """Ask whether this may be done; the application may put another namespace into ``value``.

    Raises:
        HTTPException: It may not; or it may for items with certain metadata, which items do not have (403).
    """
    if await access.authorize("store", action, value) is not None:
        raise HTTPException(
            403, "Items of the store have no metadata to filter by: let @auth.on.store check or set the namespace."
        )


def _checked(namespace: Sequence[str]) -> tuple[str, ...]:
    """A namespace that an item may have.

    Raises:
        HTTPException: It is empty (400), or one of its labels cannot be one (422).
    """
    if not namespace:
        raise HTTPException(400, "Namespace cannot be empty.")
    return _labels(namespace)


def _labels(namespace: Sequence[str] | None) -> tuple[str, ...]:
    for label in namespace or ():
        if not label or "." in label:
            raise HTTPException(422, f"Namespace label {label!r} must be a non-empty string without periods")
    return tuple(namespace or ())


@contextmanager
def _refusals() -> Generator[None, None, None]:
    """What the store says against a request: a namespace that is reserved, an operator that it does not know."""
    try:
        yield
    except (ValueError, NotImplementedError) as error:
        raise HTTPException(400, str(error)) from error


def _shown(item: Any) -> dict[str, Any]:
    return {
        "namespace": list(item.namespace),
        "key": item.key,
        "value": item.value,
        "created_at": _moment(item.created_at),
        "updated_at": _moment(item.updated_at),
    }


def _moment(moment: datetime) -> datetime:
    """SQLite's are in UTC and do not say so."""
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
