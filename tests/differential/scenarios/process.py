"""Processes that run a graph on a SQLite file and end without a word at an operation of their saver.

    python -m tests.differential.scenarios.process SCENARIO FOLDER

ends the process of a run at the thread's first operation and goes on in another; then does the same on a new thread at
the second operation, and so on, and prints a line of JSON for each. Every process is a fork of this one, which has no
threads and no loop.
"""

from __future__ import annotations

import json
import os
import sqlite3
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from itertools import count
from pathlib import Path
from typing import Any

from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.sqlite import SqliteSaver

from tests.differential.scenarios.kills import CONTROL, INPUT, next_input
from tests.differential.scenarios.stage import Stage
from tests.differential.scenarios.table import SCENARIOS
from tests.support.engines import OURS

KILLED, DONE = 9, 3
"""Exit codes: of a process that ended at its operation, and of one that found nothing left to do."""
CONFIG: Any = {"configurable": {"thread_id": "thread"}}


class Brittle(SqliteSaver):
    """A saver whose process ends at the n-th operation, before it is done."""

    left: int | None = None

    def _spend(self) -> None:
        if self.left is not None:
            self.left -= 1
            if self.left == 0:
                os._exit(KILLED)

    def put(self, config: Any, checkpoint: Any, metadata: Any, new_versions: Any) -> Any:
        """Save a checkpoint, or end the process."""
        self._spend()
        return super().put(config, checkpoint, metadata, new_versions)

    def put_writes(self, config: Any, writes: Sequence[tuple[str, Any]], task_id: str, task_path: str = "") -> None:
        """Save what a task wrote, or end the process."""
        self._spend()
        super().put_writes(config, writes, task_id, task_path)


@contextmanager
def _opened(file: Path) -> Iterator[Brittle]:
    """Open a saver whose file outlives the process, though not the machine: the disk is not waited for."""
    with closing(sqlite3.connect(file, check_same_thread=False)) as connection:
        connection.execute("PRAGMA synchronous=OFF")
        yield Brittle(connection)


def _live(name: str, at: int | None, file: Path, log: Path) -> tuple[int, int | None]:
    """Give the thread what it waits for, once, and note every task that starts; return a code and what is left."""

    def note(metadata: Any) -> None:
        task = metadata["langgraph_checkpoint_ns"].rpartition("|")[2].partition(":")[2]
        with log.open("a") as started:
            started.write(f"{task}\n")

    build = next(one.build for one in SCENARIOS if one.name == name)
    with _opened(file) as saver:
        graph = build(Stage(lib=OURS, colour="sync", saver=saver, watch=note))
        x, done = next_input(OURS, graph.get_state(CONFIG))
        if done:
            return DONE, None
        saver.left = at
        graph.invoke(x, CONFIG, durability="sync")
        return 0, saver.left


def _forked(name: str, at: int | None, file: Path, log: Path) -> tuple[int, int | None]:
    """Live in a process of its own; return its exit code, and after how many operations the next one is to end."""
    receiving, sending = os.pipe()
    child = os.fork()
    if not child:
        code = 1
        try:
            code, left = _live(name, at, file, log)
            os.write(sending, json.dumps(left).encode())
        finally:
            os._exit(code)
    os.close(sending)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    with os.fdopen(receiving) as told:
        return code, json.loads(told.read() or "null")


def _kept(file: Path) -> set[str]:
    with _opened(file) as saver:
        writes = [write for one in saver.list(CONFIG) for write in one.pending_writes or ()]
    return {task for task, channel, _ in writes if channel not in CONTROL}


def _story(name: str, folder: Path, at: int) -> dict[str, Any]:
    """Tell how a thread fared that was killed at its n-th operation: exit codes, what ran twice, its end."""
    file, log = folder / f"{at}.db", folder / f"{at}.log"
    log.touch()
    codes: list[int] = []
    twice: set[str] = set()
    left: int | None = at
    while DONE not in codes:
        before, known = _kept(file), len(log.read_text().split())
        code, left = _forked(name, left, file, log)
        codes.append(code)
        twice |= before & set(log.read_text().split()[known:])
    with _opened(file) as saver:
        end = saver.get_tuple(CONFIG)
    values = end.checkpoint["channel_values"] if end else {}
    return {"at": at, "codes": codes, "twice": sorted(twice), "log": values.get("log")}


def _import_everything() -> None:
    """Run a graph, so that what the engine imports at first use is not imported anew in every fork."""
    stage = Stage(lib=OURS, colour="sync", saver=InMemorySaver())
    graph = stage.graph({"a": None, "sub": stage.sub({"ask": stage.asks("ask", "which?")}, "^>ask>$")}, "^>a>sub>$")
    graph.invoke(INPUT, CONFIG, durability="sync")
    graph.get_state(CONFIG)


def main(name: str, folder: str) -> None:
    """Print a story for each operation, until none is left to be killed at."""
    _import_everything()
    for at in count(1):
        told = _story(name, Path(folder), at)
        print(json.dumps(told), flush=True)
        if KILLED not in told["codes"]:
            return


if __name__ == "__main__":
    main(*sys.argv[1:])
