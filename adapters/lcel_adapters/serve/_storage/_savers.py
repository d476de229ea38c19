"""The checkpointer and the store that belong to a database."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.store.base import BaseStore

from lcel_adapters.serve._storage._database import Database
from lcel_adapters.serve._storage._errors import StorageError
from lcel_adapters.serve._storage._sqlite import SqliteDatabase

Savers: TypeAlias = tuple[BaseCheckpointSaver[Any], BaseStore]


async def open_savers(database: Database) -> Savers:
    """The checkpointer and the store whose rows are in a database, with their tables made.

    Beside what every saver can do, the checkpointer has ``acopy_thread``, ``aprune`` and ``adelete_for_runs``, the last
    of which may be told the thread to look in. Both are closed with the database.

    Raises:
        StorageError: The tables cannot be made.
    """
    if isinstance(database, SqliteDatabase):
        return await asyncio.to_thread(_sqlite_savers, database)
    postgres = await asyncio.to_thread(_postgres_savers)
    return await postgres(database)


# Modules are read from the disk: not on the event loop.


def _sqlite_savers(database: SqliteDatabase) -> Savers:
    try:
        from lcel_adapters.serve._storage._sqlite_saver import ServingSqliteSaver, set_up_saver
        from lcel_adapters.serve._storage._sqlite_store import ServingSqliteStore, set_up_store
    except ImportError as error:
        raise StorageError(
            f'checkpoints in SQLite need {error.name!r}, which is not installed: pip install "lcel-compat[serve]"'
        ) from error
    set_up_saver(database.path)
    set_up_store(database.path)
    return ServingSqliteSaver(database), ServingSqliteStore(database)


def _postgres_savers() -> Callable[[Database], Awaitable[Savers]]:
    from lcel_adapters.serve._storage._postgres_savers import postgres_savers

    return postgres_savers
