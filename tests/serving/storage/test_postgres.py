"""PostgreSQL: what breaks between a server and its database, and several servers on one."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import Connection, select, text, update
from sqlalchemy.util import await_only

from lcel_adapters.serve._storage import (
    Database,
    StorageError,
    StorageUnavailable,
    create_thread,
    notify,
    open_savers,
    threads,
)
from lcel_adapters.serve._storage._postgres import PostgresDatabase
from tests.serving.faults.databases import database
from tests.serving.storage.proxy import Proxy

pytestmark = pytest.mark.postgres


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    """The URL of an empty database."""
    with database("postgres", tmp_path) as found:
        yield found


@pytest.fixture
async def proxy(url: str) -> AsyncIterator[Proxy]:
    """A connection to it that can be broken."""
    async with Proxy(url) as found:
        yield found


@pytest.fixture
async def opened(proxy: Proxy) -> AsyncIterator[PostgresDatabase]:
    """That database, open through it."""
    found = await Database.open(proxy.url)
    assert isinstance(found, PostgresDatabase)
    yield found
    await found.close()


def made(number: int) -> Any:
    """Make a thread with that number; there must be none."""

    def work(connection: Connection) -> int:
        assert create_thread(connection, f"{number:036}", {"number": number}) is not None
        return number

    return work


def numbers(connection: Connection) -> list[int]:
    """The numbers of the threads that there are."""
    found = connection.execute(select(threads.c.metadata).order_by(threads.c.thread_id)).scalars()
    return [metadata["number"] for metadata in found]


@pytest.mark.parametrize("fate", ["lost", "unheard"])
async def test_a_commit_is_made_once_wherever_its_connection_breaks(
    opened: PostgresDatabase, proxy: Proxy, fate: Any
) -> None:
    """A commit that did not arrive is made again; one whose answer was lost is not."""
    for number in range(3):
        proxy.commits = fate
        assert await opened.write(made(number)) == number
    assert await opened.read(numbers) == [0, 1, 2]


async def test_writes_wait_for_a_server_that_restarts(opened: PostgresDatabase, proxy: Proxy) -> None:
    """What is asked while the server is away is done when it is back, each once."""
    tasks = [asyncio.create_task(opened.write(made(number))) for number in range(10)]
    proxy.away = True
    proxy.cut()
    tasks += [asyncio.create_task(opened.write(made(number))) for number in range(10, 20)]
    await asyncio.sleep(0.5)
    assert not all(task.done() for task in tasks)
    proxy.away = False
    assert await asyncio.gather(*tasks) == list(range(20))
    assert await opened.read(numbers) == list(range(20))


async def test_connections_that_were_ended_meanwhile_are_no_error(opened: PostgresDatabase, url: str) -> None:
    """An administrator ends all connections: the next transactions have new ones."""
    await asyncio.gather(*(opened.write(made(number)) for number in range(20)))
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as admin:
        await admin.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity"
            " where datname = current_database() and pid <> pg_backend_pid()"
        )
    await asyncio.gather(*(opened.write(made(number)) for number in range(20, 40)))
    assert await opened.read(numbers) == list(range(40))


async def test_patience_has_an_end(opened: PostgresDatabase, proxy: Proxy) -> None:
    """A server that stays away is told, without the password."""
    proxy.away = True
    proxy.cut()

    async def attempt() -> Any:
        return await opened._read(numbers)

    with pytest.raises(StorageUnavailable, match="does not answer") as told:
        await opened.tried(attempt, patience=0.3)
    assert "secret" not in str(told.value)


async def test_a_server_that_never_answered_is_told_at_once(proxy: Proxy) -> None:
    """Nothing waits at the start; the error names the server, not the password."""
    proxy.away = True
    async with asyncio.timeout(5):
        with pytest.raises(StorageUnavailable, match=r"postgresql://127\.0\.0\.1:\d+/lcel_") as told:
            await Database.open(proxy.url)
    assert "secret" not in str(told.value)


async def test_a_url_that_cannot_be_read_is_told_without_its_password() -> None:
    """PostgreSQL's own library says what is wrong with it."""
    with pytest.raises(StorageError, match="cannot be read") as told:
        await Database.open("postgresql://me:secret@host:port/name?nothing=1")
    assert "secret" not in str(told.value)


async def test_a_mistake_is_not_tried_again(opened: PostgresDatabase) -> None:
    """What is wrong with a function fails at once."""
    calls: list[None] = []

    def work(connection: Connection) -> None:
        calls.append(None)
        connection.execute(text("select * from nowhere"))

    with pytest.raises(Exception, match="nowhere"):
        await opened.write(work)
    assert len(calls) == 1


async def test_a_conflict_is_tried_again(opened: PostgresDatabase) -> None:
    """A transaction that PostgreSQL could not serialise runs again, as often as it takes."""
    calls: list[None] = []

    def work(connection: Connection) -> str:
        calls.append(None)
        if len(calls) < 4:
            code = "40001" if len(calls) % 2 else "40P01"
            connection.execute(text(f"do $$ begin raise exception 'again' using errcode = '{code}'; end $$"))
        return "done"

    assert await opened.write(work) == "done"
    assert len(calls) == 4


async def test_a_transaction_that_was_idle_for_too_long_is_run_again(opened: PostgresDatabase) -> None:
    """A server that was stopped in the middle of a transaction, and lost it, makes it again when it goes on."""
    calls: list[None] = []

    def work(connection: Connection) -> Any:
        calls.append(None)
        result = made(1)(connection)
        if len(calls) == 1:
            _stopped(connection, 0.4, limit=0.1)
        return result

    assert await opened.write(work) == 1
    assert len(calls) == 2
    assert await opened.read(numbers) == [1]


def _stopped(connection: Connection, seconds: float, limit: float) -> None:
    """Stay idle, where so many seconds of that are allowed."""
    connection.execute(text(f"set local idle_in_transaction_session_timeout = '{limit}s'"))
    await_only(asyncio.sleep(seconds))


@pytest.mark.slow
@pytest.mark.parametrize("pipeline", [False, True])
async def test_locks_of_a_server_that_was_stopped_end(opened: PostgresDatabase, url: str, pipeline: bool) -> None:
    """A transaction that waits some seconds for its server is ended: by PostgreSQL, or by another server."""
    await opened.write(made(1))
    other = await Database.open(url)
    async with opened.pool.connection() as stopped, contextlib.AsyncExitStack() as stack:
        await stopped.execute("begin")
        if pipeline:
            await stack.enter_async_context(stopped.pipeline())
        await stopped.execute("select * from lcel_threads for update")
        await stack.aclose()
        touched = asyncio.create_task(other.write(lambda c: c.execute(update(threads).values(status="busy")).rowcount))
        async with asyncio.timeout(20):
            while not touched.done():
                await other.end_silent()
                await asyncio.sleep(0.1)
        with pytest.raises(psycopg.Error):
            await stopped.execute("commit")
    assert await touched == 1
    await other.close()


async def test_servers_on_one_database_hear_each_other(opened: PostgresDatabase, url: str) -> None:
    """A notice reaches the listeners of every server, the sender's own among them."""
    other = await Database.open(url)
    heard: list[asyncio.Queue[str | None]] = [asyncio.Queue(), asyncio.Queue()]
    for one, queue in zip((opened, other), heard, strict=True):
        one.subscribe(queue.put_nowait)
    await opened.write(lambda connection: notify(connection, "from one"))
    await other.write(lambda connection: notify(connection, "from the other"))
    async with asyncio.timeout(10):
        for queue in heard:
            assert [await queue.get(), await queue.get()] == ["from one", "from the other"]
    await other.close()


async def test_listeners_are_told_that_they_may_have_missed_something(opened: PostgresDatabase, proxy: Proxy) -> None:
    """After the connection that listens broke, None comes first, and then what is sent."""
    heard: asyncio.Queue[str | None] = asyncio.Queue()
    opened.subscribe(heard.put_nowait)
    proxy.away = True
    proxy.cut()
    await asyncio.sleep(0.2)
    proxy.away = False
    async with asyncio.timeout(20):
        assert await heard.get() is None
        await opened.write(lambda connection: notify(connection, "again"))
        assert await heard.get() == "again"


async def test_servers_may_start_at_once(url: str) -> None:
    """Several that open an empty database together make its tables once."""

    async def start() -> Database:
        found = await Database.open(url)
        await open_savers(found)
        return found

    servers = await asyncio.gather(*(start() for _ in range(4)))
    await servers[0].write(made(1))
    assert [await server.read(numbers) for server in servers] == [[1]] * 4
    await asyncio.gather(*(server.close() for server in servers))


@pytest.mark.slow
async def test_checkpoints_wait_for_a_server_that_restarts(opened: PostgresDatabase, proxy: Proxy) -> None:
    """What a graph saves and reads while the server is away is done when it is back."""
    from lcel_compat import START, StateGraph

    saver, store = await open_savers(opened)
    builder = StateGraph(dict)
    builder.add_node("one", lambda state: {**state, "n": state["n"] + 1})
    builder.add_edge(START, "one")
    graph = builder.compile(checkpointer=saver, store=store)
    config: Any = {"configurable": {"thread_id": "t"}}
    await graph.ainvoke({"n": 1}, config)
    proxy.away = True
    proxy.cut()
    tasks = [asyncio.create_task(graph.ainvoke({"n": 5}, config)), asyncio.create_task(store.aput(("a",), "k", {}))]
    await asyncio.sleep(0.5)
    assert not any(task.done() for task in tasks)
    proxy.away = False
    assert (await asyncio.gather(*tasks))[0] == {"n": 6}
    assert (await graph.aget_state(config)).values == {"n": 6}
    assert await store.aget(("a",), "k") is not None
