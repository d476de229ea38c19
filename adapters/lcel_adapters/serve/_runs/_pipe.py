"""A run that executes for one request: its frames go straight to the response, and hold it while nobody takes them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing, suppress
from typing import Any

from lcel_adapters.serve._frames import Frame
from lcel_adapters.serve._runs._attempt import Attempt
from lcel_adapters.serve._turns import Turns

AHEAD = 64
"""Frames that a run may be ahead of its reader."""
AHEAD_BYTES = 65_536
"""How much of them, about: a frame is whole, however large it is."""


class Pipe:
    """Executes a run in a task of its own, and hands over its frames in bunches.

    The run begins with its first bunch: of an answer that is never begun nothing is executed.

    Args:
        attempt: The run.
        turns: Which runs execute at once, and for how long.
        outlives: Whether the run goes on when its reader leaves.
        keep: Holds on to the task.
    """

    def __init__(
        self, attempt: Attempt, *, turns: Turns, outlives: bool, keep: Callable[[asyncio.Task[Any]], None]
    ) -> None:
        self.attempt = attempt
        self._keep = keep
        self._turns = turns
        self._turn = turns.turn()
        self._outlives = outlives
        # The client has it at once, however busy the server is with others' runs.
        self._ready = [attempt.beginning()]
        self._ready_bytes = 0
        self._news = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()
        self._left = False

    async def bunches(self) -> AsyncGenerator[list[Frame], None]:
        """The frames, those that are there together; closing it leaves the run, and ends it unless it outlives that."""
        task = asyncio.create_task(self._produce(), name=f"run {self.attempt.run_id}")
        self._keep(task)
        try:
            while True:
                self._news.clear()
                if self._ready:
                    bunch, self._ready, self._ready_bytes = self._ready, [], 0
                    self._room.set()
                    yield bunch
                elif task.done():
                    task.result()
                    return
                else:
                    await self._news.wait()
        finally:
            await self._leave(task)

    async def _leave(self, task: asyncio.Task[None]) -> None:
        self._left = True
        self._ready.clear()
        self._room.set()
        if not self._outlives and not task.done():
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def _produce(self) -> None:
        try:
            async with self._turn:
                await self._execute()
        except asyncio.CancelledError:
            if self._left:
                raise
            # The server ends. Whoever reads, or waits for the last state, has to know that this is not it.
            self._ready.append(self.attempt.cut_off())
        finally:
            self._news.set()

    async def _execute(self) -> None:
        seconds = self._turns.seconds
        try:
            async with asyncio.timeout(seconds), aclosing(self.attempt.frames()) as frames:
                async for frame in frames:
                    if not isinstance(frame, str):
                        await self._give(frame)
        except TimeoutError:
            await self._give(self.attempt.late(seconds))

    async def _give(self, frame: Frame) -> None:
        if self._left:
            return
        self._ready.append(frame)
        self._ready_bytes += len(frame.data)
        self._news.set()
        if len(self._ready) >= AHEAD or self._ready_bytes >= AHEAD_BYTES:
            self._room.clear()
            async with self._turn.idle():
                await self._room.wait()
            await self._turn.take()
