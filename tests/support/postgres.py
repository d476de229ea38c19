"""The Postgres server of the tests: where it is, and whether it answers."""

from __future__ import annotations

import os
from functools import cache

URL = os.environ.get("LCEL_COMPAT_POSTGRES", "postgresql://postgres@127.0.0.1:5432/test")


@cache
def answers() -> bool:
    """Whether the server can be connected to, asked once; one that was named is taken at its word.

    So that a wrong ``LCEL_COMPAT_POSTGRES`` fails the tests and does not skip them.
    """
    if "LCEL_COMPAT_POSTGRES" in os.environ:
        return True
    import psycopg

    try:
        psycopg.connect(URL, connect_timeout=2).close()
    except psycopg.OperationalError:
        return False
    return True
