"""Where a thread is kept: memory, SQLite, Postgres; each opened for a colour."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any

from langgraph.checkpoint.memory import InMemorySaver

from tests.support import postgres
from tests.support.colours import SYNC, Colour, run


@dataclass(frozen=True, slots=True)
class Place:
    """A kind of saver by its name; ``open`` gives one for a colour and closes it."""

    name: str
    open: Callable[[Colour], AbstractContextManager[Any]]


@contextmanager
def _memory(colour: Colour) -> Iterator[Any]:
    yield InMemorySaver()


@contextmanager
def _sqlite(colour: Colour) -> Iterator[Any]:
    if colour is SYNC:
        from langgraph.checkpoint.sqlite import SqliteSaver

        with SqliteSaver.from_conn_string(":memory:") as saver:
            yield saver
        return
    from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver

    with _awaited(AsyncSqliteSaver.from_conn_string(":memory:")) as saver:
        yield saver


@contextmanager
def _postgres(colour: Colour) -> Iterator[Any]:
    if colour is SYNC:
        from langgraph.checkpoint.postgres import PostgresSaver

        with PostgresSaver.from_conn_string(postgres.URL) as saver:
            saver.setup()
            yield saver
        return
    from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver

    with _awaited(AsyncPostgresSaver.from_conn_string(postgres.URL)) as saver:
        run(saver.setup())
        yield saver


@contextmanager
def _awaited(manager: Any) -> Iterator[Any]:
    """Enter and leave an async context manager on the loop that all asynchronous observations share."""
    saver = run(manager.__aenter__())
    try:
        yield saver
    finally:
        run(manager.__aexit__(None, None, None))


MEMORY = Place("memory", _memory)
SQLITE = Place("sqlite", _sqlite)
POSTGRES = Place("postgres", _postgres)
