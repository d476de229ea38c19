"""One attempt of a run on this server, from its lease to its end."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

import lcel_adapters.serve._runs._claims as _claims
import lcel_adapters.serve._runs._stored as _stored
from lcel_adapters.serve._frames import Frame
from lcel_adapters.serve._json import dumps
from lcel_adapters.serve._runs._again import Point, begin_again, forget_aside, take_back
from lcel_adapters.serve._runs._attempt import Attempt
from lcel_adapters.serve._runs._claims import Claimant, End, Ordered, Row
from lcel_adapters.serve._runs._ending import Order, ending, gave_up
from lcel_adapters.serve._runs._holdings import Holding, Holdings
from lcel_adapters.serve._runs._hub import Hub
from lcel_adapters.serve._runs._insist import insist
from lcel_adapters.serve._runs._lease import Superseded, lease
from lcel_adapters.serve._runs._log import Entry, RunLog
from lcel_adapters.serve._runs._request import RunBody
from lcel_adapters.serve._runs._stops import stops_there
from lcel_adapters.serve._runs._webhook import call

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from lcel_adapters.serve._metrics import Metrics
    from lcel_adapters.serve._settings import Settings
    from lcel_adapters.serve._storage import Database
    from lcel_adapters.serve._target import Target

T = TypeVar("T")
_log = logging.getLogger(__name__)


@dataclass(kw_only=True)
class Means:
    """What runs are executed with; one for all of a server.

    Attributes:
        database: Where they are.
        worker: Who executes them.
        targets: The graphs.
        holdings: The runs that may save.
        settings: Limits.
        hub: Who follows them.
        metrics: How many there were.
        tell: Calls a webhook; nobody waits for it but a server that ends.
        webhooks: Whether anybody is told that a run is over.
        ending: Whether the server ends: no run is begun any more.
        released: Whether it gives back what it has.
    """

    database: Database
    worker: Claimant
    targets: Mapping[str, Target]
    holdings: Holdings
    settings: Settings
    hub: Hub
    metrics: Metrics
    tell: Callable[[Coroutine[Any, Any, None]], None]
    webhooks: bool = True
    ending: bool = False
    released: bool = False


class Execution:
    """Executes a run that was claimed.

    Args:
        run: Its row, as it was claimed.
        means: What it is executed with.

    Attributes:
        held: The lease.
        log: What it streams.
        ready: Whether the log may be read: what an attempt before this one streamed is in order.
    """

    def __init__(self, run: Row, means: Means) -> None:
        self._begun_at = datetime.now(UTC)
        self.held = held = lease(run)
        self._run = run
        self._means = means
        self._body = RunBody.model_construct()
        self._order: Order | None = None
        self._stream: asyncio.Task[None] | None = None
        self._streamed = False
        self.ready = False
        self.log = RunLog(
            first=1,
            store=self._store,
            changed=lambda: means.hub.wake(held.run_id),
            eager=run["resumable"] or means.database.shared,
            hold=run["resumable"],
        )
        if held.attempt == 1:
            self._publish()

    def stop(self, order: Order) -> None:
        """End it: ``interrupt`` and ``rollback`` for good, ``release`` to be given back, ``lost`` if it is."""
        if self._streamed and order != "rollback":
            return
        if self._order is None or (self._order == "interrupt" and order == "rollback"):
            self._order = order
            if self._stream is not None:
                self._stream.cancel()

    async def to_the_end(self) -> Row | None:
        """Execute it; the run that waits behind it on its thread, claimed."""
        whole = False
        try:
            following = await self._executed()
            whole = self._order not in ("release", "lost")
        except Superseded:
            _log.warning("run %s was given to another server, or deleted", self.held.run_id)
            return None
        except Exception:
            # It stays claimed. This server finds that it has it, and tries again.
            _log.exception("run %s cannot be ended", self.held.run_id)
            return None
        finally:
            self._means.holdings.remove(self.held)
            self.log.end(whole=whole)
        return following

    async def _executed(self) -> Row | None:
        begun = time.perf_counter()
        try:
            attempt = await self._attempt()
            await self._streaming(attempt)
            if self._order == "lost":
                raise Superseded
            if self._order == "release":
                await self._write(lambda connection: _claims.release(connection, self.held))
                return None
            following, status = await self._finish(partial(self._end, attempt))
        except Superseded:
            raise
        except Exception:
            _log.exception("run %s cannot be executed", self.held.run_id)
            following, status = await self._finish(self._given_up)
        self._means.metrics.run_ended(self._run["graph_id"], status, time.perf_counter() - begun)
        return following

    async def _attempt(self) -> Attempt:
        run, spec = self._run, self._run["spec"]
        self._body = body = RunBody.model_validate(run["kwargs"])
        point = Point(1, None, False) if self.held.attempt == 1 else await self._begin_again()
        if self.held.attempt > self._means.settings.max_attempts:
            raise RuntimeError(f"{self.held.attempt - 1} attempts did not come to an end; the run is given up")
        self._means.holdings.add(Holding(lease=self.held, answers=self._answers and point.checkpoint is None))
        target = self._target(run["graph_id"])
        if self._means.released:
            self.stop("release")
        if run["cancel"] is not None:
            self.stop(run["cancel"])
        return Attempt(
            run_id=run["run_id"],
            thread_id=run["thread_id"],
            number=run["attempt"],
            target=target,
            metadata=run["metadata"],
            body=body,
            assistant=spec["assistant"],
            user=spec.get("user"),
            headers=spec.get("headers") or {},
            goes_on=point.checkpoint is not None,
            told=point.told,
            stops=point.checkpoint is not None and await stops_there(target.graph, run["thread_id"], body),
        )

    async def _begin_again(self) -> Point:
        """Bring thread and stream to one point; the log goes on there."""
        whole_stream = self._run["resumable"] and self._body.durability != "sync"
        point = await self._write(lambda c: begin_again(c, self.held, whole_stream=whole_stream))
        self.log.restart(point.first)
        self._publish()
        return point

    def _publish(self) -> None:
        self.ready = True
        self._means.hub.publish(self.held.run_id, self.log)

    @property
    def _answers(self) -> bool:
        """Whether it goes on with what another run of the thread left."""
        return self._body.command is not None or self._body.input is None

    def _target(self, name: str) -> Target:
        if name not in self._means.targets:
            raise LookupError(f"The graph {name!r} is not served any more; it was when the run was made.")
        return self._means.targets[name]

    async def _streaming(self, attempt: Attempt) -> None:
        """Execute it until it ends, or is ended; all its frames are stored then.

        Raises:
            Exception: Not the graph's, whose failures are in the outcome: the log's, or the server's own.
        """
        self._stream = asyncio.create_task(self._frames(attempt), name=f"run {self.held.run_id}")
        if self._order is not None:
            self._stream.cancel()
        await asyncio.wait([self._stream])
        # What has come to its end by itself is not interrupted any more.
        self._streamed = True
        failure = None if self._stream.cancelled() else self._stream.exception()
        if self._stream.cancelled():
            self._order = self._order or "interrupt"
        elif self._order != "rollback":
            self._order = None
        await self.log.settle()
        if failure is not None:
            raise failure

    async def _frames(self, attempt: Attempt) -> None:
        """Put everything that the run streams into its log."""
        seconds = self._means.settings.run_timeout
        await self.log.append(attempt.beginning())
        try:
            async with asyncio.timeout(seconds), aclosing(attempt.frames()) as frames:
                async for frame in frames:
                    if isinstance(frame, str):
                        self.log.mark(frame)
                    else:
                        await self.log.append(frame)
        except TimeoutError:
            await self.log.append(attempt.late(seconds))

    async def _finish(self, make: Callable[[], Awaitable[End]]) -> tuple[Row | None, str]:
        """End it as ``make`` says, which is asked again if it is to be rolled back; and tell whoever asked for that."""
        end = await make()
        try:
            following = await self._ended(end)
        except Ordered:
            self._order = "rollback"
            end = await make()
            following = await self._ended(end)
        if self._body.webhook is not None and self._means.webhooks:
            said = {"status": end.status, "error": end.error, "values": end.thread.get("values")}
            times = {"run_started_at": self._begun_at, "run_ended_at": datetime.now(UTC)}
            payload = {**_shown(self._run), **said, **times}
            self._means.tell(call(self._body.webhook, payload, self._means.settings))
        return following, end.status

    async def _end(self, attempt: Attempt) -> End:
        if self._order == "rollback":
            await self._write(self._taken_back)
        return await ending(attempt, self._order, drop=self._drops())

    def _taken_back(self, connection: Connection) -> None:
        self.held.check(connection, change=True)
        take_back(connection, self.held, None)

    async def _given_up(self) -> End:
        """An error, unless its end was ordered; whoever follows it is told, if the log still works."""
        order = self._order or self._run["cancel"]
        if order == "rollback":
            await self._write(self._taken_back)
        end = gave_up(order, drop=self._drops())
        if self.ready and end.status == "error":
            with suppress(Exception):
                await self.log.append(Frame("error", dumps(end.error)))
                await self.log.settle()
        return end

    async def _ended(self, end: End) -> Row | None:
        return await self._write(lambda connection: self._finished(connection, end))

    def _finished(self, connection: Connection, end: End) -> Row | None:
        following = _claims.finish(connection, self.held, end, None if self._means.ending else self._means.worker)
        if self._answers:
            forget_aside(connection, self.held.run_id)
        return following

    def _drops(self) -> bool:
        """Whether nobody will ask for the frames: it is not resumable, and nobody here or elsewhere follows it."""
        shared = self._means.database.shared
        return not self._run["resumable"] and not shared and self.held.run_id not in self._means.hub

    async def _store(self, entries: Sequence[Entry]) -> None:
        await self._write(lambda connection: _stored.store(connection, self.held, entries))

    async def _write(self, function: Callable[[Connection], T]) -> T:
        """A write that has to be: the run waits while the database does not answer, or has no room."""
        return await insist(self._means.database, lambda: self._means.database.write(function))


def _shown(run: Row) -> Row:
    return {key: run[key] for key in ("run_id", "thread_id", "assistant_id", "metadata", "created_at")}
