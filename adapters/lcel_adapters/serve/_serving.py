"""What the routes of one server share."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Coroutine, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from fastapi import HTTPException, Request

from lcel_adapters.serve._assistants import Assistants
from lcel_adapters.serve._auth import Access, Guard
from lcel_adapters.serve._metrics import Metrics
from lcel_adapters.serve._patience import Patience
from lcel_adapters.serve._project import HeadersSection
from lcel_adapters.serve._runs import Runs
from lcel_adapters.serve._settings import Settings
from lcel_adapters.serve._sse import Chunks
from lcel_adapters.serve._target import Target

if TYPE_CHECKING:
    from langgraph.checkpoint.base import BaseCheckpointSaver
    from langgraph.store.base import BaseStore

    from lcel_adapters.serve._storage import Database

_log = logging.getLogger(__name__)


@dataclass(kw_only=True)
class Serving:
    """A running server.

    Attributes:
        database: Threads, runs, assistants.
        checkpointer: Of all graphs.
        store: Of all graphs; also behind ``/store``.
        targets: What is served, by name.
        guard: Who is let in.
        settings: Limits.
        runs: All runs.
        assistants: What is known of assistants, so that not every run asks the database.
        headers: Which headers of requests graphs may read.
        metrics: What is counted.
        streams: Answers that are being streamed.
        draining: Ends what runs, once the server was told to end.
        patience: How long that waits.
        tasks: Runs of requests that left; they are waited for at the end.
    """

    database: Database
    checkpointer: BaseCheckpointSaver[Any]
    store: BaseStore
    targets: Mapping[str, Target]
    guard: Guard
    settings: Settings
    runs: Runs
    assistants: Assistants
    headers: HeadersSection | None = None
    metrics: Metrics = field(default_factory=Metrics)
    streams: int = 0
    draining: asyncio.Task[None] | None = None
    patience: Patience | None = None
    tasks: set[asyncio.Task[Any]] = field(default_factory=set)
    resources: AsyncExitStack = field(default_factory=AsyncExitStack)

    def let_through(self, headers: Mapping[str, str]) -> dict[str, str]:
        """Of a request's headers, those that graphs may read; by default none."""
        if self.headers is None:
            return {}
        return {name: value for name, value in headers.items() if self.headers.allows(name)}

    def keep(self, task: asyncio.Task[Any]) -> None:
        """Hold on to a task until it is done."""
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    def spawn(self, work: Coroutine[Any, Any, Any]) -> None:
        """Do something that no request waits for."""
        self.keep(asyncio.create_task(work))

    @property
    def executing(self) -> int:
        """How many runs it executes, or that wait for it."""
        return len(self.runs.worker.working) + len(self.tasks) + len(self.runs.turns.guests)

    def drain(self, hint: str = "") -> asyncio.Task[None]:
        """The server is to end: no run begins, what runs has ``Settings.drain`` seconds from now on.

        Then runs that are kept are given back, and others end; answers that stream end with them, so that the ASGI
        server can end as well. Called when the process is told to end, before that server waits for its connections.

        Args:
            hint: What the log says of ending it sooner.
        """
        if self.draining is None:
            self.patience = Patience(self.settings.drain)
            self.draining = asyncio.create_task(self._drain(self.patience, hint))
        return self.draining

    async def hurry(self) -> None:
        """Drain at once: what runs is given back, or ends; streams do then."""
        draining = self.drain()
        if self.patience is not None:
            self.patience.end()
        await asyncio.shield(draining)

    async def settle(self) -> None:
        """End what still runs, once it had its time."""
        await self.drain()
        await self.runs.worker.stop()

    async def _drain(self, patience: Patience, hint: str) -> None:
        if executing := self.executing:
            runs = "1 run" if executing == 1 else f"{executing} runs"
            _log.info("told to end: waiting up to %g s for %s%s", patience.seconds, runs, hint)
        await asyncio.gather(self._end_tasks(patience), self.runs.drain(patience), self.runs.turns.drain(patience))

    async def _end_tasks(self, patience: Patience) -> None:
        await patience.wait(self.tasks)
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)

    def place(self) -> Place:
        """A place for one answer to stream; taken before anything is done for it, so that who is refused ran nothing.

        Raises:
            HTTPException: There is none (503).
        """
        if self.streams >= self.settings.max_streams:
            raise HTTPException(503, "Too many open streams; try again later.", {"retry-after": "1"})
        return Place(self)


class Place:
    """One of the answers that may stream at once.

    It is given back when the body that it was taken for is closed, or at the end of the ``with`` in which nothing got
    a body.

    Attributes:
        serving: The server whose place it is.
    """

    def __init__(self, serving: Serving) -> None:
        self.serving = serving
        self._taken = True
        self._used = False
        serving.streams += 1

    def __enter__(self) -> Place:
        return self

    def __exit__(self, *_: object) -> None:
        if not self._used:
            self.leave()

    def counted(self, body: AsyncGenerator[bytes, None]) -> Chunks:
        """A body that has this place until it is closed."""
        self._used = True
        return _Counted(self, body)

    def leave(self) -> None:
        """Give it back."""
        if self._taken:
            self._taken = False
            self.serving.streams -= 1


class _Counted:
    """A body that has a place among the open ones."""

    def __init__(self, place: Place, body: AsyncGenerator[bytes, None]) -> None:
        self._place = place
        self._body = body

    def __aiter__(self) -> _Counted:
        return self

    async def __anext__(self) -> bytes:
        return await anext(self._body)

    async def aclose(self) -> None:
        """Close the body."""
        self._place.leave()
        await self._body.aclose()

    def __del__(self) -> None:
        # A response that never began.
        self._place.leave()


def serving_of(request: Request) -> Serving:
    """The server that a request is for."""
    found: Serving = request.app.state.serving
    return found


async def access_of(request: Request) -> Access:
    """Who asks, and what of.

    Raises:
        Denied: They are not let in.
    """
    return await serving_of(request).guard.access(request)
