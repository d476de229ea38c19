"""``tasks``: nodes as they start and finish."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from lcel_compat._constants import RUN_METADATA
from lcel_compat._log import Entry, TaskFinished, TaskStarted
from lcel_compat._machine import Task
from lcel_compat.types import Interrupt


class Tasks:
    """Gives one item when a task starts and one when it is over.

    ``{"id", "name", "input", "triggers"}``, with the user's ``"metadata"`` if there is any, and
    ``{"id", "name", "error", "result", "interrupts"}`` (``langgraph/pregel/debug.py``).
    """

    reads: tuple[type[Entry], ...] = (TaskStarted, TaskFinished)

    def __init__(self, state_keys: Sequence[str]) -> None:
        self._keys = frozenset(state_keys)

    def project(self, entry: TaskStarted | TaskFinished) -> Sequence[dict[str, Any]]:
        if isinstance(entry, TaskStarted):
            return (self.started(entry.task),)
        return () if entry.cached else (self.finished(entry),)

    def started(self, task: Task) -> dict[str, Any]:
        """The item for a task that is about to run."""
        item = {"id": task.id, "name": task.name, "input": task.input, "triggers": task.triggers}
        if not task.tags and task.metadata.keys() <= RUN_METADATA:
            return item
        metadata = {k: v for k, v in task.metadata.items() if k not in RUN_METADATA}
        if tags := user_tags(task.tags):
            metadata["tags"] = tags
        return {**item, "metadata": metadata} if metadata else item

    def finished(self, entry: TaskFinished) -> dict[str, Any]:
        """The item for a task that is over."""
        return {
            "id": entry.task.id,
            "name": entry.task.name,
            "error": entry.error,
            "result": gathered((k, v) for k, v in entry.writes if k in self._keys),
            "interrupts": [described(interrupt) for interrupt in entry.interrupts],
        }


def described(interrupt: Interrupt) -> dict[str, Any]:
    """An interrupt as a dict."""
    return {"value": interrupt.value, "id": interrupt.id, "response_schema": interrupt.response_schema}


def gathered(writes: Iterator[tuple[str, Any]]) -> dict[str, Any]:
    """Writes as a dict; several to one key as ``{"$writes": [...]}``."""
    result: dict[str, Any] = {}
    several: set[str] = set()
    for key, value in writes:
        if key not in result:
            result[key] = value
        elif key in several:
            result[key]["$writes"].append(value)
        else:
            several.add(key)
            result[key] = {"$writes": [result[key], value]}
    return result


def user_tags(tags: Sequence[str] | None) -> list[str]:
    """Tags without those that number the steps of a sequence."""
    return [tag for tag in tags or () if not tag.startswith("seq:step")]
