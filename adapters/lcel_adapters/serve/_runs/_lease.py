"""The right to execute a run, and the fence that keeps everyone else from writing for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, select

from lcel_adapters.serve._storage._tables import runs


class Superseded(Exception):
    """The run was given to another worker, or is gone; what this one still has to say about it counts no more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """The right to execute a run: it ends when the run's row names another owner, or another attempt."""

    run_id: str
    thread_id: str
    owner: str
    attempt: int

    @property
    def mine(self) -> ColumnElement[bool]:
        """Whether a row is this run's, and still in this hand."""
        return and_(runs.c.run_id == self.run_id, runs.c.owner == self.owner, runs.c.attempt == self.attempt)

    def check(self, connection: Connection, *, change: bool = False) -> None:
        """See that the lease holds, until the end of the transaction: whoever would take the run waits for that.

        Args:
            connection: Of a write transaction.
            change: Whether what is kept of the run is changed, so that nobody else may add to it meanwhile.

        Raises:
            Superseded: It does not.
        """
        query = select(runs.c.run_id).where(self.mine).with_for_update(read=not change)
        if connection.execute(query).first() is None:
            raise Superseded


def lease(run: Mapping[str, Any]) -> Lease:
    """The lease that a claimed run's row speaks of."""
    return Lease(run_id=run["run_id"], thread_id=run["thread_id"], owner=run["owner"], attempt=run["attempt"])
