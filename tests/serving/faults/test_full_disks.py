"""A disk without room, a file that another program has locked: runs wait, and go on when that is over."""

from __future__ import annotations

import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import httpx
import pytest

from lcel_adapters.serve import create_app
from tests.serving.faults.graphs import build
from tests.serving.faults.playing import Playing, wrong_with
from tests.serving.faults.servers import ILL, WELL, Listens, executing, fleet_on, health, measured
from tests.support.engines import OURS
from tests.support.served import until
from tests.support.servers import Server

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]


class Disk(Protocol):
    """A disk whose room can be taken."""

    def fill(self) -> None:
        """Take what room there is."""

    def free(self) -> None:
        """Give it back."""


@dataclass(frozen=True, kw_only=True)
class Place:
    """A server whose file is on such a disk."""

    server: Listens
    database: str
    disk: Disk


class Pages:
    """SQLite's own limit: to the server it is what a disk is that is full.

    Args:
        app: The server's application, of a lifespan that runs.
    """

    def __init__(self, app: Any) -> None:
        self._database = app.state.serving.database

    def fill(self) -> None:
        """Let the file grow no more."""
        self._limit(1)

    def free(self) -> None:
        """Let it grow."""
        self._limit(2**30)

    def _limit(self, pages: int) -> None:
        # SQLite takes the file's own size for a limit below that.
        pragma = f"pragma max_page_count = {pages}"
        self._database.submit_write(lambda connection: connection.exec_driver_sql(pragma).scalar()).result()


class Mounted:
    """A small disk of its own.

    Args:
        folder: Where it is.
    """

    def __init__(self, folder: Path) -> None:
        self._other = folder / "other"

    def fill(self) -> None:
        """Write another file until there is no room."""
        with self._other.open("wb", buffering=0) as other:
            try:
                while other.write(b"x" * 4096):
                    pass
            except OSError:
                return

    def free(self) -> None:
        """Delete that."""
        self._other.unlink(missing_ok=True)


@contextmanager
def limited(folder: Path) -> Iterator[Place]:
    """A server in this process, whose file SQLite lets grow or not."""
    url = f"sqlite:///{folder / 'served.db'}"
    app = create_app(graphs=build(OURS), database=url)
    with closing(Server(app)) as server:
        server.open()
        yield Place(server=server, database=url, disk=Pages(app))


@contextmanager
def mounted(folder: Path) -> Iterator[Place]:
    """A server whose file is on a small disk; the test is skipped where nobody may make one."""
    disk = folder / "disk"
    disk.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=8m", "none", str(disk)]
    if subprocess.run(command, check=False, capture_output=True).returncode:
        pytest.skip("nobody may mount a disk here")
    try:
        with fleet_on(f"sqlite:///{disk / 'served.db'}", folder) as servers:
            yield Place(server=servers.start(), database=servers.database, disk=Mounted(disk))
    finally:
        subprocess.run(["umount", "--lazy", str(disk)], check=True)


@pytest.mark.parametrize("place", [limited, pytest.param(mounted, marks=pytest.mark.soak)])
def test_a_full_disk_holds_runs(place: Any, tmp_path: Path) -> None:
    """Runs wait for room and then go on as if nothing had been; health, metrics and refusals tell meanwhile."""
    made: AbstractContextManager[Place] = place(tmp_path)
    with made as found:
        server, disk = found.server, found.disk
        expected = Playing(found.database, server).outcomes()
        playing = Playing(found.database, server)
        until(lambda: executing(server) > 1, what="that stories have begun")
        disk.fill()
        until(lambda: measured(server, "lcel_writes_waiting"), what="that the disk is full")
        assert health(server) == ILL
        answer = httpx.post(f"{server.url}/threads", json={"metadata": {"much": "x" * 100_000}}, timeout=20)
        assert (answer.status_code, answer.json()) == (507, {"detail": "The server has no room left."})
        disk.free()
        assert wrong_with(playing.outcomes(), expected) == []
        assert health(server) == WELL


def test_a_locked_file_holds_runs(tmp_path: Path) -> None:
    """Another program's transaction outlasts what a statement waits for it: nothing is lost, and it is told."""
    url = f"sqlite:///{tmp_path / 'served.db'}"
    app = create_app(graphs=build(OURS), database=url)
    with closing(Server(app)) as server:
        server.open()
        expected = Playing(url, server).outcomes()
        pragma = "pragma busy_timeout = 50"
        app.state.serving.database.submit_write(lambda c: c.exec_driver_sql(pragma).scalar()).result()
        playing = Playing(url, server)
        until(lambda: executing(server) > 1, what="that stories have begun")
        with closing(sqlite3.connect(tmp_path / "served.db", isolation_level=None)) as other:
            other.execute("begin immediate")
            until(lambda: measured(server, "lcel_writes_waiting"), what="that runs wait")
            assert health(server) == ILL
            answer = httpx.post(f"{server.url}/threads", json={}, timeout=20)
            assert (answer.status_code, "retry-after" in answer.headers) == (503, True)
            other.execute("rollback")
        assert wrong_with(playing.outcomes(), expected) == []
        assert health(server) == WELL
