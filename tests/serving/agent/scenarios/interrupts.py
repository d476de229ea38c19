"""Runs that stop for an answer, and are resumed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tests.serving.agent.stage import Scenario, Stage

ASK: dict[str, Any] = {"assistant_id": "human", "input": {"n": 7}}
EVERYTHING = ["values", "updates", "messages", "tasks", "debug", "events", "checkpoints"]


def scenarios() -> Iterator[Scenario]:
    """All of them."""
    for mode in ("values", "updates"):
        yield _looked_at(mode)
    yield Scenario(name="int_all", group="int", names=("int_all_1", "int_all_2"), play=_all)
    yield Scenario(name="int_unseen", group="int", names=("int_messages-tuple_1", "int_custom_1"), play=_unseen)
    yield Scenario(name="int_wait", group="int", names=("int_wait", "int_wait_resume"), play=_wait)
    stateless = ("int_stateless", "int_stateless_wait", "int_stateless_resume")
    yield Scenario(name="int_stateless", group="int", names=stateless, play=_stateless)
    yield Scenario(name="int_runs", group="int", names=("int_runs",), play=_runs)


def _looked_at(mode: str) -> Scenario:
    name = f"int_{mode}"
    names = [f"{name}_1", f"{name}_state", f"{name}_thread", f"{name}_2", f"{name}_state2"]
    if mode == "updates":
        names += ["int_history", "int_history_get"]

    async def play(stage: Stage) -> None:
        thread = f"/threads/{await stage.thread()}"
        await stage.call(f"{name}_1", "POST", f"{thread}/runs/stream", ASK | {"stream_mode": mode})
        await stage.settled(thread)
        await stage.call(f"{name}_state", "GET", f"{thread}/state")
        await stage.call(f"{name}_thread", "GET", thread)
        resume = {"assistant_id": "human", "command": {"resume": "yes"}, "stream_mode": mode}
        await stage.call(f"{name}_2", "POST", f"{thread}/runs/stream", resume)
        await stage.settled(thread)
        await stage.call(f"{name}_state2", "GET", f"{thread}/state")
        if mode == "updates":
            await stage.call("int_history", "POST", f"{thread}/history", {"limit": 10})
            await stage.call("int_history_get", "GET", f"{thread}/history?limit=2")

    return Scenario(name=name, group="int", names=tuple(names), play=play)


async def _all(stage: Stage) -> None:
    path = f"/threads/{await stage.thread()}/runs/stream"
    await stage.call("int_all_1", "POST", path, ASK | {"stream_mode": EVERYTHING})
    resume = {"assistant_id": "human", "command": {"resume": {"a": 1}}, "stream_mode": EVERYTHING}
    await stage.call("int_all_2", "POST", path, resume)


async def _unseen(stage: Stage) -> None:
    path = f"/threads/{await stage.thread()}/runs/stream"
    for mode in ("messages-tuple", "custom"):
        await stage.call(f"int_{mode}_1", "POST", path, ASK | {"stream_mode": [mode]})


async def _wait(stage: Stage) -> None:
    path = f"/threads/{await stage.thread()}/runs/wait"
    await stage.call("int_wait", "POST", path, ASK)
    await stage.call("int_wait_resume", "POST", path, {"assistant_id": "human", "command": {"resume": "ok"}})


async def _stateless(stage: Stage) -> None:
    await stage.call("int_stateless", "POST", "/runs/stream", ASK | {"stream_mode": ["updates", "values"]})
    await stage.call("int_stateless_wait", "POST", "/runs/wait", ASK)
    resume = {"assistant_id": "human", "command": {"resume": "x"}}
    await stage.call("int_stateless_resume", "POST", "/runs/stream", resume)


async def _runs(stage: Stage) -> None:
    thread = f"/threads/{await stage.thread()}"
    await stage.aside("POST", f"{thread}/runs/wait", ASK | {"input": {"n": 1}})
    await stage.settled(thread)
    await stage.call("int_runs", "GET", f"{thread}/runs")
