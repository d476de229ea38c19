"""The log of a run: everything that happens, in order, as typed entries.

Two things write it: the superstep machine (what the graph does) and the capture of callbacks (what the
runnables inside do). Every stream mode is a projection of it (package ``lcel_compat.modes``), so that one run
serves any number of modes.

The engine's entries, in the order in which a superstep writes them::

    Checkpointed?  TaskStarted*  (Emitted | Run... | Asked)*  TaskFinished*  StateChanged?

and what the capture writes for one run of a runnable::

    RunStarted  RunStreamed*  (RunEnded | RunFailed)

Nobody changes an entry once it is made. The classes are not frozen because a frozen dataclass takes twice as long to
make (0.7 instead of 0.35 µs, measured), and there are several for each token.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias
from uuid import UUID

if TYPE_CHECKING:
    from langchain_core.messages import BaseMessage

    from lcel_compat._machine import Task
    from lcel_compat.types import Interrupt

Namespace: TypeAlias = tuple[str, ...]
"""Where a graph runs: ``()`` for the outermost, one ``node:task_id`` for each level below."""


@dataclass(slots=True, kw_only=True)
class TaskStarted:
    """A node is about to run."""

    task: Task


@dataclass(slots=True, kw_only=True)
class TaskFinished:
    """A node has run, and ``writes`` are what it did to the channels.

    If it raised, ``error`` is set, and the error is among the writes under the special name ``__error__``. There may be
    others before it: the update of a node whose conditional edge failed. If it waits for answers, ``interrupts`` says
    for which. A ``cached`` one did not run now: its writes were kept from before.
    """

    task: Task
    writes: Sequence[tuple[str, Any]] = ()
    error: BaseException | None = None
    interrupts: tuple[Interrupt, ...] = ()
    cached: bool = False


@dataclass(slots=True, kw_only=True)
class Asked:
    """The run waits for answers; without any, it stopped before or after a node because it was told to."""

    interrupts: tuple[Interrupt, ...] = ()


@dataclass(slots=True, kw_only=True)
class Checkpointed:
    """A checkpoint is made, and the tasks after it are known. ``read()`` builds the item of ``checkpoints``."""

    step: int
    read: Callable[[], dict[str, Any]]


@dataclass(slots=True, kw_only=True)
class StateChanged:
    """A superstep has been applied and at least one key of the output changed.

    ``read()`` builds the whole state; it costs as much as there are keys, so only who wants it calls it. With
    ``interrupts`` nothing has changed: the state is shown because the run waits for answers.
    """

    step: int
    read: Callable[[], Any]
    interrupts: tuple[Interrupt, ...] = ()


@dataclass(slots=True, kw_only=True)
class Emitted:
    """A node sent a value with its stream writer."""

    value: Any


RunType: TypeAlias = Literal["chain", "prompt", "parser", "chat_model", "llm", "tool", "retriever"]


@dataclass(slots=True, kw_only=True)
class Run:
    """One run of one runnable, as its callbacks describe it.

    Attributes:
        id: The run's id.
        type: As in the event's name, ``on_{type}_start``.
        name: The run's name.
        tags: Its tags; the list object is shared by all events of the run, as core's is (EVENTS.md, rule 38).
        metadata: Its metadata, shared in the same way.
        parents: Ids of the runs above it, the root first (EVENTS.md, rule 4).
        inputs: What it was given, or ``None`` with ``has_inputs`` false while that is not known (rule 13).
    """

    id: UUID
    type: RunType | str
    name: str
    tags: list[str]
    metadata: dict[str, Any]
    parents: tuple[str, ...]
    inputs: Any = None
    has_inputs: bool = False
    tool_call_id: str | None = None
    _key: str | None = None

    @property
    def key(self) -> str:
        """The id as text, made when it is first asked for."""
        if self._key is None:
            self._key = str(self.id)
        return self._key


@dataclass(slots=True, kw_only=True)
class RunStarted:
    """A run began."""

    run: Run


@dataclass(slots=True, kw_only=True)
class RunStreamed:
    """A run gave a chunk of its output: a token, a parsed part, a partial update."""

    run: Run
    chunk: Any


@dataclass(slots=True, kw_only=True)
class RunEnded:
    """A run is complete. ``inputs`` is set when they became known only now (EVENTS.md, rule 15)."""

    run: Run
    output: Any
    inputs: Any = None


@dataclass(slots=True, kw_only=True)
class RunFailed:
    """A run raised."""

    run: Run
    error: BaseException


@dataclass(slots=True, kw_only=True)
class Dispatched:
    """Somebody called ``dispatch_custom_event``; ``run`` is the run they were in (EVENTS.md, rule 12)."""

    name: str
    data: Any
    run_id: UUID
    tags: list[str]
    metadata: dict[str, Any]
    parents: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pushed:
    """Code in a node handed out a message that no run has as its result yet."""

    message: BaseMessage
    metadata: Mapping[str, Any]


Entry: TypeAlias = (
    TaskStarted
    | TaskFinished
    | StateChanged
    | Asked
    | Checkpointed
    | Emitted
    | RunStarted
    | RunStreamed
    | RunEnded
    | RunFailed
    | Dispatched
    | Pushed
)


class Projection(Protocol):
    """A stream mode at work: turns the entries it reads into items."""

    reads: tuple[type[Entry], ...]
    """The kinds of entries it wants to be given."""

    def project(self, entry: Any) -> Iterable[Any]:
        """The items that this entry gives rise to, in order."""


@dataclass(frozen=True, slots=True)
class Reader:
    """A projection, and where its items go."""

    projection: Projection
    emit: Callable[[Any], None]


class Log:
    """The ordered log of one run, handed on entry by entry to the projections that read it.

    Args:
        readers: The projections, in the order in which their items come where several read one entry.
        lock: What whoever writes holds; that of the consumer, to whom graphs inside may give items of their own.

    Nothing is kept: an entry exists while its projections look at it. Entries arrive from the driver and from
    threads that run nodes; the lock makes one order of them.
    """

    __slots__ = ("_lock", "_readers")

    def __init__(self, readers: Sequence[Reader] = (), lock: threading.RLock | None = None) -> None:
        found: dict[type, list[tuple[Callable[[Any], Iterable[Any]], Callable[[Any], None]]]] = {}
        for reader in readers:
            for kind in reader.projection.reads:
                found.setdefault(kind, []).append((reader.projection.project, reader.emit))
        self._readers = found
        self._lock = lock or threading.RLock()

    def wants(self, kind: type[Entry]) -> bool:
        """Whether any projection reads this kind of entry, so that it is worth making."""
        return kind in self._readers

    def write(self, entry: Entry) -> None:
        """Add an entry; its items are with their consumers' queues when this returns."""
        readers = self._readers.get(type(entry))
        if readers is None:
            return
        with self._lock:
            for project, emit in readers:
                for item in project(entry):
                    emit(item)
