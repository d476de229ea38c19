"""The JavaScript clients work unchanged on Node.js: LangGraph's SDK, its hook for React, LangServe's old client."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import closing
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from langchain_core.runnables import RunnableLambda

from tests.serving.agent.models import qa_chain
from tests.serving.langserve.routes import WARNINGS
from tests.support.servers import Server

pytestmark = [pytest.mark.slow, pytest.mark.langgraph, pytest.mark.timeout(600), *WARNINGS]

SOURCES = Path(__file__).parents[1] / "js"
CACHE = Path(__file__).parents[3] / ".cache" / "js"


@pytest.fixture(scope="session")
def programs() -> Path:
    """A folder with the clients and what they import, installed once for as long as package.json says the same."""
    if shutil.which("npm") is None:
        pytest.skip("no Node.js here: apt-get install nodejs npm")
    CACHE.mkdir(parents=True, exist_ok=True)
    wanted, done = SOURCES / "package.json", CACHE / "installed.json"
    if not done.exists() or done.read_text("utf-8") != wanted.read_text("utf-8"):
        shutil.copy(wanted, CACHE)
        options = ("--no-audit", "--no-fund", "--no-package-lock", "--ignore-scripts")
        subprocess.run(["npm", "install", *options], cwd=CACHE, check=True, timeout=500)
        shutil.copy(wanted, done)
    for program in SOURCES.glob("*.mjs"):
        shutil.copy(program, CACHE)
    return CACHE


async def run(program: Path, url: str) -> None:
    """Run a program of tests, and fail with what it says."""
    process = await asyncio.create_subprocess_exec(
        "node", str(program), url, cwd=program.parent, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    output, _ = await process.communicate()
    assert process.returncode == 0, output.decode()


@pytest.mark.parametrize("program", ["client", "usestream"])
async def test_the_sdk_and_its_hook(programs: Path, server: str, program: str) -> None:
    """Every test of the program passes against the Agent Server."""
    await run(programs / f"{program}.mjs", server)


def refuse(given: dict[str, Any]) -> str:
    """Fail."""
    raise ValueError("boom: bad value")


@pytest.fixture(params=["langserve", "lcel_adapters.serve"])
def legacy(request: pytest.FixtureRequest) -> Iterator[str]:
    """The URL of LangServe's routes, by LangServe itself and by ours."""
    app, routes = FastAPI(), import_module(request.param)
    routes.add_routes(app, qa_chain(), path="/qa")
    routes.add_routes(app, RunnableLambda(refuse), path="/err")
    with closing(Server(app)) as server:
        server.open()
        yield server.url


async def test_the_old_remote_runnable(programs: Path, legacy: str) -> None:
    """Every test of the program passes against LangServe, and against our routes."""
    await run(programs / "legacy.mjs", legacy)
