"""`lcel-compat serve`: what is served, who may use it, where it listens, and how it ends."""

from __future__ import annotations

import asyncio
import errno
import logging
import signal
import socket
import threading
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

from lcel_adapters._cli._load import CannotRunError
from lcel_adapters._cli._logs import log_config
from lcel_adapters._cli._settings import read_settings

if TYPE_CHECKING:
    from types import FrameType

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from lcel_adapters.serve import Settings
    from lcel_adapters.serve._auth import Guard
    from lcel_adapters.serve._project import Project, Served

Level = Literal["critical", "error", "warning", "info", "debug"]
Format = Literal["text", "json"]

FILE: Final = "langgraph.json"
_NOTHING: Final = (
    f"there is nothing to serve: no {FILE} in {{folder!r}}, and no argument. Name a graph, as in"
    " lcel-compat serve agent=my_app.py:graph, or write the file:"
    ' {{"graphs": {{"agent": "./my_app.py:graph"}}}}'
)

_HINT: Final = "; a second signal ends it at once"
_LEAVING: Final = 1.0
"""Seconds that answers have to come to their end, when a second signal ended the runs."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The arguments of the command.

    Attributes:
        graphs: ``NAME=MODULE:OBJECT``.
        config: A ``langgraph.json``; the one in the current folder, if there are no graphs.
        host: Where to listen.
        port: 0 for any that is free.
        database: A URL; None for the server's own default.
        api_keys: None for those of the environment.
        insecure: Whether others may reach a server that asks nobody who they are.
        origins: Of pages that may read answers.
        settings: ``NAME=VALUE`` of the server's settings.
        log_level: From which on messages are shown.
        log_format: Of those.
    """

    graphs: Sequence[str] = ()
    config: Path | None = None
    host: str = "127.0.0.1"
    port: int = 2024
    database: str | None = None
    api_keys: Sequence[str] | None = None
    insecure: bool = False
    origins: Sequence[str] = ()
    settings: Sequence[str] = ()
    log_level: Level = "info"
    log_format: Format = "text"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A server that could be started.

    Attributes:
        app: The ASGI application.
        drain: Says that it is about to end, with what the log says of ending it sooner.
        hurry: Lets it wait no longer for what runs, and returns when that has ended or is given back.
        names: Of what it serves.
        database: Where it keeps things, without a password.
        patience: Seconds that what runs has, once it is told to end.
        prefix: Of all its routes.
        documented: Whether it has a page for its OpenAPI document.
        warnings: What it says when it starts.
    """

    app: ASGIApp
    drain: Callable[[str], None]
    hurry: Callable[[], Awaitable[None]]
    names: Sequence[str]
    database: str
    patience: float
    prefix: str = ""
    documented: bool = True
    warnings: Sequence[str] = ()


def run_serve(options: Options) -> None:
    """Serve until a signal ends it; then let what runs go on for a while.

    Raises:
        CannotRunError: It could not be started.
    """
    plan = _needing_serve(options)
    with _bound(options.host, options.port) as listener:
        _Run(plan, options, listener).run()


def make_plan(options: Options) -> Plan:
    """Everything but listening.

    Raises:
        CannotRunError: There is nothing to serve, something cannot be had, or others could use it unasked.
    """
    from lcel_adapters.serve._app import DATABASE

    settings = read_settings(options.settings)
    project = _project(options)
    _check_origins(options, project)
    if project is not None:
        # What is named in arguments may need the project's folders, too.
        project.prepare()
    guard = _guard(options, project)
    database = _readable(options.database or DATABASE)
    named = _named(options, project)
    app = _app(options, {served.name: served for served in named}, project, guard, settings)
    prefix = (project and project.config.http.mount_prefix) or ""
    names = [*(project.config.graphs if project else ()), *(served.name for served in named)]
    return Plan(
        app=_known_hosts(app, options, guard),
        drain=app.state.drain,
        hurry=app.state.hurry,
        names=names,
        database=database,
        patience=settings.drain,
        prefix=prefix,
        documented=app.openapi_url is not None,
        warnings=app.state.warnings,
    )


def _app(
    options: Options, graphs: Mapping[str, Served], project: Project | None, guard: Guard, settings: Settings
) -> Any:
    from lcel_adapters.serve import create_app

    try:
        return create_app(
            graphs,
            project=project,
            database=options.database,
            guard=guard,
            origins=options.origins,
            settings=settings,
        )
    except ValueError as error:
        raise CannotRunError(str(error)) from error


def _needing_serve(options: Options) -> Plan:
    try:
        import_module("uvicorn")
        return make_plan(options)
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("lcel_"):
            raise
        raise CannotRunError(
            f'serving needs {error.name}, which is not installed: pip install "lcel-compat[serve]"'
        ) from error


def _project(options: Options) -> Project | None:
    from lcel_adapters.serve._project import Project

    path = options.config or Path(FILE)
    if options.config is None and (options.graphs or not path.is_file()):
        if not options.graphs:
            raise CannotRunError(_NOTHING.format(folder=str(Path.cwd())))
        return None
    return Project.read(path)


def _guard(options: Options, project: Project | None) -> Guard:
    from lcel_adapters.serve._auth import Guard, refuse_open_binding

    guard = Guard.of(options.api_keys, project.auth() if project else None)
    refuse_open_binding(options.host, guard, options.insecure)
    return guard


def _named(options: Options, project: Project | None) -> Sequence[Served]:
    from lcel_adapters.serve._project import load_named

    served = load_named(options.graphs, Path.cwd())
    for one in served:
        if project is not None and one.name in project.config.graphs:
            raise CannotRunError(f"{one.name!r} is in {str(project.path)!r} too. Give the argument another name.")
    return served


def _check_origins(options: Options, project: Project | None) -> None:
    if options.origins and project is not None and project.config.http.cors is not None:
        raise CannotRunError(
            f"--cors-origin: {str(project.path)!r} says in http.cors who may read answers. Add the origin there."
        )


def _known_hosts(app: Any, options: Options, guard: Guard) -> ASGIApp:
    """An application that, where everyone is let in, answers only to this machine's own names.

    A page whose host name is made to mean this machine (DNS rebinding) would otherwise be of the server's origin.
    """
    if not guard.is_open or options.insecure:
        return app  # type: ignore[no-any-return]
    from starlette.middleware.trustedhost import TrustedHostMiddleware

    return TrustedHostMiddleware(app, allowed_hosts=["localhost", "127.0.0.1", "[::1]", options.host])


def _readable(url: str) -> str:
    """A database's URL as it may be printed.

    Raises:
        CannotRunError: It is none.
    """
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        return make_url(url).render_as_string(hide_password=True)
    except (ArgumentError, ValueError) as error:
        raise CannotRunError(
            "--database is no URL: write sqlite:///file.db or postgresql://user:password@host/name."
        ) from error


def _bound(host: str, port: int) -> socket.socket:
    """A socket that listens; bound here, so that a port that is taken is an error like others.

    Raises:
        CannotRunError: It cannot be had.
    """
    try:
        return socket.create_server(
            (host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET, backlog=2048
        )
    except (OSError, OverflowError, UnicodeError) as error:
        taken = isinstance(error, OSError) and error.errno == errno.EADDRINUSE
        reason = "another program listens there" if taken else getattr(error, "strerror", None) or str(error)
        raise CannotRunError(
            f"cannot listen on {host!r}, port {port}: {reason}. Choose another --port (0 for any free one) or --host."
        ) from error


@contextmanager
def _one_way_to_end() -> Iterator[None]:
    """Let SIGTERM, which uvicorn passes on like SIGINT once it has ended, be no death by a signal."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def interrupt(_sig: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


class _Run:
    """One run of a server, from its start to its end."""

    def __init__(self, plan: Plan, options: Options, listener: socket.socket) -> None:
        self._plan = plan
        self._options = options
        self._listener = listener
        self._error: Exception | None = None

    def run(self) -> None:
        """Serve, until it is told to end.

        Raises:
            CannotRunError: It did not start.
            Exception: What the application raised when it started or ended.
        """
        server = self._server()
        try:
            with _one_way_to_end():
                server.run(sockets=[self._listener])
        except KeyboardInterrupt:
            # How uvicorn passes on the signal, once it has ended.
            pass
        except SystemExit as error:
            if self._error is None:
                raise CannotRunError("the server did not start; the log says why.") from error
        if self._error is not None:
            raise _as_refusal(self._error)
        if not server.started:
            raise CannotRunError("the server did not start; the log says why.")

    def _server(self) -> Any:
        import uvicorn

        announce, drain, hurry = self._announce, self._plan.drain, self._plan.hurry

        class Server(uvicorn.Server):
            def handle_exit(self, sig: int, frame: FrameType | None) -> None:
                if self.should_exit:
                    loop = asyncio.get_running_loop()
                    # From another thread, as it were: the loop may sleep.
                    loop.call_soon_threadsafe(lambda: setattr(self, "hurried", loop.create_task(self.hurry())))
                    return
                # Runs have their time from now on, while open streams are waited for.
                drain(_HINT)
                super().handle_exit(sig, frame)

            async def hurry(self) -> None:
                await hurry()
                # Streams end by themselves then; whatever else is open does not have to.
                await asyncio.sleep(_LEAVING)
                self.force_exit = True

            async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
                await super().shutdown(sockets)
                if self.force_exit:
                    # uvicorn leaves that out then; but the application is to end in order.
                    await self.lifespan.shutdown()

            async def startup(self, sockets: list[socket.socket] | None = None) -> None:
                await super().startup(sockets=sockets)
                if self.started:
                    announce()

        return Server(
            uvicorn.Config(
                self._app,
                # The application writes a line for each request itself.
                access_log=False,
                interface="asgi3",
                lifespan="on",
                log_config=log_config(self._options.log_level, self._options.log_format),
                log_level=self._options.log_level,
                server_header=False,
                # Streams end by themselves when the time is over; this is for what does not.
                timeout_graceful_shutdown=ceil(self._plan.patience) + 15,
                ws="none",
            )
        )

    async def _app(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "lifespan":
            await self._plan.app(scope, receive, send)
            return

        async def without_traceback(message: Message) -> None:
            # What failed is raised in the end, and told once.
            await send({**message, "message": ""} if message["type"].endswith(".failed") else message)

        try:
            await self._plan.app(scope, receive, without_traceback)
        except Exception as error:
            self._error = error

    def _announce(self) -> None:
        host, port = self._listener.getsockname()[:2]
        url = f"http://{f'[{host}]' if ':' in host else host}:{port}{self._plan.prefix}"
        docs = f"{url}/docs" if self._plan.documented else None
        if self._options.log_format == "json":
            facts = {"url": url, "graphs": self._plan.names, "database": self._plan.database}
            _log.info("serving", extra=facts | ({"docs": docs} if docs else {}))
            return
        print(f"Serving on {url}")
        print(f"  graphs    {', '.join(self._plan.names)}")
        print(f"  database  {self._plan.database}")
        if docs:
            print(f"  docs      {docs}")
        print("  Ctrl-C ends it.", flush=True)


def _as_refusal(error: Exception) -> Exception:
    """What went wrong, as the command line tells it; what storage cannot do is no fault of a run."""
    from lcel_adapters.serve._storage import StorageError

    return CannotRunError(f"{error}") if isinstance(error, StorageError) else error
