"""Pages of other origins: what they may do to a server that a browser can reach.

A page anywhere can make a visitor's browser POST to a server on the visitor's own machine; it cannot read the answer,
but the run has begun. So a request that changes something, and that says it comes from another origin, is refused
unless that origin is let in; and CORS is off unless configured.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware

from lcel_adapters.serve._json import dumps

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

    from lcel_adapters.serve._project import CorsSection

READABLE = ("content-location", "location", "x-pagination-next", "x-pagination-total")
"""Headers that clients in browsers need to see; with ``location`` they can reconnect."""
_LOOKS = frozenset({"GET", "HEAD", "OPTIONS"})


class Origins:
    """Refuses what pages of other origins want to change.

    Args:
        app: The application behind it.
        allowed: Origins that are let in; ``*`` for all.
        pattern: A regular expression of more.
    """

    def __init__(self, app: ASGIApp, allowed: Sequence[str] = (), pattern: str | None = None) -> None:
        self.app = app
        self._allowed = frozenset(allowed)
        self._pattern = re.compile(pattern) if pattern else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] not in _LOOKS:
            headers = Headers(scope=scope)
            origin = headers.get("origin")
            if origin is not None and not self._may(origin, headers.get("host", "")):
                await _refuse(send, origin)
                return
        await self.app(scope, receive, send)

    def _may(self, origin: str, host: str) -> bool:
        if urlsplit(origin).netloc == host or not self._allowed.isdisjoint((origin, "*")):
            return True
        return self._pattern is not None and self._pattern.fullmatch(origin) is not None


def cors(app: ASGIApp, section: CorsSection | None, origins: Sequence[str]) -> ASGIApp:
    """An application that pages of some origins may use.

    Args:
        app: The application.
        section: What ``langgraph.json`` says.
        origins: More of them.
    """
    options: dict[str, Any] = {} if section is None else section.options()
    allowed = [*options.get("allow_origins", ()), *origins]
    guarded = Origins(app, allowed, options.get("allow_origin_regex"))
    if section is None and not origins:
        return guarded
    usual = {"allow_methods": ["*"], "allow_headers": ["*"], "expose_headers": READABLE}
    return CORSMiddleware(guarded, **{**usual, **options, "allow_origins": allowed})


async def _refuse(send: Send, origin: str) -> None:
    detail = f"Pages of {origin!r} may not do that: let the origin in with --cors-origin, or http.cors.allow_origins."
    headers = [(b"content-type", b"application/json")]
    await send({"type": "http.response.start", "status": 403, "headers": headers})
    await send({"type": "http.response.body", "body": dumps({"detail": detail}), "more_body": False})
