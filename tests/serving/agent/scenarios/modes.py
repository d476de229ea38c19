"""Every stream mode, alone and combined: on a thread, twice, and on a run without one."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

from tests.serving.agent.stage import Scenario, Stage

INPUTS: dict[str, dict[str, Any]] = {
    "qa": {"question": "q?"},
    "custom": {"n": 1},
    "chat": {"messages": [{"role": "user", "content": "1+2?"}]},
    "sub": {"n": 1},
}
MODES = ("values", "updates", "messages", "messages-tuple", "debug", "custom", "events", "tasks", "checkpoints")
MULTI = ("events", "values", "updates", "messages-tuple")
ALL = ("events", "values", "updates", "messages", "custom", "debug", "tasks", "checkpoints")


def scenarios() -> Iterator[Scenario]:
    """All of them; the transcripts of ``sub`` and of runs without a thread were not kept."""
    for graph in INPUTS:
        for mode in MODES:
            yield _alone(graph, mode)
            yield _stateless(graph, mode)
        for subgraphs in (False, True):
            yield _combined(graph, subgraphs)
            yield _stateless(graph, "multi", subgraphs)
            yield _stateless(graph, "all", subgraphs)
    yield _both("m_both", ["messages", "messages-tuple"])
    yield _both("m_both_events", ["messages", "events"])


def _alone(graph: str, mode: str) -> Scenario:
    name = f"t_{graph}_{mode}"

    async def play(stage: Stage) -> None:
        path = f"/threads/{await stage.thread()}/runs/stream"
        body = {"assistant_id": graph, "input": INPUTS[graph], "stream_mode": mode}
        await stage.call(name, "POST", path, body)
        await stage.call(f"{name}_sub", "POST", path, body | {"stream_mode": [mode], "stream_subgraphs": True})

    return Scenario(name=name, group=f"t_{graph}", names=(name, f"{name}_sub"), play=play, captured=graph != "sub")


def _combined(graph: str, subgraphs: bool) -> Scenario:
    names = tuple(f"t_{graph}_{modes}_{str(subgraphs).lower()}" for modes in ("multi", "all"))

    async def play(stage: Stage) -> None:
        path = f"/threads/{await stage.thread()}/runs/stream"
        for name, modes in zip(names, (MULTI, ALL), strict=True):
            body = {"assistant_id": graph, "input": INPUTS[graph], "stream_mode": modes, "stream_subgraphs": subgraphs}
            await stage.call(name, "POST", path, body)

    return Scenario(name=names[0], group=f"t_{graph}_many", names=names, play=play, captured=graph != "sub")


def _stateless(graph: str, mode: str, subgraphs: bool | None = None) -> Scenario:
    asked = {"multi": MULTI, "all": ALL}.get(mode, mode)
    name = f"s_{graph}_{mode}" + ("" if subgraphs is None else f"_{str(subgraphs).lower()}")
    body = {"assistant_id": graph, "input": INPUTS[graph], "stream_mode": asked, "stream_subgraphs": bool(subgraphs)}
    return Scenario(name=name, group=f"s_{graph}", names=(name,), play=partial(_post, name, body), captured=False)


async def _post(name: str, body: dict[str, Any], stage: Stage) -> None:
    await stage.call(name, "POST", "/runs/stream", body)


def _both(name: str, modes: list[str]) -> Scenario:
    async def play(stage: Stage) -> None:
        path = f"/threads/{await stage.thread()}/runs/stream"
        body = {"assistant_id": "qa", "input": {"question": "q"}, "stream_mode": modes}
        await stage.call(name, "POST", path, body)

    return Scenario(name=name, group="modes", names=(name,), play=play)
