"""What the routes of the Agent Server have in common: how a body is read, who asks, how an answer is written."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from typing import Annotated, Any

from fastapi import Depends, Request, Response
from fastapi.routing import APIRoute

from lcel_adapters.serve._auth import Access
from lcel_adapters.serve._json import dumps
from lcel_adapters.serve._serving import Serving, access_of, serving_of

ServingOf = Annotated[Serving, Depends(serving_of)]
AccessOf = Annotated[Access, Depends(access_of)]


class GuardedRoute(APIRoute):
    """A route that asks who is there before it reads a body: FastAPI reads and parses that before any dependency."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def guarded(request: Request) -> Response:
            await access_of(request)
            return await handle(request)

        return guarded


class JsonRoute(GuardedRoute):
    """A route whose body is JSON, whatever its content type says (AGENT-SERVER.md, (ii): it is not checked)."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def as_json(request: Request) -> Response:
            others = [pair for pair in request.scope["headers"] if pair[0] != b"content-type"]
            request.scope["headers"] = [*others, (b"content-type", b"application/json")]
            return await handle(request)

        return as_json


def answer(value: Any, headers: Mapping[str, str] | None = None, status: int = 200) -> Response:
    """A value as the Agent Server writes JSON."""
    return Response(dumps(value), status, headers, "application/json")


def paginated(rows: list[Any], total: int, offset: int) -> Response:
    """One page of a list; the headers say how long the list is, and where the next page begins."""
    headers = {"x-pagination-total": str(total)}
    if offset + len(rows) < total:
        headers["x-pagination-next"] = str(offset + len(rows))
    return answer(rows, headers)
