"""Two recordings of events, run by run: what the demo says about a move, counted and not claimed.

Runs are found again by where they stand below the chain's own root. That is enough for a graph that holds the chain
in one node; chains that were taken apart need a comparison that aligns.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from lcel_compat.events import to_json

Event: TypeAlias = Mapping[str, Any]
Path: TypeAlias = tuple[str, ...]

_MESSAGE_ID = re.compile(r'"id":"(?:lc_run-|run-)[^"]*"')
_NUMBER_OF_A_STEP = re.compile(r"^(?:seq|graph):step")


@dataclass(slots=True, kw_only=True)
class Run:
    """One run of a recording, with its events in order.

    Attributes:
        path: Names from the root down to the run.
        type: `chain`, `chat_model`, `parser`, …
        tags: The tags of its events.
        metadata: The keys of its events' metadata.
        events: Its own events.
    """

    path: Path
    type: str
    tags: frozenset[str]
    metadata: frozenset[str]
    events: list[Event] = field(default_factory=list)

    @property
    def name(self) -> str:
        return self.path[-1]

    def count(self, phase: str) -> int:
        """How many of its events are a `start`, a `stream` or an `end`."""
        return sum(event["event"].endswith(f"_{phase}") for event in self.events)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """A run before and after the move; one of the two may be missing."""

    before: Run | None
    after: Run | None

    @property
    def shown(self) -> Run:
        """The run to take name, type and place from."""
        run = self.after or self.before
        assert run is not None
        return run

    @property
    def difference(self) -> str:
        """What a consumer of this run alone would notice; empty for nothing."""
        if self.before is None:
            return "new"
        if self.after is None:
            return "gone"
        return ", ".join(_differences(self.before, self.after))


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """Both recordings, run by run.

    Attributes:
        pairs: In the order in which the new runs started, then those that are gone.
        before: All events of the chain.
        after: All events of the graph.
    """

    pairs: tuple[Pair, ...]
    before: Sequence[Event]
    after: Sequence[Event]

    @property
    def kept(self) -> list[tuple[Run, Run]]:
        """The runs that are on both sides."""
        return [(pair.before, pair.after) for pair in self.pairs if pair.before and pair.after]

    @property
    def same(self) -> int:
        """How many runs emit the same events with the same data."""
        return sum(not pair.difference for pair in self.pairs)

    @property
    def new_metadata(self) -> list[str]:
        """Keys of metadata that every run on both sides has gained."""
        gained = [after.metadata - before.metadata for before, after in self.kept]
        return sorted(frozenset.intersection(*gained)) if gained else []

    @property
    def lost_metadata(self) -> list[str]:
        """Keys of metadata that some run has lost."""
        return sorted({key for before, after in self.kept for key in before.metadata - after.metadata})

    def streamed(self, kind: str) -> tuple[int, int]:
        """How many events of one kind there were before and after."""
        return _number_of(kind, self.before), _number_of(kind, self.after)


def compare_runs(before: Sequence[Event], after: Sequence[Event]) -> Move:
    """Find the runs of a chain again in the events of the graph that holds it."""
    old = _numbered(_runs(before), root=None)
    root = next((run.name for run in old.values()), None)
    new = _numbered(_runs(after), root=root)
    kept = [Pair(before=old.get(key), after=run) for key, run in new.items()]
    gone = [Pair(before=run, after=None) for key, run in old.items() if key not in new]
    return Move(pairs=tuple(_by_place(kept) + gone), before=before, after=after)


def _runs(events: Iterable[Event]) -> list[Run]:
    runs: dict[str, Run] = {}
    for event in events:
        if event["run_id"] not in runs:
            parents = [runs[parent].name for parent in event["parent_ids"] if parent in runs]
            runs[event["run_id"]] = Run(
                path=(*parents, event["name"]),
                type=_type(event["event"]),
                tags=frozenset(event["tags"]),
                metadata=frozenset(event["metadata"]),
            )
        runs[event["run_id"]].events.append(event)
    return list(runs.values())


def _type(kind: str) -> str:
    return kind.removeprefix("on_").rpartition("_")[0]


def _numbered(runs: Iterable[Run], *, root: str | None) -> dict[tuple[Path, int], Run]:
    """Runs by their place below `root`; several in one place are numbered."""
    seen: Counter[Path] = Counter()
    found: dict[tuple[Path, int], Run] = {}
    for run in runs:
        place = run.path[_last(run.path, root) :]
        # Runs outside the chain keep their whole path, which starts with another root.
        found[place, seen[place]] = run
        seen[place] += 1
    return found


def _last(path: Path, name: str | None) -> int:
    return len(path) - 1 - path[::-1].index(name) if name in path else 0


def _by_place(pairs: list[Pair]) -> list[Pair]:
    """Each run below its parent, siblings in the order in which they started."""
    first: dict[Path, int] = {}
    for at, pair in enumerate(pairs):
        first.setdefault(pair.shown.path, at)

    def place(pair: Pair) -> list[int]:
        path = pair.shown.path
        return [first.get(path[:length], 0) for length in range(1, len(path) + 1)]

    return sorted(pairs, key=place)


def _differences(before: Run, after: Run) -> list[str]:
    found = ["no longer the root"] if len(before.path) == 1 and len(after.path) > 1 else []
    for phase in ("start", "stream", "end"):
        old, new = before.count(phase), after.count(phase)
        if old != new:
            found.append(f"{phase} {old} → {new}")
        else:
            found += _other_data(phase, before, after)
    gained, lost = _own(after.tags - before.tags), _own(before.tags - after.tags)
    return found + [f"tag {tag} added" for tag in gained] + [f"tag {tag} lost" for tag in lost]


def _other_data(phase: str, before: Run, after: Run) -> list[str]:
    old, new = _keys(before, phase), _keys(after, phase)
    if old != new:
        return [f"{phase} without {key}" for key in sorted(old - new)] + [
            f"{phase} with {key}" for key in sorted(new - old)
        ]
    return [f"other data at {phase}"] if _data(before, phase) != _data(after, phase) else []


def _keys(run: Run, phase: str) -> set[str]:
    return {key for event in run.events if event["event"].endswith(f"_{phase}") for key in event["data"]}


def _own(tags: Iterable[str]) -> list[str]:
    """Tags but for those that only number the steps of what stands around the run."""
    return sorted(tag for tag in tags if not _NUMBER_OF_A_STEP.match(tag))


def _data(run: Run, phase: str) -> list[str] | dict[str, list[str]]:
    """What the events of a phase carry, without the ids that each run makes anew.

    Chunks that are dicts are taken key by key: in which order a parallel's keys come is chance.
    """
    data = [event["data"] for event in run.events if event["event"].endswith(f"_{phase}")]
    if phase != "stream" or not all(isinstance(one["chunk"], dict) for one in data):
        return [_plain(one) for one in data]
    by_key: dict[str, list[str]] = {}
    for one in data:
        for key, value in one["chunk"].items():
            by_key.setdefault(key, []).append(_plain(value))
    return by_key


def _plain(value: Any) -> str:
    return _MESSAGE_ID.sub('"id":""', to_json(value))


def _number_of(kind: str, events: Iterable[Event]) -> int:
    return sum(event["event"] == kind for event in events)
