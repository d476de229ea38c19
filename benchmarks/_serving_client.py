"""A light client of server-sent events: one connection that is kept, nothing parsed that need not be.

The load generator shares the machine with the server it measures, so it must not cost what a comfortable client does.
"""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from dataclasses import dataclass
from time import perf_counter
from types import TracebackType
from typing import Any


class LoadError(Exception):
    """A server did not answer as a run that goes well is answered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """An answer, and when it came.

    Attributes:
        status: The status code.
        body: All of it, without chunks' lengths.
        first: Seconds from the request to the end of the first server-sent event; to the end of the body without one.
        whole: Seconds from the request to the end of the body.
    """

    status: int
    body: bytes
    first: float
    whole: float

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)


class Connection:
    """A connection to a server on the loopback, opened when it is first used and again when the server closed it.

    Args:
        port: The server's.
    """

    def __init__(self, port: int) -> None:
        self._port = port
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def __aenter__(self) -> Connection:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        writer = self._writer
        self.close()
        if writer is not None:
            with suppress(ConnectionError):
                await writer.wait_closed()

    def close(self) -> None:
        """Leave."""
        if self._writer is not None:
            self._writer.close()
        self._reader = self._writer = None

    async def post(self, path: str, value: Any) -> Answer:
        """Send JSON and read the whole answer.

        Raises:
            LoadError: The server ended the connection early.
        """
        reader, writer = await self._opened()
        begun = perf_counter()
        writer.write(request(path, value))
        try:
            status, headers = _head(await reader.readuntil(b"\r\n\r\n"))
            body = _Body(headers)
            while not body.ended:
                body.take(await reader.read(65_536))
        except (asyncio.IncompleteReadError, ConnectionError) as error:
            self.close()
            raise LoadError(f"the server ended the connection during {path!r}: {error}") from error
        if headers.get(b"connection") == b"close":
            self.close()
        return Answer(
            status=status,
            body=bytes(body.content),
            first=(body.first_event or perf_counter()) - begun,
            whole=perf_counter() - begun,
        )

    async def _opened(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self._reader is None or self._writer is None:
            self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port)
        return self._reader, self._writer


def request(path: str, value: Any) -> bytes:
    """The bytes of a POST of JSON."""
    body = json.dumps(value).encode()
    head = f"POST {path} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\ncontent-length: {len(body)}"
    return head.encode() + b"\r\n\r\n" + body


def _head(text: bytes) -> tuple[int, dict[bytes, bytes]]:
    first, *lines = text.rstrip().split(b"\r\n")
    pairs = (line.partition(b":") for line in lines)
    return int(first.split()[1]), {name.lower(): value.strip().lower() for name, _, value in pairs}


class _Body:
    """The body of an answer as it arrives: in chunks, or of a length that is known."""

    def __init__(self, headers: dict[bytes, bytes]) -> None:
        self.content = bytearray()
        self.first_event: float | None = None
        self._chunked = headers.get(b"transfer-encoding") == b"chunked"
        self._events = headers.get(b"content-type", b"").startswith(b"text/event-stream")
        self._length = int(headers.get(b"content-length", b"0"))
        self._raw = bytearray()
        self._last = False

    @property
    def ended(self) -> bool:
        return self._last if self._chunked else len(self.content) >= self._length

    def take(self, data: bytes) -> None:
        """Add what arrived.

        Raises:
            ConnectionError: Nothing did: the server has closed.
        """
        if not data:
            raise ConnectionError("closed in the middle of a body")
        if not self._chunked:
            self.content += data
            return
        self._raw += data
        while self._chunk():
            pass
        if self.first_event is None and self._events and self._has_event():
            self.first_event = perf_counter()

    def _has_event(self) -> bool:
        return b"data:" in self.content and (b"\r\n\r\n" in self.content or b"\n\n" in self.content)

    def _chunk(self) -> bool:
        """Move one whole chunk to the content; False if there is none."""
        end = self._raw.find(b"\r\n")
        if end < 0:
            return False
        size = int(self._raw[:end], 16)
        if len(self._raw) < end + size + 4:
            return False
        self.content += self._raw[end + 2 : end + 2 + size]
        del self._raw[: end + size + 4]
        self._last = size == 0
        return not self._last
