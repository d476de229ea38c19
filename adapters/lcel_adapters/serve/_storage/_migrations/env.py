"""What Alembic runs: on the connection that it is handed, in the transaction that is open on it."""

from __future__ import annotations

from alembic import context

from lcel_adapters.serve._storage._tables import metadata

VERSION_TABLE = "lcel_schema_version"
"""The name of Alembic's own table; an application's own Alembic in the same database has another."""

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table=VERSION_TABLE,
    # What belongs to others in the same database is none of ours.
    include_object=lambda item, name, kind, *_: kind != "table" or str(name).startswith("lcel_"),
)
with context.begin_transaction():
    context.run_migrations()
