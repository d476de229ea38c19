"""The superstep machine: what a graph does next, with no I/O, no clock and no thread in it.

A run is a series of supersteps. In each, all triggered nodes run (somebody else runs them); what they wrote is
applied when the last of them is done; the channels that changed trigger the nodes of the next. The machine is
told what finished and answers with the tasks to start::

    begin(input) -> tasks ──▶ finished(task) -> [] … -> tasks of the next superstep
                                failed(task, error) -> nothing more is started

It writes what happens to the run's ``Log``. Rules and identifiers are LangGraph's (``langgraph/pregel/_algo.py``
and ``_loop.py``): step 0 hands the input on, nodes run from step 1, pushed tasks come before pulled ones, pulled
ones in the order of their names.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field
from typing import Any, Final

from xxhash import xxh3_128_hexdigest

from lcel_compat._constants import (
    ERROR,
    NAMESPACE_SEPARATOR,
    PULL,
    PUSH,
    START,
    TASK_SEPARATOR,
    TASKS,
)
from lcel_compat._log import Log, StateChanged, TaskFinished, TaskStarted
from lcel_compat._program import Node, Program, Writes
from lcel_compat._schema import Schema
from lcel_compat.channels import Channel
from lcel_compat.errors import EmptyInputError, GraphRecursionError
from lcel_compat.types import Send

_PUSHED: Final = (PUSH,)


@dataclass(slots=True, kw_only=True, eq=False)
class Task:
    """One node, about to run once.

    Attributes:
        id: LangGraph's task id: a hash of the run, the step, the node and what triggered it.
        name: The node's name.
        path: How it came to run: ``(PULL, node)`` or ``(PUSH, index, False)``.
        triggers: The channels that started it.
        step: The superstep it runs in.
        namespace: ``langgraph_checkpoint_ns``: the surrounding namespace, the node and the task id.
        input: The node's input.
        node: The node.
        metadata: The run's and the node's own metadata and the ``langgraph_*`` keys.
        tags: The run's tags.
        writes: What it has done to the channels so far: ``(channel, value)``, in order.
    """

    id: str
    name: str
    path: tuple[Any, ...]
    triggers: tuple[str, ...]
    step: int
    namespace: str
    input: Any
    node: Node
    metadata: dict[str, Any]
    tags: Sequence[str]
    writes: Writes = field(default_factory=list)


class Machine:
    """The state of one run and the rules by which it changes.

    Args:
        program: The graph.
        log: Where to write what happens.
        output_keys: The keys that the run's output and the ``values`` mode show.
        namespace: The namespace of the task that runs this graph, ``""`` for the outermost.
        metadata: The run's metadata, for every task.
        tags: The run's tags, for every task.
        recursion_limit: How many supersteps the run may take.
    """

    def __init__(
        self,
        program: Program,
        log: Log,
        *,
        output_keys: tuple[str, ...],
        namespace: str,
        metadata: Mapping[str, Any],
        tags: Sequence[str],
        recursion_limit: int,
    ) -> None:
        self.program = program
        self.step = -1
        self.done = False
        self.changed_output = False
        self._log = log
        self._read = program.reader(output_keys)
        self._output_keys = frozenset(output_keys)
        self._prefix = f"{namespace}{NAMESPACE_SEPARATOR}" if namespace else ""
        self._metadata = metadata
        self._tags = tags
        self._limit = recursion_limit
        self._seed = os.urandom(16)
        self._channels: dict[str, Channel] = {k: c.fresh() for k, c in program.channels.items()}
        self._transient: Sequence[str] = ()
        self._tasks: Sequence[Task] = ()
        self._open = 0

    def begin(self, value: Any) -> Sequence[Task]:
        """Take the input and answer with the first tasks.

        Raises:
            EmptyInputError: If there is no input.
        """
        if value is None:
            raise EmptyInputError(
                f"The graph {self.program.name!r} was run without input (None). Pass a dict with some of its"
                f" keys ({', '.join(repr(k) for k in self.program.input.keys)}); an empty dict is fine."
            )
        self.step = 0
        start = self.program.nodes[START]
        task = self._task(start, (PULL, START), start.triggers, value)
        return self._start([task])

    def finished(self, task: Task) -> Sequence[Task]:
        """A task is done; answer with the tasks of the next superstep if it was the last of this one.

        Raises:
            InvalidUpdateError: If the writes of this superstep contradict each other.
            GraphRecursionError: If the run is not finished after as many supersteps as it may take.
        """
        self._open -= 1
        if not task.node.hidden:
            self._log.write(TaskFinished(task=task, writes=task.writes))
        return () if self._open else self._advance()

    def failed(self, task: Task, error: BaseException) -> None:
        """A task raised: nothing more is started."""
        self._open = -1
        if not task.node.hidden:
            self._log.write(TaskFinished(task=task, writes=[*task.writes, (ERROR, error)], error=error))

    def output(self) -> Any:
        """The state as the run's output shows it."""
        return self._read(self._channels)

    def peek(self, writes: Writes, schema: Schema) -> Any:
        """The part of the state a schema declares, as if one task's writes alone had been applied to it."""
        mine: dict[str, list[Any]] = {}
        for key, value in writes:
            mine.setdefault(key, []).append(value)
        channels = {k: self._channels[k] for k in schema.keys}
        for key in mine.keys() & channels.keys():
            channels[key] = channels[key].copy()
            channels[key].update(mine[key])
        return _read(channels, schema)

    def _advance(self) -> Sequence[Task]:
        updated = self._apply()
        if not updated.isdisjoint(self._output_keys):
            self.changed_output = True
            if self._log.wants(StateChanged):
                self._log.write(StateChanged(step=self.step, read=self.output))
        self.step += 1
        if self.step > self._limit:
            raise GraphRecursionError(
                f"The graph {self.program.name!r} took {self._limit} supersteps, its recursion_limit, without"
                ' coming to an end. If it is meant to take more, pass {"recursion_limit": N} in the config;'
                " if not, look for a loop whose conditional edge never leaves it."
            )
        return self._start(self._triggered(updated))

    def _start(self, tasks: list[Task]) -> Sequence[Task]:
        self._tasks = tasks
        self._open = len(tasks)
        self.done = not tasks
        if self._log.wants(TaskStarted):
            for task in tasks:
                if not task.node.hidden:
                    self._log.write(TaskStarted(task=task))
        return tasks

    def _triggered(self, updated: set[str]) -> list[Task]:
        packets = self._channels[TASKS]
        tasks = [
            self._task(self.program.nodes[packet.node], (PUSH, index), _PUSHED, packet.arg)
            for index, packet in enumerate(_packets(packets))
        ]
        listeners = self.program.listeners
        names = {name for channel in updated for name in listeners.get(channel, ())}
        inputs: dict[int, Any] = {}
        for name in sorted(names):
            node = self.program.nodes[name]
            tasks.append(self._task(node, (PULL, name), node.triggers, self._input(node, inputs)))
        return tasks

    def _input(self, node: Node, inputs: dict[int, Any]) -> Any:
        """A node's input; nodes with the same schema get equal inputs, each mapping its own copy."""
        key = id(node.schema)
        if key in inputs:
            return copy(inputs[key])
        inputs[key] = _read(self._channels, node.schema)
        return inputs[key]

    def _task(self, node: Node, path: tuple[Any, ...], triggers: tuple[str, ...], value: Any) -> Task:
        scope = f"{self._prefix}{node.name}"
        pushed = path[0] == PUSH
        parts = (str(path[1]),) if pushed else triggers
        task_id = self._identifier(scope, node.name, path[0], *parts)
        namespace = f"{scope}{TASK_SEPARATOR}{task_id}"
        full_path = (*path, False) if pushed else path
        return Task(
            id=task_id,
            name=node.name,
            path=full_path,
            triggers=triggers,
            step=self.step,
            namespace=namespace,
            input=value,
            node=node,
            tags=self._tags,
            metadata={
                **self._metadata,
                "langgraph_step": self.step,
                "langgraph_node": node.name,
                "langgraph_triggers": triggers,
                "langgraph_path": full_path,
                "langgraph_checkpoint_ns": namespace,
                **node.metadata,
            },
        )

    def _identifier(self, scope: str, *parts: str) -> str:
        text = f"{scope}{self.step}{''.join(parts)}"
        digest = xxh3_128_hexdigest(self._seed + text.encode())
        return f"{digest[:8]}-{digest[8:12]}-{digest[12:16]}-{digest[16:20]}-{digest[20:]}"

    def _apply(self) -> set[str]:
        """Apply the superstep's writes to the channels; the names of those that changed and are available."""
        channels = self._channels
        tasks = sorted(self._tasks, key=_write_order) if len(self._tasks) > 1 else self._tasks
        grouped: dict[str, list[Any]] = {}
        for task in tasks:
            if task.path[0] == PULL:
                for name in task.node.consumes:
                    channels[name].consume()
            for name, value in task.writes:
                grouped.setdefault(name, []).append(value)
        updated = {n for n, values in grouped.items() if _takes(channels[n], values)}
        self._expire(grouped)
        if self.program.deferred and updated.isdisjoint(self.program.listeners):
            # Nothing is left to run but what was deferred until now.
            updated.update(n for n in self.program.deferred if channels[n].finish() and channels[n].available)
        return updated

    def _expire(self, written: Collection[str]) -> None:
        """What was written for one superstep only is gone after it."""
        for name in self._transient:
            if name not in written:
                self._channels[name].update(())
        self._transient = [name for name in written if self._channels[name].transient]


def _takes(channel: Channel, values: Sequence[Any]) -> bool:
    return channel.update(values) and channel.available


def _packets(channel: Channel) -> Sequence[Send]:
    return channel.value if channel.available else ()


def _read(channels: Mapping[str, Channel], schema: Schema) -> Any:
    if schema.is_root:
        return channels["__root__"].value if channels["__root__"].available else None
    values = {k: c.value for k in schema.channels if (c := channels[k]).available}
    return values if schema.build is None else schema.build(values)


def _write_order(task: Task) -> tuple[Any, ...]:
    """Pulled tasks before pushed ones, by name or index (``writes_sort_key`` of langgraph-checkpoint)."""
    return (task.path[0], task.path[1] if task.path[0] == PULL else f"{task.path[1]:010d}")
