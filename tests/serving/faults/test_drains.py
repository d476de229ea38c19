"""Servers that are told to end: what is nearly done is finished, the rest goes on elsewhere, and nobody waits."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.serving.faults.databases import KINDS
from tests.serving.faults.lanes import attempts
from tests.serving.faults.leaving import Raw
from tests.serving.faults.playing import Playing, wrong_with
from tests.serving.faults.servers import executing, fleet
from tests.serving.faults.stories import Outcome
from tests.support.served import Fleet, answers, until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]
KIND = [pytest.param(kind, marks=[pytest.mark.postgres] if kind == "postgres" else []) for kind in KINDS]
ERROR = b'{"error":"ServerEnds","message":"The server ended before the run did."}'
ENDED = -signal.SIGTERM
"""When all is done uvicorn ends by the signal that it was sent."""


@pytest.fixture(scope="module", params=KIND)
def servers(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """Servers, some of which are told to end. Whoever died is missed late, so that what was given back shows."""
    with fleet(request.param, tmp_path_factory.mktemp("drains"), worker_timeout=60.0) as found:
        yield found


@pytest.fixture(scope="module")
def expected(servers: Fleet) -> dict[str, Outcome]:
    """What comes of the stories when nobody ends."""
    server = servers.start()
    found = Playing(servers.database, server).outcomes()
    server.terminate()
    assert server.wait() == ENDED
    return found


def begun(servers: Fleet, **settings: Any) -> tuple[Any, Playing]:
    """A server, and the stories in their middle."""
    server = servers.start(**settings)
    playing = Playing(servers.database, server)
    until(lambda: executing(server) > 1, what="that stories have begun")
    return server, playing


def numbers(found: dict[str, Outcome]) -> set[int]:
    """How often each run was begun."""
    return {max(attempts(one.kept)) for outcome in found.values() for one in outcome.streams}


def test_what_has_time_is_finished(servers: Fleet, expected: dict[str, Outcome]) -> None:
    """Streams go on to their ends, nobody new is let in, and then the process ends by itself."""
    server = servers.start()
    playing = Playing(servers.database, server)
    until(lambda: executing(server) > 3, what="that all stories have begun")
    server.terminate()
    until(lambda: not answers(server.url), 1, "that nobody is let in")
    assert server.wait() == ENDED
    following = servers.start()
    playing.urls = [following.url]
    found = playing.outcomes()
    assert wrong_with(found, expected) == []
    assert {max(attempts(found[name].streams[0].kept)) for name in found} == {1}
    following.terminate()
    assert following.wait() == ENDED


def test_what_has_no_time_goes_on_elsewhere(servers: Fleet, expected: dict[str, Outcome]) -> None:
    """Runs are given back at their last checkpoint; another server goes on at once, as if nothing had been."""
    server, playing = begun(servers, drain=0.1)
    before = time.monotonic()
    server.terminate()
    assert server.wait() == ENDED
    assert time.monotonic() - before < 10
    following = servers.start()
    playing.urls = [following.url]
    found = playing.outcomes()
    assert wrong_with(found, expected) == []
    assert max(numbers(found)) == 2
    following.terminate()
    assert following.wait() == ENDED


def test_nobody_holds_a_server_that_ends(servers: Fleet) -> None:
    """Neither a run that takes forever nor a client that reads nothing; who waits is told that it is not done."""
    server = servers.start(drain=0.5)
    forever = {"assistant_id": "trace", "input": {"tick": 1000, "file": "never"}, "stream_mode": ["custom"]}
    flood = {"assistant_id": "flood", "input": {"tick": 100}, "stream_mode": ["custom"]}
    with (
        Raw(server, "/runs/stream", forever) as reading,
        Raw(server, "/runs/wait", forever) as waiting,
        Raw(server, "/runs/stream", flood, room=65_536) as never,
    ):
        for client in (never, waiting):
            client.until(b"\r\n\r\n")
        reading.until(b"event: custom")
        server.terminate()
        said, answer = reading.rest(), waiting.rest()
        assert server.wait(20) == ENDED
    assert b"event: error\r\ndata: " + ERROR in said
    assert b'{"__error__":' + ERROR + b"}" in answer


def test_a_server_ends_once(tmp_path: Path) -> None:
    """Told twice, it ends at once; what it gave up goes on in the next one."""
    with fleet("sqlite", tmp_path) as servers:
        server, playing = begun(servers, drain=60.0)
        server.terminate()
        server.terminate()
        server.wait(10)
        playing.urls = [servers.start().url]
        assert all(one.status != "error" for outcome in playing.outcomes().values() for one in outcome.streams)
