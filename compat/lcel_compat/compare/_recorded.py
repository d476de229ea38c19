"""A recording as a tree of runs: the normal form.

What one run emits is ordered; siblings that run at once are not, so each run keeps its own events and nothing else.
Chunks that are objects are split by key into lanes: a parallel's branches race (forty runs of one parallel gave forty
orders, and one once they are split). What remains of an event is the number of its text, so that equal events of the
two sides are equal numbers and a million of them fit into memory.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from lcel_compat.compare._text import Names, Texts
from lcel_compat.events import JsonValue

NO_RUN: Final = "(no run)"
"""The name under which items stand that belong to no run."""

Crowd: TypeAlias = frozenset[str]


class Lane:
    """A sequence of steps, as numbers of texts, and where in the recording each stood."""

    __slots__ = ("at", "names", "steps")

    def __init__(self) -> None:
        self.steps = array("I")
        self.at = array("I")
        self.names = Names()

    def add(self, step: int, position: int) -> None:
        """Append a step."""
        self.steps.append(step)
        self.at.append(position)


@dataclass(slots=True, eq=False, kw_only=True)
class Run:
    """One run.

    Attributes:
        id: Its identifier in the recording.
        name: The name on its first event.
        kind: ``"chain"``, ``"chat_model"``...: what its events are named after; empty if none says it.
        tags: Sorted.
        metadata: The number of its metadata's text.
        extra: The number of the text of what else its first event holds.
        parents: Identifiers, root first.
        first: The position of its first event.
        root: Whether consumers take it for the root: it has no parents, or, in version 1, comes first.
        parent: The nearest of its parents that emitted anything.
        main: Its events in order; stretches of chunks that are objects are one step each.
        by_key: The chunks that are objects, by key.
        keysets: How often a chunk had which keys together, by number of the text of the keys.
        crowd: Keys that several tasks of one superstep write: their order is that of arrival.
        digest: A number that equal subtrees share.
        size: How many runs the subtree has.
        last: The position of the subtree's last event.
    """

    id: str
    name: str
    kind: str
    tags: tuple[str, ...]
    metadata: int
    extra: int
    parents: tuple[str, ...]
    first: int
    root: bool = False
    parent: Run | None = None
    children: list[Run] = field(default_factory=list)
    main: Lane = field(default_factory=Lane)
    by_key: dict[str, Lane] = field(default_factory=dict)
    keysets: Counter[int] = field(default_factory=Counter)
    crowd: Crowd = frozenset()
    digest: int = 0
    size: int = 1

    def __repr__(self) -> str:
        return f"Run({'/'.join(self.path)})"

    @property
    def path(self) -> tuple[str, ...]:
        """The names from the root to this run."""
        return tuple(run.name for run in self.lineage())

    def lineage(self) -> list[Run]:
        """The runs from the root to this one."""
        runs: list[Run] = []
        run: Run | None = self
        while run is not None:
            runs.append(run)
            run = run.parent
        return runs[::-1]

    def lanes(self) -> Iterator[tuple[str | None, Lane]]:
        """The main lane under ``None``, then those of the keys."""
        yield None, self.main
        yield from self.by_key.items()

    def walk(self) -> Iterator[Run]:
        """This run and all below it, parents first."""
        todo: list[Run] = [self]
        while todo:
            run = todo.pop()
            yield run
            todo.extend(reversed(run.children))


@dataclass(slots=True, eq=False, kw_only=True)
class Recorded:
    """One side's recording of one input.

    Attributes:
        texts: What the numbers stand for; shared with the other side.
        runs: All runs in order of their first event.
        error: The exception that ended it, as JSON.
        events: How many items it had.
        nested: Whether any event names parents: version 1 has none.
        first_chunk: The position of the first ``_stream`` event.
        times: Milliseconds from the beginning, one per item; empty where they are not known.
    """

    texts: Texts
    runs: list[Run] = field(default_factory=list)
    error: JsonValue = None
    events: int = 0
    nested: bool = False
    first_chunk: int | None = None
    times: Sequence[float] = ()

    @property
    def roots(self) -> list[Run]:
        """The runs below no other."""
        return [run for run in self.runs if run.parent is None]


def adopt(runs: Iterable[Run]) -> None:
    """Put every run below the nearest of its parents that is there; no run ends up below itself."""
    by_id = {run.id: run for run in runs}
    for run in by_id.values():
        known = (by_id[parent] for parent in reversed(run.parents) if parent in by_id)
        run.parent = next((parent for parent in known if not _is_below(parent, run)), None)
        if run.parent is not None:
            run.parent.children.append(run)


def _is_below(run: Run, other: Run) -> bool:
    above: Run | None = run
    while above is not None:
        if above is other:
            return True
        above = above.parent
    return False
