"""What a server lets through at once, and for how long: streams, runs, bodies."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from langchain_core.runnables import RunnableLambda

from lcel_adapters.serve import create_app
from tests.support.asgi import client_of


class Work:
    """A runnable that waits until it is let go, and knows how often it was begun, and how much of it at once."""

    def __init__(self) -> None:
        self.begun = 0
        self.most = 0
        self.go = asyncio.Event()
        self._now = 0

    async def __call__(self, value: Any) -> Any:
        self.begun += 1
        self._now += 1
        self.most = max(self.most, self._now)
        try:
            await self.go.wait()
        finally:
            self._now -= 1
        return value

    @property
    def runnable(self) -> RunnableLambda[Any, Any]:
        """It, as something to serve."""
        return RunnableLambda(self.__call__, name="job")


@pytest.fixture
def database(tmp_path: Path) -> str:
    """A file of the test's own."""
    return f"sqlite:///{tmp_path / 'served.db'}"


@pytest.fixture
def work() -> Work:
    """What is served."""
    return Work()


async def serving(work: Work, database: str, **limits: Any) -> FastAPI:
    """An application that serves it; to make one blocks."""
    return await asyncio.to_thread(create_app, {"job": work.runnable}, database=database, **limits)


@asynccontextmanager
async def asking(
    client: httpx.AsyncClient, path: str, body: Any, *, times: int = 1
) -> AsyncIterator[list[asyncio.Task[httpx.Response]]]:
    """Requests that are under way."""
    tasks = [asyncio.create_task(client.post(path, json=body)) for _ in range(times)]
    await asyncio.sleep(0.1)
    yield tasks
    await asyncio.gather(*tasks)


RUN = {"assistant_id": "job", "input": 1}


# Streams -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ending", ["stream", "wait"])
@pytest.mark.parametrize("kept", [{}, {"on_completion": "keep"}])
async def test_what_is_refused_is_not_executed(database: str, work: Work, ending: str, kept: dict[str, str]) -> None:
    """A client that is told to come back does come back: what it asked for must not run twice, or wait for it."""
    app = await serving(work, database, max_streams=1)
    async with client_of(app) as client, asking(client, "/runs/wait", RUN):
        assert (await client.post(f"/runs/{ending}", json=RUN | kept)).status_code == 503
        thread = (await client.post("/threads", json={})).json()["thread_id"]
        assert (await client.post(f"/threads/{thread}/runs/{ending}", json=RUN)).status_code == 503
        await asyncio.sleep(0.1)
        assert (await client.get(f"/threads/{thread}/runs")).json() == []
        assert (work.begun, len(app.state.serving.tasks)) == (1, 1)
        work.go.set()


@pytest.mark.parametrize("ending", ["stream", "join"])
async def test_joins_are_limited_with_the_streams(database: str, work: Work, ending: str) -> None:
    """Who joins a run takes a place like anyone else, and leaves nothing behind where there is none."""
    app = await serving(work, database, max_streams=1)
    async with client_of(app) as client:
        thread = (await client.post("/threads", json={})).json()["thread_id"]
        run = (await client.post(f"/threads/{thread}/runs", json=RUN)).json()["run_id"]
        async with asking(client, "/runs/wait", RUN):
            assert (await client.get(f"/threads/{thread}/runs/{run}/{ending}")).status_code == 503
            work.go.set()
        assert (await client.get(f"/threads/{thread}/runs/{run}/{ending}")).status_code == 200


@pytest.mark.parametrize("path", ["/runs/stream", "/threads/00000000-0000-4000-8000-000000000000/runs/stream"])
async def test_a_request_that_comes_to_nothing_gives_its_place_back(database: str, work: Work, path: str) -> None:
    """Neither an assistant nor a thread that is not there uses places up."""
    app = await serving(work, database, max_streams=1)
    work.go.set()
    missing = {"assistant_id": "00000000-0000-4000-8000-000000000000", "input": 1}
    async with client_of(app) as client:
        for _ in range(3):
            assert (await client.post(path, json=missing)).status_code == 404
        assert (await client.post("/runs/stream", json=RUN)).status_code == 200
        assert app.state.serving.streams == 0
