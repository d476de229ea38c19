"""A difference as it is found, before it is judged."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from lcel_compat.compare._model import FindingKind
from lcel_compat.compare._recorded import Run
from lcel_compat.compare._values import ABSENT, Leaf
from lcel_compat.events import JsonValue


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Difference:
    """What is different, and where.

    Attributes:
        kind: As in ``Finding``.
        old: The run of the old side, if it has it.
        new: The run of the new side, if it has it.
        event: As in ``Finding``.
        places: Dotted places in the event that differ, the leaves; empty for the event as a whole.
        where: The place that holds all of ``places``.
        before: As in ``Finding``.
        after: As in ``Finding``.
        at: As in ``Finding``.
        runs: The runs of a subtree that is gone or new.
        lane: The key, where chunks that are objects are compared by key.
        names: The names of a custom event, of the old and of the new side.
    """

    kind: FindingKind
    old: Run | None
    new: Run | None
    event: str = ""
    places: tuple[str, ...] = ()
    where: str = ""
    before: JsonValue = None
    after: JsonValue = None
    at: tuple[int | None, int | None] = (None, None)
    runs: tuple[Run, ...] = ()
    lane: str = ""
    names: tuple[str, ...] = ()

    @property
    def run(self) -> Run | None:
        """The run: the old side's, or, if it is new, the new side's."""
        return self.old or self.new

    @property
    def path(self) -> tuple[str, ...]:
        """The names from the root to the run; empty for the recording as a whole."""
        return self.run.path if self.run is not None else ()


def metadata_kinds(leaf: Leaf) -> Iterator[FindingKind]:
    """What happened to metadata at a leaf: a key is gone, a key is new, a value is another."""
    if leaf.before is ABSENT:
        yield "metadata_extra"
    elif leaf.after is ABSENT:
        yield "metadata_missing"
    else:
        yield "metadata_changed"
