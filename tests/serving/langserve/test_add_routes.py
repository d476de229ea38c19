"""``add_routes`` itself: its signature, what it refuses, what it needs."""

from __future__ import annotations

import inspect
import subprocess
import sys
from typing import Any

import langserve
import pytest
from fastapi import APIRouter, Depends, FastAPI, HTTPException
from fastapi.testclient import TestClient
from langchain_core.runnables import RunnableLambda
from langserve.server import KNOWN_ENDPOINTS
from pydantic import BaseModel

from lcel_adapters.serve._langserve import CustomUserType, add_routes
from lcel_adapters.serve._langserve._endpoints import KNOWN
from tests.serving.langserve.routes import WARNINGS, joke

pytestmark = WARNINGS


def test_the_signature_is_langserves() -> None:
    """Parameters have LangServe's names, kinds, defaults and order: replacing the import is enough."""
    theirs, ours = (inspect.signature(function).parameters for function in (langserve.add_routes, add_routes))
    assert [(p.name, p.kind, p.default) for p in ours.values()] == [
        (p.name, p.kind, p.default) for p in theirs.values()
    ]


def test_the_endpoints_are_langserves() -> None:
    """So are the names of endpoints that can be enabled and disabled."""
    assert KNOWN == KNOWN_ENDPOINTS


def test_langserve_is_not_needed() -> None:
    """Importing it, and serving a chain, loads neither LangServe nor sse-starlette."""
    code = (
        "import sys; from fastapi import FastAPI; from langchain_core.runnables import RunnableLambda;"
        "from lcel_adapters.serve._langserve import add_routes; add_routes(FastAPI(), RunnableLambda(len));"
        "print([name for name in sys.modules if name.startswith(('langserve', 'sse_starlette'))])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("options", "error", "says"),
    [
        ({"path": "joke"}, ValueError, "must begin with '/'"),
        ({"path": "/{x}"}, ValueError, "no parameters"),
        ({"config_keys": ["run_name"]}, ValueError, "run_name"),
        ({"enabled_endpoints": ["invoke"], "disabled_endpoints": ["batch"]}, ValueError, "not both"),
        ({"enabled_endpoints": ["x"]}, ValueError, r"\['x'\]"),
        ({"disabled_endpoints": "invoke"}, ValueError, "a list or a tuple"),
        ({"playground_type": "x"}, ValueError, "'default' or 'chat'"),
        ({"token_feedback_config": {"key_configs": []}}, ValueError, "exactly one key"),
        ({"input_type": type(iter([]))}, TypeError, "input_type="),
    ],
    ids=str,
)
def test_wrong_arguments(options: Any, error: type[Exception], says: str) -> None:
    """What cannot be served is refused when it is added, and the message says what to write instead."""
    with pytest.raises(error, match=says):
        add_routes(FastAPI(), joke(), **options)


def test_what_is_no_runnable() -> None:
    """A function is not a runnable yet."""
    function: Any = len
    with pytest.raises(TypeError, match="needs a langchain-core Runnable"):
        add_routes(FastAPI(), function)


@pytest.mark.parametrize("kind", [FastAPI, lambda: APIRouter(prefix="/p")])
def test_one_path_is_given_once(kind: Any) -> None:
    """A second runnable at the same path is refused, be it of an application or of a router; another path is not."""
    app = kind()
    add_routes(app, joke(), path="/a")
    add_routes(app, joke(), path="/b")
    with pytest.raises(ValueError, match="another runnable is served at '/a'"):
        add_routes(app, joke(), path="/a")


def test_beside_langserve() -> None:
    """An application may move route by route: LangServe's and ours stand side by side."""
    app = FastAPI()
    langserve.add_routes(app, joke(), path="/theirs")
    add_routes(app, joke(), path="/ours")
    client = TestClient(app)
    found = [
        client.post(f"/{path}/invoke", json={"input": {"topic": "x"}}).json()["output"] for path in ("theirs", "ours")
    ]
    assert found[0] == found[1]
    assert client.get("/openapi.json").status_code == 200


def _closed() -> None:
    raise HTTPException(401, "who are you")


def test_dependencies() -> None:
    """Dependencies guard each route, with and without a config in the address, the playground and feedback too."""
    app = FastAPI()
    add_routes(
        app,
        joke(),
        dependencies=[Depends(_closed)],
        enable_feedback_endpoint=True,
        enable_public_trace_link_endpoint=True,
    )
    client = TestClient(app)
    asked = [
        (method, route.path.replace("{config_hash}", "N4XyA").replace("{file_path:path}", ""))  # type: ignore[attr-defined]
        for route in app.routes[4:]
        for method in route.methods  # type: ignore[attr-defined]
    ]
    assert len(asked) > 30
    assert {client.request(*one, json={}).status_code for one in asked} == {401}


class Point(BaseModel):
    """What a chain may want as a dict."""

    x: int
    y: int = 0


class Ours(CustomUserType):
    """What a chain wants as it is."""

    x: int


class Theirs(langserve.CustomUserType):
    """The same, declared with LangServe's class."""

    x: int


class Within(BaseModel):
    """Both in one."""

    point: Point
    custom: Ours


def _kind(value: Any) -> list[str]:
    return [type(part).__name__ for part in (value.values() if isinstance(value, dict) else [value])]


@pytest.mark.parametrize(
    ("input_type", "value", "kinds"),
    [
        (Point, {"x": 1}, ["int", "int"]),
        (Ours, {"x": 1}, ["Ours"]),
        (Theirs, {"x": 1}, ["Theirs"]),
        (Within, {"point": {"x": 1}, "custom": {"x": 1}}, ["dict", "Ours"]),
    ],
)
def test_types_of_inputs(input_type: Any, value: Any, kinds: list[str]) -> None:
    """Pydantic models check and become dicts again; custom types stay what they are, LangServe's class included."""
    app = FastAPI()
    chain = RunnableLambda(_kind).with_types(input_type=input_type)
    add_routes(app, chain, path="/ours")
    langserve.add_routes(app, chain, path="/theirs")
    client = TestClient(app)
    if input_type is not Ours and input_type is not Within:
        assert client.post("/theirs/invoke", json={"input": value}).json()["output"] == kinds
    assert client.post("/ours/invoke", json={"input": value}).json()["output"] == kinds


class _Loud:
    """A serializer that shouts."""

    def dumps(self, obj: Any) -> bytes:
        return b'"LOUD"'

    def dumpd(self, obj: Any) -> Any:
        return "LOUD"


def test_a_serializer_of_ones_own() -> None:
    """Outputs, chunks and events go through the serializer that was given."""
    app = FastAPI()
    add_routes(app, joke(), serializer=_Loud())
    client = TestClient(app)
    body = {"input": {"topic": "x"}}
    assert client.post("/invoke", json=body).json()["output"] == "LOUD"
    assert client.post("/batch", json={"inputs": [body["input"]]}).json()["output"] == ["LOUD"]
    assert 'event: data\r\ndata: "LOUD"' in client.post("/stream", json=body).text
    assert 'event: data\r\ndata: "LOUD"' in client.post("/stream_events", json=body).text
