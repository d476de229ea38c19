"""Memory of long loops: what a run of 10,000 supersteps needs beyond one of 1,000, when nothing keeps it.

`tracemalloc` counts Python's own allocations, so that the figure does not depend on the machine; the peak is of the
run alone, in this process. Memory that grows with the steps is given in bytes per step.

The saver is waited for at each step (`durability="sync"`): without that, a run may be ahead of its saver, and how far
depends on who gets the processor. How far it gets when the saver is slow is measured on a line of its own.
"""

from __future__ import annotations

import asyncio
import gc
import time
import tracemalloc
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from functools import partial
from typing import Any, Final

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import BaseCheckpointSaver, Checkpoint, CheckpointMetadata, CheckpointTuple

from benchmarks import _graphs as graphs
from benchmarks._graphs import Saver
from benchmarks._kinds import Measure
from benchmarks._rows import Goal, Row
from benchmarks._saved import thread
from benchmarks._timing import Settings
from benchmarks._workloads import ZERO, Engine

SIZES: Final = (1_000, 10_000)
FLAT: Final = 2
"""Bytes per step: a quarter of a pointer; whatever is kept of each superstep needs more."""
DELAY: Final = 0.002
"""Seconds that the slow saver takes to save a checkpoint: several supersteps' time."""


class Oblivious(BaseCheckpointSaver[int]):
    """A saver that keeps nothing: what a run needs with it is the run's own."""

    def get_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        return None

    def list(self, config: RunnableConfig | None, **options: Any) -> Iterator[CheckpointTuple]:
        return iter(())

    def put(
        self, config: RunnableConfig, checkpoint: Checkpoint, metadata: CheckpointMetadata, new_versions: Any
    ) -> RunnableConfig:
        place = {name: config["configurable"][name] for name in ("thread_id", "checkpoint_ns")}
        return {"configurable": {**place, "checkpoint_id": checkpoint["id"]}}

    def put_writes(
        self, config: RunnableConfig, writes: Sequence[tuple[str, Any]], task_id: str, task_path: str = ""
    ) -> None:
        """Nothing is kept."""

    async def aget_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        return None

    async def alist(self, config: RunnableConfig | None, **options: Any) -> AsyncIterator[CheckpointTuple]:
        for found in self.list(config):
            yield found

    async def aput(
        self, config: RunnableConfig, checkpoint: Checkpoint, metadata: CheckpointMetadata, new_versions: Any
    ) -> RunnableConfig:
        return self.put(config, checkpoint, metadata, new_versions)

    async def aput_writes(
        self, config: RunnableConfig, writes: Sequence[tuple[str, Any]], task_id: str, task_path: str = ""
    ) -> None:
        """Nothing is kept."""


class Slow(Oblivious):
    """Takes its time over each checkpoint; `saved` counts them."""

    def __init__(self) -> None:
        super().__init__()
        self.saved = 0

    def put(
        self, config: RunnableConfig, checkpoint: Checkpoint, metadata: CheckpointMetadata, new_versions: Any
    ) -> RunnableConfig:
        time.sleep(DELAY)
        self.saved += 1
        return super().put(config, checkpoint, metadata, new_versions)

    async def aput(
        self, config: RunnableConfig, checkpoint: Checkpoint, metadata: CheckpointMetadata, new_versions: Any
    ) -> RunnableConfig:
        await asyncio.sleep(DELAY)
        self.saved += 1
        return super().put(config, checkpoint, metadata, new_versions)


def memory() -> Iterator[tuple[str, Measure]]:
    """The scenarios of this module."""
    for label, make in (("no saver", lambda: None), ("a saver that keeps nothing", Oblivious)):
        for colour, run in (("astream", _streamed), ("stream (sync)", _streamed_sync)):
            yield f"memory of a loop of 10,000, {label}, {colour}", partial(_grown, make, run)
    for colour, run in (("astream", _streamed), ("stream (sync)", _streamed_sync)):
        yield f"slow saver, {colour}", partial(_ahead, run)


Run = Callable[[Settings, Engine, Saver, int], int]


def _grown(make: Callable[[], Saver], run: Run, settings: Settings, name: str) -> list[Row]:
    """Bytes by which the peak grows per step, and the peaks themselves."""
    sizes = [size // 10 if settings.quick else size for size in SIZES]
    figures = {}
    notes = []
    for engine in (settings.theirs, settings.ours):
        run(settings, engine, make(), 10)  # what is made once in a process is no growth
        few, many = (_peak(partial(run, settings, engine, make(), size)) for size in sizes)
        figures[engine.name] = max(0.0, (many - few) / (sizes[1] - sizes[0]))
        notes.append(f"{engine.name} {few / 1024:,.0f} and {many / 1024:,.0f} KB")
    return [
        Row(
            scenario=name,
            unit="bytes/step",
            against=settings.theirs.name,
            reference=figures[settings.theirs.name],
            ours=figures[settings.ours.name],
            goal=Goal(sense="at most", bound=FLAT, of="ours"),
            note=f"peaks at {sizes[0]:,} and {sizes[1]:,} steps: {', '.join(notes)}",
        )
    ]


def _peak(run: Callable[[], int]) -> int:
    """The most bytes that were allocated at once while this ran, beyond what there was before."""
    gc.collect()
    tracemalloc.start()
    try:
        run()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def _ahead(run: Run, settings: Settings, name: str) -> list[Row]:
    """The most checkpoints that a run is ahead of a slow saver."""
    steps = 100 if settings.quick else 1_000
    leads = []
    for engine in (settings.theirs, settings.ours):
        saver = Slow()
        leads.append(float(run(settings, engine, saver, steps)))
    return [
        Row(
            scenario=name,
            unit="checkpoints ahead",
            against=settings.theirs.name,
            reference=leads[0],
            ours=leads[1],
            note=f"of {steps:,}, each saved in {DELAY * 1000:g} ms, durability async",
        )
    ]


def _options(saver: Saver) -> dict[str, Any]:
    return {} if saver is None or isinstance(saver, Slow) else {"durability": "sync"}


def _lead(saver: Saver, items: int) -> int:
    return items - saver.saved if isinstance(saver, Slow) else 0


def _streamed(settings: Settings, engine: Engine, saver: Saver, steps: int) -> int:
    """The most that the run was ahead of a slow saver."""
    graph: Any = graphs.loop(steps, engine, saver)

    async def read() -> int:
        items = lead = 0  # a list of what was read would grow, too
        async for _ in graph.astream(ZERO, thread()[1], stream_mode="updates", **_options(saver)):
            items += 1
            lead = max(lead, _lead(saver, items))
        return lead

    return settings.runner.run(read())


def _streamed_sync(settings: Settings, engine: Engine, saver: Saver, steps: int) -> int:
    graph: Any = graphs.loop(steps, engine, saver, sync=True)
    lead = 0
    stream = graph.stream(ZERO, thread()[1], stream_mode="updates", **_options(saver))
    for items, _ in enumerate(stream, 1):
        lead = max(lead, _lead(saver, items))
    return lead
