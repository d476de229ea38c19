"""Servers of a test, on a database of their own, and what they say of themselves."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from tests.serving.faults.databases import database
from tests.support.served import Fleet, Served, until

GRAPHS = "tests.serving.faults.graphs"


@contextmanager
def fleet(kind: str, folder: Path, **settings: Any) -> Iterator[Fleet]:
    """Servers of the graphs of these tests, on an empty database."""
    with database(kind, folder) as url:
        servers = Fleet(folder, url, graphs=GRAPHS, **{"poll": 0.2, "worker_timeout": 1.0, **settings})
        try:
            yield servers
        finally:
            servers.close()


def measured(server: Served, name: str) -> float:
    """What a server's metrics say."""
    text = httpx.get(f"{server.url}/metrics", timeout=20).text
    found = re.search(rf"^{name} (\S+)$", text, re.MULTILINE)
    assert found is not None, text
    return float(found[1])


def executing(server: Served) -> int:
    """How many runs a server executes."""
    return int(measured(server, "lcel_runs_executing"))


def quiet(server: Served, seconds: float = 30.0) -> None:
    """Wait until a server has nothing to do any more: no run executes, no answer is being streamed."""
    names = ("lcel_runs_executing", "lcel_streams_open")
    until(lambda: not any(measured(server, name) for name in names), seconds, "that the server has nothing to do")
