"""Threads that are deleted while runs come in: nothing of them is left for a thread that is made under the same id."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, select, text

from lcel_adapters.serve._agent._threads import _forget
from lcel_adapters.serve._storage import delete_thread, threads
from tests.serving.faults.databases import KINDS, database
from tests.serving.faults.inside import Inside, inside

pytestmark = [pytest.mark.slow, pytest.mark.timeout(60)]
KIND = [pytest.param(kind, marks=[pytest.mark.postgres] if kind == "postgres" else []) for kind in KINDS]
TABLES = {"sqlite": ("checkpoints", "writes"), "postgres": ("checkpoints", "checkpoint_blobs", "checkpoint_writes")}


@pytest.fixture(params=KIND)
def kind(request: pytest.FixtureRequest) -> str:
    """The kind of database."""
    found: str = request.param
    return found


@pytest.fixture
def url(kind: str, tmp_path: Path) -> Iterator[str]:
    """An empty database of it."""
    with database(kind, tmp_path) as found:
        yield found


async def left(server: Inside, kind: str) -> int:
    """How many rows of states there are, of whichever thread."""

    def counted(connection: Connection) -> int:
        return sum(connection.execute(text(f"select count(*) from {table}")).scalar_one() for table in TABLES[kind])

    return await server.database.read(counted)


async def test_a_run_that_comes_in_leaves_nothing(url: str, kind: str) -> None:
    """It saves until the thread is gone, which nobody told it, and not a moment longer."""
    async with inside(url) as server:
        run, _ = await server.runs.submit(server.asks("steps", input={"tick": 0.01}))
        while not await left(server, kind):  # noqa: ASYNC110  # nothing says when
            await asyncio.sleep(0.01)
        await server.database.write(lambda connection: delete_thread(connection, run["thread_id"]))
        await server.until(lambda: run["run_id"] not in server.runs.worker.working)
        assert await left(server, kind) == 0


async def test_runs_that_come_in_all_the_time_leave_nothing(url: str, kind: str) -> None:
    """Whichever step of a deletion they meet: they are refused, or go with the thread, or make one that is whole."""
    async with inside(url) as server:
        run = await server.run("steps", input={"tick": 0.0})
        thread_id = run["thread_id"]

        async def come() -> None:
            for _ in range(60):
                await server.runs.submit(server.asks("steps", thread_id, input={"tick": 0.0}))
                await asyncio.sleep(0.003)

        coming = asyncio.create_task(come())
        while not coming.done():
            await _forget(server.serving, thread_id)
        await _forget(server.serving, thread_id)
        await server.until(lambda: not server.runs.worker.working)
        assert await server.row(select(threads)) is None
        assert await left(server, kind) == 0


async def test_a_deletion_that_breaks_off_deletes_nothing(url: str, kind: str) -> None:
    """A server that dies in the middle leaves the thread as it was, with its states."""
    async with inside(url) as server:
        run = await server.run("steps", input={"tick": 0.0})
        before = await left(server, kind)

        def dies(connection: Connection) -> Any:
            delete_thread(connection, run["thread_id"])
            raise SystemError

        with pytest.raises(SystemError):
            await server.database.write(dies)
        assert await left(server, kind) == before > 0
        assert (await server.thread(run["thread_id"]))["status"] == "idle"
