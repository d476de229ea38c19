"""States of threads as clients see them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lcel_adapters.serve._json import plain
from lcel_adapters.serve._told import told_repr

_CHECKPOINT = ("checkpoint_id", "thread_id", "checkpoint_ns", "checkpoint_map")
_INTERNAL = ("__", "langgraph_auth_", "langgraph_request_id")


def shown_state(snapshot: Any) -> dict[str, Any]:
    """A ``StateSnapshot`` of either engine."""
    checkpoint, parent = _checkpoint(snapshot.config), _checkpoint(snapshot.parent_config)
    return {
        "values": snapshot.values,
        "next": list(snapshot.next),
        "tasks": [_task(task) for task in snapshot.tasks],
        "metadata": _metadata(snapshot),
        "created_at": snapshot.created_at,
        "checkpoint": checkpoint,
        "parent_checkpoint": parent,
        "interrupts": [shown_interrupt(one) for one in snapshot.interrupts],
        "checkpoint_id": checkpoint and checkpoint["checkpoint_id"],
        "parent_checkpoint_id": parent and parent["checkpoint_id"],
    }


EMPTY: Mapping[str, Any] = {
    "values": {},
    "next": [],
    "tasks": [],
    "metadata": None,
    "created_at": None,
    "checkpoint": None,
    "parent_checkpoint": None,
    "interrupts": [],
    "checkpoint_id": None,
    "parent_checkpoint_id": None,
}
"""The state of a thread on which no graph ever ran."""


def shown_interrupt(interrupt: Any) -> dict[str, Any]:
    """What a run waits for; ``response_schema`` only where there is one."""
    schema = getattr(interrupt, "response_schema", None)
    return {"id": interrupt.id, "value": interrupt.value} | ({} if schema is None else {"response_schema": schema})


def thread_columns(snapshot: Any) -> dict[str, Any]:
    """What a thread's row says of its state: ``status``, ``values``, ``interrupts``."""
    asked = {task.id: [shown_interrupt(one) for one in task.interrupts] for task in snapshot.tasks if task.interrupts}
    return {
        "status": "interrupted" if snapshot.next else "idle",
        "values": plain(snapshot.values),
        "interrupts": plain(asked),
    }


def _task(task: Any) -> dict[str, Any]:
    # The state of a graph inside, or the configuration that leads to it.
    addressed = isinstance(task.state, Mapping)
    return {
        "id": task.id,
        "name": task.name,
        "path": list(task.path),
        "error": _error(task.error),
        "interrupts": [shown_interrupt(one) for one in task.interrupts],
        "checkpoint": _place(task.state["configurable"]) if addressed else None,
        "state": None if addressed or task.state is None else shown_state(task.state),
        "result": getattr(task, "result", None),
    }


def _error(error: Any) -> str | None:
    """What a saver gives of an exception: its ``repr()``, or itself if it serializes nothing."""
    if error is None:
        return None
    return told_repr(repr(error) if isinstance(error, BaseException) else str(error))


def _checkpoint(config: Mapping[str, Any] | None) -> dict[str, Any] | None:
    place = _place((config or {}).get("configurable", {}))
    return place if place.get("checkpoint_id") and place.get("thread_id") else None


def _place(configurable: Mapping[str, Any]) -> dict[str, Any]:
    return {key: configurable[key] for key in _CHECKPOINT if key in configurable}


def _metadata(snapshot: Any) -> dict[str, Any] | None:
    """What was saved with a checkpoint, with its thread, which savers leave out, and without the server's own."""
    if snapshot.metadata is None:
        return None
    thread = {"thread_id": snapshot.config["configurable"]["thread_id"]}
    return {key: value for key, value in snapshot.metadata.items() if not _is_internal(key)} | thread


def _is_internal(key: str) -> bool:
    return key.startswith(_INTERNAL) or key in _CHECKPOINT
