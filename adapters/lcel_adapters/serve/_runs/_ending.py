"""What a run leaves behind: its own status, and the columns of its thread."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Literal

from lcel_adapters.serve._json import plain
from lcel_adapters.serve._runs._attempt import Attempt
from lcel_adapters.serve._runs._claims import End, Row
from lcel_adapters.serve._told import UNTOLD

Order = Literal["interrupt", "rollback", "release", "lost"]
# What the thread's `error` says of a run that was ended from outside (AGENT-SERVER.md, (ii) cancel).
_REQUEST = "requested via POST /threads/{thread_id}/runs/{run_id}/cancel"
_ORDERED = {
    "interrupt": {"error": "UserInterrupt", "message": f"interrupt {_REQUEST}"},
    "rollback": {"error": "UserRollback", "message": f"rollback {_REQUEST}"},
}
_log = logging.getLogger(__name__)


async def ending(attempt: Attempt, order: Order | None, *, drop: bool) -> End:
    """The end of an attempt.

    Args:
        attempt: Which is over.
        order: Somebody's, to end it: ``interrupt`` or ``rollback``.
        drop: Whether nobody will ask for its frames.
    """
    error = _ORDERED.get(order or "") or attempt.outcome.error
    status = "interrupted" if order is not None else (attempt.outcome.status or "error")
    thread = await _thread_after(attempt, status)
    return End(
        status=status,
        thread={**thread, "error": error, **({"status": "idle"} if order == "rollback" else {})},
        forget=order == "rollback",
        drop=drop,
        error=error,
    )


def gave_up(order: Order | None, *, drop: bool) -> End:
    """The end of a run that this server could not execute, the log says why; the thread's values stay as they were.

    Args:
        order: Somebody's, to end it, which is obeyed all the same.
        drop: Whether nobody will ask for its frames.
    """
    error = _ORDERED.get(order or "") or {"error": "RuntimeError", "message": UNTOLD}
    status = "interrupted" if order in _ORDERED else "error"
    thread = {"status": "idle" if order == "rollback" else status, "error": error}
    return End(status=status, thread=thread, forget=order == "rollback", drop=drop, error=error)


async def _thread_after(attempt: Attempt, status: str) -> Row:
    """The thread's columns; the state is read only where the stream did not tell it."""
    now = datetime.now(UTC)
    thread: Row = {"state_updated_at": now, "interrupts": {}, "status": _status(status, stopped=False)}
    if status == "success" and not attempt.outcome.next and attempt.outcome.values is not None:
        return {**thread, "values": plain(attempt.outcome.values)}
    try:
        state = await attempt.target.graph.aget_state({"configurable": {"thread_id": attempt.thread_id}})
    except Exception:
        # A thread may be in a state that the graph refuses to look at; its run is over all the same.
        _log.exception("the state that run %s left cannot be read", attempt.run_id)
        return thread
    thread["values"] = plain(state.values) if state.created_at else None
    thread["interrupts"] = _questions(state.tasks)
    thread["status"] = _status(status, stopped=bool(state.next))
    return thread


def _questions(tasks: Any) -> Mapping[str, Any]:
    return {
        task.id: [{"id": one.id, "value": plain(one.value)} for one in task.interrupts]
        for task in tasks
        if task.interrupts
    }


def _status(status: str, *, stopped: bool) -> str:
    if status in ("error", "timeout"):
        return "error"
    return "interrupted" if stopped or status == "interrupted" else "idle"
