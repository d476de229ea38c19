"""Assistants, looked up for runs: remembered for a moment, since most runs name one that never changes."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from lcel_adapters.serve._storage import assistants

if TYPE_CHECKING:
    from lcel_adapters.serve._storage import Database

SECONDS = 1.0
"""How long another server's change may go unnoticed, where several share a database."""
MOST = 1_000


class Assistants:
    """What the database says of assistants.

    Args:
        database: Where they are.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._known: dict[str, tuple[float, Mapping[str, Any] | None]] = {}
        self._changes = 0

    async def get(self, assistant_id: str) -> Mapping[str, Any] | None:
        """An assistant's row; None if there is none."""
        known = self._known.get(assistant_id)
        if known is not None and (not self._database.shared or time.monotonic() - known[0] < SECONDS):
            return known[1]
        changes = self._changes
        query = select(assistants).where(assistants.c.assistant_id == assistant_id)
        row = await self._database.read(lambda connection: connection.execute(query).mappings().first())
        found = None if row is None else dict(row)
        # What was changed while it was read may be what was read: that is not remembered.
        if found is not None and changes == self._changes:
            if len(self._known) >= MOST:
                self._known.clear()
            self._known[assistant_id] = (time.monotonic(), found)
        return found

    def forget(self, assistant_id: str) -> None:
        """It was changed here."""
        self._changes += 1
        self._known.pop(assistant_id, None)
