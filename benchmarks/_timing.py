"""Interleaved timing: every contestant once per round, the order turned round each time.

A ratio of two figures taken minutes apart measures the machine as much as the code. Here the
contestants of a scenario share one process and every round, and a ratio is formed per round.
"""

from __future__ import annotations

import asyncio
import gc
import inspect
import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import perf_counter

from typing_extensions import TypeIs

from benchmarks._rows import Spread
from benchmarks._workloads import AsyncPass, Engine, SyncPass

Pass = AsyncPass | SyncPass
"""One run of a workload; returns how much came out (items, or the final value)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How long and how often to measure, and who competes.

    `block` is the least time in seconds that one contestant runs in one round, by `clock`.
    """

    theirs: Engine
    ours: Engine
    runner: asyncio.Runner
    rounds: int
    block: float
    quick: bool = False
    freeze: bool = False
    clock: Callable[[], float] = perf_counter


@dataclass(frozen=True, slots=True, kw_only=True)
class Contestant:
    """A workload on one engine; `units` is what one pass is divided by (nodes, tokens…)."""

    run: Pass
    units: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """Seconds per unit, one figure per round, and what the last pass delivered."""

    per_round: tuple[float, ...]
    delivered: int

    @property
    def micros(self) -> float:
        """The median in microseconds per unit."""
        return statistics.median(self.per_round) * 1e6

    def over(self, other: Timing) -> Spread:
        """The spread of the per-round ratios of this timing to the other."""
        return Spread.of([a / b for a, b in zip(self.per_round, other.per_round, strict=True)])


def interleave(contestants: Sequence[Contestant], settings: Settings) -> list[Timing]:
    """Time all contestants in `settings.rounds` rounds, the order turned round each time.

    Each is warmed up first and gets as many passes per round as fill `settings.block` seconds.
    Garbage is collected between, never switched off within: an engine pays for what it leaves.
    """
    warm = [_warm_up(contestant, settings) for contestant in contestants]
    seconds: list[list[float]] = [[] for _ in contestants]
    if settings.freeze:
        gc.freeze()
    for number in range(settings.rounds):
        order = range(len(contestants))
        for index in order if number % 2 == 0 else reversed(order):
            passes = warm[index][0]
            elapsed, _ = _timed(contestants[index], passes, settings)
            seconds[index].append(elapsed / passes / contestants[index].units)
    if settings.freeze:
        gc.unfreeze()
    return [
        Timing(per_round=tuple(figures), delivered=delivered)
        for figures, (_, delivered) in zip(seconds, warm, strict=True)
    ]


def _warm_up(contestant: Contestant, settings: Settings) -> tuple[int, int]:
    """Run twice, then say how many passes fill a block and what a pass delivers."""
    _timed(contestant, 2, settings)
    elapsed, delivered = _timed(contestant, 1, settings)
    return max(1, math.ceil(settings.block / elapsed)), delivered


def _timed(contestant: Contestant, passes: int, settings: Settings) -> tuple[float, int]:
    gc.collect()
    run = contestant.run
    if _is_async(run):
        return settings.runner.run(_time_async(run, passes, settings.clock))
    return _time_sync(run, passes, settings.clock)


def _is_async(run: Pass) -> TypeIs[AsyncPass]:
    return inspect.iscoroutinefunction(run)


def _time_sync(run: SyncPass, passes: int, clock: Callable[[], float]) -> tuple[float, int]:
    start = clock()
    for _ in range(passes):
        delivered = run()
    return clock() - start, delivered


async def _time_async(run: AsyncPass, passes: int, clock: Callable[[], float]) -> tuple[float, int]:
    start = clock()
    for _ in range(passes):
        delivered = await run()
    return clock() - start, delivered
