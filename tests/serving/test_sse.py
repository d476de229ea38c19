"""The response that streams: it holds its producer, beats when it lasts, and ends when its client does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, MutableMapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lcel_adapters.serve._sse import EventStream, chunked, frame

Message = MutableMapping[str, Any]


class Client:
    """The other side of a response.

    Args:
        leaves: Set when it leaves.
        takes: Set as long as it takes what it is sent.
    """

    def __init__(self, *, takes: bool = True) -> None:
        self.body = b""
        self.leaves = asyncio.Event()
        self.takes = asyncio.Event()
        if takes:
            self.takes.set()

    async def receive(self) -> Message:
        """That it left."""
        await self.leaves.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        """Take a part of the answer."""
        if message.get("body"):
            await self.takes.wait()
            self.body += message["body"]


class Body:
    """Chunks that are made until somebody closes them."""

    def __init__(self, number: int, pause: float = 0.0) -> None:
        self.made = 0
        self.closed_in: asyncio.Task[Any] | None = None
        self._number = number
        self._pause = pause

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        """The chunks."""
        try:
            for _ in range(self._number):
                await asyncio.sleep(self._pause)
                self.made += 1
                yield b"."
        finally:
            self.closed_in = asyncio.current_task()


async def answer(client: Client, body: Body, **options: Any) -> None:
    """Send an answer to a client."""
    await EventStream(body.chunks(), **options)({}, client.receive, client.send)


async def test_a_stream_is_sent_to_its_end() -> None:
    """Every chunk arrives, and no comment in a stream that is shorter than a heartbeat."""
    client, body = Client(), Body(5)

    await answer(client, body)

    assert (client.body, body.closed_in) == (b".....", asyncio.current_task())


async def test_a_stream_that_lasts_beats() -> None:
    """Between two chunks that are far apart the connection is kept alive; nothing beats on when the stream is over."""
    client, body = Client(), Body(2, pause=0.1)

    await answer(client, body, heartbeat=0.03, comment=b"-")
    beaten = client.body
    await asyncio.sleep(0.07)

    assert client.body == beaten
    assert beaten.startswith(b"--")
    assert beaten.replace(b"-", b"") == b".."


async def test_a_client_that_leaves_ends_the_stream() -> None:
    """The body is closed in the task that read it, and the answer ends without an error."""
    client, body = Client(), Body(10**6, pause=0.001)
    answering = asyncio.create_task(answer(client, body))
    await asyncio.sleep(0.02)

    client.leaves.set()
    await asyncio.wait_for(answering, timeout=5)

    assert 0 < body.made < 10**6
    assert body.closed_in is answering


async def test_a_client_that_leaves_while_it_takes_nothing_ends_the_stream() -> None:
    """A producer that is held is let go."""
    client, body = Client(takes=False), Body(10**6)
    answering = asyncio.create_task(answer(client, body))
    await asyncio.sleep(0.02)
    assert body.made == 1, "a client that takes nothing holds the producer"

    client.leaves.set()
    await asyncio.wait_for(answering, timeout=5)

    assert body.closed_in is answering


async def test_a_client_that_takes_nothing_for_too_long_is_given_up() -> None:
    """Its stream breaks with an error, so that the server closes the connection."""
    client, body = Client(takes=False), Body(10)

    with pytest.raises(TimeoutError):
        await answer(client, body, stall=0.02)

    assert body.closed_in is asyncio.current_task()


async def test_an_answer_that_is_cancelled_is_cancelled() -> None:
    """The server that ends does not wait for a stream."""
    client, body = Client(), Body(10**6, pause=0.001)
    answering = asyncio.create_task(answer(client, body))
    await asyncio.sleep(0.02)

    answering.cancel()

    with pytest.raises(asyncio.CancelledError):
        await answering
    assert body.closed_in is answering


@given(st.lists(st.integers(1, 300), max_size=50), st.integers(1, 500))
def test_chunks_are_all_of_the_frames_in_pieces_of_about_a_size(sizes: list[int], size: int) -> None:
    """Nothing is lost or split; every chunk but the last has the size, by less than a frame more."""
    frames = [frame("values", b"x" * each) for each in sizes]

    chunks = list(chunked(iter(frames), size))

    longest = max(map(len, frames), default=0)
    assert b"".join(chunks) == b"".join(frames)
    assert all(chunk.endswith(b"\r\n\r\n") for chunk in chunks)
    assert all(size <= len(chunk) < size + longest for chunk in chunks[:-1])


async def test_a_stream_whose_answer_cannot_begin_is_closed() -> None:
    """What was made for it is given back, though nothing was read."""
    closed = asyncio.Event()

    class Chunks:
        def __aiter__(self) -> AsyncGenerator[bytes, None]:
            raise AssertionError("nobody reads it")

        async def __anext__(self) -> bytes:
            raise AssertionError("nobody reads it")

        async def aclose(self) -> None:
            closed.set()

    async def send(_: Message) -> None:
        raise ConnectionError

    with pytest.raises(ConnectionError):
        await EventStream(Chunks())({}, Client().receive, send)
    assert closed.is_set()
