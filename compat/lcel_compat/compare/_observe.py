"""Events that remember what was read of them."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator
from typing import Any

from lcel_compat.compare._contract import Contract


class Observation:
    """Events on their way to a consumer, sync or async as their source is; afterwards ``contract()``."""

    def __init__(self, events: Iterable[Any] | AsyncIterable[Any]) -> None:
        self._events = events

    def __iter__(self) -> Iterator[Any]:
        raise NotImplementedError

    def __aiter__(self) -> AsyncIterator[Any]:
        raise NotImplementedError

    def contract(self, consumer: str = "") -> Contract:
        """What was read so far."""
        raise NotImplementedError


def observe(events: Iterable[Any] | AsyncIterable[Any]) -> Observation:
    """The events, remembering what is read of them."""
    return Observation(events)
