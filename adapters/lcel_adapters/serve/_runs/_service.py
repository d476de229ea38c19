"""Runs, as routes see them: submitted, followed, joined, cancelled; wherever they execute."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import lcel_adapters.serve._runs._claims as _claims
import lcel_adapters.serve._runs._stored as _stored
from lcel_adapters.serve._runs._attempt import Attempt
from lcel_adapters.serve._runs._claims import Place, Row
from lcel_adapters.serve._runs._holdings import Holdings
from lcel_adapters.serve._runs._hub import Hub, News, ServerEnds
from lcel_adapters.serve._runs._log import Entry
from lcel_adapters.serve._runs._request import RunBody
from lcel_adapters.serve._runs._worker import Worker
from lcel_adapters.serve._storage import ACTIVE
from lcel_adapters.serve._turns import Turns

if TYPE_CHECKING:
    from lcel_adapters.serve._metrics import Metrics
    from lcel_adapters.serve._patience import Patience
    from lcel_adapters.serve._settings import Settings
    from lcel_adapters.serve._storage import Database
    from lcel_adapters.serve._target import Target


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """What is run for whom.

    Attributes:
        body: What the client asked.
        assistant: ``assistant_id``, ``graph_id``, ``config``, ``context``.
        thread_id: None for a stateless run.
        metadata: Of the run.
        thread_metadata: Of the thread, if it is made for it; ``graph_id`` and ``assistant_id`` in any case.
        user: Who asks.
        headers: Of the request, those that the graph may read.
        allowed: Whether the one who asks may use a thread with this metadata.
    """

    body: RunBody
    assistant: Mapping[str, Any]
    thread_id: str | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    thread_metadata: Mapping[str, Any]
    user: Mapping[str, Any] | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    allowed: Callable[[Mapping[str, Any]], bool] | None = None


class Runs:
    """All runs of one database.

    Attributes:
        worker: What executes the runs of this server.
        turns: Which runs execute at once, those that are not in the database among them.
    """

    def __init__(
        self,
        database: Database,
        targets: Mapping[str, Target],
        holdings: Holdings,
        settings: Settings,
        metrics: Metrics,
        webhooks: bool = True,
    ) -> None:
        self._database = database
        self._targets = targets
        self._settings = settings
        self._hub = Hub()
        self.turns = Turns(settings)
        self.worker = Worker(database, targets, holdings, settings, self._hub, metrics, self.turns, webhooks)

    async def submit(self, asked: Submission) -> tuple[Row, News]:
        """Add a run; it starts at once if its thread is free.

        Returns:
            Its row, and what ``follow`` wants: nothing that the run streams is missed.

        Raises:
            NoThread: The thread is not there, and is not to be made.
            Busy: The thread runs something, and the strategy is ``reject``.
        """
        run_id, thread_id = str(uuid4()), asked.thread_id or str(uuid4())
        news = self._hub.listen(run_id)
        run = {"run_id": run_id, "thread_id": thread_id, **_columns(asked)}
        submitting = asyncio.create_task(self._submit(run, _place(asked, thread_id)))
        try:
            # A request that is cancelled meanwhile may have made a run all the same: it has to begin.
            return await asyncio.shield(submitting), news
        except asyncio.CancelledError:
            submitting.add_done_callback(_forgotten)
            raise

    async def _submit(self, run: Row, place: Place) -> Row:
        worker = self.worker
        made = await self._database.write(lambda c: _claims.submit(c, run, place, worker.claims_for))
        if made["status"] == "running":
            worker.begin(made)
        elif made["start_at"] is not None:
            delay = (made["start_at"] - datetime.now(UTC)).total_seconds()
            asyncio.get_running_loop().call_later(max(delay, 0) + 0.001, worker.look_soon)
        return made

    async def drain(self, patience: Patience) -> None:
        """The server ends: runs have so long, then they are given back, and whoever follows them is sent away."""
        await self.worker.drain(patience)
        self._hub.close()

    def stateless(self, asked: Submission) -> Attempt:
        """A run that leaves nothing behind: executed by whoever reads its frames, as far as they are read."""
        return Attempt(
            run_id=str(uuid4()),
            thread_id=str(uuid4()),
            target=self._targets[asked.assistant["graph_id"]],
            body=asked.body,
            assistant=asked.assistant,
            metadata=asked.metadata,
            user=asked.user,
            headers=asked.headers,
            saved=False,
        )

    def listen(self, run_id: str) -> News:
        """Follow a run of any server on the database, from now on."""
        news = self._hub.listen(run_id)
        execution = self.worker.working.get(run_id)
        if execution is not None and execution.ready:
            news.log = execution.log
        return news

    async def follow(self, news: News, after: int | None = None) -> AsyncGenerator[list[Entry], None]:
        """What a run streams behind a number, as it comes, until the run is over.

        Args:
            news: Of ``listen`` or ``submit``.
            after: The last number that is known; None for what comes from now on.

        Raises:
            ServerEnds: This server ends before the run does.
        """
        try:
            position = after if after is not None else await self._now(news)
            while True:
                news.event.clear()
                position = min(position, self._last_of(news))
                entries, over = await self._more(news, position)
                if entries:
                    position = entries[-1].seq
                    found = [entry for entry in entries if entry.checkpoint is None]
                    if found:
                        yield found
                elif over:
                    return
                else:
                    await self._wait(news)
        finally:
            self._hub.leave(news)

    async def over(self, run_id: str) -> str | None:
        """Wait for the end of a run; its status, None if it is not there (any more).

        Raises:
            ServerEnds: This server ends before the run does.
        """
        news = self._hub.listen(run_id)
        try:
            while True:
                news.event.clear()
                status = await self._database.read(lambda connection: _claims.status_of(connection, run_id))
                if status not in ACTIVE:
                    return status
                await self._wait(news)
        finally:
            self._hub.leave(news)

    async def cancel(self, run_id: str, action: str) -> bool:
        """End a run; False if it is over. Runs that execute here stop at once, others when their server hears of it."""
        done = await self._database.write(lambda connection: _claims.cancel(connection, run_id, action))
        self.worker.order(run_id, action)  # type: ignore[arg-type]  # the routes let nothing else through
        return done

    async def _now(self, news: News) -> int:
        if news.log is not None:
            return news.log.shown
        return await self._database.read(lambda connection: _stored.last_frame(connection, news.run_id))

    def _last_of(self, news: News) -> int:
        """The last number that counts: of a log that ended before its run, what was shown and not stored is void."""
        log = news.log
        return 2**62 if log is None or not log.ended or log.whole else log.stored

    async def _more(self, news: News, position: int) -> tuple[list[Entry], bool]:
        """The next entries, and whether nothing comes behind them."""
        log = news.log
        if log is not None:
            over, found = log.ended, log.after(position)
            if found or (found is not None and not over):
                return found, over
            if over and log.whole and found is not None:
                return [], True
            # It goes on elsewhere, or memory does not reach back so far: the database knows.
            news.log = None if over else log
        status, stored = await self._database.read(
            lambda c: (_claims.status_of(c, news.run_id), _stored.frames_after(c, news.run_id, position))
        )
        return stored, status not in ACTIVE

    async def _wait(self, news: News) -> None:
        """For news; where servers share a database a notice may be lost, so one looks now and then.

        Raises:
            ServerEnds: There will be none from this server.
        """
        if self._hub.closed:
            raise ServerEnds
        seconds = self._settings.poll if self._database.shared else None
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await news.event.wait()


def _forgotten(task: asyncio.Task[Row]) -> None:
    """Nobody waits for it any more; what it raised was the client's fault."""
    if not task.cancelled():
        task.exception()


def _is_temporary(asked: Submission) -> bool:
    """Whether the thread goes when the run is over."""
    return asked.thread_id is None and asked.body.on_completion == "delete"


def _thread_config(body: RunBody) -> Row:
    """What a thread remembers of the config of its first run."""
    asked = body.config.model_dump(exclude_none=True, exclude={"configurable"}) if body.config else {}
    return {**asked, "configurable": {}}


def _columns(asked: Submission) -> Row:
    now = datetime.now(UTC)
    body = asked.body
    assistant = {key: asked.assistant.get(key) for key in ("assistant_id", "graph_id", "config", "context")}
    return {
        "assistant_id": asked.assistant["assistant_id"],
        "graph_id": asked.assistant["graph_id"],
        "metadata": dict(asked.metadata),
        "kwargs": body.to_json(),
        "multitask_strategy": body.multitask_strategy,
        "created_at": now,
        "updated_at": now,
        "start_at": now + timedelta(seconds=body.after_seconds) if body.after_seconds else None,
        "resumable": body.stream_resumable,
        "spec": {
            "assistant": assistant,
            "user": asked.user,
            "headers": dict(asked.headers),
            "temporary": _is_temporary(asked),
        },
    }


def _place(asked: Submission, thread_id: str) -> Place:
    now = datetime.now(UTC)
    stateless = asked.thread_id is None
    columns = {
        "thread_id": thread_id,
        "created_at": now,
        "updated_at": now,
        "state_updated_at": now,
        "metadata": dict(asked.thread_metadata),
        "status": "idle",
        "config": _thread_config(asked.body),
        "interrupts": {},
        "temporary": _is_temporary(asked),
    }
    return Place(columns=columns, make=stateless or asked.body.if_not_exists == "create", allowed=asked.allowed)
