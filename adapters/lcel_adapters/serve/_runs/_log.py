"""The log of one attempt of a run: what it streamed, numbered, for whoever follows now or later.

The newest frames are in memory, up to a bound; all of them are in the database where they may be asked for again: of a
resumable run, of any run where several servers share the database, and of a run whose follower is too slow for memory
alone. A frame of a resumable run is shown only when it is stored: what a client was told, a restart does not lose.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple, TypeAlias

import ormsgpack

from lcel_adapters.serve._frames import Frame

MARK = Frame("", b"")
"""The frame of an entry that only marks a checkpoint."""
MEMORY_BYTES = 100_000
"""How much of one run's frames stays in memory, once they are stored."""
AHEAD_BYTES = 100_000
"""How much a run may be ahead of the database before it has to wait."""


class Entry(NamedTuple):
    """A frame under its number.

    Attributes:
        seq: From 1, unique within the run, over all its attempts.
        frame: What is sent.
        checkpoint: The id of the checkpoint that ends a superstep here; only on the entries that mark one.
    """

    seq: int
    frame: Frame
    checkpoint: str | None = None

    @property
    def size(self) -> int:
        """Bytes, about."""
        return len(self.frame.data) + len(self.frame.event) + 100


Store: TypeAlias = Callable[[Sequence[Entry]], Awaitable[None]]


def packed(entries: Sequence[Entry]) -> bytes:
    """Entries as they are stored: MessagePack, an array of ``[seq, event, data, checkpoint]``."""
    return ormsgpack.packb([(entry.seq, *entry.frame, entry.checkpoint) for entry in entries])


def unpacked(blob: bytes) -> list[Entry]:
    """What ``packed`` packed."""
    return [Entry(seq, Frame(event, data), checkpoint) for seq, event, data, checkpoint in ormsgpack.unpackb(blob)]


class RunLog:
    """What an attempt streams.

    Args:
        first: The number of its first frame.
        store: Keeps entries in the database, and raises if the attempt has been given to another server.
        eager: Whether all is stored, or only what memory cannot hold.
        hold: Whether a frame is shown only when it is stored.
        changed: Is called when there is more to be read, or the log has ended.
        memory: Bytes of frames that may stay in memory once they are stored.
    """

    def __init__(
        self,
        *,
        first: int,
        store: Store,
        changed: Callable[[], None],
        eager: bool = False,
        hold: bool = False,
        memory: int = MEMORY_BYTES,
    ) -> None:
        self.next = first
        self.shown = first - 1
        self.stored = first - 1
        self.ended = False
        self.whole = False
        self._store = store
        self._changed = changed
        self._eager = eager
        self._hold = hold
        self._memory = memory
        self._tail: deque[Entry] = deque()
        self._tail_bytes = 0
        self._waiting: list[Entry] = []
        self._waiting_bytes = 0
        self._flush: asyncio.Task[None] | None = None

    @property
    def held_bytes(self) -> int:
        """Bytes of frames in memory, about."""
        return self._tail_bytes

    async def append(self, frame: Frame) -> None:
        """Add a frame; waits while too much is on its way to the database.

        Raises:
            Exception: What storing raised.
        """
        self._add(Entry(self.next, frame))
        if self._waiting_bytes > AHEAD_BYTES:
            await self.settle()
        elif self._flush is not None and self._flush.done():
            self._flush.result()

    def restart(self, first: int) -> None:
        """Number frames from here on; only before the first."""
        self.next = first
        self.shown = self.stored = first - 1

    def mark(self, checkpoint: str) -> None:
        """Say that what was added so far belongs to this checkpoint: whoever goes on from it keeps these frames."""
        # A frame nobody sees carries the mark, so that it has a place in the order whichever modes were asked for.
        if self._eager:
            self._add(Entry(self.next, MARK, checkpoint))

    def after(self, seq: int) -> list[Entry] | None:
        """What may be shown behind a number; None if memory does not reach back so far."""
        if self._tail and self._tail[0].seq > seq + 1:
            return None
        if not self._tail and seq + 1 < self.next:
            return None
        return [entry for entry in self._newest(seq) if entry.checkpoint is None]

    async def settle(self) -> None:
        """Wait until all that was given to the database is stored.

        Raises:
            Exception: What storing raised.
        """
        while self._waiting or (self._flush is not None and not self._flush.done()):
            self._kick()
            assert self._flush is not None
            # A caller that is cancelled does not end the storing: others wait for it as well.
            await asyncio.shield(self._flush)
        if self._flush is not None:
            self._flush.result()

    def end(self, *, whole: bool) -> None:
        """Nothing comes any more; ``whole`` says whether the run is over, too, or goes on elsewhere.

        Then what is not stored is void: whoever goes on does not know of it.
        """
        self.shown = self.next - 1 if whole and not self._hold else self.stored
        self.whole = whole
        self.ended = True
        self._changed()

    def _newest(self, seq: int) -> list[Entry]:
        """Entries behind a number, up to what is shown; looked for from the end, where followers are."""
        found: list[Entry] = []
        for entry in reversed(self._tail):
            if entry.seq <= seq:
                break
            if entry.seq <= self.shown:
                found.append(entry)
        found.reverse()
        return found

    def _add(self, entry: Entry) -> None:
        self.next += 1
        self._tail.append(entry)
        self._tail_bytes += entry.size
        if self._eager:
            self._waiting.append(entry)
            self._waiting_bytes += entry.size
            self._kick()
        elif self._tail_bytes > self._memory:
            self._spill()
        if not self._hold:
            self.shown = entry.seq
            self._changed()

    def _spill(self) -> None:
        self._eager = True
        self._waiting = list(self._tail)
        self._waiting_bytes = self._tail_bytes
        self._kick()

    def _kick(self) -> None:
        if self._flush is None or (self._flush.done() and self._flush.exception() is None):
            self._flush = asyncio.create_task(self._write())

    async def _write(self) -> None:
        while self._waiting:
            batch, self._waiting, self._waiting_bytes = self._waiting, [], 0
            await self._store(batch)
            self.stored = batch[-1].seq
            self._forget()
            if self._hold:
                self.shown = self.stored
            self._changed()

    def _forget(self) -> None:
        while self._tail_bytes > self._memory and self._tail and self._tail[0].seq <= self.stored:
            self._tail_bytes -= self._tail.popleft().size
