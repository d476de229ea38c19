"""One SQLite file, owned by one server."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, insert, select

from lcel_adapters.serve._storage import (
    Database,
    StorageError,
    StorageFull,
    StorageLocked,
    StorageUnavailable,
    create_thread,
    threads,
    workers,
)
from lcel_adapters.serve._storage._sqlite import SqliteDatabase, raw_of

ROOT = Path(__file__).parents[3]
HOLDS = """
import asyncio, sys
from lcel_adapters.serve._storage import Database, create_thread

async def main():
    database = await Database.open(sys.argv[1])
    number = 0
    while True:
        await database.write(lambda c: create_thread(c, f"{number:036}", {"number": number}))
        print(number, flush=True)
        number += 1

asyncio.run(main())
"""
"""A server that makes threads, and tells which are kept."""


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[SqliteDatabase]:
    """An open file."""
    found = await SqliteDatabase.open_file(tmp_path / "served.db")
    yield found
    await found.close()


def made(number: int, size: int = 0) -> Any:
    """Make a thread with that number, whose metadata take that much room."""
    return lambda connection: create_thread(connection, f"{number:036}", {"number": number, "room": "x" * size})


def numbers(connection: Connection) -> list[int]:
    """The numbers of the threads that there are."""
    found = connection.execute(select(threads.c.metadata).order_by(threads.c.thread_id)).scalars()
    return [metadata["number"] for metadata in found]


class Held:
    """Holds the writer at its work, so that what is asked meanwhile waits together."""

    def __init__(self, database: SqliteDatabase) -> None:
        self._database = database
        self._release = threading.Event()

    async def __aenter__(self) -> None:
        began = asyncio.Event()
        loop = asyncio.get_running_loop()

        def work(connection: Connection) -> None:
            loop.call_soon_threadsafe(began.set)
            self._release.wait(10)

        self._task = asyncio.create_task(self._database.write(work))
        await began.wait()

    async def __aexit__(self, *error: object) -> None:
        self._release.set()
        await self._task


async def test_what_waits_together_is_committed_once(database: SqliteDatabase) -> None:
    """Forty functions that wait at the same time cost one commit, and all of them are kept."""
    said: list[str] = []
    await database.write(lambda connection: raw_of(connection).set_trace_callback(said.append))
    async with Held(database):
        tasks = [asyncio.create_task(database.write(made(number))) for number in range(40)]
        await asyncio.sleep(0)
        said.clear()
    await asyncio.gather(*tasks)
    # The one that held the writer, and the forty.
    assert [statement for statement in said if statement.lower() == "commit"] == ["COMMIT"] * 2
    assert await database.read(numbers) == list(range(40))


async def test_a_transaction_that_the_database_takes_back_is_run_again_one_by_one(database: SqliteDatabase) -> None:
    """Where one function loses the whole transaction, those beside it are kept all the same, once."""

    def lose(connection: Connection) -> None:
        raw_of(connection).execute("rollback")
        raise sqlite3.OperationalError("taken back")

    async with Held(database):
        work = [made(1), made(2), lose, made(3)]
        tasks = [asyncio.create_task(database.write(one)) for one in work]
        await asyncio.sleep(0)
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    assert [isinstance(outcome, Exception) for outcome in outcomes] == [False, False, True, False]
    assert await database.read(numbers) == [1, 2, 3]


async def test_a_full_disk_is_told_and_passes(database: SqliteDatabase) -> None:
    """What has no room fails with a remedy, what is beside it is kept, and later writes work when there is room."""

    def limit(pages: int) -> Any:
        return lambda connection: connection.exec_driver_sql(f"pragma max_page_count = {pages}").scalar()

    pages = await database.write(lambda connection: connection.exec_driver_sql("pragma page_count").scalar_one())
    await database.write(limit(pages + 20))
    async with Held(database):
        tasks = [asyncio.create_task(database.write(one)) for one in (made(1), made(2, 10**6), made(3))]
        await asyncio.sleep(0)
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [dict, StorageFull, dict]
    assert "free some on its disk" in str(outcomes[1])
    with pytest.raises(StorageFull):
        await database.write(made(4, 10**6))
    await database.write(limit(10**6))
    await database.write(made(5, 10**6))
    assert await database.read(numbers) == [1, 3, 5]


async def test_a_program_that_looks_at_the_file_is_waited_for(database: SqliteDatabase) -> None:
    """A write waits until another program's transaction ends."""
    other = await asyncio.to_thread(sqlite3.connect, database.path, isolation_level=None, check_same_thread=False)
    await asyncio.to_thread(other.execute, "begin immediate")
    task = asyncio.create_task(database.write(made(1)))
    await asyncio.sleep(0.3)
    assert not task.done()
    await asyncio.to_thread(other.execute, "rollback")
    await task
    other.close()


async def test_a_program_that_keeps_the_file_is_told_and_passes(database: SqliteDatabase) -> None:
    """All who wait together hear of cause and remedy as soon as one of them does; later writes work."""
    await database.write(lambda connection: connection.exec_driver_sql("pragma busy_timeout = 200").scalar())
    other = await asyncio.to_thread(sqlite3.connect, database.path, isolation_level=None, check_same_thread=False)
    await asyncio.to_thread(other.execute, "begin immediate")
    tasks = [asyncio.create_task(database.write(made(number))) for number in range(20)]
    async with asyncio.timeout(2):
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    assert {type(outcome) for outcome in outcomes} == {StorageUnavailable}
    assert "end that program's transaction" in str(outcomes[0])
    await asyncio.to_thread(other.execute, "rollback")
    await database.write(made(1))
    other.close()


async def test_a_second_server_is_refused(database: SqliteDatabase, tmp_path: Path) -> None:
    """The error names the process that has the file and what to do; a link to the file is the file."""
    (tmp_path / "link.db").symlink_to(database.path)
    for name in ("served.db", "link.db"):
        with pytest.raises(StorageLocked, match=rf"\(process {os.getpid()}\) .*postgresql://"):
            await Database.open(f"sqlite:///{tmp_path / name}")
    await database.write(made(1))


@pytest.mark.slow
async def test_what_was_told_survives_a_killed_server(tmp_path: Path) -> None:
    """A server that is killed leaves the file free, with all that it said was kept."""
    url = f"sqlite:///{tmp_path / 'killed.db'}"
    path = os.pathsep.join(str(ROOT / folder) for folder in ("compat", "adapters"))
    server = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", HOLDS, url), stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": path}
    )
    assert server.stdout is not None
    told = [int(await server.stdout.readline()) for _ in range(200)]
    with pytest.raises(StorageLocked, match=rf"process {server.pid}"):
        await Database.open(url)
    server.send_signal(signal.SIGKILL)
    told += [int(line) for line in (await server.stdout.read()).split()]
    await server.wait()
    database = await Database.open(url)
    assert set(told) <= set(await database.read(numbers))
    await database.close()


async def test_a_file_that_is_none_is_told(tmp_path: Path) -> None:
    """Garbage, a folder that cannot be: the error names the file and what to do, and keeps nothing locked."""
    garbage = tmp_path / "garbage.db"
    garbage.write_bytes(b"no database at all " * 100)
    for _ in range(2):
        with pytest.raises(StorageError, match=r"garbage\.db.*name another one"):
            await Database.open(f"sqlite:///{garbage}")
    with pytest.raises(StorageError, match=r"inside\.db.*right to write"):
        await Database.open(f"sqlite:///{garbage / 'inside.db'}")


async def test_a_folder_that_is_not_there_is_made(tmp_path: Path) -> None:
    """The first start on a new machine needs no preparation."""
    database = await Database.open(f"sqlite:///{tmp_path / 'new' / 'served.db'}")
    await database.write(made(1))
    await database.close()


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:"])
async def test_a_database_in_memory_is_refused(url: str) -> None:
    """It would forget everything that was promised."""
    with pytest.raises(StorageError, match="name a file"):
        await Database.open(url)


async def test_a_url_of_another_kind_is_refused_without_its_password() -> None:
    """The error says which there are, and repeats nothing that may be secret."""
    with pytest.raises(StorageError, match="postgresql://user") as refused:
        await Database.open("mysql://me:secret@host/name")
    assert "secret" not in str(refused.value)


async def test_threads_may_write_beside_the_event_loop(database: SqliteDatabase) -> None:
    """Functions handed in from threads run in the same transactions as those of the event loop."""

    def many(first: int) -> None:
        futures = [database.submit_write(made(first + number)) for number in range(50)]
        assert all(future.result(10) is not None for future in futures)

    own = [database.write(made(1000 + number)) for number in range(50)]
    await asyncio.gather(*(asyncio.to_thread(many, first) for first in (0, 100, 200)), *own)
    assert len(await database.read(numbers)) == 200


async def test_a_read_changes_nothing(database: SqliteDatabase) -> None:
    """What reads cannot write by mistake."""
    with pytest.raises(StorageError, match="readonly"):
        await database.read(lambda c: c.execute(insert(workers).values(worker_id="w", seen_at=None)))
