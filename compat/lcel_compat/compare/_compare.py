"""The comparison of two recordings, of two runnables, of many inputs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from langchain_core.runnables import Runnable

from lcel_compat.compare._contract import Contract
from lcel_compat.compare._model import Comparison


def compare_events(before: Iterable[Any], after: Iterable[Any], *, contract: Contract | None = None) -> Comparison:
    """Compare two recordings of one run each.

    Args:
        before: Events of version 1 or 2 in the order in which they came. An exception among them, as the last item, is
            the one the run ended with. An attribute ``times`` (milliseconds from the beginning, one per event) gives
            the timings.
        after: The same of the new side.
        contract: What the consumers read; without it, severities follow what known consumers read (EVENTS.md, 2.2).

    Returns:
        The comparison; no content makes it raise.
    """
    raise NotImplementedError


def compare(
    before: Runnable[Any, Any],
    after: Runnable[Any, Any],
    inputs: Sequence[Any],
    *,
    contract: Contract | None = None,
    repeats: int = 2,
    input_factory: Callable[[Any], Any] | None = None,
) -> Comparison:
    """``acompare`` without an event loop, or beside a running one."""
    raise NotImplementedError


async def acompare(
    before: Runnable[Any, Any],
    after: Runnable[Any, Any],
    inputs: Sequence[Any],
    *,
    contract: Contract | None = None,
    repeats: int = 2,
    input_factory: Callable[[Any], Any] | None = None,
) -> Comparison:
    """Run both on each input and compare the events; the old side runs ``repeats`` times more, against itself."""
    raise NotImplementedError
