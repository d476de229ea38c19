"""What clients are told of a node's exception is the same wherever it shows, on both engines."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from lcel_adapters.serve._told import UNTOLD
from tests.serving.agent.stage import Stage
from tests.support.wire import events

pytestmark = [pytest.mark.slow, pytest.mark.langgraph]
MODES = ["values", "updates", "messages", "custom", "events", "debug", "tasks", "checkpoints"]


@pytest.fixture
async def stage(url: str) -> AsyncIterator[Stage]:
    """Requests to a server of one engine's graphs."""
    async with httpx.AsyncClient(base_url=url, timeout=30) as client:
        yield Stage(client)


async def failed(stage: Stage, n: int) -> tuple[list[Any], list[Any]]:
    """The events of a run that fails and of one that goes on with it; the state behind them and the history."""
    thread = f"/threads/{await stage.thread()}"
    body = {"assistant_id": "err", "stream_mode": MODES, "stream_subgraphs": True}
    streams = [
        await stage.call(name, "POST", f"{thread}/runs/stream", {**body, "input": input})
        for name, input in (("first", {"n": n}), ("again", None))
    ]
    await stage.settled(thread)
    states = [await stage.call(path, "GET", f"{thread}{path}") for path in ("/state?subgraphs=true", "/history", "")]
    return [event for stream in streams for event in events(stream.content)], [one.json for one in states]


def errors(found: list[Any]) -> list[Any]:
    """The errors of tasks, in ``tasks``, ``debug`` and ``checkpoints``."""
    payloads = [data.get("payload", data) for name, data, *_ in found if name in ("tasks", "debug", "checkpoints")]
    tasks = [task for payload in payloads for task in (payload, *payload.get("tasks", ()))]
    return [task["error"] for task in tasks if task.get("error") is not None]


async def test_a_text_that_is_not_for_clients_is_nowhere(stage: Stage) -> None:
    """A25: streams in every mode, states and histories show the class alone, as the event ``error`` does."""
    found, (state, history, thread) = await failed(stage, 1)
    assert len(errors(found)) >= 4
    hidden = {"error": "MyErr", "message": UNTOLD}
    assert all(error in (hidden, f"MyErr({UNTOLD!r})") for error in errors(found))
    assert {task["error"] for one in (state, *history) for task in one["tasks"]} == {f"MyErr({UNTOLD!r})"}
    assert thread["error"] == hidden
    assert [name for name, answer in stage.answers.items() if b"secret" in answer.content] == []


async def test_a_text_that_is_for_clients_is_everywhere(stage: Stage) -> None:
    """What the event ``error`` tells, the others tell too."""
    found, (state, history, thread) = await failed(stage, 2)
    shown = {"error": "KeyError", "message": "'missing'"}
    assert all(error in (shown, "KeyError('missing')") for error in errors(found))
    assert {task["error"] for one in (state, *history) for task in one["tasks"]} == {"KeyError('missing')"}
    assert thread["error"] == shown
