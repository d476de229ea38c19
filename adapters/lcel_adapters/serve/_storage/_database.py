"""The database of a server: transactions that are functions, and notices between servers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import TypeVar

from sqlalchemy import Connection

from lcel_adapters.serve._storage._notices import Listener, Listeners

T = TypeVar("T")


class Database(ABC):
    """Where threads, runs, events and assistants are kept: one SQLite file, or a PostgreSQL server.

    A transaction is a synchronous function of a SQLAlchemy ``Connection``: all that it did is kept when it returns,
    nothing when it raises, and its exception is the caller's. It may be called again when the database could not keep
    its work, on another thread than the caller's; so it changes nothing but the database, and neither commits nor
    catches the database's errors.
    """

    url: str
    """Where it is, without a password."""
    shared: bool
    """Whether several servers may have it open at once."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.kept_waiting: set[object] = set()
        """Who waits until it can keep what has to be saved: it has no room, or does not answer."""
        self._listeners = Listeners()

    @staticmethod
    async def open(url: str) -> Database:
        """Open a database, and create its tables or bring them up to date.

        Args:
            url: ``sqlite:///relative.db``, ``sqlite:////absolute.db`` or ``postgresql://user:password@host/name``.

        Raises:
            StorageLocked: Another server has the SQLite file.
            StorageUnavailable: The PostgreSQL server does not answer, or another program has the file locked.
            StorageError: The URL names no database that can be opened.
        """
        from lcel_adapters.serve._storage._open import open_database

        return await open_database(url)

    @abstractmethod
    async def read(self, function: Callable[[Connection], T]) -> T:
        """Run a transaction that changes nothing; it sees every write that was awaited before."""

    @abstractmethod
    async def write(self, function: Callable[[Connection], T]) -> T:
        """Run a transaction; when this returns, it is committed.

        A caller that is cancelled does not know: the transaction may be kept or not, but as a whole.

        Raises:
            StorageFull: The disk has no room.
            StorageUnavailable: The server did not answer for a while, or another program has the file locked; nothing
                was kept.
            StorageError: The database failed otherwise.
        """

    async def end_silent(self) -> int:
        """End transactions of servers that stopped in the middle of them, where several share the database; how many.

        Their locks end with them. A server that goes on later tries again.
        """
        return 0

    @abstractmethod
    async def close(self) -> None:
        """Finish what was asked, and let go of the file or of the connections."""

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Hear what ``notify`` sends, from any server on the same database, each notice after its commit.

        Args:
            listener: Is called on the event loop that opened the database, with the text; with None when notices may
                have been lost (the connection was), so that it must look into the tables.

        Returns:
            What ends it.
        """
        return self._listeners.add(listener)
