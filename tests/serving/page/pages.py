"""What one does on the page."""

from __future__ import annotations

from typing import Any

from tests.support.browser import TAB, Page

IDLE = "return !document.getElementById('start').disabled"


class ServerPage(Page):
    """The page of a server.

    Args:
        port: Of the driver.
        address: Of the server.
    """

    def __init__(self, port: int, address: str) -> None:
        super().__init__(port, f"{address}/", (1280, 900))

    def load(self, address: str, view: str = "run") -> None:
        """Open a view afresh, once the graphs are listed."""
        self.open("about:blank")
        self.open(f"{address}/#{view}")
        self.until("return document.querySelectorAll('#graph option').length")

    def pick(self, graph: str) -> None:
        """Choose a graph, and wait for its form."""
        self.choose("#graph", graph)
        self.until("return document.getElementById('run-input').ariaBusy === 'false'")

    def fill(self, text: str, *, field: int = 1) -> None:
        """Fill in a field of the input."""
        place = f"#run-input .fields label:nth-of-type({field}) :is(input, textarea)"
        self.until("return document.querySelector(arguments[0])", place)
        self.write(place, text)

    def modes(self, *wanted: str) -> None:
        """Tick these modes and no others."""
        for mode in self.run("return [...document.querySelectorAll('#modes input')].map(e => e.id.slice(5))"):
            ticked = self.run("return document.getElementById(arguments[0]).checked", f"mode-{mode}")
            if ticked != (mode in wanted):
                self.click(f"#mode-{mode}")

    def pair(self, route: str, graph: str) -> None:
        """Choose what is compared, and wait for its form."""
        self.until("return document.getElementById('route').value")
        self.choose("#compare-graph", graph)
        self.write("#route", route)
        self.press(TAB)
        self.until("return document.getElementById('compare-input').ariaBusy === 'false'")

    def start(self) -> None:
        """Run."""
        self.click("#start")

    def done(self) -> str:
        """How the run ended, once it did."""
        self.until(IDLE)
        return self.state()

    def state(self) -> str:
        """What is said of the run, in a word."""
        return self.texts("#run-state .badge")[0]

    def names(self, tree: str = "#run-tree") -> list[str]:
        """The runs of a timeline, in order."""
        return self.texts(f"{tree} .run .name")

    def levels(self, tree: str = "#run-tree") -> list[int]:
        """How deep they stand."""
        found: list[Any] = self.run(
            "return [...document.querySelectorAll(arguments[0])].map(e => Number(e.ariaLevel))", f"{tree} .run"
        )
        return found
