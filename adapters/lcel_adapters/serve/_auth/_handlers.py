"""The application's own authentication and authorization: the handlers of a ``langgraph_sdk.Auth``.

Its attributes ``_authenticate_handler``, ``_handlers`` and ``_global_handlers`` are what its authors promise to servers
(langgraph_sdk/auth/__init__.py); the package itself is not needed here. What handlers are given and what becomes of
their answers is what langgraph-api 0.16.7 does (langgraph_api/auth/custom.py), but that nothing that goes wrong in one
lets a request pass, or is told to a client.
"""

from __future__ import annotations

import inspect
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from starlette.authentication import AuthenticationError
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request

from lcel_adapters.serve._auth._errors import AuthError, Denied, fault
from lcel_adapters.serve._auth._filter import Filter, FilterError
from lcel_adapters.serve._auth._user import User, user_of

_log = logging.getLogger(__name__)

ACTIONS: Final[Mapping[str, tuple[str, ...]]] = {
    "threads": ("create", "read", "update", "delete", "search", "create_run"),
    "assistants": ("create", "read", "update", "delete", "search"),
    "store": ("put", "get", "search", "delete", "list_namespaces"),
}
"""What is asked for on the routes that are served here."""

WRITABLE: Final = ("metadata", "values")
"""What handlers write into without looking, as in ``value["metadata"]["owner"] = ...``: never None, as measured."""

PARAMETERS: Final[Mapping[str, Callable[[Request], Any]]] = {
    "request": lambda request: request,
    "path": lambda request: request.scope["path"],
    "method": lambda request: request.scope["method"],
    "path_params": lambda request: dict(request.path_params),
    "query_params": lambda request: request.query_params,
    "headers": lambda request: dict(request.scope["headers"]),
    "authorization": lambda request: request.headers.get("authorization"),
    "scope": lambda request: request.scope,
    "user": lambda request: request.scope.get("user"),
    "scopes": lambda request: list(getattr(request.scope.get("auth"), "scopes", ())),
}
"""What an authentication may ask for by the names of its parameters; beside these ``body``, the request's JSON."""


@dataclass(frozen=True, slots=True)
class Context:
    """What an authorization handler is told, where ``Auth`` brings no class of its own for it."""

    permissions: Sequence[str]
    user: User
    resource: str
    action: str


class Handlers:
    """The handlers of an ``Auth``."""

    def __init__(self, auth: Any) -> None:
        """Look whether they can be called.

        Raises:
            AuthError: It is no ``Auth``, or has no authentication, or one with parameters that nobody can fill.
        """
        if not all(hasattr(auth, name) for name in ("_authenticate_handler", "_handlers", "_global_handlers")):
            raise AuthError(f"it is {type(auth).__name__}, not langgraph_sdk.Auth: write auth = Auth()")
        if auth._authenticate_handler is None:
            raise AuthError("it says not who asks: register a function with @auth.authenticate")
        self._auth = auth
        self._authenticate: Callable[..., Any] = auth._authenticate_handler
        self._parameters = _parameters(self._authenticate)
        types = getattr(auth, "types", None)
        self._context: Callable[..., Any] = getattr(types, "AuthContext", Context)

    async def authenticate(self, request: Request) -> User:
        """Who asks.

        Raises:
            Denied: The handler refuses (its own status; 401 if it returns nothing), or failed (500).
        """
        try:
            response = await self._called(await self._arguments(request))
            if response is None:
                raise Denied(401, "Unauthorized")
            return user_of(response)
        except Denied:
            raise
        except Exception as error:
            raise _refusal(error, "authentication") from error

    async def authorize(self, user: User, resource: str, action: str, value: dict[str, Any]) -> Filter | None:
        """Ask the most specific handler; what is under no handler is allowed.

        Returns:
            What the user may see of it; None for all.

        Raises:
            Denied: The handler refuses (403, or its own status), or failed (500).
        """
        handler = self._handler(resource, action)
        if handler is None:
            return None
        for name in WRITABLE:
            if name in value and value[name] is None:
                value[name] = {}
        context = self._context(permissions=user.permissions, user=user, resource=resource, action=action)
        try:
            return _answered(await handler(ctx=context, value=value))
        except Denied:
            raise
        except AssertionError as error:
            raise Denied(403, str(error) or "Forbidden") from error
        except Exception as error:
            raise _refusal(error, f"authorization of {resource}.{action}") from error

    def uncovered(self) -> list[str]:
        """What no handler answers for, as ``threads.read``; nothing, if there are no handlers at all."""
        if not (self._auth._handlers or self._auth._global_handlers):
            return []
        asked = [(resource, action) for resource, actions in ACTIONS.items() for action in actions]
        return [f"{resource}.{action}" for resource, action in asked if self._handler(resource, action) is None]

    def _handler(self, resource: str, action: str) -> Callable[..., Awaitable[Any]] | None:
        for key in ((resource, action), (resource, "*"), ("*", action), ("*", "*")):
            if found := self._auth._handlers.get(key):
                return found[-1]  # type: ignore[no-any-return]
        return self._auth._global_handlers[-1] if self._auth._global_handlers else None

    async def _arguments(self, request: Request) -> dict[str, Any]:
        arguments = {name: PARAMETERS[name](request) for name in self._parameters if name != "body"}
        if "body" in self._parameters:
            arguments["body"] = await _body(request)
        return arguments

    async def _called(self, arguments: dict[str, Any]) -> Any:
        if inspect.iscoroutinefunction(self._authenticate):
            return await self._authenticate(**arguments)
        made = await run_in_threadpool(self._authenticate, **arguments)
        return await made if inspect.isawaitable(made) else made


def _parameters(function: Callable[..., Any]) -> list[str]:
    """The parameters that can be filled.

    Raises:
        AuthError: There are others, without a default.
    """
    known = {*PARAMETERS, "body"}
    parameters = inspect.signature(function).parameters.values()
    several = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    strange = [p.name for p in parameters if p.name not in known and p.default is p.empty and p.kind not in several]
    if strange:
        raise AuthError(
            f"its authentication takes {', '.join(map(repr, strange))}, which nobody can fill:"
            f" there are {', '.join(sorted(known))}"
        )
    return [p.name for p in parameters if p.name in known]


async def _body(request: Request) -> Any:
    try:
        return await request.json()
    except (ValueError, ClientDisconnect):
        return None


def _answered(result: Any) -> Filter | None:
    if result is None or result is True:
        return None
    if result is False:
        raise Denied(403, "Forbidden")
    if not isinstance(result, Mapping):
        raise FilterError(f"a handler answers with None, True, False or a filter, not with {type(result).__name__}")
    return Filter.of(result) if result else None


def _refusal(error: Exception, what: str) -> Denied:
    """What a client is told of an exception: what the handler said on purpose, or nothing."""
    if isinstance(error, AuthenticationError):
        return Denied(403, str(error) or "Forbidden")
    status = getattr(error, "status_code", None)
    if isinstance(status, int) and 400 <= status <= 599:
        return Denied(status, str(getattr(error, "detail", "") or "Forbidden"), getattr(error, "headers", None))
    _log.error("The %s failed; the request is refused.", what, exc_info=error)
    return fault()
