"""The application that a project has beside its graphs: ``http.app`` of ``langgraph.json``.

It is composed with the server as under the Agent Server (langgraph-api 0.16.7, ``server.py``; measured): its middleware
stands before every route, the server's own among them, so that what guards there guards everything; its routes take the
place of the server's, but for those that tell how the server is; its handlers of exceptions answer for both. Unlike
there, the application itself is left as it is, and it ends when the runs have.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Container, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from copy import copy
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from fastapi import FastAPI
from fastapi.exception_handlers import http_exception_handler
from fastapi.exceptions import HTTPException as FastAPIHTTPException
from fastapi.exceptions import RequestValidationError, WebSocketRequestValidationError
from starlette.authentication import AuthCredentials
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.routing import BaseRoute, Match

from lcel_adapters.serve._auth import Denied, Guard
from lcel_adapters.serve._limits import TooMuch
from lcel_adapters.serve._project import ProjectError

if TYPE_CHECKING:
    from starlette.applications import Starlette
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

_OWN_AFFAIR = (500, Exception, FastAPIHTTPException, RequestValidationError, WebSocketRequestValidationError)
"""Exceptions of which each application's handlers answer for its own routes, or stand around both in any case.

The real server raises Starlette's ``HTTPException``, and none of FastAPI's.
"""
_SCHEMAS = "#/components/schemas/"


@dataclass(kw_only=True)
class Beside:
    """A project's application, and how it stands to the server.

    Attributes:
        app: The application.
        guard: Who is let in.
        guarded: Whether its own routes ask who is there, too.
        auth_first: Whether that is asked before its middleware; else behind it.
        first: Routes of the server whose place its own cannot take.
        unguarded: Routes of the server that everyone may ask.
        state: What its lifespan gave to requests.
    """

    app: Starlette
    guard: Guard
    guarded: bool = False
    auth_first: bool = False
    first: Sequence[BaseRoute] = ()
    unguarded: Sequence[BaseRoute] = ()
    state: Mapping[str, Any] = field(default_factory=dict)

    async def start(self, stack: AsyncExitStack) -> None:
        """Begin the application's lifespan; it ends with the stack.

        Raises:
            ProjectError: The application failed.
        """
        lifespan: AbstractAsyncContextManager[Any] = self.app.router.lifespan_context(self.app)
        try:
            self.state = await stack.enter_async_context(lifespan) or {}
        except Exception as error:
            raise ProjectError(f"http.app could not be started: {type(error).__name__}: {error}") from error

    def answers(self, scope: Scope) -> bool:
        """Whether a request is for one of its routes."""
        return not _is_for(self.first, scope) and _is_for(self.app.router.routes, scope)

    def is_guarded(self, scope: Scope) -> bool:
        """Whether a request has to say who asks."""
        return self.guarded if self.answers(scope) else not _is_for(self.unguarded, scope)

    def warnings(self) -> tuple[str, ...]:
        """What should be said when the server starts."""
        scope = {"type": "http", "method": "GET", "path": f"/{uuid4()}/{uuid4()}", "root_path": "", "headers": []}
        if not self.answers(scope):
            return ()
        kept = ", ".join(str(getattr(route, "path", "")) for route in self.first) or "none"
        return (
            f"http.app has a route for every path, which takes the place of the server's routes (left: {kept})."
            " Give it a path of its own to have them.",
        )

    def add_to(self, server: FastAPI) -> None:
        """Put it around a server, under what the server's middleware is from then on."""
        server.exception_handlers.update(_handlers(self.app))
        server.add_middleware(_Layer, server=server, beside=self)
        _describe(server, self)


class _Layer:
    """The application's own middleware and handlers of exceptions, around its routes and the server's."""

    def __init__(self, app: ASGIApp, server: FastAPI, beside: Beside) -> None:
        self._beside = beside
        around = copy(beside.app)
        around.router = _Parting(app, server, beside)  # type: ignore[assignment]  # all that is asked of it is to answer
        around.exception_handlers = {**server.exception_handlers, **beside.app.exception_handlers}
        self._stack = around.build_middleware_stack()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        beside = self._beside
        scope["app"] = beside.app
        if beside.state:
            scope["state"] = {**scope.get("state", {}), **beside.state}
        if beside.auth_first and scope["type"] != "lifespan" and beside.is_guarded(scope):
            await _let_in(beside.guard, self._stack, scope, receive, send)
            return
        await self._stack(scope, receive, send)


class _Parting:
    """Behind the application's middleware: what is its own goes to its routes, all else to the server."""

    def __init__(self, server: ASGIApp, app: FastAPI, beside: Beside) -> None:
        self._server = server
        self._app = app
        self._beside = beside

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        beside = self._beside
        if scope["type"] == "lifespan" or not beside.answers(scope):
            await self._ask_server(scope, receive, send)
            return
        if beside.guarded and not beside.auth_first:
            await _let_in(beside.guard, beside.app.router, scope, receive, send)
            return
        await beside.app.router(scope, receive, send)

    async def _ask_server(self, scope: Scope, receive: Receive, send: Send) -> None:
        inner = {**scope, "app": self._app}
        try:
            await self._server(inner, receive, send)
        finally:
            # Metrics are by the route that answered.
            scope["route"] = inner.get("route")


async def _let_in(guard: Guard, app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    """Hand a request on to an application, if it may be let in; its code then knows who asks, too."""
    heard = _Heard(receive)
    # The handshake of a websocket is a GET without a body.
    websocket = scope["type"] == "websocket"
    request = Request({**scope, "type": "http", "method": "GET"}, _nothing) if websocket else Request(scope, heard)
    try:
        access = await guard.access(request)
    except (Denied, TooMuch) as error:
        await _deny(error, scope, receive, send)
        return
    if access.user is not None:
        scope["user"], scope["auth"] = access.user, AuthCredentials(access.permissions)
    await app(scope, heard.again, send)


class _Heard:
    """What a request says: once for whoever asks who is there, and all of it again for the application."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._messages: deque[Message] = deque()

    async def __call__(self) -> Message:
        message = await self._receive()
        self._messages.append(message)
        return message

    async def again(self) -> Message:
        """What was heard, then what comes."""
        return self._messages.popleft() if self._messages else await self._receive()


async def _nothing() -> dict[str, Any]:
    return {"type": "http.request", "body": b"", "more_body": False}


async def _deny(error: Denied | TooMuch, scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1008, "reason": str(error.detail)})
        return
    response = await http_exception_handler(Request(scope, receive), error)
    await response(scope, receive, send)


def _is_for(routes: Iterable[BaseRoute], scope: Scope) -> bool:
    return any(route.matches(scope)[0] is Match.FULL for route in routes)


def _handlers(app: Starlette) -> dict[Any, Any]:
    """The handlers of exceptions that answer for the server's routes as well: those that somebody wrote for all."""
    theirs = {key: handler for key, handler in app.exception_handlers.items() if key not in _OWN_AFFAIR}
    if theirs.get(HTTPException) is http_exception_handler:
        del theirs[HTTPException]
    return theirs


def _describe(server: FastAPI, beside: Beside) -> None:
    """Let the OpenAPI document of a server hold the application's routes, if that has one."""
    own, app = server.openapi, beside.app
    if not isinstance(app, FastAPI) or app.openapi_url is None:
        return

    kept = {getattr(route, "path", "") for route in beside.first}

    def openapi() -> dict[str, Any]:
        if server.openapi_schema is None:
            server.openapi_schema = _merged(own(), app.openapi(), kept)
        return server.openapi_schema

    server.openapi = openapi  # type: ignore[method-assign]  # as FastAPI has it done


def _merged(document: dict[str, Any], other: Mapping[str, Any], kept: Container[str]) -> dict[str, Any]:
    """Two documents as one; where both have an operation it is the other's, but on the paths that are kept."""
    other = _apart(other, document.get("components", {}).get("schemas", {}))
    for path, operations in other.get("paths", {}).items():
        ours = document["paths"].get(path, {})
        document["paths"][path] = {**operations, **ours} if path in kept else {**ours, **operations}
    components = document.setdefault("components", {})
    for kind, named in other.get("components", {}).items():
        components[kind] = {**components.get(kind, {}), **named}
    return document


def _apart(other: Mapping[str, Any], taken: Mapping[str, Any]) -> dict[str, Any]:
    """A document whose schemas have other names than those that are taken, unless they are equal."""
    schemas: Mapping[str, Any] = other.get("components", {}).get("schemas", {})
    renamed = {name: f"app.{name}" for name in schemas if taken.get(name, schemas[name]) != schemas[name]}
    text = json.dumps(other)
    for name, new in renamed.items():
        text = text.replace(f'"{_SCHEMAS}{name}"', f'"{_SCHEMAS}{new}"')
    found: dict[str, Any] = json.loads(text)
    if renamed:
        found["components"]["schemas"] = {
            renamed.get(name, name): schema for name, schema in found["components"]["schemas"].items()
        }
    return found
