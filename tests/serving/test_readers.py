"""Users who may read a thread, and neither change it nor end its runs."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, TypedDict
from uuid import uuid4

import httpx
import pytest

from lcel_adapters.serve import Guard, create_app
from lcel_compat import START, StateGraph
from tests.support.servers import Server

pytestmark = [pytest.mark.slow, pytest.mark.langgraph]
OWNER, READER = {"x-user": "owner"}, {"x-user": "reader"}


class State(TypedDict, total=False):
    seconds: float


async def wait(state: State) -> State:
    """Takes as many seconds as it is told."""
    await asyncio.sleep(state["seconds"])
    return {}


def guard(refusal: Any) -> Guard:
    """The owner may do everything; the reader gets this answer when it would update a thread."""
    from langgraph_sdk import Auth

    auth = Auth()

    @auth.authenticate
    async def who(headers: dict[bytes, bytes]) -> str:
        return headers[b"x-user"].decode()

    @auth.on.threads.update
    async def changes(ctx: Any, value: Any) -> Any:
        return refusal if ctx.user.identity == "reader" else True

    @auth.on.threads.create
    async def owned(ctx: Any, value: Any) -> None:
        value["metadata"] = {**value["metadata"], "by": ctx.user.identity}

    return Guard.of([], auth)


@pytest.fixture(params=[False, {"by": "reader"}], ids=["refused", "filtered"])
def client(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[httpx.Client]:
    """A client of a running server, whose application refuses the reader, or shows it what it may change."""
    slow = StateGraph(State).add_node("wait", wait).add_edge(START, "wait").compile()
    app = create_app({"slow": slow}, database=f"sqlite:///{tmp_path / 'served.db'}", guard=guard(request.param))
    with closing(Server(app)) as server:
        server.open()
        with httpx.Client(base_url=server.url, timeout=20) as found:
            yield found


def is_refused(answer: httpx.Response) -> bool:
    """Whether an answer says that this may not be, or that there is no such thing."""
    return answer.status_code in (403, 404) or "404: Run not found" in answer.text


def until(found: Callable[[], Any], wanted: Any) -> Any:
    """What is found once it is what is wanted, or at the end of patience."""
    end = time.monotonic() + 10
    while (value := found()) != wanted and time.monotonic() < end:
        time.sleep(0.02)
    return value


def test_a_thread_that_is_there_is_not_written_by_who_may_make_threads(client: httpx.Client) -> None:
    """`if_exists: do_nothing` with `supersteps` changes the state of a thread: that is to update it."""
    thread_id = str(uuid4())
    steps = [{"updates": [{"values": {"seconds": 1.0}, "as_node": "wait"}]}]
    mine = {"thread_id": thread_id, "metadata": {"graph_id": "slow"}, "supersteps": steps}
    assert client.post("/threads", json=mine, headers=OWNER).json()["values"] == {"seconds": 1.0}
    body = {"thread_id": thread_id, "if_exists": "do_nothing"}
    steps[0]["updates"][0]["values"] = {"seconds": 2.0}
    assert client.post("/threads", json=body, headers=READER).status_code == 200
    assert is_refused(client.post("/threads", json={**body, "supersteps": steps}, headers=READER))
    assert client.get(f"/threads/{thread_id}/state", headers=READER).json()["values"] == {"seconds": 1.0}
    changed = client.post("/threads", json={**body, "supersteps": steps}, headers=OWNER)
    assert (changed.status_code, changed.json()["values"]) == (200, {"seconds": 2.0})


def test_a_run_is_not_ended_by_who_leaves_and_may_not_cancel(client: httpx.Client) -> None:
    """`cancel_on_disconnect` is asked for as `/cancel` is; who only reads may follow the run."""
    thread = f"/threads/{client.post('/threads', json={}, headers=OWNER).json()['thread_id']}"
    body = {"assistant_id": "slow", "input": {"seconds": 60.0}}
    run = f"{thread}/runs/{client.post(f'{thread}/runs', json=body, headers=OWNER).json()['run_id']}"

    def status() -> Any:
        return client.get(run, headers=OWNER).json()["status"]

    assert is_refused(client.post(f"{run}/cancel", headers=READER))
    for path in ("join", "stream"):
        with client.stream("GET", f"{run}/{path}", headers=READER) as followed:
            assert followed.status_code == 200
        asked = {"cancel_on_disconnect": True}
        with client.stream("GET", f"{run}/{path}", params=asked, headers=READER) as left:
            # A run that one does not see is told in the answer, which ends then.
            assert left.status_code == 403 or is_refused(httpx.Response(200, content=left.read()))
    time.sleep(0.3)
    assert status() == "running"
    with client.stream("GET", f"{run}/stream", params=asked, headers=OWNER):
        pass
    assert until(status, "interrupted") == "interrupted"
