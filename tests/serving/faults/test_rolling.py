"""Servers of one database that serve different graphs, as while a new release takes the place of an old one."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update

from lcel_adapters.serve._storage import runs
from tests.serving.agent.test_webhook import Listener
from tests.serving.faults.databases import database
from tests.serving.faults.graphs import build
from tests.serving.faults.inside import Inside, inside
from tests.support.engines import OURS
from tests.support.servers import Server

pytestmark = [pytest.mark.slow, pytest.mark.timeout(60)]
POLL = 0.1
LOOKS = 8 * POLL
"""Seconds in which every server has looked for work several times."""
FOREVER = {"tick": 1000.0}
GRAPHS = build(OURS)


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    """An empty database that servers may share."""
    with database("postgres", tmp_path) as found:
        yield found


@asynccontextmanager
async def old(url: str) -> AsyncIterator[Inside]:
    """A server of the release before, which knows nothing of ``still``."""
    async with inside(url, {"steps": GRAPHS["steps"]}, poll=POLL) as server:
        yield server


@asynccontextmanager
async def new(url: str) -> AsyncIterator[Inside]:
    """A server of the next one."""
    async with inside(url, {name: GRAPHS[name] for name in ("steps", "still")}, poll=POLL) as server:
        yield server


async def columns(server: Inside, run: dict[str, Any]) -> Any:
    """A run's row; None if it is not there."""
    return await server.row(select(runs).where(runs.c.run_id == run["run_id"]))


async def given_back(url: str, **body: Any) -> dict[str, Any]:
    """A run of ``still`` that a new server began, which ended."""
    async with new(url) as server:
        run, _ = await server.runs.submit(server.asks("still", **body))
        await server.until(lambda: server.runs.worker.working)
        await asyncio.sleep(POLL)
    return run


@pytest.mark.postgres
async def test_what_is_given_back_waits_for_a_server_that_serves_it(url: str) -> None:
    """An old server leaves the run of a new one alone, also one that is submitted behind it; a new one goes on."""
    async with old(url) as server:
        first = await given_back(url, input=FOREVER)
        second, _ = await server.runs.submit(server.asks("steps", first["thread_id"], input={"tick": 0.0}))
        await asyncio.sleep(LOOKS)
        found = [(await columns(server, run)) for run in (first, second)]
        assert [(row.status, row.attempt) for row in found] == [("pending", 1), ("pending", 0)]
        async with new(url) as there:
            await there.until(lambda: first["run_id"] in there.runs.worker.working)
            await there.runs.cancel(first["run_id"], "interrupt")
            assert [await server.over(run) for run in (first, second)] == ["interrupted", "success"]


@pytest.mark.postgres
async def test_what_is_scheduled_waits_for_a_server_that_serves_it(url: str) -> None:
    """Its time comes while only an old server is there, and runs of that one start all the same."""
    async with old(url) as server:
        async with new(url) as there:
            later = [there.asks("still", input={"tick": 0.0}, after_seconds=0.2) for _ in range(3)]
            waits = [(await there.runs.submit(one))[0] for one in later]
        await asyncio.sleep(LOOKS)
        mine = await server.run("steps", input={"tick": 0.0}, after_seconds=0.1)
        assert await server.over(mine) == "success"
        assert [(await columns(server, run)).status for run in waits] == ["pending"] * 3
        async with new(url) as there:
            assert [await there.over(run) for run in waits] == ["success"] * 3


@pytest.mark.postgres
async def test_a_dead_server_is_followed_by_one_that_serves_its_graphs(url: str) -> None:
    """Its run is given back by an old server, and goes on in a new one."""
    run = await given_back(url, input={"tick": 0.1})
    async with old(url) as server:
        await server.change(update(runs).values(status="running", owner="dead"))
        async with asyncio.timeout(20):
            while (row := await columns(server, run)).status == "running":  # noqa: ASYNC110  # nothing says when
                await asyncio.sleep(POLL)
        assert (row.status, row.owner, row.attempt) == ("pending", None, 1)
        async with new(url) as there:
            assert await there.over(run) == "success"


@pytest.mark.postgres
async def test_the_next_of_a_thread_is_told_to_whom_serves_it(url: str) -> None:
    """Behind a run of an old server one of a new one starts at once, not when that server looks the next time."""
    async with old(url) as server, inside(url, GRAPHS, poll=60.0, worker_timeout=100.0) as there:
        first, _ = await server.runs.submit(server.asks("steps", input={"tick": 0.02}))
        second, _ = await there.runs.submit(there.asks("still", first["thread_id"], input={"tick": 0.0}))
        assert [await there.over(run, 5) for run in (first, second)] == ["success"] * 2


@pytest.mark.postgres
@pytest.mark.parametrize(("action", "left"), [("interrupt", "interrupted"), ("rollback", None)])
async def test_what_nobody_serves_can_be_ended(url: str, action: str, left: str | None) -> None:
    """A client's order is obeyed by any server, if none that serves the graph does so in time: the thread is free."""
    run = await given_back(url, input=FOREVER)
    async with old(url) as server:
        await server.runs.cancel(run["run_id"], action)
        assert await server.over(run) == left
        assert await server.run("steps", run["thread_id"], input={"tick": 0.0})


async def test_a_server_alone_ends_what_it_does_not_serve(tmp_path: Path) -> None:
    """Nobody else can have its file: the thread would wait for ever."""
    url = f"sqlite:///{tmp_path / 'served.db'}"
    run = await given_back(url, input=FOREVER)
    async with old(url) as server:
        assert await server.over(run) == "error"
        assert (await server.thread(run["thread_id"]))["status"] == "error"


async def test_what_is_not_served_is_rolled_back_if_that_was_ordered(tmp_path: Path) -> None:
    """It is told and counted like any other end; the thread is as it was before the run, and goes on."""
    url = f"sqlite:///{tmp_path / 'served.db'}"
    heard = Listener()
    with closing(Server(heard.app)) as listens:
        listens.open()
        run = await given_back(url, input=FOREVER, webhook=f"{listens.url}/hook")
        with closing(sqlite3.connect(tmp_path / "served.db")) as raw, raw:
            raw.execute("update lcel_runs set cancel = 'rollback'")
        async with inside(url, {"steps": GRAPHS["steps"]}, webhook_hosts=["127.0.0.1"]) as server:
            assert await server.over(run) is None
            thread = await server.thread(run["thread_id"])
            assert (thread["status"], thread["values"]) == ("idle", None)
            state = await server.serving.checkpointer.aget_tuple({"configurable": {"thread_id": run["thread_id"]}})
            assert state is None
            assert (await heard.of(run["run_id"]))["status"] == "interrupted"
            labels = {"graph": "still", "status": "interrupted"}
            assert server.serving.metrics.registry.get_sample_value("lcel_runs_total", labels) == 1
            assert await server.run("steps", run["thread_id"], input={"tick": 0.0})
