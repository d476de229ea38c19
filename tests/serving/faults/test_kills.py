"""Servers that are killed at random moments of runs: nothing is lost, nothing comes twice, everything ends."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.serving.faults.databases import KINDS
from tests.serving.faults.killing import soak
from tests.support.plugin import note

KIND = [pytest.param(kind, marks=[pytest.mark.postgres] if kind == "postgres" else []) for kind in KINDS]
LIBRARY = ["OURS", pytest.param("LANGGRAPH", marks=pytest.mark.langgraph)]


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("library", LIBRARY)
@pytest.mark.parametrize("kind", KIND)
def test_killed_servers_lose_nothing(kind: str, library: str, tmp_path: Path) -> None:
    """Whenever a server is killed: states, histories, statuses and kept streams are those of undisturbed runs."""
    _survives(kind, library, tmp_path, kills=5, seed=0)


@pytest.mark.soak
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("library", LIBRARY)
@pytest.mark.parametrize("kind", KIND)
def test_a_hundred_killed_servers_lose_nothing(kind: str, library: str, tmp_path: Path) -> None:
    """The same, a hundred times on each database; LCEL_COMPAT_SEED chooses the moments."""
    _survives(kind, library, tmp_path, kills=100, seed=int(os.environ.get("LCEL_COMPAT_SEED", "1")))


def _survives(kind: str, library: str, folder: Path, *, kills: int, seed: int) -> None:
    servers, rounds, wrong = soak(kind, folder, library, kills, seed)
    note(
        f"{kind}, {library}: {servers.kills} servers killed in {rounds} rounds of {servers.runs} runs in all,"
        f" {servers.disturbed} streamed runs executed again, {len(wrong)} faults"
    )
    assert not wrong, "\n\n".join(wrong[:10])
    assert servers.disturbed, "no kill hit a streamed run: the moments are badly chosen"
