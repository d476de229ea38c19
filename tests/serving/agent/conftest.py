"""Agent Servers of the transcripts' graphs."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.serving.agent.colour import talking
from tests.serving.agent.graphs import build
from tests.support.agent_server import serving
from tests.support.engines import LANGGRAPH, OURS, Library


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for a database."""
    return tmp_path_factory.mktemp("agent")


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[str]:
    """The URL of a server of our engine's graphs."""
    with serving(build(OURS), folder, webhook_hosts=["127.0.0.1"]) as url:
        yield url


@pytest.fixture(scope="module", params=[pytest.param(engine, id=engine.name) for engine in (OURS, LANGGRAPH)])
def engine(request: pytest.FixtureRequest) -> Library:
    """Each engine."""
    made: Library = request.param
    return made


@pytest.fixture(scope="module")
def url(engine: Library, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a server of the graphs of an engine."""
    with serving(build(engine), tmp_path_factory.mktemp(engine.name)) as url:
        yield url


@pytest.fixture(params=["async", "sync"])
async def sdk(request: pytest.FixtureRequest, server: str) -> AsyncIterator[Any]:
    """A client of LangGraph's SDK."""
    async with talking(request.param, server) as client:
        yield client


@pytest.fixture
async def thread(sdk: Any) -> str:
    """The id of a new thread."""
    made: str = (await sdk.threads.create())["thread_id"]
    return made
