"""The OpenAPI document of an application with routes says what LangServe's says, and what is true."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import langserve
import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute
from fastapi.testclient import TestClient
from pydantic import TypeAdapter

from lcel_adapters.serve._langserve import add_routes
from tests.serving.langserve.routes import TOPIC, WARNINGS, FakeStream, configurable, joke, nested, rag

pytestmark = WARNINGS

CHAINS: dict[str, tuple[Callable[[], Any], dict[str, Any]]] = {
    "/joke": (joke, {"enable_feedback_endpoint": True, "enable_public_trace_link_endpoint": True}),
    "/chat": (FakeStream, {}),
    "/cfg": (configurable, {}),
    "/rag": (rag, {"disabled_endpoints": ["config_hashes", "batch"]}),
    "/keys": (joke, {"config_keys": ("configurable", "tags", "metadata", "run_id")}),
    "/told": (nested, {"include_callback_events": True}),
}
STREAMS = ("stream", "stream_log", "stream_events")
WORDS = {"title", "description"}


def _app(add: Callable[..., None]) -> FastAPI:
    app = FastAPI()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for path, (build, options) in CHAINS.items():
            add(app, build(), path=path, **options)
        add(app, joke())
    return app


@pytest.fixture(scope="module")
def documents() -> tuple[dict[str, Any], dict[str, Any]]:
    """LangServe's document and ours."""
    return _app(langserve.add_routes).openapi(), _app(add_routes).openapi()


def _operations(document: dict[str, Any]) -> dict[tuple[str, str], Any]:
    return {(path, method): found for path, item in document["paths"].items() for method, found in item.items()}


def _inlined(schema: Any, document: dict[str, Any]) -> Any:
    """A schema with what it refers to, and without words."""
    if isinstance(schema, list):
        return [_inlined(item, document) for item in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        return _inlined(document["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]], document)
    if len(schema.get("allOf", ())) == 1:  # how pydantic wrote a reference with a description before 2.9
        return _inlined(schema["allOf"][0], document)
    kept = {key: value for key, value in schema.items() if key not in WORDS}
    names = {"properties": {n: _inlined(s, document) for n, s in kept.pop("properties", {}).items()}}
    return {key: _inlined(value, document) for key, value in kept.items()} | (names if names["properties"] else {})


def _body(operation: Any, document: dict[str, Any]) -> Any:
    return _inlined(operation.get("requestBody"), document)


def _ok(operation: Any, document: dict[str, Any]) -> Any:
    return _inlined(operation["responses"]["200"]["content"]["application/json"]["schema"], document)


def test_the_operations_are_langserves(documents: tuple[dict[str, Any], dict[str, Any]]) -> None:
    """The same addresses and verbs, under the same headings, and with the same ids where runs are asked for."""
    theirs, ours = (_operations(document) for document in documents)
    assert ours.keys() == theirs.keys()
    assert {key: op.get("tags") for key, op in ours.items() if key[0].count("/") > 1} == {
        key: op.get("tags") for key, op in theirs.items() if key[0].count("/") > 1
    }
    named = [key for key in theirs if "feedback" not in key[0] and "trace_link" not in key[0]]
    assert [ours[key]["operationId"] for key in named] == [theirs[key]["operationId"] for key in named]


def test_requests_are_langserves(documents: tuple[dict[str, Any], dict[str, Any]]) -> None:
    """Each operation takes the body that LangServe says."""
    theirs, ours = (_operations(document) for document in documents)
    found = {key: (_body(theirs[key], documents[0]), _body(ours[key], documents[1])) for key in theirs}
    assert {key for key, (old, new) in found.items() if old != new} == set()
    assert len([old for old, _ in found.values() if old]) > 50


def test_answers_are_langserves(documents: tuple[dict[str, Any], dict[str, Any]]) -> None:
    """``/invoke`` and ``/batch`` give the models that LangServe says; callback events have narrower ones."""
    theirs, ours = (_operations(document) for document in documents)
    keys = [key for key in theirs if key[0].endswith(("invoke", "batch")) and not key[0].startswith("/told")]
    assert len(keys) > 20
    for key in keys:
        assert _ok(ours[key], documents[1]) == _ok(theirs[key], documents[0])


def test_l19_streams_are_streams(documents: tuple[dict[str, Any], dict[str, Any]]) -> None:
    """L19: streams are said to be server-sent events; LangServe says that they are JSON."""
    for (path, _), operation in _operations(documents[1]).items():
        if path.endswith(STREAMS):
            assert list(operation["responses"]["200"]["content"]) == ["text/event-stream"]


def test_l19_a_config_in_the_path_is_no_query(documents: tuple[dict[str, Any], dict[str, Any]]) -> None:
    """L19: only what is in the address is said to be a parameter; LangServe names a query that nothing reads."""
    for (path, _), operation in _operations(documents[1]).items():
        names = [(parameter["name"], parameter["in"]) for parameter in operation.get("parameters", [])]
        assert names == ([("config_hash", "path")] if "{config_hash}" in path else [])


@pytest.mark.parametrize("path", CHAINS)
def test_l19_what_is_answered_is_what_is_said(path: str) -> None:
    """L19: answers and refusals fit the models in the document."""
    app = _app(add_routes)
    client = TestClient(app)
    inputs = {"/chat": "hi", "/rag": "x", "/told": {"a": 1}}
    value = inputs.get(path, TOPIC)
    models = {r.path: r for r in app.routes if isinstance(r, APIRoute) and r.include_in_schema}
    for endpoint, body in (("invoke", {"input": value}), ("batch", {"inputs": [value]})):
        route = models.get(f"{path}/{endpoint}")
        if route is None:
            continue
        answer = client.post(route.path, json=body)
        assert answer.status_code == 200
        TypeAdapter(route.response_model).validate_python(answer.json())
        wrongs: list[Any] = [{}, {**body, "config": 5}, [], {"input": None, "inputs": [5, None]}]
        for wrong in wrongs:
            refused = client.post(route.path, json=wrong)
            if refused.status_code != 200:
                TypeAdapter(route.responses[refused.status_code]["model"]).validate_python(refused.json())


def test_headings() -> None:
    """Each route has its heading once, however many routes there are, and what the application had stays."""
    app = FastAPI(openapi_tags=[{"name": "mine"}])
    for path in ("/a", "/b", ""):
        add_routes(app, joke(), path=path)
    names = [tag["name"] for tag in app.openapi()["tags"]]
    assert names == ["mine", "a", "a/config", "b", "b/config", "default", "config"]
