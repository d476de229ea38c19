"""The checkpointer of runs on SQLite."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import ChannelVersions, Checkpoint, CheckpointMetadata
from langgraph.checkpoint.serde.base import SerializerProtocol

from lcel_adapters.serve._runs._again import aside_statements
from lcel_adapters.serve._runs._holdings import Holdings, Writing
from lcel_adapters.serve._runs._insist import insist
from lcel_adapters.serve._runs._lease import Superseded
from lcel_adapters.serve._storage._sqlite import SqliteDatabase
from lcel_adapters.serve._storage._sqlite_saver import ServingSqliteSaver

T = TypeVar("T")
Play = Callable[[sqlite3.Connection], T]
_FENCE = "select 1 from lcel_runs where run_id = ? and owner = ? and attempt = ?"


class RunSqliteSaver(ServingSqliteSaver):
    """Saves for a run only while its lease holds, and waits while the disk is full.

    Args:
        database: An open database that has the saver's tables.
        holdings: The runs that this server holds.
        serde: How values are written.
    """

    def __init__(self, database: SqliteDatabase, holdings: Holdings, serde: SerializerProtocol | None = None) -> None:
        super().__init__(database, serde=serde)
        self._holdings = holdings

    def put(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        play = self._recorded(lambda saver: saver.put(config, checkpoint, metadata, new_versions))
        return self._write(_guarded(self._holdings.checkpoint(config, checkpoint["id"]), play))

    async def aput(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        play = self._recorded(lambda saver: saver.put(config, checkpoint, metadata, new_versions))
        guarded = _guarded(self._holdings.checkpoint(config, checkpoint["id"]), play)
        return await insist(self._database, lambda: self._awrite(guarded))

    def put_writes(
        self, config: RunnableConfig, writes: Sequence[tuple[str, Any]], task_id: str, task_path: str = ""
    ) -> None:
        writing = self._holdings.writes(config)
        self._write(
            _guarded(writing, self._recorded(lambda saver: saver.put_writes(config, writes, task_id, task_path)))
        )
        self._remember(writing)

    async def aput_writes(
        self, config: RunnableConfig, writes: Sequence[tuple[str, Any]], task_id: str, task_path: str = ""
    ) -> None:
        writing = self._holdings.writes(config)
        play = self._recorded(lambda saver: saver.put_writes(config, writes, task_id, task_path))
        await insist(self._database, lambda: self._awrite(_guarded(writing, play)))
        self._remember(writing)

    def _remember(self, writing: Writing | None) -> None:
        if writing is not None:
            self._holdings.put_aside(writing)


def _guarded(writing: Writing | None, play: Play[T]) -> Play[T]:
    """What is saved, once the lease was looked at in the same transaction."""
    if writing is None:
        return play

    def guarded(raw: sqlite3.Connection) -> T:
        lease = writing.lease
        if raw.execute(_FENCE, (lease.run_id, lease.owner, lease.attempt)).fetchone() is None:
            raise Superseded
        if writing.aside is not None:
            names = {"thread": writing.thread_id, "run": lease.run_id, "ns": writing.aside[0], "id": writing.aside[1]}
            for statement in aside_statements("sqlite"):
                raw.execute(statement, names)
        return play(raw)

    return guarded
