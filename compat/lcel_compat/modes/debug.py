"""``debug``: ``tasks`` with the step, the time and the type around each item."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from lcel_compat._log import Entry, TaskFinished, TaskStarted
from lcel_compat.modes.tasks import Tasks


class Debug:
    """Gives ``{"step", "timestamp", "type": "task" | "task_result", "payload"}``."""

    reads: tuple[type[Entry], ...] = Tasks.reads

    def __init__(self, state_keys: Sequence[str]) -> None:
        self._tasks = Tasks(state_keys)

    def project(self, entry: TaskStarted | TaskFinished) -> Sequence[dict[str, Any]]:
        kind = "task" if isinstance(entry, TaskStarted) else "task_result"
        now = datetime.now(UTC).isoformat()
        (payload,) = self._tasks.project(entry)
        return ({"step": entry.task.step, "timestamp": now, "type": kind, "payload": payload},)
