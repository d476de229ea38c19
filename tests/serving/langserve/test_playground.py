"""The playground: its address, what is in it, and that nothing gets out of it."""

from __future__ import annotations

import json
import re
from typing import Annotated, Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from langchain_core.runnables import RunnableLambda
from langserve.lzstring import LZString
from pydantic import Field

from lcel_adapters.serve._langserve import add_routes
from tests.serving.langserve.routes import WARNINGS, FakeStream, configurable, joke

pytestmark = WARNINGS
EVIL = "</script><script>alert(1)</script><!-- & \u2028 '\" {{7*7}} $data"


def _client(runnable: Any, **options: Any) -> TestClient:
    app = FastAPI()
    add_routes(app, runnable, **options)
    return TestClient(app)


def _data(page: str) -> Any:
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    assert found
    return json.loads(found[1])


def test_l20_the_page() -> None:
    """L20: it holds the schemas, the endpoints that there are, and loads only files of its own."""
    client = _client(joke(), path="/joke", disabled_endpoints=["batch"])
    answer = client.get("/joke/playground/")
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    data = _data(answer.text)
    assert data["input_schema"] == client.get("/joke/input_schema").json()
    assert data["output_schema"] == client.get("/joke/output_schema").json()
    assert data["config_schema"] == client.get("/joke/config_schema").json()
    assert "stream" in data["endpoints"]
    assert "batch" not in data["endpoints"]
    for name in re.findall(r'(?:src|href)="(?!data:)([^"]+)"', answer.text):
        asset = client.get(f"/joke/playground/{name}")
        assert (asset.status_code, asset.headers["x-content-type-options"]) == (200, "nosniff")


@pytest.mark.parametrize("path", ["/joke/playground", "/joke/c/N4XyA/playground"])
def test_its_address(path: str) -> None:
    """Without the slash one is sent to the address with it, which the page's own addresses start from."""
    client = _client(joke(), path="/joke")
    answer = client.get(path, follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (307, f"http://testserver{path}/")


def test_a_config_in_its_address() -> None:
    """Under a config's address the page has that config, and the schemas are the configured runnable's."""
    library: Any = LZString
    config = {"configurable": {"prompt": "poem"}}
    client = _client(configurable(), path="/cfg")
    data = _data(client.get(f"/cfg/c/{library.compressToEncodedURIComponent(json.dumps(config))}/playground/").text)
    assert data["config"] == config
    assert sorted(data["input_schema"]["properties"]) == ["lines", "topic"]


def test_nothing_gets_out() -> None:
    """Whatever stands in a schema or a config, it stays data, and the page allows no script but its own."""
    described = Annotated[str, Field(description=EVIL, default=EVIL)]
    chain = RunnableLambda(lambda value: value).with_types(input_type=described)
    library: Any = LZString
    config = library.compressToEncodedURIComponent(json.dumps({"x": EVIL}))
    answer = _client(chain).get(f"/c/{config}/playground/")
    assert "alert(1)</script>" not in answer.text
    data = _data(answer.text)
    assert EVIL in json.dumps(data["input_schema"], ensure_ascii=False).replace('\\"', '"')
    assert data["config"] == {"x": EVIL}
    assert "script-src 'self'" in answer.headers["content-security-policy"]
    assert "unsafe" not in answer.headers["content-security-policy"]


def test_the_title_is_text() -> None:
    """A path with signs of HTML in it is shown, not read."""
    app = FastAPI()
    add_routes(app, joke(), path="/a<b>&'")
    assert "<title>/a&lt;b&gt;&amp;&#x27;" in TestClient(app).get("/a%3Cb%3E&'/playground/").text


@pytest.mark.parametrize(
    "path", ["x.js", "../page/playground.html", "%2e%2e/__init__.py", "/etc/passwd", "playground.html"]
)
def test_no_other_files(path: str) -> None:
    """There is the page and what it loads; no other file can be named."""
    answer = _client(joke()).get(f"/playground/{path}")
    assert answer.status_code == 404


def test_a_chat() -> None:
    """The page of a route for chats says so."""
    data = _data(_client(FakeStream(), playground_type="chat").get("/playground/").text)
    assert data["kind"] == "chat"
