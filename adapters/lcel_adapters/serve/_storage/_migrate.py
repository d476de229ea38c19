"""Bring the tables up to date, by the migrations that the package ships."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, text

_FOLDER = Path(__file__).parent / "_migrations"
_LOCK = 7_019_267_430_018
"""A number of ours among PostgreSQL's advisory locks."""


def upgrade(connection: Connection, revision: str = "head") -> None:
    """Run the migrations that the database does not have yet, inside the transaction that is open."""
    if connection.dialect.name == "postgresql":
        # Two servers that start at once would make every table twice.
        connection.execute(text(f"select pg_advisory_xact_lock({_LOCK})"))
    command.upgrade(configuration(connection), revision)


def configuration(connection: Connection) -> Config:
    """What Alembic's commands need to know, to work on a connection."""
    config = Config()
    # A percent sign in a path would begin an interpolation.
    config.set_main_option("script_location", str(_FOLDER).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config
