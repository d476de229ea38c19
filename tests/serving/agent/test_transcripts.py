"""Our Agent Server answers what the real one answers, but for names and times."""

from __future__ import annotations

import asyncio

import pytest

from tests.serving.agent.captures import facts
from tests.serving.agent.differences import compared
from tests.serving.agent.differing import differing
from tests.serving.agent.scenarios import SCENARIOS
from tests.serving.agent.stage import Scenario, all_played
from tests.support.agent_server import OTHER
from tests.support.engines import Library
from tests.support.wire import Form

# Both engines need LangGraph's langchain-core: messages and metadata of older ones have other fields.
pytestmark = [pytest.mark.slow, pytest.mark.langgraph, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def answers(url: str) -> dict[Scenario, Form]:
    """What the server answers to every scenario; the one that counts assistants is played before others make some."""
    first = SCENARIOS["graphs"]
    others = [scenario for scenario in SCENARIOS.values() if scenario is not first]
    return asyncio.run(all_played([first], url, at_once=1)) | asyncio.run(all_played(others, url, at_once=6))


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_scenario_is_answered_as_the_real_server_answers_it(
    name: str, engine: Library, answers: dict[Scenario, Form]
) -> None:
    """Status, headers and bodies or streams are those of the real server, but for the numbered differences."""
    scenario = SCENARIOS[name]
    found = answers[scenario]
    facts_of, found = (facts(scenario), found) if OTHER else compared(name, engine.name, facts(scenario), found)
    lines = differing(facts_of, found)
    assert not lines, "\n".join(lines)
