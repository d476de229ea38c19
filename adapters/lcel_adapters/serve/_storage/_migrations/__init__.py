"""The migrations of the server's tables, run by Alembic; `_migrate` starts them."""
