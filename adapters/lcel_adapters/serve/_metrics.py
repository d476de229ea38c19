"""What an operator sees: metrics for Prometheus, and a log line for each request."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from lcel_adapters.serve._serving import Serving

_log = logging.getLogger("lcel_adapters.serve.access")
_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)


class Metrics:
    """The measurements of one server, apart from those of any other in the process.

    Attributes:
        registry: Of ``prometheus_client``; ``/metrics`` shows it.
    """

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "lcel_http_requests", "Answered requests.", ("method", "route", "status"), registry=self.registry
        )
        self.request_seconds = Histogram(
            "lcel_http_request_seconds",
            "From the request to the end of the answer.",
            ("method", "route"),
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.first_byte = Histogram(
            "lcel_http_first_byte_seconds",
            "From the request to the first byte of the answer's body.",
            ("method", "route"),
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.runs = Counter("lcel_runs", "Runs that ended.", ("graph", "status"), registry=self.registry)
        self.run_seconds = Histogram(
            "lcel_run_seconds", "How long runs executed.", ("graph",), buckets=_SECONDS, registry=self.registry
        )
        self._serving: Serving | None = None
        self._show("lcel_runs_executing", "Runs that this server executes, or that wait for it.", lambda s: s.executing)
        self._show(
            "lcel_writes_waiting", "Writes that the database cannot keep yet.", lambda s: len(s.database.kept_waiting)
        )
        self._show("lcel_streams_open", "Answers that are being streamed.", lambda s: s.streams)

    def watch(self, serving: Serving | None) -> None:
        """Show from now on what a server has open and executes, whenever somebody looks; nothing of it if None.

        An application may be opened again: the registry, and what it counted, outlives each of its servers.
        """
        self._serving = serving

    def _show(self, name: str, says: str, look: Callable[[Serving], int]) -> None:
        def shown() -> float:
            return 0 if self._serving is None else look(self._serving)

        Gauge(name, says, registry=self.registry).set_function(shown)

    def run_ended(self, graph: str, status: str, seconds: float) -> None:
        """Count a run."""
        self.runs.labels(graph, status).inc()
        self.run_seconds.labels(graph).observe(seconds)


class Observed:
    """Counts, times and logs the requests of an application.

    Args:
        app: The application behind it.
        metrics: Where they are counted.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self.app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        seen = _Seen(send)
        try:
            await self.app(scope, receive, seen)
        finally:
            self._note(scope, seen)

    def _note(self, scope: Scope, seen: _Seen) -> None:
        # The template of the route, so that ids in paths make no series of their own; nothing of what matched none.
        route = getattr(scope.get("route"), "path", "") or "(none)"
        method, seconds = scope["method"], time.perf_counter() - seen.begun
        self._metrics.requests.labels(method, route, seen.status).inc()
        self._metrics.request_seconds.labels(method, route).observe(seconds)
        if seen.first is not None:
            self._metrics.first_byte.labels(method, route).observe(seen.first - seen.begun)
        if _log.isEnabledFor(logging.INFO):
            said = {"method": method, "path": scope["path"], "status": seen.status, "ms": round(1000 * seconds, 1)}
            _log.info("%s %s %s", method, scope["path"], seen.status, extra=said)


class _Seen:
    """Passes an answer on, and remembers its status and when its body began."""

    __slots__ = ("_send", "begun", "first", "status")

    def __init__(self, send: Send) -> None:
        self._send = send
        self.begun = time.perf_counter()
        self.first: float | None = None
        self.status = 0

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
        elif self.first is None and message.get("body"):
            self.first = time.perf_counter()
        await self._send(message)
