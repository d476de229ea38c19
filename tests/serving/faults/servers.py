"""Servers of a test, on a database of their own, and what they say of themselves."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import httpx

from tests.serving.faults.databases import database
from tests.support.served import Fleet, until

GRAPHS = "tests.serving.faults.graphs"


class Listens(Protocol):
    """A server, in whichever process."""

    @property
    def url(self) -> str:
        """Where it listens."""


@contextmanager
def fleet(kind: str, folder: Path, **settings: Any) -> Iterator[Fleet]:
    """Servers of the graphs of these tests, on an empty database."""
    with database(kind, folder) as url, fleet_on(url, folder, **settings) as servers:
        yield servers


@contextmanager
def fleet_on(url: str, folder: Path, **settings: Any) -> Iterator[Fleet]:
    """The same, on a database that there is."""
    servers = Fleet(folder, url, graphs=GRAPHS, **{"poll": 0.2, "worker_timeout": 1.0, **settings})
    try:
        yield servers
    finally:
        servers.close()


def measured(server: Listens, name: str) -> float:
    """What a server's metrics say."""
    text = httpx.get(f"{server.url}/metrics", timeout=20).text
    found = re.search(rf"^{name} (\S+)$", text, re.MULTILINE)
    assert found is not None, text
    return float(found[1])


def executing(server: Listens) -> int:
    """How many runs a server executes."""
    return int(measured(server, "lcel_runs_executing"))


WELL, ILL = (200, True), (503, False)


def health(server: Listens) -> tuple[int, bool]:
    """What a server says of its database: ``WELL`` or ``ILL``."""
    answer = httpx.get(f"{server.url}/ok?check_db=true", timeout=20)
    return answer.status_code, answer.json()["services"]["database"]


def quiet(server: Listens, seconds: float = 30.0) -> None:
    """Wait until a server has nothing to do any more: no run executes, no answer is being streamed."""
    names = ("lcel_runs_executing", "lcel_streams_open")
    until(lambda: not any(measured(server, name) for name in names), seconds, "that the server has nothing to do")
