"""Servers that hold their breath and go on: what another took over meanwhile, they leave alone."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.serving.faults.lanes import attempts
from tests.serving.faults.playing import Playing, wrong_with
from tests.serving.faults.servers import executing, fleet, quiet
from tests.serving.faults.stories import Outcome
from tests.support.served import Fleet, Served, until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]
SILENCE = 2.0
"""Seconds after which clients take a stopped server for gone; others say something twice a second."""


@contextmanager
def held(server: Served) -> Iterator[None]:
    """Stop a server for as long as the block lasts."""
    server.stop()
    try:
        yield
    finally:
        server.go_on()


_IDLE = """
select count(*) from pg_stat_activity as one where state = 'idle in transaction' and datname = current_database()
    and state_change < clock_timestamp() - interval '0.2 s'
    and exists (select from pg_locks where pg_locks.pid = one.pid and relation = 'lcel_runs'::regclass)
"""
"""Counts connections that hold something of runs, and whose servers say nothing."""


@contextmanager
def held_in_a_transaction(server: Served, database: str) -> Iterator[None]:
    """The same, at a moment when it holds locks."""
    import psycopg

    with psycopg.connect(database, autocommit=True) as watch:

        def caught() -> bool:
            server.stop()
            time.sleep(0.3)
            if watch.execute(_IDLE).fetchone() != (0,):
                return True
            server.go_on()
            # Long enough to say that it lives.
            time.sleep(0.3 + random.random() / 20)
            return False

        until(caught, what="that the server is stopped in the middle of a transaction")
    with held(server):
        yield


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """Servers on PostgreSQL."""
    with fleet("postgres", tmp_path_factory.mktemp("zombies"), heartbeat=0.5) as found:
        yield found


@pytest.fixture(scope="module")
def pair(servers: Fleet) -> tuple[Served, Served]:
    """Two of them."""
    return servers.start(), servers.start()


@pytest.fixture(scope="module")
def expected(servers: Fleet, pair: tuple[Served, Served]) -> dict[str, Outcome]:
    """What comes of the stories when nobody is stopped."""
    return Playing(servers.database, *pair, silence=SILENCE).outcomes()


@pytest.mark.postgres
@pytest.mark.parametrize("back", ["early", "late"])
def test_a_server_that_comes_back_changes_nothing(
    servers: Fleet, pair: tuple[Served, Served], expected: dict[str, Outcome], back: str
) -> None:
    """Whether the other still executes or is done: states, histories and kept streams are the undisturbed runs'."""
    zombie, other = pair
    playing = Playing(servers.database, zombie, silence=SILENCE)
    until(lambda: executing(zombie) > 1, what="that stories have begun")
    time.sleep(random.uniform(0, 0.3))
    with held(zombie):
        playing.urls = [other.url]
        until(lambda: executing(other), what="that another server takes over")
        if back == "late":
            playing.outcomes()
    found = playing.outcomes()
    quiet(zombie)
    assert wrong_with(playing.again(), expected) == []
    runs = [one for outcome in found.values() for one in outcome.streams]
    assert max(number for one in runs for number in attempts(one.kept)) > 1
    log = servers.log.read_text()
    refused = [one for one in runs if f"run {one.run_id} was given to another server" in log]
    assert refused, "the server that was stopped has not tried to go on"


@pytest.mark.postgres
def test_locks_of_a_stopped_server_end(
    servers: Fleet, pair: tuple[Served, Served], expected: dict[str, Outcome]
) -> None:
    """A server that is stopped in the middle of a transaction does not keep its runs from the others."""
    zombie, other = pair
    playing = Playing(servers.database, zombie, silence=SILENCE)
    until(lambda: executing(zombie) > 1, what="that stories have begun")
    with held_in_a_transaction(zombie, servers.database):
        playing.urls = [other.url]
        playing.outcomes()
    quiet(zombie)
    assert wrong_with(playing.again(), expected) == []


def test_a_server_alone_just_goes_on(tmp_path: Path) -> None:
    """On SQLite nobody takes over, however long it was stopped: nothing runs twice, and clients have everything."""
    with fleet("sqlite", tmp_path, heartbeat=0.5) as servers:
        server = servers.start()
        expected = Playing(servers.database, server, silence=SILENCE).outcomes()
        playing = Playing(servers.database, server, silence=SILENCE)
        until(lambda: executing(server) > 1, what="that stories have begun")
        with held(server):
            # Longer than clients wait, and than another server would.
            time.sleep(SILENCE + 0.5)
        found = playing.outcomes()
    assert wrong_with(found, expected) == []
    assert {tuple(attempts(one.kept)) for outcome in found.values() for one in outcome.streams} == {(1,)}
