"""The server as an ASGI application."""

from __future__ import annotations

import asyncio
import gc
import logging
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence, Set
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from fastapi import Depends, FastAPI

from lcel_adapters.serve._admission import admission, with_user
from lcel_adapters.serve._agent import absent, first_parts, health, include_routes, measured, system
from lcel_adapters.serve._agent._own import own_assistants
from lcel_adapters.serve._assistants import Assistants
from lcel_adapters.serve._auth import Guard
from lcel_adapters.serve._beside import Beside
from lcel_adapters.serve._langserve import add_routes
from lcel_adapters.serve._legacy import legacy
from lcel_adapters.serve._limits import Limits
from lcel_adapters.serve._metrics import Metrics, Observed
from lcel_adapters.serve._origins import cors
from lcel_adapters.serve._page import router as page
from lcel_adapters.serve._project import CorsSection, HttpSection, Project, Served, serve_object
from lcel_adapters.serve._runs import Holdings, RunBody, Runs, run_saver
from lcel_adapters.serve._serving import Serving
from lcel_adapters.serve._settings import Settings
from lcel_adapters.serve._storage import Database, open_savers
from lcel_adapters.serve._target import open_target

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

DATABASE = "sqlite:///lcel-compat.db"
"""Where a server keeps things unless it is told otherwise."""
_log = logging.getLogger(__name__)


def create_app(
    graphs: Mapping[str, Any] | None = None,
    *,
    project: Project | Path | str | None = None,
    database: str | None = None,
    guard: Guard | None = None,
    origins: Sequence[str] = (),
    settings: Settings | None = None,
    **limits: Any,
) -> FastAPI:
    """An ASGI application that serves graphs to the clients of the Agent Server and of LangServe.

    Under ``/threads``, ``/runs``, ``/assistants`` and ``/store`` it is the one, under ``/NAME`` the other. It runs in
    any ASGI server, or below a path of another application::

        agents = create_app({"desk": graph})
        app = FastAPI(lifespan=agents.router.lifespan_context)
        app.mount("/agents", agents)

    Mounted without its lifespan it opens its database at the first request.

    Args:
        graphs: By the name that clients say: graphs of ours or of LangGraph's, builders of them, plain runnables,
            functions that make one of these.
        project: A ``langgraph.json``, or where it is; its graphs beside those, its authentication unless there is a
            guard.
        database: ``sqlite:///file.db`` (the default, in the current folder), or ``postgresql://…``, which several
            servers may share.
        guard: Who is let in, ``Guard()`` for everyone. If None: who has one of the keys in ``LCEL_COMPAT_API_KEYS``, or
            whom the project's authentication knows; everyone where there is neither.
        origins: Of web pages that may use it, beside those of the project; ``*`` for all.
        settings: Limits and intervals.
        **limits: Single ones of ``Settings``, as ``heartbeat=1.0``.

    Raises:
        CannotRunError: Something is no graph and no runnable, or cannot be had; there are keys beside the project's
            authentication.
        ValueError: A setting is not one, or out of its bounds; a name is taken by a route.
    """
    chosen = Settings.model_validate({**(settings.model_dump() if settings else {}), **limits})
    served = [_served(name, graph) for name, graph in (graphs or {}).items()]
    if isinstance(project, (str, Path)):
        project = Project.read(project)
    http = HttpSection() if project is None else project.config.http
    warnings: list[str] = []
    if project is not None:
        warnings += [*project.warnings, *project.prepare()]
        served += project.graphs()
    if guard is None:
        guard = Guard.of(auth=None if project is None else project.auth())
    opening = Opening(
        served=served,
        url=database or DATABASE,
        guard=guard,
        settings=chosen,
        http=http,
        warnings=[*warnings, *guard.warnings],
    )
    app = FastAPI(
        title="lcel-compat",
        version=version("lcel-compat"),
        lifespan=opening.lifespan,
        openapi_url=None if http.disable_meta else "/openapi.json",
        redoc_url=None,
    )
    opening.app = app
    app.state.drain, app.state.hurry, app.state.close = opening.drain, opening.hurry, opening.close
    opening.beside = None if project is None else _beside(app, project, guard)
    taken = include_routes(app, http)
    if not http.disable_ui:
        app.include_router(page)
        taken |= first_parts([page])
    opening.warnings = [*opening.warnings, *_add_legacy(app, served, taken)]
    # Behind all others: a graph may be called mcp.
    app.include_router(absent)
    if http.disable_webhooks:
        _hide_webhooks(app)
    _add_layers(app, opening, origins)
    app.state.warnings = opening.warnings
    return app


def _beside(app: FastAPI, project: Project, guard: Guard) -> Beside | None:
    """The project's own application; the server has no routes yet but those of its documentation."""
    custom, http = project.app(), project.config.http
    if custom is None:
        return None
    first = [] if http.disable_meta else [*app.routes, *health.routes, *measured.routes]
    pages = [route for route in page.routes if {"GET", "HEAD"} & getattr(route, "methods", set())]
    return Beside(
        app=custom,
        guard=guard,
        guarded=http.enable_custom_route_auth,
        auth_first=http.middleware_order == "auth_first",
        first=first,
        unguarded=[*app.routes, *health.routes, *measured.routes, *system.routes, *pages],
    )


def _hide_webhooks(app: FastAPI) -> None:
    """Let the OpenAPI document offer none."""
    whole = app.openapi

    def openapi() -> dict[str, Any]:
        document = whole()
        for schema in document["components"]["schemas"].values():
            if schema.get("title") == RunBody.__name__:
                schema["properties"].pop("webhook", None)
        return document

    app.openapi = openapi  # type: ignore[method-assign]  # as FastAPI has it done


@contextmanager
def _what_stays() -> Iterator[None]:
    """Spare the collector all modules, graphs and routes for as long as the block lasts.

    They are some 100 ms of each full collection, in which every stream stands still. What somebody else has frozen, as
    servers do that fork, is theirs: `gc.unfreeze()` would undo that as well.
    """
    if gc.get_freeze_count():
        yield
        return
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


def _served(name: str, graph: Any) -> Served:
    return graph if isinstance(graph, Served) else serve_object(name, graph)


@dataclass(kw_only=True)
class Opening:
    """Opens a server once, whoever comes first: the lifespan, or a request where nobody runs that.

    Once it is closed it may be opened again, also in another event loop.
    """

    served: Sequence[Served]
    url: str
    guard: Guard
    settings: Settings
    http: HttpSection
    warnings: Sequence[str] = ()
    metrics: Metrics = field(default_factory=Metrics)
    serving: Serving | None = None
    app: FastAPI = field(init=False)
    locks: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Lock] = field(default_factory=WeakKeyDictionary)
    beside: Beside | None = None

    @asynccontextmanager
    async def lifespan(self, _app: FastAPI) -> AsyncIterator[None]:
        """For as long as the block lasts."""
        await self.open()
        try:
            with _what_stays():
                yield
        finally:
            await self.close()

    def drain(self, hint: str = "") -> None:
        """It is about to end: health says so, and what runs has ``Settings.drain`` seconds from now on."""
        if self.serving is not None:
            self.serving.drain(hint)

    async def hurry(self) -> None:
        """What runs has no more time; returns when it was given back."""
        if self.serving is not None:
            await self.serving.hurry()

    @property
    def lock(self) -> asyncio.Lock:
        """Held by who opens or closes it; a lock that somebody waited for belongs to that event loop for good."""
        return self.locks.setdefault(asyncio.get_running_loop(), asyncio.Lock())

    async def open(self) -> Serving:
        """The server, running."""
        async with self.lock:
            if self.serving is None:
                for warning in self.warnings:
                    _log.warning("%s", warning)
                self.serving = self.app.state.serving = await self._open()
            return self.serving

    async def close(self) -> None:
        """End it, if it is open."""
        async with self.lock:
            serving, self.serving = self.serving, None
        if serving is not None:
            await serving.resources.aclose()

    async def _open(self) -> Serving:
        async with AsyncExitStack() as stack:
            database = await Database.open(self.url)
            stack.push_async_callback(database.close)
            saver, store = await open_savers(database)
            holdings = Holdings()
            checkpointer = await run_saver(database, saver, holdings)
            targets = {
                one.name: await open_target(one, stack, checkpointer=checkpointer, store=store) for one in self.served
            }
            await database.write(lambda connection: own_assistants(connection, targets))
            serving = Serving(
                database=database,
                checkpointer=checkpointer,
                store=store,
                targets=targets,
                guard=self.guard,
                settings=self.settings,
                runs=Runs(
                    database,
                    targets,
                    holdings,
                    self.settings,
                    self.metrics,
                    webhooks=not self.http.disable_webhooks,
                ),
                assistants=Assistants(database),
                headers=self.http.configurable_headers,
                metrics=self.metrics,
            )
            self.metrics.watch(serving)
            stack.callback(self.metrics.watch, None)
            if self.beside is not None:
                # Before runs go on, which may need what it opens, and until they have ended.
                await self.beside.start(stack)
            await serving.runs.worker.start()
            stack.push_async_callback(serving.settle)
            serving.resources = stack.pop_all()
        return serving


class _Opened:
    """Sees that the server is open before a request reaches a route."""

    def __init__(self, app: ASGIApp, opening: Opening) -> None:
        self.app = app
        self._opening = opening

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "lifespan" and self._opening.serving is None:
            await self._opening.open()
        await self.app(scope, receive, send)


def _add_legacy(app: FastAPI, served: Sequence[Served], taken: Set[str]) -> list[str]:
    """LangServe's routes of everything that is served, under its name.

    Returns:
        What has none, as warnings: its input or its output has no schema.

    Raises:
        ValueError: A name is the first part of another route's path.
    """
    warnings = []
    for one in served:
        if one.name in taken:
            raise ValueError(f"{one.name!r} cannot be served: the server's own routes begin so. Choose another name.")
        try:
            add_routes(
                app,
                legacy(one),
                path=f"/{one.name}",
                per_req_config_modifier=with_user,
                dependencies=[Depends(admission(one.name))],
            )
        except TypeError as error:
            warnings.append(f"There is nothing for LangServe's clients at /{one.name}: {error}")
    return warnings


def _add_layers(app: FastAPI, opening: Opening, origins: Sequence[str]) -> None:
    """What every request passes, the last added first."""
    if opening.beside is not None:
        opening.warnings = [*opening.warnings, *opening.beside.warnings()]
        opening.beside.add_to(app)
    app.add_middleware(Limits, settings=opening.settings)
    app.add_middleware(_Crossing, section=opening.http.cors, origins=origins)
    app.add_middleware(Observed, metrics=opening.metrics)
    app.add_middleware(_Opened, opening=opening)
    if opening.http.mount_prefix:
        app.add_middleware(_Prefixed, prefix=opening.http.mount_prefix)


class _Crossing:
    """``cors`` as a layer."""

    def __init__(self, app: ASGIApp, section: CorsSection | None, origins: Sequence[str]) -> None:
        self.app = cors(app, section, origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.app(scope, receive, send)


class _Prefixed:
    """Serves an application below a path, as if it were mounted there."""

    def __init__(self, app: ASGIApp, prefix: str) -> None:
        self.app = app
        self._prefix = prefix

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"].startswith(f"{self._prefix}/"):
            scope = {**scope, "root_path": scope.get("root_path", "") + self._prefix}
        await self.app(scope, receive, send)
