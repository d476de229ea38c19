"""What a checkpoint and the tasks after it look like to people: ``StateSnapshot``, and the items of ``checkpoints``.

Forms and rules are LangGraph's (``langgraph/pregel/debug.py``, ``_prepare_state_snapshot`` in ``main.py``).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

from langchain_core.runnables import RunnableConfig

from lcel_compat._constants import ROOT
from lcel_compat._keep import Keeper, ledger_of, patched
from lcel_compat._ledger import PendingWrite, TaskStatus, statuses
from lcel_compat._log import Checkpointed, Log
from lcel_compat._machine import Machine, Task
from lcel_compat.modes.tasks import described, gathered
from lcel_compat.types import PregelTask, StateSnapshot

if TYPE_CHECKING:
    from langgraph.checkpoint.base import CheckpointTuple

States = Mapping[str, RunnableConfig | StateSnapshot]
"""The state of a task that is a graph, or the configuration that addresses it, by task id."""


def checkpointed(log: Log, machine: Machine, keeper: Keeper) -> None:
    """Write to a run's log that a checkpoint is made; its tasks are scheduled."""
    if log.wants(Checkpointed):
        log.write(Checkpointed(step=machine.step - 1, read=lambda: _payload(machine, keeper)))


def _payload(machine: Machine, keeper: Keeper) -> dict[str, Any]:
    program, ledger = machine.program, ledger_of(machine)
    tasks = list(machine.tasks.values())
    addresses = {task.id: address(keeper, task) for task in tasks if task.node.subgraph is not None}
    keys = machine.output_keys
    return {
        "config": _public(with_map(patched(keeper.config, checkpoint_id=ledger.id), keeper.metadata)),
        "parent_config": _public(with_map(keeper.before, keeper.metadata)),
        "values": program.reader(program.state)(machine.channels),
        "metadata": keeper.metadata,
        "next": [task.name for task in tasks],
        "tasks": [_entry(task) for task in described_tasks(tasks, ledger.pending, addresses, keys)],
    }


def address(keeper: Keeper, task: Task) -> RunnableConfig:
    """The configuration that addresses the state of a task that is a graph."""
    thread = keeper.config["configurable"]["thread_id"]
    return cast("RunnableConfig", {"configurable": {"thread_id": thread, "checkpoint_ns": task.namespace}})


def _entry(task: PregelTask) -> dict[str, Any]:
    entry: dict[str, Any] = {"id": task.id, "name": task.name}
    if task.error:
        return {**entry, "error": task.error, "state": task.state}
    if task.result:
        entry["result"] = task.result
    return {**entry, "interrupts": tuple(described(i) for i in task.interrupts), "state": task.state}


def described_tasks(
    tasks: Iterable[Task],
    pending: Sequence[PendingWrite],
    states: States,
    keys: Iterable[str],
    *,
    live: bool = False,
) -> tuple[PregelTask, ...]:
    """The tasks of a superstep with what is known of them.

    Args:
        tasks: The tasks.
        pending: What they wrote.
        states: The states of those that are graphs.
        keys: The state keys that results show.
        live: Whether only questions that nobody has answered yet are shown.
    """
    known = statuses(pending)
    shown = frozenset(keys)
    return tuple(_described(task, known.get(task.id, TaskStatus()), states, shown, live=live) for task in tasks)


def _described(task: Task, status: TaskStatus, states: States, keys: frozenset[str], *, live: bool) -> PregelTask:
    result: Any = gathered((key, value) for key, value in status.output if key in keys)
    if keys == {ROOT}:
        result = result.get(ROOT)
    return PregelTask(
        id=task.id,
        name=task.name,
        path=task.path,
        error=status.error,
        interrupts=status.waits_for if live else status.interrupts,
        state=states.get(task.id),
        result=result if status.finished else None,
    )


def snapshot(
    machine: Machine, saved: CheckpointTuple, states: States, *, live: bool, pending: Sequence[PendingWrite]
) -> StateSnapshot:
    """The state at a checkpoint.

    Args:
        machine: Restored to the checkpoint, with the superstep after it scheduled.
        saved: The checkpoint.
        states: The states of the tasks that are graphs.
        live: Whether to show it as it is now: with what tasks of the superstep have written already.
        pending: What was written since.
    """
    program = machine.program
    if live:
        for task_id, status in statuses(pending).items():
            if task_id in machine.tasks:
                machine.tasks[task_id].writes.extend(status.output)
        if written := [task for task in machine.tasks.values() if task.writes]:
            machine.apply(written)
    tasks = described_tasks(machine.tasks.values(), pending, states, program.state, live=live)
    return StateSnapshot(
        values=program.reader(program.state)(machine.channels),
        next=tuple(task.name for task in machine.tasks.values() if not task.writes),
        config=cast("RunnableConfig", with_map(saved.config, saved.metadata)),
        metadata=saved.metadata,
        created_at=saved.checkpoint["ts"],
        parent_config=with_map(saved.parent_config, saved.metadata),
        tasks=tasks,
        interrupts=tuple(interrupt for task in tasks for interrupt in task.interrupts),
    )


def with_map(config: RunnableConfig | None, metadata: Mapping[str, Any] | None) -> RunnableConfig | None:
    """The configuration of a subgraph's checkpoint with those of the graphs around it."""
    parents = (metadata or {}).get("parents")
    if config is None or not parents:
        return config
    here = config["configurable"]
    return patched(config, checkpoint_map={**parents, here["checkpoint_ns"]: here["checkpoint_id"]})


def _public(config: RunnableConfig | None) -> dict[str, Any] | None:
    if config is None:
        return None
    return {"configurable": {k: v for k, v in config["configurable"].items() if not k.startswith("__pregel_")}}
