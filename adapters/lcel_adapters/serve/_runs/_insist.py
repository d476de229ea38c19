"""Work that has to be done: it waits while the database does not answer, is locked, or has no room."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import TypeVar

from lcel_adapters.serve._storage import Database, StorageFull, StorageUnavailable

T = TypeVar("T")
_log = logging.getLogger(__name__)
_SHORTEST, _LONGEST = 0.05, 2.0
"""Seconds between two attempts."""


async def insist(database: Database, attempt: Callable[[], Awaitable[T]]) -> T:
    """Do something until the database lets it be done; meanwhile it is one of those whom that keeps waiting.

    Raises:
        Exception: Whatever else than ``StorageFull`` and ``StorageUnavailable`` it raised.
    """
    pause = _SHORTEST
    try:
        while True:
            try:
                return await attempt()
            except (StorageFull, StorageUnavailable) as error:
                database.kept_waiting.add(attempt)
                _log.warning("the database cannot keep a run's progress: %s; trying again in %.2g s", error, pause)
                await asyncio.sleep(pause)
                pause = min(2 * pause, _LONGEST)
    finally:
        database.kept_waiting.discard(attempt)
