"""What a saver holds, as plain data: versions are numbers, writes are grouped by task.

A channel's version ends in random digits; what counts is the number before the dot.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from tests.support.plain import Obj, plain
from tests.support.trees import canonical


def dump(tuples: Iterable[Any]) -> Any:
    """Return the normal form of the ``CheckpointTuple``s that ``saver.list`` yields."""
    return canonical([_checkpoint(one) for one in sorted(tuples, key=lambda one: str(one.checkpoint["id"]))])


def _checkpoint(one: Any) -> Obj:
    return Obj(
        "checkpoint",
        {
            "config": plain(one.config),
            "parent": plain(one.parent_config),
            "metadata": plain(one.metadata),
            "checkpoint": {key: _field(key, value) for key, value in one.checkpoint.items()},
            "writes": _writes(one.pending_writes or ()),
        },
    )


def _field(key: str, value: Any) -> Any:
    if key == "channel_versions":
        return _numbers(value)
    if key == "versions_seen":
        return {name: _numbers(seen) for name, seen in value.items()}
    return plain(value)


def _numbers(versions: Mapping[str, Any]) -> dict[str, int]:
    return {channel: int(str(version).partition(".")[0]) for channel, version in versions.items()}


def _writes(writes: Iterable[tuple[str, str, Any]]) -> list[Any]:
    by_task: dict[str, list[Any]] = {}
    for task, channel, value in writes:
        by_task.setdefault(task, []).append((channel, plain(value)))
    return canonical([Obj("task", {"id": task, "writes": found}) for task, found in by_task.items()])
