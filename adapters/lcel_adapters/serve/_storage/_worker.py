"""A thread that owns one connection to SQLite, and runs what is handed to it in batches."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import Any, Generic, TypeVar, cast

from sqlalchemy import Connection

from lcel_adapters.serve._storage._errors import StorageError

T = TypeVar("T")


class Job(Generic[T]):
    """A function that waits for its turn, and later what came of it.

    Args:
        function: What to run.
        future: What its caller waits for.
        loop: The event loop that the future belongs to; None for a future of threads.
    """

    __slots__ = ("error", "function", "future", "loop", "notices", "result")

    def __init__(
        self,
        function: Callable[[Connection], T],
        future: asyncio.Future[T] | Future[T],
        loop: asyncio.AbstractEventLoop | None,
    ) -> None:
        self.function = function
        self.future = future
        self.loop = loop
        self.clear()

    def clear(self) -> None:
        """Forget what came of it."""
        self.result: T | None = None
        self.error: BaseException | None = None
        self.notices: list[str] = []

    def settle(self) -> None:
        """Tell the caller, unless it is gone."""
        if self.future.done():
            return
        if self.error is not None:
            self.future.set_exception(self.error)
        else:
            self.future.set_result(cast(T, self.result))


class Worker:
    """Runs functions on one connection, those that wait at the same time together.

    Args:
        name: The thread's.
        connection: Belongs to the thread from now on.
        perform: Runs a batch: when it returns, each job has its result or its error, for good.
        hear: Is given the notices of what succeeded, on the event loop that the worker is made in.
        most: How many functions one batch holds: the first of them waits for the last.
    """

    def __init__(
        self,
        name: str,
        connection: Connection,
        perform: Callable[[Connection, Sequence[Job[Any]]], None],
        hear: Callable[[str], None],
        most: int,
    ) -> None:
        self._connection = connection
        self._perform = perform
        self._hear = hear
        self._home = asyncio.get_running_loop()
        self._jobs: SimpleQueue[Job[Any] | None] = SimpleQueue()
        self._most = most
        self._closed = False
        self._busy = False
        # A program that forgets to close it must still end; what was told is committed.
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)
        self._thread.start()

    @property
    def load(self) -> int:
        """About how much it has to do."""
        return self._jobs.qsize() + self._busy

    async def run(self, function: Callable[[Connection], T]) -> T:
        """Run a function, from an event loop."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        self._put(Job(function, future, loop))
        return await future

    def submit(self, function: Callable[[Connection], T]) -> Future[T]:
        """Run a function, from a thread."""
        future: Future[T] = Future()
        self._put(Job(function, future, None))
        return future

    async def close(self) -> None:
        """Do what waits, then close the connection."""
        self._closed = True
        self._jobs.put(None)
        await asyncio.to_thread(self._thread.join)

    def _put(self, job: Job[Any]) -> None:
        if self._closed:
            raise StorageError("the database is closed: nothing can be asked of it once its server has stopped")
        self._jobs.put(job)

    def _work(self) -> None:
        last = False
        while not last:
            batch, last = self._batch()
            self._busy = True
            if batch:
                self._perform(self._connection, batch)
                self._deliver(batch)
            self._busy = False
        self._connection.close()
        self._connection.engine.dispose()

    def _batch(self) -> tuple[list[Job[Any]], bool]:
        """What waits, at least one; and whether it is the last."""
        batch: list[Job[Any]] = []
        job = self._jobs.get()
        while job is not None:
            batch.append(job)
            if len(batch) == self._most:
                return batch, False
            try:
                job = self._jobs.get_nowait()
            except Empty:
                return batch, False
        return batch, True

    def _deliver(self, batch: Sequence[Job[Any]]) -> None:
        notices = [notice for job in batch if job.error is None for notice in job.notices]
        if notices:
            _call(self._home, self._hear_all, notices)
        # One wake-up of a loop for all that it waits for: each costs a system call.
        for loop in {job.loop for job in batch}:
            jobs = [job for job in batch if job.loop is loop]
            if loop is None:
                _settle(jobs)
            else:
                _call(loop, _settle, jobs)

    def _hear_all(self, notices: Iterable[str]) -> None:
        for notice in notices:
            self._hear(notice)


def _settle(jobs: Iterable[Job[Any]]) -> None:
    for job in jobs:
        job.settle()


def _call(loop: asyncio.AbstractEventLoop, function: Callable[[Any], None], argument: Any) -> None:
    # A loop that is closed waits for nothing.
    with suppress(RuntimeError):
        loop.call_soon_threadsafe(function, argument)
