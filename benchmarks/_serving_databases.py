"""Databases of the benchmarks of serving, each for one server and one scenario."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from tempfile import TemporaryDirectory
from typing import Final
from urllib.parse import urlsplit
from uuid import uuid4

POSTGRES: Final = os.environ.get("LCEL_COMPAT_POSTGRES", "postgresql://postgres@127.0.0.1:5432/test")
SHOWN: Final = f"{urlsplit(POSTGRES).hostname}:{urlsplit(POSTGRES).port or 5432}"
"""Where the PostgreSQL server is looked for, without its password."""


@contextmanager
def made(number: int, *, postgres: bool = False) -> Iterator[list[str]]:
    """URLs of so many empty databases, which are gone afterwards."""
    if postgres:
        with _in_postgres([f"lcel_benchmark_{uuid4().hex[:12]}" for _ in range(number)]) as urls:
            yield urls
    else:
        with TemporaryDirectory(prefix="lcel-benchmark-") as folder:
            yield [f"sqlite:///{folder}/{index}.db" for index in range(number)]


def answers() -> bool:
    """Whether there is a PostgreSQL server; one that was named is taken at its word."""
    if "LCEL_COMPAT_POSTGRES" in os.environ:
        return True
    import psycopg

    try:
        psycopg.connect(POSTGRES, connect_timeout=2).close()
    except psycopg.OperationalError:
        return False
    return True


@contextmanager
def _in_postgres(names: list[str]) -> Iterator[list[str]]:
    import psycopg

    try:
        with psycopg.connect(POSTGRES, autocommit=True) as connection:
            for name in names:
                connection.execute(f'create database "{name}"')
        yield [urlsplit(POSTGRES)._replace(path=f"/{name}").geturl() for name in names]
    finally:
        with psycopg.connect(POSTGRES, autocommit=True) as connection:
            for name in names:
                connection.execute(f'drop database if exists "{name}" with (force)')
