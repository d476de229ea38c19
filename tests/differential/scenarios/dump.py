"""What a saver holds, as plain data: versions are numbers, writes are grouped by task.

A channel's version ends in random digits; what counts is the number before the dot.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from tests.differential.scenarios.streams import settled
from tests.support.plain import Obj, plain
from tests.support.trees import canonical


def dump(tuples: Iterable[Any]) -> Any:
    """Return the normal form of the ``CheckpointTuple``s that ``saver.list`` yields, by namespace, oldest first."""
    spaces: dict[str, list[Any]] = {}
    for one in sorted(tuples, key=lambda one: str(one.checkpoint["id"])):
        spaces.setdefault(one.config["configurable"]["checkpoint_ns"], []).append(_checkpoint(one))
    return canonical(list(spaces.values()))


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
        by_task.setdefault(task, []).append((channel, settled(plain(value))))
    return canonical([Obj("task", {"id": task, "writes": _unordered_edges(found)}) for task, found in by_task.items()])


def _unordered_edges(writes: list[Any]) -> list[Any]:
    """Sort what a node's edges wrote: a builder keeps them in a set, whose order is another in each process."""
    edges = iter(sorted(write for write in writes if write[0].startswith("branch:to:")))
    return [next(edges) if write[0].startswith("branch:to:") else write for write in writes]
