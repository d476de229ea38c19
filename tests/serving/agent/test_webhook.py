"""Whoever is named by ``webhook`` is told when a run is over, with what the real server's source says it is told."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Iterator
from contextlib import closing
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI, Request

from lcel_adapters.serve._project import Project
from lcel_adapters.serve._runs._webhook import PAUSES, _request, call
from lcel_adapters.serve._settings import Settings
from tests.serving.faults.inside import inside
from tests.support.agent_server import OTHER, serving
from tests.support.servers import Server

pytestmark = [pytest.mark.slow]

QUIET = "from langchain_core.runnables import RunnableLambda\ngraph = RunnableLambda(str)\n"
TIMES = {"run_started_at", "run_ended_at", "webhook_sent_at"}


class Listener:
    """What was posted to it, as an ASGI application; ``delay`` is how long it takes to answer."""

    def __init__(self) -> None:
        self.heard: list[dict[str, Any]] = []
        self.hosts: list[str] = []
        self.delay = 0.0
        self.app = FastAPI()
        self.app.post("/hook")(self.hear)

    async def hear(self, request: Request) -> None:
        """Keep a body."""
        body = await request.json()
        await asyncio.sleep(self.delay)
        self.heard.append(body)
        self.hosts.append(request.headers["host"])

    async def of(self, run: str) -> dict[str, Any]:
        """What was said of a run."""
        async with asyncio.timeout(20):
            for _ in count():
                found = [said for said in self.heard if said["run_id"] == run]
                if found:
                    return found[0]
                await asyncio.sleep(0.02)
        raise AssertionError


@pytest.fixture
def listener() -> Iterator[tuple[Listener, str]]:
    """A listener, and the address to name."""
    listener = Listener()
    with closing(Server(listener.app)) as server:
        server.open()
        yield listener, f"{server.url}/hook"


@pytest.mark.parametrize(
    ("graph", "given", "status", "values", "error"),
    [
        ("qa", {"question": "q?"}, "success", {"question": "q?", "answer": "Hello big world"}, None),
        ("human", {"n": 1}, "success", {"n": 1, "log": ["prep"]}, None),
        ("err", {"n": 0}, "error", {"n": 0, "log": ["ok1"]}, {"error": "ValueError", "message": "boom: bad value"}),
        (
            "err",
            {"n": 1},
            "error",
            {"n": 1, "log": ["ok1"]},
            {"error": "MyErr", "message": "An internal error occurred"},
        ),
    ],
    ids=["done", "asks", "fails", "fails in secret"],
)
async def test_the_end_of_a_run_is_told(
    server: str,
    listener: tuple[Listener, str],
    graph: str,
    given: dict[str, Any],
    status: str,
    values: dict[str, Any],
    error: dict[str, Any] | None,
) -> None:
    """The run as it ended, its times, its values, and its error, if it has one."""
    heard, url = listener
    body = {"assistant_id": graph, "input": given, "webhook": url, "metadata": {"mine": 1}}
    async with httpx.AsyncClient(base_url=server, timeout=30) as client:
        thread = (await client.post("/threads", json={})).json()["thread_id"]
        run = (await client.post(f"/threads/{thread}/runs", json=body)).json()
        said = await heard.of(run["run_id"])
    assert (said["thread_id"], said["assistant_id"], said["metadata"]["mine"]) == (thread, run["assistant_id"], 1)
    assert (said["status"], said["values"], said.get("error")) == (status, values, error)
    assert said.keys() >= TIMES


@pytest.mark.parametrize("drain", [20.0, 0.0], ids=["in time", "too late"])
async def test_a_server_that_ends_tells_first(
    tmp_path: Path, listener: tuple[Listener, str], caplog: pytest.LogCaptureFixture, drain: float
) -> None:
    """A webhook that is on its way has the time that runs have; one that has none left is logged."""
    heard, url = listener
    heard.delay = 0.5
    async with inside(f"sqlite:///{tmp_path / 'served.db'}", drain=drain, webhook_hosts=["127.0.0.1"]) as server:
        run = await server.run("steps", input={"tick": 0.0}, webhook=url)
        await asyncio.sleep(0.1)
    assert [said["run_id"] for said in heard.heard] == ([run["run_id"]] if drain else [])
    assert (f"webhook of run {run['run_id']} was not told" in caplog.text) == (drain == 0)


async def test_a_name_is_asked_once(
    listener: tuple[Listener, str], caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The address that was looked at is the one that is called, whoever answers for the name, and how often."""
    heard, url = listener
    # Nobody can connect to a group of machines, which is tried at once, without a network.
    answers = iter(["233.252.0.1"])
    real = socket.getaddrinfo

    def lead(host: Any, *rest: Any, **named: Any) -> Any:
        known = host in ("moving.example", b"moving.example")
        return real(next(answers, "127.0.0.1") if known else host, *rest, **named)

    monkeypatch.setattr(socket, "getaddrinfo", lead)
    await call(url.replace("127.0.0.1", "moving.example"), {"run_id": "r"}, Settings())
    assert heard.heard == []
    assert "leads to '127.0.0.1', which is inside this network" in caplog.text


async def test_an_address_is_called_by_its_name(listener: tuple[Listener, str]) -> None:
    """The host that was asked for is the one that hears it, whatever else is at its address."""
    heard, url = listener
    named = httpx.URL(url.replace("127.0.0.1", "hook.example"))
    async with httpx.AsyncClient() as client:
        request = _request(client, named, "127.0.0.1", b'{"run_id": "r"}')
        assert (await client.send(request)).status_code == 200
    assert (heard.hosts, request.extensions["sni_hostname"]) == ([named.netloc.decode()], "hook.example")


@pytest.mark.parametrize("host", ["a" * 64 + ".example", "a..b"])
async def test_a_name_that_is_none_is_logged(host: str, caplog: pytest.LogCaptureFixture) -> None:
    """Each attempt has a line, and nothing is raised."""
    await call(f"http://{host}/", {"run_id": "r"}, Settings())
    assert caplog.text.count("webhook of run r failed") == len(PAUSES)


@pytest.mark.skipif(bool(OTHER), reason="It is configured here.")
def test_nobody_is_called_where_a_project_disables_webhooks(tmp_path: Path, listener: tuple[Listener, str]) -> None:
    """Runs may name them and are run, and the OpenAPI document does not offer them."""
    heard, url = listener
    path = tmp_path / "langgraph.json"
    (tmp_path / "quiet.py").write_text(QUIET, "utf-8")
    path.write_text('{"graphs": {"quiet": "./quiet.py:graph"}, "http": {"disable_webhooks": true}}', "utf-8")
    with (
        serving({}, tmp_path, project=Project.read(path), webhook_hosts=["127.0.0.1"]) as server,
        httpx.Client(base_url=server, timeout=30) as client,
    ):
        thread = client.post("/threads", json={}).json()["thread_id"]
        body = {"assistant_id": "quiet", "input": 1, "webhook": url}
        assert client.post(f"/threads/{thread}/runs/wait", json=body).json()["output"] == "1"
        assert client.post("/runs", json={**body, "webhook": "http://[::1]/"}).status_code == 422
        document = client.get("/openapi.json").json()
        # It would be called at once.
        time.sleep(0.5)
    assert heard.heard == []
    assert "webhook" not in document["components"]["schemas"]["RunBody"]["properties"]
