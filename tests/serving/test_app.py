"""The application: what it serves, where it may stand, whom it turns away."""

from __future__ import annotations

import asyncio
import gc
import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, TypedDict

import httpx
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from langchain_core.runnables import RunnableLambda
from sqlalchemy.exc import OperationalError

from lcel_adapters import from_lcel
from lcel_adapters.serve import CannotRunError, Guard, Project, Settings, create_app
from lcel_compat import START, StateGraph
from tests.support.servers import Server

pytestmark = pytest.mark.slow


class State(TypedDict, total=False):
    n: int


class Odd:
    """What has no JSON schema."""


class OddState(TypedDict, total=False):
    n: int
    odd: Odd


def graph() -> Any:
    """Adds one."""
    builder = StateGraph(State)
    builder.add_node("add", lambda state: {"n": state["n"] + 1})
    return builder.add_edge(START, "add").compile()


@contextmanager
def client(app: Any, **options: Any) -> Iterator[httpx.Client]:
    """A client of a running server."""
    with closing(Server(app)) as server:
        server.open()
        with httpx.Client(base_url=server.url, timeout=20, **options) as found:
            yield found


@pytest.fixture
def database(tmp_path: Path) -> str:
    """A file of the test's own."""
    return f"sqlite:///{tmp_path / 'served.db'}"


def test_a_plain_runnable_is_a_graph_of_one_node(database: str) -> None:
    """Its clients send its input, and find input and output in the state."""
    double: RunnableLambda[int, int] = RunnableLambda(lambda n: 2 * n)
    with client(create_app({"double": double}, database=database)) as asked:
        answer = asked.post("/runs/wait", json={"assistant_id": "double", "input": 21}).json()
    assert answer == {"input": 21, "output": 42}


def test_one_graph_is_served_in_both_dialects(database: str) -> None:
    """The Agent Server's clients see the graph, LangServe's the chain that it replaced."""
    add: RunnableLambda[int, int] = RunnableLambda(lambda n: n + 1)
    chain = add | RunnableLambda(str)
    with client(create_app({"chain": from_lcel(chain).compile()}, database=database)) as asked:
        assert asked.post("/chain/invoke", json={"input": 1}).json()["output"] == "2"
        assert asked.post("/assistants/search", json={}).json()[0]["graph_id"] == "chain"


def test_a_graph_that_is_made_for_each_request_answers_langserves_clients_as_itself(database: str) -> None:
    """Invoked it returns its state, streamed its updates; its function is told what it would be told of any run."""
    contexts = []

    def make(config: Any, runtime: Any) -> Any:
        contexts.append(runtime.access_context)
        return graph()

    with client(create_app({"made": make}, database=database)) as asked:
        contexts.clear()
        answer = asked.post("/made/invoke", json={"input": {"n": 1}})
        assert answer.json()["output"] == {"n": 2}
        assert asked.post("/made/batch", json={"inputs": [{"n": 1}, {"n": 2}]}).json()["output"] == [{"n": 2}, {"n": 3}]
        assert '{"add":{"n":2}}' in asked.post("/made/stream", json={"input": {"n": 1}}).text
        events = asked.post("/made/stream_events", json={"input": {"n": 1}}).text
        assert '"output":{"n":2}' in events
        assert contexts == ["threads.create_run"] * 5


def test_a_function_that_makes_graphs_knows_whether_they_will_run(database: str) -> None:
    """`__is_for_execution__` is true for a run, in both dialects, and false for a look; nothing else tells it."""
    seen = []

    def make(config: Any) -> Any:
        seen.append(config["configurable"]["__is_for_execution__"])
        return graph()

    body = {"assistant_id": "made", "input": {"n": 1}}
    with client(create_app({"made": make}, database=database)) as asked:
        assistant = asked.post("/assistants/search", json={}).json()[0]["assistant_id"]
        thread = asked.post("/threads", json={}).json()["thread_id"]
        for executes, method, path, given in (
            (True, "POST", "/runs/wait", body),
            (True, "POST", f"/threads/{thread}/runs/wait", body),
            (True, "POST", "/made/invoke", {"input": {"n": 1}}),
            (False, "GET", f"/threads/{thread}/state", None),
            (False, "POST", f"/threads/{thread}/state", {"values": {"n": 5}}),
            (False, "GET", f"/assistants/{assistant}/schemas", None),
            (False, "GET", f"/assistants/{assistant}/graph", None),
        ):
            seen.clear()
            answer = asked.request(method, path, json=given)
            assert (answer.status_code, set(seen)) == (200, {executes}), path
            assert "__is_for_execution__" not in answer.text
        assert "__is_for_execution__" not in asked.get(f"/threads/{thread}/history").text
        assert "__is_for_execution__" not in asked.get(f"/threads/{thread}/runs").text


@pytest.mark.parametrize("lifespan", [True, False])
def test_it_stands_below_a_path_of_another_application(database: str, lifespan: bool) -> None:
    """With its lifespan as the application's own, or opened by the first request."""
    agents = create_app({"add": graph()}, database=database)
    app = FastAPI(lifespan=agents.router.lifespan_context if lifespan else None)
    app.mount("/agents", agents)
    with client(app) as asked:
        thread = asked.post("/agents/threads", json={}).json()["thread_id"]
        body = {"assistant_id": "add", "input": {"n": 1}}
        assert asked.post(f"/agents/threads/{thread}/runs/wait", json=body).json() == {"n": 2}
    if not lifespan:
        asyncio.run(agents.state.close())


PROJECT = "from langchain_core.runnables import RunnableLambda\nto_text = RunnableLambda(str)\n"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A ``langgraph.json`` that names a runnable."""
    (tmp_path / "app_project.py").write_text(PROJECT)
    path = tmp_path / "langgraph.json"
    path.write_text('{"graphs": {"text": "./app_project.py:to_text"}}')
    return path


@pytest.mark.parametrize("form", [Project.read, str, Path])
def test_a_project_is_given_by_its_path_or_read_before(database: str, project: Path, form: Any) -> None:
    """What the file names is served beside the graphs that are given."""
    with client(create_app({"add": graph()}, project=form(project), database=database)) as asked:
        assert asked.post("/text/invoke", json={"input": 1}).json()["output"] == "1"
        assert asked.post("/add/invoke", json={"input": {"n": 1}}).status_code == 200


def test_a_project_that_is_not_there_is_told(tmp_path: Path) -> None:
    """With its path, in the class that `create_app` says it raises."""
    with pytest.raises(CannotRunError, match=r"missing\.json"):
        create_app(project=tmp_path / "missing.json")


@pytest.mark.parametrize("named", ["graphs", "project"])
def test_keys_of_the_environment_are_asked_for(
    database: str, project: Path, named: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever an application is made of; who wants everyone let in says so with `guard=Guard()`."""
    monkeypatch.setenv("LCEL_COMPAT_API_KEYS", "sesame")
    given: Any = {"graphs": {"text": RunnableLambda(str)}} if named == "graphs" else {"project": project}
    run = {"assistant_id": "text", "input": 1}
    with client(create_app(**given, database=database)) as asked:
        answers = [asked.post("/runs/wait", json=run, headers=key) for key in ({}, {"x-api-key": "sesame"})]
        legacy = asked.post("/text/invoke", json={"input": 1})
    assert [answer.status_code for answer in [*answers, legacy]] == [401, 200, 401]
    with client(create_app(**given, database=database, guard=Guard())) as asked:
        assert asked.post("/runs/wait", json=run).status_code == 200


def test_an_application_may_be_opened_again(database: str) -> None:
    """What was counted before is still counted; what is open is the new server's."""
    app = create_app({"add": graph()}, database=database)
    for times in (1, 2):
        with TestClient(app) as asked:
            assert asked.post("/runs/wait", json={"assistant_id": "add", "input": {"n": 1}}).json() == {"n": 2}
            assert "lcel_streams_open 0.0" in asked.get("/metrics").text
            assert f'route="/runs/wait",status="200"}} {times}.0' in asked.get("/metrics").text


def test_an_application_that_could_not_be_opened_is_opened_when_it_can(tmp_path: Path) -> None:
    """Half an opening leaves nothing behind that the next one stumbles over."""
    file = tmp_path / "served.db"
    app = create_app({"add": graph()}, database=f"sqlite:///{file}")
    with TestClient(app) as asked:
        assert asked.get("/ok").status_code == 200
    _rename(file, "lcel_runs", "elsewhere")
    with pytest.raises(OperationalError), TestClient(app):
        pass
    _rename(file, "elsewhere", "lcel_runs")
    with TestClient(app) as asked:
        assert asked.get("/ok").status_code == 200


def _rename(file: Path, table: str, name: str) -> None:
    with closing(sqlite3.connect(file)) as connection:
        connection.execute(f"ALTER TABLE {table} RENAME TO {name}")


def test_an_application_that_is_opened_by_requests_may_be_opened_in_another_event_loop(database: str) -> None:
    """Requests that wait for one another to open it leave nothing behind that belongs to their loop."""
    app = create_app({"add": graph()}, database=database)

    async def ask() -> list[int]:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as asked:
            answers = await asyncio.gather(*(asked.get("/ok") for _ in range(3)))
        await app.state.close()
        return [answer.status_code for answer in answers]

    assert [asyncio.run(ask()) for _ in range(2)] == [[200] * 3] * 2


@pytest.fixture
def thawed() -> Iterator[None]:
    """Nothing is frozen, where these tests have frozen what was there before them."""
    gc.unfreeze()
    yield
    gc.freeze()


@pytest.mark.usefixtures("thawed")
def test_what_somebody_has_frozen_stays(database: str) -> None:
    """A server that ends leaves it to them."""
    gc.freeze()
    with client(create_app({"echo": RunnableLambda(str)}, database=database)):
        pass
    assert gc.get_freeze_count() > 0


@pytest.mark.usefixtures("thawed")
def test_the_collector_is_as_it_was_when_a_server_has_ended(database: str) -> None:
    """While it runs the collector passes over what stays; afterwards all of that can be garbage again."""
    with client(create_app({"echo": RunnableLambda(str)}, database=database)):
        assert gc.get_freeze_count() > 0
    assert gc.get_freeze_count() == 0


def test_a_name_that_a_route_has_is_refused(database: str) -> None:
    """One of the two would be hidden by the other."""
    with pytest.raises(ValueError, match="'threads' cannot be served"):
        create_app({"threads": graph()}, database=database)


def test_a_setting_that_is_none_is_refused() -> None:
    """A misspelt limit is no limit."""
    with pytest.raises(ValueError, match="hartbeat"):
        create_app({}, hartbeat=1.0)
    assert Settings(heartbeat=1.0).heartbeat == 1.0


def test_what_a_client_was_told_outlives_the_server(database: str) -> None:
    """Another server on the same file knows the thread, its state and its runs."""
    body = {"assistant_id": "add", "input": {"n": 1}}
    with client(create_app({"add": graph()}, database=database)) as asked:
        thread = asked.post("/threads", json={}).json()["thread_id"]
        asked.post(f"/threads/{thread}/runs/wait", json=body)
    with client(create_app({"add": graph()}, database=database)) as asked:
        assert asked.get(f"/threads/{thread}/state").json()["values"] == {"n": 2}
        assert [run["status"] for run in asked.get(f"/threads/{thread}/runs").json()] == ["success"]


def test_a_request_too_large_or_too_deep_is_refused(database: str) -> None:
    """Before anything reads it; the server goes on."""
    with client(create_app({"add": graph()}, database=database, max_body=1000, max_depth=20)) as asked:
        large = asked.post("/runs/wait", json={"assistant_id": "add", "input": {"n": "x" * 2000}})
        deep = asked.post("/runs/wait", content='{"input":' + "[" * 100 + "]" * 100 + "}")
        assert (large.status_code, deep.status_code) == (413, 422)
        assert "1000 bytes" in large.json()["detail"]
        assert asked.get("/ok").json() == {"ok": True, "services": {}}


@pytest.mark.langgraph
@pytest.mark.parametrize(("method", "path"), [("DELETE", "/store/items"), ("GET", "/threads/" + "0" * 32)])
def test_no_method_takes_a_body_beyond_the_limits(database: str, method: str, path: str) -> None:
    """An item of the store is deleted by a body, and authentication may ask for that of any request."""
    from langgraph_sdk import Auth

    auth = Auth()

    @auth.authenticate
    async def authenticate(body: Any) -> str:
        return f"who sent {body}"

    limits = Settings(max_body=1000, max_depth=20)
    with client(create_app({"add": graph()}, database=database, guard=Guard.of([], auth), settings=limits)) as asked:
        large = asked.request(method, path, json={"namespace": ["a"], "key": "x" * 2000})
        deep = asked.request(method, path, content='{"key":' + "[" * 100 + "]" * 100 + "}")
        assert (large.status_code, deep.status_code) == (413, 422)


def test_a_connection_on_which_a_request_failed_is_not_used_again(database: str) -> None:
    """The ASGI server cuts it; the client is told, so that its next request takes another."""
    fails: Any = RunnableLambda(lambda text: 1 // 0)
    with client(create_app({"fails": fails}, database=database)) as asked:
        for _ in range(5):
            answer = asked.post("/fails/invoke", json={"input": "x"})
            assert (answer.status_code, answer.headers.get("connection")) == (500, "close")


def test_pages_of_other_origins_change_nothing(database: str) -> None:
    """Without CORS a page elsewhere cannot start a run with its visitor's browser; one of this origin can."""
    with client(create_app({"add": graph()}, database=database)) as asked:
        body = '{"assistant_id": "add", "input": {"n": 1}}'
        foreign = asked.post("/runs/wait", content=body, headers={"origin": "https://elsewhere.example"})
        own = asked.post("/runs/wait", content=body, headers={"origin": str(asked.base_url).rstrip("/")})
        assert (foreign.status_code, own.status_code) == (403, 200)
        assert "access-control-allow-origin" not in own.headers


def test_an_origin_that_is_let_in_sees_where_to_reconnect(database: str) -> None:
    """``location`` is among the headers that its pages may read (A3)."""
    origin = {"origin": "https://front.example"}
    with client(create_app({"add": graph()}, database=database, origins=["https://front.example"])) as asked:
        answer = asked.post("/runs/stream", json={"assistant_id": "add", "input": {"n": 1}}, headers=origin)
        assert answer.headers["access-control-allow-origin"] == "https://front.example"
        assert "location" in answer.headers["access-control-expose-headers"].split(", ")


def test_streams_are_limited_in_number(database: str) -> None:
    """One too many is told to come back; when one ends there is room again."""

    async def wait(_: State) -> State:
        await asyncio.sleep(0.3)
        return {}

    slow = StateGraph(State).add_node("wait", wait).add_edge(START, "wait").compile()
    body = {"assistant_id": "slow", "input": {"n": 1}}
    with client(create_app({"slow": slow}, database=database, max_streams=1)) as asked:
        with asked.stream("POST", "/runs/stream", json=body) as first:
            assert first.status_code == 200
            second = asked.post("/runs/stream", json=body)
            assert (second.status_code, second.headers["retry-after"]) == (503, "1")
            first.read()
        assert asked.post("/runs/stream", json=body).status_code == 200


def test_a_run_that_takes_too_long_ends(database: str) -> None:
    """As ``timeout``, and its client is told."""

    async def wait(_: State) -> State:
        await asyncio.sleep(10)
        return {}

    slow = StateGraph(State).add_node("wait", wait).add_edge(START, "wait").compile()
    body = {"assistant_id": "slow", "input": {"n": 1}, "if_not_exists": "create"}
    with client(create_app({"slow": slow}, database=database, run_timeout=0.1)) as asked:
        assert "TimeoutError" in asked.post("/runs/stream", json=body).text
        thread = asked.post("/threads", json={}).json()["thread_id"]
        assert asked.post(f"/threads/{thread}/runs/wait", json=body).json()["__error__"]["error"] == "TimeoutError"
        assert asked.get(f"/threads/{thread}").json()["status"] == "error"
        assert [run["status"] for run in asked.get(f"/threads/{thread}/runs").json()] == ["timeout"]


def test_what_was_counted_is_shown(database: str) -> None:
    """Requests by the template of their route, runs by how they ended."""
    with client(create_app({"add": graph()}, database=database)) as asked:
        thread = asked.post("/threads", json={}).json()["thread_id"]
        asked.post(f"/threads/{thread}/runs/wait", json={"assistant_id": "add", "input": {"n": 1}})
        shown = asked.get("/metrics").text
    assert 'lcel_runs_total{graph="add",status="success"} 1.0' in shown
    assert 'route="/threads/{thread_id}/runs/wait"' in shown
    assert thread not in shown


@pytest.mark.parametrize(
    ("method", "path", "detail"),
    [
        ("POST", "/runs/crons", "Crons are not served here: let a scheduler of your own start runs."),
        ("POST", "/runs/crons/search", "Crons are not served here: let a scheduler of your own start runs."),
        ("DELETE", "/runs/crons/x", "Crons are not served here: let a scheduler of your own start runs."),
        ("POST", "/threads/x/runs/crons", "Crons are not served here: let a scheduler of your own start runs."),
        ("POST", "/mcp", "MCP is not served here."),
        ("POST", "/mcp/", "MCP is not served here."),
        ("POST", "/a2a/x", "A2A is not served here."),
        ("GET", "/a2a/x/.well-known/agent-card.json", "A2A is not served here."),
        (
            "GET",
            "/threads/x/stream",
            "The stream of a thread is not served here: stream its runs, or join one of them.",
        ),
        ("POST", "/threads/x/commands", "Commands on threads are not served here: give a run its `command`."),
        ("POST", "/nowhere", "Not Found"),
    ],
)
def test_what_is_not_served_is_told_from_a_wrong_address(database: str, method: str, path: str, detail: str) -> None:
    """Both are 404; a graph may be called like what is not served."""
    with client(create_app({"mcp": graph()}, database=database)) as asked:
        answer = asked.request(method, path, json={})
        assert (answer.status_code, answer.json()) == (404, {"detail": detail})
        assert asked.post("/mcp/invoke", json={"input": {"n": 1}}).json()["output"] == {"n": 2}
        assert path not in asked.get("/openapi.json").json()["paths"]


@pytest.mark.langgraph
def test_the_sdk_shows_that_crons_are_not_served(database: str) -> None:
    """Its error is the sentence."""
    from langgraph_sdk import get_sync_client
    from langgraph_sdk.errors import NotFoundError

    with client(create_app({"add": graph()}, database=database)) as asked:
        sdk = get_sync_client(url=str(asked.base_url))
        with sdk, pytest.raises(NotFoundError, match="Crons are not served here"):
            sdk.crons.create("add", schedule="* * * * *", input={"n": 1})


def test_health_is_asked_for_with_get_and_with_head(database: str) -> None:
    """With the same status, until the server was told to end, and then."""
    app = create_app({"add": graph()}, database=database)

    async def asked() -> list[int]:
        transport = httpx.ASGITransport(app)
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(transport=transport, base_url="http://here") as client,
        ):
            before = [(await client.request(method, "/ok")).status_code for method in ("GET", "HEAD")]
            app.state.drain()
            return [*before, *[(await client.request(method, "/ok")).status_code for method in ("GET", "HEAD")]]

    assert asyncio.run(asked()) == [200, 200, 503, 503]


def test_a_project_may_leave_out_what_tells_about_the_server(tmp_path: Path, database: str) -> None:
    """`disable_meta`: neither versions nor measurements nor the document; whether it is well it says all the same."""
    path = tmp_path / "langgraph.json"
    graphs = {"desk": "lcel_adapters.desk:step_graph"}
    path.write_text(json.dumps({"graphs": graphs, "http": {"disable_meta": True}}), "utf-8")
    with client(create_app(project=Project.read(path), database=database)) as asked:
        for gone in ("/info", "/metrics", "/docs", "/openapi.json"):
            assert asked.get(gone).status_code == 404
        assert (asked.get("/ok").json()["ok"], asked.head("/ok").status_code) == (True, 200)
        assert asked.post("/threads", json={}).status_code == 200


def test_the_openapi_document_names_what_streams(database: str) -> None:
    """A generated client knows which answers are events."""
    paths = create_app({"add": graph()}, database=database).openapi()["paths"]
    content = paths["/threads/{thread_id}/runs/stream"]["post"]["responses"]["200"]["content"]
    assert list(content) == ["text/event-stream"]


@pytest.mark.parametrize(
    "host",
    [
        *("127.0.0.1:1", "[::1]", "10.0.0.1", "localhost"),
        # What stands for 127.0.0.1, 169.254.169.254 and 10.0.0.1 behind a gateway.
        *("[::ffff:127.0.0.1]", "[64:ff9b::a9fe:a9fe]", "[2002:a00:1::]"),
    ],
)
def test_webhooks_do_not_lead_inside(database: str, host: str) -> None:
    """A client cannot make the server talk to its own network, unless the host was named by the operator."""
    body = {"assistant_id": "add", "input": {"n": 1}, "webhook": f"http://{host}/hook"}
    with client(create_app({"add": graph()}, database=database)) as asked:
        answer = asked.post("/runs", json=body)
    assert answer.status_code == 422
    assert "webhook" in answer.json()["detail"].lower()


@pytest.mark.parametrize("url", ["http://[", "http://[::1", "http://example.com:99999/", "http://", "ftp://a.b/", "x"])
def test_webhooks_are_addresses(database: str, url: str) -> None:
    """What is none is told at once."""
    body = {"assistant_id": "add", "input": {"n": 1}, "webhook": url}
    with client(create_app({"add": graph()}, database=database)) as asked:
        answer = asked.post("/runs", json=body)
    assert (answer.status_code, "no http or https address" in answer.json()["detail"]) == (422, True)


def test_a_graph_that_langserve_cannot_describe_is_served_to_others(database: str) -> None:
    """What has no JSON schema costs LangServe's routes, and a warning; not the server."""

    builder = StateGraph(OddState).add_node("add", lambda state: {"n": state["n"] + 1}).add_edge(START, "add")
    app = create_app({"odd": builder.compile()}, database=database)
    with client(app) as asked:
        assert asked.post("/runs/wait", json={"assistant_id": "odd", "input": {"n": 1}}).json() == {"n": 2}
