"""Saving a run: its checkpoints and what its tasks write, through any saver of langgraph-checkpoint.

Whatever is to be saved goes through one queue in the order in which it happened, so that what a superstep wrote is
saved before the checkpoint that contains it. When a run waits for the queue is its ``durability``:

``sync``   when a task has written and when a superstep is applied, before anybody is told or anything else starts
``async``  at the end of the run, or when the saver is far behind; meanwhile the next superstep runs
``exit``   nothing is saved before the end
"""

from __future__ import annotations

import asyncio
import inspect
from collections import deque
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from contextvars import copy_context
from copy import copy
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, TypeAlias, cast

from langchain_core.runnables import RunnableConfig

from lcel_compat._constants import NAMESPACE_SEPARATOR, TASK_SEPARATOR
from lcel_compat._layouts import migrated
from lcel_compat._ledger import Ledger, new_versions
from lcel_compat._machine import Machine, path_text
from lcel_compat._program import Program
from lcel_compat._serde import from_wire_checkpoint, from_wire_writes, to_wire_checkpoint, to_wire_writes
from lcel_compat.channels import MISSING
from lcel_compat.types import Durability

if TYPE_CHECKING:
    from langgraph.checkpoint.base import BaseCheckpointSaver, CheckpointTuple

    from lcel_compat._execute import Colour

Steps: TypeAlias = Generator[Any, Any, Any]
"""Yields what may have to be awaited, is sent the result, returns its own."""
_FAR_BEHIND: Final = 256
"""Jobs that a saver may be behind before the run waits for it, so that a slow one costs bounded memory."""
_CHANGEABLE: Final = frozenset({list, dict, set})
Job: TypeAlias = Callable[[], Any]


class ThreadQueue:
    """Does jobs one after the other in a thread of its own, while the run goes on."""

    def __init__(self) -> None:
        self._pool: ThreadPoolExecutor | None = None
        self._open: deque[Future[Any]] = deque()
        self._failed = False

    def add(self, job: Job, what: str = "what a run did") -> None:
        """Do this when what came before is done; ``what`` it is, for the error's note."""
        self.check()
        self._pool = self._pool or ThreadPoolExecutor(1, "lcel-compat-saver")
        self._open.append(self._pool.submit(copy_context().run, self._do, job, what))

    def _do(self, job: Job, what: str) -> None:
        """Do a job, unless one before it failed: a checkpoint without the one before it would be of no use."""
        if self._failed:
            return
        try:
            job()
        except BaseException as error:
            self._failed = True
            _say_what(error, what)
            raise

    @property
    def behind(self) -> bool:
        """Whether so much is to be done that the run should wait for it."""
        return len(self._open) >= _FAR_BEHIND

    def check(self) -> None:
        """Raise what a job has raised."""
        while self._open and self._open[0].done():
            self._open.popleft().result()

    def wait(self) -> None:
        """Return when everything is done; raise what a job has raised."""
        while self._open:
            self._open.popleft().result()

    def close(self) -> None:
        """Let the thread go."""
        if self._pool is not None:
            self._pool.shutdown(wait=True)


class TaskQueue:
    """Does jobs one after the other in a task of the event loop, while the run goes on."""

    def __init__(self) -> None:
        self._jobs: deque[tuple[Job, str]] = deque()
        self._worker: asyncio.Task[None] | None = None

    def add(self, job: Job, what: str = "what a run did") -> None:
        """Do this when what came before is done; ``what`` it is, for the error's note."""
        self.check()
        self._jobs.append((job, what))
        if self._worker is None:
            self._worker = asyncio.get_running_loop().create_task(self._work(), name="lcel-compat-saver")

    @property
    def behind(self) -> bool:
        """Whether so much is to be done that the run should wait for it."""
        return len(self._jobs) >= _FAR_BEHIND

    def check(self) -> None:
        """Raise what a job has raised."""
        if self._worker is not None and self._worker.done():
            worker, self._worker = self._worker, None
            worker.result()

    async def wait(self) -> None:
        """Return when everything is done; raise what a job has raised."""
        while self._worker is not None:
            await asyncio.wait([self._worker])
            self.check()

    def close(self) -> None:
        """There is nothing to let go."""

    async def _work(self) -> None:
        what = ""
        try:
            while self._jobs:
                job, what = self._jobs.popleft()
                await job()
        except BaseException as error:
            self._jobs.clear()
            _say_what(error, what)
            raise  # whoever looks at the worker next finds it
        self._worker = None


@dataclass(slots=True, kw_only=True)
class Keeper:
    """Keeps one run in one thread.

    Attributes:
        saver: Where.
        program: The graph.
        colour: How the saver is called.
        durability: When the run waits.
        config: Addresses the checkpoint that the run stands at.
        before: Addresses the one before it, if there is one.
        metadata: What was saved with it.
        parents: The checkpoints of the graphs around this one, by namespace.
        addressed: Whether the run was told at which checkpoint to begin.
        superseded: Whether it began at one that the thread has moved past.
    """

    saver: BaseCheckpointSaver[Any]
    program: Program
    colour: Colour
    durability: Durability
    config: RunnableConfig
    parents: Mapping[str, str]
    queue: ThreadQueue | TaskQueue
    before: RunnableConfig | None = None
    metadata: dict[str, Any] = field(default_factory=lambda: {"step": -2})
    addressed: bool = False
    superseded: bool = False
    _previous: dict[str, Any] = field(default_factory=dict)
    _saved: str = ""
    _ended: bool = False
    _written: set[str] = field(default_factory=set)
    _values: dict[str, Any] = field(default_factory=dict)

    @property
    def namespace(self) -> str:
        """The namespace under which the thread's checkpoints of this graph are."""
        return str(self.config["configurable"].get("checkpoint_ns") or "")

    def ask(self, method: str, *args: Any, **kwargs: Any) -> Any:
        """Call a method of the saver, in its asynchronous form where the run is asynchronous."""
        return self.colour.ask(self.saver, method, *args, **kwargs)

    # Loading -------------------------------------------------------------------------------------------

    def load(self, replay: Replay | None) -> Steps:
        """Find the checkpoint that the run begins at.

        Returns:
            The ledger, and the checkpoint or ``None`` for a new thread.
        """
        saved: CheckpointTuple | None
        self.addressed = bool(self.config["configurable"].get("checkpoint_id"))
        if self.addressed:
            saved = yield self.ask("get_tuple", self.config)
            self.superseded = saved is not None and (yield from self._is_superseded(saved))
        elif replay is not None:
            saved = yield from replay.find(self)
        else:
            saved = yield self.ask("get_tuple", self.config)
        saved = None if saved is None else decoded(saved, self.program)
        ledger = self._stand_at(saved)
        return ledger, None if saved is None else saved.checkpoint

    def _stand_at(self, saved: CheckpointTuple | None) -> Ledger:
        if saved is None:
            ledger = Ledger(self.saver.get_next_version)
        else:
            ledger = Ledger(self.saver.get_next_version, saved.checkpoint, saved.pending_writes or ())
            configurable = {**self.config["configurable"], **saved.config["configurable"]}
            self.config = cast("RunnableConfig", {**self.config, "configurable": configurable})
            self.before, self.metadata = saved.parent_config, dict(saved.metadata)
        self._previous, self._saved = dict(ledger.versions), ledger.id
        return ledger

    def _is_superseded(self, saved: CheckpointTuple) -> Steps:
        newest = patched(self.config, checkpoint_id=None)
        latest: CheckpointTuple | None = yield self.ask("get_tuple", newest)
        return latest is not None and latest.checkpoint["id"] != saved.checkpoint["id"]

    # Saving --------------------------------------------------------------------------------------------

    def write(self, machine: Machine, task_id: str, writes: Sequence[tuple[str, Any]]) -> None:
        """Keep what a task wrote, so that it does not run again if the run is continued."""
        ledger = ledger_of(machine)
        kept = ledger.note(task_id, writes)
        self._written.add(task_id)
        if self.durability != "exit":
            self._put_writes(ledger.id, task_id, kept, machine)

    def _put_writes(
        self, checkpoint_id: str, task_id: str, writes: Sequence[tuple[str, Any]], machine: Machine
    ) -> None:
        task = machine.tasks.get(task_id)
        config = patched(self.config, checkpoint_ns=self.namespace, checkpoint_id=checkpoint_id)
        arguments = [config, to_wire_writes([(name, self._as_it_is(value)) for name, value in writes]), task_id]
        if takes_paths(self.saver, self.colour):
            arguments.append("" if task is None else path_text(task.path))
        who = "what came in" if task is None else f"what node {task.name!r} wrote"
        self.queue.add(lambda: self.ask("put_writes", *arguments), f"{who} to {', '.join(dict(writes))}")

    def advance(self, machine: Machine, source: str) -> None:
        """A superstep is applied: make its checkpoint, and save it unless that waits for the end of the run."""
        ledger = ledger_of(machine)
        ledger.advance(machine.step)
        self._written.clear()
        self.metadata = {"source": source, "step": machine.step, "parents": dict(self.parents)}
        if self.durability != "exit":
            self._put(machine)
        machine.step += 1

    def end(self, machine: Machine, failed: bool) -> None:
        """The run ends; what was not saved until now is."""
        if self._ended:
            return
        self._ended = True
        inner = any(TASK_SEPARATOR in part for part in self.namespace.split(NAMESPACE_SEPARATOR))
        if self.durability != "exit" or (inner and not failed):
            return
        ledger = ledger_of(machine)
        if ledger.id != self._saved:
            self._put(machine)
        # What was loaded with the checkpoint is kept with it already; under other numbers it would apply twice.
        owners = dict.fromkeys(owner for owner, _, _ in ledger.pending if owner in self._written)
        for owner in owners:
            writes = [(name, value) for task_id, name, value in ledger.pending if task_id == owner]
            self._put_writes(ledger.id, owner, writes, machine)

    def _put(self, machine: Machine) -> None:
        ledger = ledger_of(machine)
        self._take_values(machine, ledger.moved)
        moved = {name: ledger.versions[name] for name in ledger.moved if name in ledger.versions}
        versions = new_versions(self._previous, moved)
        self._previous.update(versions)
        ledger.moved = set()
        checkpoint = ledger.checkpoint(None, self._values)
        config = patched(self.config, checkpoint_ns=self.namespace)
        metadata = self.metadata
        what = f"the checkpoint of step {self.metadata['step']}"
        self.queue.add(lambda: self.ask("put", config, checkpoint, metadata, versions), what)
        self.before = self.config if self.config["configurable"].get("checkpoint_id") else None
        self.config = patched(config, checkpoint_id=ledger.id)
        self._saved = ledger.id

    def _take_values(self, machine: Machine, moved: Iterable[str]) -> None:
        """Of a wide state few keys change in a superstep; the values of the others are there from the one before."""
        found: dict[str, Any] = {}
        for name in moved:
            self._values.pop(name, None)
            channel = machine.channels.get(name)
            if channel is not None and (value := channel.checkpoint()) is not MISSING:
                found[name] = self._as_it_is(value)
        self._values.update(to_wire_checkpoint(found))

    def _as_it_is(self, value: Any) -> Any:
        """The value as it will be saved, although a later superstep may change it before the saver comes to it."""
        return copy(value) if type(value) in _CHANGEABLE and self.durability == "async" else value

    def wait(self) -> Any:
        """Something to finish: everything is saved."""
        return self.queue.wait()


class Replay:
    """A run that begins at an old checkpoint: its subgraphs begin at theirs of that time, once each.

    Args:
        checkpoint_id: Subgraphs begin at their latest checkpoint before this one.
    """

    def __init__(self, checkpoint_id: str) -> None:
        self.checkpoint_id = checkpoint_id
        self._seen: set[str] = set()

    def find(self, keeper: Keeper) -> Steps:
        """The checkpoint that a subgraph begins at."""
        namespace = keeper.namespace.rpartition(TASK_SEPARATOR)[0] or keeper.namespace
        if namespace in self._seen:
            return (yield keeper.ask("get_tuple", keeper.config))
        self._seen.add(namespace)
        before = {"configurable": {"checkpoint_id": self.checkpoint_id}}
        found = yield keeper.colour.listed(keeper.saver, keeper.config, before=before, limit=1)
        return found[0] if found else None


def _say_what(error: BaseException, what: str) -> None:
    remedy = " Values that the saver cannot write do not belong in the state." if isinstance(error, TypeError) else ""
    with suppress(Exception):  # an exception may refuse to be changed
        error.add_note(f"While saving {what}.{remedy}")


def takes_paths(saver: BaseCheckpointSaver[Any], colour: Colour) -> bool:
    """Whether a saver wants to know the path of the task that wrote; those older than the parameter do not."""
    return _takes_paths(colour.named(type(saver), "put_writes"))


@lru_cache(maxsize=64)
def _takes_paths(put_writes: Callable[..., Any]) -> bool:
    return "task_path" in inspect.signature(put_writes).parameters


def ledger_of(machine: Machine) -> Ledger:
    """The ledger of a run that is saved."""
    return cast("Ledger", machine.ledger)


def decoded(saved: CheckpointTuple, program: Program) -> CheckpointTuple:
    """What a saver gave, in today's layout and with our own types."""
    checkpoint = migrated(saved.checkpoint, program)
    values = from_wire_checkpoint(checkpoint["channel_values"])
    return saved._replace(
        checkpoint={**checkpoint, "channel_values": values}, pending_writes=from_wire_writes(saved.pending_writes)
    )


def patched(config: RunnableConfig, **entries: Any) -> RunnableConfig:
    """The configuration with these entries of ``configurable`` replaced."""
    return cast("RunnableConfig", {**config, "configurable": {**config.get("configurable", {}), **entries}})
