"""Runs asked of a server by several clients at once, each as soon as its last one ended, and what they took."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any, Final

from benchmarks._serving_apps import ANSWER
from benchmarks._serving_client import Answer, Connection, LoadError
from benchmarks._serving_processes import processor_seconds

QUESTION: Final = {"question": "What is a superstep?"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What a client asks for.

    Attributes:
        thread: Whether it makes a thread first, and runs on that.
        body: Fields of the run beside the assistant and the input.
    """

    thread: bool = False
    body: dict[str, Any] = field(default_factory=dict)

    @property
    def run(self) -> dict[str, Any]:
        """The body of the request that runs."""
        return {"assistant_id": "qa", "input": QUESTION, **self.body}


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """What a server did under load.

    Attributes:
        seconds: How long it lasted.
        first: Milliseconds from a run's request to its first event.
        whole: Milliseconds of a run, with the making of its thread.
        processor: Seconds that the server's process spent on a processor.
        bytes: Of one run's stream.
    """

    seconds: float
    first: tuple[float, ...]
    whole: tuple[float, ...]
    processor: float
    bytes: int

    @property
    def rate(self) -> float:
        """Runs per second."""
        return len(self.whole) / self.seconds

    @property
    def processor_ms(self) -> float:
        """Milliseconds of the server's processor time for a run."""
        return 1e3 * self.processor / len(self.whole)


async def load(port: int, pid: int, order: Order, *, clients: int, seconds: float) -> Loaded:
    """Keep a server busy for a while; runs that have begun are waited for.

    Raises:
        LoadError: A run did not go well.
    """
    client = _Client(order, perf_counter() + seconds)
    begun, used = perf_counter(), processor_seconds(pid)
    await asyncio.gather(*(client.work(port) for _ in range(clients)))
    return Loaded(
        seconds=perf_counter() - begun,
        first=tuple(client.first),
        whole=tuple(client.whole),
        processor=processor_seconds(pid) - used,
        bytes=client.bytes,
    )


class _Client:
    """What all clients do, and what they saw."""

    def __init__(self, order: Order, end: float) -> None:
        self._order = order
        self._end = end
        self.first: list[float] = []
        self.whole: list[float] = []
        self.bytes = 0

    async def work(self, port: int) -> None:
        async with Connection(port) as connection:
            while True:
                await self._one(connection)
                if perf_counter() >= self._end:
                    return

    async def _one(self, connection: Connection) -> None:
        before, path = 0.0, "/runs/stream"
        if self._order.thread:
            made = await connection.post("/threads", {})
            before, path = made.whole, f"/threads/{_thread_id(made)}/runs/stream"
        answer = await connection.post(path, self._order.run)
        _check(answer)
        self.first.append(1e3 * answer.first)
        self.whole.append(1e3 * (before + answer.whole))
        self.bytes = len(answer.body)


def _thread_id(made: Answer) -> str:
    if made.status != 200:
        raise LoadError(f"no thread was made: {made.status} {made.body[:200]!r}")
    return str(made.json["thread_id"])


def _check(answer: Answer) -> None:
    """A stream that ends well tells the answer, at its end, and no error."""
    if answer.status != 200 or b"event: error" in answer.body or f'"answer":"{ANSWER}"'.encode() not in answer.body:
        raise LoadError(f"a run failed: {answer.status} {answer.body[-300:]!r}")


def percentile(values: Sequence[float], share: float) -> float:
    """The value that `share` of them do not exceed."""
    return sorted(values)[min(int(share * len(values)), len(values) - 1)]
