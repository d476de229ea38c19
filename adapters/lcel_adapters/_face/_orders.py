"""How the node that speaks has its runnable run by the face: it orders, the face serves.

The chain behind a face is not run by the graph's task or thread, from where its chunks would have to travel to the
reader. The node orders it and waits; the face runs it in the reader's own task or thread, hands chunk after chunk to
the reader, and answers the order with their sum. So the chain runs in its caller's context and is pulled by its reader,
as ever: back-pressure, ``aclose`` and cancellation are the chain's own.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import queue
import threading
from dataclasses import dataclass
from typing import Any

from langchain_core.runnables import RunnableConfig

from lcel_adapters._face._surroundings import Lent
from lcel_adapters._face.errors import RunEnded


@dataclass(frozen=True, slots=True, kw_only=True)
class Answerable:
    """Something a node asked for, and waits for.

    Attributes:
        value: What it is to be done on.
        around: What the engine set for the code in the node to find: stream writer, store, the node itself.
        answer: A future: the result, or what the work raised.
    """

    value: Any
    around: Lent
    answer: Any

    def serve(self, result: Any) -> None:
        """Give the node its result."""
        if not self.answer.done():
            self.answer.set_result(result)

    def fail(self, error: BaseException) -> None:
        """Make the node raise."""
        if not self.answer.done():
            self.answer.set_exception(error)


@dataclass(frozen=True, slots=True, kw_only=True)
class Order(Answerable):
    """A runnable to be run on a value.

    Attributes:
        config: Its configuration.
    """

    config: RunnableConfig | None


class SyncOrders:
    """The orders of a graph that runs in a thread beside the reader's."""

    def __init__(self) -> None:
        self._queue: queue.SimpleQueue[Order | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._open: list[Order] | None = []

    def place(self, value: Any, config: RunnableConfig | None, around: Lent) -> Any:
        """Order, in a thread of the graph's, and wait for the result.

        Raises:
            RunEnded: If nobody serves any more.
        """
        order = Order(value=value, config=config, around=around, answer=concurrent.futures.Future())
        with self._lock:
            if self._open is None:
                raise RunEnded
            self._open.append(order)
        self._queue.put(order)
        return order.answer.result()

    def next(self) -> Order | None:
        """The next order; ``None`` when the graph is done."""
        return self._queue.get()

    def done(self) -> None:
        """There will be no more orders."""
        self._queue.put(None)

    def close(self) -> None:
        """Nobody serves orders any more: nodes that wait for one, or will, end their graph."""
        with self._lock:
            waiting, self._open = self._open or (), None
        for order in waiting:
            order.fail(RunEnded())


class AsyncOrders:
    """The orders of a graph that runs in a task beside the reader's."""

    def __init__(self) -> None:
        self._queue: asyncio.Queue[Order | None] = asyncio.Queue()

    async def place(self, value: Any, config: RunnableConfig | None, around: Lent) -> Any:
        """Order, in the graph's task, and wait for the result."""
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._queue.put_nowait(Order(value=value, config=config, around=around, answer=answer))
        return await answer

    async def next(self) -> Order | None:
        """The next order; ``None`` when the graph is done."""
        return await self._queue.get()

    def done(self, _: Any = None) -> None:
        """There will be no more orders."""
        self._queue.put_nowait(None)
