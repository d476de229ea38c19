"""A legacy run beside a graph run on the page, in Chromium. Not collected where there is none."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import httpx
import pytest

from lcel_compat.compare import Comparison, compare_events
from tests.serving.page.pages import ServerPage
from tests.support.browser import HAS_BROWSER
from tests.support.servers import Server

__test__ = HAS_BROWSER
pytestmark = [pytest.mark.slow, pytest.mark.blocking]

OVER = "return document.querySelector('#compared .comparison') || !document.getElementById('compare-failure').hidden"


def streamed(server: Server, path: str, name: str, body: dict[str, Any]) -> list[Any]:
    """The events of a stream."""
    text = httpx.post(f"{server.url}{path}", json=body, timeout=20).text
    frames = [
        dict(line.split(": ", 1) for line in frame.split("\r\n") if ": " in line) for frame in text.split("\r\n\r\n")
    ]
    return [json.loads(frame["data"]) for frame in frames if frame.get("event") == name]


def expected(server: Server, route: str, graph: str) -> Comparison:
    """What the two sides differ in, as their clients are told."""
    given = {"topic": "rain"}
    before = streamed(server, f"/{route}/stream_events", "data", {"input": given})
    body = {"assistant_id": graph, "input": given, "stream_mode": ["events"]}
    return compare_events(before, streamed(server, "/runs/stream", "events", body))


def compare(page: ServerPage, server: Server, route: str, graph: str) -> None:
    """Have the page compare."""
    page.load(server.url, "compare")
    page.pair(f"/{route}", graph)
    page.write("#compare-input .fields label textarea", "rain")
    page.click("#compare-start")
    page.until(OVER)


def test_what_differs_is_what_the_comparison_says(page: ServerPage, server: Server) -> None:
    """The same input goes to both; verdict, findings and marks on the two timelines are those of ``compare_events``."""
    compare(page, server, "letter", "letters")
    wanted = expected(server, "letter", "letters")
    assert page.texts("#compare-state .verdict") == [wanted.verdict] == ["breaking"]
    shown = {name: int(count) for name, count in (text.split() for text in page.texts(".filters label"))}
    severities = Counter(one.severity for one in wanted.findings if one.kind != "first_chunk_slower")
    assert {name: shown[name] for name in ("breaking", "changed")} == {
        name: severities[name] for name in ("breaking", "changed")
    }
    assert page.texts("#tree .run:first-child .name") == ["/letter chain", "letters chain"]
    rows = page.run("return document.querySelectorAll('#tree .run').length")
    bars = page.run("return document.querySelectorAll('#tree .track i').length")
    assert bars + page.run("return document.querySelectorAll('#tree .half.none').length") == 2 * rows
    assert page.run("return document.querySelectorAll('#tree .mark-breaking').length") > 0
    assert page.errors() == []


def test_a_finding_leads_to_its_events(page: ServerPage, server: Server) -> None:
    """A click on a finding chooses the run, with its events side by side, as in the report."""
    compare(page, server, "letter", "letters")
    page.click("#list li button")
    assert page.texts("#run-name") == ["/letter"]
    assert page.texts("#rows tbody tr:first-child td")[0] == "on_chain_start"
    page.press("n")
    assert page.run("return document.activeElement.dataset.index") == "1"


def test_a_run_beside_itself_is_the_same(page: ServerPage, server: Server) -> None:
    """One route twice differs in nothing: the page invents no difference."""
    compare(page, server, "letter", "letter")
    wanted = expected(server, "letter", "letter")
    assert page.texts("#compare-state .verdict") == [wanted.verdict]


def test_both_runs_grow_beside_each_other(page: ServerPage, server: Server) -> None:
    """While they run, each side has its timeline, the legacy one first; the other waits its turn."""
    page.load(server.url, "compare")
    page.pair("/slow", "slow")
    page.write("#compare-input .fields label textarea", "rain")
    page.click("#compare-start")
    page.until("return document.querySelector('#compare-before .run')")
    assert page.names("#compare-after") == []
    page.until("return document.querySelector('#compare-after .run')")
    assert page.names("#compare-before")[0] == "/slow chain"
    page.click("#compare-cancel")
    page.until("return !document.getElementById('compare-start').disabled")
    assert page.texts("#compare-state") == ["Cancelled."]


def test_a_route_that_is_not_there(page: ServerPage, server: Server) -> None:
    """What cannot be compared says why; another server is never asked."""
    page.load(server.url, "compare")
    page.until("return document.getElementById('route').value")
    for route, said in (
        ("/nothing", "404: "),
        ("//example.invalid/x", "//example.invalid/x/stream_events is on another"),
    ):
        page.write("#route", route)
        page.click("#compare-start")
        page.until("return !document.getElementById('compare-failure').hidden")
        page.until("return !document.getElementById('compare-start').disabled")
        assert page.texts("#compare-failure")[0].startswith(said)
