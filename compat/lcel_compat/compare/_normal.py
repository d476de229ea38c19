"""Normalise: events as they came become a tree of runs.

Whatever an event holds, it is read: what is no event, has no run or lacks a field is kept under a name that says so.
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from hashlib import blake2b
from typing import Any, Final, Protocol, TypeAlias, cast, runtime_checkable

from lcel_compat.compare._races import racers, settle
from lcel_compat.compare._recorded import NO_RUN, Crowd, Lane, Recorded, Run, adopt
from lcel_compat.compare._text import Identifiers, Names, Texts, is_message, text_of, value_of
from lcel_compat.events import JsonValue, to_jsonable

_EVENT: Final = re.compile(r"on_(\w+)_(start|stream|end|error)")
_OWN: Final = frozenset({"event", "name", "tags", "metadata", "data", "run_id", "parent_ids"})
BY_KEY: Final = "(by key)"
"""Stands in a run's main lane for chunks that are in the lanes of their keys."""
CUSTOM: Final = "on_custom_event"
_NOTHING: Final[dict[str, object]] = {}

Digests: TypeAlias = dict[object, int]


@runtime_checkable
class HasEvents(Protocol):
    """A recording of one run that knows more than its events, as ``lcel_compat.events.load`` gives."""

    @property
    def events(self) -> Iterable[Any]:
        """The events in the order in which they came."""
        ...


@runtime_checkable
class HasEnding(Protocol):
    """A recording that knows how it ended."""

    @property
    def ended(self) -> str:
        """``"complete"``, ``"error"``, or ``"cut"``: nobody knows."""
        ...

    @property
    def error_type(self) -> str:
        """The dotted class of the exception."""
        ...

    @property
    def error_message(self) -> str:
        """What it said."""
        ...


Source: TypeAlias = Iterable[Any] | HasEvents
"""What a recording is read from."""


class Side:
    """What the recordings of one comparison share: texts, and the digests of subtrees."""

    def __init__(self) -> None:
        self.texts = Texts()
        self.digests: Digests = {}

    def read(self, source: Source) -> Recorded:
        """The tree of one recording's runs; ``source`` is read once, from its beginning to its end."""
        reader = self.reader()
        for event in source.events if isinstance(source, HasEvents) else source:
            reader.add(event)
        if isinstance(source, HasEnding) and source.ended != "complete":
            reader.fail(source.error_type or f"({source.ended})", source.error_message)
        return reader.finished(times=getattr(source, "times", ()))

    def reader(self) -> Reader:
        """What reads a recording event by event: live objects are read before a later step changes them (rule 38)."""
        return Reader(self.texts, self._seal)

    def _seal(self, run: Run) -> None:
        """Give a run its digest, once all below it have theirs."""
        run.size = 1 + sum(child.size for child in run.children)
        lanes = tuple(sorted((str(key), key is None, _lane_digest(run, key)) for key, _ in run.lanes()))
        facts = (run.kind, run.name, run.tags, run.metadata, run.extra)
        parts = (facts, lanes, frozenset(run.keysets.items()), tuple(sorted(child.digest for child in run.children)))
        run.digest = self.digests.setdefault(parts, len(self.digests))


def lane_steps(run: Run, key: str | None) -> array[int]:
    """The steps of a lane; sorted where their order is that of arrival."""
    lane = run.main if key is None else run.by_key.get(key)
    if lane is None:
        return array("I")
    return array("I", sorted(lane.steps)) if key in run.crowd else lane.steps


def _lane_digest(run: Run, key: str | None) -> bytes:
    return blake2b(lane_steps(run, key).tobytes(), digest_size=16).digest()


def _walk(recorded: Recorded) -> Iterable[Run]:
    for root in recorded.roots:
        yield from root.walk()


class Reader:
    """Reads events one after another."""

    def __init__(self, texts: Texts, seal: Callable[[Run], None]) -> None:
        self._texts = texts
        self._seal = seal
        self._identifiers = Identifiers()
        self._runs: dict[str, Run] = {}
        self._facts: dict[str, _Facts] = {}
        self._waiting: dict[str, list[tuple[dict[str, Any], int]]] = {}
        self._recorded = Recorded(texts=texts)

    def add(self, item: object) -> None:
        """Read one event, or the exception that came instead of one."""
        position = self._recorded.events
        self._recorded.events += 1
        if isinstance(item, BaseException):
            plain = cast("dict[str, str]", to_jsonable(item))
            self.fail(f"{type(item).__module__}.{type(item).__qualname__}", plain["message"])
            return
        event = item if type(item) is dict else to_jsonable(item)
        try:
            self._add(event, position)
        except Exception:  # Keys and values decide what reading them does; their JSON does nothing.
            self._add(to_jsonable(event), position)

    def fail(self, error: str, message: str) -> None:
        """Take note that the run ended with an exception: its dotted class, and what it said."""
        self._recorded.error = value_of(self._identifiers.text({"error": error, "message": message}, Names()))

    def finished(self, times: Iterable[float] = ()) -> Recorded:
        """The tree of what was read; ``times`` are milliseconds from the beginning, one per event."""
        recorded = self._recorded
        recorded.times = array("d", times)
        recorded.runs = list(self._runs.values())
        for run in recorded.runs:
            self._add_waiting(run)
        adopt(recorded.runs)
        for number, run in enumerate(recorded.runs):  # Version 1 names no parents, and begins with the root.
            run.root = not run.parents if recorded.nested else number == 0
            settle(run, run.children if recorded.nested or not run.root else recorded.runs, self._texts)
        if recorded.runs and not recorded.nested:
            self._drop_winner(recorded.runs[0], racers(recorded.runs))
        for run in reversed(list(_walk(recorded))):
            self._seal(run)
        return recorded

    def _add(self, event: Any, position: int) -> None:
        if not isinstance(event, dict) or "event" not in event:
            self._add_foreign(event, position)
            return
        name = _word(event["event"])
        run_id = _word(event.get("run_id", NO_RUN))
        run = self._runs.get(run_id) or self._begin(run_id, name, event, position)
        if run.kind == "":
            if name == CUSTOM:  # It tells neither the run's name nor all its tags: another event has to.
                self._waiting.setdefault(run_id, []).append((event, position))
                return
            if _EVENT.fullmatch(name):
                self._identify(run, name, event)
            self._add_waiting(run)
        self._add_to(run, name, event, position)

    def _add_waiting(self, run: Run) -> None:
        for event, position in self._waiting.pop(run.id, ()):
            self._add_to(run, CUSTOM, event, position)

    def _add_to(self, run: Run, name: str, event: dict[str, Any], position: int) -> None:
        data = event.get("data")
        deviations = self._facts[run.id].deviations(event, name, run)
        chunk = _keyed_chunk(name, data)
        if name.endswith("_stream") and self._recorded.first_chunk is None:
            self._recorded.first_chunk = position
        if chunk is None:
            run.main.add(self._step(name, data, deviations, run.main.names), position)
        else:
            self._add_by_key(run, name, chunk, deviations, position)

    def _add_foreign(self, item: object, position: int) -> None:
        run = self._runs.get(NO_RUN) or self._begin(NO_RUN, "", {"name": NO_RUN}, position)
        run.main.add(self._step("", item, _NOTHING, run.main.names), position)

    def _begin(self, run_id: str, name: str, event: dict[str, Any], position: int) -> Run:
        parents = _words(event.get("parent_ids"))
        self._recorded.nested |= bool(parents)
        for identifier in (run_id, *parents):
            self._identifiers.add(identifier)
        run = Run(id=run_id, name="", kind="", tags=(), metadata=0, extra=0, parents=parents, first=position)
        self._runs[run_id] = run
        self._facts[run_id] = _Facts(self._identifiers)
        self._identify(run, name, event)
        return run

    def _identify(self, run: Run, name: str, event: dict[str, Any]) -> None:
        """Take a run's facts from the first of its events that tells them: a custom event's name is its own."""
        found = _EVENT.fullmatch(name)
        run.kind = found[1] if found else ""
        run.name = "(unnamed)" if name == CUSTOM else _word(event.get("name", "(unnamed)"))
        facts = self._facts[run.id]
        facts.learn(event)
        run.tags = facts.tags
        run.metadata, run.extra = self._texts.number(facts.metadata), self._texts.number(facts.extra)

    def _step(self, name: str, data: object, deviations: Mapping[str, object], names: Names) -> int:
        text = self._identifiers.text(data, names)
        more = f',"with":{self._identifiers.text(deviations, names)}' if deviations else ""
        return self._texts.number(f'{{"event":{_quoted(name)},"data":{text}{more}}}')

    def _add_by_key(
        self, run: Run, name: str, chunk: dict[str, Any], deviations: Mapping[str, object], position: int
    ) -> None:
        marker = self._step(name, {"chunk": BY_KEY}, _NOTHING, run.main.names)
        if not run.main.steps or run.main.steps[-1] != marker:
            run.main.add(marker, position)
        for key, piece in chunk.items():
            lane = run.by_key.setdefault(key, Lane())
            lane.add(self._step(name, {"chunk": {key: piece}}, deviations, lane.names), position)
        run.keysets[self._texts.number(text_of(list[JsonValue](sorted(chunk))))] += 1

    def _drop_winner(self, run: Run, racers: Crowd) -> None:
        """Blank an output that is only the chunk of the slowest of several tasks: version 1 keeps the last chunk."""
        last = self._texts.value(run.main.steps[-1]) if racers and run.main.steps else None
        data = last["data"] if isinstance(last, dict) else None
        output = data.get("output") if isinstance(data, dict) else None
        if isinstance(last, dict) and isinstance(data, dict) and isinstance(output, dict) and racers.issuperset(output):
            last["data"] = {**data, "output": "(the last chunk)"}
            run.main.steps[-1] = self._texts.number(text_of(last))


class _Facts:
    """What a run's events say besides their data, normally always the same."""

    __slots__ = ("_identifiers", "_names", "_raw_metadata", "_raw_parents", "_raw_tags", "extra", "metadata", "tags")

    def __init__(self, identifiers: Identifiers) -> None:
        self._identifiers = identifiers
        self.tags: tuple[str, ...] = ()
        self.metadata = self.extra = ""

    def learn(self, event: dict[str, Any]) -> None:
        self._names = Names()
        self._raw_tags, self._raw_metadata = event.get("tags"), event.get("metadata")
        self._raw_parents = event.get("parent_ids")
        self.tags = tuple(sorted(set(_words(self._raw_tags))))
        self.metadata = self._text(self._raw_metadata)
        self.extra = self._text(_extra(event))

    def deviations(self, event: dict[str, Any], name: str, run: Run) -> Mapping[str, object]:
        """What an event says otherwise than the run's first one."""
        found: dict[str, object] = {}
        if name == CUSTOM or event.get("name") != run.name:
            found["name"] = event.get("name")
        if (raw := event.get("tags")) is not self._raw_tags and (tags := sorted(set(_words(raw)))) != list(self.tags):
            found["tags"] = {"missing": sorted({*self.tags} - {*tags}), "extra": sorted({*tags} - {*self.tags})}
        if (raw := event.get("metadata")) is not self._raw_metadata and self._text(raw) != self.metadata:
            found["metadata"] = raw
        if (raw := event.get("parent_ids")) is not self._raw_parents and _words(raw) != _words(self._raw_parents):
            found["parent_ids"] = raw
        extra = _NOTHING if event.keys() == _OWN else _extra(event)
        if (extra or self.extra != "{}") and self._text(extra) != self.extra:
            found["extra"] = extra
        return found or _NOTHING

    def _text(self, value: object) -> str:
        return self._identifiers.text(value, self._names)


def _extra(event: Mapping[str, object]) -> dict[str, object]:
    missing = {key: "(missing)" for key in ("name", "tags", "metadata", "data", "run_id") if key not in event}
    return {**{key: value for key, value in event.items() if key not in _OWN}, **missing}


@lru_cache(256)
def _quoted(name: str) -> str:
    return text_of(name)


def _word(value: object) -> str:
    return str.__str__(value) if isinstance(value, str) else text_of(to_jsonable(value))


def _words(value: object) -> tuple[str, ...]:
    if value is None:
        return ()
    plain: JsonValue | tuple[object, ...] = value if isinstance(value, list | tuple) else to_jsonable(value)
    return tuple(map(_word, plain)) if isinstance(plain, list | tuple) else (_word(plain),)


def _keyed_chunk(name: str, data: object) -> dict[str, Any] | None:
    """A stream's chunk, where it is an object of several values and no single value such as a message."""
    if type(data) is not dict or len(data) != 1 or not name.endswith("_stream"):
        return None
    chunk = data.get("chunk")
    if not isinstance(chunk, dict) or not chunk or is_message(chunk):
        return None
    return chunk if all(isinstance(key, str) for key in chunk) else None
