"""Runs on the page, in Chromium: streams arrive, the tree grows, interrupts are answered. Not collected without one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.serving.page.graphs import TEXT
from tests.serving.page.pages import IDLE, ServerPage
from tests.support.browser import ARROW_DOWN, ARROW_LEFT, ARROW_RIGHT, HAS_BROWSER

__test__ = HAS_BROWSER
pytestmark = [pytest.mark.slow, pytest.mark.blocking]

SAID = ".pane-messages .message .text"


def test_tokens_arrive_one_after_the_other(page: ServerPage) -> None:
    """While the graph runs, its message grows; the bars of what goes on grow with it, and end when it ends."""
    page.pick("slow")
    page.fill("rain")
    page.start()
    page.until("return (document.querySelector(arguments[0])?.textContent ?? '').length > 12", SAID)
    early = page.texts(SAID)[0]
    assert TEXT.startswith(early)
    assert early != TEXT
    assert page.state() == "running"
    width = "return document.querySelector('#run-tree .kind-chat_model .track i').getBoundingClientRect().width"
    assert page.run("return document.querySelector('#run-tree .kind-chat_model .took').textContent") == "…"
    assert page.done() == "done"
    assert page.texts(SAID) == [TEXT]
    assert page.run(width) > 100
    assert page.errors() == []


def test_the_tree_of_runs(page: ServerPage) -> None:
    """Each run has its name and kind, stands below its parent with its tags, and a mark where its first chunk came."""
    page.pick("letters")
    page.fill("rain")
    page.start()
    assert page.done() == "done"
    kinds = ["chain", "chain", "chain", "prompt", "chat_model", "parser"]
    names = ["letters", "write", "letter", "ChatPromptTemplate", "AsyncChat", "StrOutputParser"]
    assert page.names() == [f"{name} {kind}" for name, kind in zip(names, kinds, strict=True)]
    assert page.levels() == [1, 2, 3, 4, 4, 4]
    assert page.texts("#run-tree .run:nth-child(3) .tag") == ["seq:step:1", "draft"]
    marked = "return [...document.querySelectorAll('#run-tree .run')].map(e => e.querySelector('.track b') !== null)"
    assert page.run(marked) == [False, True, True, False, True, True]
    page.click("#axis input[value=events]")
    widths = "return [...document.querySelectorAll('#run-tree .track i')].map(e => e.getBoundingClientRect().width)"
    found = page.run(widths)
    assert found[0] == max(found)
    assert found[3] < found[4], "a prompt has two events, a model as many as it has tokens"


def test_a_run_is_looked_into(page: ServerPage) -> None:
    """Chosen by the keyboard or by a click, a run shows what went in, what it streamed and what came out."""
    page.pick("letters")
    page.fill("rain")
    page.start()
    page.done()
    page.click("#run-tree .run")
    for _ in range(4):
        page.press(ARROW_DOWN)
    assert page.texts("#detail h2") == ["AsyncChat"]
    assert page.texts("#detail h3") == ["Input", "Streamed", "Output"]
    assert TEXT in page.texts("#detail pre")
    assert "rain" in page.texts("#detail pre")[0]
    page.run("document.querySelector('#run-tree .run').focus()")
    page.click("#run-tree .run .fold")
    assert page.run("return [...document.querySelectorAll('#run-tree .run')].filter(e => e.hidden).length") == 5
    page.press(ARROW_RIGHT)
    page.press(ARROW_LEFT)
    page.press(ARROW_RIGHT)
    assert page.run("return [...document.querySelectorAll('#run-tree .run')].filter(e => e.hidden).length") == 0


def test_every_mode_has_its_pane(page: ServerPage) -> None:
    """What is ticked is asked for and shown, line by line; a line opens to the whole of it."""
    page.pick("asks")
    page.fill("3")
    page.modes("values", "updates", "custom", "tasks", "checkpoints", "debug", "events", "messages", "messages-tuple")
    page.start()
    assert page.done() == "interrupted"
    panes = ["values", "updates", "messages", "custom", "tasks", "checkpoints", "debug", "events"]
    assert page.run("return [...document.querySelectorAll('.pane')].map(e => e.ariaLabel)") == panes
    lines = {pane: page.run(f"return document.querySelectorAll('.pane-{pane} li').length") for pane in panes}
    assert [pane for pane, count in lines.items() if count == 0] == ["messages"]
    assert page.texts(".pane-updates .head")[0] == "prepare"
    assert page.texts(".pane-custom .rest") == ['{"progress":1}']
    page.click(".pane-updates summary")
    opened = page.until("return document.querySelector('.pane-updates pre')?.textContent")
    assert json.loads(opened) == {"prepare": {"log": ["prepared"]}}


def test_the_message_so_far_is_one_message(page: ServerPage) -> None:
    """In the mode ``messages`` the frames hold all that was said: they replace each other."""
    page.pick("chat")
    page.fill("Hello?")
    page.modes("messages")
    page.start()
    assert page.done() == "done"
    assert page.texts(SAID) == [TEXT]
    assert page.run("return document.getElementById('live').hidden"), "there are no events to draw"


def test_an_interrupt_is_answered(page: ServerPage) -> None:
    """What the graph asks is shown, and the answer goes on with the thread."""
    page.pick("asks")
    page.fill("3")
    page.start()
    assert page.done() == "interrupted"
    assert json.loads(page.texts("#questions pre")[0]) == {"question": "Go on?"}
    page.write("#questions textarea", "by all means")
    page.click("#questions .primary")
    page.until("return document.querySelector('#run-state .badge').textContent === 'done'")
    assert page.run("return document.getElementById('questions').hidden")
    assert "answered by all means" in page.texts(".pane-values .rest")[-1]


def test_each_of_several_interrupts_has_its_answer(page: ServerPage) -> None:
    """What is asked at once is answered at once, each by its own field; what is JSON arrives as such."""
    page.pick("asks_twice")
    page.fill("3")
    page.start()
    assert page.done() == "interrupted"
    assert sorted(page.texts("#questions pre")) == ["first", "second"]
    page.write("#questions label:nth-of-type(1) textarea", '{"a": 1}')
    page.write("#questions label:nth-of-type(2) textarea", "plain")
    page.click("#questions .primary")
    page.until("return document.querySelector('#run-state .badge').textContent === 'done'")
    log = json.loads(page.texts(".pane-values .rest")[-1])["log"]
    assert {answer.split(": ", 1)[1] for answer in log} == {"{'a': 1}", "'plain'"}


def test_without_a_thread_nobody_answers(page: ServerPage) -> None:
    """A run without a thread is shown to ask, and says what is missing."""
    page.pick("asks")
    page.fill("3")
    page.click("#thread input[value=none]")
    page.start()
    assert page.done() == "interrupted"
    assert "Only a run on a thread" in page.texts("#questions")[0]
    assert page.run("return document.querySelector('#questions textarea').disabled")


def test_a_run_that_is_told_to_pauses(page: ServerPage) -> None:
    """Paused before a node it says so, and goes on when told."""
    page.pick("slow")
    page.fill("rain")
    page.run("document.getElementById('more').open = true")
    page.write("#before", "write")
    page.start()
    assert page.done() == "interrupted"
    assert page.texts("#questions") == ["Paused before write.Go on"]
    page.write("#before", "")
    page.click("#questions .primary")
    page.until("return document.querySelector('#run-state .badge').textContent === 'done'")
    assert page.texts(SAID) == [TEXT]


@pytest.mark.parametrize("thread", ["none", "new"])
def test_a_run_is_cancelled(page: ServerPage, thread: str) -> None:
    """With a thread or without, a run ends when told to, and what went on is drawn as never ended."""
    page.pick("slow")
    page.fill("rain")
    page.click(f"#thread input[value={thread}]")
    page.start()
    page.until("return document.querySelector(arguments[0])", SAID)
    page.click("#cancel")
    assert page.done() == "cancelled"
    assert page.texts(SAID)[0] != TEXT
    assert page.run("return document.querySelectorAll('#run-tree .is-cut').length") > 0


def test_what_fails_says_so(page: ServerPage) -> None:
    """A run that raises is shown with the error; so is a request that is refused, and an input that is none."""
    page.pick("fails")
    page.fill("1")
    page.start()
    assert page.done() == "failed"
    assert page.texts("#failure")[0].startswith("ValueError: no good")
    assert page.run("return document.querySelectorAll('#run-tree .is-failed').length") == 2
    page.click("#thread input[value=this]")
    page.write("#thread-id", "no-uuid")
    page.start()
    assert page.done() == "failed"
    assert page.texts("#failure")[0].startswith("400: ")
    page.click("#run-input .turn")
    page.write("#run-input textarea.code", '{"n": ')
    page.start()
    assert page.texts("#failure")[0].startswith("the input is no JSON")


def test_an_input_is_fields_or_json(page: ServerPage) -> None:
    """Fields become JSON and JSON fields, and nothing is lost on the way."""
    page.pick("asks")
    page.fill("7")
    page.write("#run-input .fields label:nth-of-type(2) textarea", '["a"]')
    page.click("#run-input .turn")
    assert json.loads(page.run("return document.querySelector('#run-input textarea.code').value")) == {
        "n": 7,
        "log": ["a"],
    }
    page.write("#run-input textarea.code", '{"n": 8, "log": []}')
    page.click("#run-input .turn")
    values = "return [...document.querySelectorAll('#run-input .fields :is(input, textarea)')].map(e => e.value)"
    assert page.run(values) == ["8", "[]"]


def test_the_page_can_be_seen(page: ServerPage, tmp_path: Path) -> None:
    """A screenshot of a run is a picture of some size, in light and dark."""
    page.pick("letters")
    page.fill("rain")
    page.start()
    page.done()
    page.until(IDLE)
    for dark in (False, True):
        page.look(width=1280, height=900, dark=dark)
        page.screenshot(tmp_path / "run.png")
        assert (tmp_path / "run.png").stat().st_size > 30_000
