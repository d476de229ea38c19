"""The HTML report in a real browser: Chromium, driven by its own driver. Not collected where there is none."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from lcel_adapters._reports import text_of_report
from lcel_adapters.desk import build_chain, build_step_graph
from lcel_compat.compare import compare
from tests.adapters.test_reports import EVIL
from tests.support.browser import ARROW_DOWN, ARROW_LEFT, ARROW_RIGHT, HAS_BROWSER, Page, running_driver

__test__ = HAS_BROWSER
pytestmark = [pytest.mark.slow, pytest.mark.blocking]


@pytest.fixture(scope="module")
def driver() -> Iterator[int]:
    """The port of a driver that runs."""
    with running_driver() as port:
        yield port


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
    assert page.run("return document.querySelectorAll('#tree .track b').length") > 0, "where first chunks came"
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
