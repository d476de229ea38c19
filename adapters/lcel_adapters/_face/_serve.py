"""The stream of a face: serving the orders of its graph, chunk by chunk.

``Speech`` decides, the two generators below carry out: they run what was ordered in the reader's own task or thread,
and hand the chunks on.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator, Iterator
from contextlib import aclosing, closing, contextmanager, nullcontext
from typing import Any, Final, TypeAlias

from lcel_adapters._face._orders import AsyncOrders, Order, SyncOrders
from lcel_adapters._face._surroundings import lent
from lcel_adapters._face.errors import FaceError, RunEnded
from lcel_compat._sum import Sum

Close: TypeAlias = Callable[[Any, list[Any]], Any]
"""From what the graph returned, and what its speaker's runnable returned each time, to the face's output."""
Start: TypeAlias = Callable[[Order], Any]
"""Streams what was ordered."""


class Speech:
    """What a face has said so far.

    Args:
        chunks: The stream of a runnable that began before its graph did.
    """

    def __init__(self, chunks: Any = None) -> None:
        self._early = chunks
        self._spoke = chunks is not None
        self._total = Sum()
        self._results: list[Any] = []

    def chunks(self, order: Order, start: Start) -> Any:
        """The stream to serve an order with.

        Raises:
            FaceError: If an earlier order has been served; what was said then cannot be taken back.
        """
        if self._early is not None:
            early, self._early = self._early, None
            return early
        if self._spoke:
            raise FaceError(
                "The node whose chunks are those of the face ran a second time in one run, and its first answer has"
                " been handed out. Give as_lcel a function as output=, so that the face waits for the graph's end."
            )
        return start(order)

    def add(self, chunk: Any) -> Any:
        """Take a chunk, and return it to be handed out."""
        self._spoke = True
        self._total.add(chunk)
        return chunk

    @contextmanager
    def answering(self, order: Order) -> Iterator[None]:
        """Answer an order when the block has ended.

        What its runnable raised before the first chunk is the node's to raise, so that the graph may retry it. After
        that the error is the reader's at once: a second attempt would say again what was said.
        """
        try:
            yield
        except BaseException as error:
            if self._spoke or not isinstance(error, Exception):
                order.fail(RunEnded())
                raise
            order.fail(error)
        else:
            self._results.append(self._total.value)
            order.serve(self._total.value)

    def rest(self, final: Any, close: Close) -> Iterator[Any]:
        """What is left to say when the graph is done: its output, if nobody spoke."""
        output = close(final, self._results)
        if not self._results:
            yield output


def serve(
    orders: SyncOrders, begin: Callable[[], Callable[[], Any]], start: Start, speech: Speech, close: Close
) -> Generator[Any, None, None]:
    """Run a graph in a thread of its own, and stream what its speaker orders in this one.

    Args:
        orders: Where it orders.
        begin: Makes a function that runs the graph.
        start: Streams what was ordered.
        speech: What was said before.
        close: Makes the face's output.
    """
    graph = GraphThread(begin(), orders.done)
    try:
        while (order := orders.next()) is not None:
            with speech.answering(order), closed(speech.chunks(order, start)) as chunks:
                while (chunk := _made(order, chunks)) is not _END:
                    yield speech.add(chunk)
        yield from speech.rest(graph.result(), close)
    finally:
        orders.close()
        graph.join()


async def aserve(
    orders: AsyncOrders, begin: Callable[[], asyncio.Task[Any]], start: Start, speech: Speech, close: Close
) -> AsyncGenerator[Any, None]:
    """Run a graph in a task of its own, and stream what its speaker orders in this one; see ``serve``."""
    graph = begin()
    graph.add_done_callback(orders.done)
    try:
        while (order := await orders.next()) is not None:
            with speech.answering(order):
                async with aclosed(speech.chunks(order, start)) as chunks:
                    while (chunk := await _amade(order, chunks)) is not _END:
                        yield speech.add(chunk)
        for chunk in speech.rest(graph.result(), close):
            yield chunk
    finally:
        await end_of(graph)


class GraphThread(threading.Thread):
    """A thread with a result.

    A daemon: at the interpreter's exit a stream that nobody reads to its end must not keep it up.
    """

    def __init__(self, work: Callable[[], Any], done: Callable[[], None]) -> None:
        super().__init__(name="lcel-compat face", daemon=True)
        self._work = work
        self._done = done
        self._outcome: concurrent.futures.Future[Any] = concurrent.futures.Future()
        self.start()

    def run(self) -> None:
        try:
            self._outcome.set_result(self._work())
        except BaseException as error:
            self._outcome.set_exception(error)
        finally:
            self._done()

    def result(self) -> Any:
        """What the work returned, or the exception that it raised."""
        return self._outcome.result()


async def end_of(graph: asyncio.Task[Any]) -> None:
    """End a graph whose reader is gone, and wait for it; a graph that is done has nothing left to say."""
    if not graph.done():
        graph.cancel()
        await asyncio.wait([graph], timeout=GRACE)
    if graph.done() and not graph.cancelled():
        graph.exception()


def closed(chunks: Any) -> Any:
    """A block at whose end a stream is closed, if it can be."""
    return closing(chunks) if hasattr(chunks, "close") else nullcontext(chunks)


def aclosed(chunks: Any) -> Any:
    """A block at whose end an asynchronous stream is closed, if it can be."""
    return aclosing(chunks) if hasattr(chunks, "aclose") else nullcontext(chunks)


def _made(order: Order, chunks: Iterator[Any]) -> Any:
    """The next chunk, made while what the engine has set for the node is set here.

    It is put away before the chunk is handed out: the reader's context is the reader's.
    """
    with lent(order.around):
        return next(chunks, _END)


async def _amade(order: Order, chunks: AsyncIterator[Any]) -> Any:
    """The next chunk of an asynchronous stream; see ``_made``."""
    with lent(order.around):
        return await anext(chunks, _END)


_END: Final = object()
GRACE: Final = 5.0
"""Seconds that a graph has to end when it is cancelled."""


class Feed:
    """A stream of input on its way into a runnable, added up as it passes.

    Attributes:
        ended: Whether all of it has passed.
    """

    def __init__(self, source: Any) -> None:
        self._source = source
        self._sum = Sum()
        self.ended = False

    @property
    def value(self) -> Any:
        """The sum of what has passed."""
        return self._sum.value

    def __iter__(self) -> Iterator[Any]:
        for chunk in self._source:
            self._sum.add(chunk)
            yield chunk
        self.ended = True

    async def __aiter__(self) -> AsyncIterator[Any]:
        async for chunk in self._source:
            self._sum.add(chunk)
            yield chunk
        self.ended = True


async def one(value: Any) -> AsyncIterator[Any]:
    """A stream of one chunk."""
    yield value
