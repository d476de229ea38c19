"""Events that remember what was read of them: a consumer's contract, learned from its own code.

A consumer is run on events that look and behave like core's, except that every access leaves a trace: keys of the
events and of all objects inside, attributes of messages and documents, and what the event's name, the run's name, the
tags, the metadata and ``parent_ids`` were compared with. From the traces comes one entry per kind of event of which
more was read than what selects it::

    events = observe(chain.astream_events(question, version="v2"))
    await consumer(events)
    events.contract("chat front end").save("chat.yaml")

A test that does not hold selects nothing and leaves no entry. What cannot be seen: ``type(x) is dict``, and code in C
that copies a whole dictionary without asking for its items, which counts as reading nothing. A text that is used as a
key counts as compared, not as read. A text that is used as a key counts as compared, not as read.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any, Final

from lcel_compat.compare._contract import Contract, Read
from lcel_compat.compare._watched import Trace, WatchedDict


class Observation:
    """Events on their way to a consumer: iterate over it as over the source, sync or async."""

    def __init__(self, events: Iterable[Any] | AsyncIterable[Any]) -> None:
        self._events = events
        self._traces: list[Trace] = []

    def __iter__(self) -> Iterator[Any]:
        if not isinstance(self._events, Iterable):
            raise TypeError("the observed events are asynchronous: read them with 'async for'")
        for event in self._events:
            yield self._observed(event)

    async def __aiter__(self) -> AsyncIterator[Any]:
        if not isinstance(self._events, AsyncIterable):
            for event in self:
                yield event
            return
        async for event in self._events:
            yield self._observed(event)

    def contract(self, consumer: str = "") -> Contract:
        """What was read so far, as the contract of the consumer of this name."""
        merged: dict[tuple[object, ...], tuple[Read, dict[str, None]]] = {}
        for trace in self._traces:
            if read := _read(trace):
                key = (read.event, read.name, read.tags, str(read.metadata), read.root)
                merged.setdefault(key, (read, {}))[1].update(dict.fromkeys(read.fields))
        reads = tuple(replace(read, fields=tuple(sorted(fields))) for read, fields in merged.values())
        return Contract(reads=reads, consumer=consumer)

    def _observed(self, event: Any) -> Any:
        if not isinstance(event, Mapping):
            return event
        trace = Trace()
        self._traces.append(trace)
        return WatchedDict(event, trace, "")


def observe(events: Iterable[Any] | AsyncIterable[Any]) -> Observation:
    """The events of a run, version 1 or 2, which remember what a consumer reads of them.

    Args:
        events: What ``astream_events`` gives, a recording's events, or any other iterable of them.
    """
    return Observation(events)


def _read(trace: Trace) -> Read | None:
    """The entry that one event gives; None if nothing but what selects it was read, and not all of that held."""
    fields = [place for place in _innermost(trace.places, trace.tested) if place not in trace.tested]
    if not trace.holds:
        fields = [place for place in fields if place not in _CONTAINERS]  # As `match` does, before it compares.
    if not fields and not ("event" in trace.passed and trace.holds):
        return None
    passed = {place: next(iter(found)) for place, found in trace.passed.items()}
    metadata = {place.removeprefix("metadata."): said for place, said in passed.items() if _is_metadata(place)}
    root = passed.get("parent_ids")
    return Read(
        event=passed.get("event", ""),
        name=passed.get("name"),
        tags=tuple(sorted(trace.passed.get("tags", ()))),
        metadata=dict(metadata),
        root=None if root is None else root == "root",
        fields=tuple(fields),
    )


_CONTAINERS: Final = ("data", "metadata")


def _is_metadata(place: str) -> bool:
    return place.startswith("metadata.")


def _innermost(places: Iterable[str], tested: Iterable[str]) -> list[str]:
    """The places that hold no other: whoever reads a message's content has to fetch the message first."""
    outer = {place[:end] for place in (*places, *tested) for end, sign in enumerate(place) if sign == "."}
    return [place for place in places if place not in outer]
