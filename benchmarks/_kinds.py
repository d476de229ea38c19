"""The ways a scenario is measured: head to head, growth, fresh processes, a slow reader."""

from __future__ import annotations

import asyncio
import math
import statistics
import subprocess
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Any, cast

from benchmarks._rows import Goal, Row, Spread
from benchmarks._timing import Contestant, Pass, Settings, Timing, interleave
from benchmarks._workloads import Engine, TokenModel

Measure = Callable[[Settings, str], list[Row]]
"""Measures one scenario, given its name, and returns its lines of the table."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """A measurement and the name that heads its lines of the table."""

    name: str
    measure: Measure


def head_to_head(
    make: Callable[[Engine], Pass],
    *,
    unit: str,
    units: int,
    goal: float | None = None,
    aim: float | None = None,
) -> Measure:
    """The same workload on both engines: theirs / ours, `goal` or more.

    `aim` is a bound in µs per unit on our own figure, judged in a line of its own.
    """

    def measure(settings: Settings, name: str) -> list[Row]:
        runs = (make(settings.theirs), make(settings.ours))
        theirs, ours = interleave([Contestant(run=run, units=units) for run in runs], settings)
        row = ratio_row(name, unit, settings.theirs.name, theirs, ours, goal)
        row = replace(row, note=_same_work(theirs, ours))
        return [row] if aim is None else [row, _aim_row(row, aim)]

    return measure


def against_plain(
    plain: Callable[[], Pass],
    make: Callable[[Engine], Pass],
    *,
    unit: str,
    units: int,
    goal: float,
) -> Measure:
    """Our engine against the runnable it replaces, which does less: it has no graph around it."""

    def measure(settings: Settings, name: str) -> list[Row]:
        runs = (plain(), make(settings.ours))
        theirs, ours = interleave([Contestant(run=run, units=units) for run in runs], settings)
        row = ratio_row(name, unit, "plain chain", theirs, ours, goal)
        return [replace(row, note=f"items: {theirs.delivered} plain, {ours.delivered} ours")]

    return measure


def ratio_row(name: str, unit: str, against: str, theirs: Timing, ours: Timing, goal: float | None) -> Row:
    """A line in µs per unit whose ratio is theirs / ours."""
    return Row(
        scenario=name,
        unit=f"µs/{unit}",
        against=against,
        reference=theirs.micros,
        ours=ours.micros,
        ratio=theirs.over(ours),
        goal=None if goal is None else Goal(sense="at least", bound=goal),
    )


def _aim_row(row: Row, aim: float) -> Row:
    goal = Goal(sense="at most", bound=aim, of="ours")
    return replace(row, scenario=f"{row.scenario}: own cost", ratio=None, goal=goal, note="")


def _same_work(theirs: Timing, ours: Timing) -> str:
    """A warning where the two sides did not deliver the same amount."""
    if theirs.delivered == ours.delivered:
        return ""
    return f"delivered {theirs.delivered} and {ours.delivered}: not the same work"


def cost_of(unit: str, make: Callable[[], tuple[Pass, int]]) -> Measure:
    """What something costs that is neither engine's: a yardstick. `make` gives pass and units."""

    def measure(settings: Settings, name: str) -> list[Row]:
        run, units = make()
        (timing,) = interleave([Contestant(run=run, units=units)], settings)
        return [Row(scenario=name, unit=f"µs/{unit}", against="reference", reference=timing.micros)]

    return measure


def growth(
    make: Callable[[Engine, int], Pass],
    *,
    unit: str,
    sizes: Sequence[int],
    bound: float = 1.1,
) -> Measure:
    """One line per size, then the growth exponent: the slope of log(cost) over log(size).

    1 is linear, 2 quadratic; a fixed cost per run pulls it below 1.
    """

    def measure(settings: Settings, name: str) -> list[Row]:
        engines = (settings.theirs, settings.ours)
        contestants = [Contestant(run=make(engine, size), units=size) for size in sizes for engine in engines]
        timings = interleave(contestants, replace(settings, rounds=max(4, settings.rounds // 2)))
        theirs, ours = timings[::2], timings[1::2]
        rows = [
            ratio_row(f"{name}: {size}", unit, settings.theirs.name, one, other, goal=None)
            for size, one, other in zip(sizes, theirs, ours, strict=True)
        ]
        return [*rows, _exponent_row(f"{name}: exponent", settings, sizes, theirs, ours, bound)]

    return measure


def _exponent_row(
    name: str,
    settings: Settings,
    sizes: Sequence[int],
    theirs: Sequence[Timing],
    ours: Sequence[Timing],
    bound: float,
) -> Row:
    return Row(
        scenario=name,
        unit="log/log",
        against=settings.theirs.name,
        reference=exponent(sizes, [timing.micros for timing in theirs]),
        ours=exponent(sizes, [timing.micros for timing in ours]),
        goal=Goal(sense="at most", bound=bound, of="ours"),
    )


def exponent(sizes: Sequence[int], per_unit: Sequence[float]) -> float:
    """The least-squares slope of log(size * cost per unit) over log(size)."""
    totals = [math.log(size * cost) for size, cost in zip(sizes, per_unit, strict=True)]
    return statistics.linear_regression([math.log(size) for size in sizes], totals).slope


CORE_IMPORT = "from langchain_core.runnables import Runnable"
GRAPH_IMPORT = """
from typing import TypedDict
from {module} import END, START, StateGraph
class State(TypedDict):
    value: int
builder = StateGraph(State)
builder.add_node("node", lambda state: {{"value": 1}})
builder.add_edge(START, "node")
builder.add_edge("node", END)
builder.compile()
"""


def import_time(*, bound: float) -> Measure:
    """Fresh processes that compile a one-node graph, against one that imports LCEL alone."""

    def measure(settings: Settings, name: str) -> list[Row]:
        engines = (settings.theirs, settings.ours)
        codes = [CORE_IMPORT, *(GRAPH_IMPORT.format(module=engine.module) for engine in engines)]
        rounds = settings.rounds if settings.quick else max(9, settings.rounds)
        contestants = [Contestant(run=fresh_process(code)) for code in codes]
        core, theirs, ours = interleave(contestants, replace(settings, rounds=rounds))
        row = Row(
            scenario=name,
            unit="ms/process",
            against="langchain-core import",
            reference=core.micros / 1e3,
            ours=ours.micros / 1e3,
            ratio=ours.over(core),
            goal=Goal(sense="at most", bound=bound),
            note="ratio: ours / reference",
        )
        factor = theirs.over(core).median
        figure = f"{settings.theirs.name} takes {theirs.micros / 1e3:.0f} ms, {factor:.2f} x"
        return [replace(row, note=f"{row.note}; {figure}")]

    return measure


def fresh_process(code: str) -> Callable[[], int]:
    """A pass that runs `code` in a new interpreter. Raises `RuntimeError` if that fails."""

    def run() -> int:
        command = [sys.executable, "-c", code]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"a fresh process failed: {done.stderr.strip().splitlines()[-1:]}")
        return 0

    return run


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """A stream of a token model's output, and which of its items carry a token."""

    model: TokenModel
    stream: Callable[[], AsyncIterator[Any]]
    is_token: Callable[[Any], bool]


def slow_reader(
    reference: str,
    theirs: Callable[[Settings, int], Reading],
    ours: Callable[[Settings, int], Reading],
    *,
    buffer: int,
) -> Measure:
    """How many items the producer is ahead of a reader who pauses at every token.

    The goal is the buffer and, since an emission is held only when it is awaited, the items of
    one token more.
    """

    def measure(settings: Settings, name: str) -> list[Row]:
        tokens, pauses = (1_000, 4) if settings.quick else (5_000, 20)
        sides = [make(settings, tokens) for make in (theirs, ours)]
        found = [settings.runner.run(_lead(side, pauses)) for side in sides]
        (lead, per_token), (our_lead, our_per_token) = found
        return [
            Row(
                scenario=name,
                unit="items ahead",
                against=reference,
                reference=lead * per_token,
                ours=our_lead * our_per_token,
                ratio=Spread.of([lead * per_token / max(1.0, our_lead * our_per_token)]),
                goal=Goal(sense="at most", bound=buffer + round(our_per_token), of="ours"),
                note=f"of {tokens} tokens; ahead in tokens: {lead} and {our_lead}",
            )
        ]

    return measure


async def _lead(reading: Reading, pauses: int) -> tuple[int, float]:
    """The most tokens the producer was ahead, and how many items of the stream a token makes."""
    per_token = await _items_per_token(reading)
    before, received, most = reading.model.produced, 0, 0
    # Every `astream*` is an async generator, though LangChain declares no more than an iterator.
    async with aclosing(cast("AsyncGenerator[Any, None]", reading.stream())) as items:
        async for item in items:
            if not reading.is_token(item):
                continue
            received += 1
            await asyncio.sleep(0.1)
            most = max(most, reading.model.produced - before - received)
            if received == pauses:
                break
    return most, per_token


async def _items_per_token(reading: Reading) -> float:
    """Items over tokens, in a whole run that is read as fast as it comes."""
    items = tokens = 0
    async for item in reading.stream():
        items += 1
        tokens += reading.is_token(item)
    return items / tokens
