"""Nodes that do not run again for an input that they were given before (``CachePolicy``)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lcel_compat._instructions import Call, Conduct
from lcel_compat._keep import Keeper
from lcel_compat._log import TaskFinished
from lcel_compat._machine import Machine, Task
from lcel_compat._serde import from_wire_writes, to_wire_writes

if TYPE_CHECKING:
    from langgraph.cache.base import BaseCache

    from lcel_compat._execute import Colour


def look_up(cache: BaseCache[Any], machine: Machine, keeper: Keeper | None, colour: Colour) -> Conduct:
    """Give the tasks of a superstep what the cache has of them; those need not run."""
    keys = {task: task.node.cache_key(task.input) for task in machine.tasks.values() if not task.writes}
    wanted = {(key.ns, key.key): task for task, key in keys.items() if key is not None}
    if not wanted:
        return
    found = yield Call(colour.ask(cache, "get", tuple(wanted)))
    for key, writes in found.items():
        task = wanted[key]
        task.writes.extend((name, value) for _, name, value in from_wire_writes([("", *write) for write in writes]))
        if keeper is not None:
            keeper.write(machine, task.id, task.writes)
        machine.show(TaskFinished(task=task, writes=task.writes, cached=True))


def remember(cache: BaseCache[Any], task: Task, colour: Colour) -> Conduct:
    """Let the cache keep what a task wrote."""
    if (key := task.node.cache_key(task.input)) is not None:
        kept = {(key.ns, key.key): (to_wire_writes(task.writes), key.ttl)}
        yield Call(colour.ask(cache, "set", kept))
