"""Two fixtures for applications that move: are the events the same, and are they what they were?

pytest finds this module by the entry point `lcel_compat`. It imports pytest alone; langchain-core and syrupy are
loaded when a fixture is used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from syrupy.assertion import SnapshotAssertion

    from lcel_adapters._pytest._same import AssertSameEvents

INSTALL = 'events_snapshot needs syrupy, which is not loaded here: pip install "lcel-compat[test]"'


@pytest.fixture(scope="session")
def assert_same_events() -> AssertSameEvents:
    """A function that fails unless no consumer would notice the difference between two recordings of events.

    ::

        async def test_the_move(assert_same_events):
            before = [event async for event in chain.astream_events(question)]
            after = [event async for event in graph.astream_events(question)]
            assert_same_events(before, after, contract="consumers.yaml")

    It takes what `lcel_compat.compare.compare_events` takes, recordings of `lcel_compat.events.record`, and the paths
    of their files.
    """
    from lcel_adapters._pytest._same import assert_same_events as function

    return function


@pytest.fixture
def events_snapshot(request: pytest.FixtureRequest) -> SnapshotAssertion:
    """A syrupy snapshot of events that reads like a script of the run; `pytest --snapshot-update` writes it.

    ::

        async def test_events(events_snapshot):
            assert [event async for event in chain.astream_events(question)] == events_snapshot

    A run of a recording, or a whole recording, can stand on the left as well.
    """
    try:
        snapshot: Any = request.getfixturevalue("snapshot")
    except pytest.FixtureLookupError as error:
        raise pytest.UsageError(INSTALL) from error
    from lcel_adapters._pytest._snapshot import EventsExtension

    made: SnapshotAssertion = snapshot.use_extension(EventsExtension)
    return made
