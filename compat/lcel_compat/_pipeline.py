"""Streaming edges: a node that starts on the first chunk of the one before it, as the steps of a chain do.

``add_edge(a, b, stream=True)`` lets ``b`` begin before the superstep of ``a`` is over. Its body reads what ``a`` makes
while ``a`` makes it; then it waits for its own superstep, and only there does it write. So updates, values, tasks and
debug come in the order of the supersteps, and the state is at no time another one than without the stream. In between
the node's task is *ahead*::

    a's first chunk  ─▶  Opened  ─▶  b's body runs, ahead  ─▶  b's superstep: claimed  ─▶  b writes
                                                      └──────  there is none: abandoned

A stream is gathered, and the edge is one as any other, where reading ahead could not be taken back or could not be
told from the state: see ``feeds`` for what is known of a graph, and ``Pipes`` for what is known of a run. If ``a``
fails, so does what reads it, with the same error and after the same chunks; if ``b`` fails, ``a`` runs to its end and
``b`` has failed in its own superstep, with what ``a`` wrote in the state.
"""

from __future__ import annotations

import asyncio
import queue
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeAlias, runtime_checkable

from langchain_core.runnables import RunnableConfig

from lcel_compat.channels import Channel, LastValue

if TYPE_CHECKING:
    from lcel_compat._body import Body
    from lcel_compat._machine import Breakpoints, Machine, Task
    from lcel_compat._program import Node

Piece: TypeAlias = Mapping[str, Any]
"""Part of a state: some of its keys, or a chunk of the value of one."""


@runtime_checkable
class StreamableNode(Protocol):
    """A runnable that, as a node, can read its state in pieces and make its result in chunks.

    Attributes:
        reads: The state keys that its input is made of; ``None`` if it cannot say.
        writes: The state key that its result is the value of; ``None`` if the result has to be whole for an update.
    """

    @property
    def reads(self) -> frozenset[str] | None:
        """The state keys that its input is made of; ``None`` if it cannot say."""

    @property
    def writes(self) -> str | None:
        """The state key that its result is the value of; ``None`` if the result has to be whole for an update."""

    def chunks(self, pieces: Iterator[Piece], config: RunnableConfig | None = None) -> Iterator[Any]:
        """The chunks of its result, made while the pieces of its state come."""
        raise NotImplementedError

    def achunks(self, pieces: AsyncIterator[Piece], config: RunnableConfig | None = None) -> AsyncIterator[Any]:
        """The same, asynchronously."""
        raise NotImplementedError

    def update(self, result: Any) -> Any:
        """The update of the state, out of the sum of the chunks."""


def streamable(body: Body | None) -> StreamableNode | None:
    """What of a node's body can take part in a stream: the whole of it, or nothing."""
    runnables: Sequence[Any] = getattr(body, "runnables", ())
    return runnables[0] if len(runnables) == 1 and isinstance(runnables[0], StreamableNode) else None


def feeds(first: Node, second: Node, sources: Sequence[str], channels: Mapping[str, Channel]) -> bool:
    """Whether the second node of a streaming edge may read the chunks of the first.

    Not if one of them may run again or not at all (retry, cache, timeout, an error handler), since what was read of an
    attempt that failed cannot be taken back; if others lead to the second, too, or the first decides where to go; or if
    what the first writes is not what the second reads: another key, one that is folded, an input made by a function.

    Args:
        first: The node that is read.
        second: The node that reads.
        sources: The names of the nodes that may lead to the second, once for each edge.
        channels: The state's keys.
    """
    one, other = streamable(first.body), streamable(second.body)
    if one is None or other is None or one.writes is None or other.reads is None:
        return False
    whole = second.schema.build is None and other.reads <= set(second.schema.keys)
    handed_on = one.writes in other.reads and type(channels[one.writes]) is LastValue
    once = not (_may_run_again(first) or _may_run_again(second))
    return whole and handed_on and once and not first.branches and list(sources) == [first.name]


def _may_run_again(node: Node) -> bool:
    return bool(node.retry or node.cache or node.timeout or node.handler or node.handles)


class Abandoned(BaseException):
    """The node that another one reads was ended from outside. Ends that one too; it never reaches a caller."""


@dataclass(slots=True)
class Opened:
    """What a node posts when its first chunk is there, for each node that may read it."""

    flow: Flow


@dataclass(slots=True, kw_only=True)
class Flow:
    """The chunks on their way from one node to another.

    They are not held back: the node that makes them keeps their sum anyway, and both are held by whoever reads what the
    run shows of them.

    Attributes:
        source: The task whose result they are.
        name: The node that reads them.
        key: The state key that they are parts of.
        items: The chunks, and at the end a mark or an exception.
        heard: Done when the node that reads them has come to their end, or to its own.
        turn: Done when the superstep of that node has come.
        post: Leaves a message for the run.
        known: What that node reads of the state beside them.
        opened: Whether there was a first chunk.
        closed: Whether nobody reads.
    """

    source: Task
    name: str
    key: str
    items: Any
    heard: Any
    turn: Any
    post: Callable[[Any], None]
    known: Piece = field(default_factory=dict)
    opened: bool = False
    closed: bool = False

    def put(self, chunk: Any) -> None:
        """Hand on a chunk; the first opens the stream."""
        if self.closed:
            return
        self.items.put_nowait({self.key: chunk})
        if not self.opened:
            self.opened = True
            self.post(Opened(self))

    def end(self, error: BaseException | None = None) -> None:
        """There are no more chunks, or the node that made them failed."""
        self.items.put_nowait(_END if error is None else error)

    def leave(self) -> None:
        """Nobody reads any more."""
        self.closed = True
        if not self.heard.done():
            self.heard.set_result(None)

    def __iter__(self) -> Iterator[Piece]:
        yield self.known
        while (item := self.items.get()) is not _END:
            yield _piece(item)

    async def __aiter__(self) -> AsyncIterator[Piece]:
        yield self.known
        while (item := await self.items.get()) is not _END:
            yield _piece(item)


@dataclass(frozen=True, slots=True)
class Whole:
    """A state that is there, as its own one piece."""

    state: Piece

    def __iter__(self) -> Iterator[Piece]:
        yield self.state

    async def __aiter__(self) -> AsyncIterator[Piece]:
        yield self.state


def _piece(item: Any) -> Piece:
    if isinstance(item, BaseException):
        raise item
    return item  # type: ignore[no-any-return]  # what put() made


class Pipes:
    """The streams of one run.

    Nothing is read ahead past a breakpoint: what a node would do after it must not have been done. Nor where a saver
    keeps the state between two nodes, which is for the run to say by not having any ``Pipes``.

    Args:
        machine: The run's machine.
        asynchronous: Whether the run is on an event loop.
        post: Leaves a message for the run's driver.
        before: The nodes that the run stops before.
        after: The nodes that the run stops after.
    """

    def __init__(
        self,
        machine: Machine,
        *,
        asynchronous: bool,
        post: Callable[[Any], None],
        before: Breakpoints,
        after: Breakpoints,
    ) -> None:
        self._machine = machine
        self._asynchronous = asynchronous
        self._post = post
        self._before = before
        self._after = after
        self._ahead: dict[str, Task] = {}
        self._flows: dict[Task, Flow] = {}
        self._all: list[Flow] = []

    def __len__(self) -> int:
        return len(self._ahead)

    def into(self, task: Task) -> Flow | None:
        """What a task reads, if it is ahead or was."""
        return self._flows.get(task)

    def takes(self, task: Task) -> bool:
        """Whether a task is at a streaming edge."""
        return bool(task.node.feeds) or task in self._flows

    def out_of(self, task: Task) -> list[Flow]:
        """Where the chunks of a task go."""
        if not task.node.feeds or _hits(self._after, task.name):
            return []
        return [self._flow(task, name) for name in task.node.feeds if self._follows(task, name)]

    def start(self, flow: Flow) -> Task:
        """The task that reads a stream, ahead of its superstep."""
        node = self._machine.program.nodes[flow.name]
        task = self._machine.ahead(node, flow.source.step + 1)
        reads = _reads(node) - {flow.key}
        state = self._machine.peek([], node.schema) if reads else {}
        flow.known = {key: state[key] for key in reads if key in state}
        self._ahead[task.id], self._flows[task] = task, flow
        return task

    def claim(self) -> set[Task]:
        """The superstep of some tasks has come: they are its tasks, and go on."""
        tasks, claimed = self._machine.tasks, set()
        for task_id in tasks.keys() & self._ahead.keys():
            task = self._ahead.pop(task_id)
            task.input, tasks[task_id] = tasks[task_id].input, task
            claimed.add(task)
        return claimed

    def go(self, task: Task) -> None:
        """Let a task that was claimed write."""
        turn = self._flows[task].turn
        if not turn.done():
            turn.set_result(None)

    def abandon(self) -> None:
        """The run is over; tasks whose superstep did not come end, and nobody waits for them."""
        for flow in self._all:
            flow.turn.cancel()
            flow.heard.cancel()
        self._ahead.clear()

    def _follows(self, task: Task, name: str) -> bool:
        """Whether a node may read ahead of what the tasks beside this one write."""
        node = self._machine.program.nodes[name]
        alone = len(self._machine.tasks) == 1 and task.id in self._machine.tasks
        return not _hits(self._before, name) and (alone or _reads(node) == {_writes(task.node)})

    def _flow(self, task: Task, name: str) -> Flow:
        items: Any = asyncio.Queue() if self._asynchronous else queue.SimpleQueue()
        heard, turn = self._future(), self._future()
        flow = Flow(
            source=task, name=name, key=_writes(task.node), items=items, heard=heard, turn=turn, post=self._post
        )
        self._all.append(flow)
        return flow

    def _future(self) -> Any:
        return asyncio.get_running_loop().create_future() if self._asynchronous else Future()


def _hits(at: Breakpoints, name: str) -> bool:
    return at == "*" or name in at


def _reads(node: Node) -> frozenset[str]:
    one = streamable(node.body)
    return frozenset() if one is None else one.reads or frozenset()


def _writes(node: Node) -> str:
    one = streamable(node.body)
    return "" if one is None else one.writes or ""


_END: Final = object()
