"""The checkpointer of graphs that are run: what a run saves is saved under its lease."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from lcel_adapters.serve._runs._holdings import Holdings
from lcel_adapters.serve._storage import Database

if TYPE_CHECKING:
    from langgraph.checkpoint.base import BaseCheckpointSaver

    Made = Callable[[Any, Holdings, Any], BaseCheckpointSaver[Any]]


async def run_saver(
    database: Database, saver: BaseCheckpointSaver[Any], holdings: Holdings
) -> BaseCheckpointSaver[Any]:
    """The checkpointer of a database, by which a run saves only while this server holds it.

    A server that was given up for dead and is not (it was stopped, or cut off) cannot add to a thread that another goes
    on with: the lease is looked at in the transaction that saves. What belongs to no run passes.

    Args:
        database: Open.
        saver: Of ``open_savers``.
        holdings: The runs that this server holds.
    """
    # Modules are read from the disk: not on the event loop.
    make = await asyncio.to_thread(_maker, database.shared)
    return make(database, holdings, saver.serde)


def _maker(shared: bool) -> Made:
    if shared:
        from lcel_adapters.serve._runs._postgres_saver import RunPostgresSaver

        return RunPostgresSaver
    from lcel_adapters.serve._runs._sqlite_saver import RunSqliteSaver

    return RunSqliteSaver
