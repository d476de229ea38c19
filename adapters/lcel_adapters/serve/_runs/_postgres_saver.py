"""The checkpointer of runs on PostgreSQL."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import ChannelVersions, Checkpoint, CheckpointMetadata
from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver
from langgraph.checkpoint.serde.base import SerializerProtocol
from psycopg import AsyncConnection
from psycopg.rows import DictRow

from lcel_adapters.serve._runs._again import aside_statements
from lcel_adapters.serve._runs._holdings import Holdings, Writing
from lcel_adapters.serve._runs._insist import insist
from lcel_adapters.serve._runs._lease import Superseded
from lcel_adapters.serve._storage._postgres import PostgresDatabase
from lcel_adapters.serve._storage._postgres_savers import ServingPostgresSaver

T = TypeVar("T")
# FOR SHARE: whoever takes the run over waits until this is saved, and finds it.
_FENCE = "select 1 from lcel_runs where run_id = %s and owner = %s and attempt = %s for share"
_ASIDE = [re.sub(r"(?<!:):(\w+)", r"%(\1)s", statement) for statement in aside_statements("postgresql")]


class RunPostgresSaver(ServingPostgresSaver):
    """Saves for a run only while its lease holds, and waits while the server is away or full.

    Args:
        database: An open database that has the saver's tables.
        holdings: The runs that this server holds.
        serde: How values are written.
    """

    def __init__(self, database: PostgresDatabase, holdings: Holdings, serde: SerializerProtocol | None = None) -> None:
        super().__init__(database, serde=serde)
        self._holdings = holdings

    async def aput(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        writing = self._holdings.checkpoint(config, checkpoint["id"])
        if writing is None:
            return await super().aput(config, checkpoint, metadata, new_versions)
        return await self._guarded(writing, lambda saver: saver.aput(config, checkpoint, metadata, new_versions))

    async def aput_writes(
        self, config: RunnableConfig, writes: Sequence[tuple[str, Any]], task_id: str, task_path: str = ""
    ) -> None:
        writing = self._holdings.writes(config)
        if writing is None:
            await super().aput_writes(config, writes, task_id, task_path)
            return
        await self._guarded(writing, lambda saver: saver.aput_writes(config, writes, task_id, task_path))
        self._holdings.put_aside(writing)

    async def _guarded(self, writing: Writing, save: Callable[[AsyncPostgresSaver], Awaitable[T]]) -> T:
        """Save, once the lease was looked at in the same transaction."""

        async def attempt() -> T:
            async with self._database.pool.connection() as connection, connection.transaction():
                await _prepare(connection, writing)
                return await save(AsyncPostgresSaver(connection, serde=self.serde))

        return await insist(self._database, lambda: self._database.tried(attempt))


async def _prepare(connection: AsyncConnection[DictRow], writing: Writing) -> None:
    lease = writing.lease
    found = await connection.execute(_FENCE, (lease.run_id, lease.owner, lease.attempt))
    if await found.fetchone() is None:
        raise Superseded
    if writing.aside is not None:
        names = {"thread": writing.thread_id, "run": lease.run_id, "ns": writing.aside[0], "id": writing.aside[1]}
        for statement in _ASIDE:
            await connection.execute(statement, names)
