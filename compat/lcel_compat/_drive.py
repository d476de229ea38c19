"""The two drivers: they carry out a session's instructions, one on an event loop, one in the caller's thread."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from typing import Any

from lcel_compat._execute import ASYNC, SYNC, execute, run_async, run_sync, settle
from lcel_compat._machine import Task
from lcel_compat._mailbox import AsyncMailbox, ThreadMailbox
from lcel_compat._program import Program
from lcel_compat._session import Call, Finished, Give, Request, Session, Start, Wait
from lcel_compat.modes import LIVE

_UNREAD = 1 << 62
"""The buffer of a run that nobody reads items of."""
GRACE = 5.0
"""Seconds that nodes have to end when a run is stopped, before it is given up on them."""
_THREADS = 64
"""Nodes of one synchronous run that may run at once, unless ``max_concurrency`` says otherwise."""


async def drive_async(session: Session, mailbox: AsyncMailbox) -> AsyncGenerator[Any, None]:
    """Run a session on the event loop: nodes are tasks, each in a context of its own."""
    running: set[asyncio.Task[None]] = set()
    loop = asyncio.get_running_loop()
    conductor = session.conduct()
    try:
        step = next(conductor)
        while True:
            reply = None
            try:
                if type(step) is Give:
                    yield step.item
                elif type(step) is Start:
                    work = _work_async(session, mailbox, step.task)
                    task = loop.create_task(work, context=copy_context(), name=step.task.name)
                    running.add(task)
                    task.add_done_callback(running.discard)
                elif type(step) is Wait:
                    await mailbox.wait()
                elif type(step) is Call:
                    reply = await step.result
                else:
                    mailbox.close()
                    await settle(list(running), GRACE)
            except BaseException as error:
                step = conductor.throw(error)
            else:
                step = conductor.send(reply)
    except StopIteration:
        return
    finally:
        mailbox.close()


async def _work_async(session: Session, mailbox: AsyncMailbox, task: Task) -> None:
    try:
        writes = await run_async(execute(task, session.frame))
    except asyncio.CancelledError as error:
        mailbox.post(Finished(task=task, error=error))
        raise
    except BaseException as error:
        mailbox.post(Finished(task=task, error=error))
    else:
        mailbox.post(Finished(task=task, writes=writes))


def drive_sync(session: Session, mailbox: ThreadMailbox, *, live: bool, threads: int | None) -> Iterator[Any]:
    """Run a session from the caller's thread.

    Args:
        session: The run.
        mailbox: Its queue.
        live: Whether items come up while a node runs, so that no node may run in the caller's own thread.
        threads: How many nodes may run at once.
    """
    pool: ThreadPoolExecutor | None = None
    running: set[Future[None]] = set()
    conductor = session.conduct()
    try:
        step = next(conductor)
        while True:
            reply = None
            try:
                if type(step) is Give:
                    yield step.item
                elif type(step) is Start:
                    if live or step.beside:
                        pool = pool or ThreadPoolExecutor(threads or _THREADS, "lcel-compat")
                        job = pool.submit(copy_context().run, _work_sync, session, mailbox, step.task)
                        running.add(job)
                        job.add_done_callback(running.discard)
                    else:
                        copy_context().run(_work_sync, session, mailbox, step.task)
                elif type(step) is Wait:
                    mailbox.wait()
                elif type(step) is Call:
                    reply = step.result
                else:
                    mailbox.close()
                    if pool is not None:
                        pool.shutdown(wait=True, cancel_futures=True)
            except BaseException as error:
                step = conductor.throw(error)
            else:
                step = conductor.send(reply)
    except StopIteration:
        return
    finally:
        mailbox.close()
        if pool is not None:
            pool.shutdown(wait=True)


def _work_sync(session: Session, mailbox: ThreadMailbox, task: Task) -> None:
    try:
        writes = run_sync(execute(task, session.frame))
    except BaseException as error:
        mailbox.post(Finished(task=task, error=error))
    else:
        mailbox.post(Finished(task=task, writes=writes))


class AsyncRun:
    """One run on the event loop: iterate over it for its items, then ask for its result."""

    def __init__(self, program: Program, request: Request, buffer: int) -> None:
        self._mailbox = AsyncMailbox(buffer if request.modes else _UNREAD)
        self._session = Session(program, request, ASYNC, self._mailbox)
        self._items = drive_async(self._session, self._mailbox)

    def __aiter__(self) -> AsyncIterator[Any]:
        return self._items

    async def aclose(self) -> None:
        """End the run if it has not ended, and wait until its nodes have."""
        await self._items.aclose()

    def result(self) -> Any:
        """The final state, or ``None`` if nothing of the output was ever written."""
        return self._session.result()


class SyncRun:
    """One run in the caller's thread: iterate over it for its items, then ask for its result."""

    def __init__(self, program: Program, request: Request, buffer: int) -> None:
        mailbox = ThreadMailbox(buffer if request.modes else _UNREAD)
        self._session = Session(program, request, SYNC, mailbox)
        live = not LIVE.isdisjoint(request.modes)
        self._items = drive_sync(
            self._session, mailbox, live=live, threads=request.config.get("max_concurrency")
        )

    def __iter__(self) -> Iterator[Any]:
        return self._items

    def result(self) -> Any:
        """The final state, or ``None`` if nothing of the output was ever written."""
        return self._session.result()
