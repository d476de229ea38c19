"""Authorization of LangServe's routes: what the application is asked of them, and what runs learn of who asks."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypedDict

import httpx
import pytest
from fastapi import FastAPI
from langchain_core.runnables import RunnableConfig, RunnableLambda

from lcel_adapters.serve import Guard, create_app
from lcel_adapters.serve._agent._asked import assistant_id_of
from lcel_compat import START, StateGraph
from tests.support.asgi import client_of

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore:.*astream_log")]
RUNS = ["invoke", "batch", "stream", "stream_log", "stream_events"]
LOOKS = ["input_schema", "output_schema", "config_schema", "playground/"]
CONFIG = "c/N4XyA"  # {} as lz-string writes it
READ = ("assistants", "read")
KEYS = ("langgraph_auth_user", "langgraph_auth_user_id")
SPOOFED = {"langgraph_auth_user": {"identity": "owner"}, "langgraph_auth_user_id": "owner"}


class State(TypedDict, total=False):
    n: int


def graph(node: Callable[..., Any] = lambda state: {"n": state["n"] + 1}) -> Any:
    """A graph of one node; by default that adds one."""
    return StateGraph(State).add_node("node", node).add_edge(START, "node").compile()


def guard(answers: Mapping[tuple[str, str], Any], asked: list[tuple[str, str, Any]] | None = None) -> Guard:
    """Lets "me" in; answers are by resource and action, and what is not among them is allowed."""
    from langgraph_sdk import Auth

    auth = Auth()

    @auth.authenticate
    async def who() -> str:
        return "me"

    @auth.on
    async def answer(ctx: Any, value: dict[str, Any]) -> Any:
        if asked is not None:
            asked.append((ctx.resource, ctx.action, dict(value)))
        return answers.get((ctx.resource, ctx.action))

    return Guard.of([], auth)


@asynccontextmanager
async def served(graphs: Any, **options: Any) -> AsyncIterator[httpx.AsyncClient]:
    """The client of a server, which is made where files may be read."""
    async with client_of(await asyncio.to_thread(create_app, graphs, **options)) as client:
        yield client


@pytest.fixture
def database(tmp_path: Path) -> str:
    """A file of the test's own."""
    return f"sqlite:///{tmp_path / 'served.db'}"


async def status(client: httpx.AsyncClient, path: str) -> int:
    """The status of a route of the graph ``g``."""
    if path.rpartition("/")[2] in RUNS:
        body = {"inputs": [{"n": 1}]} if path.endswith("batch") else {"input": {"n": 1}}
        return (await client.post(f"/g/{path}", json=body)).status_code
    return (await client.get(f"/g/{path}")).status_code


@pytest.mark.langgraph
@pytest.mark.parametrize("prefix", ["", f"{CONFIG}/"])
@pytest.mark.parametrize(
    ("answers", "runs", "looks"),
    [
        ({}, 200, 200),
        ({("assistants", "read"): False}, 200, 403),
        ({("threads", "create_run"): False}, 403, 200),
        ({("assistants", "read"): {"created_by": "system"}}, 200, 200),
    ],
)
async def test_both_dialects_let_the_same_users_in(
    database: str, prefix: str, answers: Any, runs: int, looks: int
) -> None:
    """To run a graph is to create a run; to look at its schemas is to read its assistant."""
    async with served({"g": graph()}, database=database, guard=guard(answers)) as client:
        assert {path: await status(client, prefix + path) for path in RUNS} == dict.fromkeys(RUNS, runs)
        assert {path: await status(client, prefix + path) for path in LOOKS} == dict.fromkeys(LOOKS, looks)
        run = await client.post("/runs/wait", json={"assistant_id": "g", "input": {"n": 1}})
        assistant = (await client.post("/assistants/search", json={})).json()[0]["assistant_id"]
        look = await client.get(f"/assistants/{assistant}/schemas")
    assert (run.status_code, look.status_code) == (runs, looks)


@pytest.mark.langgraph
async def test_who_sees_what_is_theirs_runs_every_graph(database: str) -> None:
    """A graph's own assistant is nobody's: who is shown their own alone does not find it, and runs it all the same."""
    async with served({"g": graph()}, database=database, guard=guard({READ: {"owner": "me"}})) as client:
        assert {path: await status(client, path) for path in (*RUNS, *LOOKS)} == dict.fromkeys((*RUNS, *LOOKS), 200)
        run = await client.post("/runs/wait", json={"assistant_id": "g", "input": {"n": 1}})
        found = await client.get(f"/assistants/{assistant_id_of('g')}")
    assert (run.status_code, found.status_code) == (200, 404)


@asynccontextmanager
async def _mounted(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    outer = FastAPI(lifespan=app.router.lifespan_context)
    outer.mount("/agents", app)
    async with client_of(outer) as client:
        client.base_url = httpx.URL("http://test/agents")
        yield client


@asynccontextmanager
async def _prefixed(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(app) as client:
        client.base_url = httpx.URL("http://test/api/v1")
        yield client


def _placed(database: str, folder: Path, place: str, guarded: Guard) -> FastAPI:
    http = {"mount_prefix": "/api/v1"} if place == "prefixed" else {}
    (folder / "h.py").write_text("from langchain_core.runnables import RunnableLambda\nh = RunnableLambda(str)\n")
    (folder / "langgraph.json").write_text(json.dumps({"graphs": {"h": "./h.py:h"}, "http": http}))
    return create_app({"g": graph()}, project=folder / "langgraph.json", database=database, guard=guarded)


@pytest.mark.langgraph
@pytest.mark.parametrize("place", ["root", "mounted", "prefixed"])
async def test_the_application_is_asked_for_the_graph_wherever_the_server_is(
    database: str, tmp_path: Path, place: str
) -> None:
    """Handlers are told the graph's name and the id of its assistant, at the root, mounted and below a prefix."""
    asked: list[tuple[str, str, Any]] = []
    app = await asyncio.to_thread(_placed, database, tmp_path, place, guard({}, asked))
    opened = {"root": client_of, "mounted": _mounted, "prefixed": _prefixed}[place]
    async with opened(app) as client:
        assert (await client.post("/runs/wait", json={"assistant_id": "g", "input": {"n": 1}})).status_code == 200
        agents, asked[:] = [*asked], []
        assert await status(client, "invoke") == 200
        legacy, asked[:] = [*asked], []
        assert await status(client, "input_schema") == 200
    assert [one[:2] for one in legacy] == [one[:2] for one in agents] == [("threads", "create_run")]
    assert (legacy[0][2]["assistant_id"], asked) == ("g", [(*READ, {"assistant_id": assistant_id_of("g")})])


def _noting(seen: list[Any]) -> dict[str, Any]:
    """A graph, a runnable, and a function that makes a graph, which note who they are told asks."""

    def told(config: Any) -> tuple[Any, Any]:
        user, identity = (config.get("configurable", {}).get(key) for key in KEYS)
        return user and user["identity"], identity

    def node(state: State, config: RunnableConfig) -> State:
        seen.append(told(config))
        return {}

    def say(value: Any, config: RunnableConfig) -> str:
        seen.append(told(config))
        return ""

    def make(config: Any, runtime: Any) -> Any:
        if runtime.access_context == "threads.create_run":
            user = runtime.user and runtime.user["identity"]
            seen.append((user, told(config)[1]))
        return graph()

    return {"graph": graph(node), "runnable": RunnableLambda(say), "made": make}


async def _run(client: httpx.AsyncClient, name: str, dialect: str, configurable: Any) -> None:
    config = {"configurable": configurable}
    if dialect == "agent":
        body = {"assistant_id": name, "input": {"n": 1}, "config": config}
        answer = await client.post("/runs/wait", json=body)
    elif dialect == "batch":
        answer = await client.post(f"/{name}/batch", json={"inputs": [{"n": 1}], "config": [config]})
    else:
        answer = await client.post(f"/{name}/{dialect}", json={"input": {"n": 1}, "config": config})
        assert "langgraph_auth" not in answer.text
    assert answer.status_code == 200, answer.text


@pytest.mark.langgraph
@pytest.mark.parametrize("name", ["graph", "runnable", "made"])
@pytest.mark.parametrize("dialect", ["agent", *RUNS])
@pytest.mark.parametrize("configurable", [{}, SPOOFED])
async def test_what_runs_is_told_who_asks(database: str, name: str, dialect: str, configurable: Any) -> None:
    """Nodes, runnables and functions that make graphs learn it in every dialect; a client cannot say it is another."""
    seen: list[Any] = []
    async with served(_noting(seen), database=database, guard=guard({})) as client:
        await _run(client, name, dialect, configurable)
    assert seen == [("me", "me")]


@pytest.mark.parametrize("name", ["graph", "runnable", "made"])
@pytest.mark.parametrize("dialect", ["agent", "invoke", "batch", "stream_events"])
async def test_where_nobody_knows_who_asks_a_client_cannot_say_it(database: str, name: str, dialect: str) -> None:
    """Without an `Auth` there is no user; a graph that looks for one must not find what a client made up."""
    seen: list[Any] = []
    async with served(_noting(seen), database=database, guard=Guard()) as client:
        await _run(client, name, dialect, SPOOFED)
        if dialect == "agent":
            body = {"graph_id": name, "config": {"configurable": SPOOFED}}
            assistant = (await client.post("/assistants", json=body)).json()["assistant_id"]
            await _run(client, assistant, dialect, {})
    assert {*seen} == {(None, None)}
