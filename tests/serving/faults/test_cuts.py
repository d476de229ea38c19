"""Wherever a server was cut off, between whichever write and the next, the run goes on to the same end."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lcel_adapters.serve._runs._log import Entry, packed, unpacked
from tests.serving.faults.graphs import build
from tests.serving.faults.inside import inside
from tests.serving.faults.kept import flaws, history, saver_of, state
from tests.serving.faults.lanes import MODES, Lanes, lanes
from tests.support.engines import LANGGRAPH, OURS, Library

LIBRARIES = [OURS, pytest.param(LANGGRAPH, marks=pytest.mark.langgraph)]
GRAPHS = ["steps", "wide", "nest"]
pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


@dataclass(frozen=True, kw_only=True)
class Undisturbed:
    """A run that came to its end, in a file of its own."""

    file: Path
    run_id: str
    thread_id: str
    lanes: Lanes
    state: Any
    entries: Sequence[Entry]
    checkpoints: Sequence[str]


def _undisturbed(library: Library, graph: str, folder: Path) -> Undisturbed:
    file = folder / f"{library.name} {graph}.db"
    run, kept = asyncio.run(_played(library, file, graph))
    with saver_of(f"sqlite:///{file}") as saver:
        found = state(history(saver, run["thread_id"]))
    with closing(sqlite3.connect(file)) as raw:
        rows = raw.execute("select frames from lcel_run_events order by first_seq").fetchall()
        checkpoints = [row[0] for row in raw.execute("select checkpoint_id from checkpoints order by 1")]
        raw.execute("pragma journal_mode = delete")
    return Undisturbed(
        file=file,
        run_id=run["run_id"],
        thread_id=run["thread_id"],
        lanes=lanes(kept),
        state=found,
        entries=[entry for row in rows for entry in unpacked(row[0])],
        checkpoints=checkpoints,
    )


async def _played(library: Library, file: Path, graph: str) -> Any:
    async with inside(f"sqlite:///{file}", build(library)) as server:
        run = await server.run(graph, input={"tick": 0.0}, stream_mode=MODES, stream_subgraphs=True)
        return run, await server.kept(run["run_id"])


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Library, str], Undisturbed]:
    """The run of a graph when nothing happens."""
    return cache(partial(_undisturbed, folder=tmp_path_factory.mktemp("undisturbed")))


def _cut(whole: Undisturbed, file: Path, frames: int, checkpoints: int, batch: int) -> None:
    """Leave so many frames and checkpoints of a run, as a server does that is killed."""
    shutil.copy(whole.file, file)
    last = whole.checkpoints[checkpoints - 1] if checkpoints else ""
    left = whole.entries[:frames]
    with closing(sqlite3.connect(file)) as raw, raw:
        raw.execute("delete from lcel_run_events")
        for place in range(0, len(left), batch):
            some = left[place : place + batch]
            row = (whole.run_id, some[0].seq, some[-1].seq, 1, packed(some))
            raw.execute(
                "insert into lcel_run_events (run_id, first_seq, last_seq, attempt, frames) values (?, ?, ?, ?, ?)", row
            )
        raw.execute("delete from checkpoints where checkpoint_id > ?", (last,))
        raw.execute("delete from writes where checkpoint_id > ?", (last,))
        raw.execute("update lcel_runs set status = 'running', owner = 'dead', attempt = 1, ended_at = null")
        raw.execute("update lcel_threads set status = 'busy', \"values\" = null")


EXAMPLES = settings().max_examples // 5
PARTS = st.integers(0, 200)


@pytest.mark.parametrize("library", LIBRARIES, ids=lambda library: str(library.name))
@settings(max_examples=EXAMPLES)
@given(graph=st.sampled_from(GRAPHS), told=PARTS, saved=PARTS, batch=st.sampled_from((1, 7, 1000)))
def test_a_run_comes_to_the_same_end_wherever_it_was_cut(
    library: Library,
    undisturbed: Callable[[Library, str], Undisturbed],
    tmp_path_factory: pytest.TempPathFactory,
    graph: str,
    told: int,
    saved: int,
    batch: int,
) -> None:
    """However far log and checkpoints had come: state, history and kept stream are the undisturbed run's."""
    whole = undisturbed(library, graph)
    frames, checkpoints = told % (len(whole.entries) + 1), saved % (len(whole.checkpoints) + 1)
    file = tmp_path_factory.mktemp("cut") / "cut.db"
    _cut(whole, file, frames, checkpoints, batch)
    status, kept = asyncio.run(_gone_on(library, file, whole.run_id))
    assert status == "success"
    assert whole.lanes == lanes(kept)
    ids = [one.id for one in kept]
    assert ids == sorted({*ids})
    assert not frames or kept[-1].id is None or frames < kept[-1].id or len(whole.entries) == frames
    with saver_of(f"sqlite:///{file}") as saver:
        found = history(saver, whole.thread_id)
    assert flaws(found) == []
    assert state(found) == whole.state


async def _gone_on(library: Library, file: Path, run_id: str) -> Any:
    async with inside(f"sqlite:///{file}", build(library)) as server:
        return await server.over({"run_id": run_id}), await server.kept(run_id)
