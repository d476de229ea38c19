"""Several runs on one thread, runs that are cancelled, and clients that go away."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tests.serving.agent.stage import Scenario, Stage


def scenarios() -> Iterator[Scenario]:
    """All of them."""
    for strategy in ("reject", "enqueue", "interrupt", "rollback"):
        yield _strategy(strategy)
    names = ("cancel_stream", "cancel_post", "cancel_again", "cancel_run", "cancel_state", "cancel_thread")
    yield Scenario(name="cancel", group="together", names=names, play=_cancel)
    for asked in ("cancel", "continue"):
        yield _gone(asked)
    yield Scenario(name="od_default", group="together", names=("od_default_stream", "od_default_run"), play=_default)


def slow(n: int, **more: Any) -> dict[str, Any]:
    """The body of a run that ticks ``n`` times."""
    return {"assistant_id": "slow", "input": {"n": n}, "stream_mode": ["values", "custom"], **more}


def _strategy(strategy: str) -> Scenario:
    name = f"mts_{strategy}"
    names = tuple(f"{name}_{part}" for part in ("first", "second", "runs", "state", "thread"))

    async def play(stage: Stage) -> None:
        thread = f"/threads/{await stage.thread()}"
        async with stage.open(f"{name}_first", "POST", f"{thread}/runs/stream", slow(6)) as first:
            await first.seen("custom", 3)
            second = slow(2, multitask_strategy=strategy)
            await stage.call(f"{name}_second", "POST", f"{thread}/runs/stream", second)
        await stage.settled(thread)
        await stage.call(f"{name}_runs", "GET", f"{thread}/runs")
        await stage.call(f"{name}_state", "GET", f"{thread}/state")
        await stage.call(f"{name}_thread", "GET", thread)

    return Scenario(name=name, group="together", names=names, play=play)


async def _cancel(stage: Stage) -> None:
    thread = f"/threads/{await stage.thread()}"
    async with stage.open("cancel_stream", "POST", f"{thread}/runs/stream", slow(6)) as stream:
        await stream.seen("custom", 3)
        run = f"{thread}/runs/{stream.run}"
        await stage.call("cancel_post", "POST", f"{run}/cancel")
    await stage.settled(thread)
    await stage.call("cancel_again", "POST", f"{run}/cancel")
    await stage.call("cancel_run", "GET", run)
    await stage.call("cancel_state", "GET", f"{thread}/state")
    await stage.call("cancel_thread", "GET", thread)


def _gone(asked: str) -> Scenario:
    name = f"od_{asked}"

    async def play(stage: Stage) -> None:
        thread = f"/threads/{await stage.thread()}"
        body = slow(6, on_disconnect=asked)
        async with stage.open(f"{name}_stream", "POST", f"{thread}/runs/stream", body) as stream:
            await stream.seen("custom", 4)
            stream.cut = True
        run = f"{thread}/runs/{stream.run}"
        if asked == "cancel":
            await stage.settled(thread)
        await stage.call(f"{name}_run_early", "GET", run)
        await stage.settled(thread)
        await stage.call(f"{name}_run_late", "GET", run)
        await stage.call(f"{name}_state", "GET", f"{thread}/state")

    names = tuple(f"{name}_{part}" for part in ("stream", "run_early", "run_late", "state"))
    return Scenario(name=name, group="together", names=names, play=play)


async def _default(stage: Stage) -> None:
    thread = f"/threads/{await stage.thread()}"
    async with stage.open("od_default_stream", "POST", f"{thread}/runs/stream", slow(6)) as stream:
        await stream.seen("custom", 4)
        stream.cut = True
    await stage.settled(thread)
    await stage.call("od_default_run", "GET", f"{thread}/runs/{stream.run}")
