"""Which workers live, and the runs of those that do not."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from sqlalchemy import Connection, and_, delete, func, insert, select, update

from lcel_adapters.serve._runs._claims import Claimant, Row, give_back, taken
from lcel_adapters.serve._storage._tables import runs, workers


def seen(connection: Connection, worker: str) -> None:
    """Say that a worker lives, by the database's clock; forget those that were silent for a day."""
    now = func.now()
    if not connection.execute(update(workers).where(workers.c.worker_id == worker).values(seen_at=now)).rowcount:
        connection.execute(insert(workers).values(worker_id=worker, seen_at=now))
    connection.execute(delete(workers).where(workers.c.seen_at < _ago(timedelta(days=1))))


def gone(connection: Connection, worker: str) -> None:
    """Say that a worker ends."""
    connection.execute(delete(workers).where(workers.c.worker_id == worker))


def take_over(connection: Connection, worker: Claimant, silent: timedelta | None, limit: int = 100) -> list[Row]:
    """Claim the runs of workers that are gone; those that are for others are given back.

    Args:
        connection: Of a write transaction.
        worker: Who takes them.
        silent: Workers not seen for so long are gone; None if every other one is, as nobody else may have the file.
        limit: How many at most.
    """
    gone = runs.c.owner != worker.name
    if silent is not None:
        alive = select(workers.c.worker_id).where(workers.c.seen_at > _ago(silent))
        gone = and_(gone, runs.c.owner.not_in(alive))
    query = select(runs, worker.takes.label("takes")).where(runs.c.status == "running", gone)
    found = connection.execute(query.limit(limit).with_for_update(skip_locked=True)).mappings().all()
    left = [row["number"] for row in found if not row["takes"]]
    if left:
        give_back(connection, runs.c.number.in_(left))
    return [taken(connection, dict(row), worker) for row in found if row["takes"]]


def take_again(connection: Connection, run_id: str, worker: Claimant, attempt: int) -> Row | None:
    """Claim a run anew that a worker has, and does not execute; None if it is over, or in another hand."""
    query = select(runs).where(runs.c.run_id == run_id, runs.c.owner == worker.name, runs.c.attempt == attempt)
    found = connection.execute(query.where(runs.c.status == "running").with_for_update()).mappings().first()
    return None if found is None else taken(connection, dict(found), worker)


def _ago(duration: timedelta) -> Any:
    """A time of the database's clock."""
    return func.now() - duration
