"""LangServe's real server over the face, asked over HTTP and by its real client, against the same over the chain."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from langserve import add_routes

from tests.adapters.face.consumers import ASKED, rag
from tests.adapters.face.langserve_client import WAYS
from tests.adapters.face.watch import face_of
from tests.support.engines import LANGGRAPH, OURS
from tests.support.models import TEXT
from tests.support.normal import assert_same, assert_same_events
from tests.support.servers import Server, posted

pytestmark = [
    pytest.mark.slow,
    # LangServe's own, which is as old as its last release.
    pytest.mark.filterwarnings("ignore:Accessing the 'model_fields':DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:.*pydantic_v1"),
    pytest.mark.filterwarnings("ignore:.*(astream_events.*v1|astream_log)"),
]
HAS_LANGGRAPH = find_spec("langgraph") is not None and find_spec("langgraph.graph") is not None
FACES = ["/ours", pytest.param("/other", marks=pytest.mark.langgraph)]
EACH_FACE = pytest.mark.parametrize("face", FACES)


def _app() -> FastAPI:
    app = FastAPI()
    routes = {"/chain": rag(), "/ours": face_of(OURS, rag())}
    if HAS_LANGGRAPH:
        routes["/other"] = face_of(LANGGRAPH, rag())
    for path, runnable in routes.items():
        add_routes(app, runnable, path=path)
        add_routes(app, runnable, path=f"/v1{path}", astream_events_version="v1")
    return app


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """The address of LangServe's server, with the chain and its faces."""
    with closing(Server(_app())) as running:
        running.open()
        yield running.url


REQUESTS: dict[str, tuple[str, dict[str, Any]]] = {
    "invoke": ("invoke", {"input": ASKED}),
    "invoke without input": ("invoke", {"input": {}}),
    "batch": ("batch", {"inputs": [ASKED, ASKED]}),
    "stream": ("stream", {"input": ASKED}),
    "stream_log": ("stream_log", {"input": ASKED}),
    "stream_log of one name": ("stream_log", {"input": ASKED, "include_names": ["Docs"]}),
}


@EACH_FACE
@pytest.mark.parametrize("what", REQUESTS)
def test_answers(server: str, face: str, what: str) -> None:
    """Each endpoint answers over the face what it answers over the chain, item by item."""
    endpoint, body = REQUESTS[what]
    assert_same(posted(server, "/chain", endpoint, **body), posted(server, face, endpoint, **body))


@EACH_FACE
@pytest.mark.parametrize("version", ["", "/v1"])
@pytest.mark.parametrize("chosen", [{}, {"include_types": ["chat_model"]}, {"exclude_names": ["my_llm"]}], ids=str)
def test_events(server: str, face: str, version: str, chosen: dict[str, Any]) -> None:
    """``/stream_events`` sends the same events, in versions 1 and 2, with and without filters."""
    old = posted(server, f"{version}/chain", "stream_events", input=ASKED, **chosen)
    new = posted(server, f"{version}{face}", "stream_events", input=ASKED, **chosen)
    assert len(old) > 4
    assert_same_events(old[1:], new[1:])
    assert old[0] == new[0] == ["event: end"]


@EACH_FACE
@pytest.mark.parametrize("schema", ["input_schema", "output_schema", "config_schema"])
def test_schemas(server: str, face: str, schema: str) -> None:
    """The schemas that front-ends ask for are the chain's."""
    old, new = (httpx.get(f"{server}{path}/{schema}").text for path in ("/chain", face))
    assert new == old.replace("chain", face[1:])


@pytest.fixture(scope="module")
def heard(server: str) -> dict[str, Any]:
    """What LangServe's client hears from each route, in a process of its own."""
    paths = ["/chain", *(["/ours", "/other"] if HAS_LANGGRAPH else ["/ours"])]
    script = Path(__file__).with_name("langserve_client.py")
    # Its clients are never closed, and their finalizers complain: that is not looked at here.
    command = [sys.executable, "-W", "ignore", str(script), server, *paths]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@EACH_FACE
@pytest.mark.parametrize("how", WAYS)
def test_the_client(heard: dict[str, Any], face: str, how: str) -> None:
    """LangServe's ``RemoteRunnable`` gets from the face what it gets from the chain."""
    assert len(str(heard["/chain"][how])) >= len(TEXT)
    assert_same(heard["/chain"][how], heard[face][how])
