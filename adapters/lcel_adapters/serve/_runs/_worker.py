"""Which runs this server executes: those it claimed, one after the other on each thread, all threads at once."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import lcel_adapters.serve._runs._claims as _claims
import lcel_adapters.serve._runs._living as _living
import lcel_adapters.serve._runs._stored as _stored
from lcel_adapters.serve._runs._claims import Claimant, Row
from lcel_adapters.serve._runs._ending import Order
from lcel_adapters.serve._runs._execution import Execution, Means
from lcel_adapters.serve._runs._holdings import Holdings
from lcel_adapters.serve._runs._hub import Hub
from lcel_adapters.serve._storage import StorageError, delete_thread
from lcel_adapters.serve._turns import GRACE

if TYPE_CHECKING:
    from lcel_adapters.serve._metrics import Metrics
    from lcel_adapters.serve._patience import Patience
    from lcel_adapters.serve._settings import Settings
    from lcel_adapters.serve._storage import Database
    from lcel_adapters.serve._target import Target
    from lcel_adapters.serve._turns import Turns

_SWEEPS = 30.0
"""Seconds between two sweeps, at most."""
_log = logging.getLogger(__name__)


class Worker:
    """The part of a server that executes runs.

    Args:
        database: Where they are.
        targets: The graphs.
        holdings: What the checkpointer lets runs save by.
        settings: Limits and intervals.
        hub: Who follows runs.
        metrics: How many there were.
        turns: Which runs execute at once.
        webhooks: Whether anybody is told that a run is over.

    Attributes:
        name: Of this worker among all those on one database.
        working: What it executes: run id → state.
    """

    def __init__(
        self,
        database: Database,
        targets: Mapping[str, Target],
        holdings: Holdings,
        settings: Settings,
        hub: Hub,
        metrics: Metrics,
        turns: Turns,
        webhooks: bool = True,
    ) -> None:
        self.name = str(uuid4())
        graphs = frozenset(targets) if database.shared else None
        self._claimant = Claimant(name=self.name, graphs=graphs, patience=settings.worker_timeout)
        self.working: dict[str, Execution] = {}
        self._database = database
        self._settings = settings
        self._hub = hub
        self._means = Means(
            database=database,
            worker=self._claimant,
            targets=targets,
            holdings=holdings,
            settings=settings,
            hub=hub,
            metrics=metrics,
            tell=self._tell,
            webhooks=webhooks,
        )
        self._runs: set[asyncio.Task[Any]] = set()
        self._calls: set[asyncio.Task[Any]] = set()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._turns = turns
        self._ends: list[Callable[[], None]] = []
        self._seen_at = 0.0
        self._trusts_from = 0.0
        self._strays: dict[tuple[str, int], float] = {}
        self._swept_at = 0.0

    @property
    def claims_for(self) -> Claimant | None:
        """Who executes a new run: this worker, unless it ends."""
        return None if self._means.ending else self._claimant

    async def start(self) -> None:
        """Take over what others left, and look out for more from now on."""
        self._swept_at = _now()
        if self._database.shared:
            await self._say_seen()
            self._spawn(self._live())
        self._ends.append(self._database.subscribe(self._hear))
        await self._look()
        self._spawn(self._watch())

    async def drain(self, patience: Patience) -> None:
        """Begin no more; let runs end by themselves for so long, and webhooks be told of those that did.

        Then what runs is given back: the next server goes on.
        """
        self._means.ending = True
        # Runs first: each that ends may have a webhook.
        await patience.wait(self._runs)
        await patience.wait(self._calls)
        self._means.released = True
        for execution in list(self.working.values()):
            execution.stop("release")
        if self._runs:
            # A node that does not end, or a database that does not answer: whoever takes over waits for a dead server.
            await asyncio.wait(self._runs, timeout=GRACE)

    async def stop(self) -> None:
        """End, after ``drain``."""
        for end in self._ends:
            end()
        tasks = [*self._runs, *self._calls, *self._tasks]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._database.shared:
            with suppress(TimeoutError, StorageError):
                async with asyncio.timeout(GRACE):
                    await self._database.write(lambda connection: _living.gone(connection, self.name))

    def begin(self, run: Row) -> None:
        """Execute a run that was claimed, and what waits behind it."""
        self._prepare(run)
        _kept(self._runs, self._work(run))

    def look_soon(self) -> None:
        """Look for runs to start, unless this server begins no more; something may be due."""
        if not self._means.ending:
            self._spawn(_tried(self._look))

    def order(self, run_id: str, order: Order) -> None:
        """End a run, if it is executed here."""
        execution = self.working.get(run_id)
        if execution is not None:
            execution.stop(order)

    def _prepare(self, run: Row) -> Execution:
        """The log is there before anybody can ask for it."""
        execution = self.working[run["run_id"]] = Execution(run, self._means)
        return execution

    async def _work(self, run: Row) -> None:
        following: Row | None = run
        while following is not None:
            execution = self.working.get(following["run_id"]) or self._prepare(following)
            try:
                async with self._turns.turn():
                    following = await execution.to_the_end()
            finally:
                if self.working.get(execution.held.run_id) is execution:
                    del self.working[execution.held.run_id]

    def _hear(self, notice: str | None) -> None:
        if notice is None:
            self._hub.wake_all()
            self.look_soon()
            return
        kind, _, run_id = notice.partition(" ")
        if kind == "run":
            self._hub.wake(run_id)
        elif kind == "cancel" and run_id in self.working:
            self._spawn(_tried(self._obey))
        elif kind == "free":
            self.look_soon()

    async def _live(self) -> None:
        """Say that this server lives, whatever else it is busy with."""
        while True:
            await asyncio.sleep(min(self._settings.poll, self._settings.worker_timeout / 4))
            await _tried(self._say_seen)

    async def _say_seen(self) -> None:
        await self._database.write(lambda connection: _living.seen(connection, self.name))
        now = _now()
        if self._seen_at and now - self._seen_at > self._settings.worker_timeout:
            # It was stopped, or the database was away: the others may have been silent for the same reason.
            self._trusts_from = now + self._settings.worker_timeout
        self._seen_at = now

    def _trusts_silence(self) -> bool:
        """Whether servers that are silent are gone, as far as this one can tell."""
        if not self._database.shared:
            return True
        now = _now()
        return now >= self._trusts_from and now - self._seen_at <= self._settings.worker_timeout

    async def _watch(self) -> None:
        """What notices do not tell: clocks, and servers that died."""
        while True:
            await asyncio.sleep(self._settings.poll)
            await _tried(self._look)
            await _tried(self._sweep)

    async def _look(self) -> None:
        """Take over, obey, and start what waits and nobody starts."""
        if self._means.ending:
            await self._obey()
            return
        if self._trusts_silence():
            await self._database.end_silent()
            silent = timedelta(seconds=self._settings.worker_timeout) if self._database.shared else None
            for run in await self._database.write(lambda c: _living.take_over(c, self._claimant, silent)):
                self.begin(run)
        await self._obey()
        for thread_id in await self._database.read(lambda c: _claims.waiting_threads(c, self._claimant)):
            due = await self._database.write(partial(_claims.start_waiting, thread_id=thread_id, worker=self._claimant))
            if due is not None:
                self.begin(due)

    async def _obey(self) -> None:
        """Compare what this server executes with what it has: orders, runs that it lost, runs that it forgot."""
        before = dict(self.working)
        held = await self._database.read(lambda connection: _claims.held_by(connection, self.name))
        for run_id, execution in before.items():
            attempt, order = held.get(run_id, (0, None))
            if attempt != execution.held.attempt:
                execution.stop("lost")
            elif order is not None:
                execution.stop(order)  # type: ignore[arg-type]  # the column holds nothing else
        strays = {(run_id, held[run_id][0]) for run_id in held.keys() - before.keys() - self.working.keys()}
        await self._adopt(strays)

    async def _adopt(self, strays: set[tuple[str, int]]) -> None:
        """Execute runs that this server has and does not execute, if that lasts: what began them broke off."""
        now = _now()
        self._strays = {stray: self._strays.get(stray, now) for stray in strays}
        for stray, since in list(self._strays.items()):
            if now - since < self._settings.poll or self._means.ending:
                continue
            run_id, attempt = stray
            take = partial(_living.take_again, run_id=run_id, worker=self._claimant, attempt=attempt)
            run = await self._database.write(take)
            if run is not None:
                _log.warning("run %s was claimed and not executed; it is begun again", run_id)
                self.begin(run)

    async def _sweep(self) -> None:
        self._hub.sweep()
        if _now() - self._swept_at < min(self._settings.keep_frames / 10, _SWEEPS):
            return
        self._swept_at = _now()
        before = datetime.now(UTC) - timedelta(seconds=self._settings.keep_frames)
        await self._database.write(lambda connection: _stored.sweep_frames(connection, before))
        for thread_id in await self._database.read(lambda connection: _claims.finished_temporary(connection, before)):
            await self._database.write(partial(delete_thread, thread_id=thread_id))

    def _tell(self, work: Coroutine[Any, Any, None]) -> None:
        _kept(self._calls, work)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        _kept(self._tasks, work)


def _kept(tasks: set[asyncio.Task[Any]], work: Coroutine[Any, Any, None]) -> None:
    """Begin something, and hold on to it until it is done."""
    task = asyncio.create_task(work)
    tasks.add(task)
    task.add_done_callback(tasks.discard)


async def _tried(work: Callable[[], Awaitable[None]]) -> None:
    """Do something that is done again soon, so that its failure is no more than told."""
    try:
        await work()
    except Exception:
        _log.exception("looking after runs failed; it is tried again")


def _now() -> float:
    return asyncio.get_running_loop().time()
