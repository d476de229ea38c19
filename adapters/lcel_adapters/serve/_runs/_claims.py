"""Who executes which run: every decision about a run's place in its thread, as transactions.

A run's row is its place in the queue. ``owner`` and ``attempt`` are a lease with a fence (``_lease``): only the worker
that holds the current attempt may store frames, save checkpoints and end the run; a worker that was given up for dead,
and is not, is refused. The thread's row is locked first wherever two runs of a thread could meet.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, FromClause, and_, delete, exists, or_, select, true, update
from sqlalchemy.dialects import postgresql, sqlite

from lcel_adapters.serve._runs._lease import Lease, Superseded
from lcel_adapters.serve._runs._stored import drop_frames
from lcel_adapters.serve._storage import ACTIVE, notify
from lcel_adapters.serve._storage._tables import runs, threads

Row = dict[str, Any]


class Busy(Exception):
    """The thread is running something, and the client asked not to wait."""


class NoThread(Exception):
    """There is no such thread."""


class Ordered(Exception):
    """A run that is about to end was ordered to be rolled back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claimant:
    """A worker, and what it claims.

    Attributes:
        name: Of this worker among all those on one database.
        graphs: Those that its server serves: runs of others are for other servers, or wait for one. None if nobody else
            may have the database: then what is not served is claimed as well, and its end says so.
        patience: Seconds that an order to end a run is left to servers that serve its graph; then any may end it.
    """

    name: str
    graphs: frozenset[str] | None
    patience: float

    @property
    def takes(self) -> ColumnElement[bool]:
        """Whether a row is of a run that this worker may claim."""
        if self.graphs is None:
            return true()
        left = runs.c.updated_at < _now() - timedelta(seconds=self.patience)
        return or_(runs.c.graph_id.in_(sorted(self.graphs)), and_(runs.c.cancel.is_not(None), left))


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """What is known when a run is over.

    Attributes:
        status: The run's.
        thread: Columns of the thread that change: ``status``, ``values``, ``interrupts``, ``error``.
        forget: Whether the run's row goes, too (a rollback).
        drop: Whether its frames go.
        error: ``{"error", "message"}`` for those who join later.
    """

    status: str
    thread: Mapping[str, Any]
    forget: bool = False
    drop: bool = False
    error: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """The thread of a new run.

    Attributes:
        columns: Of the thread, to make it if it is not there; its metadata is added to one that is.
        make: Whether it may be made.
        allowed: Whether the one who asks may use a thread with this metadata.
    """

    columns: Row
    make: bool
    allowed: Callable[[Mapping[str, Any]], bool] | None = None


def submit(connection: Connection, run: Row, place: Place, worker: Claimant | None) -> Row:
    """Add a run to its thread, and claim it if the thread is free.

    Args:
        connection: Of a write transaction.
        run: Its columns; ``multitask_strategy`` decides what becomes of those before it.
        place: Its thread.
        worker: Who executes it, if it starts at once, and serves its graph; None if it has to wait for somebody.

    Returns:
        The row; claimed if its ``status`` is ``running``.

    Raises:
        NoThread: The thread is not there.
        Busy: With the strategy ``reject``.
    """
    run = {**run, "metadata": {**_placed(connection, run["thread_id"], place), **run["metadata"]}}
    before = _active(connection, run["thread_id"])
    if before and run["multitask_strategy"] == "reject":
        raise Busy
    if run["multitask_strategy"] in ("interrupt", "rollback"):
        before = [other for other in before if not _stop(connection, other, run["multitask_strategy"])]
    starts = worker is not None and not before and run["start_at"] is None
    waiting = {"status": "pending", "attempt": 0}
    claim = waiting if worker is None or not starts else {"status": "running", "owner": worker.name, "attempt": 1}
    connection.execute(runs.insert().values(**run, **claim))
    if starts:
        _busy(connection, run["thread_id"])
    elif worker is None:
        notify(connection, "free")
    made = connection.execute(select(runs).where(runs.c.run_id == run["run_id"])).mappings().one()
    return dict(made)


def finish(connection: Connection, held: Lease, end: End, worker: Claimant | None) -> Row | None:
    """End a run, and claim the one that waits behind it on its thread.

    Args:
        connection: Of a write transaction.
        held: The run's.
        end: What is known.
        worker: Who goes on with the thread; None if whoever ends the run begins no more.

    Raises:
        Superseded: Somebody else has the run, or it was deleted.
        Ordered: It is to be rolled back, which ``end`` does not say.
    """
    try:
        locked_thread(connection, held.thread_id)
    except NoThread:
        raise Superseded from None
    found = connection.execute(select(runs.c.cancel, runs.c.spec).where(held.mine).with_for_update()).first()
    if found is None:
        raise Superseded
    if found.cancel == "rollback" and not end.forget:
        raise Ordered
    now = _now()
    columns: Row = {"status": end.status, "ended_at": now, "updated_at": now, "owner": None, "cancel": None}
    if end.error is not None:
        columns["spec"] = {**(found.spec or {}), "error": dict(end.error)}
    connection.execute(update(runs).where(held.mine).values(columns))
    if end.drop or end.forget:
        drop_frames(connection, held.run_id)
    if end.forget:
        connection.execute(delete(runs).where(runs.c.run_id == held.run_id))
    following = None if worker is None else claim_next(connection, held.thread_id, worker)
    changed = {**end.thread, "updated_at": now}
    if following is not None:
        changed["status"] = "busy"
    connection.execute(update(threads).where(threads.c.thread_id == held.thread_id).values(changed))
    notify(connection, f"run {held.run_id}")
    if worker is None:
        notify(connection, "free")
    return following


def release(connection: Connection, held: Lease) -> None:
    """Give a run back, for whoever comes; it goes on from its last checkpoint."""
    give_back(connection, held.mine)


def give_back(connection: Connection, chosen: ColumnElement[bool]) -> None:
    """Take runs from whoever has them, for whoever comes and serves their graphs."""
    columns = {"status": "pending", "owner": None, "updated_at": _now()}
    connection.execute(update(runs).where(chosen).values(columns))
    notify(connection, "free")


def claim_next(connection: Connection, thread_id: str, worker: Claimant) -> Row | None:
    """Claim the run of a thread that waits longest; None if one is running, or none waits, or it is for others."""
    if connection.execute(select(runs.c.run_id).where(_on(thread_id), runs.c.status == "running")).first():
        return None
    waiting = select(runs, worker.takes.label("takes")).where(_on(thread_id), _due()).order_by(runs.c.number).limit(1)
    found = connection.execute(waiting).mappings().first()
    if found is None:
        return None
    if not found["takes"]:
        # Its own servers passed it over while the thread was busy; those behind it wait for it in any case.
        notify(connection, "free")
        return None
    return taken(connection, dict(found), worker)


def waiting_threads(connection: Connection, worker: Claimant, limit: int = 100) -> list[str]:
    """Threads where a worker could start a run and nobody starts it: it was scheduled, or given back."""
    other = runs.alias()
    on_thread = and_(other.c.thread_id == runs.c.thread_id, other.c.status.in_(ACTIVE))
    first = and_(_due(other), other.c.number < runs.c.number)
    held_up = exists().where(on_thread, or_(other.c.status == "running", first))
    query = select(runs.c.thread_id).where(_due(), worker.takes, ~held_up).limit(limit)
    return list(connection.execute(query).scalars())


def start_waiting(connection: Connection, thread_id: str, worker: Claimant) -> Row | None:
    """Claim what waits on a thread, if nobody was faster."""
    try:
        locked_thread(connection, thread_id)
    except NoThread:
        return None
    return claim_next(connection, thread_id, worker)


def held_by(connection: Connection, worker: str) -> dict[str, tuple[int, str | None]]:
    """The runs that a worker has: run id → attempt, and how somebody wants it to end (``interrupt``, ``rollback``)."""
    query = select(runs.c.run_id, runs.c.attempt, runs.c.cancel).where(
        runs.c.owner == worker, runs.c.status == "running"
    )
    return {row.run_id: (row.attempt, row.cancel) for row in connection.execute(query)}


def cancel(connection: Connection, run_id: str, action: str) -> bool:
    """End a run that waits, or order the end of one that runs; False if it is over or not there."""
    found = connection.execute(select(runs).where(runs.c.run_id == run_id)).mappings().first()
    if found is None:
        return False
    locked_thread(connection, found["thread_id"])
    found = connection.execute(select(runs).where(runs.c.run_id == run_id)).mappings().first()
    if found is None or found["status"] not in ACTIVE:
        return False
    _stop(connection, dict(found), action)
    return True


def status_of(connection: Connection, run_id: str) -> str | None:
    """A run's status; None if it is not there."""
    return connection.execute(select(runs.c.status).where(runs.c.run_id == run_id)).scalar()


def finished_temporary(connection: Connection, before: datetime) -> list[str]:
    """Threads of stateless runs that are over."""
    live = exists().where(runs.c.thread_id == threads.c.thread_id, runs.c.status.in_(ACTIVE))
    query = select(threads.c.thread_id).where(threads.c.temporary.is_(True), threads.c.updated_at < before, ~live)
    return list(connection.execute(query).scalars())


def _stop(connection: Connection, run: Row, action: str) -> bool:
    """End a run that never began at once, and say so; order the end of any other. Whether it is over."""
    chosen = runs.c.run_id == run["run_id"]
    if run["status"] == "running" or run["attempt"] > 0:
        # One that was given back has checkpoints and frames: whoever takes it up next ends it as it should.
        ordered = {"cancel": _stronger(run["cancel"], action), "updated_at": _now()}
        connection.execute(update(runs).where(chosen).values(ordered))
        notify(connection, f"cancel {run['run_id']}" if run["status"] == "running" else "free")
        return False
    if action == "rollback":
        connection.execute(delete(runs).where(chosen))
    else:
        now = _now()
        connection.execute(update(runs).where(chosen).values(status="interrupted", ended_at=now, updated_at=now))
    notify(connection, f"run {run['run_id']}")
    return True


def _stronger(before: str | None, action: str) -> str:
    return "rollback" if before == "rollback" else action


def _placed(connection: Connection, thread_id: str, place: Place) -> Mapping[str, Any]:
    """Lock the run's thread, or make it; its metadata. It says which graph it belongs to: the last that ran there."""
    try:
        metadata = locked_thread(connection, thread_id)
    except NoThread:
        if not place.make:
            raise
        if _made(connection, place.columns):
            return {}
        # Somebody else made it at the same time.
        metadata = locked_thread(connection, thread_id)
    if place.allowed is not None and not place.allowed(metadata):
        raise NoThread(thread_id)
    _belongs(connection, thread_id, metadata, place)
    return metadata


def _belongs(connection: Connection, thread_id: str, metadata: Mapping[str, Any], place: Place) -> None:
    """Note on a thread which graph runs there now, and what the run's config says; not while another run is on it."""
    named = {key: place.columns["metadata"][key] for key in ("graph_id", "assistant_id")}
    told = place.columns["config"]
    if named.items() <= metadata.items() and not any(told.values()):
        return
    of_thread = threads.c.thread_id == thread_id
    status, config = connection.execute(select(threads.c.status, threads.c.config).where(of_thread)).one()
    if status != "busy":
        changed = {"metadata": {**metadata, **named}, "config": {**(config or {}), **told}}
        connection.execute(update(threads).where(of_thread).values(changed))


def _made(connection: Connection, columns: Row) -> bool:
    """Make a thread; False if it is there by now."""
    dialect: Any = postgresql if connection.dialect.name == "postgresql" else sqlite
    statement = dialect.insert(threads).values(columns).on_conflict_do_nothing()
    return bool(connection.execute(statement).rowcount)


def locked_thread(connection: Connection, thread_id: str) -> Mapping[str, Any]:
    """A thread's metadata, its row locked until the end of the transaction."""
    query = select(threads.c.metadata).where(threads.c.thread_id == thread_id).with_for_update()
    found = connection.execute(query).first()
    if found is None:
        raise NoThread(thread_id)
    return found[0] or {}


def _active(connection: Connection, thread_id: str) -> list[Row]:
    query = select(runs).where(_on(thread_id), or_(runs.c.status == "running", _due())).order_by(runs.c.number)
    return [dict(row) for row in connection.execute(query).mappings()]


def taken(connection: Connection, run: Row, worker: Claimant) -> Row:
    """Give a run to a worker, for another attempt; its row as it is then."""
    claim = {"status": "running", "owner": worker.name, "attempt": run["attempt"] + 1, "updated_at": _now()}
    connection.execute(update(runs).where(runs.c.run_id == run["run_id"]).values(claim))
    _busy(connection, run["thread_id"])
    return run | claim


def _busy(connection: Connection, thread_id: str) -> None:
    connection.execute(update(threads).where(threads.c.thread_id == thread_id).values(status="busy"))


def _on(thread_id: str) -> ColumnElement[bool]:
    return runs.c.thread_id == thread_id


def _due(run: FromClause = runs) -> ColumnElement[bool]:
    return and_(run.c.status == "pending", or_(run.c.start_at.is_(None), run.c.start_at <= _now()))


def _now() -> datetime:
    return datetime.now(UTC)
