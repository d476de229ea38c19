"""Comparing recordings: a million events on either side, in time and in memory, and how that grows.

Each measurement is a fresh process, so that its peak of memory is the comparison's own. The events are made while they
are read, as from a file: runs of 1,000 chat tokens that pass a parser and the root, from a vocabulary of 20,000 words.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any, Final
from uuid import UUID

from benchmarks._kinds import Measure, exponent
from benchmarks._rows import Goal, Row
from benchmarks._timing import Settings

MILLION: Final = 1_000_000
_TOKENS: Final = 1_000
_WORDS: Final = 20_000
_EVERY: Final = 9_973
"""One token in so many differs, where the sides are to differ."""


def comparisons() -> Iterator[tuple[str, Measure]]:
    """The scenarios of this module."""
    yield "compare a million events", _at_size(differ=False)
    yield "compare a million events, some differ", _at_size(differ=True)
    yield "growth with events compared", _growth


def events(side: int, number: int, *, differ: bool) -> Iterator[dict[str, Any]]:
    """A recording of ``number`` events or a few more; ``side`` makes its identifiers its own."""
    from langchain_core.messages import AIMessageChunk

    root = {"name": "rag", "run_id": _id(side, 0), "tags": ["main"], "metadata": {"application": "x"}, "parent_ids": []}
    yield {"event": "on_chain_start", "data": {"input": {"question": "q"}}, **root}
    for run in range(1, number // (3 * _TOKENS) + 2):
        model = {**root, "name": "model", "run_id": _id(side, 2 * run), "parent_ids": [root["run_id"]]}
        parser = {**model, "name": "parser", "run_id": _id(side, 2 * run + 1)}
        yield {"event": "on_chat_model_start", "data": {"input": {"messages": [[]]}}, **model}
        yield {"event": "on_parser_start", "data": {}, **parser}
        for token in range(min(_TOKENS, number // 3 - (run - 1) * _TOKENS)):
            place = run * _TOKENS + token
            word = f" w{place * 7_919 % _WORDS}" + "!" * (differ and place % _EVERY == 0)
            message = AIMessageChunk(content=word, id=f"run-{model['run_id']}")
            yield {"event": "on_chat_model_stream", "data": {"chunk": message}, **model}
            yield {"event": "on_parser_stream", "data": {"chunk": word}, **parser}
            yield {"event": "on_chain_stream", "data": {"chunk": word}, **root}


def measured(number: int, *, differ: bool) -> tuple[float, float]:
    """Seconds of one processor, whatever else the machine does, and the peak of memory in MB.

    Args:
        number: How many events either side has.
        differ: Whether some of them differ.
    """
    from lcel_compat.compare import compare_events

    begin = time.process_time()
    comparison = compare_events(events(1, number, differ=False), events(2, number, differ=differ))
    seconds = time.process_time() - begin
    if comparison.verdict != ("breaking" if differ else "same"):
        raise RuntimeError(f"the comparison says {comparison.verdict!r}")
    return seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _fresh(number: int, *, differ: bool) -> tuple[float, float]:
    code = f"from benchmarks._compare import measured; print(*measured({number}, differ={differ}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"a fresh process failed: {done.stderr.strip().splitlines()[-1:]}")
    seconds, megabytes = map(float, done.stdout.split())
    return seconds, megabytes


def _at_size(*, differ: bool) -> Measure:
    def measure(settings: Settings, name: str) -> list[Row]:
        number = MILLION // 20 if settings.quick else MILLION
        seconds, megabytes = _fresh(number, differ=differ)
        note = f"{number} events on either side; seconds of one processor"
        return [
            Row(
                scenario=name,
                unit="s",
                against="",
                ours=seconds,
                goal=Goal(sense="at most", bound=60, of="ours"),
                note=note,
            ),
            Row(
                scenario=f"{name}: memory",
                unit="MB",
                against="",
                ours=megabytes,
                goal=Goal(sense="at most", bound=500, of="ours"),
                note=note,
            ),
        ]

    return measure


def _growth(settings: Settings, name: str) -> list[Row]:
    sizes = [size // 5 if settings.quick else size for size in (30_000, 90_000, 270_000)]
    costs = [_fresh(size, differ=True)[0] * 1e6 / size for size in sizes]
    rows = [
        Row(scenario=f"{name}: {size}", unit="µs/event", against="", ours=cost)
        for size, cost in zip(sizes, costs, strict=True)
    ]
    goal = Goal(sense="at most", bound=1.1, of="ours")
    slope = exponent(sizes, costs)
    return [*rows, Row(scenario=f"{name}: exponent", unit="log/log", against="", ours=slope, goal=goal)]


def _id(side: int, run: int) -> str:
    return str(UUID(int=(side << 96) + run))
