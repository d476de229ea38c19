"""``debug``: ``checkpoints`` and ``tasks`` with the step, the time and the type around each item."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from lcel_compat._log import Checkpointed, Entry, TaskFinished, TaskStarted
from lcel_compat.modes.tasks import Tasks


class Debug:
    """Gives ``{"step", "timestamp", "type": "checkpoint" | "task" | "task_result", "payload"}``."""

    reads: tuple[type[Entry], ...] = (*Tasks.reads, Checkpointed)

    def __init__(self, state_keys: Sequence[str]) -> None:
        self._tasks = Tasks(state_keys)

    def project(self, entry: TaskStarted | TaskFinished | Checkpointed) -> Sequence[dict[str, Any]]:
        if isinstance(entry, Checkpointed):
            return (_wrapped(entry.step, "checkpoint", entry.read()),)
        kind = "task" if isinstance(entry, TaskStarted) else "task_result"
        return [_wrapped(entry.task.step, kind, payload) for payload in self._tasks.project(entry)]


def _wrapped(step: int, kind: str, payload: dict[str, Any]) -> dict[str, Any]:
    return {"step": step, "timestamp": datetime.now(UTC).isoformat(), "type": kind, "payload": payload}
