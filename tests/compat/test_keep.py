"""The queues through which a run is saved: one after the other, beside the run, and never after a failure."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from contextvars import ContextVar
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lcel_compat._execute import ASYNC, SYNC
from tests.support.colours import SYNC as SYNCHRONOUS
from tests.support.colours import Colour, run


class Lost(Exception):
    """What a job of these tests raises."""


class Bench:
    """A queue of a colour, and jobs that note what they do."""

    def __init__(self, colour: Colour) -> None:
        self.sync = colour is SYNCHRONOUS
        self.queue: Any = None
        self.done: list[Any] = []

    def start(self) -> Any:
        """The queue, made where it is used."""
        self.queue = (SYNC if self.sync else ASYNC).queue()
        return self.queue

    def job(self, name: Any, *, error: BaseException | None = None, seconds: float = 0.0) -> Callable[[], Any]:
        """A job that takes some time, and notes its name or raises."""

        def finish() -> None:
            if error is not None:
                raise error
            self.done.append(name)

        def work() -> None:
            time.sleep(seconds)
            finish()

        async def awork() -> None:
            await asyncio.sleep(seconds)
            finish()

        return work if self.sync else awork

    async def wait(self) -> None:
        """Wait as a run does."""
        waited = await asyncio.to_thread(self.queue.wait) if self.sync else self.queue.wait()
        if waited is not None:
            await waited


@pytest.fixture
def bench(colour: Colour) -> Iterator[Bench]:
    """A bench whose queue is closed, and whose thread has ended, after the test."""
    made = Bench(colour)
    yield made
    if made.queue is not None:
        made.queue.close()
    assert not [t for t in threading.enumerate() if t.name.startswith("lcel-compat")]


def play(bench: Bench, steps: Callable[[Bench], Any]) -> None:
    """Run a test's body on an event loop, whatever the colour."""
    run(steps(bench))


def test_in_order(bench: Bench) -> None:
    """Jobs are done one after the other, in the order in which they came, however long each takes."""

    async def body(bench: Bench) -> None:
        queue = bench.start()
        for number in range(20):
            queue.add(bench.job(number, seconds=0.002 if number % 3 == 0 else 0))
        await bench.wait()

    play(bench, body)
    assert bench.done == list(range(20))


def test_nothing_to_wait_for(bench: Bench) -> None:
    """A queue that was never used is done, and can be closed."""

    async def body(bench: Bench) -> None:
        bench.start().check()
        await bench.wait()

    play(bench, body)


def test_it_can_be_waited_for_again_and_again(bench: Bench) -> None:
    """After a wait more jobs can come; with ``durability="sync"`` that is after each superstep."""

    async def body(bench: Bench) -> None:
        queue = bench.start()
        for number in range(5):
            queue.add(bench.job(number))
            await bench.wait()
            assert bench.done == list(range(number + 1))

    play(bench, body)


def test_a_failure_is_raised_by_the_wait(bench: Bench) -> None:
    """What a job raises is raised where the queue is waited for, and then no more."""

    async def body(bench: Bench) -> None:
        queue = bench.start()
        queue.add(bench.job("a"))
        queue.add(bench.job("b", error=Lost("b")))
        with pytest.raises(Lost, match="b"):
            await bench.wait()
        await bench.wait()

    play(bench, body)
    assert bench.done == ["a"]


def test_a_failure_is_raised_by_the_next_job(bench: Bench) -> None:
    """A job that has failed meanwhile is found when the next one comes, which is not done then."""

    async def body(bench: Bench) -> None:
        queue = bench.start()
        queue.add(bench.job("a", error=Lost("a")))
        await asyncio.sleep(0.02)
        with pytest.raises(Lost, match="a"):
            queue.add(bench.job("b"))
        await bench.wait()

    play(bench, body)
    assert bench.done == []


def test_nothing_is_done_after_a_failure(bench: Bench) -> None:
    """What came after a job that failed is dropped: a checkpoint is not saved without what is before it."""

    async def body(bench: Bench) -> None:
        queue = bench.start()
        queue.add(bench.job("a", seconds=0.01))
        queue.add(bench.job("b", error=Lost("b")))
        queue.add(bench.job("c"))
        queue.add(bench.job("d"))
        with pytest.raises(Lost, match="b"):
            await bench.wait()
        await bench.wait()
        with suppress(Lost):
            queue.add(bench.job("e"))
        with suppress(Lost):
            await bench.wait()

    play(bench, body)
    bench.queue.close()
    assert {*bench.done} <= {"a", "e"}


def test_it_works_beside_the_run(bench: Bench) -> None:
    """``add`` returns at once."""

    async def body(bench: Bench) -> None:
        queue = bench.start()
        started = time.monotonic()
        queue.add(bench.job("a", seconds=0.05))
        assert time.monotonic() - started < 0.04
        assert bench.done == []
        await bench.wait()

    play(bench, body)
    assert bench.done == ["a"]


WHO: ContextVar[str] = ContextVar("who", default="nobody")


def test_jobs_see_the_context_of_the_run(bench: Bench) -> None:
    """A job runs in the context in which the queue began, so that what a saver's tracing set is there."""
    seen: list[str] = []

    async def body(bench: Bench) -> None:
        WHO.set("run")
        queue = bench.start()

        async def look() -> None:
            seen.append(WHO.get())

        queue.add((lambda: seen.append(WHO.get())) if bench.sync else look)
        await bench.wait()

    play(bench, body)
    assert seen == ["run"]


async def test_a_wait_that_is_cancelled() -> None:
    """Whoever waits may be cancelled: the jobs go on, and are done when the queue is waited for again."""
    bench = Bench(colour=None)  # type: ignore[arg-type]  # anything but the synchronous one
    queue = bench.start()
    queue.add(bench.job("a", seconds=0.01))
    queue.add(bench.job("b"))
    waiting = asyncio.create_task(queue.wait())
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert bench.done == []
    await queue.wait()
    assert bench.done == ["a", "b"]
    assert asyncio.all_tasks() == {asyncio.current_task()}


@pytest.mark.blocking
@given(st.lists(st.sampled_from(["quick", "slow", "wait"]), max_size=12), st.integers(0, 12))
def test_any_order_of_jobs_and_waits(steps: list[str], fails: int) -> None:
    """Both queues do the same jobs and raise at the same one, whatever lies between them."""

    async def body(bench: Bench) -> str | None:
        queue = bench.start()
        try:
            for number, step in enumerate(steps):
                if step == "wait":
                    await bench.wait()
                else:
                    error = Lost(str(number)) if number == fails else None
                    queue.add(bench.job(number, error=error, seconds=0.001 if step == "slow" else 0.0))
            await bench.wait()
        except Lost as lost:
            return str(lost)
        finally:
            queue.close()
        return None

    jobs = [number for number, step in enumerate(steps) if step != "wait"]
    expected = [number for number in jobs if number < fails or fails not in jobs]
    for made in (Bench(SYNCHRONOUS), Bench(None)):  # type: ignore[arg-type]  # as above
        raised = run(body(made))
        assert raised == (str(fails) if fails in jobs else None)
        assert made.done == expected
