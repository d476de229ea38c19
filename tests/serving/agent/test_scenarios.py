"""The scenarios leave nothing out that is served."""

from __future__ import annotations

import re
from pathlib import Path

from tests.serving.agent.captures import facts
from tests.serving.agent.graphs import build
from tests.serving.agent.scenarios import LEFT_OUT, SCENARIOS
from tests.support.engines import OURS


def test_every_route_is_asked(tmp_path: Path) -> None:
    """Each operation of the Agent Server that our OpenAPI has is part of a scenario, or left out for a reason."""
    from lcel_adapters.serve import create_app

    graphs = build(OURS)
    paths = create_app(graphs, database=f"sqlite:///{tmp_path / 'agent.db'}").openapi()["paths"]
    served = {
        f"{method.upper()} {path}" for path in paths for method in paths[path] if path.split("/")[1] not in graphs
    }
    asked = {exchange["request"].split("?")[0] for name in SCENARIOS for exchange in facts(SCENARIOS[name])}
    assert len(served) > 40
    assert {one for one in served if not any(_template(one).fullmatch(request) for request in asked)} <= LEFT_OUT.keys()


def _template(operation: str) -> re.Pattern[str]:
    return re.compile(re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(operation)))


def test_names_are_of_one_exchange_each() -> None:
    """No two exchanges have one name, so that a name says which transcript it is."""
    names = [name for scenario in SCENARIOS.values() for name in scenario.names]
    assert len(names) == len(set(names))
