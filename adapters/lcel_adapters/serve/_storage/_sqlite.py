"""One SQLite file: a thread that writes, threads that read, and one commit for all who wait."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any, TypeVar, cast

from filelock import FileLock
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from lcel_adapters.serve._storage._database import Database
from lcel_adapters.serve._storage._errors import StorageUnavailable
from lcel_adapters.serve._storage._migrate import upgrade
from lcel_adapters.serve._storage._notices import OUTBOX
from lcel_adapters.serve._storage._sqlite_file import connect, lock_file, told
from lcel_adapters.serve._storage._worker import Job, Worker

T = TypeVar("T")

_TOGETHER = 512
"""How many functions one commit is for, at most."""
_READERS = 3
"""How many reads run at once: a search through many rows holds up neither a run nor another search."""


class SqliteDatabase(Database):
    """A SQLite file that one server owns; ``Database`` says what it does.

    Write functions that wait together run in one transaction, each inside its own savepoint, and are committed
    together: a commit costs as much as many small functions do.

    Args:
        path: The file.
        lock: Holds the file for this server.
        writer: The connection that writes.
        readers: The connections that read.
    """

    shared = False

    def __init__(self, path: Path, lock: FileLock, writer: Connection, readers: Sequence[Connection]) -> None:
        super().__init__(f"sqlite:///{path}")
        self.path = path
        self._lock = lock
        self._writer = Worker("lcel-sqlite-writer", writer, self._write_all, self._listeners.hear, most=_TOGETHER)
        self._readers = [
            Worker("lcel-sqlite-reader", reader, self._read_all, self._listeners.hear, most=1) for reader in readers
        ]

    @staticmethod
    async def open_file(path: Path) -> SqliteDatabase:
        """Open the file, or make it, and bring its tables up to date.

        Raises:
            StorageLocked: Another server has it.
            StorageError: It cannot be opened.
        """
        path = await asyncio.to_thread(path.resolve)
        lock = await asyncio.to_thread(lock_file, path)
        try:
            writer, readers = await asyncio.to_thread(_connections, path)
        except BaseException as error:
            lock.release()
            raise told(error, str(path)) from error
        return SqliteDatabase(path, lock, writer, readers)

    async def read(self, function: Callable[[Connection], T]) -> T:
        return await self._free_reader().run(function)

    async def write(self, function: Callable[[Connection], T]) -> T:
        return await self._writer.run(function)

    def submit_read(self, function: Callable[[Connection], T]) -> Future[T]:
        """``read``, for those who are in a thread of their own."""
        return self._free_reader().submit(function)

    def submit_write(self, function: Callable[[Connection], T]) -> Future[T]:
        """``write``, for those who are in a thread of their own."""
        return self._writer.submit(function)

    async def close(self) -> None:
        for worker in (*self._readers, self._writer):
            await worker.close()
        self._lock.release()

    def _free_reader(self) -> Worker:
        """The reader that has least to do."""
        return min(self._readers, key=lambda reader: reader.load)

    def _write_all(self, connection: Connection, jobs: Sequence[Job[Any]]) -> None:
        if len(jobs) > 1 and _together(connection, jobs):
            for job in jobs:
                job.error = job.error and told(job.error, str(self.path))
            return
        # One of them may be what there was no room for: alone, each has its own fate. A lock is everyone's.
        locked: BaseException | None = None
        for job in jobs:
            if locked is None:
                self._alone(connection, job, "begin immediate")
                locked = job.error if isinstance(job.error, StorageUnavailable) else None
            else:
                job.clear()
                job.error = locked

    def _read_all(self, connection: Connection, jobs: Sequence[Job[Any]]) -> None:
        for job in jobs:
            self._alone(connection, job, "begin")

    def _alone(self, connection: Connection, job: Job[Any], begin: str) -> None:
        job.clear()
        connection.info[OUTBOX] = job.notices
        try:
            with connection.begin():
                raw_of(connection).execute(begin)
                job.result = job.function(connection)
        except BaseException as error:
            job.error = told(error, str(self.path))


def raw_of(connection: Connection) -> sqlite3.Connection:
    """The driver's connection beneath SQLAlchemy's."""
    return cast(sqlite3.Connection, connection.connection.dbapi_connection)


def _connections(path: Path) -> tuple[Connection, list[Connection]]:
    writer = connect(path)
    with writer.begin():
        raw_of(writer).execute("begin immediate")
        upgrade(writer)
    return writer, [connect(path, query_only=True) for _ in range(_READERS)]


def _together(connection: Connection, jobs: Sequence[Job[Any]]) -> bool:
    """Run functions in one transaction; False when nothing of it was kept."""
    try:
        with connection.begin():
            raw_of(connection).execute("begin immediate")
            for job in jobs:
                _inside(connection, job)
    except (_Lost, sqlite3.Error, DBAPIError):
        return False
    return True


def _inside(connection: Connection, job: Job[Any]) -> None:
    raw = raw_of(connection)
    raw.execute("savepoint job")
    connection.info[OUTBOX] = job.notices
    try:
        job.result = job.function(connection)
    except BaseException as error:
        # SQLite itself takes everything back when the disk is full, the savepoints too.
        if not raw.in_transaction:
            raise _Lost from error
        raw.execute("rollback to job")
        job.error = error
    raw.execute("release job")


class _Lost(Exception):
    """The database took the whole transaction back."""
