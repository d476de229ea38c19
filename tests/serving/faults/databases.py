"""Databases of these tests: a SQLite file, or a database of its own on the tests' PostgreSQL server."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

from tests.support import postgres

KINDS = ("sqlite", "postgres")


@contextmanager
def database(kind: str, folder: Path) -> Iterator[str]:
    """The URL of an empty database, which goes with the block."""
    if kind == "sqlite":
        yield f"sqlite:///{folder / 'served.db'}"
        return
    import psycopg

    name = f"lcel_faults_{uuid4().hex}"
    with psycopg.connect(postgres.URL, autocommit=True) as connection:
        connection.execute(f'create database "{name}"')
        try:
            yield urlunsplit(urlsplit(postgres.URL)._replace(path=f"/{name}"))
        finally:
            connection.execute(f'drop database "{name}" with (force)')
