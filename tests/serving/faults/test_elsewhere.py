"""Runs that execute in one server, and clients that talk to another one: they see no difference."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.serving.faults.reader import Ask, Client, frames
from tests.serving.faults.servers import executing, fleet, quiet
from tests.serving.faults.stories import all_modes
from tests.support.served import Served, until

pytestmark = [pytest.mark.slow, pytest.mark.postgres, pytest.mark.timeout(120)]
FOREVER = 1000.0
SOON = 3.0
"""Seconds that are enough for what must not wait for the end of a run, or for a dead server."""


class There:
    """A run that executes in one server, and a client of the other.

    Args:
        where: The server that executes it.
        other: The one that is asked.
    """

    def __init__(self, where: Served, other: Served) -> None:
        self.where, self.other = where, other
        self.thread_id = str(uuid4())
        self.run_id = ""

    def begin(self, graph: str, **body: Any) -> str:
        """Start it in the background, and wait until it executes there."""
        with httpx.Client(base_url=self.where.url, timeout=20) as client:
            asked = {"assistant_id": graph, "if_not_exists": "create", "stream_resumable": True, **body}
            answer = client.post(f"/threads/{self.thread_id}/runs", json=asked).raise_for_status()
        self.run_id = answer.json()["run_id"]
        until(lambda: self.ask("GET")["status"] != "pending", what="that it begins")
        return self.run_id

    def ask(self, method: str, more: str = "", body: Any = None) -> Any:
        """Ask the other server about the run."""
        return self.asked(method, f"/runs/{self.run_id}{more}", body)

    def asked(self, method: str, more: str = "", body: Any = None) -> Any:
        """Ask the other server about the thread."""
        url = f"{self.other.url}/threads/{self.thread_id}{more}"
        answer = httpx.request(method, url, json=body, timeout=60).raise_for_status()
        return answer.json() if answer.content else None

    def over(self) -> str:
        """How the run ends, as the other server says."""
        until(lambda: self.ask("GET")["status"] not in ("pending", "running"), SOON, "that it ends")
        return str(self.ask("GET")["status"])


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Served, Served]]:
    """Two servers on one database, which look for work rarely: what has to be known at once is told."""
    with fleet("postgres", tmp_path_factory.mktemp("elsewhere"), poll=20.0, worker_timeout=60.0) as servers:
        yield servers.start(), servers.start()


@pytest.fixture
def there(pair: tuple[Served, Served]) -> Iterator[There]:
    """A run in the first, a client of the second."""
    yield There(*pair)
    for server in pair:
        quiet(server)


@pytest.mark.parametrize("resumable", [True, False])
def test_a_stream_is_read_elsewhere_while_it_grows(there: There, resumable: bool) -> None:
    """What comes to the other server's client is what is read where the run executes, in time."""
    there.begin("steps", input={"tick": 0.05}, stream_resumable=resumable, **all_modes())
    assert (executing(there.where), executing(there.other)) == (1, 0)
    path = f"/threads/{there.thread_id}/runs/{there.run_id}/stream"
    with httpx.stream("GET", there.other.url + path, timeout=60, headers={"last-event-id": "-1"}) as answer:
        found = frames(answer.iter_lines())
        first = next(found)
        assert there.ask("GET")["status"] == "running"
        rest = list(found)
    assert there.ask("GET")["status"] == "success"
    # Whoever joins what is not resumable has what comes from now on.
    assert first.event == "metadata" or not resumable
    log = [one.data["log"] for one in rest if one.event == "values"]
    assert [line.partition(":")[0] for line in log[-1]] == ["one", "two", "three", "four"]
    if resumable:
        ask = Ask(graph="steps", body={}, thread_id=there.thread_id)
        client = Client(lambda: [there.where.url])
        assert [first, *rest] == client.replay(ask, there.run_id)
        client.close()


def test_a_run_is_waited_for_elsewhere(there: There) -> None:
    """Joining gives the final state as soon as the run is over."""
    there.begin("steps", input={"tick": 0.02})
    found = there.ask("GET", "/join")
    assert [line.partition(":")[0] for line in found["log"]] == ["one", "two", "three", "four"]
    assert there.ask("GET")["status"] == "success"


@pytest.mark.parametrize("action", ["interrupt", "rollback"])
def test_a_run_is_cancelled_elsewhere(there: There, action: str) -> None:
    """The server that executes it is told at once; whoever waits for the end has it."""
    there.begin("still", input={"tick": FOREVER, "log": ["before"]})
    before = time.monotonic()
    there.ask("POST", f"/cancel?wait=true&action={action}")
    assert time.monotonic() - before < SOON
    assert executing(there.where) == 0
    if action == "interrupt":
        assert there.over() == "interrupted"
        return
    left = httpx.get(f"{there.other.url}/threads/{there.thread_id}/runs/{there.run_id}", timeout=20)
    assert left.status_code == 404
    assert there.asked("GET", "/history?limit=10") == []


def test_a_question_is_answered_elsewhere(there: There) -> None:
    """A thread whose run stopped to ask in one server goes on in the other."""
    there.begin("ask", input={"tick": 0.005})
    there.over()
    assert there.asked("GET")["status"] == "interrupted"
    for resume in ("yes", "surely"):
        body = {"assistant_id": "ask", "command": {"resume": resume}}
        found = there.asked("POST", "/runs/wait", body)
    assert "ask: yes surely" in found["log"]
    assert there.asked("GET")["status"] == "idle"


@pytest.mark.parametrize("strategy", ["reject", "enqueue", "interrupt", "rollback"])
def test_a_second_run_is_asked_for_elsewhere(there: There, strategy: str) -> None:
    """What is to become of the run before it is done, wherever that executes."""
    tick = 0.1 if strategy == "enqueue" else FOREVER
    first = there.begin("still", input={"tick": tick, "log": ["first"]})
    body = {"assistant_id": "steps", "input": {"tick": 0, "log": ["second"]}, "multitask_strategy": strategy}
    url = f"{there.other.url}/threads/{there.thread_id}/runs/wait"
    before = time.monotonic()
    answer = httpx.post(url, json=body, timeout=60)
    if strategy == "reject":
        assert answer.status_code == 409
        there.ask("POST", "/cancel?wait=true")
        return
    log = [line.partition(":")[0] for line in answer.raise_for_status().json()["log"]]
    # `first` is the node's name, too, which is cut off its line.
    assert (log[0], log[-1], log.count("second")) == ("second" if strategy == "rollback" else "first", "four", 1)
    assert ("still" in log) == (strategy == "enqueue")
    if strategy != "enqueue":
        assert time.monotonic() - before < SOON
    statuses = {one["run_id"]: one["status"] for one in there.asked("GET", "/runs")}
    assert statuses.get(first) == {"enqueue": "success", "interrupt": "interrupted"}.get(strategy)


def test_a_scheduled_run_is_deleted_elsewhere(there: There) -> None:
    """A run that has not begun is nobody's: any server takes it off the list."""
    with httpx.Client(base_url=there.where.url, timeout=20) as client:
        body = {"assistant_id": "steps", "if_not_exists": "create", "input": {}, "after_seconds": 600}
        there.run_id = client.post(f"/threads/{there.thread_id}/runs", json=body).raise_for_status().json()["run_id"]
    assert there.ask("GET")["status"] == "pending"
    there.ask("POST", "/cancel?wait=true")
    assert there.over() == "interrupted"
    there.ask("DELETE")
    assert there.asked("GET", "/runs") == []


def test_a_state_is_changed_elsewhere(there: There) -> None:
    """States, histories and updates of a thread are the same in both."""
    there.begin("steps", input={"tick": 0})
    there.over()
    there.asked("POST", "/state", {"values": {"log": ["changed"]}, "as_node": "four"})
    found = [
        httpx.get(f"{one.url}/threads/{there.thread_id}/state", timeout=20).json() for one in (there.where, there.other)
    ]
    assert found[0] == found[1]
    assert found[0]["values"]["log"][-1] == "changed"
