"""That nothing gets out of its text on the page, who may use it, where it may be, and who can read it. In Chromium."""

from __future__ import annotations

import json
import re
from contextlib import closing

import pytest

from tests.serving.page.graphs import EVIL
from tests.serving.page.pages import ServerPage
from tests.support.browser import HAS_BROWSER
from tests.support.servers import Server

__test__ = HAS_BROWSER
pytestmark = [pytest.mark.slow, pytest.mark.blocking]

VIEWS = ("run", "history", "compare")


def untouched(page: ServerPage) -> None:
    """No element came of what was shown, nothing ran, nothing was loaded from elsewhere."""
    assert page.run("return document.title") == "lcel-compat"
    assert page.run("return document.querySelectorAll('img, iframe, object, [onerror]').length") == 0
    assert page.run("return document.querySelectorAll('script').length") == 1
    script = (
        "return performance.getEntriesByType('resource').filter(e => !e.name.startsWith(location.origin))"
        ".map(e => e.name)"
    )
    assert page.run(script) == []


def test_markup_stays_text_in_a_run(page: ServerPage) -> None:
    """Markup in names, tags, inputs and outputs, and in errors, is shown as it is, in every mode."""
    page.pick("evil")
    page.write("#run-input textarea.code", json.dumps({EVIL: EVIL}))
    page.modes("values", "updates", "tasks", "checkpoints", "debug", "events")
    page.start()
    assert page.done() == "done"
    assert any(EVIL in name for name in page.names())
    for row in range(1, len(page.names()) + 1):
        page.click(f"#run-tree .run:nth-child({row})")
    assert EVIL in page.texts("#detail h2")[0] + "".join(page.texts("#detail pre"))
    page.run("document.querySelectorAll('details').forEach(one => { one.open = true })")
    page.until("return document.querySelectorAll('.frames pre').length > 5")
    untouched(page)
    page.pick("fails")
    page.fill("1")
    page.start()
    assert page.done() == "failed"
    assert EVIL in page.texts("#failure")[0]
    untouched(page)
    assert page.errors() == []


def test_markup_stays_text_in_a_history(page: ServerPage) -> None:
    """And in checkpoints, in what they changed, and in an address."""
    page.pick("evil")
    page.write("#run-input textarea.code", json.dumps({EVIL: EVIL}))
    page.start()
    assert page.done() == "done"
    page.click("#thread-history")
    page.until("return document.querySelectorAll('#checkpoints tbody tr').length")
    for row in range(1, len(page.texts("#checkpoints tbody tr")) + 1):
        page.click(f"#checkpoints tbody tr:nth-child({row}) td:nth-child(2)")
        page.run("document.querySelectorAll('#checkpoint-detail details').forEach(one => { one.open = true })")
    untouched(page)
    assert page.errors() == []
    page.run("location.hash = arguments[0]", f"#history/{EVIL}")
    page.until("return document.getElementById('history-state').textContent.startsWith('4')")
    untouched(page)


def test_markup_stays_text_in_a_comparison(page: ServerPage, server: Server) -> None:
    """And in a comparison's findings, runs and events."""
    page.load(server.url, "compare")
    page.pair("/evil", "letters")
    page.write("#compare-input textarea.code", json.dumps({"topic": EVIL}))
    page.click("#compare-start")
    page.until("return document.querySelector('#compared .comparison')")
    page.click("#tree .run")
    assert "<img src=x onerror=" in " ".join(page.texts("#rows td"))
    untouched(page)
    assert page.errors() == []


def test_not_even_the_page_itself_can_make_markup(page: ServerPage) -> None:
    """The browser refuses to parse a string into the page, and to take one for a script."""
    for attempt in (
        "document.body.insertAdjacentHTML('beforeend', '<b>x</b>')",
        "document.body.innerHTML = '<b>x</b>'",
    ):
        assert page.run(f"try {{ {attempt} }} catch (error) {{ return error.name }}") == "TypeError"
    attempt = "document.body.setAttribute('onclick', 'document.title = 1')"
    assert page.run(f"try {{ {attempt} }} catch (error) {{ return error.name }}") == "TypeError"
    untouched(page)


def test_it_wants_its_key_and_works_below_a_path(driver: int, guarded: Server) -> None:
    """Mounted anywhere, it asks for its key; with it all views work, and the tab keeps it."""
    with closing(ServerPage(driver, f"{guarded.url}/in/side")) as page:
        page.until("return !document.getElementById('trouble').hidden")
        assert page.run("return document.activeElement.id") == "key"
        page.write("#key", "wrong")
        page.click("#key-form button")
        page.until("return document.getElementById('access').open && document.activeElement.id === 'key'")
        page.write("#key", "sesame")
        page.click("#key-form button")
        page.until("return document.querySelectorAll('#graph option').length")
        page.errors()
        page.load(f"{guarded.url}/in/side")
        page.pick("letters")
        page.fill("rain")
        page.start()
        assert page.done() == "done"
        page.click("#thread-history")
        page.until("return document.querySelectorAll('#checkpoints tbody tr').length")
        page.load(f"{guarded.url}/in/side", "compare")
        page.until("return document.getElementById('route').value.startsWith('/in/side/')")
        page.pair("/in/side/letter", "letters")
        page.write("#compare-input .fields label textarea", "rain")
        page.click("#compare-start")
        page.until("return document.querySelector('#compared .comparison')")
        assert page.run("return localStorage.length") == 0
        assert "sesame" not in page.run("return document.documentElement.outerHTML")
        untouched(page)
        assert page.errors() == []


@pytest.mark.parametrize("width", [1280, 400])
@pytest.mark.parametrize("view", VIEWS)
def test_it_fits(page: ServerPage, server: Server, view: str, width: int) -> None:
    """Wide or narrow, nothing stands outside the window."""
    page.load(server.url, view)
    page.look(width=width, height=900)
    assert page.run("return document.documentElement.scrollWidth") <= width
    page.look(width=1280, height=900)


def test_a_run_fits_a_telephone(page: ServerPage) -> None:
    """So do a timeline, its details, and what streamed."""
    page.look(width=400, height=800)
    page.pick("letters")
    page.fill("rain")
    page.start()
    assert page.done() == "done"
    page.click("#run-tree .run")
    assert page.run("return document.documentElement.scrollWidth") <= 400
    assert page.run("return document.querySelector('#run-tree .track').getBoundingClientRect().width") > 100
    page.look(width=1280, height=900)


@pytest.mark.parametrize("dark", [False, True])
def test_it_can_be_read(page: ServerPage, dark: bool) -> None:
    """Text has a contrast of 4.5 to 1 at least to what it stands on, bars of 3 to 1, by day and by night (WCAG 1.4)."""
    page.look(width=1280, height=900, dark=dark)
    pairs = [(ink, "ground") for ink in ("text", "quiet", "info", "breaking", "changed", "same", "tool")]
    pairs += [(name, f"{name}-soft") for name in ("info", "breaking", "changed", "same")]
    pairs += [("text", "raised"), ("quiet", "info-soft"), ("text", "changed-soft"), ("quiet", "changed-soft")]
    for ink, paper in pairs:
        assert _contrast(_colour(page, ink), _colour(page, paper)) >= 4.5, (ink, paper)
    for bar in ("run", "model", "tool", "retriever", "small", "edge"):
        assert _contrast(_colour(page, bar), _colour(page, "ground")) >= 3, bar


def _colour(page: ServerPage, name: str) -> tuple[int, int, int]:
    found = page.run("return getComputedStyle(document.documentElement).getPropertyValue(arguments[0])", f"--{name}")
    assert re.fullmatch(r"#[0-9a-f]{6}", found.strip()), (name, found)
    return tuple(bytes.fromhex(found.strip()[1:]))  # type: ignore[return-value]  # three of them


def _contrast(one: tuple[int, int, int], other: tuple[int, int, int]) -> float:
    light, shade = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (light + 0.05) / (shade + 0.05)


def _luminance(colour: tuple[int, int, int]) -> float:
    parts = [c / 255 / 12.92 if c / 255 <= 0.04045 else ((c / 255 + 0.055) / 1.055) ** 2.4 for c in colour]
    return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]


def test_everything_has_a_name(page: ServerPage) -> None:
    """Whatever can be filled in or pressed has a name that is read out, in every view."""
    page.pick("asks")
    page.fill("3")
    page.modes("values", "updates", "events")
    page.start()
    assert page.done() == "interrupted"
    script = (
        "return [...document.querySelectorAll('input, select, textarea, button, a, summary, section, [role^=tree]')]"
        ".filter(e => !(e.labels?.length || e.ariaLabel || e.textContent.trim() || e.title)).map(e => e.outerHTML)"
    )
    assert page.run(script) == []
