"""The server's OpenAPI is true enough to be used against it: whatever it allows, no request breaks the server."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.strategies import randoms

from tests.serving.agent.graphs import build
from tests.support.agent_server import serving
from tests.support.engines import OURS

# Schemathesis is installed beside LangGraph only.
pytestmark = [pytest.mark.slow, pytest.mark.langgraph, pytest.mark.timeout(900)]

GRAPHS = ("trivial", "human", "err", "fan", "qa")
"""Those that end at once. The first raises nothing: LangServe's routes answer 500 where a runnable raises."""

EXAMPLES = 15
"""Requests per operation."""


@pytest.fixture(scope="module")
def url(folder: Path) -> Iterator[str]:
    """A server of few graphs."""
    graphs = build(OURS)
    with serving({name: graphs[name] for name in GRAPHS}, folder, max_runs=20) as url:
        yield url


class Known:
    """Identifiers of things that exist: generated ones alone would only ever be refused.

    They are made anew from time to time, since requests that succeed also delete.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._used = 0
        self._ids: dict[str, str] = {}

    def put(self, values: Any, chance: random.Random) -> None:
        """Replace most of the identifiers among ``values``."""
        if isinstance(values, dict):
            for key in values.keys() & self._fresh().keys():
                if chance.random() < 0.7:
                    values[key] = self._ids[key]

    def _fresh(self) -> dict[str, str]:
        if self._used % 30 == 0:
            self._ids = self._made()
        self._used += 1
        return self._ids

    def _made(self) -> dict[str, str]:
        with httpx.Client(base_url=self._url, timeout=30) as client:
            thread = client.post("/threads", json={}).json()["thread_id"]
            body = {"assistant_id": "human", "input": {"n": 1}}
            run = client.post(f"/threads/{thread}/runs/wait", json=body).headers["content-location"].split("/")[-1]
            assistant = client.post("/assistants", json={"graph_id": "qa"}).json()["assistant_id"]
            checkpoint = client.get(f"/threads/{thread}/state").json()["checkpoint_id"]
        return {"thread_id": thread, "run_id": run, "assistant_id": assistant, "checkpoint_id": checkpoint}


def operations(url: str) -> Iterator[Any]:
    """The operations of the Agent Server, and LangServe's of one graph."""
    from schemathesis import openapi
    from schemathesis.core.result import Ok

    for found in openapi.from_url(f"{url}/openapi.json").get_all_operations():
        assert isinstance(found, Ok), f"not OpenAPI: {found.err()}"
        if found.ok().path.split("/")[1] not in GRAPHS[1:]:
            yield found.ok()


def broken(operation: Any, url: str, known: Known) -> list[str]:
    """The requests of one operation, as commands, that a server error answered."""
    found: list[str] = []

    @settings(
        max_examples=EXAMPLES,
        phases=(Phase.explicit, Phase.generate),
        suppress_health_check=list(HealthCheck),
        deadline=None,
    )
    @given(case=operation.as_strategy(), chance=randoms())
    def ask(case: Any, chance: random.Random) -> None:
        for values in (case.path_parameters, case.query, case.body):
            known.put(values, chance)
        _soon(case.body)
        response = case.call(base_url=url, timeout=30)
        if response.status_code >= 500:
            found.append(f"{response.status_code} {response.text[:100]} to {case.as_curl_command()[:800]}")

    ask()
    return found


def _soon(body: Any) -> None:
    """Let runs begin within a second: one that is to begin in years is waited for as long."""
    for run in body if isinstance(body, list) else [body]:
        later = run.get("after_seconds") if isinstance(run, dict) else None
        if isinstance(later, (int, float)) and 1 < later <= 10**9:
            run["after_seconds"] = 1


# What its strategies draw from is its own affair.
@pytest.mark.filterwarnings("ignore:Do not use the `random` module inside strategies")
def test_no_request_breaks_the_server(url: str) -> None:
    """Generated requests of every operation, with known and unknown identifiers, are answered, never with 5xx."""
    known = Known(url)
    asked = {operation.label: broken(operation, url, known) for operation in operations(url)}
    assert len(asked) > 40
    errors = [line for lines in asked.values() for line in lines[:2]]
    assert not errors, "\n".join(errors)
    assert httpx.get(f"{url}/ok").json()["ok"] is True
