"""PostgreSQL's notices: a connection that listens, and is made again when it breaks."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress

import psycopg

from lcel_adapters.serve._storage._notices import CHANNEL

_log = logging.getLogger(__name__)

_CHECK_SECONDS = 20.0
"""How long a silent connection is trusted before it is asked whether it is there."""
_LONGEST_PAUSE = 5.0


class Listening:
    """Hears what any server on the database sends.

    Args:
        conninfo: How to connect.
        hear: Is given each notice; None after a time in which some may have been lost.
    """

    def __init__(self, conninfo: str, hear: Callable[[str | None], None]) -> None:
        self._conninfo = conninfo
        self._hear = hear
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Listen: what is sent after this returned is heard."""
        connection = await self._connect()
        self._task = asyncio.create_task(self._listen(connection), name="lcel-postgres-listener")

    async def close(self) -> None:
        """Hear no more."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    async def _connect(self) -> psycopg.AsyncConnection:
        connection = await psycopg.AsyncConnection.connect(self._conninfo, autocommit=True)
        await connection.execute(f"listen {CHANNEL}")
        return connection

    async def _listen(self, connection: psycopg.AsyncConnection) -> None:
        while True:
            try:
                async with connection:
                    await self._hear_from(connection)
            except psycopg.Error as error:
                _log.warning("the connection that listens to PostgreSQL broke, and is made again: %s", error)
            connection = await self._again()
            self._hear(None)

    async def _hear_from(self, connection: psycopg.AsyncConnection) -> None:
        while True:
            async for notice in connection.notifies(timeout=_CHECK_SECONDS):
                self._hear(notice.payload)
            await connection.execute("select 1")

    async def _again(self) -> psycopg.AsyncConnection:
        pause = 0.05
        while True:
            try:
                return await self._connect()
            except psycopg.Error as error:
                _log.debug("PostgreSQL does not answer: %s", error)
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)
