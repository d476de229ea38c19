"""The store of items in the server's SQLite file: LangGraph's, on the threads of ``SqliteDatabase``."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from langgraph.store.base import BaseStore, Op, PutOp, Result
from langgraph.store.sqlite import SqliteStore
from sqlalchemy import Connection

from lcel_adapters.serve._storage._sqlite import SqliteDatabase, raw_of
from lcel_adapters.serve._storage._swept import Swept

_STORE = "lcel_store"
"""Where a connection keeps its store."""


class ServingSqliteStore(BaseStore):
    """Writes in the group commits of the server's writer thread, reads on its reader threads, sync and async alike.

    Args:
        database: An open database whose file has the store's tables.
    """

    supports_ttl = True

    def __init__(self, database: SqliteDatabase) -> None:
        self._database = database
        self._swept = Swept()

    def batch(self, ops: Iterable[Op]) -> list[Result]:
        ops = [*ops]
        if self._swept.due():
            self._database.submit_write(lambda connection: _of(connection).sweep_ttl()).result()
        submit = self._database.submit_write if _writes(ops) else self._database.submit_read
        return submit(lambda connection: _of(connection).batch(ops)).result()

    async def abatch(self, ops: Iterable[Op]) -> list[Result]:
        ops = [*ops]
        if self._swept.due():
            await self._database.write(lambda connection: _of(connection).sweep_ttl())
        run = self._database.write if _writes(ops) else self._database.read
        return await run(lambda connection: _of(connection).batch(ops))


class _Inside(SqliteStore):
    """The original, inside a transaction that another began and will end."""

    @contextmanager
    def _cursor(self, *, transaction: bool = True) -> Iterator[sqlite3.Cursor]:
        with closing(self.conn.cursor()) as cursor:
            yield cursor


def _of(connection: Connection) -> _Inside:
    """The store of a connection: it defines a function there, once."""
    found: _Inside | None = connection.info.get(_STORE)
    if found is None:
        found = connection.info[_STORE] = _Inside(raw_of(connection))
    return found


def set_up_store(path: Path) -> None:
    """Make the tables, or bring them up to date: a script of the original, which commits."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        SqliteStore(connection).setup()


def _writes(ops: Iterable[Op]) -> bool:
    return any(isinstance(op, PutOp) for op in ops)
