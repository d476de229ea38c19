"""Waiting for asynchronous work: to its end, for no longer than a bound, or while it makes progress."""

from __future__ import annotations

import asyncio
import time
import types
from collections.abc import Awaitable, Coroutine, Generator, Sequence
from typing import Any

from lcel_compat._mailbox import AsyncMailbox, Mailbox
from lcel_compat.errors import NodeTimeoutError
from lcel_compat.policies import TimeoutPolicy

GRACE = 5.0
"""Seconds that nodes have to end when a run is stopped, or an attempt timed out, before it is given up on them."""


async def settle(tasks: Sequence[asyncio.Task[Any]], seconds: float) -> None:
    """Cancel tasks and wait for them, no longer than a bound, even if the caller is cancelled meanwhile.

    Raises:
        asyncio.CancelledError: If it was, when the tasks have ended.
    """
    for task in tasks:
        task.cancel()
    if tasks:
        await to_the_end(asyncio.wait(tasks, timeout=seconds))


async def to_the_end(work: Awaitable[Any]) -> Any:
    """Await something to its end, however often the caller is cancelled meanwhile.

    A cancel scope of anyio's cancels at every await until its task has left it.

    Raises:
        asyncio.CancelledError: If the caller was cancelled, when the work is done.
    """
    cancelled: asyncio.CancelledError | None = None
    running = asyncio.ensure_future(work)
    while not running.done():
        try:
            await asyncio.shield(running)
        except asyncio.CancelledError as error:
            if running.done() and running.cancelled():
                raise
            cancelled = error
        except BaseException:  # it is raised below, by the work itself
            pass
    if cancelled is not None:
        raise cancelled
    return running.result()


class Clock:
    """When an attempt began, and when it last made progress."""

    __slots__ = ("begun", "moved")

    def __init__(self) -> None:
        self.begun = self.moved = time.monotonic()

    def touch(self) -> None:
        """There was progress."""
        self.moved = time.monotonic()


async def timed(work: Coroutine[Any, Any, Any], node: str, policy: TimeoutPolicy, clock: Clock) -> Any:
    """Await an attempt of a node, unless it takes longer, or rests longer, than its policy allows.

    Raises:
        NodeTimeoutError: If it does; it has been cancelled then, and waited for no longer than ``GRACE``.
    """
    task = asyncio.ensure_future(work)
    try:
        while not task.done():
            left, kind, allowed = _next_limit(policy, clock)
            if left <= 0:
                await settle([task], GRACE)
                raise NodeTimeoutError(node, time.monotonic() - clock.begun, kind=kind, timeout=allowed)
            await asyncio.wait([task], timeout=left)
    except asyncio.CancelledError:
        await settle([task], GRACE)
        raise
    return task.result()


def _next_limit(policy: TimeoutPolicy, clock: Clock) -> tuple[float, Any, float]:
    """The limit that is reached first: seconds left, its kind, and what it allows."""
    now = time.monotonic()
    limits = [(clock.begun, "run", policy.run_timeout), (clock.moved, "idle", policy.idle_timeout)]
    return min((start + float(s) - now, kind, float(s)) for start, kind, s in limits if isinstance(s, int | float))


@types.coroutine
def held_back(work: Coroutine[Any, Any, None], mailboxes: Sequence[Mailbox]) -> Generator[Any, Any, None]:
    """A node's coroutine that goes on after each of its awaits only when there is room.

    A stream writer cannot wait where it is called. A node that writes in a loop is held at the next thing it awaits,
    whatever that is.
    """
    pending: Any = None
    try:
        pending = work.send(None)
        while True:
            try:
                value = yield pending
                for mailbox in mailboxes:
                    if mailbox.full and isinstance(mailbox, AsyncMailbox):
                        yield from mailbox.room()
            except BaseException as error:
                pending = work.throw(error)
            else:
                pending = work.send(value)
    except StopIteration:
        return
    finally:
        pending = None  # a failed future holds its error, the error this frame: a circle that would keep the state
