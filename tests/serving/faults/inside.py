"""A server inside the test's own process, to look into and to meddle with."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

from fastapi import FastAPI
from sqlalchemy import select

from lcel_adapters.serve._agent._asked import assistant_id_of
from lcel_adapters.serve._app import Opening
from lcel_adapters.serve._auth import Guard
from lcel_adapters.serve._project import HttpSection, serve_object
from lcel_adapters.serve._runs import Entry, RunBody, Submission
from lcel_adapters.serve._serving import Serving
from lcel_adapters.serve._settings import Settings
from lcel_adapters.serve._storage import threads
from tests.serving.faults.graphs import build
from tests.serving.faults.reader import Got
from tests.support.engines import OURS


class Inside:
    """A running server.

    Args:
        serving: What its routes share.
    """

    def __init__(self, serving: Serving) -> None:
        self.serving = serving
        self.runs = serving.runs
        self.database = serving.database

    def asks(self, graph: str, thread_id: str | None = None, **body: Any) -> Submission:
        """What is to be run; a thread of its own if none is named."""
        asked = {"assistant_id": graph, "if_not_exists": "create", "stream_resumable": True, **body}
        assistant = {"assistant_id": assistant_id_of(graph), "graph_id": graph}
        return Submission(
            body=RunBody.model_validate(asked),
            assistant=assistant,
            thread_id=thread_id or str(uuid4()),
            metadata={},
            thread_metadata=assistant,
        )

    async def run(self, graph: str, thread_id: str | None = None, **body: Any) -> dict[str, Any]:
        """Run something to its end; its row as it was made."""
        run, _ = await self.runs.submit(self.asks(graph, thread_id, **body))
        await self.over(run)
        return run

    async def over(self, run: Mapping[str, Any], seconds: float = 20) -> str | None:
        """The status of a run, once it is over."""
        async with asyncio.timeout(seconds):
            return await self.runs.over(run["run_id"])

    async def kept(self, run_id: str, after: int = 0) -> list[Got]:
        """What is kept of a run's stream."""
        found: list[Entry] = []
        async for entries in self.runs.follow(self.runs.listen(run_id), after):
            found += entries
        return [got(entry) for entry in found]

    async def thread(self, thread_id: str) -> Any:
        """A thread's row."""
        return await self.row(select(threads).where(threads.c.thread_id == thread_id))

    async def row(self, query: Any) -> Any:
        """What a query finds first."""
        return await self.database.read(lambda connection: connection.execute(query).mappings().first())

    async def change(self, statement: Any) -> None:
        """Meddle with the database."""
        await self.database.write(lambda connection: connection.execute(statement).rowcount)

    async def until(self, found: Callable[[], Any], seconds: float = 10) -> Any:
        """What a function returns as soon as that is true."""
        async with asyncio.timeout(seconds):
            while not (value := found()):  # noqa: ASYNC110  # nothing says when
                await asyncio.sleep(0.01)
            return value


def got(entry: Entry) -> Got:
    """An entry as a client has it."""
    import json

    return Got(entry.seq, entry.frame.event, json.loads(entry.frame.data))


@asynccontextmanager
async def inside(url: str, graphs: Mapping[str, Any] | None = None, **settings: Any) -> AsyncIterator[Inside]:
    """A server on a database, which ends with the block."""
    served = [serve_object(name, graph) for name, graph in (build(OURS) if graphs is None else graphs).items()]
    chosen = Settings.model_validate({"poll": 0.1, "worker_timeout": 1.0, "drain": 0.0, **settings})
    opening = Opening(served=served, url=url, guard=Guard(), settings=chosen, http=HttpSection())
    # Its routes take a second to make, and are not asked for.
    opening.app = FastAPI()
    async with opening.lifespan(opening.app):
        assert opening.serving is not None
        yield Inside(opening.serving)
