"""The HTML report in a real browser: Chromium, driven by its own driver. Not collected where there is none."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest

from lcel_adapters._reports import text_of_report
from lcel_adapters.desk import build_chain, build_step_graph
from lcel_compat.compare import compare
from tests.adapters.test_reports import EVIL

BROWSER = shutil.which("chromium") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")
__test__ = bool(BROWSER and DRIVER)
"""Where nothing may be skipped, a test that cannot run must not be collected."""
pytestmark = [pytest.mark.slow, pytest.mark.blocking]

ARROW_DOWN, ARROW_LEFT, ARROW_RIGHT = "\ue015", "\ue012", "\ue014"


class Page:
    """A page in the browser, by the WebDriver protocol."""

    def __init__(self, port: int, address: str) -> None:
        self._port = port
        flags = ["--headless=new", "--no-sandbox", "--disable-gpu", "--window-size=1500,950"]
        options = {"binary": BROWSER, "args": flags}
        wanted = {
            "capabilities": {"alwaysMatch": {"goog:chromeOptions": options, "goog:loggingPrefs": {"browser": "ALL"}}}
        }
        self._session = f"/session/{self._call('POST', '/session', wanted)['sessionId']}"
        self._call("POST", f"{self._session}/url", {"url": address})

    def run(self, script: str, *args: Any) -> Any:
        """What a script returns."""
        return self._call("POST", f"{self._session}/execute/sync", {"script": script, "args": list(args)})

    def texts(self, selector: str) -> list[str]:
        """The texts of all elements that a selector takes."""
        script = (
            "return [...document.querySelectorAll(arguments[0])].map(e => e.textContent.trim().replace(/\\s+/g, ' '))"
        )
        found: list[str] = self.run(script, selector)
        return found

    def click(self, selector: str) -> None:
        """Click the first element that a selector takes, where it stands on the screen."""
        element = self._call("POST", f"{self._session}/element", {"using": "css selector", "value": selector})
        self._call("POST", f"{self._session}/element/{next(iter(element.values()))}/click", {})

    def press(self, key: str) -> None:
        """Press a key on what has the focus."""
        actions = [{"type": phase, "value": key} for phase in ("keyDown", "keyUp")]
        body = {"actions": [{"type": "key", "id": "keyboard", "actions": actions}]}
        self._call("POST", f"{self._session}/actions", body)

    def errors(self) -> list[str]:
        """What the browser's console complains about."""
        entries = self._call("POST", f"{self._session}/se/log", {"type": "browser"})
        return [entry["message"] for entry in entries if entry["level"] == "SEVERE"]

    def screenshot(self) -> str:
        """The page as it is seen, as a PNG in base64."""
        shot: str = self._call("GET", f"{self._session}/screenshot")
        return shot

    def close(self) -> None:
        """End the browser."""
        self._call("DELETE", self._session)

    def _call(self, method: str, path: str, body: Any = None) -> Any:
        connection = HTTPConnection("127.0.0.1", self._port, timeout=30)
        connection.request(method, path, None if body is None else json.dumps(body))
        value = json.loads(connection.getresponse().read())["value"]
        connection.close()
        assert not (isinstance(value, dict) and "error" in value), value
        return value


@pytest.fixture(scope="module")
def driver() -> Iterator[int]:
    """The port of a driver that runs."""
    process = subprocess.Popen([str(DRIVER), "--port=0"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        assert process.stdout is not None
        line = next(line for line in process.stdout if "started successfully on port" in line)
        yield int(line.rstrip().rstrip(".").rpartition(" ")[2])
    finally:
        process.terminate()
        process.communicate(timeout=10)


@pytest.fixture(scope="module")
def page(driver: int, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    """The report of the desk moved step by step, with contents that try to get out."""
    questions = [{"question": "Where is my invoice?"}, {"question": EVIL.replace("\ud800", "")}]
    file: Path = tmp_path_factory.mktemp("report") / "report.html"
    file.write_text(text_of_report("html", compare(build_chain(), build_step_graph(), questions, repeats=0)), "utf-8")
    opened = Page(driver, file.as_uri())
    yield opened
    opened.close()


def test_the_verdict_stands_on_top(page: Page) -> None:
    """Title and heading say it, and the findings are listed gravest first."""
    assert page.run("return document.title") == "breaking · lcel-compat compare"
    assert page.texts("h1")[0].startswith("breaking consumers would notice")
    severities = page.run("return [...document.querySelectorAll('#list li')].map(e => e.dataset.severity)")
    assert severities == sorted(severities, key=["breaking", "changed", "info"].index)


def test_a_click_on_a_finding_shows_its_run_with_events_side_by_side(page: Page) -> None:
    """The run is chosen in the tree, and its events stand aligned, old beside new."""
    page.click("#list li:nth-child(3) button")
    assert page.texts("#run-name") == ["support_desk"]
    assert page.texts("[aria-selected=true] .name") == ["support_desk chain", "LangGraph chain"]
    assert page.texts("#rows tbody tr:first-child td")[0] == "on_chain_start"
    assert page.run("return document.querySelectorAll('#rows tr.missing, #rows tr.changed').length") > 3


def test_both_sides_are_drawn_as_timelines(page: Page) -> None:
    """Each run has a bar on the side where it ran, and a blank where it did not."""
    rows = page.run("return document.querySelectorAll('#tree .run').length")
    bars = page.run("return document.querySelectorAll('#tree .track i').length")
    blanks = page.run("return document.querySelectorAll('#tree .half.none').length")
    assert bars + blanks == 2 * rows
    assert blanks > 0
    widths = page.run("return [...document.querySelectorAll('.track i')].map(e => e.getBoundingClientRect().width)")
    assert all(width >= 2 for width in widths)


def test_the_keyboard_is_enough(page: Page) -> None:
    """Arrows move and fold, n and p go to the next difference, d turns the light off."""
    page.click("#tree .run")
    page.press(ARROW_DOWN)
    assert page.run("return document.activeElement.dataset.index") == "1"
    page.press(ARROW_LEFT)
    hidden = "return [...document.querySelectorAll('#tree .run')].filter(e => e.hidden).length"
    assert page.run(hidden) > 0
    page.press(ARROW_RIGHT)
    assert page.run(hidden) == 0
    page.press("n")
    assert int(page.run("return document.activeElement.dataset.index")) > 1
    before = page.run("return getComputedStyle(document.body).backgroundColor")
    page.press("d")
    assert page.run("return getComputedStyle(document.body).backgroundColor") != before
    page.press("d")


def test_nothing_in_the_events_is_executed_or_loaded(page: Page) -> None:
    """Contents are text: no element comes of them, no error, no request."""
    page.run("const s = document.getElementById('case'); s.value = '1'; s.dispatchEvent(new Event('change'))")
    page.click("#tree .run")
    assert "</script><script>alert(1)" in " ".join(page.texts("#rows td"))
    assert page.run("return document.querySelectorAll('img, iframe, link').length") == 0
    assert page.run("return performance.getEntriesByType('resource').length") == 0
    assert page.errors() == []


def test_the_page_can_be_seen(page: Page) -> None:
    """A screenshot is a picture of some size."""
    assert len(page.screenshot()) > 50_000
