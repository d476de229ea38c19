"""Routes of threads and their states."""

from __future__ import annotations

import asyncio
import json
import operator
from collections.abc import AsyncIterator, Iterator
from typing import Annotated, Any, TypedDict
from uuid import uuid4

import httpx
import pytest
import pytest_asyncio
from fastapi import FastAPI
from langchain_core.runnables import RunnableConfig, RunnableLambda
from sqlalchemy import update

from lcel_adapters.serve import create_app
from lcel_adapters.serve._auth import Guard
from lcel_adapters.serve._storage import threads
from lcel_compat import START, StateGraph, interrupt
from tests.serving.faults.databases import database
from tests.serving.owners import owners
from tests.support.asgi import client_of

pytestmark = pytest.mark.asyncio(loop_scope="module")
KNOWN = ("user_id", "langgraph_auth_user_id", "langgraph_auth_permissions")
NOBODY = "22222222-2222-2222-2222-222222222222"


class State(TypedDict, total=False):
    """A number and a log."""

    n: int
    log: Annotated[list[str], operator.add]


async def wait(state: State) -> State:
    """Takes as many seconds as it is told."""
    await asyncio.sleep(state["n"])
    return {"log": ["waited"]}


def ask(state: State) -> State:
    """Asks."""
    return {"log": [str(interrupt("really?"))]}


def who(state: State, config: RunnableConfig) -> State:
    """Tells what it knows of who asks."""
    found = config["configurable"]
    return {"log": [*(str(found[key]) for key in KNOWN), found["langgraph_auth_user"]["identity"]]}


def graphs() -> dict[str, Any]:
    """A line of two nodes, one that asks, one with another inside, one that takes its time, and a plain runnable."""

    def line(**nodes: Any) -> Any:
        builder, before = StateGraph(State), START
        for name, node in nodes.items():
            builder.add_node(name, node)
            builder.add_edge(before, name)
            before = name
        return builder.compile()

    one, two = (lambda state: {"log": ["one"]}), (lambda state: {"log": ["two"]})
    return {
        "line": line(one=one, two=two),
        "asking": line(one=one, ask=ask, two=two),
        "nested": line(one=one, child=line(ask=ask), two=two),
        "slow": line(wait=wait),
        "asked": line(who=who),
        "plain": RunnableLambda(lambda text: f"{text}!"),
    }


@pytest.fixture(scope="module", params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def kind(request: pytest.FixtureRequest) -> str:
    """The kind of database."""
    found: str = request.param
    return found


@pytest.fixture(scope="module")
def app(kind: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[FastAPI]:
    """A server of those graphs."""
    with database(kind, tmp_path_factory.mktemp("threads")) as url:
        yield create_app(graphs(), database=url)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def client(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """Its client."""
    async with client_of(app) as found:
        yield found


async def made(client: httpx.AsyncClient, **body: Any) -> str:
    """The path of a new thread."""
    answer = await client.post("/threads", json=body)
    assert answer.status_code == 200, answer.text
    return f"/threads/{answer.json()['thread_id']}"


async def ran(client: httpx.AsyncClient, thread: str, graph: str, **body: Any) -> Any:
    """What a run on a thread ended with."""
    answer = await client.post(f"{thread}/runs/wait", json={"assistant_id": graph, **body})
    assert answer.status_code == 200, answer.text
    return answer.json()


async def told(request: Any) -> tuple[int, Any]:
    """The status of an answer, and its JSON."""
    answer = await request
    return answer.status_code, answer.json() if answer.content else None


# Threads ----------------------------------------------------------------------------------------------


async def test_a_thread_begins_idle_and_empty(client: httpx.AsyncClient) -> None:
    """It has the id and the metadata that it was given, and nothing else."""
    thread_id = str(uuid4())
    status, thread = await told(client.post("/threads", json={"thread_id": thread_id, "metadata": {"a": [1]}}))
    times = {thread.pop(key) for key in ("created_at", "updated_at", "state_updated_at")}
    assert (status, thread) == (
        200,
        {"thread_id": thread_id, "metadata": {"a": [1]}, "status": "idle", "config": {}, "values": None},
    )
    assert len(times) == 1
    assert (await client.get(f"/threads/{thread_id.upper()}")).json()["thread_id"] == thread_id


async def test_an_id_is_given_once(client: httpx.AsyncClient) -> None:
    """A second thread of an id is a conflict, or the first; what is no UUID is refused everywhere."""
    thread = (await made(client, metadata={"a": 1})).split("/")[2]
    assert await told(client.post("/threads", json={"thread_id": thread})) == (
        409,
        {"detail": f"Thread with ID {thread} already exists"},
    )
    again = await client.post("/threads", json={"thread_id": thread, "if_exists": "do_nothing", "metadata": {"b": 2}})
    assert (again.status_code, again.json()["metadata"]) == (200, {"a": 1})
    refused = (422, {"detail": "Invalid thread ID: must be a UUID"})
    assert await told(client.post("/threads", json={"thread_id": "abc"})) == refused
    for method, path in [("GET", ""), ("DELETE", ""), ("GET", "/state"), ("GET", "/history"), ("POST", "/copy")]:
        assert await told(client.request(method, f"/threads/abc{path}")) == refused


async def test_metadata_are_added_to(client: httpx.AsyncClient) -> None:
    """Key by key, at the top; the time of the change is kept, and the thread is found first."""
    first, _ = await made(client, metadata={"a": {"x": 1}, "b": 1}), await made(client)
    status, thread = await told(client.patch(first, json={"metadata": {"a": {"y": 2}, "c": None}}))
    assert (status, thread["metadata"]) == (200, {"a": {"y": 2}, "b": 1, "c": None})
    assert thread["updated_at"] > thread["created_at"] == thread["state_updated_at"]
    assert f"/threads/{(await client.post('/threads/search', json={})).json()[0]['thread_id']}" == first


async def test_what_is_not_there_is_told(client: httpx.AsyncClient) -> None:
    """404 with a text, for everything that can be asked of a thread."""
    gone = {"detail": f"Thread with ID {NOBODY} not found"}
    asked: list[tuple[str, str, Any]] = [
        ("GET", "", None),
        ("DELETE", "", None),
        ("POST", "/copy", None),
        ("GET", "/state", None),
        ("GET", f"/state/{NOBODY}", None),
        ("POST", "/state", {"values": {}}),
        ("POST", "/state/checkpoint", {"checkpoint": {}}),
        ("GET", "/history", None),
        ("POST", "/history", {}),
    ]
    for method, path, body in asked:
        assert await told(client.request(method, f"/threads/{NOBODY}{path}", json=body)) == (404, gone)
    assert await told(client.patch(f"/threads/{NOBODY}", json={})) == (404, {"detail": "Not Found"})


async def test_a_search_tells_how_much_there_is(client: httpx.AsyncClient) -> None:
    """Pages say the total and where the next begins; fields are chosen; counting agrees."""
    mine = {"k": str(uuid4())}
    paths = [await made(client, metadata={**mine, "n": number}) for number in range(5)]
    await made(client)
    asked: dict[str, Any] = {"metadata": mine, "limit": 2, "offset": 2, "sort_by": "created_at", "sort_order": "asc"}
    answer = await client.post("/threads/search", json={**asked, "select": ["thread_id"]})
    assert answer.json() == [{"thread_id": path.split("/")[2]} for path in paths[2:4]]
    assert (answer.headers["x-pagination-total"], answer.headers["x-pagination-next"]) == ("5", "4")
    last = await client.post("/threads/search", json={**asked, "offset": 4})
    assert "x-pagination-next" not in last.headers
    assert (await client.post("/threads/count", json={"metadata": mine})).json() == 5


async def test_values_are_taken_out_of_threads(client: httpx.AsyncClient) -> None:
    """Paths lead to values, or to null; a path that cannot lead anywhere is refused."""
    thread = await made(client, metadata={"a": {"b": [1, {"c": "deep"}]}})
    await ran(client, thread, "line", input={"n": 1})
    asked = {"x": "metadata.a.b[-1].c", "y": "values.log[0]", "z": "values.log[7].no", "all": "values"}
    (found,) = (await client.post("/threads/search", json={"extract": asked, "limit": 1})).json()
    assert found["extracted"] == {"x": "deep", "y": "one", "z": None, "all": {"n": 1, "log": ["one", "two"]}}
    for path in ("status", "", "values[", "values..log", "values[x]"):
        status, body = await told(client.post("/threads/search", json={"extract": {"x": path}}))
        assert (status, "Extract path" in body["detail"]) == (422, True)


async def test_a_deleted_thread_leaves_nothing(client: httpx.AsyncClient) -> None:
    """A thread made later under its id has no state of it."""
    thread = await made(client)
    await ran(client, thread, "line", input={"n": 1})
    assert (await client.delete(thread)).status_code == 204
    assert (await client.get(thread)).status_code == 404
    await made(client, thread_id=thread.split("/")[2], metadata={"graph_id": "line"})
    assert (await client.get(f"{thread}/state")).json()["values"] == {}
    assert (await client.get(f"{thread}/history")).json() == []


async def test_a_thread_that_is_deleted_ends_its_runs(client: httpx.AsyncClient) -> None:
    """What runs there is cancelled first, and writes no state any more."""
    thread = await made(client)
    run = (await client.post(f"{thread}/runs", json={"assistant_id": "slow", "input": {"n": 30}})).json()
    async with asyncio.timeout(10):
        assert (await client.delete(thread)).status_code == 204
    assert (await client.get(f"{thread}/runs/{run['run_id']}")).status_code == 404
    await made(client, thread_id=thread.split("/")[2], metadata={"graph_id": "slow"})
    assert (await client.get(f"{thread}/state")).json()["values"] == {}


async def test_a_copy_has_the_state_and_goes_on_by_itself(client: httpx.AsyncClient) -> None:
    """It shows what its original showed, is asked what that was asked, and changes nothing there."""
    thread = await made(client, metadata={"a": 1})
    await ran(client, thread, "asking", input={"n": 1})
    status, copy = await told(client.post(f"{thread}/copy"))
    assert (status, copy["status"], copy["values"]) == (200, "interrupted", {"n": 1, "log": ["one"]})
    assert (copy["metadata"]["a"], len(copy["interrupts"])) == (1, 1)
    path = f"/threads/{copy['thread_id']}"
    assert (await ran(client, path, "asking", command={"resume": "yes"}))["log"] == ["one", "yes", "two"]
    state = (await client.get(f"{thread}/state")).json()
    assert (state["values"]["log"], state["next"]) == (["one"], ["ask"])


async def test_pruning_deletes_or_forgets_the_past(client: httpx.AsyncClient) -> None:
    """Those that are not there are passed over; the newest state stays with ``keep_latest``."""
    kept, gone = await made(client), await made(client)
    await ran(client, kept, "line", input={"n": 1})
    ids = [path.split("/")[2] for path in (kept, gone)]
    body = {"thread_ids": [ids[0], NOBODY], "strategy": "keep_latest"}
    assert await told(client.post("/threads/prune", json=body)) == (200, {"pruned_count": 1})
    (state,) = (await client.post(f"{kept}/history", json={"limit": 10})).json()
    assert (state["values"]["log"], state["parent_checkpoint"]) == (["one", "two"], None)
    assert (await ran(client, kept, "line", input={"n": 2}))["log"] == ["one", "two", "one", "two"]
    assert await told(client.post("/threads/prune", json={"thread_ids": [ids[1]]})) == (200, {"pruned_count": 1})
    assert (await client.get(gone)).status_code == 404


# States -----------------------------------------------------------------------------------------------


async def test_a_thread_without_a_graph_has_no_state(client: httpx.AsyncClient) -> None:
    """Its state is empty, its history too; it cannot be changed, and the error says how it could."""
    thread = await made(client)
    state = (await client.get(f"{thread}/state")).json()
    assert {key for key, value in state.items() if value} == set()
    assert (await client.get(f"{thread}/history")).json() == []
    status, body = await told(client.post(f"{thread}/state", json={"values": {"n": 1}}))
    assert (status, "setting the 'graph_id' field" in body["detail"]) == (400, True)


async def test_a_graph_that_is_not_served_is_told(client: httpx.AsyncClient) -> None:
    """A thread of another server's graph, or with nonsense in its metadata: 404 with the name."""
    for name in ("other", 5, {"a": 1}):
        thread = await made(client, metadata={"graph_id": name})
        for method, path in [("GET", "/state"), ("POST", "/state"), ("GET", "/history")]:
            status, answer = await told(client.request(method, f"{thread}{path}", json={}))
            assert (status, "not served here" in answer["detail"]) == (404, True)


async def test_a_thread_is_of_the_graph_that_ran_last(client: httpx.AsyncClient) -> None:
    """Whichever ran or was named before: its state is read with the graph that made it, and it is found by that."""
    for metadata in ({}, {"graph_id": "slow"}, {"graph_id": "other"}):
        thread = await made(client, metadata=metadata)
        await ran(client, thread, "line", input={"n": 1})
        await ran(client, thread, "asking", input={"n": 1}, config={"tags": ["late"]})
        assert (await client.get(f"{thread}/state")).json()["next"] == ["ask"]
        row = (await client.get(thread)).json()
        assert (row["metadata"]["graph_id"], row["config"]) == ("asking", {"configurable": {}, "tags": ["late"]})
        body = {"metadata": {"assistant_id": row["metadata"]["assistant_id"]}, "ids": [row["thread_id"]]}
        assert len((await client.post("/threads/search", json=body)).json()) == 1


async def test_a_thread_stays_with_the_run_that_is_on_it(client: httpx.AsyncClient) -> None:
    """A run that waits behind another one does not change whose the thread is."""
    thread = await made(client)
    await client.post(f"{thread}/runs", json={"assistant_id": "slow", "input": {"n": 0.5}})
    waits = {"assistant_id": "line", "input": {"n": 1}, "multitask_strategy": "enqueue"}
    run = (await client.post(f"{thread}/runs", json=waits)).json()
    assert (await client.get(thread)).json()["metadata"]["graph_id"] == "slow"
    await client.get(f"{thread}/runs/{run['run_id']}/join")


@pytest.mark.parametrize("graph", ["line", "plain"])
async def test_a_graph_without_a_name_has_the_one_it_is_served_by(client: httpx.AsyncClient, graph: str) -> None:
    """Its root's events have it, where either engine would say ``LangGraph``."""
    body = {"assistant_id": graph, "input": "a" if graph == "plain" else {"n": 1}, "stream_mode": ["events"]}
    answer = await client.post("/runs/stream", json=body)
    events = [json.loads(line[6:]) for line in answer.text.split("\r\n") if line.startswith('data: {"event"')]
    assert (events[0]["name"], events[-1]["name"]) == (graph, graph)


async def test_a_state_tells_what_comes_next(client: httpx.AsyncClient) -> None:
    """Tasks, interrupts and checkpoints, without what the server keeps to itself."""
    thread = await made(client)
    await ran(client, thread, "asking", input={"n": 1})
    state = (await client.get(f"{thread}/state")).json()
    (task,) = state["tasks"]
    asked = [{"id": task["interrupts"][0]["id"], "value": "really?"}]
    assert (state["values"], state["next"]) == ({"n": 1, "log": ["one"]}, ["ask"])
    assert (task["name"], task["path"], task["interrupts"]) == ("ask", ["__pregel_pull", "ask"], asked)
    assert (task["error"], task["checkpoint"], task["state"], task["result"]) == (None, None, None, None)
    assert state["interrupts"] == asked
    assert state["checkpoint"]["checkpoint_id"] == state["checkpoint_id"]
    assert state["metadata"]["thread_id"] == thread.split("/")[2]
    assert not [key for key in state["metadata"] if key.startswith(("__", "langgraph_auth", "checkpoint"))]


async def test_graphs_inside_have_states(client: httpx.AsyncClient) -> None:
    """A task that is a graph shows its state with ``subgraphs``, and where it is without."""
    thread = await made(client)
    await ran(client, thread, "nested", input={"n": 1})
    (task,) = (await client.get(f"{thread}/state")).json()["tasks"]
    assert (task["state"], task["checkpoint"]["checkpoint_ns"].split(":")[0]) == (None, "child")
    (whole,) = (await client.get(f"{thread}/state?subgraphs=true")).json()["tasks"]
    assert (whole["state"]["next"], whole["checkpoint"]) == (["ask"], None)
    body = {"checkpoint": task["checkpoint"]}
    inside = (await client.post(f"{thread}/state/checkpoint", json=body)).json()
    assert inside["next"] == ["ask"]
    nowhere = {"checkpoint": {"checkpoint_ns": "nobody:1"}}
    assert (await client.post(f"{thread}/state/checkpoint", json=nowhere)).status_code in (200, 404)


async def test_a_checkpoint_of_another_thread_is_not_reached(client: httpx.AsyncClient) -> None:
    """Whatever thread a body names, the path says which one is meant."""
    one, two = await made(client), await made(client)
    for thread, number in ((one, 1), (two, 2)):
        await ran(client, thread, "line", input={"n": number})
    place = {"thread_id": two.split("/")[2]}
    state = (await client.post(f"{one}/state/checkpoint", json={"checkpoint": place})).json()
    assert state["values"]["n"] == 1
    history = (await client.post(f"{one}/history", json={"checkpoint": place})).json()
    assert history[0]["values"]["n"] == 1
    await client.post(f"{one}/state", json={"values": {"n": 7}, "checkpoint": place})
    assert (await client.get(f"{two}/state")).json()["values"]["n"] == 2


async def test_a_state_is_changed_by_hand(client: httpx.AsyncClient) -> None:
    """The thread shows the new state and what it waits for; it goes on behind the node that was named."""
    thread = await made(client)
    await ran(client, thread, "asking", input={"n": 1})
    status, made_here = await told(
        client.post(f"{thread}/state", json={"values": {"log": ["by hand"]}, "as_node": "ask"})
    )
    state, shown = [(await client.get(path)).json() for path in (f"{thread}/state", thread)]
    assert (status, made_here["checkpoint_id"]) == (200, state["checkpoint_id"])
    assert made_here["checkpoint"] == made_here["configurable"] == state["checkpoint"]
    assert (state["next"], state["metadata"]["source"]) == (["two"], "update")
    assert (shown["status"], shown["interrupts"], shown["values"]) == ("interrupted", {}, state["values"])
    assert (await ran(client, thread, "asking", input=None))["log"] == ["one", "by hand", "two"]


async def test_a_thread_goes_on_from_an_old_checkpoint(client: httpx.AsyncClient) -> None:
    """A change to an old state makes a new branch, which is the newest state then."""
    thread = await made(client)
    await ran(client, thread, "line", input={"n": 1})
    history = (await client.post(f"{thread}/history", json={"limit": 10})).json()
    old = next(state for state in history if state["next"] == ["two"])
    for body in ({"checkpoint": old["checkpoint"]}, {"checkpoint_id": old["checkpoint_id"]}):
        await client.post(f"{thread}/state", json={"values": {"n": 9}, **body})
        state = (await client.get(f"{thread}/state")).json()
        assert (state["values"], state["next"]) == ({"n": 9, "log": ["one"]}, ["two"])
        assert state["parent_checkpoint_id"] == old["checkpoint_id"]


async def test_a_change_that_a_graph_refuses_is_told(client: httpx.AsyncClient) -> None:
    """The graph's own words, with status 400, and the state stays."""
    thread = await made(client)
    await ran(client, thread, "line", input={"n": 1})
    before = (await client.get(f"{thread}/state")).json()
    for body in ({"values": {"n": 1}, "as_node": "nobody"}, {"values": [1], "as_node": "two"}):
        status, answer = await told(client.post(f"{thread}/state", json=body))
        assert (status, bool(answer["detail"])) == (400, True)
    assert (await client.get(f"{thread}/state")).json() == before


async def test_a_busy_thread_is_not_changed_by_hand(client: httpx.AsyncClient) -> None:
    """A run is on its way: 409."""
    thread = await made(client)
    await client.post(f"{thread}/runs", json={"assistant_id": "slow", "input": {"n": 30}})
    assert (await client.post(f"{thread}/state", json={"values": {"n": 1}})).status_code == 409
    await client.delete(thread)


async def test_a_thread_may_begin_with_a_state(client: httpx.AsyncClient) -> None:
    """Supersteps are applied in order, commands among them; the thread goes on from there."""
    steps = [
        {"updates": [{"values": {"n": 3}, "as_node": "__start__"}]},
        {"updates": [{"command": {"update": {"log": ["one"]}}, "as_node": "one"}]},
    ]
    body = {"metadata": {"graph_id": "line"}, "supersteps": steps}
    thread = (await client.post("/threads", json=body)).json()
    assert (thread["values"], thread["status"]) == ({"n": 3, "log": ["one"]}, "interrupted")
    path = f"/threads/{thread['thread_id']}"
    assert (await ran(client, path, "line", input=None))["log"] == ["one", "two"]


async def test_a_thread_whose_state_is_refused_is_not_made(client: httpx.AsyncClient) -> None:
    """All or nothing: a superstep of no node leaves no thread."""
    for metadata in ({"graph_id": "line"}, dict[str, str]()):
        body = {
            "thread_id": NOBODY,
            "metadata": metadata,
            "supersteps": [{"updates": [{"values": {}, "as_node": "nobody"}]}],
        }
        status, answer = await told(client.post("/threads", json=body))
        assert (status, bool(answer["detail"])) == (400, True)
        assert (await client.get(f"/threads/{NOBODY}")).status_code == 404


async def test_a_history_is_looked_through(client: httpx.AsyncClient) -> None:
    """From a checkpoint back, however that is said; by metadata; at a place; nonsense is refused."""
    thread = await made(client)
    await ran(client, thread, "line", input={"n": 1})

    async def found(**asked: Any) -> list[int]:
        answer = await client.post(f"{thread}/history", json={"limit": 10, **asked})
        assert answer.status_code == 200, answer.text
        return [state["metadata"]["step"] for state in answer.json()]

    assert await found() == [2, 1, 0, -1]
    history = (await client.post(f"{thread}/history", json={"limit": 10})).json()
    id, place = history[1]["checkpoint_id"], history[1]["checkpoint"]
    for before in (id, {"checkpoint_id": id}, place, {"configurable": place}):
        assert await found(before=before) == [0, -1]
    assert await found(metadata={"source": "input"}) == [-1]
    assert await found(checkpoint=place, limit=1) == [1]
    assert [state["metadata"]["step"] for state in (await client.get(f"{thread}/history?limit=3")).json()] == [2, 1, 0]
    assert (await client.get(f"{thread}/history", params={"limit": 1, "before": id})).json()[0]["next"] == ["one"]
    for wrong in ('{"limit": 0}', '{"limit": 1001}', '{"before": {}}', '{"before": {"checkpoint_id": 5}}'):
        assert (await client.post(f"{thread}/history", content=wrong)).status_code == 422


async def test_a_plain_runnable_has_threads_too(client: httpx.AsyncClient) -> None:
    """Its state is what it was given and what it returned."""
    thread = await made(client)
    await ran(client, thread, "plain", input="hello")
    assert (await client.get(f"{thread}/state")).json()["values"] == {"input": "hello", "output": "hello!"}


# What is sent -----------------------------------------------------------------------------------------


async def test_bodies_are_json_whatever_they_are_called(client: httpx.AsyncClient) -> None:
    """The content type is not looked at; what is no JSON, or no object, is told in a text."""
    for kind in ("text/plain", "application/x-www-form-urlencoded", "nonsense"):
        answer = await client.post("/threads", content=b'{"metadata":{"a":1}}', headers={"content-type": kind})
        assert answer.json()["metadata"] == {"a": 1}
    for content in (b"", b" ", b"{", b"not json"):
        assert await told(client.post("/threads/search", content=content)) == (
            422,
            {"detail": "Invalid JSON in request body"},
        )
    status, body = await told(client.post("/threads", content=b"[1]"))
    assert (status, isinstance(body["detail"], str)) == (422, True)


async def test_every_mistake_is_told_in_one_text(client: httpx.AsyncClient) -> None:
    """Each field that is wrong is named."""
    asked = {"limit": 0, "offset": -1, "sort_by": "nothing", "status": "odd", "metadata": 5}
    status, body = await told(client.post("/threads/search", json=asked))
    assert status == 422
    assert {line.split(":")[0] for line in body["detail"].split("\n")} == set(asked)


async def test_strange_characters_are_kept_as_far_as_can_be(client: httpx.AsyncClient) -> None:
    """NUL becomes the sign for what cannot be shown, in metadata, values and searches alike."""
    odd = {"k\0": "a\0b", "ü": "\U0001f600", "big": 2**70}
    thread = await made(client, metadata={**odd, "graph_id": "line"})
    stored = (await client.get(thread)).json()["metadata"]
    assert (stored["k\ufffd"], stored["ü"]) == ("a\ufffdb", "\U0001f600")
    assert (await client.post("/threads/count", json={"metadata": {"k\0": "a\0b"}})).json() == 1
    body = {"values": {"log": ["x\0y"]}, "as_node": "two"}
    assert (await client.post(f"{thread}/state", json=body)).status_code == 200
    assert (await client.get(f"{thread}/state")).json()["values"]["log"] == ["x\ufffdy"]
    nowhere = {"checkpoint_id": "\0", "checkpoint_ns": "\0"}
    assert (await client.post(f"{thread}/state/checkpoint", json={"checkpoint": nowhere})).status_code in (200, 404)
    assert (await client.get(f"{thread}/state/%00")).json()["values"] == {}
    for asked in ({"metadata": {"\0": "\0"}}, {"before": "\0"}, {"checkpoint": {"checkpoint_id": "\0"}}):
        assert (await client.post(f"{thread}/history", json=asked)).status_code in (200, 422)


async def test_paths_and_methods_that_are_not_there_are_told(client: httpx.AsyncClient) -> None:
    """As JSON, like every other error."""
    assert await told(client.get("/nope")) == (404, {"detail": "Not Found"})
    assert await told(client.put("/threads", json={})) == (405, {"detail": "Method Not Allowed"})


async def test_a_failure_of_the_server_tells_nothing(client: httpx.AsyncClient, app: FastAPI) -> None:
    """A thread that is broken in the database: 500, and no word of the cause."""
    thread = await made(client)
    broken = update(threads).where(threads.c.thread_id == thread.split("/")[2]).values(metadata=["broken"])
    await app.state.serving.database.write(lambda c: c.execute(broken))
    assert await told(client.get(f"{thread}/state")) == (500, {"detail": "Internal Server Error"})


async def test_a_database_that_is_gone_is_told(client: httpx.AsyncClient, app: FastAPI) -> None:
    """503 where it does not answer, 507 where it is full, 500 otherwise; each without the cause."""
    from lcel_adapters.serve._storage import Database, StorageError, StorageFull, StorageUnavailable

    class Broken(Database):
        shared = False

        def __init__(self, error: Exception) -> None:
            self._error = error

        async def read(self, function: Any) -> Any:
            raise self._error

        write = read

        async def close(self) -> None:
            """Nothing is open."""

    real = app.state.serving.database
    for kind, status in ((StorageUnavailable, 503), (StorageFull, 507), (StorageError, 500)):
        app.state.serving.database = Broken(kind("the secret cause"))
        answer = await client.get(f"/threads/{NOBODY}")
        assert (answer.status_code, "secret" in answer.text) == (status, False)
    app.state.serving.database = real
    assert (await client.get(f"/threads/{NOBODY}")).status_code == 404


# Owners -----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def app_of_owners(kind: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[FastAPI]:
    """A server whose users see what is theirs."""
    with database(kind, tmp_path_factory.mktemp("owners")) as url:
        yield create_app(graphs(), database=url, guard=Guard.of(auth=owners()))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(app_of_owners: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """Its client."""
    async with client_of(app_of_owners) as found:
        yield found


ANN, BOB = {"x-user": "ann"}, {"x-user": "bob"}


@pytest.mark.langgraph
async def test_threads_of_others_are_not_there(shared: httpx.AsyncClient) -> None:
    """Whatever is asked of another's thread is answered as for one that is not there, and changes nothing."""
    thread = (await shared.post("/threads", json={}, headers=ANN)).json()["thread_id"]
    run = {"assistant_id": "line", "input": {"n": 1}}
    assert (await shared.post(f"/threads/{thread}/runs/wait", json=run, headers=ANN)).status_code == 200
    before = (await shared.get(f"/threads/{thread}/state", headers=ANN)).json()
    checkpoint = before["checkpoint_id"]
    asked: list[tuple[str, str, Any]] = [
        ("GET", "", None),
        ("PATCH", "", {"metadata": {"owner": "bob"}}),
        ("DELETE", "", None),
        ("POST", "/copy", None),
        ("GET", "/state", None),
        ("GET", f"/state/{checkpoint}", None),
        ("POST", "/state", {"values": {"n": 2}}),
        ("POST", "/state/checkpoint", {"checkpoint": {"checkpoint_id": checkpoint}}),
        ("GET", "/history", None),
        ("POST", "/history", {}),
        ("POST", "/runs/wait", run),
        ("GET", "/runs", None),
    ]
    for method, path, body in asked:
        answers = [
            await shared.request(method, f"/threads/{id}{path}", json=body, headers=BOB) for id in (thread, NOBODY)
        ]
        assert [answer.status_code for answer in answers] == [404, 404]
        assert answers[0].text.replace(thread, NOBODY) == answers[1].text
    assert (await shared.post("/threads/search", json={}, headers=BOB)).json() == []
    assert (await shared.post("/threads/search", json={"ids": [thread]}, headers=BOB)).json() == []
    assert (await shared.post("/threads/count", json={}, headers=BOB)).json() == 0
    pruned = await shared.post("/threads/prune", json={"thread_ids": [thread]}, headers=BOB)
    assert pruned.json() == {"pruned_count": 0}
    assert (await shared.get(f"/threads/{thread}/state", headers=ANN)).json() == before


@pytest.mark.langgraph
async def test_an_id_of_another_is_taken(shared: httpx.AsyncClient) -> None:
    """Somebody else's thread is not handed out under its id."""
    taken = str(uuid4())
    await shared.post("/threads", json={"thread_id": taken}, headers=ANN)
    for if_exists in ("raise", "do_nothing"):
        body = {"thread_id": taken, "if_exists": if_exists}
        assert (await shared.post("/threads", json=body, headers=BOB)).status_code == 409


@pytest.mark.langgraph
async def test_a_graphs_own_assistant_is_everyones_to_run(shared: httpx.AsyncClient) -> None:
    """Whoever sees only what is theirs can run the graphs that are served, and not the assistants of others."""
    asked = {"graph_id": "line", "name": "mine"}
    mine = (await shared.post("/assistants", json=asked, headers=ANN)).json()["assistant_id"]
    found = [
        (await shared.post("/runs/wait", json={"assistant_id": name, "input": {"n": 1}}, headers=user)).status_code
        for name in ("line", mine)
        for user in (ANN, BOB)
    ]
    assert found == [200, 200, 200, 404]


@pytest.mark.langgraph
async def test_a_graph_knows_who_asks(shared: httpx.AsyncClient) -> None:
    """Its ``configurable`` has the user, their id and what they may; a client can give another ``user_id``, no more."""
    asked = {"user_id": "somebody", "langgraph_auth_user_id": "bob", "langgraph_auth_permissions": ["all"]}
    for configurable, user_id in (({}, "ann"), (asked, "somebody")):
        body = {"assistant_id": "asked", "input": {"n": 1}, "config": {"configurable": configurable}}
        found = (await shared.post("/runs/wait", json=body, headers=ANN)).json()
        assert found["log"] == [user_id, "ann", "[]", "ann"]


@pytest.mark.langgraph
async def test_who_is_not_known_is_not_let_in(shared: httpx.AsyncClient) -> None:
    """401 with what the application says."""
    assert await told(shared.get(f"/threads/{NOBODY}")) == (401, {"detail": "Say who you are."})
