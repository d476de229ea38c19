"""Serving: our server against skeino, the fastest complete open server measured, on the same graph of LangGraph.

Servers are processes of their own, uvicorn with one worker each, and the load comes from this one. All servers of a
scenario live at the same time and take turns, in rounds whose order is turned round; a ratio is formed per round. A
line "own engine" is the same server with the same graph on our engine, against the same figures of skeino's.

skeino runs as its package installs it; our extra `serve` brings the event loop and the parser that uvicorn takes by
itself where they are installed. skeino keeps what it keeps in memory where runs are stateless, as it does by default,
and in the same kind of database as ours where they are on threads. Runs on threads make the thread first, `POST
/threads`, and leave three checkpoints.
"""

from __future__ import annotations

import statistics
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from tempfile import TemporaryDirectory
from typing import Any, Final

from benchmarks import _serving_databases as databases
from benchmarks._kinds import Measure
from benchmarks._rows import Goal, Row, Spread
from benchmarks._serving_apps import raise_limit
from benchmarks._serving_load import Loaded, Order, load, percentile
from benchmarks._serving_open import SLOW_PIECE, Crowd, Seen, crowded
from benchmarks._serving_processes import Process, peers_python
from benchmarks._timing import Settings

CLIENTS: Final = (1, 16)
PEER: Final = "skeino"
OURS: Final = {"LangGraph's graph": "ours-langgraph", "own engine": "ours"}
# The peer saves nothing before the end of a run unless it is told to; the real server does, and so do we.
SAVED: Final = {"durability": "async"}
THREAD: Final = Order(thread=True, body=SAVED)
RESUMABLE: Final = Order(thread=True, body={**SAVED, "stream_resumable": True})


def serving() -> Iterator[tuple[str, Measure]]:
    """The scenarios of this module."""
    yield "serving stateless, values", contest(Order(), goal=2, first=10)
    yield "serving stateless, events", contest(Order(body={"stream_mode": "events"}), goal=2, first=10)
    for name, order in (("", THREAD), (", resumable", RESUMABLE)):
        yield f"serving on threads in SQLite{name}", contest(order, goal=1)
    for name, order in (("", THREAD), (", resumable", RESUMABLE)):
        yield f"serving on threads in PostgreSQL{name}", contest(order, postgres=True)
    yield "serving a bare route", bare_route
    yield "serving a place in the queue", queues
    yield "serving 1,000 open streams, stateless", partial(open_streams, thread=False)
    yield "serving 1,000 open streams, on threads", partial(open_streams, thread=True)
    yield "serving stateless, where the time goes", partial(profile, Order())
    yield "serving on threads, where the time goes", partial(profile, THREAD)
    yield "serving on threads, resumable, where the time goes", partial(profile, RESUMABLE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """A server that runs."""

    port: int
    process: Process

    async def loaded(self, order: Order, clients: int, seconds: float) -> Loaded:
        """What it does under load."""
        return await load(self.port, self.process.pid, order, clients=clients, seconds=seconds)


@asynccontextmanager
async def served(names: Sequence[str], urls: Sequence[str]) -> AsyncIterator[list[Server]]:
    """Servers by their names in `_serving_apps.APPS`, each with its database."""
    async with AsyncExitStack() as stack:
        servers = []
        for name, url in zip(names, urls, strict=True):
            python = peers_python() if name == PEER else sys.executable
            process = await stack.enter_async_context(Process("_serving_apps", [name, url], python))
            servers.append(Server(port=await process.said(), process=process))
        yield servers


def seconds_of(settings: Settings) -> float:
    """How long one server is loaded in one round."""
    return 40 * settings.block


async def in_rounds(servers: Sequence[Server], order: Order, clients: int, settings: Settings) -> list[list[Loaded]]:
    """What each server did in each round, after one that does not count."""
    found: list[list[Loaded]] = [[] for _ in servers]
    for server in servers:
        await server.loaded(order, clients, seconds_of(settings))
    for number in range(max(1, settings.rounds // 2)):
        turns = range(len(servers))
        for index in turns if number % 2 == 0 else reversed(turns):
            found[index].append(await servers[index].loaded(order, clients, seconds_of(settings)))
    return found


def contest(order: Order, *, goal: float | None = None, first: float | None = None, postgres: bool = False) -> Measure:
    """The peer, our server with LangGraph's graph, our server with our own.

    `goal` is a bound on our runs per second over the peer's with 16 clients, `first` one on our milliseconds to the
    first event.
    """

    def measure(settings: Settings, name: str) -> list[Row]:
        if postgres and not databases.answers():
            return [Row(scenario=name, unit="", against=PEER, note=f"left out: no PostgreSQL at {databases.SHOWN}")]
        return settings.runner.run(_contest(settings, name))

    async def _contest(settings: Settings, name: str) -> list[Row]:
        rows: list[Row] = []
        names = [PEER, *OURS.values()]
        with databases.made(len(names), postgres=postgres) as urls:
            # Without threads it needs no database, and is faster without.
            urls = urls if order.thread else ["", *urls[1:]]
            async with served(names, urls) as servers:
                for clients in CLIENTS:
                    theirs, *ours = await in_rounds(servers, order, clients, settings)
                    for label, figures in zip(OURS, ours, strict=True):
                        line = f"{name}, {clients} client{'s' * (clients > 1)}, {label}"
                        rows.append(rate_row(line, theirs, figures, goal if clients > 1 else None))
                        rows.append(first_row(line, theirs, figures, first))
        return rows

    return measure


def rate_row(name: str, theirs: Sequence[Loaded], ours: Sequence[Loaded], goal: float | None) -> Row:
    """Runs per second; whole runs and processor time in the note."""
    ratios = [mine.rate / other.rate for mine, other in zip(ours, theirs, strict=True)]
    return Row(
        scenario=name,
        unit="runs/s",
        against=PEER,
        reference=statistics.median(one.rate for one in theirs),
        ours=statistics.median(one.rate for one in ours),
        ratio=Spread.of(ratios),
        goal=None if goal is None else Goal(sense="at least", bound=goal),
        note=f"ours / reference; ours: {_costs(ours)}; {PEER}: {_costs(theirs)}",
    )


def first_row(name: str, theirs: Sequence[Loaded], ours: Sequence[Loaded], goal: float | None) -> Row:
    """Milliseconds to the first event."""
    reference, mine = ([percentile(one.first, 0.5) for one in side] for side in (theirs, ours))
    late = [percentile([value for one in side for value in one.first], 0.99) for side in (ours, theirs)]
    return Row(
        scenario=f"{name}: first event",
        unit="ms",
        against=PEER,
        reference=statistics.median(reference),
        ours=statistics.median(mine),
        ratio=Spread.of([a / b for a, b in zip(reference, mine, strict=True)]),
        goal=None if goal is None else Goal(sense="at most", bound=goal, of="ours"),
        note=f"p99: {late[0]:.1f} ms, {PEER} {late[1]:.1f} ms",
    )


def _costs(side: Sequence[Loaded]) -> str:
    whole = [value for one in side for value in one.whole]
    processor = statistics.median(one.processor_ms for one in side)
    return (
        f"run p50 {percentile(whole, 0.5):.1f} ms, p99 {percentile(whole, 0.99):.0f} ms,"
        f" processor {processor:.2f} ms, {side[-1].bytes} bytes"
    )


def bare_route(settings: Settings, name: str) -> list[Row]:
    """A yardstick: a FastAPI route that streams three events and does nothing else."""

    async def measure() -> list[Row]:
        async with served(["fastapi"], [""]) as servers:
            found = [(clients, (await in_rounds(servers, Order(), clients, settings))[0]) for clients in CLIENTS]
        return [_bare_row(f"{name}, {clients} clients", figures) for clients, figures in found]

    return settings.runner.run(measure())


def _bare_row(name: str, figures: Sequence[Loaded]) -> Row:
    rate = statistics.median(one.rate for one in figures)
    return Row(scenario=name, unit="runs/s", against="reference", reference=rate, note=_costs(figures))


def queues(settings: Settings, name: str) -> list[Row]:
    """A workflow of DBOS that does nothing, against the row of a run that does nothing."""

    async def measure() -> list[Row]:
        with TemporaryDirectory() as folder:
            async with (
                Process("_serving_queue", ["dbos", f"sqlite:///{folder}/dbos.db"], peers_python()) as theirs,
                Process("_serving_queue", ["rows", f"sqlite:///{folder}/rows.db"]) as ours,
            ):
                await theirs.said()
                await ours.said()
                return [row for clients in CLIENTS for row in await _queue_rows(settings, name, clients, theirs, ours)]

    return settings.runner.run(measure())


async def _queue_rows(settings: Settings, name: str, clients: int, theirs: Process, ours: Process) -> list[Row]:
    order = [clients, seconds_of(settings)]
    found: list[tuple[dict[str, float], dict[str, float]]] = []
    for _ in range(1 + max(1, settings.rounds // 2)):
        found.append((await theirs.asked(order), await ours.asked(order)))
    del found[0]
    line = f"{name}, {clients} client{'s' * (clients > 1)}"
    rates = [(other["rate"], mine["rate"], mine["rate"] / other["rate"]) for other, mine in found]
    costs = [(other["processor_ms"], mine["processor_ms"]) for other, mine in found]
    return [
        _queue_row(line, "runs/s", rates),
        _queue_row(f"{line}: processor", "ms/run", [(other, mine, other / mine) for other, mine in costs]),
    ]


def _queue_row(name: str, unit: str, figures: Sequence[tuple[float, float, float]]) -> Row:
    theirs, ours, ratios = zip(*figures, strict=True)
    return Row(
        scenario=name,
        unit=unit,
        against="DBOS",
        reference=statistics.median(theirs),
        ours=statistics.median(ours),
        ratio=Spread.of(ratios),
        note="ours / reference" if unit == "runs/s" else "",
    )


def open_streams(settings: Settings, name: str, *, thread: bool) -> list[Row]:
    """A thousand streams at once, every tenth of which is read slowly."""
    crowd = Crowd(readers=900, slow=100, pieces=1_024, seconds=5 if settings.quick else 20, thread=thread)
    if settings.rounds == 1:
        crowd = Crowd(readers=9, slow=1, pieces=64, seconds=1, thread=thread)
    raise_limit()

    async def measure() -> Row:
        with databases.made(2) as urls:
            theirs, ours = [await _crowded(app, url, crowd) for app, url in zip(OURS.values(), urls, strict=True)]
        return Row(
            scenario=name,
            unit="MB resident",
            against="our server, LangGraph's graph",
            reference=theirs.most,
            ours=ours.most,
            goal=Goal(sense="at most", bound=500, of="ours"),
            note=(
                f"{ours.before:.0f} MB before; {crowd.slow} slow readers, whose runs make"
                f" {crowd.pieces * SLOW_PIECE / 2**20:.1f} MB each; LangGraph holds no node whose reader is slow"
            ),
        )

    return [settings.runner.run(measure())]


async def _crowded(app: str, url: str, crowd: Crowd) -> Seen:
    async with served([app], [url]) as (server,):
        return await crowded(server.port, server.process.pid, crowd)


def profile(order: Order, settings: Settings, name: str) -> list[Row]:
    """Processor time of our server for a run with 16 clients, by what it was spent on: `_serving_profile`."""

    async def measure() -> list[Row]:
        sides = []
        with databases.made(2) as urls:
            for app, url in zip(OURS.values(), urls, strict=True):
                async with served([app], [url]) as (server,):
                    sides.append(await _profiled(server, order, seconds_of(settings)))
        theirs, ours = sides
        kinds = sorted({*theirs, *ours}, key=lambda kind: -ours.get(kind, 0.0))
        return [_profile_row(f"{name}: {kind}", theirs.get(kind, 0.0), ours.get(kind, 0.0), ours) for kind in kinds]

    return settings.runner.run(measure())


async def _profiled(server: Server, order: Order, seconds: float) -> dict[str, float]:
    """Milliseconds for a run by kind, and all together."""
    await server.loaded(order, CLIENTS[-1], seconds)
    await server.process.asked("profile")
    loaded = await server.loaded(order, CLIENTS[-1], 4 * seconds)
    found: dict[str, Any] = await server.process.asked("report")
    kinds = {kind: 1e3 * spent / len(loaded.whole) for kind, spent in found["kinds"].items()}
    return {"all": sum(kinds.values()), **kinds}


def _profile_row(name: str, theirs: float, ours: float, all_of_ours: dict[str, float]) -> Row:
    share = f"{100 * ours / all_of_ours['all']:.0f} % of ours"
    return Row(
        scenario=name, unit="ms/run", against="our server, LangGraph's graph", reference=theirs, ours=ours, note=share
    )
