"""Work that has to be done: it waits while the database does not answer, or has no room."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import TypeVar

from lcel_adapters.serve._storage import StorageFull, StorageUnavailable

T = TypeVar("T")
_log = logging.getLogger(__name__)
_SHORTEST, _LONGEST = 0.05, 2.0
"""Seconds between two attempts."""


async def insist(attempt: Callable[[], Awaitable[T]]) -> T:
    """Do something until the database lets it be done.

    Raises:
        Exception: Whatever else than ``StorageFull`` and ``StorageUnavailable`` it raised.
    """
    pause = _SHORTEST
    while True:
        try:
            return await attempt()
        except (StorageFull, StorageUnavailable) as error:
            _log.warning("the database cannot keep a run's progress: %s; trying again in %.2g s", error, pause)
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LONGEST)
