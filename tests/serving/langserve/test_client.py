"""LangServe's real client, ``RemoteRunnable``, hears from our server what it hears from LangServe's."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.serving.langserve.client import TOLD, WAYS
from tests.serving.langserve.conftest import Servers
from tests.serving.langserve.routes import TEXT, WARNINGS
from tests.support.normal import assert_same

pytestmark = [pytest.mark.slow, *WARNINGS]


def _hear(*arguments: str) -> dict[str, Any]:
    # Its clients are never closed, and their finalizers complain: that is not looked at here.
    command = [sys.executable, "-W", "ignore", str(Path(__file__).with_name("client.py")), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "invalid event" not in done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.fixture(scope="module")
def heard(servers: Servers) -> tuple[dict[str, Any], dict[str, Any]]:
    """What the client hears from each server, in a process of its own."""
    return _hear(servers.theirs), _hear(servers.ours)


@pytest.mark.parametrize("how", WAYS)
def test_what_it_hears(heard: tuple[dict[str, Any], dict[str, Any]], how: str) -> None:
    """In every way to ask, the client gets the same."""
    theirs, ours = (side[how] for side in heard)
    assert_same(theirs, ours)
    assert len(str(ours)) >= 3


@pytest.fixture(scope="module")
def told(servers: Servers) -> dict[str, Any]:
    """What the client's callback handlers are told of a chain with a model, which LangServe cannot say."""
    return _hear(servers.ours, "callbacks")


@pytest.mark.parametrize("how", TOLD)
def test_what_its_callbacks_are_told(told: dict[str, Any], how: str) -> None:
    """With callback events, the client's handlers are called as if the chain ran there: models included."""
    output, said = told[how]
    assert TEXT in output
    ends = [one for one in said if one[0] == "model end"]
    assert [one[1] for one in ends] == [TEXT] * (2 if "batch" in how else 1)
    if how == "callbacks":
        assert [one[0] for one in said].count("chain start") == [one[0] for one in said].count("chain end") == 4
        assert "HumanMessage(content='Tell me a joke about parrots'" in str(said)
        assert ends[0][2].startswith("AIMessage(content='Why did the parrot cross'")
