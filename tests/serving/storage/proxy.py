"""A connection to a server that can be broken."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from types import TracebackType
from typing import Literal, Self
from urllib.parse import urlsplit, urlunsplit


class Proxy:
    """Stands between clients and a PostgreSQL server, on a port of its own.

    Args:
        url: The server's.

    Attributes:
        away: Whether the server seems to be gone: what comes is refused.
        commits: What becomes of the next ``COMMIT``: it is ``lost`` on its way, or its answer ``unheard``; then the
            connection breaks.
    """

    def __init__(self, url: str) -> None:
        self._target = urlsplit(url)
        self.away = False
        self.commits: Literal["lost", "unheard"] | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()
        self.cut()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @property
    def url(self) -> str:
        """Where clients connect to."""
        port = self._server.sockets[0].getsockname()[1]
        user = f"{self._target.username or 'postgres'}:secret"
        return urlunsplit(self._target._replace(netloc=f"{user}@127.0.0.1:{port}"))

    def cut(self) -> None:
        """Break all connections that there are."""
        for writer in self._writers:
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        if self.away:
            writer.transport.abort()
            return
        back, forth = await asyncio.open_connection(self._target.hostname, self._target.port or 5432)
        self._writers |= {writer, forth}
        # Set when the client is to hear no more.
        deaf = asyncio.Event()
        with suppress(ConnectionError):
            await asyncio.gather(self._asked(reader, forth, deaf), _told(back, writer, deaf))
        for end in (writer, forth):
            end.transport.abort()
            self._writers.discard(end)

    async def _asked(self, reader: asyncio.StreamReader, forth: asyncio.StreamWriter, deaf: asyncio.Event) -> None:
        while data := await reader.read(65536):
            fate = self.commits if b"COMMIT" in data else None
            if fate is not None:
                self.commits = None
                deaf.set()
            if fate != "lost":
                forth.write(data)
                await forth.drain()
            if fate is not None:
                # Long enough for the server to have done what it was told.
                await asyncio.sleep(0.2)
                raise ConnectionResetError
        raise ConnectionResetError


async def _told(back: asyncio.StreamReader, writer: asyncio.StreamWriter, deaf: asyncio.Event) -> None:
    while data := await back.read(65536):
        if not deaf.is_set():
            writer.write(data)
            await writer.drain()
    raise ConnectionResetError
