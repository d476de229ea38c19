"""The superstep machine: what a graph does next, with no I/O, no clock and no thread in it.

A run is a series of supersteps. In each, all triggered nodes run (somebody else runs them); what they wrote is
applied when the last of them is done; the channels that changed trigger the nodes of the next::

    begin(input)  ─▶  schedule(): tasks  ─▶  finished(task) | failed(task, error) | paused(task, interrupts)
                          ▲                                  │
                          └───────────  advance()  ◀─────────┘  when none is left

It writes what happens to the run's ``Log``. Rules and identifiers are LangGraph's (``langgraph/pregel/_algo.py``
and ``_loop.py``): step 0 hands the input on, nodes run from step 1, pushed tasks come before pulled ones, pulled
ones in the order of their names. A run that is saved has a ``Ledger`` of versions; one that is not does without.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Collection, Iterable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias
from uuid import UUID

from xxhash import xxh3_128_hexdigest

from lcel_compat._constants import (
    ERROR,
    ERROR_SOURCE,
    INPUT,
    INTERRUPT,
    NAMESPACE_SEPARATOR,
    NO_WRITES,
    PULL,
    PUSH,
    RESUME,
    ROOT,
    START,
    TASK_SEPARATOR,
    TASKS,
)
from lcel_compat._ledger import Ledger, statuses
from lcel_compat._log import Asked, Log, StateChanged, TaskFinished, TaskStarted
from lcel_compat._program import Node, Program, Writes
from lcel_compat._schema import Schema
from lcel_compat._serde import as_error
from lcel_compat.channels import Channel
from lcel_compat.errors import EmptyInputError, GraphRecursionError, NodeError
from lcel_compat.types import Interrupt, Send

if TYPE_CHECKING:
    from langgraph.checkpoint.base import Checkpoint

logger = logging.getLogger(__name__)

_PUSHED: Final = (PUSH,)
_HANDLER: Final = "node_error_handler"

Breakpoints: TypeAlias = Literal["*"] | Collection[str]
"""Nodes before or after which a run stops; ``"*"`` for all of them."""


@dataclass(slots=True, kw_only=True, eq=False)
class Task:
    """One node, about to run once.

    Attributes:
        id: LangGraph's task id: a hash of the checkpoint, the step, the node and what triggered it.
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
        packet: What it was sent, if it was.
        error: For an error handler: what it handles.
        consumes: The channels that it uses up: those that triggered it and stay until then.
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
    packet: Send | None = None
    error: NodeError | None = None
    consumes: tuple[str, ...] = ()


@dataclass(slots=True, kw_only=True, eq=False)
class Applied:
    """Writes that no task made: a run's input, or ``update_state``."""

    name: str
    path: tuple[Any, ...]
    writes: Writes
    triggers: tuple[str, ...] = ()
    consumes: tuple[str, ...] = ()


class Machine:
    """The state of one run and the rules by which it changes.

    Args:
        program: The graph.
        log: Where to write what happens.
        output_keys: The keys that the run's output and the ``values`` mode show; one alone is shown without a dict.
        namespace: The namespace of the task that runs this graph, ``""`` for the outermost.
        metadata: The run's metadata, for every task.
        tags: The run's tags, for every task.
        recursion_limit: How many supersteps the run may take.
        ledger: The versions, if the run is saved.

    Attributes:
        step: The superstep that is next, or is running.
        stop: The last superstep that the run may take.
        tasks: The tasks of the superstep, by id.
        output_keys: The keys that the output shows.
        changed_output: Whether anything that the output shows has been written.
    """

    def __init__(
        self,
        program: Program,
        log: Log,
        *,
        output_keys: str | tuple[str, ...],
        namespace: str = "",
        metadata: Mapping[str, Any] | None = None,
        tags: Sequence[str] = (),
        recursion_limit: int = 1,
        ledger: Ledger | None = None,
    ) -> None:
        self.program = program
        self.ledger = ledger
        self.step = -1
        self.stop: int = recursion_limit
        self.tasks: dict[str, Task] = {}
        self.changed_output = False
        self.channels: dict[str, Channel] = {k: c.fresh() for k, c in program.channels.items()}
        self._log = log
        self.output_keys = keys_of(output_keys)
        self._read = program.reader(output_keys)
        self._output_keys = frozenset(self.output_keys)
        self._keys = frozenset(program.state)
        self._views: dict[int, dict[str, Any]] = {}
        self._limit = recursion_limit
        self._prefix = f"{namespace}{NAMESPACE_SEPARATOR}" if namespace else ""
        self._metadata = metadata or {}
        self._tags = tags
        self._seed = os.urandom(16) if ledger is None else b""
        self._transient: Sequence[str] = ()
        self._updated: set[str] | None = set()

    # Beginning -----------------------------------------------------------------------------------------

    def restore(self, checkpoint: Checkpoint, step: int) -> None:
        """Take the state of a checkpoint; ``step`` is the superstep that comes after it."""
        for name, value in checkpoint["channel_values"].items():
            if name in self.channels:
                self.channels[name].restore(value)
        self._transient = [n for n, c in self.channels.items() if c.transient and c.available]
        self._views.clear()
        self.step = step
        self.stop = step + self._limit + 1

    def begin(self, value: Any) -> None:
        """Take the input of a new run; what was left to do in the thread is dropped.

        Raises:
            EmptyInputError: If there is no input.
        """
        if value is None:
            raise EmptyInputError(
                f"The graph {self.program.name!r} was run without input (None). Pass a dict with some of its"
                f" keys ({', '.join(repr(k) for k in self.program.input.keys)}); an empty dict is fine."
            )
        left = self._due() if self.ledger is not None else ()
        given = Applied(name=INPUT, path=(), writes=[(START, value)])
        self._updated = self.apply([*left, given])
        self.note_updated()

    def inject(self, writes: Writes) -> None:
        """Apply what a command given as input writes; it belongs to the superstep that is next."""
        updated = self.apply([Applied(name=INPUT, path=(), writes=writes)])
        if self._updated is not None:
            self._updated |= updated

    def resume(self, updated: set[str] | None) -> None:
        """The run goes on from a checkpoint, with what the superstep before it changed (``None``: not known)."""
        self._updated = updated

    def show_state(self, interrupts: tuple[Interrupt, ...] = ()) -> None:
        """Write the state as it is to the log."""
        self.changed_output = True
        if self._log.wants(StateChanged):
            self._log.write(StateChanged(step=self.step, read=self.output, interrupts=interrupts))

    # Supersteps ----------------------------------------------------------------------------------------

    def schedule(self) -> None:
        """Find the tasks of the superstep that is next; there are none if the run is complete."""
        self.tasks = {task.id: task for task in self._due()}

    def check_limit(self) -> None:
        """Refuse a superstep too many, even one in which nothing runs, as LangGraph does.

        Raises:
            GraphRecursionError: If the run is not finished after as many supersteps as it may take.
        """
        if self.step > self.stop:
            raise GraphRecursionError(
                f"The graph {self.program.name!r} took {self._limit} supersteps, its recursion_limit, without"
                ' coming to an end. If it is meant to take more, pass {"recursion_limit": N} in the config;'
                " if not, look for a loop whose conditional edge never leaves it."
            )

    def reapply(self) -> None:
        """Give the tasks back what they wrote before the run was stopped; those that finished do not run again."""
        if self.ledger is None or not self.ledger.pending:
            return
        found = statuses(self.ledger.pending)
        for task_id, status in found.items():
            if task_id in self.tasks:
                self.tasks[task_id].writes.extend(status.output)
        handled = {task_id for task_id, name, _ in self.ledger.pending if name == ERROR_SOURCE}
        for task in [t for t in self.tasks.values() if t.id in handled and t.node.handler]:
            error = as_error(found[task.id].error)
            task.writes.append((ERROR, error))
            self.handler_of(task, error)

    def announce(self) -> None:
        """The tasks are about to run; those that have run before show what they wrote."""
        starts = self._log.wants(TaskStarted)
        if not starts and self.ledger is None:
            return
        shown = [task for task in self.tasks.values() if not task.node.hidden]
        if starts:
            for task in shown:
                self._log.write(TaskStarted(task=task))
        for task in shown:
            if task.writes:
                self._log.write(TaskFinished(task=task, writes=task.writes, cached=True))

    def finished(self, task: Task) -> TaskFinished:
        """A task is done; to be kept, and then shown."""
        remembered = self.ledger is not None or task.node.cache is not None
        if remembered and all(name == RESUME for name, _ in task.writes):
            task.writes.append((NO_WRITES, None))
        return TaskFinished(task=task, writes=task.writes)

    def failed(self, task: Task, error: BaseException) -> TaskFinished:
        """A task raised; to be kept, and then shown."""
        task.writes.append((ERROR, error))
        if is_handled(task, error):
            task.writes.append((ERROR_SOURCE, task.name))
        return TaskFinished(task=task, writes=task.writes, error=error)

    def paused(self, task: Task, interrupts: tuple[Interrupt, ...]) -> TaskFinished:
        """A task waits for answers; to be kept, and then shown."""
        writes = [(INTERRUPT, interrupts), *(w for w in task.writes if w[0] == RESUME)]
        return TaskFinished(task=task, writes=writes, interrupts=interrupts)

    def show(self, entry: TaskFinished) -> None:
        """Write to the log that a task is over."""
        if entry.task.node.hidden:
            return
        if entry.interrupts:
            self._log.write(Asked(interrupts=entry.interrupts))
            self.show_state(entry.interrupts)
        self._log.write(entry)

    def handler_of(self, task: Task, error: BaseException) -> Task:
        """The task that handles a failed one's error, in the same superstep."""
        node = self.program.nodes[str(task.node.handler)]
        path = (*task.path[:3], _HANDLER)
        handler = self._task(node, path, _PUSHED, task.input, parts=(PUSH, _HANDLER, task.id))
        handler.error = NodeError(node=task.name, error=error)
        self.tasks[handler.id] = handler
        return handler

    def advance(self) -> bool:
        """All tasks are done: apply what they wrote; whether that is to be shown.

        Raises:
            InvalidUpdateError: If the writes of this superstep contradict each other.
        """
        self._updated = self.apply(list(self.tasks.values()))
        self.note_updated()
        return not self._updated.isdisjoint(self._output_keys)

    def stopped(self) -> None:
        """The run waits: show the state with what the finished tasks of its last superstep wrote."""
        if any(task.writes for task in self.tasks.values()):
            updated = self.apply(list(self.tasks.values()))
            if not updated.isdisjoint(self._output_keys):
                self.show_state()

    def breaks(self, at: Breakpoints) -> bool:
        """Whether the run stops at one of these tasks."""
        tasks = self.tasks.values()
        hit = any(not t.node.hidden if at == "*" else t.name in at for t in tasks)
        return hit and (self.ledger is None or self.ledger.changed_since_interrupt())

    # The state -----------------------------------------------------------------------------------------

    @property
    def checkpoint_id(self) -> str:
        """The checkpoint that the superstep starts from; made up, one for each superstep, if the run is not saved."""
        if self.ledger is not None:
            return self.ledger.id
        return str(UUID(int=(int.from_bytes(self._seed) + self.step) % (1 << 128)))

    def output(self) -> Any:
        """The state as the run's output shows it."""
        return self._read(self.channels)

    def peek(self, writes: Writes, schema: Schema) -> Any:
        """The part of the state a schema declares, as if one task's writes alone had been applied to it."""
        mine: dict[str, list[Any]] = {}
        for key, value in writes:
            mine.setdefault(key, []).append(value)
        channels = {k: self.channels[k] for k in schema.keys}
        for key in mine.keys() & channels.keys():
            channels[key] = channels[key].copy()
            channels[key].update(mine[key])
        return self._read_schema(channels, schema)

    def apply(self, tasks: Sequence[Task | Applied]) -> set[str]:
        """Apply writes to the channels as one superstep; the names of those that changed and are available.

        What only comes in (an input, a command) ends no superstep: values that are there for one stay.
        """
        channels, ledger = self.channels, self.ledger
        changed: list[str] = []
        updated: set[str] = set()
        grouped: dict[str, list[Any]] = {}
        ends = False
        for task in sorted(tasks, key=_write_order) if len(tasks) > 1 else tasks:
            ends = ends or bool(task.triggers)
            if ledger is not None:
                ledger.see(task.name, task.triggers)
            if task.consumes:
                changed += [name for name in task.consumes if channels[name].consume()]
            for name, value in task.writes:
                if name in channels:
                    grouped.setdefault(name, []).append(value)
        for name, values in grouped.items():
            channel = channels[name]
            if channel.update(values):
                changed.append(name)
                if channel.available:
                    updated.add(name)
        changed += self._end_superstep(grouped, updated, ends=ends)
        if self._views:
            self._refresh(changed)
        if ledger is not None:
            ledger.bump(changed)
        return updated

    def _end_superstep(self, written: Collection[str], updated: set[str], *, ends: bool) -> list[str]:
        """What was there for one superstep expires, what was deferred is due; the channels that this changed."""
        if not ends:
            self._transient = [*self._transient, *(name for name in written if self.channels[name].transient)]
            return []
        changed = [name for name in self._transient if name not in written and self.channels[name].update(())]
        self._transient = [name for name in written if self.channels[name].transient]
        if self.program.deferred and updated.isdisjoint(self.program.listeners):
            # Nothing is left to run but what was deferred until now.
            due = [name for name in self.program.deferred if self.channels[name].finish()]
            changed += due
            updated.update(name for name in due if self.channels[name].available)
        return changed

    def note_updated(self) -> None:
        """The next checkpoint says what changed before it."""
        if self.ledger is not None:
            self.ledger.updated = self._updated

    # Tasks ---------------------------------------------------------------------------------------------

    def _due(self) -> list[Task]:
        nodes = self.program.nodes
        tasks = [
            self._task(nodes[packet.node], (PUSH, index), _PUSHED, packet.arg, parts=(PUSH, str(index)), packet=packet)
            for index, packet in enumerate(_packets(self.channels[TASKS]))
            if self._is_node(packet)
        ]
        inputs: dict[int, Any] = {}
        for name in self._triggered():
            node = nodes[name]
            value = self._input(node, inputs)
            tasks.append(self._task(node, (PULL, name), node.triggers, value, parts=(PULL, *node.triggers)))
        return tasks

    def ahead(self, node: Node, step: int) -> Task:
        """The task that a node will be in a superstep to come, before its input is known; not of a saved run.

        Its start is shown as core shows that of a run whose input is a stream (runnables/base.py:2641).
        """
        later = copy(self)
        later.step = step
        return later._task(node, (PULL, node.name), node.triggers, {"input": ""}, parts=(PULL, *node.triggers))

    def _is_node(self, packet: Any) -> bool:
        if isinstance(packet, Send) and packet.node in self.program.nodes:
            return True
        logger.warning("A packet is left out, since the graph has no such node: %r", packet)
        return False

    def _triggered(self) -> Sequence[str]:
        """The names of the nodes that run next, in order."""
        program, ledger = self.program, self.ledger
        if self._updated or ledger is None:
            listeners = program.listeners
            names: Iterable[str] = sorted({n for channel in self._updated or () for n in listeners.get(channel, ())})
        else:
            names = program.nodes if ledger.versions else ()
        if ledger is None:
            return list(names)
        return [n for n in names if ledger.triggers(n, self._available(program.nodes[n].triggers))]

    def _available(self, names: Iterable[str]) -> list[str]:
        return [name for name in names if self.channels[name].available]

    def _input(self, node: Node, inputs: dict[int, Any]) -> Any:
        """A node's input; nodes with the same schema get equal inputs, each mapping its own copy."""
        if node.body is None:
            return self.channels[START].value
        key = id(node.schema)
        if key in inputs:
            return copy(inputs[key])
        inputs[key] = self._current(node.schema)
        return inputs[key]

    def _current(self, schema: Schema) -> Any:
        """The part of the state that a schema declares, as it is now.

        Of a wide state few keys change in a superstep, so the values are kept between the nodes that read them.
        """
        if schema.is_root:
            return self._read_schema(self.channels, schema)
        view = self._views.get(id(schema))
        if view is None:
            view = self._views[id(schema)] = _values(self.channels, schema)
        return self._built(schema, dict(view))

    def _refresh(self, changed: Iterable[str]) -> None:
        """Some channels have changed: so have the views of them."""
        for view in list(self._views.values()):
            for name in changed:
                available = name in self._keys and self.channels[name].available
                if name in view and available:
                    view[name] = self.channels[name].value
                elif name in view or available:
                    self._views.clear()  # a key appeared or is gone; a view has them in the order of the schema
                    return

    def _built(self, schema: Schema, values: dict[str, Any]) -> Any:
        if schema.managed:
            values |= schema.computed(self.step, self.stop)
        return values if schema.build is None else schema.build(values)

    def _read_schema(self, channels: Mapping[str, Channel], schema: Schema) -> Any:
        if schema.is_root:
            return channels[ROOT].value if channels[ROOT].available else None
        return self._built(schema, _values(channels, schema))

    def _task(
        self,
        node: Node,
        path: tuple[Any, ...],
        triggers: tuple[str, ...],
        value: Any,
        *,
        parts: tuple[str, ...],
        packet: Send | None = None,
    ) -> Task:
        scope = f"{self._prefix}{node.name}"
        task_id = self._identifier(scope, node.name, *parts)
        namespace = f"{scope}{TASK_SEPARATOR}{task_id}"
        full_path = (*path, False) if path[0] == PUSH or len(path) > 2 else path
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
            packet=packet,
            consumes=node.consumes if triggers is node.triggers else (),
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
        seed = self._seed if self.ledger is None else bytes.fromhex(self.ledger.id.replace("-", ""))
        digest = xxh3_128_hexdigest(seed + f"{scope}{self.step}{''.join(parts)}".encode())
        return f"{digest[:8]}-{digest[8:12]}-{digest[12:16]}-{digest[16:20]}-{digest[20:]}"


def _values(channels: Mapping[str, Channel], schema: Schema) -> dict[str, Any]:
    return {key: channel.value for key in schema.channels if (channel := channels[key]).available}


def _packets(channel: Channel) -> Sequence[Any]:
    return channel.value if channel.available else ()


def is_handled(task: Task, error: BaseException | None) -> bool:
    """Whether the error of a task is for its error handler; what stops a program is not."""
    return task.node.handler is not None and isinstance(error, Exception)


def keys_of(keys: str | tuple[str, ...]) -> tuple[str, ...]:
    """The keys, of which one may stand alone."""
    return (keys,) if isinstance(keys, str) else keys


def path_text(path: Any) -> str:
    """A task's path as savers order the writes of a superstep by it (``task_path_str`` of LangGraph)."""
    if isinstance(path, tuple):
        return f"~{', '.join(map(path_text, path))}"
    return f"{path:010d}" if isinstance(path, int) else str(path)


def _write_order(task: Task | Applied) -> str:
    """Pulled tasks before pushed ones, by name or index."""
    return path_text(task.path)
