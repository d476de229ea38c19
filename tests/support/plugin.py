"""The tests' own pytest plugin: the ``colour`` fixture and counters for the terminal summary."""

from __future__ import annotations

import gc
from collections import defaultdict
from collections.abc import Hashable, Iterator
from typing import Any

import pytest

from tests.support.colours import COLOURS, Colour, runner

_SEEN: dict[str, set[Hashable]] = defaultdict(set)
_TOTAL: dict[str, int] = defaultdict(int)
_NOTES: list[str] = []


def count(what: str, shape: Hashable) -> None:
    """Count one generated example; the session's last lines tell how many were distinct."""
    _SEEN[what].add(shape)
    _TOTAL[what] += 1


def note(text: str) -> None:
    """Say something in the session's last lines."""
    _NOTES.append(text)


@pytest.fixture(params=COLOURS, ids=lambda colour: colour.name)
def colour(request: pytest.FixtureRequest) -> Colour:
    """Run the test once with the synchronous and once with the asynchronous API."""
    found: Colour = request.param
    return found


@pytest.fixture(scope="module")
def only_what_is_new() -> Iterator[None]:
    """Let the collector look at what the tests of a module make alone, which takes it a hundredth of the time."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


def pytest_sessionfinish() -> None:
    """Close the event loop of the asynchronous observations."""
    if runner.cache_info().currsize:
        runner().close()
        runner.cache_clear()


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Print how many distinct shapes the generated tests saw, and what tests noted."""
    for what, shapes in sorted(_SEEN.items()):
        terminalreporter.write_line(f"{what}: {len(shapes)} distinct of {_TOTAL[what]} examples")
    for text in _NOTES:
        terminalreporter.write_line(text)
