"""`http.app`: an application of the project's, its middleware, its routes and its lifespan, beside the server."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from lcel_adapters.serve import create_app
from lcel_adapters.serve._project import Project, ProjectError, load_graph
from tests.support.servers import Server

pytestmark = pytest.mark.slow

RUN = {"assistant_id": "agent", "input": {"n": 1}}
TENANT = {"x-tenant": "t"}

GRAPH = """
from typing_extensions import TypedDict
from lcel_compat import START, StateGraph

class State(TypedDict, total=False):
    n: int

graph = StateGraph(State).add_node("add", lambda state: {"n": state["n"] + 1}).add_edge(START, "add").compile()
"""

SLOW = """
import asyncio
import own_web
from langchain_core.runnables import RunnableLambda

async def wait(given):
    await asyncio.sleep(0.5)
    own_web.events.append("ran")

graph = RunnableLambda(wait)
"""

GATE = """
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse

app = FastAPI()
seen = []

@app.middleware("http")
async def gate(request, call_next):
    seen.append(getattr(request.scope.get("user"), "identity", None))
    if request.headers.get("x-tenant") != "t":
        return JSONResponse({"detail": "no tenant"}, 403)
    answer = await call_next(request)
    answer.headers["x-gate"] = "passed"
    return answer

@app.get("/hello")
async def hello(request: Request):
    return getattr(request.scope.get("user"), "identity", None)

@app.post("/said")
async def said(request: Request):
    return await request.json()
"""

PAGES = """
from fastapi import FastAPI
from pydantic import BaseModel

app = FastAPI()

class RunBody(BaseModel):
    mine: int

@app.get("/")
def home():
    return "my page"

@app.get("/info")
def info():
    return "my info"

@app.get("/ok")
def ok():
    return "my ok"

@app.get("/threads/{thread}")
def thread(thread: str):
    return "my thread"

@app.post("/own")
def own(body: RunBody):
    return body.mine
"""

LIVING = """
from contextlib import asynccontextmanager
from fastapi import FastAPI, HTTPException, Request
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException as AnyHTTPException

events = []

@asynccontextmanager
async def lifespan(app):
    app.state.pool = "pool"
    events.append("up")
    yield {"given": "state"}
    events.append("down")

app = FastAPI(lifespan=lifespan)

@app.get("/seen")
async def seen(request: Request):
    return [request.app.state.pool, request.state.given, request.app is app]

@app.get("/fails")
async def fails():
    raise ValueError("no")

@app.get("/broken")
async def broken():
    raise RuntimeError("secret")

@app.exception_handler(ValueError)
async def value(request, error):
    return JSONResponse({"mine": str(error)}, 418)

@app.exception_handler(AnyHTTPException)
async def any_http(request, error):
    return JSONResponse({"mine": error.detail}, error.status_code)

@app.exception_handler(HTTPException)
async def own_http(request, error):
    return JSONResponse({"own": error.detail}, error.status_code)

@app.get("/refused")
async def refused():
    raise HTTPException(403, "no")
"""

AUTH = """
from langgraph_sdk import Auth

auth = Auth()
asked = []

@auth.authenticate
async def who(authorization, body):
    asked.append(body)
    if authorization is None:
        raise Auth.exceptions.HTTPException(status_code=401, detail="Who are you?")
    return authorization
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A project's folder; what serving it does to the process is undone afterwards."""
    monkeypatch.setattr(sys, "path", [*sys.path])
    modules = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - modules:
        if str(tmp_path) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]


def _app(folder: Path, code: str, auth: bool = False, **http: Any) -> FastAPI:
    (folder / "own_graph.py").write_text(GRAPH, "utf-8")
    (folder / "own_web.py").write_text(code, "utf-8")
    (folder / "own_auth.py").write_text(AUTH, "utf-8")
    told = {"graphs": {"agent": "./own_graph.py:graph"}, "http": {"app": "./own_web.py:app", **http}}
    path = folder / "langgraph.json"
    path.write_text(json.dumps({**told, **({"auth": {"path": "./own_auth.py:auth"}} if auth else {})}), "utf-8")
    return create_app(project=Project.read(path), database=f"sqlite:///{folder / 'served.db'}")


@contextmanager
def _client(app: Any) -> Iterator[httpx.Client]:
    with closing(Server(app)) as server:
        server.open()
        with httpx.Client(base_url=server.url, timeout=20) as found:
            yield found


@pytest.mark.parametrize("order", [None, "middleware_first", "auth_first"])
def test_a_guard_of_the_project_guards_every_route(folder: Path, order: str | None) -> None:
    """What its middleware refuses does not run: not on its own routes, not on the server's, in neither dialect."""
    with _client(_app(folder, GATE, middleware_order=order)) as asked:
        for method, path, body in (
            ("POST", "/runs/wait", RUN),
            ("POST", "/threads", {}),
            ("POST", "/agent/invoke", {"input": {"n": 1}}),
            ("GET", "/hello", None),
            ("GET", "/ok", None),
            ("GET", "/openapi.json", None),
            ("GET", "/nowhere", None),
        ):
            refused = asked.request(method, path, json=body)
            passed = asked.request(method, path, json=body, headers=TENANT)
            assert (refused.status_code, refused.json()) == (403, {"detail": "no tenant"}), path
            assert (passed.status_code, passed.headers["x-gate"]) == (404 if path == "/nowhere" else 200, "passed")
        assert asked.post("/runs/wait", json=RUN, headers=TENANT).json() == {"n": 2}
        assert "event: values" in asked.post("/runs/stream", json=RUN, headers=TENANT).text


def test_routes_of_the_project_take_the_place_of_the_servers(folder: Path) -> None:
    """All but those that tell how the server is; everything else answers as without the application."""
    app = _app(folder, PAGES)
    with _client(app) as asked:
        assert [asked.get(path).json() for path in ("/", "/info", "/threads/x")] == ["my page", "my info", "my thread"]
        assert asked.get("/ok").json() == {"ok": True, "services": {}}
        thread = asked.post("/threads", json={}).json()["thread_id"]
        assert asked.post(f"/threads/{thread}/runs/wait", json=RUN).json() == {"n": 2}
        assert asked.patch(f"/threads/{thread}", json={}).status_code == 200
        assert asked.put("/threads").status_code == 405
        assert asked.post("/hello").status_code == 404
        assert asked.post("/own", json={"mine": "x"}).json()["detail"][0]["loc"] == ["body", "mine"]
        assert asked.post("/runs/wait", json={}).json() == {"detail": "assistant_id: Field required"}
        shown = asked.get("/metrics").text
    assert 'route="/threads/{thread_id}/runs/wait"' in shown
    assert 'route="/own"' in shown
    assert app.state.warnings == []


def test_the_openapi_document_holds_the_projects_routes(folder: Path) -> None:
    """Each path with the operation that answers, each schema of a name that both have apart."""
    document = _app(folder, PAGES).openapi()
    paths, schemas = document["paths"], document["components"]["schemas"]
    assert {"/own", "/info", "/runs/wait", "/threads/{thread}", "/threads/{thread_id}"} <= paths.keys()
    assert paths["/info"]["get"]["summary"] == "Info"
    assert "tags" not in paths["/info"]["get"]
    assert paths["/ok"]["get"]["tags"] == ["System"]
    (content,) = paths["/own"]["post"]["requestBody"]["content"].values()
    assert schemas[content["schema"]["$ref"].rpartition("/")[2]]["required"] == ["mine"]
    assert schemas["RunBody"]["required"] == ["assistant_id"]


def test_an_application_for_every_path_is_warned_of(folder: Path) -> None:
    """It hides what it is beside, but for what tells how the server is."""
    code = "from starlette.applications import Starlette\nfrom starlette.routing import Mount, Route\n"
    code += "from starlette.responses import PlainTextResponse\n"
    app = _app(folder, code + "app = Starlette(routes=[Mount('/', PlainTextResponse('mine'))])")
    (warning,) = app.state.warnings
    assert warning.startswith("http.app has a route for every path")
    with _client(app) as asked:
        assert asked.get("/threads/x/state").text == "mine"
        assert asked.get("/ok").json()["ok"] is True


def test_its_lifespan_its_state_and_its_handlers_are_its_own(folder: Path) -> None:
    """They are as when it runs alone; its handlers of exceptions answer for the server's routes, too."""
    app = _app(folder, LIVING)
    events = sys.modules["own_web"].events
    with _client(app) as asked:
        assert events == ["up"]
        assert asked.get("/seen").json() == ["pool", "state", True]
        assert (asked.get("/fails").status_code, asked.get("/fails").json()) == (418, {"mine": "no"})
        assert asked.get("/threads/x").status_code == 422
        assert asked.get("/refused").json() == {"own": "no"}
        assert asked.post("/runs/wait", json={**RUN, "command": {"resume": 1}}).json() == {
            "mine": "You must provide a thread_id when resuming."
        }
        broken = asked.get("/broken")
        assert (broken.status_code, broken.json()) == (500, {"detail": "Internal Server Error"})
    assert events == ["up", "down"]


def test_it_stands_below_a_prefix_with_the_server(folder: Path) -> None:
    """`mount_prefix` is of its routes, too, and its guard is before them all."""
    with _client(_app(folder, GATE, mount_prefix="/api")) as asked:
        assert asked.get("/api/hello").status_code == 403
        assert asked.post("/api/runs/wait", json=RUN).status_code == 403
        assert asked.get("/api/hello", headers=TENANT).json() is None
        assert asked.post("/api/runs/wait", json=RUN, headers=TENANT).json() == {"n": 2}


def test_it_ends_when_the_runs_have(folder: Path) -> None:
    """A26: what its lifespan holds is there for as long as a run goes on that was told to end."""
    app = _app(folder, LIVING)
    (folder / "slow_graph.py").write_text(SLOW, "utf-8")
    project = Project.read(folder / "langgraph.json")
    graphs = {"slow": load_graph("slow", "slow_graph.py:graph", folder)}
    app = create_app(graphs, project=project, database=f"sqlite:///{folder / 'served.db'}")
    with _client(app) as asked:
        asked.post("/runs", json={"assistant_id": "slow", "input": {"n": 1}})
    assert sys.modules["own_web"].events == ["up", "ran", "down"]


def test_a_lifespan_that_fails_is_named(folder: Path) -> None:
    """The server does not start, and says whose fault it is."""
    code = LIVING.replace('events.append("up")', 'raise OSError("no pool")')
    app = _app(folder, code)

    async def opened() -> None:
        async with app.router.lifespan_context(app):
            pass

    with pytest.raises(ProjectError, match=r"http\.app could not be started: OSError: no pool"):
        asyncio.run(opened())


def test_an_application_of_another_kind_is_refused(folder: Path) -> None:
    """What it does before a request could not be done before the server's own routes."""
    with pytest.raises(ProjectError, match="name a Starlette or FastAPI application"):
        _app(folder, "async def app(scope, receive, send): ...")


# Who asks ----------------------------------------------------------------------------------------


@pytest.mark.langgraph
def test_middleware_stands_before_authentication_unless_it_is_told_otherwise(folder: Path) -> None:
    """`middleware_first`: it sees whoever asks, and does not know them. Its own routes are open."""
    with _client(_app(folder, GATE, auth=True)) as asked:
        seen = sys.modules["own_web"].seen
        assert asked.post("/runs/wait", json=RUN).json() == {"detail": "no tenant"}
        assert asked.post("/runs/wait", json=RUN, headers=TENANT).json() == {"detail": "Who are you?"}
        assert seen == [None, None]
        assert asked.get("/hello", headers=TENANT).status_code == 200
        assert asked.post("/runs/wait", json=RUN, headers={**TENANT, "authorization": "me"}).json() == {"n": 2}


@pytest.mark.langgraph
def test_authentication_may_stand_before_middleware(folder: Path) -> None:
    """`auth_first`: it sees nobody who is not let in, and knows who asks, who is asked that once."""
    me = {**TENANT, "authorization": "me"}
    with _client(_app(folder, GATE, auth=True, middleware_order="auth_first")) as asked:
        seen, bodies = sys.modules["own_web"].seen, sys.modules["own_auth"].asked
        for path in ("/runs/wait", "/agent/invoke", "/nowhere"):
            assert asked.post(path, json=RUN, headers=TENANT).status_code == 401
        assert seen == []
        bodies.clear()
        assert asked.post("/runs/wait", json=RUN, headers=me).json() == {"n": 2}
        assert (seen, bodies) == (["me"], [RUN])
        assert asked.get("/ok", headers=TENANT).status_code == 200
        assert asked.get("/hello", headers=TENANT).json() is None


@pytest.mark.langgraph
@pytest.mark.parametrize("order", ["middleware_first", "auth_first"])
def test_its_own_routes_may_ask_who_is_there(folder: Path, order: str) -> None:
    """`enable_custom_route_auth`: nobody reaches them without, they know who asks, and get the whole body."""
    http = {"middleware_order": order, "enable_custom_route_auth": True}
    me = {**TENANT, "authorization": "me"}
    with _client(_app(folder, GATE, auth=True, **http)) as asked:
        assert asked.get("/hello", headers=TENANT).status_code == 401
        assert asked.get("/hello", headers=me).json() == "me"
        assert asked.post("/said", json=[1, "é" * 9000], headers=me).json() == [1, "é" * 9000]
        assert asked.get("/hello", headers={"authorization": "me"}).status_code == 403


@pytest.mark.langgraph
@pytest.mark.parametrize("order", ["middleware_first", "auth_first"])
def test_its_websockets_may_ask_who_is_there(folder: Path, order: str) -> None:
    """With `enable_custom_route_auth` a handshake that says nothing is refused."""
    code = (
        "from fastapi import FastAPI, WebSocket\napp = FastAPI()\n@app.websocket('/talk')\n"
        "async def talk(socket: WebSocket):\n    await socket.accept()\n"
        "    await socket.send_text(socket.user.identity)\n    await socket.close()\n"
    )
    app = _app(folder, code, auth=True, middleware_order=order, enable_custom_route_auth=True)
    with TestClient(app) as asked:
        with asked.websocket_connect("/talk", headers={"authorization": "me"}) as talk:
            assert talk.receive_text() == "me"
        with pytest.raises(WebSocketDisconnect) as refused, asked.websocket_connect("/talk"):
            pass
    assert (refused.value.code, refused.value.reason) == (1008, "Who are you?")
