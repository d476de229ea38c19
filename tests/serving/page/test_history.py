"""A thread's history on the page, in Chromium. Not collected where there is none."""

from __future__ import annotations

import json
from uuid import uuid4

import httpx
import pytest

from tests.serving.page.pages import ServerPage
from tests.support.browser import ENTER, HAS_BROWSER
from tests.support.servers import Server

__test__ = HAS_BROWSER
pytestmark = [pytest.mark.slow, pytest.mark.blocking]

ROWS = "return document.querySelectorAll('#checkpoints tbody tr').length"


@pytest.fixture
def thread(server: Server) -> str:
    """A thread on which a run asked, was answered, and ended."""
    thread_id = str(uuid4())
    for body in ({"input": {"n": 3}}, {"command": {"resume": "yes"}}):
        asked = {"assistant_id": "asks", "if_not_exists": "create", **body}
        httpx.post(f"{server.url}/threads/{thread_id}/runs/wait", json=asked, timeout=20).raise_for_status()
    return thread_id


def cells(page: ServerPage, row: int) -> list[str]:
    """What is said of a checkpoint, without its time."""
    return page.texts(f"#checkpoints tbody tr:nth-child({row}) td")[:-1]


def test_the_checkpoints_of_a_thread(page: ServerPage, server: Server, thread: str) -> None:
    """A thread among the recent ones is chosen; its checkpoints are there, the newest first, with what they changed."""
    page.load(server.url, "history")
    page.until("return document.querySelector(arguments[0])", f"#threads a[title='{thread}']")
    page.click(f"#threads a[title='{thread}']")
    page.until(ROWS)
    assert [cells(page, row) for row in (1, 2, 3, 4)] == [
        ["2", "loop", "end", "log"],
        ["1", "loop", "askasks", "log"],
        ["0", "loop", "prepare", "n"],
        ["-1", "input", "__start__", "log"],
    ]
    assert page.run("return document.querySelector('#threads [aria-current]').title") == thread
    assert page.errors() == []


def test_what_a_checkpoint_changed(page: ServerPage, server: Server, thread: str) -> None:
    """By the keyboard a checkpoint is opened: of a list that grew one sees what was added, and what was asked there."""
    page.load(server.url, f"history/{thread}")
    page.until(ROWS)
    page.run("document.querySelector('#checkpoints tbody tr button').focus()")
    page.press(ENTER)
    assert page.texts("#checkpoint-detail .change b") == ["log"]
    assert json.loads(page.texts("#checkpoint-detail .is")[0].removeprefix("+ ")) == ["answered yes"]
    page.click("#checkpoints tbody tr:nth-child(2)")
    assert "Asks" in page.texts("#checkpoint-detail h3")
    assert '{ "question": "Go on?" }' in page.texts("#checkpoint-detail pre")


def test_a_thread_runs_again_from_a_checkpoint(page: ServerPage, server: Server, thread: str) -> None:
    """From where it asked, the thread asks again, and takes another answer; its history then has a fork."""
    page.load(server.url, f"history/{thread}")
    page.until(ROWS)
    page.click("#checkpoints tbody tr:nth-child(3)")
    page.click("#checkpoint-detail .primary")
    assert not page.run("return document.getElementById('view-run').hidden")
    assert page.run("return document.getElementById('thread-id').value") == thread
    page.until("return document.getElementById('run-input').ariaBusy === 'false'")
    page.start()
    assert page.done() == "interrupted"
    page.write("#questions textarea", "otherwise")
    page.click("#questions .primary")
    page.until("return document.querySelector('#run-state .badge').textContent === 'done'")
    state = httpx.get(f"{server.url}/threads/{thread}/state").json()
    assert state["values"] == {"n": 3, "log": ["prepared", "answered otherwise"]}
    page.click("#thread-history")
    page.until("return document.querySelectorAll('#checkpoints tbody tr').length > 4")


def test_a_long_history_is_shown_in_parts(page: ServerPage, server: Server) -> None:
    """Fifty checkpoints are shown, and more when asked for, none of them twice."""
    thread = httpx.post(f"{server.url}/threads", json={"metadata": {"graph_id": "asks"}}).json()["thread_id"]
    for n in range(60):
        body = {"values": {"log": [str(n)]}, "as_node": "ask"}
        httpx.post(f"{server.url}/threads/{thread}/state", json=body, timeout=20).raise_for_status()
    page.load(server.url, f"history/{thread}")
    page.until(ROWS)
    assert page.run(ROWS) == 50
    page.click("#older")
    page.until("return document.querySelectorAll('#checkpoints tbody tr').length > 50")
    steps = page.texts("#checkpoints tbody td:first-child")
    assert len(steps) == len(set(steps)) == 60
    assert page.run("return document.getElementById('older').hidden")


def test_a_thread_that_is_not_there(page: ServerPage, server: Server) -> None:
    """A wrong id is answered with what the server says of it."""
    page.load(server.url, "history")
    page.write("#history-id", "nothing")
    page.click("#history-form button")
    page.until("return document.getElementById('history-state').textContent.startsWith('4')")
    assert page.run("return document.getElementById('checkpoints').hidden")
