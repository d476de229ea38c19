"""Checkpoints and items in PostgreSQL: LangGraph's savers, which wait for a server that restarts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import nullcontext
from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import (
    ChannelVersions,
    Checkpoint,
    CheckpointMetadata,
    CheckpointTuple,
    DeltaChannelHistory,
)
from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver
from langgraph.checkpoint.serde.base import SerializerProtocol
from langgraph.store.base import BaseStore, Op, Result
from langgraph.store.postgres.aio import AsyncPostgresStore
from psycopg import AsyncConnection

from lcel_adapters.serve._storage._database import Database
from lcel_adapters.serve._storage._pages import Pages
from lcel_adapters.serve._storage._postgres import PostgresDatabase
from lcel_adapters.serve._storage._swept import Swept

_LOCK = 7_019_267_430_019
"""A number of ours among PostgreSQL's advisory locks."""
_COLUMNS = {
    "checkpoints": "checkpoint_ns, checkpoint_id, parent_checkpoint_id, type, checkpoint, metadata",
    "checkpoint_blobs": "checkpoint_ns, channel, version, type, blob",
    "checkpoint_writes": "checkpoint_ns, checkpoint_id, task_id, task_path, idx, channel, type, blob",
}


class ServingPostgresSaver(AsyncPostgresSaver):
    """LangGraph's saver on the server's pool, trying again whatever a restart of PostgreSQL broke.

    All that it does may be done twice: it puts rows that have keys of their own, or deletes.

    Args:
        database: An open database that has this saver's tables.
        serde: How values are written; LangGraph's default if None.
    """

    def __init__(self, database: PostgresDatabase, *, serde: SerializerProtocol | None = None) -> None:
        super().__init__(database.pool, serde=serde)
        self._database = database
        # The lock is for one connection that all share; here, each call has its own.
        self.lock = nullcontext()  # type: ignore[assignment]  # it is only entered

    async def aput(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        aput = super().aput
        return await self._database.tried(lambda: aput(config, checkpoint, metadata, new_versions))

    async def aput_writes(
        self, config: RunnableConfig, writes: Sequence[tuple[str, Any]], task_id: str, task_path: str = ""
    ) -> None:
        aput_writes = super().aput_writes
        await self._database.tried(lambda: aput_writes(config, writes, task_id, task_path))

    async def aget_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        aget_tuple = super().aget_tuple
        return await self._database.tried(lambda: aget_tuple(config))

    async def aget_delta_channel_history(
        self, *, config: RunnableConfig, channels: Sequence[str]
    ) -> Mapping[str, DeltaChannelHistory]:
        history = super().aget_delta_channel_history
        return await self._database.tried(lambda: history(config=config, channels=channels))

    async def alist(
        self,
        config: RunnableConfig | None,
        *,
        filter: dict[str, Any] | None = None,
        before: RunnableConfig | None = None,
        limit: int | None = None,
    ) -> AsyncIterator[CheckpointTuple]:
        alist, pages = super().alist, Pages(config, before, limit)

        async def page() -> list[CheckpointTuple]:
            return [item async for item in alist(config, filter=filter, before=pages.before, limit=pages.limit)]

        while pages.more:
            found = await self._database.tried(page)
            pages.turn(found)
            for item in found:
                yield item

    async def adelete_thread(self, thread_id: str) -> None:
        adelete_thread = super().adelete_thread
        await self._database.tried(lambda: adelete_thread(thread_id))

    async def aprune(self, thread_ids: Sequence[str], *, strategy: str = "keep_latest") -> None:
        aprune = super().aprune
        await self._database.tried(lambda: aprune(thread_ids, strategy=strategy))

    async def acopy_thread(self, source_thread_id: str, target_thread_id: str) -> None:
        async def copy() -> None:
            async with self._database.pool.connection() as connection, connection.transaction():
                for table, columns in _COLUMNS.items():
                    await connection.execute(
                        f"insert into {table} (thread_id, {columns}) select %s, {columns} from {table}"
                        " where thread_id = %s on conflict do nothing",
                        (target_thread_id, source_thread_id),
                    )

        await self._database.tried(copy)

    async def adelete_for_runs(self, run_ids: Sequence[str], *, thread_id: str | None = None) -> None:
        async def delete() -> None:
            async with self._database.pool.connection() as connection, connection.transaction():
                await connection.execute(_DELETE_FOR_RUNS, {"runs": [*run_ids], "thread": thread_id})

        await self._database.tried(delete)


_DELETE_FOR_RUNS = """
with gone as (
    delete from checkpoints
    where metadata ->> 'run_id' = any(%(runs)s) and (%(thread)s::text is null or thread_id = %(thread)s)
    returning thread_id, checkpoint_ns, checkpoint_id
)
delete from checkpoint_writes using gone
where checkpoint_writes.thread_id = gone.thread_id
    and checkpoint_writes.checkpoint_ns = gone.checkpoint_ns
    and checkpoint_writes.checkpoint_id = gone.checkpoint_id
"""


class ServingPostgresStore(BaseStore):
    """LangGraph's store on the server's pool, trying again whatever a restart of PostgreSQL broke.

    Args:
        database: An open database that has the store's tables.
    """

    supports_ttl = True

    def __init__(self, database: PostgresDatabase) -> None:
        self._database = database
        self._loop = asyncio.get_running_loop()
        self._inner = _Unbatched(database.pool)
        self._inner.lock = nullcontext()  # type: ignore[assignment]  # as the saver's
        self._swept = Swept()

    def batch(self, ops: Iterable[Op]) -> list[Result]:
        return asyncio.run_coroutine_threadsafe(self.abatch(ops), self._loop).result()

    async def abatch(self, ops: Iterable[Op]) -> list[Result]:
        ops = [*ops]
        if self._swept.due():
            await self._database.tried(self._inner.sweep_ttl)
        return await self._database.tried(lambda: self._inner.abatch(ops))


class _Unbatched(AsyncPostgresStore):
    """The original without its task that collects calls: each call has a connection here."""

    def _ensure_task(self) -> None:
        """Start none."""


async def postgres_savers(database: Database) -> tuple[ServingPostgresSaver, ServingPostgresStore]:
    """Both, with their tables.

    Raises:
        TypeError: It is no PostgreSQL database.
    """
    if not isinstance(database, PostgresDatabase):
        raise TypeError(f"no savers for {type(database).__name__!r}: open a database with Database.open")
    await _set_up(database)
    return ServingPostgresSaver(database), ServingPostgresStore(database)


async def _set_up(database: PostgresDatabase) -> None:
    """Make the tables of both, or bring them up to date; one server at a time."""
    async with await AsyncConnection.connect(database.conninfo, autocommit=True) as connection:
        # One that waited inside the server would hold up the indexes, which are made concurrently.
        await _lock(connection)
        await AsyncPostgresSaver(database.pool).setup()
        await _Unbatched(database.pool).setup()


async def _lock(connection: AsyncConnection) -> None:
    while True:
        cursor = await connection.execute("select pg_try_advisory_lock(%s)", (_LOCK,))
        if await cursor.fetchone() == (True,):
            return
        await asyncio.sleep(0.1)
