"""Connections on which nothing happens for a long time."""

from __future__ import annotations

from collections.abc import Iterator

from tests.serving.agent.stage import Scenario, Stage

QUIET = {"assistant_id": "quiet", "input": {"n": 12}}


def scenarios() -> Iterator[Scenario]:
    """One: twelve seconds, so that a beat every five seconds is seen."""
    yield Scenario(name="hb", group="beats", names=("hb_stream", "hb_wait"), play=_beats, heartbeats=True)


async def _beats(stage: Stage) -> None:
    async with stage.open("hb_stream", "POST", "/runs/stream", QUIET | {"stream_mode": ["values"]}):
        await stage.call("hb_wait", "POST", "/runs/wait", QUIET)
