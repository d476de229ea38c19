"""Where a run's parts leave what they have for the run's driver: items for the consumer, and finished tasks.

One queue in one order, so that what a node emitted is always handed out before the node counts as finished.
Producers are the driver itself, node tasks on the event loop and threads; they never wait to *post*. They wait
afterwards, where they can, until fewer than ``limit`` items are ahead of the consumer: in ``room`` (awaited) and
in ``hold`` (threads). A post from the loop's own thread cannot wait, it overshoots by its burst (DESIGN.md,
"Back-pressure").
"""

from __future__ import annotations

import asyncio
import threading
import time
import weakref
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from lcel_compat._core import before_threads_are_joined

_LOOP_ANSWERS_WITHIN = 1.0
"""Seconds a thread waits for the event loop, and its default executor, to show that they are alive before it gives up
holding back. A loop that does not answer is blocked, perhaps by a synchronous call that waits for this very thread; an
executor that does not is full, perhaps of threads that are held back."""
_LOOK_AGAIN_AFTER = 0.05
"""Seconds between two looks of a waiting thread."""


UNLIMITED = 1 << 62
"""The limit of a run whose producers wait for nobody."""


@dataclass(slots=True)
class Give:
    """An item for the consumer, as a message."""

    item: Any


class Mailbox:
    """The queue of one run. ``AsyncMailbox`` and ``ThreadMailbox`` say how its driver waits.

    Attributes:
        limit: How many items may be ahead of the consumer.
        given: How many were posted; counted under the lock of the run's log, which orders all items.
        taken: How many the driver took; only the driver counts them.
        closed: Whether nobody reads any more.
        abandoned: Whether the run was stopped before its end.
    """

    __slots__ = ("_condition", "_held", "_producers", "_queue", "abandoned", "closed", "given", "limit", "taken")

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.given = 0
        self.taken = 0
        self.closed = False
        self.abandoned = False
        self._held = 0
        self._producers: deque[asyncio.Future[None]] = deque()
        self._queue: deque[Any] = deque()
        self._condition = threading.Condition(threading.Lock())

    @property
    def full(self) -> bool:
        """Whether the consumer has as many items before it as it may."""
        return self.given - self.taken >= self.limit and not self.closed

    def take(self) -> Any:
        """The oldest message, a ``Give`` or what was posted, or ``None``."""
        if not self._queue:
            return None
        message = self._queue.popleft()
        if type(message) is Give:
            self.taken += 1
            if (self._held or self._producers) and not self.full:
                self._release()
        return message

    def rest(self) -> Iterator[Any]:
        """The items that are there."""
        while (message := self.take()) is not None:
            if type(message) is Give:
                yield message.item

    def left(self) -> list[Any]:
        """What was posted for the driver and not taken; items for the consumer stay."""
        messages = list(self._queue)
        self._queue = deque(message for message in messages if type(message) is Give)
        return [message for message in messages if type(message) is not Give]

    def _release(self) -> None:
        """There is room: whoever waits for it may go on."""
        with self._condition:
            self._condition.notify_all()

    def close(self) -> None:
        """Nobody reads any more, and the run is stopped: whoever waits for room goes on, and what comes is dropped."""
        self.abandoned = True
        self._end()

    def stop(self) -> None:
        """The run is stopped, and what it says until it has ended is still read: whoever waits for room goes on."""
        self.abandoned = True
        self.limit = UNLIMITED
        self._release()

    def _end(self) -> None:
        self.closed = True
        self._release()

    def clear(self) -> None:
        """The run is over. Forget what is there: errors hold on to frames, and frames to streams that should close."""
        self._end()
        self._queue.clear()

    def give(self, item: Any) -> None:
        """Post an item for the consumer."""
        if self.closed:
            return
        self.given += 1
        self._queue.append(Give(item))
        self._wake()

    def post(self, message: Any) -> None:
        """Post a message for the driver."""
        self._queue.append(message)
        self._wake()

    def _wake(self) -> None:
        raise NotImplementedError

    def hold(self) -> None:
        """Wait, in a thread that may wait, until there is room."""
        raise NotImplementedError

    def abandons_caller(self) -> bool:
        """Whether the caller is a thread that works for nobody any more and that cannot be cancelled."""
        return self.abandoned


class AsyncMailbox(Mailbox):
    """The mailbox of a run that an event loop drives."""

    __slots__ = ("_driving", "_loop", "_thread", "_unanswered", "_waiter")

    def __init__(self, limit: int) -> None:
        super().__init__(limit)
        self._loop = asyncio.get_running_loop()
        self._thread = threading.get_ident()
        self._waiter: asyncio.Future[None] | None = None
        self._unanswered: threading.Event | None = None
        self._driving = False

    def arrival(self) -> asyncio.Future[None]:
        """Something to await until there is a message; to be called, and awaited, when there is none."""
        self._waiter = self._loop.create_future()
        return self._waiter

    def room_needed(self) -> bool:
        """Whether the caller is on the loop's thread and would have to wait in ``room``."""
        return self.full and not self._driving and threading.get_ident() == self._thread

    def open(self, driving: bool = True) -> None:
        """The driver itself is about to emit, or has; nobody waits for room meanwhile."""
        self._driving = driving

    async def room(self) -> None:
        """Wait until there is room. In any other loop than the run's own this returns at once."""
        while self.full and not self._driving and asyncio.get_running_loop() is self._loop:
            waiter: asyncio.Future[None] = self._loop.create_future()
            self._producers.append(waiter)
            await waiter

    def hold(self) -> None:
        if not self.full or threading.get_ident() == self._thread:
            return
        while self._loop_answers() and self.full:
            with self._condition:
                self._held += 1
                self._condition.wait(_LOOK_AGAIN_AFTER)
                self._held -= 1

    def abandons_caller(self) -> bool:
        return self.abandoned and threading.get_ident() != self._thread

    def _loop_answers(self) -> bool:
        asked = self._unanswered
        if asked is not None and not asked.is_set():
            return False  # it is still blocked; waiting again would only add to it
        answer = threading.Event()
        try:
            self._loop.call_soon_threadsafe(self._ask_executor, answer)
        except RuntimeError:  # the loop is closed, nobody will ever read
            return False
        answered = answer.wait(_LOOP_ANSWERS_WITHIN)
        self._unanswered = None if answered else answer
        return answered

    def _ask_executor(self, answer: threading.Event) -> None:
        """Answer by way of the loop's default executor: held threads may fill it while the consumer waits for it."""
        try:
            self._loop.run_in_executor(None, answer.set)
        except RuntimeError:  # it is shut down, so nobody can be waiting for it
            answer.set()

    def _release(self) -> None:
        super()._release()
        while self._producers:
            waiter = self._producers.popleft()
            if not waiter.done():
                waiter.set_result(None)

    def _wake(self) -> None:
        if threading.get_ident() != self._thread:
            self._wake_from_thread()
        elif self._waiter is not None:
            self._wake_here()

    def _wake_from_thread(self) -> None:
        try:
            self._loop.call_soon_threadsafe(self._wake_here)
        except RuntimeError:  # the loop is closed: a thread outlived the run it worked for
            self.closed = True

    def _wake_here(self) -> None:
        waiter, self._waiter = self._waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_result(None)


_unfinished: weakref.WeakSet[ThreadMailbox] = weakref.WeakSet()


@before_threads_are_joined
def _let_go() -> None:
    """At exit, nobody reads what is left of a stream; threads that wait for room would keep the interpreter up."""
    for mailbox in list(_unfinished):
        mailbox.close()


class ThreadMailbox(Mailbox):
    """The mailbox of a run that the caller's thread drives."""

    __slots__ = ("__weakref__", "_driver")

    def __init__(self, limit: int) -> None:
        super().__init__(limit)
        self._driver = threading.get_ident()
        _unfinished.add(self)

    def wait(self, deadline: float | None = None) -> None:
        """Return when there is a message.

        Raises:
            TimeoutError: If there is none until the deadline, by ``time.monotonic``.
        """
        with self._condition:
            # A generator may be handed from thread to thread; who waits here is the consumer.
            self._driver = threading.get_ident()
            while not self._queue:
                left = None if deadline is None else deadline - time.monotonic()
                if left is not None and left <= 0:
                    raise TimeoutError
                self._condition.wait(left)

    def hold(self) -> None:
        if not self.full or threading.get_ident() == self._driver:
            return
        with self._condition:
            self._held += 1
            while self.full:
                self._condition.wait()
            self._held -= 1

    def _wake(self) -> None:
        with self._condition:
            self._condition.notify_all()
