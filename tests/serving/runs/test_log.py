"""The log of a run: whoever follows it gets every frame once, in order, and none before it may be seen."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lcel_adapters.serve._frames import Frame
from lcel_adapters.serve._runs._log import Entry, RunLog, packed, unpacked

# What happens to a log: a frame of so many bytes, a mark, the database gets a turn.
STEPS = st.lists(st.one_of(st.integers(0, 400), st.just("mark"), st.just("turn")), max_size=60)


@dataclass
class Table:
    """What a database keeps of entries, as bytes."""

    blobs: list[bytes] = field(default_factory=list)
    fails: bool = False

    async def store(self, entries: Sequence[Entry]) -> None:
        """Keep them, some time later."""
        await asyncio.sleep(0)
        if self.fails:
            raise OSError("no room")
        self.blobs.append(packed(entries))

    @property
    def entries(self) -> list[Entry]:
        """All that was kept."""
        return [entry for blob in self.blobs for entry in unpacked(blob)]


@dataclass
class Follower:
    """Reads a log as the server does: from memory, and where that does not reach back, from the table."""

    log: RunLog
    table: Table
    seen: list[Entry] = field(default_factory=list)

    def read(self) -> None:
        """Take what there is."""
        position = self.seen[-1].seq if self.seen else 0
        found = self.log.after(position)
        if found is None:
            found = [entry for entry in self.table.entries if entry.seq > position and entry.checkpoint is None]
        self.seen += found


async def play(steps: Sequence[object], log: RunLog, follower: Follower) -> list[Entry]:
    """Do the steps, the follower reading in between; the frames that were added, under their numbers."""
    added: list[Entry] = []
    for number, step in enumerate(steps):
        if step == "mark":
            log.mark(f"checkpoint {number}")
        elif step == "turn":
            await asyncio.sleep(0)
        else:
            added.append(Entry(log.next, Frame("custom", b"x" * int(str(step)))))
            await log.append(added[-1].frame)
        if number % 3 == 0:
            follower.read()
    await log.settle()
    log.end(whole=True)
    follower.read()
    follower.read()
    return added


@given(STEPS, st.booleans(), st.booleans(), st.integers(1, 1000))
def test_a_follower_gets_every_frame_once_in_order(steps: list[object], eager: bool, hold: bool, memory: int) -> None:
    """However small the memory, whichever frames are stored, and whenever one looks."""

    async def run() -> None:
        table = Table()
        log = RunLog(first=1, store=table.store, changed=lambda: None, eager=eager or hold, hold=hold, memory=memory)
        follower = Follower(log, table)
        added = await play(steps, log, follower)
        assert follower.seen == added

    asyncio.run(run())


@given(STEPS, st.integers(1, 1000))
def test_a_frame_that_may_be_asked_for_again_is_stored_before_it_is_shown(steps: list[object], memory: int) -> None:
    """What a client was told, a restart does not lose."""

    async def run() -> None:
        table = Table()

        def stored() -> None:
            assert log.shown <= (table.entries[-1].seq if table.entries else 0)

        log = RunLog(first=1, store=table.store, changed=stored, eager=True, hold=True, memory=memory)
        added = await play(steps, log, Follower(log, table))
        assert [entry for entry in table.entries if entry.checkpoint is None] == added

    asyncio.run(run())


@given(STEPS, st.integers(1, 1000))
def test_memory_is_bounded_once_frames_are_stored(steps: list[object], memory: int) -> None:
    """A run of any length costs what was allowed, and one frame."""

    async def run() -> None:
        table = Table()
        log = RunLog(first=1, store=table.store, changed=lambda: None, memory=memory)
        await play(steps, log, Follower(log, table))
        assert log.held_bytes <= memory + 500 + 100

    asyncio.run(run())


async def test_what_cannot_be_stored_is_told_to_the_run() -> None:
    """A run does not stream into nothing."""
    table = Table(fails=True)
    log = RunLog(first=1, store=table.store, changed=lambda: None, eager=True, hold=True)
    await log.append(Frame("values", b"{}"))
    with pytest.raises(OSError, match="no room"):
        await log.settle()
    assert log.after(0) == []


async def test_a_restarted_log_numbers_on() -> None:
    """No number is used twice, whichever attempt streams."""
    table = Table()
    log = RunLog(first=1, store=table.store, changed=lambda: None, eager=True, hold=True)
    log.restart(17)
    await log.append(Frame("metadata", b"{}"))
    await log.settle()
    assert [entry.seq for entry in table.entries] == [17]
    assert log.after(16) == [Entry(17, Frame("metadata", b"{}"))]


async def test_what_was_not_stored_is_void_where_the_run_goes_on_elsewhere() -> None:
    """A log that ends before its run shows no more of it: whoever looks again would be told the same for ever."""
    for whole, shown in ((True, 1), (False, 0)):
        log = RunLog(first=1, store=Table().store, changed=lambda: None)
        await log.append(Frame("values", b"1"))
        log.end(whole=whole)
        assert len(log.after(0) or []) == shown
