"""How an attempt begins after one that died: the thread and the stream are brought to one point, where it goes on.

A server saves checkpoints and stores frames apart: when it is killed, the one may be ahead of the other. What gives way
depends on what was promised:

- Of a resumable run the stream is complete. It goes on from the last checkpoint whose mark is in the log. What the dead
  attempt saved behind that is taken back, checkpoints of graphs inside and writes of single tasks included, as if it
  had been killed a moment earlier: the superstep runs again, and all its frames come. Nobody was told of what is taken
  back, except who looked at the thread's state while it ran.
- Of any other run, and with ``durability: sync``, what is saved stays saved, and tasks that finished do not run again.
  The frames of what was saved after the last mark are lost; the new attempt begins with the state, as ``values``.

To make the saver wait for the log instead was tried on paper and given up: both engines wait for their saver before
they hand out the last items, and ours when the saver is far behind, so that each would wait for the other.

Frames behind the point are void: the new attempt streams its own, under higher numbers. A run that had saved nothing
starts again with its input. If that is an answer, its first writes hung on checkpoints of the run that asked; before
they were added, what hung there was put aside (``aside_statements``), and is put back: an answer that a node has taken
would be given to its next question as well.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from sqlalchemy import Connection, text

from lcel_adapters.serve._runs._lease import Lease
from lcel_adapters.serve._runs._stored import last_frame, last_mark, void

# LangGraph's savers have the one table under different names, and metadata in different forms.
_WRITES = {"sqlite": "writes", "postgresql": "checkpoint_writes"}
_RUN = {"sqlite": "json_extract(cast(metadata as text), '$.run_id')", "postgresql": "metadata ->> 'run_id'"}
_COLUMNS = {
    "sqlite": "checkpoint_ns, checkpoint_id, task_id, idx, channel, type, value",
    "postgresql": "checkpoint_ns, checkpoint_id, task_id, task_path, idx, channel, type, blob",
}
_ASIDE_MARK = {"sqlite": "'', 0, '', null, null", "postgresql": "'', '', 0, '', null, cast('' as bytea)"}


class Point(NamedTuple):
    """Where an attempt begins.

    Attributes:
        first: The number of its first frame.
        checkpoint: Where the thread stands; None if the run starts again with its input.
        told: Whether the stream has all that led to it.
    """

    first: int
    checkpoint: str | None
    told: bool


def begin_again(connection: Connection, held: Lease, *, whole_stream: bool) -> Point:
    """Bring thread and stream of a run to one point; may be done again if it was not heard of.

    Args:
        connection: Of a write transaction.
        held: The new attempt's.
        whole_stream: Whether the stream has to be complete, or else what is saved stays.

    Raises:
        Superseded: Somebody else has the run.
    """
    held.check(connection, change=True)
    saved = _saved(connection, held)
    last = saved[-1] if saved else None
    if whole_stream:
        known = set(saved)
        mark = last_mark(connection, held.run_id, known.__contains__) if known else None
        last = None if mark is None else mark.checkpoint
        take_back(connection, held, last)
    else:
        mark = last_mark(connection, held.run_id, last.__eq__) if last is not None else None
        if last is None:
            take_back(connection, held, None)
    if mark is not None or last is None:
        void(connection, held, mark)
    # Otherwise all stored frames came before the mark that is missing: none of them comes again.
    return Point(first=last_frame(connection, held.run_id) + 1, checkpoint=last, told=mark is not None)


def take_back(connection: Connection, held: Lease, checkpoint: str | None) -> None:
    """Undo what a run did to its thread behind a checkpoint, or all of it."""
    dialect = connection.dialect.name
    writes, run = _WRITES[dialect], _RUN[dialect]
    behind = f"thread_id = :thread and checkpoint_id > :behind and {run} = :run"
    names = {"thread": held.thread_id, "behind": checkpoint or "", "run": held.run_id}
    hanging = f"select checkpoint_ns, checkpoint_id from checkpoints where {behind}"
    connection.execute(
        text(f"delete from {writes} where thread_id = :thread and (checkpoint_ns, checkpoint_id) in ({hanging})"), names
    )
    connection.execute(text(f"delete from checkpoints where {behind}"), names)
    if checkpoint is None:
        _put_back(connection, held)
    else:
        statement = f"delete from {writes} where thread_id = :thread and checkpoint_ns = '' and checkpoint_id = :behind"
        connection.execute(text(statement), names)


def aside_statements(dialect: str) -> tuple[str, str]:
    """SQL that puts a checkpoint's writes aside, under the id of the run that is about to add to them.

    The names are ``:thread``, ``:run``, ``:ns`` and ``:id``. The second statement marks the checkpoint, so that one
    without any writes is known as well.
    """
    writes, columns = _WRITES[dialect], _COLUMNS[dialect]
    return (
        f"insert into {writes} (thread_id, {columns}) select :run, {columns} from {writes}"
        " where thread_id = :thread and checkpoint_ns = :ns and checkpoint_id = :id on conflict do nothing",
        f"insert into {writes} (thread_id, {columns}) values (:run, :ns, :id, {_ASIDE_MARK[dialect]})"
        " on conflict do nothing",
    )


def forget_aside(connection: Connection, run_id: str) -> None:
    """The run is over: what was put aside for it is not needed any more."""
    connection.execute(text(f"delete from {_WRITES[connection.dialect.name]} where thread_id = :run"), {"run": run_id})


def _saved(connection: Connection, held: Lease) -> list[str]:
    """The root's checkpoints that a run made, the oldest first; none if the thread's last is another's."""
    run = _RUN[connection.dialect.name]
    query = f"select checkpoint_id, {run} = :run from checkpoints where thread_id = :thread and checkpoint_ns = ''"
    rows: Any = connection.execute(
        text(f"{query} order by checkpoint_id desc"), {"run": held.run_id, "thread": held.thread_id}
    )
    found = []
    for checkpoint_id, mine in rows:
        if not mine:
            break
        found.append(checkpoint_id)
    return found[::-1]


def _put_back(connection: Connection, held: Lease) -> None:
    dialect = connection.dialect.name
    writes, columns = _WRITES[dialect], _COLUMNS[dialect]
    names = {"thread": held.thread_id, "run": held.run_id}
    touched = f"select checkpoint_ns, checkpoint_id from {writes} where thread_id = :run"
    connection.execute(
        text(f"delete from {writes} where thread_id = :thread and (checkpoint_ns, checkpoint_id) in ({touched})"), names
    )
    statement = f"insert into {writes} (thread_id, {columns}) select :thread, {columns} from {writes}"
    connection.execute(text(f"{statement} where thread_id = :run and task_id <> ''"), names)
