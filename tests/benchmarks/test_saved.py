"""The measurements of saved runs: what they compare is the same work, on both engines. None looks at speed."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from functools import partial
from time import perf_counter
from typing import Any

import pytest
from langgraph.checkpoint.memory import InMemorySaver

from benchmarks import _graphs as graphs
from benchmarks import _memory, _saved, _threads
from benchmarks._rows import Row
from benchmarks._timing import Contestant, Settings, interleave
from benchmarks._workloads import LANGGRAPH, LCEL_COMPAT, ZERO, Engine

ENGINES = [pytest.param(LCEL_COMPAT, id="ours"), pytest.param(LANGGRAPH, id="langgraph", marks=pytest.mark.langgraph)]


@pytest.fixture
def settings() -> Iterator[Settings]:
    """The shortest measurement there is, with us on both sides."""
    with asyncio.Runner() as runner:
        yield Settings(theirs=LCEL_COMPAT, ours=LCEL_COMPAT, runner=runner, rounds=1, block=1e-9, quick=True)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    ("build", "value", "left", "total"),
    [
        pytest.param(partial(graphs.line, 5), ZERO, 7, 5, id="line"),
        pytest.param(partial(graphs.loop, 5), ZERO, 7, 5, id="loop"),
        pytest.param(partial(graphs.wide, 9, nodes=4), graphs.wide_input(9), 6, 4, id="wide"),
        pytest.param(partial(graphs.validated, 4), graphs.Ticket().model_dump(), 6, 4, id="validated"),
        pytest.param(partial(graphs.fan_of_sends, 5), ZERO, 3 + 5 * 4, 10, id="sends"),
        pytest.param(partial(graphs.fan_of_nodes, 5), ZERO, 3 + 5 * 4, 10, id="nodes"),
    ],
)
def test_a_saved_run_leaves_its_checkpoints(
    engine: Engine, build: _saved.Build, value: Any, left: int, total: int
) -> None:
    """Every graph counts its nodes, and leaves a checkpoint for the input, the beginning and each superstep."""
    saver = InMemorySaver()
    name, config = _saved.thread()

    found = asyncio.run(build(engine, saver).ainvoke(value, config))

    assert total == found["count"]
    assert left == _saved.left_by(saver, name)
    assert not saver.storage, "the thread is forgotten"


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("inside", [False, True])
def test_every_question_is_asked_and_answered(engine: Engine, inside: bool) -> None:
    """The passes over questions go on until the last one is answered."""
    assert asyncio.run(_threads._asking(inside, engine)()) == _threads.QUESTIONS


@pytest.mark.langgraph
def test_streams_of_subgraphs_have_as_many_items() -> None:
    """All modes of graphs in graphs yield the same number of items on either side, in either colour."""
    modes = list(_threads.MODES)
    engines = (LANGGRAPH, LCEL_COMPAT)

    in_sync = [_threads._streaming_sync(modes, engine)() for engine in engines]
    in_async = [asyncio.run(_threads._streaming(modes, engine)()) for engine in engines]

    assert len({*in_sync, *in_async}) == 1
    assert in_sync[0] > 400


def test_a_thread_is_as_long_as_it_is_called() -> None:
    """The thread that is read has 200 checkpoints, and updating it in a pass does not make it longer."""
    graph, saver, name, config = _threads._long_thread(LCEL_COMPAT)

    assert _threads._history(graph, config) == _threads.CHECKPOINTS
    assert _threads._state(graph, config) == _threads.CHECKPOINTS - 2
    assert _threads._update(graph, saver, name, config) == 1
    assert _saved.left_by(saver, name) == _threads.CHECKPOINTS


def test_the_time_of_the_processor_is_not_the_clock_of_the_wall(settings: Settings) -> None:
    """A measurement `on_cpu` does not count sleeping, and says in its note that it did not."""

    def measure(given: Settings, name: str) -> list[Row]:
        (timing,) = interleave([Contestant(run=nap)], given)
        return [Row(scenario=name, unit="µs", against="", ours=timing.micros, note="a nap")]

    async def nap() -> int:
        await asyncio.sleep(0.02)
        return 0

    (slept,) = measure(settings, "nap")
    (worked,) = _saved.on_cpu(measure)(settings, "nap")

    assert (settings.clock, slept.note) == (perf_counter, "a nap")
    assert worked.note == "processor time; a nap"
    assert slept.ours is not None
    assert worked.ours is not None
    assert worked.ours < 10_000 < 20_000 <= slept.ours


def test_memory_that_grows_is_found(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that keeps a thing of every step fails the goal; one that keeps nothing meets it."""
    monkeypatch.setattr(_memory, "SIZES", (5_000, 50_000))

    def keeps(settings: Settings, engine: Engine, saver: Any, steps: int) -> int:
        return len([None] * steps)

    def forgets(settings: Settings, engine: Engine, saver: Any, steps: int) -> int:
        return sum(1 for _ in range(steps))

    grown, flat = (_memory._grown(lambda: None, run, settings, "memory")[0] for run in (keeps, forgets))

    assert grown.ours == pytest.approx(8, abs=0.5)
    assert (grown.met, flat.met) == (False, True)


@pytest.mark.parametrize("run", [_memory._streamed, _memory._streamed_sync])
def test_a_slow_saver_is_overtaken(settings: Settings, run: _memory.Run) -> None:
    """The run is ahead of a saver that takes its time, by checkpoints counted while it streams."""
    lead = run(settings, LCEL_COMPAT, _memory.Slow(), 20)

    assert 0 < lead <= 20


@pytest.mark.slow
@pytest.mark.parametrize("sync", [True, False])
def test_sqlite_is_measured_in_a_file(settings: Settings, sync: bool) -> None:
    """Both savers of SQLite run the line to its end, and are closed."""
    (row,) = _saved._in_sqlite(sync=sync)(settings, "sqlite")

    assert row.ours is not None
    assert row.ours > 0


def test_no_scenario_of_saved_runs_has_the_name_of_another() -> None:
    """Each measurement of this part can be singled out by name."""
    found = [name for name, _ in (*_saved.saved(), *_threads.threads(), *_memory.memory())]

    assert len(set(found)) == len(found)
