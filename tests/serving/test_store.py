"""Routes of the store."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any
from uuid import uuid4

import httpx
import pytest
import pytest_asyncio
from fastapi import FastAPI
from langchain_core.runnables import RunnableLambda

from lcel_adapters.serve import create_app
from lcel_adapters.serve._auth import Guard
from lcel_compat import START, StateGraph, get_store
from tests.serving.faults.databases import database
from tests.serving.owners import owners
from tests.support.asgi import client_of

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def remember(state: dict[str, Any]) -> dict[str, Any]:
    """A node that keeps what it is given."""
    await get_store().aput(tuple(state["namespace"]), "kept", {"by": "a node"})
    return state


def keeping() -> Any:
    """A graph of that node."""
    builder = StateGraph(dict)
    builder.add_node("remember", remember)
    builder.add_edge(START, "remember")
    return builder.compile()


@pytest.fixture(scope="module", params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def app(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[FastAPI]:
    """A server on each kind of database."""
    with database(request.param, tmp_path_factory.mktemp("store")) as url:
        yield create_app({"keeping": keeping()}, database=url)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def client(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """Its client."""
    async with client_of(app) as found:
        yield found


@pytest.fixture
def space() -> str:
    """A label that nobody else uses."""
    return uuid4().hex


async def put(client: httpx.AsyncClient, namespace: list[str], key: str, value: Any, **more: Any) -> int:
    """Store an item; the status of the answer."""
    body = {"namespace": namespace, "key": key, "value": value, **more}
    return (await client.put("/store/items", json=body)).status_code


async def told(request: Any) -> tuple[int, Any]:
    """The status of an answer, and its JSON."""
    answer = await request
    return answer.status_code, answer.json() if answer.content else None


async def test_an_item_is_kept_until_it_is_deleted(client: httpx.AsyncClient, space: str) -> None:
    """Its namespace is said in one text or label by label; another value takes its place; it may be deleted twice."""
    assert await put(client, [space, "a"], "k", {"v": 1}) == 204
    assert await put(client, [space, "a"], "k", {"v": [2, {"w": None}]}) == 204
    for namespace in (f"{space}.a", [space, "a"]):
        item = (await client.get("/store/items", params={"key": "k", "namespace": namespace})).json()
        assert (item["namespace"], item["key"], item["value"]) == ([space, "a"], "k", {"v": [2, {"w": None}]})
        assert item["created_at"].endswith(("+00:00", "Z"))
    gone = {"namespace": [space, "a"], "key": "k"}
    for _ in range(2):
        assert await told(client.request("DELETE", "/store/items", json=gone)) == (204, None)
    params = {"key": "k", "namespace": f"{space}.a"}
    assert await told(client.get("/store/items", params=params)) == (200, None)


async def test_items_are_found(client: httpx.AsyncClient, space: str) -> None:
    """Below a namespace, by what they hold, a page at a time."""
    for number in range(5):
        await put(client, [space, str(number % 2)], f"k{number}", {"n": number, "odd": number % 2 == 1})

    async def found(**asked: Any) -> set[str]:
        answer = await client.post("/store/items/search", json={"namespace_prefix": [space], **asked})
        assert answer.status_code == 200, answer.text
        assert all(item["score"] is None for item in answer.json()["items"])
        return {item["key"] for item in answer.json()["items"]}

    assert await found() == {"k0", "k1", "k2", "k3", "k4"}
    assert await found(namespace_prefix=[space, "1"]) == {"k1", "k3"}
    assert await found(filter={"odd": True}) == {"k1", "k3"}
    assert await found(filter={"n": {"$gt": 2}}) == {"k3", "k4"}
    pages = [await found(limit=2, offset=offset) for offset in (0, 2, 4)]
    assert [len(page) for page in pages] == [2, 2, 1]
    assert set().union(*pages) == await found()


async def test_namespaces_are_listed(client: httpx.AsyncClient, space: str) -> None:
    """By how they begin and end, down to a depth."""
    for namespace in ([space, "a", "x"], [space, "b", "x"], [space, "b", "y"]):
        await put(client, namespace, "k", {})

    async def found(**asked: Any) -> list[list[str]]:
        answer = await client.post("/store/namespaces", json={"prefix": [space], **asked})
        return sorted(namespace[1:] for namespace in answer.json()["namespaces"])

    assert await found() == [["a", "x"], ["b", "x"], ["b", "y"]]
    assert await found(suffix=["x"]) == [["a", "x"], ["b", "x"]]
    assert await found(prefix=[space, "*", "y"]) == [["b", "y"]]
    assert await found(max_depth=2) == [["a"], ["b"]]
    assert len(await found(limit=1, offset=1)) == 1


async def test_graphs_use_the_same_store(client: httpx.AsyncClient, space: str) -> None:
    """What a node keeps is found by the client."""
    body = {"assistant_id": "keeping", "input": {"namespace": [space]}}
    assert (await client.post("/runs/wait", json=body)).status_code == 200
    item = (await client.get("/store/items", params={"key": "kept", "namespace": space})).json()
    assert item["value"] == {"by": "a node"}


async def test_mistakes_are_told(client: httpx.AsyncClient, space: str) -> None:
    """What cannot be a namespace, a key, a value or a filter: each with a text."""
    label = "must be a non-empty string without periods"
    for status, body, text in [
        (422, {"namespace": ["a.b"], "key": "k", "value": {}}, f"Namespace label 'a.b' {label}"),
        (422, {"namespace": [""], "key": "k", "value": {}}, f"Namespace label '' {label}"),
        (400, {"namespace": [], "key": "k", "value": {}}, "Namespace cannot be empty."),
        (400, {"namespace": ["langgraph"], "key": "k", "value": {}}, "langgraph"),
        (422, {"namespace": [space], "key": "k", "value": 5}, "value"),
        (422, {"namespace": [space], "key": "k"}, "value"),
        (422, {"key": "k", "value": {}}, "namespace"),
        (422, {"namespace": [space], "key": "k", "value": {}, "ttl": -1}, "ttl"),
    ]:
        found, answer = await told(client.put("/store/items", json=body))
        assert (found, text in answer["detail"]) == (status, True), answer
    wrong = {"namespace_prefix": [space], "filter": {"v": {"$odd": 1}}}
    await put(client, [space], "k", {"v": 1})
    status, answer = await told(client.post("/store/items/search", json=wrong))
    assert (status, "$odd" in answer["detail"]) == (400, True)
    assert (await client.get("/store/items", params={"key": "k"})).status_code == 400
    assert (await client.get("/store/items", params={"namespace": space})).status_code == 422
    assert (await client.post("/store/namespaces", json={"max_depth": 0})).status_code == 422


async def test_strange_characters_are_kept_as_far_as_can_be(client: httpx.AsyncClient, space: str) -> None:
    """NUL becomes the sign for what cannot be shown, in namespaces, keys and values."""
    assert await put(client, [space, "a\0"], "k\0'\"%_", {"v\0": "\0ü", "big": 2**70}) == 204
    params = {"key": "k\0'\"%_", "namespace": f"{space}.a\0"}
    item = (await client.get("/store/items", params=params)).json()
    assert (item["key"], item["value"]["v\ufffd"]) == ("k\ufffd'\"%_", "\ufffdü")
    found = await client.post("/store/items/search", json={"namespace_prefix": [space, "a\0"]})
    assert len(found.json()["items"]) == 1


# Owners -----------------------------------------------------------------------------------------------


def guarded(tmp_path_factory: pytest.TempPathFactory, auth: Any) -> FastAPI:
    """A server with an application's own authentication."""
    url = f"sqlite:///{tmp_path_factory.mktemp('owners') / 'served.db'}"
    return create_app({"plain": RunnableLambda(str)}, database=url, guard=Guard.of(auth=auth))


@pytest.fixture(scope="module")
def app_of_owners(tmp_path_factory: pytest.TempPathFactory) -> FastAPI:
    """A server each of whose users has a namespace."""
    return guarded(tmp_path_factory, owners())


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(app_of_owners: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """Its client."""
    async with client_of(app_of_owners) as found:
        yield found


@pytest.fixture(scope="module")
def app_of_filters(tmp_path_factory: pytest.TempPathFactory) -> FastAPI:
    """A server whose application filters everything by metadata, the store too."""
    auth = owners()
    del auth._handlers[("store", "*")]
    return guarded(tmp_path_factory, auth)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def filtered(app_of_filters: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """Its client."""
    async with client_of(app_of_filters) as found:
        yield found


ANN, BOB = {"x-user": "ann"}, {"x-user": "bob"}


@pytest.mark.langgraph
async def test_the_application_says_where_items_are(shared: httpx.AsyncClient) -> None:
    """A namespace that a handler changes is the one that counts, on every route."""
    body = {"namespace": ["notes"], "key": "k", "value": {"v": 1}}
    assert (await shared.put("/store/items", json=body, headers=ANN)).status_code == 204
    params = {"namespace": "notes", "key": "k"}
    mine = (await shared.get("/store/items", params=params, headers=ANN)).json()
    assert (mine["namespace"], mine["value"]) == (["ann", "notes"], {"v": 1})
    assert (await shared.get("/store/items", params=params, headers=BOB)).json() is None
    assert (await shared.post("/store/items/search", json={}, headers=BOB)).json() == {"items": []}
    assert (await shared.post("/store/namespaces", json={}, headers=BOB)).json() == {"namespaces": []}
    assert (await shared.post("/store/namespaces", json={}, headers=ANN)).json() == {"namespaces": [["ann", "notes"]]}
    gone = {"namespace": ["notes"], "key": "k"}
    await shared.request("DELETE", "/store/items", json=gone, headers=BOB)
    assert (await shared.get("/store/items", params=params, headers=ANN)).json() == mine


@pytest.mark.langgraph
async def test_a_filter_that_cannot_be_applied_lets_nobody_in(filtered: httpx.AsyncClient) -> None:
    """Items have no metadata: 403 on every route, with what to do."""
    for method, path, body in [
        ("PUT", "/store/items", {"namespace": ["a"], "key": "k", "value": {}}),
        ("GET", "/store/items?namespace=a&key=k", None),
        ("DELETE", "/store/items", {"namespace": ["a"], "key": "k"}),
        ("POST", "/store/items/search", {}),
        ("POST", "/store/namespaces", {}),
    ]:
        status, answer = await told(filtered.request(method, path, json=body, headers=ANN))
        assert (status, "@auth.on.store" in answer["detail"]) == (403, True)
