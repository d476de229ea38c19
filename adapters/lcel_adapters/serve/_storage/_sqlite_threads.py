"""What LangGraph's SQLite saver has no method for: copy a thread's checkpoints, prune them, delete those of a run."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from typing import Any

Change = Callable[[sqlite3.Connection], None]


def copied(source: str, target: str) -> Change:
    """Give a thread all checkpoints and writes of another."""

    def change(raw: sqlite3.Connection) -> None:
        for table in ("checkpoints", "writes"):
            columns = [row[1] for row in raw.execute(f"pragma table_info({table})") if row[1] != "thread_id"]
            names = ", ".join(columns)
            raw.execute(
                f"insert into {table} (thread_id, {names}) select ?, {names} from {table} where thread_id = ?",
                (target, source),
            )

    return change


def deleted_for_runs(run_ids: Sequence[str], thread_id: str | None) -> Change:
    """Delete the checkpoints that runs made, by the run in their metadata, and the writes that hang on them."""

    def change(raw: sqlite3.Connection) -> None:
        found = raw.execute(
            "select thread_id, checkpoint_ns, checkpoint_id from checkpoints"
            # No index leads to a run: without its thread, every checkpoint is looked at.
            f" where {'' if thread_id is None else 'thread_id = :thread and '}"
            "json_extract(cast(metadata as text), '$.run_id') in (select value from json_each(:runs))",
            {"thread": thread_id, "runs": json.dumps([*run_ids])},
        ).fetchall()
        _delete(raw, found)

    return change


def pruned(thread_ids: Sequence[str], strategy: str) -> Change:
    """Delete all checkpoints of threads (``delete``), or all but the last of each namespace (``keep_latest``).

    As LangGraph's PostgreSQL saver does: a subgraph's namespace goes with the outermost checkpoint that it ran in, and
    threads with a ``DeltaChannel`` are refused, whose newest value is spread over older checkpoints.

    Raises:
        ValueError: There is no such strategy.
        NotImplementedError: A thread has a ``DeltaChannel``.
    """
    if strategy not in ("delete", "keep_latest"):
        raise ValueError(f"there is no strategy {strategy!r}: use 'keep_latest' or 'delete'")
    old = _all if strategy == "delete" else _older

    def change(raw: sqlite3.Connection) -> None:
        for thread_id in thread_ids:
            _delete(raw, old(raw, thread_id))

    return change


_Key = tuple[str, str, str]


def _delete(raw: sqlite3.Connection, keys: Iterable[_Key]) -> None:
    keys = [*keys]
    for table in ("writes", "checkpoints"):
        raw.executemany(
            f"delete from {table} where thread_id = ? and checkpoint_ns = ? and checkpoint_id = ?",
            keys,
        )
    raw.executemany(
        "update checkpoints set parent_checkpoint_id = null"
        " where thread_id = ? and checkpoint_ns = ? and parent_checkpoint_id = ?",
        keys,
    )


def _all(raw: sqlite3.Connection, thread_id: str) -> list[_Key]:
    query = "select distinct thread_id, checkpoint_ns, checkpoint_id from {} where thread_id = ?"
    found = [raw.execute(query.format(table), (thread_id,)).fetchall() for table in ("checkpoints", "writes")]
    return [*found[0], *found[1]]


def _older(raw: sqlite3.Connection, thread_id: str) -> list[_Key]:
    rows = raw.execute(
        "select checkpoint_ns, checkpoint_id, metadata from checkpoints where thread_id = ? order by checkpoint_id",
        (thread_id,),
    ).fetchall()
    if any("counters_since_delta_snapshot" in json.loads(row[2]) for row in rows):
        raise NotImplementedError(f"thread {thread_id!r} has a DeltaChannel: its older checkpoints are needed")
    newest = {namespace: (id, json.loads(metadata)) for namespace, id, metadata in rows}
    saved = {(namespace, id) for namespace, id, _ in rows}
    keep = {
        (namespace, id)
        for namespace, (id, metadata) in newest.items()
        if ":" not in namespace or _is_newest("", metadata.get("parents", {}).get(""), newest, saved)
    }
    return [(thread_id, namespace, id) for namespace, id in sorted(saved - keep)]


def _is_newest(namespace: str, id: str | None, newest: dict[str, tuple[str, Any]], saved: set[tuple[str, str]]) -> bool:
    # A checkpoint that is not saved yet is about to be.
    return (namespace, id) not in saved or newest[namespace][0] == id
