"""A place in a queue, without HTTP and without a graph: `python -m benchmarks._serving_queue NAME DATABASE`.

What a durable run costs before and after it does anything: a workflow of DBOS that returns at once, started and waited
for, against the row of a run, claimed and ended. Each on a SQLite file. For every order `[clients, seconds]` on its
standard input it says what came of it, on a line.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from importlib import import_module
from time import perf_counter, process_time
from typing import Any, Final
from uuid import uuid4

Work = Callable[[], Awaitable[Any]]


@asynccontextmanager
async def workflows(database: str) -> AsyncIterator[Work]:
    """A workflow that returns what it is given."""
    # It is in the peers' environment alone.
    dbos = import_module("dbos")
    dbos.DBOS(
        config={
            "name": "benchmark",
            "system_database_url": database,
            "run_admin_server": False,
            "log_level": "ERROR",
        }
    )

    async def returned(value: int) -> int:
        return value

    workflow = dbos.DBOS.workflow()(returned)

    async def work() -> None:
        with dbos.SetWorkflowID(str(uuid4())):
            handle = await dbos.DBOS.start_workflow_async(workflow, 1)
        await handle.get_result()

    dbos.DBOS.launch()
    try:
        yield work
    finally:
        dbos.DBOS.destroy()


@asynccontextmanager
async def rows(database: str) -> AsyncIterator[Work]:
    """A run's row on a thread of its own: claimed, then ended, each in a transaction."""
    from lcel_adapters.serve._runs import RunBody, Submission, _claims, _service
    from lcel_adapters.serve._runs._lease import lease
    from lcel_adapters.serve._storage import Database

    opened = await Database.open(database)
    named = {"assistant_id": str(uuid4()), "graph_id": "qa"}
    asked = Submission(
        body=RunBody(assistant_id="qa", input={"question": "?"}, if_not_exists="create"),
        assistant={**named, "config": {}, "context": {}},
        thread_id=str(uuid4()),
        thread_metadata=named,
    )

    worker = _claims.Claimant(name="worker", graphs=frozenset({"qa"}), patience=10.0)

    async def work() -> None:
        thread_id = str(uuid4())
        run = {"run_id": str(uuid4()), "thread_id": thread_id, **_service._columns(asked)}
        place = _service._place(asked, thread_id)
        made = await opened.write(lambda connection: _claims.submit(connection, run, place, worker))
        end = _claims.End(status="success", thread={"status": "idle", "values": {"answer": "!"}})
        await opened.write(lambda connection: _claims.finish(connection, lease(made), end, worker))

    try:
        yield work
    finally:
        await opened.close()


QUEUES: Final = {"dbos": workflows, "rows": rows}


async def measured(work: Work, clients: int, seconds: float) -> dict[str, float]:
    """How many per second, and milliseconds of the processor for one."""
    end, done = perf_counter() + seconds, 0

    async def client() -> None:
        nonlocal done
        while True:
            await work()
            done += 1
            if perf_counter() >= end:
                return

    begun, used = perf_counter(), process_time()
    await asyncio.gather(*(client() for _ in range(clients)))
    return {"rate": done / (perf_counter() - begun), "processor_ms": 1e3 * (process_time() - used) / done}


async def obey(name: str, database: str) -> None:
    """Do what is ordered, until standard input ends."""
    async with QUEUES[name](database) as work:
        print(json.dumps("ready"), flush=True)
        while line := await asyncio.to_thread(sys.stdin.readline):
            clients, seconds = json.loads(line)
            print(json.dumps(await measured(work, clients, seconds)), flush=True)


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", choices=sorted(QUEUES))
    parser.add_argument("database")
    options = parser.parse_args()
    asyncio.run(obey(options.name, options.database))


if __name__ == "__main__":
    main()
