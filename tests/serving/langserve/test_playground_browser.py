"""The playground in a real browser: Chromium, driven by its own driver. Not collected where there is none."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing
from http.client import HTTPConnection
from typing import Any

import pytest
from fastapi import FastAPI
from langserve.lzstring import LZString

from lcel_adapters.serve._langserve import add_routes
from tests.serving.langserve.routes import TEXT, WARNINGS, FakeStream, broken_later, configurable, joke, rag
from tests.support.servers import Server

BROWSER = shutil.which("chromium") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")
__test__ = bool(BROWSER and DRIVER)
"""Where nothing may be skipped, a test that cannot run must not be collected."""
pytestmark = [pytest.mark.slow, pytest.mark.blocking, *WARNINGS]


class Browser:
    """A browser, by the WebDriver protocol."""

    def __init__(self, port: int) -> None:
        self._port = port
        flags = ["--headless=new", "--no-sandbox", "--disable-gpu", "--window-size=1200,950"]
        options = {"binary": BROWSER, "args": flags}
        wanted = {
            "capabilities": {"alwaysMatch": {"goog:chromeOptions": options, "goog:loggingPrefs": {"browser": "ALL"}}}
        }
        self._session = f"/session/{self._call('POST', '/session', wanted)['sessionId']}"

    def open(self, address: str) -> None:
        """Open a page."""
        self._call("POST", f"{self._session}/url", {"url": address})

    def run(self, script: str, *args: Any) -> Any:
        """What a script returns."""
        return self._call("POST", f"{self._session}/execute/sync", {"script": script, "args": list(args)})

    def write(self, id: str, text: str) -> None:
        """Fill in a field."""
        self.run("document.getElementById(arguments[0]).value = arguments[1]", id, text)

    def click(self, id: str) -> None:
        """Click an element where it stands on the screen."""
        element = self._call("POST", f"{self._session}/element", {"using": "css selector", "value": f"#{id}"})
        self._call("POST", f"{self._session}/element/{next(iter(element.values()))}/click", {})

    def text(self, selector: str) -> str:
        """What is seen of an element."""
        found: str = self.run("return document.querySelector(arguments[0]).innerText", selector)
        return found

    def until(self, state: str) -> None:
        """Wait until the page says how the run ended."""
        deadline = time.monotonic() + 15
        while self.text("#state") != state:
            assert time.monotonic() < deadline, self.text("body")
            time.sleep(0.02)

    def errors(self) -> list[str]:
        """What the browser's console complains about."""
        entries = self._call("POST", f"{self._session}/se/log", {"type": "browser"})
        return [entry["message"] for entry in entries if entry["level"] == "SEVERE"]

    def screenshot(self) -> bytes:
        """The page as it is seen, as a PNG."""
        return base64.b64decode(self._call("GET", f"{self._session}/screenshot"))

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
def server() -> Iterator[str]:
    """A server with routes of several kinds, below a prefix of the application's."""
    app = FastAPI()
    add_routes(app, joke(), path="/joke")
    add_routes(app, rag(), path="/rag")
    add_routes(app, configurable(), path="/cfg")
    add_routes(app, broken_later(), path="/err")
    add_routes(app, FakeStream(), path="/chat", playground_type="chat")
    outer = FastAPI()
    outer.mount("/below", app)
    with closing(Server(outer)) as running:
        running.open()
        yield f"{running.url}/below"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A browser that runs."""
    process = subprocess.Popen([str(DRIVER), "--port=0"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        assert process.stdout is not None
        line = next(line for line in process.stdout if "started successfully on port" in line)
        opened = Browser(int(line.rstrip().rstrip(".").rpartition(" ")[2]))
        yield opened
        opened.close()
    finally:
        process.terminate()
        process.communicate(timeout=10)


@pytest.mark.parametrize("button", ["stream", "invoke"])
def test_a_chain(server: str, browser: Browser, button: str) -> None:
    """A chain is given what its schema asks for, streamed or invoked, and its answer is shown."""
    browser.open(f"{server}/joke/playground/")
    assert json.loads(browser.run("return document.getElementById('input').value")) == {"topic": ""}
    browser.write("input", '{"topic": "parrots"}')
    browser.click(button)
    browser.until("Done")
    assert browser.text("#output") == TEXT
    assert browser.errors() == []


def test_dicts_add_up(server: str, browser: Browser) -> None:
    """Chunks that are dicts are put together key by key."""
    browser.open(f"{server}/rag/playground/")
    browser.write("input", '"parrots"')
    browser.click("stream")
    browser.until("Done")
    found = json.loads(browser.text("#output"))
    assert (found["answer"], found["docs"][0]["page_content"]) == (TEXT, "parrots fly")


def test_a_config(server: str, browser: Browser) -> None:
    """A shared link's config is in the page, can be edited, and counts."""
    library: Any = LZString
    config = library.compressToEncodedURIComponent('{"configurable": {"text": "from the link"}}')
    browser.open(f"{server}/cfg/c/{config}/playground/")
    browser.write("input", '{"topic": "x"}')
    browser.click("stream")
    browser.until("Done")
    assert browser.text("#output") == "from the link"
    browser.write("config", '{"configurable": {"text": "edited"}}')
    browser.click("invoke")
    browser.until("Done")
    assert browser.text("#output") == "edited"


def test_a_run_that_fails(server: str, browser: Browser) -> None:
    """A run that fails keeps what was said, and says that it failed; so does an input that is no JSON."""
    browser.open(f"{server}/err/playground/")
    browser.write("input", '{"topic": "x"}')
    browser.click("stream")
    browser.until("Failed")
    assert browser.text("#output") == "Why did\nInternal Server Error"
    browser.write("input", '{"topic"')
    browser.click("invoke")
    browser.until("Failed")
    assert "JSON" in browser.text("#output")


def test_a_chat(server: str, browser: Browser) -> None:
    """A chat remembers what was said: the second question goes with the first and its answer."""
    browser.open(f"{server}/chat/playground/")
    for line in ("hi", "and <b>now</b>?"):
        browser.write("line", line)
        browser.click("stream")
        browser.until("Done")
    said = browser.run("return [...document.querySelectorAll('#talk li')].map(e => [e.dataset.type, e.innerText])")
    assert said == [["human", "hi"], ["ai", TEXT], ["human", "and <b>now</b>?"], ["ai", TEXT]]
    assert browser.errors() == []
    assert len(browser.screenshot()) > 5000
