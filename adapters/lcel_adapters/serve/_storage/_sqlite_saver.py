"""Checkpoints in the server's SQLite file: LangGraph's saver, on the threads of ``SqliteDatabase``."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, TypeVar, cast

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import (
    ChannelVersions,
    Checkpoint,
    CheckpointMetadata,
    CheckpointTuple,
    DeltaChannelHistory,
)
from langgraph.checkpoint.serde.base import SerializerProtocol
from langgraph.checkpoint.sqlite import SqliteSaver

from lcel_adapters.serve._storage._pages import Pages
from lcel_adapters.serve._storage._sqlite import SqliteDatabase, raw_of
from lcel_adapters.serve._storage._sqlite_threads import copied, deleted_for_runs, pruned

T = TypeVar("T")


class ServingSqliteSaver(SqliteSaver):
    """Writes in the group commits of the server's writer thread, reads on its reader threads, sync and async alike.

    What is saved is serialised by the caller, before anything is waited for: a thread that did so later could see a
    value that a node is changing meanwhile.

    Args:
        database: An open database whose file has this saver's tables.
        serde: How values are written; LangGraph's default if None.
    """

    def __init__(self, database: SqliteDatabase, *, serde: SerializerProtocol | None = None) -> None:
        # The connection is whichever of the database's is free; none is used outside of its thread.
        super().__init__(cast(sqlite3.Connection, None), serde=serde)
        self._database = database
        self.is_setup = True

    def put(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        return self._write(self._recorded(lambda saver: saver.put(config, checkpoint, metadata, new_versions)))

    async def aput(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        return await self._awrite(self._recorded(lambda saver: saver.put(config, checkpoint, metadata, new_versions)))

    def put_writes(
        self, config: RunnableConfig, writes: Sequence[tuple[str, Any]], task_id: str, task_path: str = ""
    ) -> None:
        self._write(self._recorded(lambda saver: saver.put_writes(config, writes, task_id, task_path)))

    async def aput_writes(
        self, config: RunnableConfig, writes: Sequence[tuple[str, Any]], task_id: str, task_path: str = ""
    ) -> None:
        await self._awrite(self._recorded(lambda saver: saver.put_writes(config, writes, task_id, task_path)))

    def delete_thread(self, thread_id: str) -> None:
        self._write(self._recorded(lambda saver: saver.delete_thread(thread_id)))

    async def adelete_thread(self, thread_id: str) -> None:
        await self._awrite(self._recorded(lambda saver: saver.delete_thread(thread_id)))

    def delete_for_runs(self, run_ids: Sequence[str], *, thread_id: str | None = None) -> None:
        self._write(deleted_for_runs(run_ids, thread_id))

    async def adelete_for_runs(self, run_ids: Sequence[str], *, thread_id: str | None = None) -> None:
        await self._awrite(deleted_for_runs(run_ids, thread_id))

    def copy_thread(self, source_thread_id: str, target_thread_id: str) -> None:
        self._write(copied(source_thread_id, target_thread_id))

    async def acopy_thread(self, source_thread_id: str, target_thread_id: str) -> None:
        await self._awrite(copied(source_thread_id, target_thread_id))

    def prune(self, thread_ids: Sequence[str], *, strategy: str = "keep_latest") -> None:
        self._write(pruned(thread_ids, strategy))

    async def aprune(self, thread_ids: Sequence[str], *, strategy: str = "keep_latest") -> None:
        await self._awrite(pruned(thread_ids, strategy))

    def get_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        return self._read(lambda saver: saver.get_tuple(config))

    async def aget_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        return await self._aread(lambda saver: saver.get_tuple(config))

    def get_delta_channel_history(
        self, *, config: RunnableConfig, channels: Sequence[str]
    ) -> Mapping[str, DeltaChannelHistory]:
        return self._read(lambda saver: saver.get_delta_channel_history(config=config, channels=channels))

    async def aget_delta_channel_history(
        self, *, config: RunnableConfig, channels: Sequence[str]
    ) -> Mapping[str, DeltaChannelHistory]:
        return await self._aread(lambda saver: saver.get_delta_channel_history(config=config, channels=channels))

    def list(
        self,
        config: RunnableConfig | None,
        *,
        filter: dict[str, Any] | None = None,
        before: RunnableConfig | None = None,
        limit: int | None = None,
    ) -> Iterator[CheckpointTuple]:
        pages = Pages(config, before, limit)
        while pages.more:
            found = self._read(
                lambda saver: [*saver.list(config, filter=filter, before=pages.before, limit=pages.limit)]
            )
            pages.turn(found)
            yield from found

    async def alist(
        self,
        config: RunnableConfig | None,
        *,
        filter: dict[str, Any] | None = None,
        before: RunnableConfig | None = None,
        limit: int | None = None,
    ) -> AsyncIterator[CheckpointTuple]:
        pages = Pages(config, before, limit)
        while pages.more:
            found = await self._aread(
                lambda saver: [*saver.list(config, filter=filter, before=pages.before, limit=pages.limit)]
            )
            pages.turn(found)
            for item in found:
                yield item

    def _recorded(self, method: Callable[[SqliteSaver], T]) -> Callable[[sqlite3.Connection], T]:
        """Call a method of the original now; its statements are executed by what is returned."""
        statements = _Statements()
        result = method(_Inside(cast(sqlite3.Connection, statements), serde=self.serde))

        def play(raw: sqlite3.Connection) -> T:
            statements.play(raw)
            return result

        return play

    def _write(self, function: Callable[[sqlite3.Connection], T]) -> T:
        return self._database.submit_write(lambda connection: function(raw_of(connection))).result()

    async def _awrite(self, function: Callable[[sqlite3.Connection], T]) -> T:
        return await self._database.write(lambda connection: function(raw_of(connection)))

    def _read(self, method: Callable[[SqliteSaver], T]) -> T:
        return self._database.submit_read(lambda c: method(_Inside(raw_of(c), serde=self.serde))).result()

    async def _aread(self, method: Callable[[SqliteSaver], T]) -> T:
        return await self._database.read(lambda c: method(_Inside(raw_of(c), serde=self.serde)))


class _Inside(SqliteSaver):
    """The original, inside a transaction that another began and will end."""

    def __init__(self, conn: sqlite3.Connection, *, serde: SerializerProtocol) -> None:
        super().__init__(conn, serde=serde)
        self.is_setup = True

    @contextmanager
    def cursor(self, transaction: bool = True) -> Iterator[sqlite3.Cursor]:
        with closing(self.conn.cursor()) as cursor:
            yield cursor


class _Statements:
    """A connection and its cursor, as far as methods that only write use them: keeps what they execute."""

    def __init__(self) -> None:
        self._kept: list[tuple[str, str, Any]] = []

    def cursor(self) -> _Statements:
        return self

    def close(self) -> None:
        """Nothing is open."""

    def execute(self, statement: str, parameters: Any = ()) -> None:
        self._kept.append(("execute", statement, parameters))

    def executemany(self, statement: str, parameters: Any) -> None:
        self._kept.append(("executemany", statement, parameters))

    def play(self, raw: sqlite3.Connection) -> None:
        """Execute them."""
        for method, statement, parameters in self._kept:
            getattr(raw, method)(statement, parameters)


def set_up_saver(path: Path) -> None:
    """Make the tables, or bring them up to date: a script of the original, which commits."""
    with closing(sqlite3.connect(path)) as connection:
        SqliteSaver(connection).setup()
