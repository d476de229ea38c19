"""Opening a SQLite file: one server at a time, and what its failures mean."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

from filelock import FileLock, Timeout
from sqlalchemy import Connection, StaticPool, create_engine
from sqlalchemy.exc import DBAPIError

from lcel_adapters.serve._storage._errors import StorageError, StorageFull, StorageLocked, StorageUnavailable
from lcel_adapters.serve._storage._queries import CONTAINS, text_holds
from lcel_adapters.serve._storage._types import json_text, json_value

_BUSY_SECONDS = 5.0
"""How long a statement waits for another program that has the file locked (a backup, the sqlite3 shell)."""
_MOST_LOG_BYTES = 64 * 2**20
"""What the write-ahead log is cut back to after it grew."""
_CACHE_KIB = 8_000
"""What each connection remembers of the file."""
_NO_PLACE = "the server's user needs the right to write in its folder"
_REMEDIES = {
    sqlite3.SQLITE_READONLY: "give the server's user the right to write the file and its folder",
    sqlite3.SQLITE_IOERR: "the disk failed: look into the system's log",
    sqlite3.SQLITE_CORRUPT: "the file is damaged: restore a backup, or try .recover of the sqlite3 shell",
    sqlite3.SQLITE_CANTOPEN: _NO_PLACE,
    sqlite3.SQLITE_NOTADB: "the file is something else: name another one",
}
"""What to do about failures of the file and not of what was asked of it, by primary result code."""


def lock_file(path: Path) -> FileLock:
    """Take a file for this process, until it lets go or ends.

    Raises:
        StorageLocked: Another server has it.
        StorageError: The folder is not there, or cannot be written.
    """
    folder = path.parent
    if not folder.parent.is_dir():
        # The lock would make them all; more than one is a mistyped path.
        raise StorageError(f"cannot open {str(path)!r}: there is no folder {str(folder)!r}; make it, or name another")
    # Another thread may let it go than the one that took it.
    lock = FileLock(f"{path}.lock", thread_local=False)
    try:
        lock.acquire(blocking=False)
    except Timeout:
        raise StorageLocked(
            f"another server ({_holder(path)}) has the file {str(path)!r}: stop it, name another file, "
            "or let several servers share a postgresql:// database"
        ) from None
    except OSError as error:
        raise StorageError(f"cannot open {str(path)!r}: {error.strerror}; {_NO_PLACE}") from error
    _named_by(path).write_text(f"{os.getpid()}\n", "ascii")
    return lock


def _named_by(path: Path) -> Path:
    """Which file says who has the lock: older releases of the lock empty its own whenever somebody tries it."""
    return path.with_name(f"{path.name}.pid")


def _holder(path: Path) -> str:
    try:
        text = _named_by(path).read_text("ascii", "replace").strip()
    except OSError:
        text = ""
    return f"process {text}" if text.isdigit() else "of an unknown process"


def connect(path: Path, *, query_only: bool = False) -> Connection:
    """Open one connection that any thread may use, one at a time; transactions are begun by whoever uses it.

    Raises:
        sqlite3.Error: The file cannot be opened; ``told`` says why.
    """
    raw = sqlite3.connect(path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False)
    for pragma in (
        "journal_mode = wal",
        # A commit survives the process in any case, and a power cut at worst loses the last of them, not the file.
        "synchronous = normal",
        "foreign_keys = on",
        f"journal_size_limit = {_MOST_LOG_BYTES}",
        f"cache_size = -{_CACHE_KIB}",
        f"query_only = {'on' if query_only else 'off'}",
    ):
        raw.execute(f"pragma {pragma}").close()
    raw.create_function(CONTAINS, 2, text_holds, deterministic=True)
    engine = create_engine(
        "sqlite://",
        creator=lambda: raw,
        poolclass=StaticPool,
        pool_reset_on_return=None,
        json_serializer=json_text,
        json_deserializer=json_value,
    )
    return engine.connect()


def told(error: BaseException, path: str) -> BaseException:
    """The error that says what to do, for one of the file; any other as it is."""
    cause = error.orig if isinstance(error, DBAPIError) else error
    if not isinstance(cause, sqlite3.Error):
        return error
    code = getattr(cause, "sqlite_errorcode", 0) & 0xFF
    if code == sqlite3.SQLITE_FULL:
        return StorageFull(f"no room for {path!r}: free some on its disk; nothing of what was asked was kept")
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        # It passes, as an outage of a database server does, and is waited for in the same way.
        remedy = "another program has it locked: end that program's transaction"
        return StorageUnavailable(f"{cause} ({path!r}): {remedy}; nothing of what was asked was kept")
    if code not in _REMEDIES:
        return error
    return StorageError(f"{cause} ({path!r}): {_REMEDIES[code]}; nothing of what was asked was kept")
