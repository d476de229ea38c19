"""How long a server that is told to end waits for what runs."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any


class Patience:
    """So many seconds from now on, or until it is over; on one event loop.

    Args:
        seconds: For everything that is waited for.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._until = asyncio.get_running_loop().time() + seconds
        self._over = asyncio.Event()

    def end(self) -> None:
        """Wait no longer."""
        self._over.set()

    async def wait(self, tasks: Iterable[asyncio.Task[Any]]) -> None:
        """Until all of them are done, as long as there is patience."""
        done: asyncio.Future[Any] = asyncio.gather(*tasks, return_exceptions=True)
        over: asyncio.Future[Any] = asyncio.create_task(self._over.wait())
        left = max(self._until - asyncio.get_running_loop().time(), 0)
        try:
            await asyncio.wait([done, over], timeout=left, return_when="FIRST_COMPLETED")
        finally:
            over.cancel()
