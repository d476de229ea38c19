"""Routes of assistants, and of what their graphs look like."""

from __future__ import annotations

import asyncio
import operator
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Annotated, Any, TypeVar
from uuid import uuid4

import httpx
import pytest
import pytest_asyncio
from fastapi import FastAPI
from langchain_core.runnables import RunnableLambda
from sqlalchemy import Connection
from typing_extensions import TypedDict

from lcel_adapters.serve import create_app
from lcel_adapters.serve._agent._schemas import schemas_of
from lcel_adapters.serve._assistants import Assistants
from lcel_adapters.serve._auth import Guard
from lcel_adapters.serve._storage import Database
from tests.serving.faults.databases import database
from tests.serving.owners import owners
from tests.support.asgi import client_of
from tests.support.engines import LANGGRAPH, OURS
from tests.support.wire import assistant_id

T = TypeVar("T")
pytestmark = pytest.mark.asyncio(loop_scope="module")
NOBODY = "11111111-1111-1111-1111-111111111111"


class State(TypedDict, total=False):
    """A number and a log."""

    n: int
    log: Annotated[list[str], operator.add]


class Unspeakable:
    """A class that no JSON schema speaks of."""


class Odd(TypedDict, total=False):
    """A state that no JSON schema speaks of."""

    n: int
    odd: Unspeakable


class Choice(TypedDict, total=False):
    """Who is meant."""

    who: str


def shout(text: str) -> str:
    """A plain function."""
    return f"{text}!"


def graphs(engine: Any) -> dict[str, Any]:
    """A graph that is configured, one with two others inside, and a plain runnable."""

    def line(*, context: Any = None, **nodes: Any) -> Any:
        builder, before = engine.StateGraph(State, context_schema=context), engine.START
        for name, node in nodes.items():
            builder.add_node(name, node)
            builder.add_edge(before, name)
            before = name
        return builder.compile()

    log = lambda state: {"log": ["x"]}  # noqa: E731
    deep = line(child=line(inmost=log))
    return {
        "chosen": line(context=Choice, one=log),
        "nested": line(one=log, child=deep),
        "plain": RunnableLambda(shout),
    }


@pytest.fixture(scope="module", params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def app(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[FastAPI]:
    """A server of graphs of our engine, on each kind of database."""
    with database(request.param, tmp_path_factory.mktemp("assistants")) as url:
        yield create_app(graphs(OURS), database=url)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def client(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """Its client."""
    async with client_of(app) as found:
        yield found


@pytest.fixture(scope="module", params=[OURS.name, pytest.param(LANGGRAPH.name, marks=pytest.mark.langgraph)])
def app_of_engine(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> FastAPI:
    """A server of graphs of each engine."""
    engine = OURS if request.param == OURS.name else LANGGRAPH
    return create_app(graphs(engine), database=f"sqlite:///{tmp_path_factory.mktemp('engine') / 'served.db'}")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def engine(app_of_engine: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """Its client."""
    async with client_of(app_of_engine) as found:
        yield found


class Slow(Database):
    """A database that says what it read only when it is let.

    Args:
        real: Where it reads.
    """

    shared = False

    def __init__(self, real: Database) -> None:
        super().__init__(real.url)
        self._real = real
        self.has_read, self.answers = asyncio.Event(), asyncio.Event()

    async def read(self, function: Callable[[Connection], T]) -> T:
        found = await self._real.read(function)
        self.has_read.set()
        await self.answers.wait()
        return found

    async def write(self, function: Callable[[Connection], T]) -> T:
        return await self._real.write(function)

    async def close(self) -> None:
        """It is another's."""


async def told(request: Any) -> tuple[int, Any]:
    """The status of an answer, and its JSON."""
    answer = await request
    return answer.status_code, answer.json() if answer.content else None


async def made(client: httpx.AsyncClient, **body: Any) -> Any:
    """A new assistant."""
    answer = await client.post("/assistants", json={"graph_id": "chosen", **body})
    assert answer.status_code == 200, answer.text
    return answer.json()


# Assistants -------------------------------------------------------------------------------------------


async def test_every_graph_has_an_assistant(client: httpx.AsyncClient) -> None:
    """Its id follows from the graph's name, and it says who made it."""
    assistant = (await client.get(f"/assistants/{assistant_id('nested')}")).json()
    for key in ("created_at", "updated_at"):
        assistant.pop(key)
    assert assistant == {
        "assistant_id": assistant_id("nested"),
        "graph_id": "nested",
        "name": "nested",
        "description": None,
        "config": {},
        "context": {},
        "metadata": {"created_by": "system"},
        "version": 1,
    }


async def test_a_graphs_assistant_stays_as_somebody_changed_it(tmp_path: Path) -> None:
    """A restart makes the assistants of new graphs, and leaves those that are there."""
    url = f"sqlite:///{tmp_path / 'served.db'}"
    first = await asyncio.to_thread(create_app, {"plain": RunnableLambda(shout)}, database=url)
    async with client_of(first) as client:
        await client.patch(f"/assistants/{assistant_id('plain')}", json={"name": "changed"})
    served = {"plain": RunnableLambda(shout), "more": RunnableLambda(shout)}
    async with client_of(await asyncio.to_thread(create_app, served, database=url)) as client:
        found = (await client.post("/assistants/search", json={"sort_by": "name", "sort_order": "asc"})).json()
    assert [(one["name"], one["version"]) for one in found] == [("changed", 2), ("more", 1)]


async def test_an_assistant_says_what_a_graph_is_told(client: httpx.AsyncClient) -> None:
    """Context and configurable say the same, whichever was given; both are too much."""
    by_context = await made(client, context={"who": "me"}, metadata={"a": 1})
    by_config = await made(client, config={"configurable": {"who": "me"}, "tags": ["x"]}, name="named")
    assert (by_context["config"], by_context["context"]) == ({"configurable": {"who": "me"}}, {"who": "me"})
    assert by_config["config"] == {"configurable": {"who": "me"}, "tags": ["x"]}
    assert (by_config["context"], by_config["name"], by_context["name"]) == ({"who": "me"}, "named", "Untitled")
    body = {"graph_id": "chosen", "config": {"configurable": {"who": "a"}}, "context": {"who": "b"}}
    assert (await client.post("/assistants", json=body)).status_code == 400
    assert (await client.patch(f"/assistants/{by_config['assistant_id']}", json=body)).status_code == 400


async def test_an_id_is_given_once(client: httpx.AsyncClient) -> None:
    """A second assistant of an id is a conflict, or the first."""
    assistant = await made(client, name="first")
    body = {"graph_id": "chosen", "assistant_id": assistant["assistant_id"], "name": "second"}
    conflict = {"detail": f"Assistant {assistant['assistant_id']} already exists"}
    assert await told(client.post("/assistants", json=body)) == (409, conflict)
    assert await told(client.post("/assistants", json={**body, "if_exists": "do_nothing"})) == (200, assistant)


async def test_what_is_not_there_is_told(client: httpx.AsyncClient) -> None:
    """404 for assistants and graphs, 422 for what is no id; always with a text."""
    gone = {"detail": f"Assistant {NOBODY} not found"}
    names = "['chosen', 'nested', 'plain']"
    for method, path, body, expected in [
        ("GET", "", None, {"detail": "Not Found"}),
        ("PATCH", "", {"name": "x"}, gone),
        ("DELETE", "", None, {"detail": f"Assistant with ID {NOBODY} not found"}),
        ("POST", "/versions", {}, gone),
        ("POST", "/latest", {"version": 1}, gone),
        ("GET", "/graph", None, {"detail": "Not Found"}),
        ("GET", "/schemas", None, {"detail": "Not Found"}),
        ("GET", "/subgraphs", None, {"detail": "Not Found"}),
    ]:
        assert await told(client.request(method, f"/assistants/{NOBODY}{path}", json=body)) == (404, expected)
        refused = {"detail": "Invalid assistant ID: must be a UUID"}
        assert await told(client.request(method, f"/assistants/nobody{path}", json=body)) == (422, refused)
    unknown = {"detail": f"Graph 'nope' not found. Expected one of: {names}"}
    for path in ("", "/search", "/count"):
        assert await told(client.post(f"/assistants{path}", json={"graph_id": "nope"})) == (404, unknown)


async def test_every_change_is_a_version(client: httpx.AsyncClient) -> None:
    """What is left out stays, metadata are added to, and any version can come back, whole."""
    assistant = await made(client, context={"who": "one"}, metadata={"a": 1}, description="d", config={"tags": ["t"]})
    path = f"/assistants/{assistant['assistant_id']}"
    second = (await client.patch(path, json={"context": {"who": "two"}, "metadata": {"b": 2}})).json()
    third = (await client.patch(path, json={"graph_id": "nested", "name": "third"})).json()
    assert (second["version"], second["context"], second["metadata"]) == (2, {"who": "two"}, {"a": 1, "b": 2})
    assert (third["version"], third["graph_id"], third["context"], third["description"]) == (
        3,
        "nested",
        {"who": "two"},
        "d",
    )
    first = (await client.post(f"{path}/latest", json={"version": 1})).json()
    assert {**first, "updated_at": ""} == {**assistant, "updated_at": ""}
    fourth = (await client.patch(path, json={"name": "fourth"})).json()
    assert (fourth["version"], fourth["graph_id"], fourth["context"]) == (4, "chosen", {"who": "one"})
    versions = (await client.post(f"{path}/versions", json={"limit": 2, "offset": 1})).json()
    assert [(one["version"], one["name"]) for one in versions] == [(3, "third"), (2, "Untitled")]
    assert [one["version"] for one in (await client.post(f"{path}/versions", json={"metadata": {"b": 2}})).json()] == [
        3,
        2,
    ]
    unknown = {"detail": f"Version 99 not found for assistant {assistant['assistant_id']}"}
    assert await told(client.post(f"{path}/latest", json={"version": 99})) == (404, unknown)


async def test_changes_that_meet_are_versions_of_their_own(client: httpx.AsyncClient) -> None:
    """Ten at once make ten versions, and the metadata of all of them."""
    path = f"/assistants/{(await made(client))['assistant_id']}"
    await asyncio.gather(*(client.patch(path, json={"metadata": {str(number): True}}) for number in range(10)))
    assistant = (await client.get(path)).json()
    assert (assistant["version"], len(assistant["metadata"])) == (11, 10)


async def test_runs_see_the_assistant_as_it_is_now(client: httpx.AsyncClient) -> None:
    """A change counts from the next run on."""
    path = f"/assistants/{(await made(client, context={'who': 'one'}))['assistant_id']}"
    body = {"assistant_id": path.split("/")[2], "input": {"n": 1}}
    assert (await client.post("/runs/wait", json=body)).json()["log"] == ["x"]
    await client.patch(path, json={"graph_id": "nested"})
    # Each graph inside returns the log that it was given, too.
    assert (await client.post("/runs/wait", json=body)).json()["log"] == ["x"] * 4
    await client.delete(path)
    assert (await client.post("/runs/wait", json=body)).status_code == 404


async def test_a_change_counts_whatever_was_being_read(client: httpx.AsyncClient, app: FastAPI) -> None:
    """An assistant that was read before it was deleted, and is known only after that, is not remembered."""
    one = (await made(client))["assistant_id"]
    real = app.state.serving.database
    slow = Slow(real)
    remembered = Assistants(slow)
    reading = asyncio.create_task(remembered.get(one))
    await slow.has_read.wait()
    await client.delete(f"/assistants/{one}")
    remembered.forget(one)
    slow.answers.set()
    assert await reading is not None
    assert await remembered.get(one) is None


async def test_assistants_are_found_and_counted(client: httpx.AsyncClient) -> None:
    """By metadata, graph and name; a page at a time, some fields, in an order; the newest first."""
    mine = {"k": str(uuid4())}
    for name in ("Banana", "apple", "cherry"):
        await made(client, name=name, metadata=mine, graph_id="plain" if name == "apple" else "chosen")

    async def found(**asked: Any) -> list[str]:
        answer = await client.post("/assistants/search", json={"metadata": mine, **asked})
        return [one["name"] for one in answer.json()]

    assert await found() == ["cherry", "apple", "Banana"]
    assert await found(graph_id="plain") == ["apple"]
    assert await found(name="AN") == ["Banana"]
    assert await found(sort_by="created_at", sort_order="asc", limit=1, offset=1) == ["apple"]
    answer = await client.post("/assistants/search", json={"metadata": mine, "limit": 2, "select": ["name", "version"]})
    assert answer.json() == [{"name": "cherry", "version": 1}, {"name": "apple", "version": 1}]
    assert (answer.headers["x-pagination-total"], answer.headers["x-pagination-next"]) == ("3", "2")
    assert (await client.post("/assistants/count", json={"metadata": mine})).json() == 3


async def test_an_assistant_goes_alone_or_with_its_threads(client: httpx.AsyncClient) -> None:
    """With ``delete_threads`` the threads that name it go, too."""
    for delete_threads in (False, True):
        assistant = (await made(client))["assistant_id"]
        body = {"metadata": {"assistant_id": assistant}}
        threads = [(await client.post("/threads", json=body)).json()["thread_id"] for _ in range(3)]
        answer = await client.delete(f"/assistants/{assistant}", params={"delete_threads": delete_threads})
        left = [(await client.get(f"/threads/{thread}")).status_code for thread in threads]
        assert (answer.status_code, left) == (204, [404 if delete_threads else 200] * 3)


async def test_text_may_hold_anything(client: httpx.AsyncClient) -> None:
    """NUL becomes the sign for what cannot be shown, wherever text is stored or looked for."""
    assistant = await made(client, name="a\0b", description="\0", metadata={"\0": "\0"})
    assert (assistant["name"], assistant["description"]) == ("a\ufffdb", "\ufffd")
    found = (await client.post("/assistants/search", json={"name": "a\0", "metadata": {"\0": "\0"}})).json()
    assert [one["assistant_id"] for one in found] == [assistant["assistant_id"]]


# Graphs -----------------------------------------------------------------------------------------------


async def test_a_graph_is_drawn(engine: httpx.AsyncClient) -> None:
    """Its nodes and edges by name or id, graphs inside as one node or opened, down to a level."""
    for key in ("nested", assistant_id("nested")):
        drawn = (await engine.get(f"/assistants/{key}/graph")).json()
        assert [node["id"] for node in drawn["nodes"]] == ["__start__", "one", "child", "__end__"]
        assert {"source": "one", "target": "child"} in drawn["edges"]
        assert drawn["nodes"][1]["data"] == {"name": "one"}

    async def ids(xray: str) -> set[str]:
        found = await engine.get("/assistants/nested/graph", params={"xray": xray})
        return {node["id"] for node in found.json()["nodes"]} - {"__start__", "__end__", "one"}

    assert await ids("false") == {"child"}
    assert await ids("1") == {"child:child"}
    assert await ids("true") == {"child:child:inmost"}
    for wrong in ("0", "-1", "maybe", "²", "1.5"):
        assert await told(engine.get("/assistants/nested/graph", params={"xray": wrong})) == (
            422,
            {"detail": "Invalid xray value"},
        )


async def test_a_graph_tells_what_it_takes(engine: httpx.AsyncClient) -> None:
    """Schemas of input, output, state and context; of a plain runnable, what it takes itself."""
    schemas = (await engine.get(f"/assistants/{assistant_id('chosen')}/schemas")).json()
    assert schemas["graph_id"] == "chosen"
    assert schemas["state_schema"]["properties"]["n"] == {"default": None, "title": "N", "type": "integer"}
    context = {"title": "Choice", "type": "object", "properties": {"who": {"title": "Who", "type": "string"}}}
    shown = {key: schemas["context_schema"][key] for key in context}
    assert (shown, schemas["config_schema"]) == (context, schemas["context_schema"])
    plain = (await engine.get(f"/assistants/{assistant_id('plain')}/schemas")).json()
    assert (plain["input_schema"]["type"], plain["config_schema"], plain["context_schema"]) == ("string", {}, None)


@pytest.mark.parametrize(
    "library", [OURS, pytest.param(LANGGRAPH, marks=pytest.mark.langgraph)], ids=lambda one: one.name
)
async def test_what_no_schema_speaks_of_may_be_anything(library: Any, caplog: pytest.LogCaptureFixture) -> None:
    """A type of the application's own takes nothing from the rest of the state; the log says what is missing."""
    builder = library.StateGraph(Odd)
    builder.add_node("one", lambda state: state)
    builder.add_edge(library.START, "one")
    schemas = schemas_of(builder.compile(name="odd"))
    assert schemas["state_schema"]["properties"] == {
        "n": {"default": None, "title": "N", "type": "integer"},
        "odd": {"default": None, "title": "Odd"},
    }
    assert (schemas["input_schema"], schemas["output_schema"]) == (None, None)
    assert "'odd'" in caplog.text


async def test_graphs_inside_are_told(engine: httpx.AsyncClient) -> None:
    """By their namespaces; with ``recurse`` those inside of them, too."""
    path = f"/assistants/{assistant_id('nested')}/subgraphs"
    for asked, names in [
        ("", ["child"]),
        ("?recurse=true", ["child", "child|child"]),
        ("/child", ["child"]),
        ("/nobody", []),
    ]:
        found = (await engine.get(f"{path}{asked}")).json()
        assert list(found) == names
        assert all("n" in schemas["state_schema"]["properties"] for schemas in found.values())
    assert (await engine.get(f"/assistants/{assistant_id('plain')}/subgraphs")).json() == {}


# Owners -----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def app_of_owners(tmp_path_factory: pytest.TempPathFactory) -> FastAPI:
    """A server whose users see what is theirs."""
    url = f"sqlite:///{tmp_path_factory.mktemp('owners') / 'served.db'}"
    return create_app(graphs(OURS), database=url, guard=Guard.of(auth=owners()))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(app_of_owners: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """Its client."""
    async with client_of(app_of_owners) as found:
        yield found


ANN, BOB = {"x-user": "ann"}, {"x-user": "bob"}


@pytest.mark.langgraph
async def test_assistants_of_others_are_not_there(shared: httpx.AsyncClient) -> None:
    """Whatever is asked of another's assistant is answered as for one that is not there, and changes nothing."""
    assistant = (await shared.post("/assistants", json={"graph_id": "chosen"}, headers=ANN)).json()
    asked: list[tuple[str, str, Any]] = [
        ("GET", "", None),
        ("PATCH", "", {"metadata": {"owner": "bob"}}),
        ("DELETE", "", None),
        ("POST", "/versions", {}),
        ("POST", "/latest", {"version": 1}),
        ("GET", "/graph", None),
        ("GET", "/schemas", None),
        ("GET", "/subgraphs", None),
    ]
    for method, path, body in asked:
        answers = [
            await shared.request(method, f"/assistants/{id}{path}", json=body, headers=BOB)
            for id in (assistant["assistant_id"], NOBODY)
        ]
        assert [answer.status_code for answer in answers] == [404, 404]
        assert answers[0].text.replace(assistant["assistant_id"], NOBODY) == answers[1].text
    assert (await shared.post("/assistants/search", json={}, headers=BOB)).json() == []
    assert (await shared.post("/assistants/count", json={}, headers=BOB)).json() == 0
    body = {"graph_id": "chosen", "assistant_id": assistant["assistant_id"], "if_exists": "do_nothing"}
    assert (await shared.post("/assistants", json=body, headers=BOB)).status_code == 409
    assert (await shared.get(f"/assistants/{assistant['assistant_id']}", headers=ANN)).json() == assistant
