"""The two drivers: they carry out a session's instructions, one on an event loop, one in the caller's thread."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import Any

from lcel_compat._asyncio import GRACE, held_back, settle, to_the_end
from lcel_compat._execute import ASYNC, SYNC, execute, run_async, run_sync
from lcel_compat._instructions import Call, Drain, Finished, Instruction, Start, Stop, Wait
from lcel_compat._machine import Task
from lcel_compat._mailbox import UNLIMITED, AsyncMailbox, Give, Mailbox, ThreadMailbox
from lcel_compat._program import Program
from lcel_compat._request import Request
from lcel_compat._session import Session
from lcel_compat.errors import NodeCancelledError
from lcel_compat.modes import LIVE
from lcel_compat.types import Interrupt

_THREADS = 64
"""Nodes of one synchronous run that may run at once, unless ``max_concurrency`` says otherwise."""


class _Run:
    """One run: iterate over ``items``, then ask for the ``result``.

    Args:
        program: The graph.
        request: Makes the request when the first item is asked for, since that is when a generator's body runs: core
            may call ``astream`` in one context and iterate in another (runnables/fallbacks.py).
        buffer: How many items the run may be ahead of its consumer.
    """

    def __init__(self, program: Program, request: Callable[[], Request], buffer: int) -> None:
        self._program = program
        self._request = request
        self._buffer = buffer
        self._session: Session

    def result(self) -> Any:
        """The final state, or ``None`` if nothing of the output was ever written."""
        return self._session.result()

    @property
    def interrupts(self) -> list[Interrupt]:
        """What the run waits for."""
        return self._session.interrupts


class AsyncRun(_Run):
    """One run on the event loop."""

    async def items(self) -> AsyncGenerator[Any, None]:
        """Run it: nodes are tasks, each in a context of its own.

        Yields:
            What the request's modes show.
        """
        loop = asyncio.get_running_loop()
        running: dict[Task, asyncio.Task[None]] = {}
        request = self._request()
        mailbox = AsyncMailbox(self._buffer if request.modes else UNLIMITED)
        session = self._session = Session(self._program, request, ASYNC, mailbox)
        conductor = session.conduct()
        step: Instruction | None
        reply: Any
        try:
            step = next(conductor)
            while True:
                reply = None
                try:
                    if type(step) is Wait:
                        while (reply := mailbox.take()) is None or type(reply) is Give:
                            if reply is None:
                                await _arrival(mailbox, session.deadline)
                            else:
                                yield reply.item
                    elif type(step) is Start:
                        work = _work_async(session, mailbox, step.task, running)
                        running[step.task] = loop.create_task(work, context=copy_context(), name=step.task.name)
                    elif type(step) is Call:
                        # What the driver itself emits cannot wait until the driver hands it out.
                        mailbox.open()
                        try:
                            reply = await (to_the_end(step.result) if step.final else step.result)
                        finally:
                            mailbox.open(False)
                    elif type(step) is Drain:
                        for item in mailbox.rest():
                            yield item
                    else:
                        _stop(mailbox, step)
                        await settle(list(running.values()), GRACE)
                except TimeoutError as late:
                    step = conductor.throw(session.too_late(late))
                except BaseException as error:
                    step = conductor.throw(error)
                else:
                    step = conductor.send(reply)
        except StopIteration:
            return
        finally:
            mailbox.clear()
            running.clear()
            session.leave()
            reply = step = None  # an error that they hold would hold on to this frame


def _stop(mailbox: Mailbox, step: Instruction) -> None:
    """Let whoever waits for room go on, and come to an end."""
    if isinstance(step, Stop) and step.heard:
        mailbox.stop()
    else:
        mailbox.close()


def _arrival(mailbox: AsyncMailbox, deadline: float | None) -> Awaitable[None]:
    """Something to await until there is a message; it raises ``TimeoutError`` when the superstep has to be over."""
    arrival = mailbox.arrival()
    return arrival if deadline is None else asyncio.wait_for(arrival, deadline - time.monotonic())


async def _work_async(
    session: Session, mailbox: AsyncMailbox, task: Task, running: dict[Task, asyncio.Task[None]]
) -> None:
    error: BaseException | None = None
    work = run_async(execute(task, session.frame))
    try:
        await (held_back(work, session.mailboxes) if session.emits else work)
    except asyncio.CancelledError as cancelled:
        error = cancelled
        if _is_cancelled():
            raise
        error = NodeCancelledError(
            f"Node {task.name!r} raised asyncio.CancelledError, and nobody had cancelled it. If it cancels work of its"
            " own, let it catch the error where it awaits that work."
        )
        error.__cause__ = cancelled
    except BaseException as raised:
        error = raised
    finally:
        running.pop(task, None)
        mailbox.post(Finished(task=task, error=error))
        del error  # an error holds on to this frame, which holds on to it


def _is_cancelled() -> bool:
    """Whether somebody asked the task that is running to end."""
    task = asyncio.current_task()
    return task is None or task.cancelling() > 0


class SyncRun(_Run):
    """One run from the caller's thread."""

    def items(self) -> Generator[Any, None, None]:
        """Run it: a node alone in its superstep in the caller's thread, others in threads of their own.

        Yields:
            What the request's modes show.
        """
        request = self._request()
        mailbox = ThreadMailbox(self._buffer if request.modes else UNLIMITED)
        session = self._session = Session(self._program, request, SYNC, mailbox)
        # A node in the caller's own thread would keep what it emits until it is done.
        timed = request.settings.step_timeout is not None
        live = timed or request.below or not LIVE.isdisjoint({*request.modes, *request.printed})
        pool: ThreadPoolExecutor | None = None
        conductor = session.conduct()
        step: Instruction | None
        reply: Any
        try:
            step = next(conductor)
            while True:
                reply = None
                try:
                    if type(step) is Wait:
                        while (reply := mailbox.take()) is None or type(reply) is Give:
                            if reply is None:
                                mailbox.wait(session.deadline)
                            else:
                                yield reply.item
                    elif type(step) is Start:
                        if live or step.beside:
                            threads = request.config.get("max_concurrency") or _THREADS
                            pool = pool or ThreadPoolExecutor(threads, "lcel-compat")
                            pool.submit(copy_context().run, _work_sync, session, mailbox, step.task)
                        else:
                            copy_context().run(_work_sync, session, mailbox, step.task)
                    elif type(step) is Call:
                        reply = step.result
                    elif type(step) is Drain:
                        yield from mailbox.rest()
                    else:
                        _stop(mailbox, step)
                        if pool is not None:
                            pool.shutdown(wait=True, cancel_futures=True)
                except TimeoutError as late:
                    step = conductor.throw(session.too_late(late))
                except BaseException as error:
                    step = conductor.throw(error)
                else:
                    step = conductor.send(reply)
        except StopIteration:
            return
        finally:
            mailbox.clear()
            if pool is not None:
                pool.shutdown(wait=True)
            session.leave()
            reply = step = None  # an error that they hold would hold on to this frame


def _work_sync(session: Session, mailbox: ThreadMailbox, task: Task) -> None:
    try:
        run_sync(execute(task, session.frame))
    except BaseException as error:
        mailbox.post(Finished(task=task, error=error))
    else:
        mailbox.post(Finished(task=task))
