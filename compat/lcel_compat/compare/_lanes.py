"""Diff of what the two runs of a pair emit themselves: their lanes, aligned and then compared."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Final, NamedTuple, cast

from lcel_compat.compare._align import align
from lcel_compat.compare._model import FindingKind
from lcel_compat.compare._normal import BY_KEY, CUSTOM, lane_steps
from lcel_compat.compare._raw import Difference, metadata_kinds
from lcel_compat.compare._recorded import Run
from lcel_compat.compare._text import Renaming, Texts
from lcel_compat.compare._values import Leaf, at, common, is_nothing, kind_of, leaves, text_in, whole
from lcel_compat.events import JsonValue

_MOST_GAPS: Final = 40
"""Beyond so many, the places where a lane differs are told as one."""
_PARTS: Final[dict[str, FindingKind]] = {
    "input": "input_changed",
    "output": "output_changed",
    "error": "error_changed",
    "chunk": "chunk_changed",
}
_DEVIATIONS: Final[dict[str, FindingKind]] = {
    "tags": "run_retagged",
    "name": "run_renamed",
    "parent_ids": "run_reparented",
}
_ONE_SIDED: Final[dict[str, tuple[FindingKind, FindingKind]]] = {
    "start": ("start_missing", "start_extra"),
    "end": ("end_missing", "end_extra"),
    "error": ("error_missing", "error_extra"),
    "custom": ("custom_missing", "custom_extra"),
}


class Step(NamedTuple):
    """An event of a lane: the number of its text, and where it stood, unless its order is that of arrival."""

    number: int
    at: int | None


@dataclass(slots=True)
class Gap:
    """A place where the lanes differ: steps of the old one that became those of the new one."""

    old: list[Step]
    new: list[Step]


def own_differences(old: Run, new: Run, texts: Texts) -> list[Difference]:
    """What two runs that are one emit differently; empty if their lanes are equal."""
    keys = {*old.by_key, *new.by_key, None}
    if old.keysets == new.keysets and all(lane_steps(old, key) == lane_steps(new, key) for key in keys):
        return []
    return list(_Own(old, new, texts).all())


class _Own:
    """The comparison of one pair."""

    def __init__(self, old: Run, new: Run, texts: Texts) -> None:
        self._old, self._new, self._texts = old, new, texts
        self._renaming = Renaming()
        self._difference = partial(Difference, old=old, new=new)
        self._retyped = False

    def all(self) -> Iterator[Difference]:
        streams = [next(self._chunks(run), None) for run in (self._old, self._new)]
        if (streams[0] is None) != (streams[1] is None):
            yield self._stream_lost() if streams[1] is None else self._stream_new()
        both = None not in streams
        found = list(self._lane(None, chunks=both))
        for key in sorted({*self._old.by_key, *self._new.by_key}) if both else ():
            one_sided = (key in self._old.by_key) != (key in self._new.by_key)
            if not (self._retyped and one_sided):
                found += self._lane(key, chunks=True)
        if both and not found and self._old.keysets != self._new.keysets:
            found.append(self._keys_regrouped())
        yield from found

    # --- whole streams ---

    def _chunks(self, run: Run) -> Iterator[tuple[str, int]]:
        """Event and position of each chunk that a run emits."""
        for _, lane in run.lanes():
            for number, position in zip(lane.steps, lane.at, strict=True):
                if (event := self._event(number)).endswith("_stream"):
                    yield event, position

    def _stream_lost(self) -> Difference:
        event, position = next(self._chunks(self._old))
        before = self._all_of(self._old)
        return self._difference(kind="stream_missing", event=event, before=before, at=(position, None))

    def _stream_new(self) -> Difference:
        event, position = next(self._chunks(self._new))
        return self._difference(kind="stream_extra", event=event, after=self._all_of(self._new), at=(None, position))

    def _all_of(self, run: Run) -> JsonValue:
        if run.by_key:
            return {key: whole([self._chunk(step, key) for step in lane.steps]) for key, lane in run.by_key.items()}
        return whole([self._chunk(step) for step in run.main.steps if self._event(step).endswith("_stream")])

    def _keys_regrouped(self) -> Difference:
        before, after = (
            [self._texts.value(number) for number in sorted(run.keysets.elements())][:_MOST_GAPS]
            for run in (self._old, self._new)
        )
        event = next(self._chunks(self._old))[0]
        return self._difference(
            kind="chunks_redivided", event=event, where="data.chunk", before=before, after=after, places=("data.chunk",)
        )

    # --- one lane ---

    def _lane(self, key: str | None, *, chunks: bool) -> list[Difference]:
        self._difference = partial(Difference, old=self._old, new=self._new, lane=key or "")
        old, new = self._steps(self._old, key, chunks), self._steps(self._new, key, chunks)
        gaps = _gaps(old, new)
        if not gaps:
            return []
        span = _span(old, new)
        if self._only_chunks(gaps) and (same := self._redivided(span, key)):
            return [same]
        found = self._moved(gaps, key)
        if len(gaps) > _MOST_GAPS:
            gaps = [span] if not found else [_flattened(gaps)]
        for gap in gaps:
            found += self._gap(gap, key)
        return found

    def _steps(self, run: Run, key: str | None, chunks: bool) -> list[Step]:
        lane = run.main if key is None else run.by_key.get(key)
        if lane is None:
            return []
        numbers = lane_steps(run, key)
        places = [None] * len(numbers) if key in run.crowd else lane.at
        steps = [Step(number, place) for number, place in zip(numbers, places, strict=True)]
        return steps if chunks else [step for step in steps if not self._event(step.number).endswith("_stream")]

    def _only_chunks(self, gaps: Iterable[Gap]) -> bool:
        steps = (step for gap in gaps for step in (*gap.old, *gap.new))
        return all(self._event(step.number).endswith("_stream") and not self._is_marker(step.number) for step in steps)

    def _moved(self, gaps: Sequence[Gap], key: str | None) -> list[Difference]:
        """Steps that are gone in one place and there in another; they are taken out of the gaps."""
        gone = Counter(step.number for gap in gaps for step in gap.old)
        come = Counter(step.number for gap in gaps for step in gap.new)
        both = gone & come
        if not both:
            return []
        first = [
            next(step for gap in gaps for step in side(gap) if step.number in both) for side in (_old_side, _new_side)
        ]
        for side in (_old_side, _new_side):
            left = Counter(both)
            for gap in gaps:
                _take(side(gap), left)
        event = self._event(first[0].number)
        said = self._shown(first[0].number, key)
        return [self._difference(kind="order_changed", event=event, before=said, after=said, at=_places(first))]

    # --- one gap ---

    def _gap(self, gap: Gap, key: str | None) -> Iterator[Difference]:
        for event in dict.fromkeys(self._event(step.number) for step in (*gap.old, *gap.new)):
            old, new = ([step for step in side if self._event(step.number) == event] for side in (gap.old, gap.new))
            if event.endswith("_stream"):
                yield from self._chunk_gap(event, Gap(old, new), key)
            else:
                yield from self._event_gap(event, old, new)

    def _chunk_gap(self, event: str, gap: Gap, key: str | None) -> Iterator[Difference]:
        old, new = ([self._chunk(step.number, key) for step in side] for side in (gap.old, gap.new))
        place = "data.chunk" if key is None else f"data.chunk.{key}"
        made = partial(self._difference, event=event, where=place, places=(place,), at=_ends(gap))
        if old and new and {*map(self._kind, old)}.isdisjoint(map(self._kind, new)):
            self._retyped = True
            sides = [self._all_of(run) if BY_KEY in said else _shortest(said) for run, said in self._said(old, new)]
            yield made(kind="chunks_retyped", before=sides[0], after=sides[1])
            return
        if BY_KEY in (*old, *new):
            if not (self._old.by_key.keys() ^ self._new.by_key.keys()):
                yield made(kind="order_changed", places=())
            return
        if same := self._redivided(gap, key):
            yield same
        elif len(old) == len(new):
            pairs = zip(gap.old, gap.new, strict=True)
            yield from _merged([found for one, other in pairs for found in self._changed(event, one, other)])
        else:
            kind: FindingKind = "chunk_changed" if old and new else "chunk_missing" if old else "chunk_extra"
            yield made(kind=kind, before=_shortest(old), after=_shortest(new))

    def _said(self, old: list[JsonValue], new: list[JsonValue]) -> list[tuple[Run, list[JsonValue]]]:
        return [(self._old, old), (self._new, new)]

    def _redivided(self, gap: Gap, key: str | None) -> Difference | None:
        """The same whole in other chunks; chunks that say nothing make no whole."""
        old, new = ([self._chunk(step.number, key) for step in side] for side in (gap.old, gap.new))
        said = [[chunk for chunk in side if not is_nothing(chunk)] for side in (old, new)]
        if any(said) and (not all(said) or leaves(whole(said[0]), whole(said[1]), self._renaming)):
            return None
        if [text_in(chunk) for chunk in old] == [text_in(chunk) for chunk in new]:
            return None
        place = "data.chunk" if key is None else f"data.chunk.{key}"
        event = self._event((gap.old or gap.new)[0].number)
        made = partial(self._difference, kind="chunks_redivided", event=event, where=place, places=(place,))
        return cast("Callable[..., Difference]", made)(before=old[:_MOST_GAPS], after=new[:_MOST_GAPS], at=_ends(gap))

    def _event_gap(self, event: str, old: Sequence[Step], new: Sequence[Step]) -> Iterator[Difference]:
        by_name = [self._by_name(side) for side in (old, new)]
        for name in dict.fromkeys((*by_name[0], *by_name[1])):
            olds, news = (side.get(name, []) for side in by_name)
            for one, other in zip(olds, news, strict=False):
                yield from self._changed(event, one, other)
            missing, extra = self._one_sided(event)
            made = partial(self._difference, event=event, names=(name,))
            for step in olds[len(news) :]:
                yield made(kind=missing, before=self._shown(step.number), at=(step.at, None))
            for step in news[len(olds) :]:
                yield made(kind=extra, after=self._shown(step.number), at=(None, step.at))

    def _by_name(self, steps: Iterable[Step]) -> dict[str, list[Step]]:
        """Steps by the name of a custom event; other events have none of their own."""
        found: dict[str, list[Step]] = {}
        for step in steps:
            name = at(self._texts.value(step.number), ("with", "name")) if self._is_custom(step.number) else ""
            found.setdefault(str(name), []).append(step)
        return found

    def _one_sided(self, event: str) -> tuple[FindingKind, FindingKind]:
        phase = "custom" if event == CUSTOM else event.rpartition("_")[2]
        return _ONE_SIDED.get(phase, ("event_missing", "event_extra"))

    # --- one event ---

    def _changed(self, event: str, one: Step, other: Step) -> Iterator[Difference]:
        """What differs between two events that are one, part by part."""
        sides = [self._parts(step.number, run) for step, run in ((one, self._old), (other, self._new))]
        found: dict[tuple[FindingKind, tuple[str, ...]], list[Leaf]] = {}
        for leaf in leaves(sides[0], sides[1], self._renaming):
            for kind, depth in self._kinds_of(event, leaf):
                found.setdefault((kind, leaf.path[:depth]), []).append(leaf)
        names = tuple({str(at(side, ("name",))): 1 for side in sides})
        for (kind, _), parts in found.items():
            where = common([leaf.path for leaf in parts])
            yield self._difference(
                kind=kind,
                event=event,
                where=".".join(where),
                places=tuple(".".join(leaf.path) for leaf in parts),
                before=at(sides[0], where),
                after=at(sides[1], where),
                at=(one.at, other.at),
                names=names,
            )

    def _parts(self, number: int, run: Run) -> JsonValue:
        value = cast("dict[str, JsonValue]", self._texts.value(number))
        said = cast("dict[str, JsonValue]", value.get("with", {}))
        return {"data": value["data"], "metadata": self._texts.value(run.metadata), **said}

    def _kinds_of(self, event: str, leaf: Leaf) -> Iterator[tuple[FindingKind, int]]:
        """The kinds of difference that a leaf is, and how much of its path tells one from another."""
        part = leaf.path[0] if leaf.path else ""
        if part == "metadata":
            for kind in metadata_kinds(leaf):
                yield kind, 1
        elif part in _DEVIATIONS:
            yield _DEVIATIONS[part], 1
        elif part != "data":
            yield "field_changed", 1
        elif event == CUSTOM:
            yield "custom_changed", 1
        else:
            inside = leaf.path[1] if len(leaf.path) > 1 else ""
            yield _PARTS.get(inside, "data_changed"), 2

    def _event(self, number: int) -> str:
        text = self._texts.text(number)
        return text[10 : text.index('"', 10)]  # What every step's text begins with is {"event":"

    def _is_custom(self, number: int) -> bool:
        return self._event(number) == CUSTOM

    def _is_marker(self, number: int) -> bool:
        return self._event(number).endswith("_stream") and self._chunk(number) == BY_KEY

    def _chunk(self, number: int, key: str | None = None) -> JsonValue:
        return at(self._texts.value(number), ("data", "chunk") if key is None else ("data", "chunk", key))

    def _kind(self, chunk: JsonValue) -> str:
        return "object" if chunk == BY_KEY else kind_of(chunk)

    def _shown(self, number: int, key: str | None = None) -> JsonValue:
        return self._chunk(number, key) if self._is_chunk(number) else at(self._texts.value(number), ("data",))

    def _is_chunk(self, number: int) -> bool:
        return self._event(number).endswith("_stream")


def _merged(found: Iterable[Difference]) -> Iterator[Difference]:
    """One difference of each kind for chunks in a row: a reworded answer is one thing, not one per token."""
    kinds: dict[FindingKind, list[Difference]] = {}
    for one in found:
        kinds.setdefault(one.kind, []).append(one)
    for first, *others in kinds.values():
        same = [first, *others]
        yield (
            first
            if not others
            else replace(
                first,
                where=".".join(common([tuple(one.where.split(".")) for one in same])),
                places=tuple(dict.fromkeys(place for one in same for place in one.places)),
                before=[one.before for one in same],
                after=[one.after for one in same],
            )
        )


def _old_side(gap: Gap) -> list[Step]:
    return gap.old


def _new_side(gap: Gap) -> list[Step]:
    return gap.new


def _gaps(old: Sequence[Step], new: Sequence[Step]) -> list[Gap]:
    numbers = [[step.number for step in side] for side in (old, new)]
    blocks = [block for block in align(*numbers) if not block.equal]
    return [Gap(list(old[slice(*block.old)]), list(new[slice(*block.new)])) for block in blocks]


def _span(old: Sequence[Step], new: Sequence[Step]) -> Gap:
    """From the first place to the last at which two lanes differ."""
    shorter = min(len(old), len(new))
    head = next((n for n in range(shorter) if old[n].number != new[n].number), shorter)
    rest = shorter - head
    tail = next((n for n in range(rest) if old[-n - 1].number != new[-n - 1].number), rest)
    return Gap(list(old[head : len(old) - tail]), list(new[head : len(new) - tail]))


def _flattened(gaps: Iterable[Gap]) -> Gap:
    all_gaps = list(gaps)
    return Gap([step for gap in all_gaps for step in gap.old], [step for gap in all_gaps for step in gap.new])


def _take(steps: list[Step], wanted: Counter[int]) -> None:
    """Remove as many steps of each number as are wanted, and count them off."""
    kept = []
    for step in steps:
        if wanted[step.number] > 0:
            wanted[step.number] -= 1
        else:
            kept.append(step)
    steps[:] = kept


def _places(steps: Sequence[Step]) -> tuple[int | None, int | None]:
    return steps[0].at, steps[1].at


def _ends(gap: Gap) -> tuple[int | None, int | None]:
    return (gap.old[0].at if gap.old else None, gap.new[0].at if gap.new else None)


def _shortest(values: Sequence[JsonValue]) -> JsonValue:
    """Nothing, the one value, or the list of them."""
    return None if not values else values[0] if len(values) == 1 else list(values)
