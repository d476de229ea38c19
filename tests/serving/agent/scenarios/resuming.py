"""Streams that are joined while they run, replayed, and continued from an event."""

from __future__ import annotations

from collections.abc import Iterator

from tests.serving.agent.scenarios.together import slow
from tests.serving.agent.stage import Scenario, Stage

ALL = {"Last-Event-ID": "-1"}


def scenarios() -> Iterator[Scenario]:
    """All of them."""
    after = ("noid", "minus1", "id", "mode", "mode2")
    names = ("res_stream", "res_join_live", "res_join_minus1_live", *(f"res_join_after_{word}" for word in after))
    yield Scenario(name="res", group="res", names=(*names, "res_join_badid", "res_joinwait"), play=_resumable)
    names = ("nres_stream", "nres_join_live", "nres_join_minus1_live", "nres_join_after")
    yield Scenario(name="nres", group="res", names=names, play=_not_resumable)
    yield Scenario(name="res_err", group="res", names=("res_err", "res_err_replay", "res_err_join"), play=_failed)
    yield Scenario(
        name="res_sub", group="res", names=("res_sub", "res_sub_replay", "res_sub_replay_mode"), play=_subgraphs
    )
    shared = "events of one millisecond share an id (Q6): how many follow it depends on the clock"
    yield Scenario(name="res_ev", group="res", names=("res_ev", "res_ev_replay"), play=_events, flaps=shared)


async def _resumable(stage: Stage) -> None:
    thread = f"/threads/{await stage.thread()}"
    async with stage.open("res_stream", "POST", f"{thread}/runs/stream", slow(6, stream_resumable=True)) as stream:
        await stream.seen("custom", 4)
        path = f"{thread}/runs/{stream.run}/stream"
        async with stage.open("res_join_live", "GET", path):
            await stage.call("res_join_minus1_live", "GET", path, asked=ALL)
    await stage.call("res_join_after_noid", "GET", path)
    await stage.call("res_join_after_minus1", "GET", path, asked=ALL)
    await stage.call("res_join_after_id", "GET", path, asked={"Last-Event-ID": stream.ids[3]})
    await stage.call("res_join_after_mode", "GET", f"{path}?stream_mode=values", asked=ALL)
    await stage.call("res_join_after_mode2", "GET", f"{path}?stream_mode=values,custom", asked=ALL)
    await stage.call("res_join_badid", "GET", path, asked={"Last-Event-ID": "zzz"})
    await stage.call("res_joinwait", "GET", path.replace("/stream", "/join"))


async def _not_resumable(stage: Stage) -> None:
    thread = f"/threads/{await stage.thread()}"
    async with stage.open("nres_stream", "POST", f"{thread}/runs/stream", slow(6)) as stream:
        await stream.seen("custom", 4)
        path = f"{thread}/runs/{stream.run}/stream"
        async with stage.open("nres_join_live", "GET", path):
            await stage.call("nres_join_minus1_live", "GET", path, asked=ALL)
    await stage.call("nres_join_after", "GET", path, asked=ALL)


async def _failed(stage: Stage) -> None:
    thread = f"/threads/{await stage.thread()}"
    body = {"assistant_id": "err", "input": {"n": 0}, "stream_mode": ["values"], "stream_resumable": True}
    stream = await stage.call("res_err", "POST", f"{thread}/runs/stream", body)
    await stage.call("res_err_replay", "GET", f"{thread}/runs/{stream.run}/stream", asked=ALL)
    await stage.call("res_err_join", "GET", f"{thread}/runs/{stream.run}/join")


async def _subgraphs(stage: Stage) -> None:
    thread = f"/threads/{await stage.thread()}"
    body = {"assistant_id": "sub", "input": {"n": 1}, "stream_mode": ["updates", "messages"]}
    more = {"stream_subgraphs": True, "stream_resumable": True}
    stream = await stage.call("res_sub", "POST", f"{thread}/runs/stream", body | more)
    path = f"{thread}/runs/{stream.run}/stream"
    await stage.call("res_sub_replay", "GET", path, asked=ALL)
    await stage.call("res_sub_replay_mode", "GET", f"{path}?stream_mode=updates", asked=ALL)


async def _events(stage: Stage) -> None:
    thread = f"/threads/{await stage.thread()}"
    body = {"assistant_id": "qa", "input": {"question": "x"}, "stream_mode": ["events"], "stream_resumable": True}
    stream = await stage.call("res_ev", "POST", f"{thread}/runs/stream", body)
    path = f"{thread}/runs/{stream.run}/stream"
    await stage.call("res_ev_replay", "GET", path, asked={"Last-Event-ID": stream.ids[3]})
