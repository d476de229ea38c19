"""Runs that are saved: LangGraph against us with the memory saver and with SQLite, and how both grow.

Every pass is a thread of its own, which is forgotten at the end of the pass; what a pass delivers is the number of
checkpoints it left, in all namespaces, so that a side which saved less would be found out. Time is the processor's
(`on_cpu`), since a saver's disk and other programs are no part of the contest.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack
from dataclasses import replace
from functools import partial
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from time import process_time
from typing import Any, Final

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.memory import InMemorySaver

from benchmarks import _graphs as graphs
from benchmarks._graphs import Saver
from benchmarks._kinds import Measure, growth, head_to_head, ratio_row
from benchmarks._rows import Row
from benchmarks._timing import Contestant, Pass, Settings, interleave
from benchmarks._workloads import ZERO, AsyncPass, Engine, Graph, SyncPass

NODES: Final = 50
WIDTH: Final = 100
KEYS: Final = 300
STEPS: Final = 20
Build = Callable[[Engine, Saver], Graph]

_numbers: Final = count()


def saved() -> Iterator[tuple[str, Measure]]:
    """The scenarios of this module."""
    yield from _lines()
    yield from _fans()
    yield from _states()
    yield "growth with steps, saved", on_cpu(growth(_growing_steps, unit="step", sizes=(10, 100, 1_000)))
    yield "growth with keys, saved", on_cpu(growth(_growing_keys, unit="key", sizes=(30, 100, 300, 1_000)))


def _lines() -> Iterator[tuple[str, Measure]]:
    row = partial(graphs.line, NODES)
    yield "saved line of 50, ainvoke", _saved(row, unit="node", units=NODES, goal=1.5)
    for durability in ("sync", "exit"):
        yield (
            f"saved line of 50, ainvoke, durability {durability}",
            _saved(row, unit="node", units=NODES, durability=durability),
        )
    in_threads = partial(graphs.line, NODES, sync=True)
    yield (
        "saved line of 50, invoke (sync)",
        on_cpu(head_to_head(partial(_sync_pass, in_threads), unit="node", units=NODES)),
    )
    yield "line of 50 in SQLite, ainvoke", on_cpu(_in_sqlite(sync=False))
    yield "line of 50 in SQLite, invoke (sync)", on_cpu(_in_sqlite(sync=True))


def _fans() -> Iterator[tuple[str, Measure]]:
    """Units are graphs in nodes: each has a start, two supersteps and a checkpoint after each."""
    for label, make in (("Send", graphs.fan_of_sends), ("edges", graphs.fan_of_nodes)):
        build = partial(make, WIDTH)
        yield f"saved fan-out to 100 subgraphs, {label}", _saved(build, unit="subgraph", units=WIDTH, goal=2)


def _states() -> Iterator[tuple[str, Measure]]:
    value = graphs.wide_input(KEYS)
    for label, written in (("3 written", 3), ("all written", KEYS)):
        build = partial(graphs.wide, KEYS, nodes=STEPS, written=written)
        goal = 2 if written < KEYS else None
        yield (
            f"saved wide state of 300 keys, {label}",
            _saved(build, unit="node", units=STEPS, goal=goal, value=value),
        )
    build = partial(graphs.validated, STEPS)
    ticket = graphs.Ticket().model_dump()
    yield "saved pydantic state", _saved(build, unit="node", units=STEPS, goal=2, value=ticket)


def on_cpu(measure: Measure) -> Measure:
    """The same measurement by the time of the processor, of all threads, instead of the clock's."""

    def measured(settings: Settings, name: str) -> list[Row]:
        rows = measure(replace(settings, clock=process_time), name)
        return [replace(row, note="; ".join(filter(None, ("processor time", row.note)))) for row in rows]

    return measured


def _saved(
    build: Build, *, unit: str, units: int, goal: float | None = None, value: object = ZERO, **options: Any
) -> Measure:
    make = partial(_async_pass, build, value, options)
    return on_cpu(head_to_head(make, unit=unit, units=units, goal=goal))


def thread() -> tuple[str, RunnableConfig]:
    """A thread that never was, and the configuration that names it."""
    name = f"thread-{next(_numbers)}"
    return name, RunnableConfig(configurable={"thread_id": name}, recursion_limit=20_000)


def left_by(saver: InMemorySaver, name: str) -> int:
    """How many checkpoints the thread has, in all namespaces; it is forgotten."""
    number = sum(map(len, saver.storage[name].values()))
    saver.delete_thread(name)
    return number


def _async_pass(build: Build, value: object, options: dict[str, Any], engine: Engine) -> AsyncPass:
    saver = InMemorySaver()
    graph = build(engine, saver)

    async def run() -> int:
        name, config = thread()
        await graph.ainvoke(value, config, **options)
        return left_by(saver, name)

    return run


def _sync_pass(build: Build, engine: Engine) -> SyncPass:
    saver = InMemorySaver()
    graph = build(engine, saver)

    def run() -> int:
        name, config = thread()
        graph.invoke(ZERO, config)
        return left_by(saver, name)

    return run


def _growing_steps(engine: Engine, steps: int) -> Pass:
    return _async_pass(partial(graphs.loop, steps), ZERO, {}, engine)


def _growing_keys(engine: Engine, keys: int) -> Pass:
    build = partial(graphs.wide, keys, nodes=10, written=keys)
    return _async_pass(build, graphs.wide_input(keys), {}, engine)


def _in_sqlite(*, sync: bool) -> Measure:
    """Each side in a file of its own, which grows by a thread a pass."""

    def measure(settings: Settings, name: str) -> list[Row]:
        with TemporaryDirectory() as folder:
            stack = AsyncExitStack()
            try:
                passes = [
                    _sqlite_pass(engine, folder, settings, stack, sync) for engine in (settings.theirs, settings.ours)
                ]
                theirs, ours = interleave([Contestant(run=run, units=NODES) for run in passes], settings)
            finally:
                settings.runner.run(stack.aclose())
        return [ratio_row(name, "node", settings.theirs.name, theirs, ours, goal=None)]

    return measure


def _sqlite_pass(engine: Engine, folder: str, settings: Settings, stack: AsyncExitStack, sync: bool) -> Pass:
    from langgraph.checkpoint.sqlite import SqliteSaver
    from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver

    file = str(Path(folder, engine.name))
    if sync:
        saver: Saver = stack.enter_context(SqliteSaver.from_conn_string(file))
    else:
        saver = settings.runner.run(stack.enter_async_context(AsyncSqliteSaver.from_conn_string(file)))
    graph = graphs.line(NODES, engine, saver, sync=sync)

    async def run() -> int:
        return int((await graph.ainvoke(ZERO, thread()[1]))["count"])

    def run_sync() -> int:
        return int(graph.invoke(ZERO, thread()[1])["count"])

    return run_sync if sync else run
