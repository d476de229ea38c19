"""The legacy face, whole and taken apart, against the chain: what 500 tokens cost, and when the first one comes."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator, Sequence
from contextlib import aclosing
from functools import partial
from importlib import import_module
from time import perf_counter
from typing import Any, Final

from langchain_core.runnables import Runnable

from benchmarks import _workloads as work
from benchmarks._kinds import Measure, ratio_row
from benchmarks._rows import Goal, Row
from benchmarks._timing import Contestant, Pass, Settings, interleave
from benchmarks._workloads import CONFIG, QUESTION, Engine, TokenModel

TOKENS: Final = 500
OVERHEAD: Final = 1.15
"""How much longer the face's events may take than the chain's."""
OVERHEAD_APART: Final = 1.25
"""The same of a chain that was taken apart."""
FIRST_TOKEN: Final = 1_000
"""Microseconds by which the face's first token may come later."""
MakeFace = Callable[[Settings], Runnable[Any, Any]]
MakePass = Callable[[Runnable[Any, Any]], Pass]


def faces() -> Iterator[tuple[str, Measure]]:
    """Events, chunks and first tokens of faces, against the chain.

    Of a chain as one node, on our engine and on the other, and of a chain taken apart, which our engine runs alone.
    """
    whole = (("ours", _ours, OVERHEAD), ("LangGraph's", _theirs, OVERHEAD))
    for label, of, overhead in (*whole, ("a chain taken apart", _apart, OVERHEAD_APART)):
        yield f"500 tokens, face of {label}, astream_events", partial(_whole, of, _events, goal=1 / overhead)
        yield f"500 tokens, face of {label}, astream", partial(_whole, of, _chunks, goal=None)
        yield f"500 tokens, face of {label}, stream (sync)", partial(_whole, of, _sync_chunks, goal=None)
        yield f"first token, face of {label}", partial(_first, of)


def _ours(settings: Settings) -> Runnable[Any, Any]:
    return _face(settings.ours)


def _theirs(settings: Settings) -> Runnable[Any, Any]:
    return _face(settings.theirs)


def _apart(settings: Settings) -> Runnable[Any, Any]:
    adapters = import_module("lcel_adapters")
    face: Runnable[Any, Any] = adapters.as_lcel(adapters.from_lcel(_chain()).compile())
    return face


def _chain() -> Runnable[Any, str]:
    return work.token_chain(TokenModel(tokens=TOKENS))


def _face(engine: Engine) -> Runnable[Any, Any]:
    face: Runnable[Any, Any] = import_module("lcel_adapters").as_lcel(
        work.one_node(engine, work.adapted(_chain())), output="answer"
    )
    return face


def _whole(of: MakeFace, make: MakePass, settings: Settings, name: str, goal: float | None) -> list[Row]:
    """A line whose ratio is chain / face."""
    runs = (make(_chain()), make(of(settings)))
    chain, face = interleave([Contestant(run=run, units=TOKENS) for run in runs], settings)
    assert chain.delivered == face.delivered
    return [ratio_row(name, "token", "plain chain", chain, face, None if goal is None else round(goal, 2))]


def _first(of: MakeFace, settings: Settings, name: str) -> list[Row]:
    """How much later the face's first token comes than the chain's, asked for in turn.

    Only that is timed, not the end of the streams, which are abandoned.
    """
    chain, face = _chain(), of(settings)
    waits = settings.runner.run(_first_tokens((chain, face), times=settings.rounds * 10))
    goal = Goal(sense="at most", bound=FIRST_TOKEN, of="ours")
    later = statistics.median(last - first for first, last in waits)
    note = f"{statistics.median(first for first, _ in waits):,.0f} µs of the chain"
    return [Row(scenario=name, unit="µs later", against="plain chain", ours=later, goal=goal, note=note)]


async def _first_tokens(runnables: Sequence[Runnable[Any, Any]], times: int) -> list[list[float]]:
    for runnable in runnables:
        await _first_token(runnable)
    return [[await _first_token(runnable) for runnable in runnables] for _ in range(times)]


async def _first_token(runnable: Runnable[Any, Any]) -> float:
    """Microseconds until the parser's first chunk is seen."""
    events: Any = runnable.astream_events(QUESTION, CONFIG, version="v2")
    began = perf_counter()
    async with aclosing(events):
        async for event in events:
            if event["event"] == "on_parser_stream":
                return (perf_counter() - began) * 1e6
    raise AssertionError("no token came")


def _events(runnable: Runnable[Any, Any]) -> Pass:
    return work.events_of(runnable, QUESTION)


def _chunks(runnable: Runnable[Any, Any]) -> Pass:
    async def run() -> int:
        return sum([1 async for _ in runnable.astream(QUESTION, CONFIG)])

    return run


def _sync_chunks(runnable: Runnable[Any, Any]) -> Pass:
    return lambda: sum(1 for _ in runnable.stream(QUESTION, CONFIG))
