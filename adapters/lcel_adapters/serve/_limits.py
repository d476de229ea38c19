"""What a request may be: how large, how deep."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING, Final

from starlette.exceptions import HTTPException

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from lcel_adapters.serve._settings import Settings

_KINDS: Final = bytes.maketrans(b"{}", b"[]")
_OTHERS: Final = bytes(set(range(256)) - set(b'[]{}"'))
_RUNS: Final = re.compile(rb"(\[+)|\]+")
_FEW: Final = 400_000
"""Pairs of brackets that are sooner counted one by one than taken away together."""
_PIECE: Final = 1_000_000
"""Bytes of what is cut at its quotes at once; cut as a whole it would be some hundred megabytes of pieces."""
_LARGE: Final = 100_000
"""Bytes of a body that is measured in a thread: the server goes on meanwhile."""


class TooMuch(HTTPException):
    """A request that is refused: its body is too large (413), or too deep (422)."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(status, detail, {"connection": "close"})


class Limits:
    """Lets an application read the body of a request as far as it may go.

    The body is read, and measured, when somebody asks for it: who is not let in sends it in vain.

    Args:
        app: The application behind it.
        settings: ``max_body`` and ``max_depth``.
    """

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self.app = app
        self._settings = settings

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        # Whatever the method: items of the store are deleted by a body, and authentication may ask for any.
        await self.app(scope, _Measured(receive, self._settings) if scope["type"] == "http" else receive, send)


class _Measured:
    """What the application receives: the body as a whole, then what the client still says."""

    def __init__(self, receive: Receive, settings: Settings) -> None:
        self._receive = receive
        self._settings = settings
        self._read = False
        self._refusal: TooMuch | None = None

    async def __call__(self) -> Message:
        if self._refusal is not None:
            raise self._refusal
        if self._read:
            return await self._receive()
        try:
            return await self._body()
        except TooMuch as error:
            self._refusal = error
            raise

    async def _body(self) -> Message:
        """The whole body, or that the client left."""
        parts: list[bytes] = []
        size, more = 0, True
        while more:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                return message
            part = message.get("body", b"")
            size += len(part)
            if size > self._settings.max_body:
                raise TooMuch(413, f"The body is larger than {self._settings.max_body} bytes.")
            parts.append(part)
            more = message.get("more_body", False)
        body = b"".join(parts)
        if await is_deep(body, self._settings.max_depth):
            raise TooMuch(422, f"The body is nested deeper than {self._settings.max_depth} levels.")
        self._read = True
        return {"type": "http.request", "body": body, "more_body": False}


async def is_deep(body: bytes, levels: int) -> bool:
    """Whether JSON of any size is nested deeper."""
    if len(body) < _LARGE:
        return not is_shallow(body, levels)
    return not await asyncio.to_thread(is_shallow, body, levels)


def is_shallow(body: bytes, levels: int) -> bool:
    """Whether JSON is nested at most so deep; text that is no JSON is the parser's business."""
    if body.count(b"[") + body.count(b"{") <= levels:
        return True
    text = _brackets(body)
    while levels:
        # Taken away together, the innermost pairs leave a text that is one level flatter. A loop over a body of nothing
        # but brackets takes seconds, this a tenth of one.
        flatter = text.replace(b"[]", b"")
        if len(text) - len(flatter) < 2 * _FEW:
            break
        text, levels = flatter, levels - 1
    return _deepest(text) <= levels


def _deepest(brackets: bytes) -> int:
    depth = deepest = 0
    for run in _RUNS.finditer(brackets):
        begin, end = run.span()
        depth += end - begin if run.lastindex else begin - end
        deepest = max(deepest, depth)
    return deepest


def _brackets(body: bytes) -> bytes:
    """The brackets of a JSON text that are not in strings, all of one kind."""
    plain = body.replace(b"\\\\", b"").replace(b'\\"', b"")
    # Two quotes side by side change nothing of what is within quotes.
    quoted = plain.translate(_KINDS, _OTHERS).replace(b'""', b"")
    within, found = 0, []
    for begin in range(0, len(quoted), _PIECE):
        parts = quoted[begin : begin + _PIECE].split(b'"')
        found.append(b"".join(parts[within::2]))
        within ^= (len(parts) - 1) % 2
    return b"".join(found)
