"""Running one node: its callbacks, its body, its writes, its conditional edges.

The order of things is decided once, in generators that yield whatever may have to be awaited and are sent its
result. ``SYNC`` and ``ASYNC`` say how the same call is made in each colour; ``run_sync`` and ``run_async`` carry a
generator through.

What callbacks see is what LangGraph shows them (``langgraph/_internal/_runnable.py``): a chain run named after the
node, tagged ``graph:step:N``; in it the body, tagged ``seq:step:1``, and the paths of conditional edges; one chunk
with the result when it is there.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Generator, Iterable, Sequence
from contextlib import aclosing, closing, nullcontext
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeAlias, cast
from uuid import UUID

from langchain_core.callbacks import AsyncCallbackManager, CallbackManager
from langchain_core.callbacks.manager import AsyncCallbackManagerForChainRun, CallbackManagerForChainRun
from langchain_core.runnables import Runnable, RunnableConfig
from langchain_core.runnables.config import run_in_executor

from lcel_compat._asyncio import Clock, held_back, timed
from lcel_compat._attempts import Progress, attempts, is_plain
from lcel_compat._body import FunctionBody
from lcel_compat._capture import one
from lcel_compat._constants import END, NAMESPACE_SEPARATOR, TASKS, branch_channel
from lcel_compat._context import TaskScope, current_task
from lcel_compat._core import enter
from lcel_compat._guests import converted, guest_keys
from lcel_compat._keep import TaskQueue, ThreadQueue
from lcel_compat._machine import Machine, Task
from lcel_compat._mailbox import AsyncMailbox, Mailbox
from lcel_compat._pipeline import Abandoned, Flow, Pipes, StreamableNode, Whole, streamable
from lcel_compat._program import Branch
from lcel_compat._runs import OwnRun
from lcel_compat._sum import Sum
from lcel_compat.errors import ParentCommand
from lcel_compat.policies import TimeoutPolicy
from lcel_compat.types import Command, Send, StreamWriter

if TYPE_CHECKING:
    from lcel_compat._session import Session

_LOOK_AGAIN_AFTER: Final = 0.05
"""Seconds between two looks of a waiting thread at whether its run was abandoned."""
Steps: TypeAlias = Generator[Any, Any, Any]
"""A piece of a run: yields what may have to be awaited, is sent the result, returns its own."""
ChainRun: TypeAlias = CallbackManagerForChainRun | AsyncCallbackManagerForChainRun | OwnRun


class Colour(Protocol):
    """How the engine calls other people's code: directly, or by awaiting."""

    @property
    def manager(self) -> type[CallbackManager | AsyncCallbackManager]:
        """The class of the callback managers."""

    def call(self, body: FunctionBody, value: Any, arguments: dict[str, Any]) -> Any:
        """Call a function with a value and the arguments it wants."""

    def invoke(self, runnable: Runnable[Any, Any], value: Any, config: RunnableConfig) -> Any:
        """Run a runnable on a value."""

    def stream(self, chain: Sequence[tuple[Runnable[Any, Any], RunnableConfig]], value: Any) -> Any:
        """Stream a value through runnables, each reading the chunks of the one before; the sum of the chunks."""

    def pipe(self, node: StreamableNode, pieces: Any, config: RunnableConfig, flows: Iterable[Flow]) -> Any:
        """Stream pieces of a state through a node and into what leads from it; the sum of the chunks."""

    def wait(self, turn: Any) -> Any:
        """Wait until a future is done."""

    def tap(self, handler: Any, run_id: UUID, value: Any) -> Any:
        """Show a streaming handler one chunk of a run."""

    def ask(self, saver: Any, method: str, *args: Any, **kwargs: Any) -> Any:
        """Call a method of a saver, a store or a cache."""

    def named(self, saver: Any, method: str) -> Callable[..., Any]:
        """The method that ``ask`` calls."""

    def listed(self, saver: Any, *args: Any, **kwargs: Any) -> Any:
        """All that a saver's ``list`` gives."""

    def queue(self) -> ThreadQueue | TaskQueue:
        """What does jobs beside a run."""

    def room(self, mailbox: Mailbox) -> Any:
        """Wait until the consumer of a mailbox has caught up."""

    def sleep(self, seconds: float, session: Session) -> Any:
        """Wait, unless the run is abandoned meanwhile."""

    def timed(self, steps: Steps, scope: TaskScope, policy: TimeoutPolicy) -> Any:
        """Carry an attempt of a node through, unless it takes longer than its policy allows."""


class _Sync:
    manager = CallbackManager

    def call(self, body: FunctionBody, value: Any, arguments: dict[str, Any]) -> Any:
        if body.is_async:
            raise TypeError(
                f"{body.name or 'This function'!r} is asynchronous, and the graph was run synchronously. Use ainvoke,"
                " astream or astream_events, or give the node a synchronous function."
            )
        return body.function(value, **arguments)

    def invoke(self, runnable: Runnable[Any, Any], value: Any, config: RunnableConfig) -> Any:
        return runnable.invoke(value, config)

    def stream(self, chain: Sequence[tuple[Runnable[Any, Any], RunnableConfig]], value: Any) -> Any:
        chunks: Any = iter((value,))
        for index, (runnable, config) in enumerate(chain):
            chunks = runnable.transform(chunks, config) if index else runnable.stream(value, config)
        total = Sum()
        with closing(chunks) if hasattr(chunks, "close") else nullcontext():
            for chunk in chunks:
                total.add(chunk)
        return total.value

    def pipe(self, node: StreamableNode, pieces: Any, config: RunnableConfig, flows: Iterable[Flow]) -> Any:
        total, chunks = Sum(), cast("Any", node.chunks(iter(pieces), config))
        with closing(chunks):
            for chunk in chunks:
                total.add(chunk)
                for flow in flows:
                    flow.put(chunk)
        return total.value

    def wait(self, turn: Any) -> Any:
        return turn.result()

    def tap(self, handler: Any, run_id: UUID, value: Any) -> None:
        for _ in handler.tap_output_iter(run_id, iter((value,))):
            pass

    def ask(self, saver: Any, method: str, *args: Any, **kwargs: Any) -> Any:
        return self.named(saver, method)(*args, **kwargs)

    def named(self, saver: Any, method: str) -> Callable[..., Any]:
        return cast("Callable[..., Any]", getattr(saver, method))

    def listed(self, saver: Any, *args: Any, **kwargs: Any) -> list[Any]:
        return list(saver.list(*args, **kwargs))

    def queue(self) -> ThreadQueue:
        return ThreadQueue()

    def room(self, mailbox: Mailbox) -> None:
        mailbox.hold()

    def sleep(self, seconds: float, session: Session) -> None:
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0 and not session.abandoned:
            time.sleep(min(left, _LOOK_AGAIN_AFTER))

    def timed(self, steps: Steps, scope: TaskScope, policy: TimeoutPolicy) -> Any:
        raise ValueError(
            f"Node {scope.task.name!r} has a timeout, and the graph was run synchronously: a thread cannot be stopped."
            " Use ainvoke, astream or astream_events, or leave the timeout out."
        )


class _Async:
    manager = AsyncCallbackManager

    def call(self, body: FunctionBody, value: Any, arguments: dict[str, Any]) -> Awaitable[Any]:
        if body.is_async:
            return cast("Awaitable[Any]", body.function(value, **arguments))
        return run_in_executor(None, body.function, value, **arguments)

    def invoke(self, runnable: Runnable[Any, Any], value: Any, config: RunnableConfig) -> Awaitable[Any]:
        return runnable.ainvoke(value, config)

    async def stream(self, chain: Sequence[tuple[Runnable[Any, Any], RunnableConfig]], value: Any) -> Any:
        chunks: Any = one(value)
        for index, (runnable, config) in enumerate(chain):
            chunks = runnable.atransform(chunks, config) if index else runnable.astream(value, config)
        total = Sum()
        async with aclosing(chunks) if hasattr(chunks, "aclose") else nullcontext():
            async for chunk in chunks:
                total.add(chunk)
        return total.value

    async def pipe(self, node: StreamableNode, pieces: Any, config: RunnableConfig, flows: Iterable[Flow]) -> Any:
        total, chunks = Sum(), cast("Any", node.achunks(aiter(pieces), config))
        async with aclosing(chunks):
            async for chunk in chunks:
                total.add(chunk)
                for flow in flows:
                    flow.put(chunk)
        return total.value

    def wait(self, turn: Any) -> Any:
        return turn

    async def tap(self, handler: Any, run_id: UUID, value: Any) -> None:
        async for _ in handler.tap_output_aiter(run_id, one(value)):
            pass

    def ask(self, saver: Any, method: str, *args: Any, **kwargs: Any) -> Any:
        return self.named(saver, method)(*args, **kwargs)

    def named(self, saver: Any, method: str) -> Callable[..., Any]:
        return cast("Callable[..., Any]", getattr(saver, f"a{method}"))

    async def listed(self, saver: Any, *args: Any, **kwargs: Any) -> list[Any]:
        return [item async for item in saver.alist(*args, **kwargs)]

    def queue(self) -> TaskQueue:
        return TaskQueue()

    async def room(self, mailbox: Mailbox) -> None:
        if isinstance(mailbox, AsyncMailbox):
            await mailbox.room()
        else:
            mailbox.hold()

    def sleep(self, seconds: float, session: Session) -> Awaitable[None]:
        return asyncio.sleep(seconds)

    def timed(self, steps: Steps, scope: TaskScope, policy: TimeoutPolicy) -> Awaitable[Any]:
        session, work = scope.frame.session, run_async(steps)
        # The attempt is a task of its own, so that it is held back here and not where the node's task is.
        held = held_back(work, session.mailboxes) if session.emits else work
        return timed(held, scope.task.name, policy, cast("Clock", scope.clock))


SYNC: Final[Colour] = _Sync()
ASYNC: Final[Colour] = _Async()


def run_sync(steps: Steps) -> Any:
    """Carry a generator through, taking what it yields as the result itself."""
    try:
        value = next(steps)
        while True:
            value = steps.send(value)
    except StopIteration as end:
        return end.value


async def run_async(steps: Steps) -> Any:
    """Carry a generator through, awaiting what it yields."""
    try:
        pending = next(steps)
        while True:
            try:
                value = await pending
            except BaseException as error:
                pending = steps.throw(error)
            else:
                pending = steps.send(value)
    except StopIteration as end:
        return end.value


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """What the tasks of one run have in common.

    Attributes:
        session: The run.
        machine: The run's machine, for reading the state after a task's writes.
        colour: How code is called.
        config: The run's configuration.
        open: Starts the run of a node; ``None`` when nobody listens.
        run_id: The graph's own run, whether anybody listens or not.
        taps: The streaming handlers that are shown a node's result as a chunk.
        streaming: Whether runnables are streamed, because somebody looks at chunks.
        traced: Whether LangSmith's tracer listens.
        writer: What nodes send values with.
        pipes: The streams between nodes, if there may be some.
    """

    session: Session
    machine: Machine
    colour: Colour
    config: RunnableConfig
    open: Callable[[Task], Any] | None
    run_id: UUID
    taps: Sequence[Any]
    streaming: bool
    traced: bool
    writer: StreamWriter
    pipes: Pipes | None = None

    def node_config(self, scope: TaskScope) -> RunnableConfig:
        """The configuration of a node's body and conditional edges, while nobody listens.

        Its callback manager has no handlers, but a parent: ``dispatch_custom_event`` asks for one
        (callbacks/manager.py), and a handler that is added further down learns of it.
        """
        run, task = self.config, scope.task
        config: dict[str, Any] = {
            "tags": task.tags,
            "metadata": task.metadata,
            "callbacks": self.colour.manager(handlers=[], parent_run_id=self.run_id) if self.open is None else None,
            "recursion_limit": run["recursion_limit"],
            "configurable": {**run["configurable"], **self.session.coordinates(task), **guest_keys(scope)},
        }
        if "max_concurrency" in run:
            config["max_concurrency"] = run["max_concurrency"]
        return cast("RunnableConfig", config)


def execute(task: Task, frame: Frame) -> Steps:
    """Run a task, in a context of its own, until it has written what it writes."""
    scope = TaskScope(task, frame)
    current_task.set(scope)
    config = frame.node_config(scope)
    try:
        if is_plain(task):
            yield from _attempt(task, frame, config)
        else:
            yield from attempts(scope, lambda: _attempt(task, frame, frame.node_config(scope)))
    except Exception as raised:
        error = converted(raised)
        try:
            if not isinstance(error, ParentCommand):
                raise error from error.__cause__
            yield from _commanded(error.command, task, frame, config)
        finally:
            del error  # its traceback holds on to this frame


def _attempt(task: Task, frame: Frame, config: RunnableConfig) -> Steps:
    """Run a task once, with the run that callbacks see."""
    node = task.node
    if frame.open is None or (node.body is None and not node.branches):
        result = yield from _run_body(task, frame, config, None)
        yield from _write(task, frame, config, None, result)
        return
    run = frame.open(task)
    if type(run) is not OwnRun:
        run = yield run
    try:
        result = yield from _run_body(task, frame, config, run)
        yield from _write(task, frame, config, run, result)
        if frame.streaming:
            if type(run) is OwnRun:
                run.show(result)
            else:
                for handler in frame.taps:
                    yield frame.colour.tap(handler, run.run_id, result)
    except BaseException as error:
        if (told := run.on_chain_error(error)) is not None:
            yield told
        raise
    told_late = {} if frame.pipes is None or frame.pipes.into(task) is None else {"inputs": task.input}
    if (end := run.on_chain_end(result, **told_late)) is not None:
        yield end


def _commanded(command: Command[Any], task: Task, frame: Frame, config: RunnableConfig) -> Steps:
    """A command came up from a graph inside: take it as this task's result, or hand it on to the graph around.

    Raises:
        ParentCommand: If it is for the graph around this one.
    """
    own = NAMESPACE_SEPARATOR.join(_levels(task.namespace))
    if command.graph in (task.namespace, own, task.name):
        yield from _write(task, frame, config, None, replace(command, graph=None))
        return
    if command.graph != Command.PARENT:
        raise ParentCommand(command)
    raise ParentCommand(replace(command, graph=NAMESPACE_SEPARATOR.join(_levels(task.namespace)[:-1])))


def _levels(namespace: str) -> list[str]:
    """The tasks that a namespace names; numbers of repeated calls are no levels."""
    return [part for part in namespace.split(NAMESPACE_SEPARATOR) if not part.isdigit()]


def _run_body(task: Task, frame: Frame, config: RunnableConfig, run: ChainRun | None) -> Steps:
    """What the node does, to its result; ``START`` hands its input on."""
    body, value = task.node.body, task.input
    if body is None:
        return value
    if isinstance(body, FunctionBody):
        config = child_config(config, run, "seq:step:1")
        enter(config, run if frame.traced else None)
        result = yield frame.colour.call(body, value, _arguments(body, config))
        if type(result) is not dict and isinstance(result, Runnable):
            result = yield frame.colour.invoke(result, value, config)
        return result
    chain = [
        (runnable, child_config(config, run, f"seq:step:{number}")) for number, runnable in enumerate(body.runnables, 1)
    ]
    enter(chain[0][1], run if frame.traced else None)
    if frame.pipes is not None and frame.pipes.takes(task):
        return (yield from _piped(task, frame, frame.pipes, chain[0][1]))
    if frame.streaming:
        return (yield frame.colour.stream(chain, value))
    for runnable, own in chain:
        value = yield frame.colour.invoke(runnable, value, own)
    return value


def _piped(task: Task, frame: Frame, pipes: Pipes, config: RunnableConfig) -> Steps:
    """What a node at a streaming edge does: read what comes, hand on what it makes, and wait for its superstep."""
    node, read, flows = cast("StreamableNode", streamable(task.node.body)), pipes.into(task), pipes.out_of(task)
    failure: BaseException | None = None
    try:
        total = yield frame.colour.pipe(node, Whole(task.input) if read is None else read, config, flows)
    except Exception as error:
        failure = error
    except BaseException:
        failure = Abandoned()
        raise
    finally:
        for flow in flows:
            flow.end(failure)
    try:
        for flow in flows if failure is not None else ():
            if flow.opened:
                yield frame.colour.wait(flow.heard)
        if read is not None:
            read.leave()
            yield frame.colour.wait(read.turn)
    except BaseException as ended:
        raise failure or ended from ended.__cause__
    if failure is not None:
        raise failure
    return node.update(total)


def _arguments(body: FunctionBody, config: RunnableConfig) -> dict[str, Any]:
    """What a function asks for beside its value."""
    if not body.wants:
        return {}
    scope = cast("TaskScope", current_task.get())
    return body.arguments(config, scope.writer, scope.runtime, scope.task.error)


def _write(task: Task, frame: Frame, config: RunnableConfig, run: ChainRun | None, result: Any) -> Steps:
    """Write what the result writes, and where the conditional edges lead."""
    task.writes += task.node.writes(result)
    for number, branch in enumerate(task.node.branches, task.node.first_branch):
        own = child_config(config, run, f"seq:step:{number}")
        task.writes += yield from _follow(branch, task, frame, own, result)


def written(task: Task, frame: Frame, config: RunnableConfig, result: Any) -> Steps:
    """What a node writes if it returns this, with what its conditional edges say; nobody listens."""
    current_task.set(TaskScope(task, frame))
    yield from _write(task, frame, config, None, result)
    return task.writes


def _follow(branch: Branch, task: Task, frame: Frame, config: RunnableConfig, result: Any) -> Steps:
    """Ask a conditional edge where to go; what that writes."""
    value = frame.machine.peek(task.writes, branch.schema)
    if branch.passes_result and isinstance(value, dict) and isinstance(result, dict):
        value = {**result, **value}
    if isinstance(branch.path, FunctionBody):
        answer = yield from _ask(branch.path, frame, config, value)
    else:
        answer = yield frame.colour.invoke(branch.path.runnables[0], value, config)
    return [_route(target) for target in branch.destinations(task.name, answer) if target != END]


def _ask(path: FunctionBody, frame: Frame, config: RunnableConfig, value: Any) -> Steps:
    """Call the function of a conditional edge, which has a run of its own."""
    run: ChainRun | None = None
    if frame.open is not None:
        manager: Any = frame.colour.manager.configure(inheritable_callbacks=config["callbacks"])
        run = yield manager.on_chain_start(None, value, name=path.name)
    try:
        config = child_config(config, run, None)
        enter(config, run if frame.traced else None)
        answer = yield frame.colour.call(path, value, _arguments(path, config))
    except BaseException as error:
        if run is not None:
            yield run.on_chain_error(error)
        raise
    if run is not None:
        yield run.on_chain_end(answer)
    if isinstance(answer, Runnable):
        answer = yield frame.colour.invoke(answer, value, config)
    return answer


def _route(target: Send | str) -> tuple[str, Any]:
    return (TASKS, target) if isinstance(target, Send) else (branch_channel(target), None)


def child_config(config: RunnableConfig, run: ChainRun | None, tag: str | None) -> RunnableConfig:
    """The configuration of a step of a run: the same, with the callbacks of a child of the run."""
    if run is None:
        return config
    callbacks = run.get_child(tag)
    scope = current_task.get()
    if scope is not None and scope.touched_by_all:
        callbacks.add_handler(Progress(cast("Clock", scope.clock)))
    return {**config, "callbacks": callbacks}
