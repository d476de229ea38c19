"""Run the benchmarks: `python -m benchmarks [--quick] [--only PATTERN] [--json FILE]`.

How to read the table. A line is one scenario. `reference` is the median cost of whoever stands
under `against`, `ours` that of lcel-compat, both in `unit`. `ratio` is reference / ours, formed
once per round, with its median and, in brackets, its interquartile range: 5 means that we take a
fifth of the time. Where a note says "ours / reference" it is the other way round. `goal` is a
bound on the ratio or on our own figure, and `met` judges the median; a range that straddles the
goal means that the answer is noise.

Both sides run in the same process and in the same rounds, in alternating order, after a warm-up,
so that a busy machine slows both; the figures in µs still depend on the machine, the ratios hardly.
Exceptions, by their nature: imports are timed as fresh processes, servers are processes of their own
that take turns, and a slow reader or saver is counted in items, not timed. The first run of a scenario
of serving makes an environment for what it is compared with, `.venv-peers`.
Where a note says "processor time", the time is that which all threads
of the process spent on a processor, without waiting for disks or for other programs.
A line `exponent` is the slope of log(cost) over log(size): 1 is linear.
The last lines are yardsticks, no contest.

`--ours langgraph` compares LangGraph with itself: every ratio against LangGraph should be near 1.
What is not, on a given machine, is the error of the method there.

The exit code is 0 whether or not goals are met, and 2 if a scenario could not run.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import os
import re
import sys
import warnings
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

from benchmarks._kinds import Scenario
from benchmarks._report import environment, print_table, write_json
from benchmarks._rows import Row
from benchmarks._scenarios import scenarios
from benchmarks._timing import Settings
from benchmarks._workloads import LANGGRAPH, LCEL_COMPAT

ENGINES: Final = {"lcel-compat": LCEL_COMPAT, "langgraph": LANGGRAPH}
TRACING: Final = ("LANGSMITH_TRACING", "LANGSMITH_TRACING_V2", "LANGCHAIN_TRACING_V2")


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, write; return the exit code."""
    parser = _parser()
    options = parser.parse_args(arguments)
    chosen = [one for one in scenarios() if re.search(options.only, one.name, re.IGNORECASE)]
    if not chosen:
        parser.error(f"--only {options.only!r} selects no scenario; --list names them")
    if options.list:
        print(*(one.name for one in chosen), sep="\n")
        return 0
    with asyncio.Runner() as runner:
        settings = _settings(options, runner)
        rows = _measured(chosen, settings)
    print(", ".join(f"{name} {value}" for name, value in environment().items()))
    print_table(rows, sys.stdout)
    if options.json is not None:
        write_json(rows, settings, options.json)
    return 2 if any(row.failed for row in rows) else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=_summary())
    parser.add_argument("--quick", action="store_true", help="few short rounds: a first look")
    parser.add_argument("--only", default="", metavar="PATTERN", help="regular expression on names")
    parser.add_argument("--list", action="store_true", help="name the scenarios and stop")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the lines there as JSON")
    parser.add_argument("--rounds", type=_positive, metavar="N", help="default 16, quick 6")
    parser.add_argument("--freeze", action="store_true", help="gc.freeze() after each warm-up")
    parser.add_argument(
        "--ours",
        choices=sorted(ENGINES),
        default="lcel-compat",
        help="langgraph: compares LangGraph with itself; every ratio should be near 1",
    )
    return parser


def _summary() -> str:
    return (__doc__ or "").partition("\n\n")[2]


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{number} rounds: at least 1 is needed")
    return number


def _settings(options: argparse.Namespace, runner: asyncio.Runner) -> Settings:
    return Settings(
        theirs=LANGGRAPH,
        ours=ENGINES[options.ours],
        runner=runner,
        rounds=options.rounds or (6 if options.quick else 16),
        block=0.01 if options.quick else 0.05,
        quick=options.quick,
        freeze=options.freeze,
    )


def _measured(chosen: Iterable[Scenario], settings: Settings) -> list[Row]:
    """The lines of all chosen scenarios; one that raises becomes a failed line, not the end."""
    # Tracing by environment is a listener, and would send what the benchmarks do to a server.
    for name in TRACING:
        os.environ.pop(name, None)
    rows: list[Row] = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for scenario in chosen:
            print(f"{scenario.name} …", file=sys.stderr, flush=True)
            rows += _lines(scenario, settings)
            gc.collect()
    return rows


def _lines(scenario: Scenario, settings: Settings) -> Iterator[Row]:
    try:
        yield from scenario.measure(settings, scenario.name)
    except Exception as error:
        reason = str(error).partition("\n")[0]
        note = f"could not run: {type(error).__name__}: {reason}"
        yield Row(scenario=scenario.name, unit="", against="", note=note, failed=True)


if __name__ == "__main__":
    sys.exit(main())
