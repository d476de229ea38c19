"""Threads between runs: their state, their history, and how one changes them by hand.

Rules and forms are LangGraph's (``langgraph/pregel/main.py``: ``get_state``, ``bulk_update_state``). Each operation is
a generator that yields what may have to be awaited, so that ``get_state`` and ``aget_state`` are one.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast
from uuid import UUID, uuid4, uuid5

from langchain_core.runnables import RunnableConfig

from lcel_compat import _config
from lcel_compat._constants import CHECKPOINTER, END, INPUT, INTERRUPT, NAMESPACE_SEPARATOR, START, TASK_SEPARATOR
from lcel_compat._execute import Colour, Frame, Steps, written
from lcel_compat._keep import decoded, patched, takes_paths
from lcel_compat._ledger import Ledger, new_versions
from lcel_compat._log import Log
from lcel_compat._machine import Applied, Machine, Task, path_text
from lcel_compat._mailbox import Mailbox
from lcel_compat._program import Writes
from lcel_compat._request import Request, Settings
from lcel_compat._serde import to_wire_checkpoint, to_wire_writes
from lcel_compat._session import Session
from lcel_compat._snapshot import snapshot, with_map
from lcel_compat.errors import InvalidUpdateError
from lcel_compat.types import StateSnapshot, StateUpdate

if TYPE_CHECKING:
    from langgraph.checkpoint.base import BaseCheckpointSaver, CheckpointTuple

    from lcel_compat._stateful import Stateful

_COPY = "__copy__"
"""As the node of an update: copy the checkpoint, so that the thread goes on from there a second time."""


class ThreadOf:
    """One thread of one graph, addressed by a configuration.

    Args:
        graph: The graph.
        saver: What saves its runs.
        config: The configuration; its ``checkpoint_ns`` may address a graph inside.
        colour: How the saver is called.
    """

    def __init__(
        self,
        graph: Stateful,
        saver: BaseCheckpointSaver[Any],
        config: RunnableConfig,
        colour: Colour,
    ) -> None:
        self._graph = graph
        self._saver = saver
        self._colour = colour
        self._program = graph.program
        merged = _config.combine(graph.config, config)
        given = merged.get("configurable", {})
        if given.get("thread_id") is None:
            raise ValueError(
                'The configuration names no thread; pass {"configurable": {"thread_id": "..."}}, the one of the run.'
            )
        self._config = self._own(patched(merged, thread_id=str(given["thread_id"])))

    def _own(self, config: RunnableConfig) -> RunnableConfig:
        """A graph with one history for each thread stands at its path, without the ids of tasks."""
        if self._graph.checkpointer is not True:
            return config
        path = str(config["configurable"].get("checkpoint_ns") or "").split(NAMESPACE_SEPARATOR)
        stable = NAMESPACE_SEPARATOR.join(part.split(TASK_SEPARATOR)[0] for part in path)
        return patched(config, checkpoint_ns=stable)

    def _ask(self, method: str, *args: Any) -> Any:
        return self._colour.ask(self._saver, method, *args)

    # Looking -------------------------------------------------------------------------------------------

    def state(self, *, subgraphs: bool) -> Steps:
        """The state of the thread, a ``StateSnapshot``."""
        saved = yield self._ask("get_tuple", self._config)
        live = not self._config["configurable"].get("checkpoint_id")
        return (yield from self._snapshot(saved, recurse=subgraphs, live=live))

    def history(self, *, filter: dict[str, Any] | None, before: RunnableConfig | None, limit: int | None) -> Steps:
        """The states of the thread, the newest first."""
        config = patched(self._config, checkpoint_ns=self._config["configurable"].get("checkpoint_ns") or "")
        found = yield self._colour.listed(self._saver, config, filter=filter, before=before, limit=limit)
        states: list[StateSnapshot] = []
        for saved in found:
            states.append((yield from self._snapshot(saved, recurse=False, live=False)))
        return states

    def _snapshot(self, saved: CheckpointTuple | None, *, recurse: bool, live: bool) -> Steps:
        if saved is None:
            return StateSnapshot({}, (), self._config, None, None, None, (), ())
        saved = decoded(saved, self._program)
        machine = self._restored(saved)
        states: dict[str, Any] = {}
        for task in machine.tasks.values():
            if task.node.subgraph is not None:
                states[task.id] = yield from self._state_of(task, saved, recurse=recurse)
        if writes := cast("Ledger", machine.ledger).null_writes():
            machine.inject(writes)
        return snapshot(machine, saved, states, live=live, pending=cast("Ledger", machine.ledger).pending)

    def _state_of(self, task: Task, saved: CheckpointTuple, *, recurse: bool) -> Steps:
        """The state of a graph inside, or the configuration that addresses it."""
        thread = saved.config["configurable"]["thread_id"]
        config = cast("RunnableConfig", {"configurable": {"thread_id": thread, "checkpoint_ns": task.namespace}})
        if not recurse:
            return config
        return (yield from state_below(task.node.subgraph, self._saver, config, self._colour))

    def _restored(self, saved: CheckpointTuple) -> Machine:
        """The machine at a checkpoint, with the superstep that follows scheduled."""
        ledger = Ledger(self._saver.get_next_version, saved.checkpoint, saved.pending_writes or ())
        namespace = saved.config["configurable"].get("checkpoint_ns") or ""
        machine = self._machine(ledger, namespace)
        machine.restore(saved.checkpoint, saved.metadata.get("step", -1) + 1)
        machine.resume(None)
        machine.schedule()
        return machine

    def _machine(self, ledger: Ledger, namespace: str) -> Machine:
        keys = self._program.state
        return Machine(self._program, Log(), output_keys=keys, namespace=namespace, ledger=ledger)

    # Changing ------------------------------------------------------------------------------------------

    def update(self, supersteps: Sequence[Sequence[StateUpdate]]) -> Steps:
        """Apply updates as if nodes had made them; the configuration of the last checkpoint that this makes.

        Raises:
            ValueError: If there is nothing to apply.
            InvalidUpdateError: If an update cannot be applied, or it is not clear which node it is of.
        """
        if not supersteps or not all(supersteps):
            raise ValueError("There are no updates; pass at least one superstep with at least one StateUpdate.")
        config = self._config
        for number, updates in enumerate(supersteps):
            config = yield from self._superstep(self._own(config), list(map(_as_update, updates)), first=number == 0)
        return config

    def _superstep(self, config: RunnableConfig, updates: list[StateUpdate], *, first: bool) -> Steps:
        found: CheckpointTuple | None = yield self._ask("get_tuple", config)
        saved = None if found is None else decoded(found, self._program)
        namespace = config["configurable"].get("checkpoint_ns") or ""
        ledger = Ledger(self._saver.get_next_version)
        machine = self._machine(ledger, namespace) if saved is None else self._restored(saved)
        step = -1 if saved is None else saved.metadata.get("step", -1)
        config = patched(config, checkpoint_ns=namespace)
        if saved is not None:
            config = patched(config, **saved.config["configurable"])
        only = updates[0] if len(updates) == 1 else None
        special = next((u.as_node for u in updates if u.as_node in (INPUT, _COPY)), None)
        if special is not None and only is None:
            raise InvalidUpdateError(
                f"An update as {special!r} stands alone; there are {len(updates)} in its superstep."
            )
        if only is not None and only.as_node == _COPY:
            return (yield from self._copy(saved, only.values, step))
        if only is not None and only.values is None and only.as_node == END:
            self._clear(machine)
            return (yield from self._put(machine, config, saved, source="update", step=step + 1, clock=step))
        before = cast("Ledger", machine.ledger).id
        if only is not None and only.as_node == INPUT:
            applied = [Applied(name=INPUT, path=(), writes=[(START, only.values)])]
            ids, source, clock = [str(uuid5(UUID(before), INPUT))], "input", step + 1 if saved else -1
        else:
            named = self._named(updates, machine)
            applied = []
            for number, update in enumerate(named):
                applied.append((yield from self._applied(machine, update, number, config)))
            ids, source, clock = self._task_ids(machine, named, before), "update", step + 1
        if saved is not None and not (first and (yield from self._superseded(config, saved))):
            for task_id, writes in zip(ids, applied, strict=True):
                yield self._put_writes(config, writes, task_id)
        machine.apply(applied)
        return (yield from self._put(machine, config, saved, source=source, step=clock, clock=clock))

    def _clear(self, machine: Machine) -> None:
        """Nothing is left to do: what finished is applied, what did not is dropped."""
        machine.schedule()
        if writes := cast("Ledger", machine.ledger).null_writes():
            machine.inject(writes)
        machine.reapply()
        machine.apply(list(machine.tasks.values()))

    def _named(self, updates: list[StateUpdate], machine: Machine) -> list[StateUpdate]:
        """The updates, each with the node that it is of."""
        if len(updates) == 1 and updates[0].as_node is None:
            updates = [updates[0]._replace(as_node=self._last_node(cast("Ledger", machine.ledger)))]
        for update in updates:
            if update.as_node is None:
                raise InvalidUpdateError(
                    "It is not clear which node the update is of: say it with as_node. The nodes are"
                    f" {', '.join(repr(n) for n in self._program.nodes if n != START)}."
                )
            if update.as_node not in self._program.nodes:
                raise InvalidUpdateError(f"There is no node {update.as_node!r} that an update could be of.")
        return updates

    def _last_node(self, ledger: Ledger) -> str | None:
        """The node that ran last, if it ran alone."""
        nodes = self._program.nodes
        if len(nodes) == 1:
            return next(iter(nodes))
        if not any(seen for seen in ledger.seen.values()):
            return START
        ran = sorted(
            (version, name) for name, seen in ledger.seen.items() if name in nodes for version in seen.values()
        )
        if len(ran) == 1 or (ran and ran[-1][0] != ran[-2][0]):
            return ran[-1][1]
        return None

    def _task_ids(self, machine: Machine, updates: Iterable[StateUpdate], checkpoint: str) -> list[str]:
        """The ids of the tasks that the updates stand for, so that the history shows them as their results."""
        waiting: Mapping[str, deque[str]] = defaultdict(deque)
        for task in machine.tasks.values():
            waiting[task.name].append(task.id)
        ids: list[str] = []
        for number, update in enumerate(updates):
            free = waiting[str(update.as_node)]
            unknown = str(uuid5(UUID(checkpoint), f"{INTERRUPT}:{number}" if number else INTERRUPT))
            ids.append(update.task_id or (free.popleft() if free else unknown))
        return ids

    def _applied(self, machine: Machine, update: StateUpdate, number: int, config: RunnableConfig) -> Steps:
        """What a node would write if it returned these values, its conditional edges included."""
        node = self._program.nodes[str(update.as_node)]
        task = Task(
            id=update.task_id or "",
            name=node.name,
            path=(INTERRUPT, number),
            triggers=(INTERRUPT,),
            step=machine.step,
            namespace="",
            input=None,
            node=node,
            metadata={},
            tags=(),
        )
        writes: Writes = yield from written(task, self._frame(machine, config), config, update.values)
        return Applied(name=node.name, path=task.path, triggers=task.triggers, writes=writes)

    def _frame(self, machine: Machine, config: RunnableConfig) -> Frame:
        resolved = _config.resolve(None, config)
        settings = Settings(store=self._graph.store, context_schema=self._graph.context_schema)
        request = Request(value=None, config=resolved, settings=settings, parent=None, output_keys=self._program.state)
        session = Session(self._program, request, self._colour, Mailbox(1))
        session.machine = machine
        session.frame = Frame(
            session=session,
            machine=machine,
            colour=self._colour,
            config=resolved,
            open=None,
            run_id=uuid4(),
            taps=(),
            streaming=False,
            traced=False,
            writer=lambda value: None,
        )
        return session.frame

    def _superseded(self, config: RunnableConfig, saved: CheckpointTuple) -> Steps:
        """Whether the thread has moved past the checkpoint that was addressed."""
        if not self._config["configurable"].get("checkpoint_id"):
            return False
        latest = yield self._ask("get_tuple", patched(config, checkpoint_id=None))
        return latest is not None and latest.checkpoint["id"] != saved.checkpoint["id"]

    def _put_writes(self, config: RunnableConfig, applied: Applied, task_id: str) -> Any:
        arguments: list[Any] = [config, to_wire_writes(applied.writes), task_id]
        if takes_paths(self._saver, self._colour) and applied.path:
            arguments.append(path_text(applied.path))
        return self._ask("put_writes", *arguments)

    def _put(
        self,
        machine: Machine,
        config: RunnableConfig,
        saved: CheckpointTuple | None,
        *,
        source: str,
        step: int,
        clock: int,
    ) -> Steps:
        """Save the machine's state as a new checkpoint; the configuration that addresses it."""
        ledger = cast("Ledger", machine.ledger)
        before = {} if saved is None else saved.checkpoint["channel_versions"]
        parents = {} if saved is None else saved.metadata.get("parents", {})
        ledger.advance(clock)
        ledger.updated = None
        checkpoint = ledger.checkpoint(machine.channels)
        checkpoint["channel_values"] = to_wire_checkpoint(checkpoint["channel_values"])
        metadata = {"source": source, "step": step, "parents": parents}
        versions = new_versions(before, ledger.versions)
        made = yield self._ask("put", config, checkpoint, metadata, versions)
        return with_map(made, None if saved is None else saved.metadata)

    def _copy(self, saved: CheckpointTuple | None, values: Any, step: int) -> Steps:
        """Copy the checkpoint, and apply updates to the copy as if the tasks after it had made them."""
        if saved is None:
            raise InvalidUpdateError("The thread has no checkpoint that could be copied.")
        machine = self._restored(saved)
        ledger = cast("Ledger", machine.ledger)
        ledger.advance(step)
        ledger.updated = None
        checkpoint = ledger.checkpoint(None, to_wire_checkpoint(saved.checkpoint["channel_values"]))
        beside = saved.parent_config or patched(saved.config, checkpoint_id=None)
        metadata = {"source": "fork", "step": step + 1, "parents": saved.metadata.get("parents", {})}
        made = yield self._ask("put", beside, checkpoint, metadata, {})
        config = with_map(made, saved.metadata)
        if not isinstance(values, list) or not values:
            return config
        machine.step = step + 2
        machine.schedule()
        waiting: Mapping[str, deque[str]] = defaultdict(deque)
        for task in machine.tasks.values():
            waiting[task.name].append(task.id)
        grouped: dict[Any, list[StateUpdate]] = defaultdict(list)
        for item in values:
            if not isinstance(item, Sequence):
                raise InvalidUpdateError(f"{item!r} is no update of a copied checkpoint; pass (values, as_node).")
            free = waiting[item[1]]
            grouped[item[1]].append(StateUpdate(item[0], item[1], free.popleft() if free else None))
        flat = [update for updates in grouped.values() for update in updates]
        return (yield from self._superstep(self._own(cast("RunnableConfig", config)), flat, first=False))


def state_below(graph: Any, saver: Any, config: RunnableConfig, colour: Colour) -> Steps:
    """The state of a graph inside another, whichever library it is of."""
    if hasattr(graph, "program"):
        return (yield from ThreadOf(graph, saver, config, colour).state(subgraphs=True))
    return (yield colour.ask(graph, "get_state", patched(config, **{CHECKPOINTER: saver}), subgraphs=True))


def without_ids(namespace: str) -> str:
    """A namespace as the path of nodes: without the ids of tasks, and without the numbers of repeated calls."""
    parts = namespace.split(NAMESPACE_SEPARATOR)
    return NAMESPACE_SEPARATOR.join(part.split(TASK_SEPARATOR)[0] for part in parts if not part.isdigit())


def _as_update(update: Any) -> StateUpdate:
    return update if isinstance(update, StateUpdate) else StateUpdate(*update)
