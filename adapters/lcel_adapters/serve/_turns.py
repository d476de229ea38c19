"""Which runs execute at once, and for how long: all of a server, whoever asked for them, kept or not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import aclosing, asynccontextmanager
from typing import TYPE_CHECKING, Final, TypeVar

from starlette.exceptions import HTTPException

if TYPE_CHECKING:
    from lcel_adapters.serve._patience import Patience
    from lcel_adapters.serve._settings import Settings

T = TypeVar("T")
PATIENCE: Final = 1.0
"""Seconds that a run keeps its turn while it waits for its reader."""
INSIST: Final = 2.0
"""Seconds after which what was cancelled and did not end is cancelled again; ``astream_log``, cancelled once,
waits for its run."""
GRACE: Final = 10.0
"""Seconds that runs have to stop, once the time they were given is over."""


class Ended(HTTPException):
    """A run that a request executes is ended: it takes too long (504), or its server ends (503)."""


class Turns:
    """Lets so many runs execute at once; the others wait, the first one first.

    Runs that are in the database, and pipes, take a ``turn`` and see for themselves that they end; what executes in a
    request is handed to ``execute`` or ``stream``, which end it.

    Args:
        settings: ``max_runs`` and ``run_timeout``.

    Attributes:
        seconds: That a run may take; None for any number.
        guests: Runs that execute, or wait, in their requests.
    """

    def __init__(self, settings: Settings) -> None:
        self.seconds = settings.run_timeout
        self.guests: set[Guest] = set()
        self._room = asyncio.Semaphore(settings.max_runs)
        self._closed = False
        self._gone = asyncio.Event()
        self._gone.set()

    def turn(self) -> Turn:
        """One that is taken by ``async with``."""
        return Turn(self._room)

    async def execute(self, work: Callable[[], Awaitable[T]]) -> T:
        """What a run returns that executes in a request.

        Raises:
            Ended: It does not come to its end.
        """
        async with self._guest() as guest, guest.timed():
            await guest.take()
            return await work()

    async def stream(self, chunks: AsyncGenerator[T, None]) -> AsyncGenerator[T, None]:
        """What a run streams that executes in a request.

        Raises:
            Ended: It does not come to its end.
        """
        async with aclosing(chunks), self._guest() as guest:
            while True:
                # Not around the yield: a time-out there would cancel whoever sends the chunk.
                async with guest.timed():
                    await guest.take()
                    chunk = await anext(chunks, None)
                if chunk is None:
                    return
                async with guest.idle():
                    yield chunk

    async def drain(self, patience: Patience) -> None:
        """Let what executes in requests end by itself for so long, then end it."""
        gone = asyncio.create_task(self._gone.wait())
        await patience.wait([gone])
        self._closed = True
        for guest in self.guests:
            guest.end()
        await asyncio.wait([gone], timeout=GRACE)
        gone.cancel()

    @asynccontextmanager
    async def _guest(self) -> AsyncIterator[Guest]:
        guest = Guest(self._room, self.seconds)
        if self._closed:
            guest.end()
        self.guests.add(guest)
        self._gone.clear()
        try:
            yield guest
        finally:
            guest.give_back()
            self.guests.discard(guest)
            if not self.guests:
                self._gone.set()


class Turn:
    """A run's turn to execute."""

    def __init__(self, room: asyncio.Semaphore) -> None:
        self._room = room
        self._taken = False

    async def __aenter__(self) -> Turn:
        await self.take()
        return self

    async def __aexit__(self, *_: object) -> None:
        self.give_back()

    async def take(self) -> None:
        """Wait for it, unless one has it."""
        if not self._taken:
            await self._room.acquire()
            self._taken = True

    def give_back(self) -> None:
        """Let another run execute."""
        if self._taken:
            self._taken = False
            self._room.release()

    @asynccontextmanager
    async def idle(self) -> AsyncIterator[None]:
        """While the run waits for its reader; if that takes long it has to ``take`` its turn again.

        Otherwise clients that read nothing would keep all others from executing anything.
        """
        later = asyncio.get_running_loop().call_later(PATIENCE, self.give_back)
        try:
            yield
        finally:
            later.cancel()


class Guest(Turn):
    """The turn of a run that executes in a request, and is ended there."""

    def __init__(self, room: asyncio.Semaphore, seconds: float | None) -> None:
        super().__init__(room)
        self._seconds = seconds
        self._until: float | None = None
        self._timeouts: Sequence[asyncio.Timeout] = ()
        self._server_ends = False

    async def take(self) -> None:
        """Wait for it; its time begins with the first."""
        await super().take()
        if self._until is None and self._seconds is not None:
            self._end_at(_now() + self._seconds)

    def end(self) -> None:
        """The server ends: the run is to end as well."""
        self._server_ends = True
        self._end_at(_now())

    @asynccontextmanager
    async def timed(self) -> AsyncIterator[None]:
        """What is ended when the time is over.

        Raises:
            Ended: It was.
        """
        first, second = asyncio.timeout_at(self._until), asyncio.timeout_at(_later(self._until))
        try:
            async with second, first:
                self._timeouts = first, second
                yield
        except TimeoutError:
            if not first.expired():
                raise  # the runnable's own
            raise self._ended() from None
        finally:
            self._timeouts = ()

    def _end_at(self, time: float) -> None:
        self._until = time
        for timeout, when in zip(self._timeouts, (time, _later(time)), strict=False):
            if not timeout.expired():
                timeout.reschedule(when)

    def _ended(self) -> Ended:
        if self._server_ends:
            return Ended(503, "The server ended before the run did.")
        return Ended(504, f"The run took longer than {self._seconds} s.")


def _later(time: float | None) -> float | None:
    return None if time is None else time + INSIST


def _now() -> float:
    return asyncio.get_running_loop().time()
