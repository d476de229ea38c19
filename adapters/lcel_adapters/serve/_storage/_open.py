"""Which database a URL names."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import make_url

from lcel_adapters.serve._storage._database import Database
from lcel_adapters.serve._storage._errors import StorageError

if TYPE_CHECKING:
    from lcel_adapters.serve._storage._postgres import PostgresDatabase
    from lcel_adapters.serve._storage._sqlite import SqliteDatabase

_POSTGRES = ("postgres", "postgresql", "postgresql+psycopg")


async def open_database(url: str) -> Database:
    """Open the database of a URL; ``Database.open`` says more."""
    scheme, _, rest = url.partition("://")
    if scheme == "sqlite":
        return await _open_sqlite(make_url(url).database)
    if scheme in _POSTGRES:
        return await _open_postgres(f"postgresql://{rest}")
    # What stands behind the scheme may be a password.
    raise StorageError(
        f"cannot serve from {scheme!r}: a database is sqlite:///relative.db, sqlite:////absolute.db "
        "or postgresql://user:password@host/name"
    )


async def _open_sqlite(file: str | None) -> Database:
    if not file or file == ":memory:":
        raise StorageError("a database in memory would forget everything: name a file, as sqlite:///lcel.db")
    kind = await asyncio.to_thread(_sqlite)
    return await kind.open_file(Path(file))


async def _open_postgres(url: str) -> Database:
    kind = await asyncio.to_thread(_postgres)
    return await kind.open_url(url)


# Modules are read from the disk: not on the event loop.


def _sqlite() -> type[SqliteDatabase]:
    from lcel_adapters.serve._storage._sqlite import SqliteDatabase

    return SqliteDatabase


def _postgres() -> type[PostgresDatabase]:
    try:
        from lcel_adapters.serve._storage._postgres import PostgresDatabase
    except ImportError as error:
        raise StorageError(
            f'PostgreSQL needs {error.name!r}, which is not installed: pip install "lcel-compat[serve,postgres]"'
        ) from error
    return PostgresDatabase
