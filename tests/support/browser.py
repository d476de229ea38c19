"""Pages in a real browser: Chromium, driven by its own driver over the WebDriver protocol."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

BROWSER = shutil.which("chromium") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")
HAS_BROWSER = bool(BROWSER and DRIVER)
"""Where nothing may be skipped, a test that cannot run must not be collected: ``__test__ = HAS_BROWSER``."""

ARROW_DOWN, ARROW_LEFT, ARROW_RIGHT, ENTER, TAB = "\ue015", "\ue012", "\ue014", "\ue007", "\ue004"


class Page:
    """A page in a browser of its own.

    Args:
        port: Of the driver.
        address: What is opened.
        size: Of the window, in pixels.
    """

    def __init__(self, port: int, address: str, size: tuple[int, int] = (1500, 950)) -> None:
        self._port = port
        width, height = size
        flags = ["--headless=new", "--no-sandbox", "--disable-gpu", f"--window-size={width},{height}"]
        options = {"binary": BROWSER, "args": flags}
        wanted = {
            "capabilities": {"alwaysMatch": {"goog:chromeOptions": options, "goog:loggingPrefs": {"browser": "ALL"}}}
        }
        self._session = f"/session/{self._call('POST', '/session', wanted)['sessionId']}"
        self.open(address)

    def open(self, address: str) -> None:
        """Go to an address."""
        self._call("POST", f"{self._session}/url", {"url": address})

    def run(self, script: str, *args: Any) -> Any:
        """What a script returns."""
        return self._call("POST", f"{self._session}/execute/sync", {"script": script, "args": list(args)})

    def until(self, script: str, *args: Any, seconds: float = 15.0) -> Any:
        """What a script returns, as soon as that is true.

        Raises:
            AssertionError: It was not in time.
        """
        deadline = time.monotonic() + seconds
        while not (found := self.run(script, *args)):
            assert time.monotonic() < deadline, f"not within {seconds} s: {script} {args}"
            time.sleep(0.03)
        return found

    def texts(self, selector: str) -> list[str]:
        """The texts of all elements that a selector takes."""
        script = (
            "return [...document.querySelectorAll(arguments[0])].map(e => e.textContent.trim().replace(/\\s+/g, ' '))"
        )
        found: list[str] = self.run(script, selector)
        return found

    def click(self, selector: str) -> None:
        """Click the first element that a selector takes, where it stands on the screen."""
        self._call("POST", f"{self._element(selector)}/click", {})

    def write(self, selector: str, text: str) -> None:
        """Type a text into a field, instead of what is in it."""
        element = self._element(selector)
        self._call("POST", f"{element}/clear", {})
        self._call("POST", f"{element}/value", {"text": text})

    def choose(self, selector: str, text: str) -> None:
        """Choose the option of this text."""
        script = (
            "const list = document.querySelector(arguments[0]);"
            "const found = [...list.options].find(one => one.textContent === arguments[1]);"
            "if (!found) return [...list.options].map(one => one.textContent).join('|') || 'none';"
            "list.value = found.value; list.dispatchEvent(new Event('change', {bubbles: true})); return ''"
        )
        missing = self.run(script, selector, text)
        assert missing == "", f"{selector} has no {text!r}, but {missing}"

    def press(self, key: str) -> None:
        """Press a key on what has the focus."""
        actions = [{"type": phase, "value": key} for phase in ("keyDown", "keyUp")]
        body = {"actions": [{"type": "key", "id": "keyboard", "actions": actions}]}
        self._call("POST", f"{self._session}/actions", body)

    def errors(self) -> list[str]:
        """What the browser's console complained about since it was last asked."""
        entries = self._call("POST", f"{self._session}/se/log", {"type": "browser"})
        return [entry["message"] for entry in entries if entry["level"] == "SEVERE"]

    def screenshot(self, file: Path | None = None) -> str:
        """The page as it is seen, as a PNG in base64; also in a file."""
        shot: str = self._call("GET", f"{self._session}/screenshot")
        if file is not None:
            file.write_bytes(base64.b64decode(shot))
        return shot

    def look(self, *, width: int, height: int, dark: bool = False) -> None:
        """See the page on a screen of this size, by day or by night."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self._devtools("Emulation.setDeviceMetricsOverride", size)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self._devtools("Emulation.setEmulatedMedia", {"features": [scheme]})

    def close(self) -> None:
        """End the browser."""
        self._call("DELETE", self._session)

    def _devtools(self, command: str, parameters: dict[str, Any]) -> None:
        self._call("POST", f"{self._session}/goog/cdp/execute", {"cmd": command, "params": parameters})

    def _element(self, selector: str) -> str:
        found = self._call("POST", f"{self._session}/element", {"using": "css selector", "value": selector})
        return f"{self._session}/element/{next(iter(found.values()))}"

    def _call(self, method: str, path: str, body: Any = None) -> Any:
        connection = HTTPConnection("127.0.0.1", self._port, timeout=30)
        connection.request(method, path, None if body is None else json.dumps(body))
        value = json.loads(connection.getresponse().read())["value"]
        connection.close()
        assert not (isinstance(value, dict) and "error" in value), value
        return value


@contextmanager
def running_driver() -> Iterator[int]:
    """The port of a driver, for as long as the block lasts."""
    process = subprocess.Popen([str(DRIVER), "--port=0"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        assert process.stdout is not None
        line = next(line for line in process.stdout if "started successfully on port" in line)
        yield int(line.rstrip().rstrip(".").rpartition(" ")[2])
    finally:
        process.terminate()
        process.communicate(timeout=10)
