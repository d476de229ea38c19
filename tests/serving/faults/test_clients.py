"""Clients that leave, and clients that do not read: runs end as the API says, and the server holds nothing for them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.serving.faults.leaving import Raw
from tests.serving.faults.reader import frames
from tests.serving.faults.servers import executing, fleet, quiet
from tests.support.served import Served, until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]
LOG = ["one", "two", "three", "four"]
POINTS = 16
MEGABYTES = 100
MOST = 150_000_000
"""Bytes of memory that a server may take more than before."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server on SQLite."""
    with fleet("sqlite", tmp_path_factory.mktemp("clients")) as servers:
        yield servers.start()


def asked(graph: str, **body: Any) -> dict[str, Any]:
    """The body of a request."""
    return {"assistant_id": graph, "if_not_exists": "create", **body}


STEPS = asked("steps", input={"tick": 0.005}, stream_mode=["values", "messages-tuple"])


def runs_of(server: Served, thread_id: str) -> list[dict[str, Any]]:
    """The runs of a thread; none if it was never made."""
    answer = httpx.get(f"{server.url}/threads/{thread_id}/runs", timeout=20)
    return answer.json() if answer.status_code == 200 else []


def left_at(server: Served, point: int, *, stateless: bool, resumable: bool, on_disconnect: str) -> str:
    """Stream a run and leave after so many bytes; the thread."""
    thread_id = str(uuid4())
    path = "/runs/stream" if stateless else f"/threads/{thread_id}/runs/stream"
    with Raw(server, path, {**STEPS, "stream_resumable": resumable, "on_disconnect": on_disconnect}) as client:
        client.take(point)
    return thread_id


@pytest.mark.parametrize("on_disconnect", ["cancel", "continue"])
@pytest.mark.parametrize(
    ("stateless", "resumable"), [(True, False), (False, False), (False, True)], ids=["stateless", "thread", "resumable"]
)
def test_a_client_may_leave_at_any_point(server: Served, stateless: bool, resumable: bool, on_disconnect: str) -> None:
    """After whichever byte: the run ends in a true status, nothing stays open, and the thread can be used again."""
    leave = partial(left_at, server, stateless=stateless, resumable=resumable, on_disconnect=on_disconnect)
    with Raw(server, "/runs/stream", STEPS) as client:
        whole = len(client.rest())
    points = [0, 1, *range(100, whole, whole // POINTS), 2**40]
    with ThreadPoolExecutor(4) as pool:
        threads = list(pool.map(leave, points))
    quiet(server)
    if not stateless:
        _ended_truly(server, dict(zip(points, threads, strict=True)), on_disconnect)


def _ended_truly(server: Served, threads: dict[int, str], on_disconnect: str) -> None:
    """Whoever stayed has a success; who left has one, too, unless the run was to end with them and had not yet."""
    allowed = {"success", "interrupted"} if on_disconnect == "cancel" else {"success"}
    seen = set()
    for point, thread_id in threads.items():
        found = runs_of(server, thread_id)
        # Who left before anything was answered may have left before the request was read.
        assert len(found) == 1 or point <= 1
        for run in found:
            assert run["status"] in (allowed if point < 2**40 else {"success"}), point
            seen.add(run["status"])
            thread = httpx.get(f"{server.url}/threads/{thread_id}", timeout=20).json()
            assert thread["status"] == ("idle" if run["status"] == "success" else "interrupted")
            done = [line.partition(":")[0] for line in (thread["values"] or {}).get("log", [])]
            assert done == (LOG if run["status"] == "success" else LOG[: len(done)])
    assert seen == allowed
    path = f"{server.url}/threads/{threads[100]}/runs/wait"
    again = httpx.post(path, json=asked("steps", input={"tick": 0}), timeout=60).json()
    assert [line.partition(":")[0] for line in again["log"]][-4:] == LOG


@pytest.mark.parametrize("stateless", [True, False], ids=["stateless", "thread"])
@pytest.mark.parametrize("verb", ["stream", "wait"])
def test_a_run_ends_with_its_client_where_it_is_asked_to(
    server: Served, tmp_path: Path, stateless: bool, verb: str
) -> None:
    """With ``on_disconnect: cancel`` at once, however long it would have taken; otherwise it does its work."""
    thread_id = str(uuid4())
    for on_disconnect, seconds in (("cancel", 1000.0), ("continue", 0.5)):
        path = f"/runs/{verb}" if stateless else f"/threads/{thread_id}/runs/{verb}"
        file = tmp_path / on_disconnect
        body = asked("trace", input={"tick": seconds, "file": str(file)}, stream_mode=["custom"])
        with Raw(server, path, {**body, "on_disconnect": on_disconnect}) as client:
            client.until(b"\r\n\r\n")
            until(lambda: executing(server) == 1, what="that the run has begun")
        quiet(server)
        assert file.exists() == (on_disconnect == "continue")
    if not stateless:
        assert [run["status"] for run in runs_of(server, thread_id)] == ["success", "interrupted"]


def test_a_client_that_reads_nothing_holds_a_stateless_run(server: Served) -> None:
    """A hundred megabytes wait in the graph, not in memory, while others are served; who reads later gets them all."""
    before = server.rss()
    body = asked("flood", input={"tick": MEGABYTES}, stream_mode=["custom"])
    with (
        Raw(server, "/runs/stream", body, room=65_536) as never,
        Raw(server, "/runs/stream", body, room=65_536) as late,
    ):
        for client in (never, late):
            client.until(b"\r\n\r\n")
        _served_meanwhile(server, before)
        assert executing(server) == 2
        text = late.rest()
    assert text.count(b"event: custom") == 100 * MEGABYTES
    quiet(server)
    assert server.peak() - before < MOST


def test_a_client_that_reads_nothing_holds_nobody_up(server: Served) -> None:
    """A resumable run goes on to its end without its reader: the server keeps it on the disk, for another who reads."""
    before, thread_id = server.rss(), str(uuid4())
    body = asked("flood", input={"tick": MEGABYTES}, stream_mode=["custom"], stream_resumable=True)
    with Raw(server, f"/threads/{thread_id}/runs/stream", body, room=65_536) as slow:
        slow.until(b"\r\n\r\n")
        _served_meanwhile(server, before)
        (run,) = runs_of(server, thread_id)
        assert _numbers(server, run) == list(range(100 * MEGABYTES))
        assert runs_of(server, thread_id)[0]["status"] == "success"
        assert slow.rest().count(b"event: custom") == 100 * MEGABYTES
    quiet(server)
    assert server.peak() - before < MOST


def _served_meanwhile(server: Served, before: int) -> None:
    """While somebody reads nothing, others have their runs."""
    for _ in range(10):
        answer = httpx.post(f"{server.url}/runs/wait", json=asked("steps", input={"tick": 0}), timeout=60)
        assert len(answer.json()["log"]) == len(LOG)
        assert server.peak() - before < MOST
        time.sleep(0.05)


def _numbers(server: Served, run: dict[str, Any]) -> list[int]:
    """What another reader gets, from the first frame on."""
    path = f"{server.url}/threads/{run['thread_id']}/runs/{run['run_id']}/stream"
    with httpx.stream("GET", path, headers={"last-event-id": "-1"}, timeout=60) as answer:
        return [one.data["number"] for one in frames(answer.iter_lines()) if one.event == "custom"]
