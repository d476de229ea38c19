"""What holds for every test: profiles of Hypothesis, what is left out, and no blocking in loops."""

from __future__ import annotations

import ast
import os
from collections.abc import Generator, Iterator
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import pytest
from blockbuster import blockbuster_ctx
from hypothesis import settings

from tests.support import postgres
from tests.support.imports import imported_at_module_level

pytest_plugins = ["tests.support.plugin"]

NO_SKIPS = bool(os.environ.get("LCEL_COMPAT_NO_SKIPS"))
HAS_LANGGRAPH = find_spec("langgraph") is not None and find_spec("langgraph.graph") is not None
OLD_CORE = version("langchain-core").startswith("0.")
"""Whether core imports some of its modules when they are first used, in the middle of a run: blocking, but not ours."""
FROM_CHECKPOINT = ("langgraph.cache", "langgraph.checkpoint", "langgraph.store")
LEFT_OUT = pytest.StashKey[list[str]]()

for name, examples in {"dev": 20, "ci": 100, "soak": 2000}.items():
    # Seeded, so that a failure is the code's and not the day's; the busy machine sets no deadline.
    settings.register_profile(name, max_examples=examples, derandomize=True, database=None, deadline=None)
settings.load_profile("ci" if os.environ.get("CI") else "dev")


def pytest_configure(config: pytest.Config) -> None:
    """Refuse to leave LangGraph's tests out silently where nothing may be skipped."""
    config.stash[LEFT_OUT] = []
    if NO_SKIPS and not HAS_LANGGRAPH and "not langgraph" not in config.option.markexpr:
        raise pytest.UsageError("nothing may be skipped, but LangGraph is not installed")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave out a file that imports LangGraph at module level where it is not installed."""
    if HAS_LANGGRAPH or collection_path.suffix != ".py" or not _needs_langgraph(collection_path):
        return None
    config.stash[LEFT_OUT].append(str(collection_path.relative_to(config.rootpath)))
    return True


def _needs_langgraph(path: Path) -> bool:
    modules = imported_at_module_level(ast.parse(path.read_text("utf-8")))
    return any(module.split(".")[0] == "langgraph" and not module.startswith(FROM_CHECKPOINT) for module in modules)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print which files were left out, since a file that is not collected leaves no trace."""
    for path in config.stash[LEFT_OUT]:
        terminalreporter.write_line(f"LEFT OUT {path}: LangGraph is not installed")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselect `soak` unless it is asked for; skip `langgraph` and `postgres` where what they need is missing."""
    if "soak" not in config.option.markexpr:
        soaking = [item for item in items if item.get_closest_marker("soak")]
        config.hook.pytest_deselected(items=soaking)
        items[:] = [item for item in items if item not in soaking]
    if not HAS_LANGGRAPH:
        _skip(items, "langgraph", "LangGraph is not installed: lcel-compat[langgraph]")
    if any(item.get_closest_marker("postgres") for item in items) and not postgres.answers():
        _skip(items, "postgres", "no Postgres answers: set LCEL_COMPAT_POSTGRES")


def _skip(items: list[pytest.Item], marker: str, reason: str) -> None:
    for item in items:
        if item.get_closest_marker(marker):
            item.add_marker(pytest.mark.skip(reason=reason))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Make a skipped test a failed one where nothing may be skipped; an xfail stays what it is."""
    report = yield
    if NO_SKIPS and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome, report.longrepr = "failed", f"{item.nodeid} was skipped: {report.longrepr}"
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Make a module that skips itself a failed one where nothing may be skipped."""
    report = yield
    if NO_SKIPS and report.skipped:
        report.outcome = "failed"
        report.longrepr = f"{collector.nodeid} skipped itself: {report.longrepr}"
    return report


@pytest.fixture(autouse=True)
def no_blocking(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fail where our packages block a running event loop, unless the test is about just that."""
    if OLD_CORE or request.node.get_closest_marker("blocking"):
        yield
        return
    with blockbuster_ctx(["lcel_compat", "lcel_adapters"]):
        yield
