"""Databases, open and empty."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from lcel_adapters.serve._storage import Database
from tests.serving.faults.databases import database


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of an empty database of each kind."""
    with database(request.param, tmp_path) as found:
        yield found


@pytest.fixture
async def opened(url: str) -> AsyncIterator[Database]:
    """That database, with its tables."""
    found = await Database.open(url)
    yield found
    await found.close()
