"""A PostgreSQL server: a pool of connections, and transactions that are tried again."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from contextlib import closing
from typing import Any, TypeVar

import psycopg
from psycopg import AsyncConnection
from psycopg.conninfo import conninfo_to_dict
from psycopg.rows import DictRow, dict_row
from psycopg_pool import AsyncConnectionPool
from sqlalchemy import Connection, Dialect, Engine, NullPool, create_engine, event, exc, text
from sqlalchemy.ext.asyncio import create_async_engine

from lcel_adapters.serve._storage._database import Database
from lcel_adapters.serve._storage._errors import StorageError, StorageFull, StorageUnavailable
from lcel_adapters.serve._storage._listening import Listening
from lcel_adapters.serve._storage._migrate import upgrade
from lcel_adapters.serve._storage._postgres_errors import Trouble, trouble
from lcel_adapters.serve._storage._types import json_text, json_value

T = TypeVar("T")

_PATIENCE = 30.0
"""Seconds that a transaction is tried again: a server that restarts is back by then."""
_LONGEST_PAUSE = 1.0
_CONNECTIONS = 16
_POOL_SECONDS = 5.0
"""How long the savers wait for a connection, before they are tried again."""
_IDLE_SECONDS = 5
"""How long a transaction may wait for its server's next statement: the locks of one that was stopped end then.

Whoever is only slow is not far from the next statement, and if it is, the transaction is tried again.
"""
_NAME = "lcel-compat"
"""How PostgreSQL shows the connections of servers."""
_INTRODUCE = (
    f"select set_config('application_name', '{_NAME}', false),"
    f" set_config('idle_in_transaction_session_timeout', '{_IDLE_SECONDS}s', false)"
)
# That timeout does not count behind a Flush, with which psycopg ends a pipeline, nor in the middle of a message.
_END_SILENT = f"""
select pg_terminate_backend(pid) from pg_stat_activity
where datname = current_database() and usename = current_user and application_name = '{_NAME}'
    and xact_start is not null and wait_event_type = 'Client'
    and state_change < clock_timestamp() - interval '{_IDLE_SECONDS} s'
"""


class PostgresDatabase(Database):
    """A PostgreSQL database that several servers may share; ``Database`` says what it does.

    Transactions are ``read committed``: a function that changes a row by what it read locks it (``with_for_update``).

    Args:
        url: ``postgresql://user:password@host/name``, in any form that PostgreSQL's own clients understand.
    """

    shared = True

    def __init__(self, url: str) -> None:
        super().__init__(_shown(url))
        self.conninfo = url
        # No connection is tried before it is used: a broken one is found by the transaction, which is tried again.
        self._engine = create_async_engine(
            "postgresql+psycopg://",
            pool_size=_CONNECTIONS,
            max_overflow=0,
            json_serializer=json_text,
            json_deserializer=json_value,
        )
        _connect_to(self._engine.sync_engine, url)
        event.listen(self._engine.sync_engine, "connect", _introduce)
        self.pool: AsyncConnectionPool[AsyncConnection[DictRow]] = AsyncConnectionPool(
            url,
            min_size=1,
            max_size=_CONNECTIONS,
            timeout=_POOL_SECONDS,
            open=False,
            configure=_introduce_async,
            kwargs={"autocommit": True, "prepare_threshold": 0, "row_factory": dict_row},
        )
        """For LangGraph's savers, which make their own transactions."""
        self._listening = Listening(url, self._listeners.hear)

    @staticmethod
    async def open_url(url: str) -> PostgresDatabase:
        """Connect to a server, and bring the tables up to date.

        Raises:
            StorageUnavailable: It does not answer.
        """
        database = PostgresDatabase(url)
        try:
            # Nobody waits for a server that was never there; Alembic reads files, so not on the event loop.
            await database.tried(lambda: asyncio.to_thread(_migrate, url), patience=0.0)
            await database._listening.start()
            await database.pool.open()
        except psycopg.Error as error:
            await database.close()
            raise StorageUnavailable(f"{database.url} does not answer: {_reason(error)}") from error
        except BaseException:
            await database.close()
            raise
        return database

    async def read(self, function: Callable[[Connection], T]) -> T:
        return await self.tried(lambda: self._read(function))

    async def write(self, function: Callable[[Connection], T]) -> T:
        return await self.tried(lambda: self._write(function))

    async def close(self) -> None:
        await self._listening.close()
        await self.pool.close()
        await self._engine.dispose()

    async def end_silent(self) -> int:
        return len(await self.read(lambda connection: connection.execute(text(_END_SILENT)).all()))

    async def tried(self, attempt: Callable[[], Awaitable[T]], patience: float = _PATIENCE) -> T:
        """Do something until it succeeds, fails for a reason of its own, or has been tried for ``patience`` seconds."""
        ends, pause = time.monotonic() + patience, 0.005
        while True:
            try:
                return await attempt()
            except (exc.DBAPIError, exc.TimeoutError, psycopg.Error) as error:
                self._give_up(error, late=time.monotonic() >= ends)
                if trouble(error) is Trouble.AWAY:
                    # One broken connection means that all are: none of them is worth an attempt.
                    await self.pool.check()
            await asyncio.sleep(pause * random.uniform(0.5, 1.5))
            pause = min(2 * pause, _LONGEST_PAUSE)

    def _give_up(self, error: Exception, *, late: bool) -> None:
        if isinstance(error, exc.TimeoutError):
            raise StorageUnavailable(f"all {_CONNECTIONS} connections to {self.url} stayed busy: {error}") from error
        match trouble(error):
            case None:
                raise error
            case Trouble.FULL:
                raise StorageFull(f"no room for {self.url}: free some on its disk; nothing of it was kept") from error
            case Trouble.AWAY if late:
                raise StorageUnavailable(f"{self.url} does not answer: {_reason(error)}") from error
            case Trouble.CONFLICT if late:
                raise StorageError(f"{self.url}: other transactions stood in the way: {_reason(error)}") from error

    async def _read(self, function: Callable[[Connection], T]) -> T:
        async with self._engine.connect() as connection:
            return await connection.run_sync(function)

    async def _write(self, function: Callable[[Connection], T]) -> T:
        async with self._engine.connect() as connection:
            result, number = await connection.run_sync(_perform, function)
            try:
                await connection.commit()
            except exc.DBAPIError as error:
                if trouble(error) is not Trouble.AWAY or not await self._kept(number):
                    raise
        return result

    async def _kept(self, number: str | None) -> bool:
        """Whether a transaction was committed, whose connection broke as it was told to."""
        if number is None:
            return True
        return await self.tried(lambda: self._read(lambda connection: _committed(connection, number)))


def _connect_to(engine: Engine, url: str) -> None:
    """Let an engine connect by a URL as PostgreSQL's own library reads it, which SQLAlchemy does not read whole."""

    @event.listens_for(engine, "do_connect")
    def name(dialect: Dialect, record: Any, arguments: list[Any], options: dict[str, Any]) -> None:
        arguments[:] = [url]


def _introduce(connection: Any, record: Any) -> None:
    with closing(connection.cursor()) as cursor:
        cursor.execute(_INTRODUCE)
    # Taken back, it would not count.
    connection.commit()


async def _introduce_async(connection: AsyncConnection[DictRow]) -> None:
    await connection.execute(_INTRODUCE)


def _migrate(url: str) -> None:
    engine = create_engine("postgresql+psycopg://", poolclass=NullPool)
    _connect_to(engine, url)
    with engine.begin() as connection:
        upgrade(connection)


def _perform(connection: Connection, function: Callable[[Connection], T]) -> tuple[T, str | None]:
    """Run a function; also the number of its transaction, None if it wrote nothing."""
    result = function(connection)
    return result, connection.scalar(text("select cast(pg_current_xact_id_if_assigned() as text)"))


def _committed(connection: Connection, number: str) -> bool:
    question = text("select pg_xact_status(cast(cast(:number as text) as xid8))")
    # The server may not have noticed yet that its client is gone.
    while (status := connection.scalar(question, {"number": number})) == "in progress":
        connection.execute(text("select pg_sleep(0.05)"))
    return bool(status == "committed")


def _shown(url: str) -> str:
    try:
        parts = conninfo_to_dict(url)
    except psycopg.Error as error:
        raise StorageError(f"the database's URL cannot be read: {error}") from None
    return f"postgresql://{parts.get('host', '')}:{parts.get('port', 5432)}/{parts.get('dbname', '')}"


def _reason(error: Exception) -> str:
    return str(error.orig if isinstance(error, exc.DBAPIError) else error).strip()
