"""What PostgreSQL's errors mean for a transaction: try again, wait, or give up."""

from __future__ import annotations

from enum import Enum, auto

import psycopg
from sqlalchemy.exc import DBAPIError

_CONFLICT = ("40001", "40P01")
"""The transaction stood in the way of another: a serialization failure, a deadlock."""
_AWAY = ("57P01", "57P02", "57P03", "53300", "25P03")
"""The server stops, crashed, starts, has no connection left, or ended one whose transaction was idle for too long."""
_FULL = ("53100",)


class Trouble(Enum):
    """Why a transaction failed that was not wrong itself."""

    CONFLICT = auto()
    AWAY = auto()
    FULL = auto()


def trouble(error: BaseException) -> Trouble | None:
    """Why the database did not do what it was asked; None when the fault is with what it was asked."""
    cause = error.orig if isinstance(error, DBAPIError) else error
    if not isinstance(cause, psycopg.Error):
        return None
    if cause.sqlstate in _CONFLICT:
        return Trouble.CONFLICT
    if cause.sqlstate in _FULL:
        return Trouble.FULL
    return Trouble.AWAY if _away(cause) else None


def _away(cause: psycopg.Error) -> bool:
    if cause.sqlstate is not None:
        return cause.sqlstate in _AWAY or cause.sqlstate.startswith("08")
    # What the client's library says by itself, when a connection breaks or cannot be made, has no code.
    return isinstance(cause, psycopg.OperationalError)
