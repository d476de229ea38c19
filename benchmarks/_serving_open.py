"""Many streams open at once, some of whose readers take their time: what the server's memory comes to."""

from __future__ import annotations

import asyncio
import socket
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any, Final

from benchmarks._serving_client import Connection, LoadError, request
from benchmarks._serving_processes import resident_megabytes

SLOW_PIECE: Final = 8_192
"""Bytes of one event of a stream whose reader is slow."""
SLOW_READ: Final = 4_096
"""Bytes that a slow reader takes, four times a second."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Crowd:
    """Who reads.

    Attributes:
        readers: Streams that are read as they come: an event a second.
        slow: Streams whose graph makes events as fast as it can, and whose reader takes little of them.
        pieces: Events that a slow reader's graph would make, of `SLOW_PIECE` bytes each.
        seconds: How long all of them are open together.
        thread: Whether the runs are on threads.
    """

    readers: int
    slow: int
    pieces: int
    seconds: float
    thread: bool


@dataclass(slots=True, kw_only=True)
class Seen:
    """What came of it: megabytes of the server before anybody came and at most, and streams by how they went."""

    before: float
    most: float = 0.0
    whole: int = 0
    held: int = 0
    errors: list[str] = field(default_factory=list)


async def crowded(port: int, pid: int, crowd: Crowd) -> Seen:
    """Open the streams, and watch the server's memory until the last reader has all.

    Raises:
        LoadError: A stream broke, or the server answers nobody afterwards.
    """
    seen = Seen(before=resident_megabytes(pid))
    watching = asyncio.create_task(_watch(pid, seen))
    slow = [asyncio.create_task(_slow(port, crowd, seen)) for _ in range(crowd.slow)]
    quick = [asyncio.create_task(_quick(port, crowd, number, seen)) for number in range(crowd.readers)]
    try:
        await asyncio.gather(*quick)
        if seen.held != crowd.slow:
            raise LoadError(f"{crowd.slow - seen.held} of {crowd.slow} slow streams did not begin or broke")
    finally:
        for task in (*slow, watching):
            task.cancel()
        await asyncio.gather(*slow, watching, return_exceptions=True)
    await _quick(port, crowd, 0, Seen(before=0.0), ticks=1)
    return seen


async def _watch(pid: int, seen: Seen) -> None:
    while True:
        seen.most = max(seen.most, resident_megabytes(pid))
        await asyncio.sleep(0.1)


async def _quick(port: int, crowd: Crowd, number: int, seen: Seen, ticks: int | None = None) -> None:
    # Not all at the same moment: that would measure the queue of connections.
    await asyncio.sleep(number / 500)
    ticks = ticks or max(1, round(crowd.seconds + (crowd.readers - number) / 500))
    async with Connection(port) as connection:
        path = await _path(connection, crowd)
        answer = await connection.post(path, _asked(ticks=ticks, size=100, pause=1.0))
    if answer.status != 200 or answer.body.count(b"event: custom") != ticks:
        raise LoadError(f"a stream of {ticks} events broke: {answer.status} {answer.body[-200:]!r}")
    seen.whole += 1


async def _slow(port: int, crowd: Crowd, seen: Seen) -> None:
    async with Connection(port) as connection:
        path = await _path(connection, crowd)
    with socket.socket() as narrow:
        # A wide one would take everything off the server's hands.
        narrow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SLOW_READ)
        narrow.setblocking(False)
        loop = asyncio.get_running_loop()
        await loop.sock_connect(narrow, ("127.0.0.1", port))
        await loop.sock_sendall(narrow, request(path, _asked(ticks=crowd.pieces, size=SLOW_PIECE, pause=0.0)))
        if await loop.sock_recv(narrow, SLOW_READ):
            seen.held += 1
        end = perf_counter() + crowd.seconds
        while perf_counter() < end:
            if not await loop.sock_recv(narrow, SLOW_READ):
                seen.held -= 1
                return
            await asyncio.sleep(0.25)
        await asyncio.Event().wait()


async def _path(connection: Connection, crowd: Crowd) -> str:
    if not crowd.thread:
        return "/runs/stream"
    made = await connection.post("/threads", {})
    return f"/threads/{made.json['thread_id']}/runs/stream"


def _asked(**drip: Any) -> dict[str, Any]:
    return {"assistant_id": "drip", "input": drip, "stream_mode": "custom", "on_disconnect": "cancel"}
