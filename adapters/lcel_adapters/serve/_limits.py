"""What a request may be: how large, how deep."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from lcel_adapters.serve._json import dumps

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from lcel_adapters.serve._settings import Settings

_TOKENS = re.compile(rb'"(?:[^"\\]|\\.)*+"|[\[\]{}]', re.DOTALL)


class TooMuch(Exception):
    """A request that is refused before anything reads it."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.status = status


class Limits:
    """Reads the body of a request as far as it may go, and hands on what is within the limits.

    Args:
        app: The application behind it.
        settings: ``max_body`` and ``max_depth``.
    """

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self.app = app
        self._settings = settings

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        # Whatever the method: items of the store are deleted by a body, and authentication may ask for any.
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        try:
            body = await self._body(receive)
        except TooMuch as error:
            await _refuse(send, error)
            return
        if body is not None:
            await self.app(scope, _Replayed(body, receive), send)

    async def _body(self, receive: Receive) -> bytes | None:
        """The whole body; None if the client left."""
        parts: list[bytes] = []
        size, more = 0, True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                return None
            part = message.get("body", b"")
            size += len(part)
            if size > self._settings.max_body:
                raise TooMuch(413, f"The body is larger than {self._settings.max_body} bytes.")
            parts.append(part)
            more = message.get("more_body", False)
        body = b"".join(parts)
        if not is_shallow(body, self._settings.max_depth):
            raise TooMuch(422, f"The body is nested deeper than {self._settings.max_depth} levels.")
        return body


class _Replayed:
    """What the application receives: the body that was read, then what the client still says."""

    def __init__(self, body: bytes, receive: Receive) -> None:
        self._body: bytes | None = body
        self._receive = receive

    async def __call__(self) -> Message:
        if self._body is None:
            return await self._receive()
        body, self._body = self._body, None
        return {"type": "http.request", "body": body, "more_body": False}


def is_shallow(body: bytes, levels: int) -> bool:
    """Whether JSON is nested at most so deep; text that is no JSON is the parser's business."""
    if body.count(b"[") + body.count(b"{") <= levels:
        return True
    depth = 0
    for token in _TOKENS.finditer(body):
        first = token.group()[0]
        if first in b"[{":
            depth += 1
            if depth > levels:
                return False
        elif first in b"]}":
            depth -= 1
    return True


async def _refuse(send: Send, error: TooMuch) -> None:
    headers = [(b"content-type", b"application/json"), (b"connection", b"close")]
    await send({"type": "http.response.start", "status": error.status, "headers": headers})
    await send({"type": "http.response.body", "body": dumps({"detail": str(error)}), "more_body": False})
