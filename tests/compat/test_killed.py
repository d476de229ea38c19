"""A process that is killed and started again: its thread goes on, and nothing that it showed is done twice."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from lcel_compat.types import Durability
from tests.support.killable import EXPECTED, THREAD, graph

ROOT = Path(__file__).parents[2]
SEEDS = 1
"""Programs that are killed every day; ``make soak`` kills a hundred."""


def _run(folder: Path, durability: Durability, lines: int | None) -> tuple[list[str], bool]:
    """Start the program, and kill it when it has shown so many lines; what it showed, and whether it ended."""
    command = [sys.executable, "-m", "tests.support.killable", "saver.db", "effects", durability]
    environment = {"PYTHONPATH": f"{ROOT}:{ROOT / 'compat'}:{ROOT / 'adapters'}", "PATH": "/usr/bin:/bin"}
    with subprocess.Popen(
        command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        shown: list[str] = []
        while (line := process.stdout.readline()) and (lines is None or len(shown) < lines):
            shown.append(line.strip())
        if line:
            shown.append(line.strip())
            process.kill()
        shown += process.stdout.read().split("\n")[:-1]
        problem = process.stderr.read()
        code = process.wait()
    assert code in (0, -9), problem
    return shown, code == 0


def _effects(folder: Path) -> list[str]:
    path = folder / "effects"
    return path.read_text().splitlines() if path.exists() else []


def _killed_until_it_ends(folder: Path, durability: Durability, seed: int) -> int:
    """Kill the program at random lines until it comes to its end; how often that took."""
    chance = random.Random(seed)
    shown: set[str] = set()
    for kills in range(40):
        before = _effects(folder)
        lines, ended = _run(folder, durability, chance.randrange(0, 6))
        again = Counter(_effects(folder)[len(before) :]).keys() & shown
        if durability == "sync":
            assert not again, f"{again} ran again after it had been shown"
        shown |= set(lines)
        if ended:
            return kills
        time.sleep(chance.random() * 0.01)
    raise AssertionError("the program never came to its end")


def _final(folder: Path) -> list[str]:
    from langgraph.checkpoint.sqlite import SqliteSaver

    with SqliteSaver.from_conn_string(str(folder / "saver.db")) as saver:
        state = graph(saver, folder / "effects").get_state(THREAD)
    assert state.next == ()
    log: list[str] = state.values["log"]
    return log


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("durability", ["sync", "async"])
@pytest.mark.parametrize("seed", range(SEEDS))
def test_killed_and_started_again(tmp_path: Path, durability: Durability, seed: int) -> None:
    """However often it is killed, the thread ends as if it had not been; in sync nothing that was shown runs again."""
    _killed_until_it_ends(tmp_path, durability, seed)
    assert _final(tmp_path) == EXPECTED


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_killed_before_the_exit(tmp_path: Path) -> None:
    """With durability "exit" a killed run has saved nothing: its thread begins again, and everything runs again."""
    _run(tmp_path, "exit", 4)
    effects = _effects(tmp_path)
    assert len(effects) >= 4
    shown, ended = _run(tmp_path, "exit", None)
    assert ended
    assert sorted(shown) == sorted(EXPECTED)
    assert _final(tmp_path) == EXPECTED


@pytest.mark.soak
@pytest.mark.parametrize("durability", ["sync", "async"])
def test_killed_a_hundred_times(tmp_path: Path, durability: Durability) -> None:
    """The same, until the program was killed a hundred times."""
    kills = 0
    for seed in range(1000, 1200):
        folder = tmp_path / str(seed)
        folder.mkdir()
        kills += _killed_until_it_ends(folder, durability, seed)
        assert _final(folder) == EXPECTED
        if kills >= 100:
            break
    print(f"killed: {kills} times")
    assert kills >= 100
