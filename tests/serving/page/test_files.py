"""What the page is made of, over HTTP: its files, what they forbid, and the comparison that it asks for."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from lcel_adapters.serve import Guard, create_app
from lcel_adapters.serve._page._compare import MOST_EVENTS
from lcel_compat.compare import compare_events
from tests.adapters.test_reports import recording
from tests.serving.page.graphs import EVIL

BROWSERS = {"accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """A client of a server that wants a key, without one."""
    file = tmp_path_factory.mktemp("files") / "server.db"
    app = create_app({}, database=f"sqlite:///{file}", guard=Guard.of(api_keys=["sesame"]))
    with TestClient(app) as client:
        yield client


def side(events: list[Any], **more: Any) -> dict[str, Any]:
    """One side of what is posted."""
    return {"events": events, "times": [float(n) for n in range(len(events))], **more}


def test_a_browser_gets_the_page(client: TestClient) -> None:
    """At the server's root there is HTML for a browser, and a word in JSON for whoever does not ask for HTML."""
    answer = client.get("/", headers=BROWSERS)
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.text.startswith("<!doctype html>")
    other = client.get("/")
    assert other.json() == {"ok": True}
    assert answer.headers["vary"] == other.headers["vary"] == "accept"


def test_all_that_it_loads_is_its_own(client: TestClient) -> None:
    """Every address in the page, and every module that a script imports, is relative, there, and of the right type."""
    seen: set[str] = set()
    todo = re.findall(r'(?:src|href)="(page/[^"]+)"', client.get("/", headers=BROWSERS).text)
    while todo:
        name = todo.pop()
        seen.add(name)
        answer = client.get(f"/{name}")
        assert answer.status_code == 200, name
        assert answer.headers["x-content-type-options"] == "nosniff"
        found = [
            f"page/{module}" for module in re.findall(r'^import .* from "\./([^"]+)";$', answer.text, re.MULTILINE)
        ]
        todo += [module for module in found if module not in seen]
        assert "http://" not in answer.text.replace("http://www.w3.org/2000/svg", "")
        assert "https://" not in answer.text
    assert {"page/page.js", "page/tree.js", "page/comparison.js", "page/view.css", "page/page.css"} <= seen


def test_nothing_else_may_run_in_it(client: TestClient) -> None:
    """The policy allows scripts, styles and requests of the server's own, no markup out of strings, and no frame."""
    policy = dict(part.strip().partition(" ")[::2] for part in _policy(client).split(";"))
    assert policy["default-src"] == policy["base-uri"] == policy["form-action"] == policy["frame-ancestors"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
    assert policy["require-trusted-types-for"] == "'script'"
    page = client.get("/", headers=BROWSERS).text
    assert not re.search(r"<script(?![^>]*src=)|\son\w+=|\sstyle=", page)


def _policy(client: TestClient) -> str:
    return client.get("/", headers=BROWSERS).headers["content-security-policy"]


def test_a_file_that_the_browser_has_is_not_sent_again(client: TestClient) -> None:
    """The tag that came with a file gets 304; another one the file."""
    first = client.get("/page/page.js")
    again = client.get("/page/page.js", headers={"if-none-match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert client.get("/page/page.js", headers={"if-none-match": '"old"'}).content == first.content


@pytest.mark.parametrize("name", ["nothing.js", "..%2f_routes.py", "%2e%2e%2f__init__.py", "", "index"])
def test_there_are_no_other_files(client: TestClient, name: str) -> None:
    """What is not the page's is not found, whatever its name says."""
    assert client.get(f"/page/{name}").status_code == 404


def test_what_is_compared_is_guarded(client: TestClient) -> None:
    """The files are for whoever asks, since they hold nothing; a comparison is work, and wants the key."""
    events = recording("hi")
    body = {"before": side(events), "after": side(events)}
    assert client.post("/page/compare", json=body).status_code == 401
    assert client.post("/page/compare", json=body, headers={"x-api-key": "sesame"}).json()["verdict"] == "same"


def test_the_comparison_is_ours(client: TestClient) -> None:
    """What the page draws of two runs is what ``compare_events`` finds in them, with the errors that ended them."""
    old, new = recording(EVIL), recording(EVIL + "!", name="other", tags=("t",))
    body = {"before": side(old), "after": side(new, error={"error": "ValueError", "message": EVIL})}
    data = client.post("/page/compare", json=body, headers={"x-api-key": "sesame"}).json()
    expected = compare_events(old, new)
    kinds = sorted(one.kind for one in expected.findings)
    assert sorted(one["kind"] for one in data["findings"] if not one["kind"].startswith("error_")) == kinds
    assert [one["kind"] for one in data["findings"] if one["kind"].startswith("error_")] == ["error_extra"]
    assert (data["verdict"], data["events"]) == ("breaking", [len(old), len(new)])
    assert EVIL[:20] in data["cases"][0]["errors"][1].replace('\\"', '"')
    assert data["cases"][0]["unit"] == "ms"


@pytest.mark.parametrize(
    "broken",
    [
        {"events": [{}], "times": []},
        {"events": ["text"], "times": [1.0]},
        {"events": [{}], "times": ["soon"]},
        {"events": [{}] * (MOST_EVENTS + 1), "times": [0.0] * (MOST_EVENTS + 1)},
        None,
    ],
)
def test_what_are_no_runs_is_refused(client: TestClient, broken: Any) -> None:
    """Events that are none, without times, or too many, are answered 422."""
    body = {"before": broken, "after": side([])}
    assert client.post("/page/compare", json=body, headers={"x-api-key": "sesame"}).status_code == 422


@pytest.mark.parametrize("events", [[{}], [{"event": 3, "run_id": []}], [{"event": "on_x_start", "run_id": "r"}]])
def test_whatever_an_event_holds_is_compared(client: TestClient, events: list[Any]) -> None:
    """No content of events is an error of the server."""
    body = {"before": side(events), "after": side([])}
    assert client.post("/page/compare", json=body, headers={"x-api-key": "sesame"}).status_code == 200


def test_the_page_is_not_in_the_document(client: TestClient) -> None:
    """The OpenAPI document tells of the API, of which the page's own requests are no part."""
    paths = client.get("/openapi.json").json()["paths"]
    assert not [path for path in paths if path == "/" or path.startswith("/page")]


def test_its_files_are_in_the_package() -> None:
    """Each file beside the page's is served: none was forgotten, none is there in vain."""
    import lcel_adapters.serve._page as package
    from lcel_adapters.serve._page._files import Files

    folder = Path(str(package.__file__)).parent / "files"
    assert {file.name for file in folder.iterdir()} <= Files.read().found.keys()
