"""The tables in the database are those of the code, whatever version it had."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, inspect

from lcel_adapters.serve._storage import Database, metadata
from lcel_adapters.serve._storage._migrate import configuration, upgrade
from lcel_adapters.serve._storage._postgres import PostgresDatabase


async def _run(database: Database, work: Callable[[Connection], Any]) -> Any:
    """Run what reads files inside a transaction; on PostgreSQL transactions run on the event loop, where it may not."""
    if not isinstance(database, PostgresDatabase):
        return await database.write(work)
    from sqlalchemy import NullPool, create_engine

    engine = create_engine(database.conninfo.replace("postgresql://", "postgresql+psycopg://", 1), poolclass=NullPool)

    def transaction() -> Any:
        with engine.begin() as connection:
            return work(connection)

    return await asyncio.to_thread(transaction)


def differences(connection: Connection) -> list[Any]:
    """What tells the tables that are there from those of the code."""
    options = {"compare_type": True, "version_table": "lcel_schema_version"}
    context = MigrationContext.configure(connection, opts=options)
    return list(compare_metadata(context, metadata))


async def test_the_migrations_make_the_tables_of_the_code(opened: Database) -> None:
    """A database that was just opened lacks nothing, and has nothing else."""
    assert await _run(opened, differences) == []


async def test_a_database_that_is_up_to_date_stays_as_it_is(opened: Database) -> None:
    """Opening it again runs no migration."""
    before = await _run(opened, lambda connection: sorted(inspect(connection).get_table_names()))
    await _run(opened, upgrade)
    assert await _run(opened, lambda connection: sorted(inspect(connection).get_table_names())) == before


async def test_every_migration_can_be_taken_back(opened: Database) -> None:
    """Down to nothing and up again is what it was."""

    def down(connection: Connection) -> list[str]:
        command.downgrade(configuration(connection), "base")
        return [name for name in inspect(connection).get_table_names() if name != "lcel_schema_version"]

    assert await _run(opened, down) == []
    await _run(opened, upgrade)
    assert await _run(opened, differences) == []


def test_the_migrations_are_one_line() -> None:
    """Each follows the one before, numbered without a gap: two heads could not be run."""
    folder = Path(__file__).parents[3] / "adapters/lcel_adapters/serve/_storage/_migrations"
    revisions = [script.revision for script in ScriptDirectory(str(folder)).walk_revisions()]
    assert revisions[::-1] == [f"{number:04}" for number in range(1, len(revisions) + 1)]


async def test_tables_of_others_are_left_alone(opened: Database) -> None:
    """Everything of ours in a shared database begins with ``lcel_``."""
    names = await _run(opened, lambda connection: inspect(connection).get_table_names())
    assert {name for name in names if not name.startswith("lcel_")} - {"sqlite_sequence"} == set()
