"""Notices: short texts that a transaction sends, and that every server on the database hears once it is committed."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TypeAlias

from sqlalchemy import Connection, func, select

CHANNEL = "lcel_serve"
"""The channel of PostgreSQL's ``NOTIFY``."""
MOST_BYTES = 7999
"""What one notice may hold: the limit of PostgreSQL's ``NOTIFY``."""
OUTBOX = "lcel_outbox"
"""Where the notices of a transaction wait for its commit, in ``Connection.info`` of a SQLite connection."""

Listener: TypeAlias = Callable[[str | None], None]
"""Is given each notice, on the event loop; None when some may have been lost, so that it looks for itself."""

_log = logging.getLogger(__name__)


def notify(connection: Connection, notice: str) -> None:
    """Send a notice when the transaction is committed, to the listeners of every server on the database, this one too.

    Args:
        connection: The one that the function given to ``Database.write`` was called with.
        notice: A short text, at most 7,999 bytes of UTF-8. PostgreSQL delivers the same text sent twice in one
            transaction once.

    Raises:
        ValueError: The text is too long.
    """
    if len(notice.encode()) > MOST_BYTES:
        raise ValueError(
            f"a notice of {len(notice.encode())} bytes is too long: {MOST_BYTES} at most, name a row instead"
        )
    if connection.dialect.name == "postgresql":
        connection.execute(select(func.pg_notify(CHANNEL, notice)))
    else:
        connection.info[OUTBOX].append(notice)


class Listeners:
    """Those who hear the notices of one database."""

    def __init__(self) -> None:
        self._listeners: list[Listener] = []

    def add(self, listener: Listener) -> Callable[[], None]:
        """Let someone hear what comes from now on; what is returned ends that, and may be called twice."""
        self._listeners.append(listener)

        def remove() -> None:
            if listener in self._listeners:
                self._listeners.remove(listener)

        return remove

    def hear(self, notice: str | None) -> None:
        """Tell all of them; one that raises is logged, and the others hear it."""
        for listener in tuple(self._listeners):
            try:
                listener(notice)
            except Exception:
                _log.exception("a listener failed at notice %r", notice)
