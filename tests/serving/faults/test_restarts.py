"""A database server that crashes, restarts or stays away: what was told is kept, and runs go on when it is back."""

from __future__ import annotations

import time
from collections.abc import Iterator

import httpx
import pytest

from tests.serving.faults.clusters import Cluster, Manner, cluster, programs
from tests.serving.faults.playing import Playing, wrong_with
from tests.serving.faults.servers import ILL, WELL, executing, fleet_on, health, quiet
from tests.serving.faults.stories import Outcome
from tests.support.served import Fleet, Served, until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]


@pytest.fixture(scope="module")
def beneath() -> Iterator[Cluster]:
    """The database server of the servers."""
    where = programs()
    if where is None:
        pytest.skip("PostgreSQL's programs are not installed here")
    with cluster(where) as found:
        yield found


@pytest.fixture(scope="module")
def servers(beneath: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """Servers on it."""
    with fleet_on(beneath.url, tmp_path_factory.mktemp("restarted")) as found:
        yield found


@pytest.fixture(scope="module")
def pair(servers: Fleet) -> tuple[Served, Served]:
    """Two of them."""
    return servers.start(), servers.start()


@pytest.fixture(scope="module")
def expected(servers: Fleet, pair: tuple[Served, Served]) -> dict[str, Outcome]:
    """What comes of the stories when nothing is stopped."""
    return Playing(servers.database, *pair).outcomes()


@pytest.mark.parametrize("manner", ["fast", "immediate"])
def test_a_restart_is_not_seen(
    beneath: Cluster,
    servers: Fleet,
    pair: tuple[Served, Served],
    expected: dict[str, Outcome],
    manner: Manner,
) -> None:
    """Orderly or a crash: clients read on, and states, histories and kept streams are the undisturbed runs'."""
    playing = Playing(servers.database, *pair)
    until(lambda: sum(map(executing, pair)) > 1, what="that stories have begun")
    for _ in range(2):
        time.sleep(0.1)
        beneath.stop(manner)
        beneath.start()
    assert wrong_with(playing.outcomes(), expected) == []
    for server in pair:
        quiet(server)
        assert health(server) == WELL


def test_an_outage_is_told(
    beneath: Cluster, servers: Fleet, pair: tuple[Served, Served], expected: dict[str, Outcome]
) -> None:
    """While the database is away health says so, and so does what asks for it; then everything goes on."""
    playing = Playing(servers.database, *pair)
    until(lambda: sum(map(executing, pair)) > 1, what="that stories have begun")
    beneath.stop("immediate")
    try:
        assert health(pair[0]) == ILL
        assert httpx.get(f"{pair[0].url}/ok", timeout=20).status_code == 200
        with pytest.raises(httpx.ReadTimeout):
            # It waits: the database may come back.
            httpx.post(f"{pair[0].url}/threads", json={}, timeout=1)
    finally:
        beneath.start()
    assert wrong_with(playing.outcomes(), expected) == []
    until(lambda: [health(server) for server in pair] == [WELL, WELL], what="that they are well again")
