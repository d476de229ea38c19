"""Transactions and notices, on every kind of database."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from sqlalchemy import Connection, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from lcel_adapters.serve._storage import (
    Database,
    StorageError,
    create_thread,
    get_thread,
    notify,
    threads,
    workers,
)

Work = Callable[[Connection], Any]


def made(number: int) -> Work:
    """Make the thread with that number."""
    return lambda connection: create_thread(connection, f"{number:036}", {"number": number})


def numbers(connection: Connection) -> list[int]:
    """The numbers of the threads that there are."""
    found = connection.execute(select(threads.c.metadata).order_by(threads.c.thread_id)).scalars()
    return [metadata["number"] for metadata in found]


class Refused(Exception):
    """What a function of these tests raises."""


def half(number: int) -> Work:
    """Make a thread, then fail."""

    def work(connection: Connection) -> None:
        made(number)(connection)
        notify(connection, f"half {number}")
        raise Refused

    return work


async def test_what_was_awaited_is_there_for_whoever_reads(opened: Database) -> None:
    """A read sees every write that was awaited before it."""
    for number in range(20):
        await opened.write(made(number))
        assert await opened.read(numbers) == list(range(number + 1))


async def test_a_function_that_raises_leaves_nothing(opened: Database) -> None:
    """The exception is the caller's, and nothing that the function did is kept."""
    with pytest.raises(Refused):
        await opened.write(half(1))
    assert await opened.read(numbers) == []


async def test_functions_that_wait_together_have_each_their_own_fate(opened: Database) -> None:
    """Of many at once, those that fail take nothing of the others with them."""
    work = [half(number) if number % 3 == 0 else made(number) for number in range(60)]
    outcomes = await asyncio.gather(*map(opened.write, work), return_exceptions=True)
    assert [isinstance(outcome, Refused) for outcome in outcomes] == [number % 3 == 0 for number in range(60)]
    assert await opened.read(numbers) == [number for number in range(60) if number % 3]


async def test_an_error_of_the_database_is_the_callers(opened: Database) -> None:
    """A broken constraint fails the function that broke it, alone."""
    row = await opened.write(made(1))
    again = opened.write(lambda connection: connection.execute(insert(threads).values(row)))
    outcomes = await asyncio.gather(again, opened.write(made(2)), return_exceptions=True)
    assert isinstance(outcomes[0], IntegrityError)
    assert await opened.read(numbers) == [1, 2]


async def test_changes_that_meet_are_all_made(opened: Database) -> None:
    """Functions that lock a row and change it by what they read lose no change of each other."""
    await opened.write(made(0))
    row = threads.c.thread_id == f"{0:036}"

    def count(connection: Connection) -> None:
        found = connection.execute(select(threads.c.metadata).where(row).with_for_update()).scalar_one()
        connection.execute(update(threads).where(row).values(metadata={"number": found["number"] + 1}))

    await asyncio.gather(*(opened.write(count) for _ in range(50)))
    assert await opened.read(numbers) == [50]


@pytest.mark.slow
async def test_transactions_that_deadlock_are_tried_again(opened: Database) -> None:
    """Two that lock the same rows in opposite order both come through."""
    await opened.write(made(0))
    await opened.write(made(1))

    def locking(*order: int) -> Work:
        def work(connection: Connection) -> None:
            for number in order:
                row = threads.c.thread_id == f"{number:036}"
                connection.execute(select(threads.c.thread_id).where(row).with_for_update())
                connection.execute(update(threads).where(row).values(status=str(order)))

        return work

    await asyncio.gather(*(opened.write(locking(*order)) for order in [(0, 1), (1, 0)] * 3))


async def test_a_caller_that_is_cancelled_does_not_stop_the_others(opened: Database) -> None:
    """Its transaction is kept or not, but as a whole; those behind it are not held up."""
    tasks = [asyncio.create_task(opened.write(made(number))) for number in range(20)]
    await asyncio.sleep(0)
    for task in tasks[::2]:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    found = await opened.read(numbers)
    assert {number for number in found if number % 2} == set(range(1, 20, 2))
    await opened.write(made(99))


async def test_notices_are_heard_after_their_commit(opened: Database) -> None:
    """Whoever hears a notice finds what was written with it."""
    heard: asyncio.Queue[str | None] = asyncio.Queue()
    opened.subscribe(heard.put_nowait)

    def work(connection: Connection) -> None:
        made(7)(connection)
        notify(connection, "seven")

    await opened.write(work)
    async with asyncio.timeout(10):
        assert await heard.get() == "seven"
    assert await opened.read(numbers) == [7]


async def test_a_function_that_raises_sends_nothing(opened: Database) -> None:
    """Notices belong to the transaction: where that is taken back, they are not sent."""
    heard: asyncio.Queue[str | None] = asyncio.Queue()
    opened.subscribe(heard.put_nowait)
    outcomes = [opened.write(half(1)), opened.write(lambda connection: notify(connection, "whole"))]
    await asyncio.gather(*outcomes, return_exceptions=True)
    async with asyncio.timeout(10):
        assert await heard.get() == "whole"
    assert heard.empty()


async def test_a_listener_that_fails_holds_nobody_up(opened: Database, caplog: pytest.LogCaptureFixture) -> None:
    """Its failure is logged; the others hear the notice, and those who ended their subscription do not."""
    heard: asyncio.Queue[str | None] = asyncio.Queue()
    gone: list[str | None] = []

    def failing(notice: str | None) -> None:
        raise Refused(notice)

    opened.subscribe(failing)
    opened.subscribe(gone.append)()
    opened.subscribe(heard.put_nowait)
    await opened.write(lambda connection: notify(connection, "news"))
    async with asyncio.timeout(10):
        assert await heard.get() == "news"
    assert gone == []
    assert "'news'" in caplog.text


async def test_a_notice_that_is_too_long_is_refused(opened: Database) -> None:
    """What PostgreSQL would refuse is refused everywhere, and nothing of the transaction is kept."""

    def work(connection: Connection) -> None:
        made(1)(connection)
        notify(connection, "ä" * 4000)

    with pytest.raises(ValueError, match="8000 bytes is too long"):
        await opened.write(work)
    assert await opened.read(numbers) == []


async def test_a_closed_database_says_so(url: str) -> None:
    """What is asked after the end is refused; what was told before is there when it is opened again."""
    database = await Database.open(url)
    await database.write(made(1))
    await database.close()
    if not database.shared:
        with pytest.raises(StorageError, match="closed"):
            await database.write(made(2))
    again = await Database.open(url)
    assert await again.read(numbers) == [1]
    await again.close()


async def test_times_come_back_in_utc(opened: Database) -> None:
    """A moment of any timezone comes back as the same moment, in UTC; one without a timezone is refused."""
    moment = datetime(2026, 11, 21, 3, 4, 5, 678901, timezone(timedelta(hours=5, minutes=30)))
    await opened.write(lambda c: c.execute(insert(workers).values(worker_id="w", seen_at=moment)))
    found = await opened.read(lambda c: c.execute(select(workers.c.seen_at)).scalar_one())
    assert (found, found.tzinfo) == (moment, UTC)
    with pytest.raises(Exception, match="has no timezone"):
        await opened.write(lambda c: c.execute(update(workers).values(seen_at=datetime(2026, 1, 1))))


JSON = [
    {},
    {"a": [1, 2.5, True, None, "ü\U0001f600", {"b": {}}]},
    {"quote\"'\\": "line\nbreak\t\x7f"},
    {"nul": "\0", "surrogate": "\ud800", "big": 2**80, "nan": float("nan")},
]


@pytest.mark.parametrize("value", JSON, ids=["nothing", "kinds", "quotes", "strange"])
async def test_json_comes_back_as_the_server_writes_it(opened: Database, value: Any) -> None:
    """Metadata is what the server's own JSON makes of it, also where a database would refuse it."""
    from lcel_adapters.serve._json import plain

    await opened.write(lambda connection: create_thread(connection, "t" * 36, value))
    found = await opened.read(lambda connection: get_thread(connection, "t" * 36))
    assert found is not None
    assert found["metadata"] == plain(value)


async def test_what_hangs_on_a_thread_goes_with_it(opened: Database) -> None:
    """Foreign keys are enforced: runs of no thread are refused, runs of a thread go when it goes."""
    from lcel_adapters.serve._storage import runs

    now = datetime.now(UTC)
    run = {
        "run_id": "r" * 36,
        "thread_id": f"{1:036}",
        "assistant_id": "a" * 36,
        "graph_id": "graph",
        "status": "pending",
        "metadata": {},
        "kwargs": {},
        "multitask_strategy": "enqueue",
        "created_at": now,
        "updated_at": now,
        "attempt": 0,
        "resumable": False,
    }
    with pytest.raises(IntegrityError):
        await opened.write(lambda connection: connection.execute(insert(runs).values(run)))
    await opened.write(made(1))
    await opened.write(lambda connection: connection.execute(insert(runs).values(run)))
    await opened.write(lambda connection: connection.execute(delete(threads)))
    assert await opened.read(lambda connection: connection.execute(select(runs)).all()) == []
