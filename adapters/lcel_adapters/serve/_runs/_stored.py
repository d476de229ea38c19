"""Frames as rows: kept by whoever holds the run, read by everyone, forgotten from a point on when an attempt died."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Connection, and_, delete, func, insert, select

from lcel_adapters.serve._runs._lease import Lease
from lcel_adapters.serve._runs._log import MARK, Entry, packed, unpacked
from lcel_adapters.serve._storage import notify
from lcel_adapters.serve._storage._tables import run_events, runs

PAGE_BYTES = 100_000
"""How much of a stored stream is read at once, about: a row may hold more, and one row is always read."""
_PAGE_ROWS = 20


def store(connection: Connection, held: Lease, entries: Sequence[Entry]) -> None:
    """Keep frames.

    Raises:
        Superseded: Somebody else has the run.
    """
    # Whoever takes the run over waits until these frames are kept, and finds them.
    held.check(connection)
    _keep(connection, held, entries)
    notify(connection, f"run {held.run_id}")


def frames_after(connection: Connection, run_id: str, seq: int) -> list[Entry]:
    """Stored entries behind a number, the next of them; marks as well."""
    place, size = run_events.c.first_seq, func.length(run_events.c.frames)
    page = (
        select(place, size.label("size"))
        .where(run_events.c.run_id == run_id, run_events.c.last_seq > seq)
        .order_by(place)
        .limit(_PAGE_ROWS)
        .subquery()
    )
    before = func.sum(page.c.size).over(order_by=page.c.first_seq) - page.c.size
    sized = select(page.c.first_seq, before.label("before")).subquery()
    query = (
        select(run_events.c.frames)
        .join(sized, and_(run_events.c.run_id == run_id, place == sized.c.first_seq))
        .where(sized.c.before < PAGE_BYTES)
        .order_by(place)
    )
    return [entry for blob in connection.execute(query).scalars() for entry in unpacked(blob) if entry.seq > seq]


def last_frame(connection: Connection, run_id: str) -> int:
    """The number of the last stored frame; 0 if there is none."""
    query = select(func.max(run_events.c.last_seq)).where(run_events.c.run_id == run_id)
    return connection.execute(query).scalar() or 0


def drop_frames(connection: Connection, run_id: str) -> None:
    """Forget what a run streamed."""
    connection.execute(delete(run_events).where(run_events.c.run_id == run_id))


def sweep_frames(connection: Connection, before: datetime) -> None:
    """Forget what runs streamed that are not resumable and ended a while ago."""
    over = and_(runs.c.ended_at.is_not(None), runs.c.ended_at < before)
    finished = select(runs.c.run_id).where(over, runs.c.resumable.is_(False))
    connection.execute(delete(run_events).where(run_events.c.run_id.in_(finished)))


class Mark(NamedTuple):
    """Where a checkpoint stands in a stored stream."""

    checkpoint: str
    seq: int


def last_mark(connection: Connection, run_id: str, wanted: Callable[[str], bool]) -> Mark | None:
    """The last mark of a checkpoint that is wanted; None if there is none."""
    for row in _rows_backwards(connection, run_id):
        for entry in reversed(row):
            if entry.checkpoint and wanted(entry.checkpoint):
                return Mark(entry.checkpoint, entry.seq)
    return None


def void(connection: Connection, held: Lease, mark: Mark | None) -> None:
    """Forget the frames behind a mark, or all; no number is given twice all the same.

    A client that has seen them goes on behind them, where the next attempt begins.

    Raises:
        Superseded: Somebody else has the run.
    """
    held.check(connection, change=True)
    last = last_frame(connection, held.run_id)
    end = 0 if mark is None else mark.seq
    if last <= end:
        return
    chosen = and_(run_events.c.run_id == held.run_id, run_events.c.last_seq > end)
    row = select(run_events.c.frames).where(chosen, run_events.c.first_seq <= end)
    cut = connection.execute(row).scalar()
    connection.execute(delete(run_events).where(chosen))
    kept = [] if cut is None else [entry for entry in unpacked(cut) if entry.seq <= end]
    # It holds the place: an attempt that dies before its first frame must not give the number again, either.
    _keep(connection, held, [*kept, Entry(last, MARK, "" if mark is None else mark.checkpoint)])


def _rows_backwards(connection: Connection, run_id: str) -> Iterator[list[Entry]]:
    """Rows, the last first, one in memory at a time."""
    before = None
    while True:
        query = select(run_events.c.first_seq, run_events.c.frames).where(run_events.c.run_id == run_id)
        if before is not None:
            query = query.where(run_events.c.first_seq < before)
        found = connection.execute(query.order_by(run_events.c.first_seq.desc()).limit(1)).first()
        if found is None:
            return
        before = found[0]
        yield unpacked(found[1])


def _keep(connection: Connection, held: Lease, entries: Sequence[Entry]) -> None:
    row = {
        "run_id": held.run_id,
        "first_seq": entries[0].seq,
        "last_seq": entries[-1].seq,
        "attempt": held.attempt,
        "frames": packed(entries),
    }
    connection.execute(insert(run_events).values(row))
