"""The page's modules by themselves, in Chromium: what they read, and what they can bear. Not collected without one."""

from __future__ import annotations

from typing import Any

import pytest

from tests.serving.page.pages import ServerPage
from tests.support.browser import HAS_BROWSER

__test__ = HAS_BROWSER
pytestmark = [pytest.mark.slow, pytest.mark.blocking]

FRAMES = """
const [text, size] = arguments;
return import('/page/api.js').then(async ({ frames }) => {
  const bytes = new TextEncoder().encode(text);
  const body = new ReadableStream({
    start(to) {
      for (let at = 0; at < bytes.length; at += size) to.enqueue(bytes.slice(at, at + size));
      to.close();
    },
  });
  const found = [];
  for await (const one of frames({ body })) found.push([one.event, one.data]);
  return found;
});
"""

ROWS = """
const [events, unit] = arguments;
return import('/page/events.js').then(({ RunLog }) => {
  const log = new RunLog();
  events.forEach((event, at) => log.add(event, at * 10));
  log.close(events.length * 10, 'cut');
  const told = ({ depth, sides: [{ name, begin, first, end, state }] }) => [name, depth, begin, first, end, state];
  return log.rows(unit).map(told);
});
"""

FLOOD = """
const [count] = arguments;
return Promise.all([import('/page/live.js'), import('/page/panes.js')]).then(([{ LiveTree }, { Panes }]) => {
  const live = new LiveTree({ id: 'flood', label: 'flood', side: '' });
  const panes = new Panes(document.getElementById('panes'));
  document.getElementById('panes').before(live.element);
  panes.open(['events']);
  for (let at = 0; at < count; at++) {
    const event = { event: 'on_chain_start', name: `n${at}`, run_id: `r${at}`, tags: [], parent_ids: at ? ['r0'] : [] };
    live.add(event);
    panes.add('events', event, at);
  }
  live.end('cut');
  panes.flush();
  return [live.tree.rows.length, live.leftOut.textContent, document.querySelectorAll('.pane-events li').length,
    document.querySelector('.pane-events .count').textContent];
});
"""


@pytest.mark.parametrize("end", ["\r\n", "\n", "\r"])
@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
def test_frames_are_read_however_they_arrive(page: ServerPage, end: str, size: int) -> None:
    """Cut anywhere, within a line's end or a letter, with comments between: the same events."""
    lines = [
        "event: metadata",
        'data: {"run_id":"1"}',
        "",
        ": heartbeat",
        "",
        "event: a|b:1",
        'data: "ü€😀"',
        "id: 3",
        "",
    ]
    lines += ["event: split", "data: [1,", "data: 2]", "", "event: end", "", "event: cut", "data: 1"]
    found = page.run(FRAMES, end.join(lines), size)
    assert found == [["metadata", {"run_id": "1"}], ["a|b:1", "ü€😀"], ["split", [1, 2]], ["end", None]]


def test_a_tree_is_built_of_any_events(page: ServerPage) -> None:
    """Runs stand below the nearest parent that is known; what never ended is cut; events of no run are passed over."""
    events: list[dict[str, Any]] = [
        {"event": "on_chain_start", "name": "root", "run_id": "r", "parent_ids": [], "data": {}},
        {"event": "on_tool_start", "name": "tool", "run_id": "t", "parent_ids": ["r", "hidden"], "data": {}},
        {"event": "on_custom_event", "name": "mine", "run_id": "t", "data": 1},
        {"event": "on_parser_stream", "name": "late", "run_id": "p", "parent_ids": ["r"], "data": {"chunk": "x"}},
        {"event": "on_chain_stream", "name": "root", "run_id": "r", "data": {"chunk": {"a": [1]}}},
        {"event": "on_tool_error", "name": "tool", "run_id": "t", "data": {"error": "no"}},
        {"event": "strange"},
        {},
        {"event": "on_chain_end", "name": "root", "run_id": "r", "data": {"output": 1}},
    ]
    assert page.run(ROWS, events, "ms") == [
        ["root", 0, 0, 40, 80, None],
        ["tool", 1, 10, None, 50, "failed"],
        ["late", 1, 30, 30, 90, "cut"],
    ]
    assert page.run(ROWS, events, "events")[0] == ["root", 0, 0, 4, 8, None]


def test_events_of_version_1_stand_side_by_side(page: ServerPage) -> None:
    """They name no parents, so that nothing can be said of who called whom."""
    events: list[Any] = [{"event": "on_chain_start", "name": name, "run_id": name, "data": {}} for name in ("a", "b")]
    assert [row[:2] for row in page.run(ROWS, events, "ms")] == [["a", 0], ["b", 0]]


def test_a_flood_is_drawn_as_far_as_one_can_look(page: ServerPage) -> None:
    """Of thousands of runs and frames the page draws a bounded part, counts all, and says what it leaves out."""
    rows, said, lines, count = page.run(FLOOD, 6_000)
    assert (rows, said) == (2_000, "4000 more runs are not drawn.")
    assert (lines, count) == (1_000, "6000")
