"""Diff: what is different between two matched trees of runs.

A difference says what happened and where, and not yet how bad that is. A subtree that is gone, or new, is one
difference, at its topmost run.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial

from lcel_compat.compare._lanes import own_differences
from lcel_compat.compare._match import Matching
from lcel_compat.compare._model import FindingKind
from lcel_compat.compare._raw import Difference, metadata_kinds
from lcel_compat.compare._recorded import Recorded, Run
from lcel_compat.compare._text import Renaming
from lcel_compat.compare._values import Leaf, leaves
from lcel_compat.events import JsonValue


def differences(before: Recorded, after: Recorded, found: Matching) -> list[Difference]:
    """All differences, in order of the old recording, then what is new, then how the recordings ended."""
    return _unique(_Differ(before, after, found).all())


def _with_those_above(runs: Iterable[Run]) -> set[Run]:
    """Runs, and all that any of them lies below."""
    found: set[Run] = set()
    for run in runs:
        above: Run | None = run
        while above is not None and above not in found:
            found.add(above)
            above = above.parent
    return found


def _unique(found: Iterator[Difference]) -> list[Difference]:
    """One difference per kind and place: what a run's facts say once, its events need not say again."""
    kept: dict[tuple[object, ...], Difference] = {}
    for one in found:
        apart = one.at if one.event else None
        repeated = one.kind.startswith("run_") or one.kind.startswith("metadata_")
        kept.setdefault((one.kind, one.old, one.new, None if repeated else (one.event, one.where, apart)), one)
    return list(kept.values())


class _Differ:
    def __init__(self, before: Recorded, after: Recorded, found: Matching) -> None:
        self._before, self._after, self._found = before, after, found
        self._touched = _with_those_above((*found.new, *found.old))

    def all(self) -> Iterator[Difference]:
        for run in self._before.runs:
            other = self._found.new.get(run)
            if other is not None:
                yield from self._pair(run, other)
        yield from self._one_sided(self._before, missing=True)
        yield from self._one_sided(self._after, missing=False)
        yield from self._outcome()

    def _one_sided(self, recorded: Recorded, *, missing: bool) -> Iterator[Difference]:
        for run in recorded.runs:
            if self._found.has(run) or (run.parent is not None and self._alone(run.parent)):
                continue
            runs = tuple(run.walk()) if self._alone(run) else (run,)
            said: JsonValue = {"name": run.name, "kind": run.kind, "tags": list(run.tags), "runs": len(runs)}
            made = partial(Difference, runs=runs)
            if missing:
                yield made(kind="run_missing", old=run, new=None, before=said, at=(run.first, None))
            else:
                yield made(kind="run_extra", old=None, new=run, after=said, at=(None, run.first))

    def _alone(self, run: Run) -> bool:
        """Whether nothing of a subtree is in a pair: then its topmost run speaks for all of it."""
        return run not in self._touched

    # --- a pair ---

    def _pair(self, old: Run, new: Run) -> Iterator[Difference]:
        made = partial(Difference, old=old, new=new, at=(old.first, new.first))
        if old.name != new.name:
            yield made(kind="run_renamed", where="name", places=("name",), before=old.name, after=new.name)
        if old.kind != new.kind:
            yield made(kind="run_retyped", where="event", places=("event",), before=old.kind, after=new.kind)
        if old.tags != new.tags:
            before, after = (list[JsonValue](run.tags) for run in (old, new))
            yield made(kind="run_retagged", where="tags", places=("tags",), before=before, after=after)
        yield from self._facts(old, new)
        yield from self._place(old, new)
        yield from own_differences(old, new, self._before.texts)
        yield from self._unreadable(old, new)

    def _facts(self, old: Run, new: Run) -> Iterator[Difference]:
        """Metadata, one difference for what is gone, what is new and what is another; and fields of unknown names."""
        made = partial(Difference, old=old, new=new, at=(old.first, new.first))
        texts, renaming = self._before.texts, Renaming()
        grouped: dict[FindingKind, list[Leaf]] = {}
        if old.metadata != new.metadata:
            for leaf in leaves(texts.value(old.metadata), texts.value(new.metadata), renaming):
                for kind in metadata_kinds(leaf):
                    grouped.setdefault(kind, []).append(leaf)
        for kind, found in grouped.items():
            places = tuple(".".join(("metadata", *leaf.path)) for leaf in found)
            before: JsonValue = {".".join(leaf.path): leaf.before for leaf in found}
            after: JsonValue = {".".join(leaf.path): leaf.after for leaf in found}
            where = places[0] if len(places) == 1 else "metadata"
            gone, new_one = kind == "metadata_missing", kind == "metadata_extra"
            yield made(
                kind=kind,
                where=where,
                places=places,
                before=None if new_one else before,
                after=None if gone else after,
            )
        if old.extra != new.extra:
            for leaf in leaves(texts.value(old.extra), texts.value(new.extra), renaming):
                where = ".".join(leaf.path)
                yield made(kind="field_changed", where=where, places=(where,), before=leaf.before, after=leaf.after)

    def _place(self, old: Run, new: Run) -> Iterator[Difference]:
        """Where a pair stands: below which run, and not before it; the root first of all."""
        if self._standing(old, self._found.new) != self._standing(new, {}):
            before, after = (list[JsonValue](run.path[:-1]) for run in (old, new))
            yield Difference(
                kind="run_reparented",
                old=old,
                new=new,
                where="parent_ids",
                places=("parent_ids",),
                before=before,
                after=after,
                at=(old.first, new.first),
            )
        late = [run.parent is not None and run.first < run.parent.first for run in (old, new)]
        lead = old is self._before.runs[0] and old.parent is None and new is not self._after.runs[0]
        if late[0] != late[1] or lead:
            where = f"on_{old.kind}_start"
            yield Difference(kind="order_changed", old=old, new=new, event=where, at=(old.first, new.first))

    def _standing(self, run: Run, partners: dict[Run, Run]) -> object:
        """What ``parent_ids`` says, in runs of the new side: the parent, or, where that emitted nothing, how many."""
        parent = run.parent
        if parent is None:
            return len(run.parents)
        regular = run.parents == (*parent.parents, parent.id)
        return (partners.get(parent, parent), 0 if regular else len(run.parents) - len(parent.parents))

    def _unreadable(self, old: Run, new: Run) -> Iterator[Difference]:
        """Values too deep or too long to be written are equal as far as they were, which is not the same."""
        cut = self._before.texts.cut
        if cut and not all(cut.isdisjoint((*run.main.steps, run.metadata, run.extra)) for run in (old, new)):
            yield Difference(kind="value_unreadable", old=old, new=new, at=(old.first, new.first))

    # --- the recordings as a whole ---

    def _outcome(self) -> Iterator[Difference]:
        """The exceptions that ended the recordings."""
        old, new = (next(iter(side.runs), None) for side in (self._before, self._after))
        before, after = self._before.error, self._after.error
        if before is None and after is None:
            return
        made = partial(Difference, old=old, new=new, event="(exception)", before=before, after=after)
        if after is None:
            yield made(kind="error_missing")
        elif before is None:
            yield made(kind="error_extra")
        elif found := leaves(before, after, Renaming()):
            places = tuple(".".join(leaf.path) for leaf in found)
            yield made(kind="error_changed", where=places[0] if len(places) == 1 else "", places=places)
