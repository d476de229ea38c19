"""What ours does better than the real server, and what no transcript can show."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.serving.agent.differences import DIFFERENCES
from tests.serving.agent.graphs import build
from tests.serving.agent.scenarios import SCENARIOS
from tests.serving.agent.stage import Stage
from tests.support.agent_server import serving
from tests.support.engines import OURS
from tests.support.wire import INTERNAL, events, heartbeats

pytestmark = [pytest.mark.slow]

PAGE = "http://example.com"
ALSO = "from langchain_core.runnables import RunnableLambda\ngraph = RunnableLambda(str)\n"
EVERY = ["values", "updates", "messages", "custom", "events", "debug", "tasks", "checkpoints"]


@pytest.fixture(scope="module")
def url(folder: Path) -> Iterator[str]:
    """A server whose heart beats fast, and that lets one page in."""
    from lcel_adapters.serve._project import Project

    path = folder / "langgraph.json"
    told = {"graphs": {"also": "./also.py:graph"}, "http": {"cors": {"allow_origins": [PAGE], "allow_methods": ["*"]}}}
    path.write_text(json.dumps(told), "utf-8")
    (folder / "also.py").write_text(ALSO, "utf-8")
    with serving(build(OURS, tick=0.1), folder, heartbeat=0.2, project=Project.read(path)) as url:
        yield url


@pytest.fixture
async def stage(url: str) -> AsyncIterator[Stage]:
    """Requests to that server."""
    async with httpx.AsyncClient(base_url=url, timeout=30) as client:
        yield Stage(client)


def test_every_difference_has_its_number_and_shows_somewhere() -> None:
    """Numbers begin at 1 and leave none out, and each difference names scenarios that exist, or exchanges of them."""
    for letter in "AE":
        numbers = [difference.number for difference in DIFFERENCES if difference.number[0] == letter]
        assert numbers == [f"{letter}{number + 1}" for number in range(len(numbers))]
    known = {*SCENARIOS, *(name for scenario in SCENARIOS.values() for name in scenario.names)}
    assert all(difference.scenarios <= known for difference in DIFFERENCES)


async def test_a_stream_goes_on_after_any_of_its_events(stage: Stage) -> None:
    """A1: ids differ and ascend, and what follows one of them is all that came after it."""
    thread = f"/threads/{await stage.thread()}"
    body = {"assistant_id": "qa", "input": {"question": "q?"}, "stream_mode": EVERY, "stream_resumable": True}
    stream = await stage.call("stream", "POST", f"{thread}/runs/stream", body)
    whole = events(stream.content)
    assert len(whole) > 30
    assert [int(number) for number in stream.ids] == sorted({int(number) for number in stream.ids})
    for number, identifier in enumerate(stream.ids):
        path = f"{thread}/runs/{stream.run}/stream"
        rest = await stage.call("rest", "GET", path, asked={"Last-Event-ID": identifier})
        assert events(rest.content) == whole[number + 1 :]


async def test_nothing_is_told_of_the_server_itself(stage: Stage) -> None:
    """A6 (Q15): streams, runs, states and threads are free of what the real server leaks of its insides."""
    thread = f"/threads/{await stage.thread()}"
    body = {"assistant_id": "sub", "input": {"n": 1}, "stream_mode": EVERY, "stream_subgraphs": True}
    headers = {"x-secret": "x-secret-value"}
    await stage.call("stream", "POST", f"{thread}/runs/stream", body, asked=headers)
    await stage.settled(thread)
    for path in ("", "/runs", "/state?subgraphs=true", "/history"):
        await stage.call(path, "GET", f"{thread}{path}")
    told = "".join(answer.content.decode() for answer in stage.answers.values())
    assert len(told) > 50_000
    # langchain-core puts its own versions into the metadata of models; a user's state may have a user_id.
    words = {*INTERNAL, "x-secret", "x-secret-value"} - {"lc_versions", "user_id"}
    assert [word for word in sorted(words) if f'"{word}"' in told] == []


async def test_pages_of_other_origins_can_come_back(stage: Stage) -> None:
    """A7: a page that is let in may read ``Location``, by which the clients take up a broken stream."""
    body = {"assistant_id": "qa", "input": {"question": "q?"}}
    answer = await stage.call("post", "POST", "/runs/stream", body, asked={"Origin": PAGE})
    exposed = {name.strip().lower() for name in answer.headers["access-control-expose-headers"].split(",")}
    assert answer.headers["access-control-allow-origin"] == PAGE
    assert {"location", "content-location", "x-pagination-total", "x-pagination-next"} <= exposed


async def test_other_pages_are_not_let_in(stage: Stage) -> None:
    """A8: nobody is let in who is not named; the real server lets every page in."""
    answer = await stage.call("post", "POST", "/threads/search", {}, asked={"Origin": "http://evil.example"})
    assert [name for name in answer.headers if name == "access-control-allow-origin"] == []


async def test_a_quiet_connection_beats(stage: Stage) -> None:
    """Comments on a stream, newlines before a document, between real events too."""
    quiet = {"assistant_id": "quiet", "input": {"n": 1}, "stream_mode": ["values"]}
    slow = {"assistant_id": "slow", "input": {"n": 6}, "stream_mode": ["custom"]}
    for name, path, body in (("1", "/runs/stream", quiet), ("2", "/runs/wait", quiet), ("3", "/runs/stream", slow)):
        answer = await stage.call(name, "POST", path, body)
        assert 2 <= heartbeats(answer.exchange()) <= 8


async def test_feedback_keys_are_taken(stage: Stage) -> None:
    """A9 (Q12): without LangSmith they change nothing; the real server ends such a stream with an error."""
    asked: dict[str, Any] = {"assistant_id": "qa", "input": {"question": "q?"}}
    for name, more in (("with", {"feedback_keys": ["user_score"]}), ("without", {})):
        await stage.call(name, "POST", "/runs/stream", asked | more)
    with_, without = [events(stage.answers[name].content)[1:] for name in ("with", "without")]
    assert with_ == without
    assert with_


async def test_search_looks_into_values(stage: Stage) -> None:
    """A10: threads are found by their values beside threads that have none; the real server answers 500."""
    mine = {"metadata": {"owner": "values"}}
    ids = [await stage.thread(**mine) for _ in range(3)]
    for number, thread in enumerate(ids[:2]):
        await stage.aside("POST", f"/threads/{thread}/runs/wait", {"assistant_id": "trivial", "input": {"n": number}})
        await stage.settled(f"/threads/{thread}")
    answer = await stage.call("search", "POST", "/threads/search", mine | {"values": {"n": 1}, "select": ["thread_id"]})
    assert answer.json == [{"thread_id": ids[1]}]
