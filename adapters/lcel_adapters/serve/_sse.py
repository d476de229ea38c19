"""Server-sent events: how a frame is written, and the response that streams frames.

Both dialects write them alike: lines end in CRLF, in the order ``event``, ``data``, ``id`` (AGENT-SERVER.md, (i)
Frame; EVENTS.md, 1.2).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from contextlib import aclosing, suppress
from typing import TYPE_CHECKING, Protocol

from starlette.exceptions import HTTPException
from starlette.responses import Response

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

HEARTBEAT = b": heartbeat\r\n\r\n"
CHUNK_BYTES = 65_536
EVENTS = {"cache-control": "no-store", "connection": "keep-alive", "x-accel-buffering": "no"}
"""Headers of a stream of events: nobody between server and client keeps it, or waits until it is whole."""


class Chunks(Protocol):
    """An asynchronous generator of bytes, as far as a response needs one."""

    def __aiter__(self) -> AsyncIterator[bytes]: ...

    async def __anext__(self) -> bytes: ...

    async def aclose(self) -> None: ...


def frame(event: str, data: bytes | None, id: str | None = None) -> bytes:
    """One server-sent event.

    Args:
        event: Its name; no line break in it.
        data: Its JSON, on one line; None for an event without a ``data`` line.
        id: What a client says in ``Last-Event-ID`` to go on behind it.
    """
    parts = [b"event: ", event.encode()]
    if data is not None:
        parts += (b"\r\ndata: ", data)
    if id is not None:
        parts += (b"\r\nid: ", id.encode())
    parts.append(b"\r\n\r\n")
    return b"".join(parts)


def chunked(frames: Iterable[bytes], size: int = CHUNK_BYTES) -> Iterator[bytes]:
    """Frames put together, so that many small ones are sent at once and much is not copied at once.

    Args:
        frames: Of one stream, made when they are asked for.
        size: Bytes of a chunk, about: a frame is whole, however large it is.
    """
    chunk: list[bytes] = []
    length = 0
    for one in frames:
        chunk.append(one)
        length += len(one)
        if length >= size:
            yield b"".join(chunk)
            chunk, length = [], 0
    if chunk:
        yield b"".join(chunk)


class EventStream(Response):
    """Streams bytes as they are made, until they end or the client leaves.

    The iterator is asked for more only when the client took what was there: a slow client holds the producer, and costs
    the socket's buffers. It is closed in every case, in the task that read it.

    Args:
        body: Whole frames; several at once may be joined.
        headers: Headers beside those that every stream has.
        heartbeat: Seconds between two comments that keep the connection alive; None for none.
        comment: That comment.
        stall: Seconds after which a client that takes nothing is given up; None for never.
        media_type: What the bytes are.
    """

    media_type = "text/event-stream"

    def __init__(
        self,
        body: Chunks,
        *,
        headers: Mapping[str, str] | None = None,
        heartbeat: float | None = 5.0,
        comment: bytes = HEARTBEAT,
        stall: float | None = None,
        media_type: str = "text/event-stream",
    ) -> None:
        self.chunks = body
        self.heartbeat = heartbeat
        self.comment = comment
        self.stall = stall
        self.status_code = 200
        self.background = None
        self.media_type = media_type
        self.init_headers(headers or {})
        # Its length is not known; an empty body's would be 0.
        self.raw_headers = [pair for pair in self.raw_headers if pair[0] != b"content-length"]

    def render(self, content: object) -> bytes:
        """Nothing: the body is streamed."""
        return b""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with aclosing(self.chunks):
            await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
            await self._stream(receive, send)

    async def _stream(self, receive: Receive, send: Send) -> None:
        beats = _Beats(self.comment, send)
        try:
            async with asyncio.timeout(None) as stay:
                leaving = asyncio.create_task(_left(receive, stay))
                beats.begin(self.heartbeat)
                await self._pump(send)
        except TimeoutError:
            # That of a stalled client is told.
            if not stay.expired():
                raise
        finally:
            await _end([leaving, *beats.end()])

    async def _pump(self, send: Send) -> None:
        async with aclosing(self.chunks) as chunks:
            async for chunk in chunks:
                async with asyncio.timeout(self.stall):
                    await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})


class _Beats:
    """Comments that keep a connection alive; a task only for streams that last until the first."""

    def __init__(self, comment: bytes, send: Send) -> None:
        self._comment = comment
        self._send = send
        self._timer: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[None] | None = None

    def begin(self, seconds: float | None) -> None:
        """Send one now and then; never if None."""
        if seconds is not None:
            self._timer = asyncio.get_running_loop().call_later(seconds, self._start, seconds)

    def end(self) -> list[asyncio.Task[None]]:
        """No more; what may still be sending."""
        if self._timer is not None:
            self._timer.cancel()
        return [] if self._task is None else [self._task]

    def _start(self, seconds: float) -> None:
        self._task = asyncio.create_task(self._beat(seconds))

    async def _beat(self, seconds: float) -> None:
        while True:
            await self._send({"type": "http.response.body", "body": self._comment, "more_body": True})
            await asyncio.sleep(seconds)


async def _left(receive: Receive, stay: asyncio.Timeout) -> None:
    """Wait until the client leaves, or sends what it may not, and let nothing more be sent then."""
    with suppress(HTTPException):
        while (await receive())["type"] != "http.disconnect":
            pass
    stay.reschedule(0)


async def _end(tasks: list[asyncio.Task[None]]) -> None:
    """Cancel what runs, and wait for it: an iterator's cleanup belongs to the request."""
    for task in tasks:
        task.cancel()
    for task in tasks:
        with suppress(asyncio.CancelledError, Exception):
            await task
