"""Noise: what the old side does not repeat when it runs again.

What flaps there is no finding, whatever it is on the new side. Noise is told by run, event and place, so that a field
that flaps hides nothing but itself.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, NamedTuple

from lcel_compat.compare._diff import differences
from lcel_compat.compare._match import match
from lcel_compat.compare._model import FindingKind, Noise
from lcel_compat.compare._raw import Difference
from lcel_compat.compare._recorded import Recorded
from lcel_compat.compare._text import shown

_FAMILIES: Final[tuple[frozenset[FindingKind], ...]] = (
    frozenset({"chunk_missing", "chunk_extra", "chunk_changed", "chunks_redivided"}),
    frozenset({"custom_missing", "custom_extra", "custom_changed"}),
    frozenset({"error_missing", "error_extra", "error_changed"}),
    frozenset({"run_missing", "run_extra"}),
    frozenset({"end_missing", "end_extra"}),
)
"""Kinds that are one flapping thing: a model that words its answer anew loses a chunk today and gains one tomorrow."""


class Spot(NamedTuple):
    """Where something flaps, and what."""

    kinds: frozenset[FindingKind]
    run: tuple[str, ...]
    event: str
    place: str


@dataclass(frozen=True, slots=True)
class Noises:
    """What flapped between the first of several recordings and the others."""

    rates: Mapping[Spot, float]
    kinds: Mapping[Spot, FindingKind]

    @classmethod
    def of(cls, recordings: Sequence[Recorded]) -> Noises:
        """What flaps in recordings of one side; nothing, if there is only one."""
        first, *others = recordings
        counts: Counter[Spot] = Counter()
        kinds: dict[Spot, FindingKind] = {}
        for other in others:
            found: dict[Spot, FindingKind] = {}
            for one in differences(first, other, match(first, other)):
                found.update(dict.fromkeys(_spots(one), one.kind))
            counts.update(found.keys())
            kinds = {**found, **kinds}
        return cls({spot: count / len(others) for spot, count in counts.items()}, kinds)

    def without(self, difference: Difference) -> Difference | None:
        """A difference without the places that flap; None if nothing is left of it."""
        if not self.rates:
            return difference
        spots = list(_spots(difference))
        left = [spot for spot in spots if not self._has(spot)]
        if not left:
            return None
        return difference if len(left) == len(spots) else replace(difference, places=tuple(spot.place for spot in left))

    def told(self, *, input: int) -> Iterator[Noise]:
        """What flapped, in order of appearance."""
        for spot, rate in self.rates.items():
            place = str(shown(spot.place))
            yield Noise(
                kind=self.kinds[spot], run=spot.run, event=spot.event, where=place, rate=round(rate, 3), input=input
            )

    def _has(self, spot: Spot) -> bool:
        """Whether a place, or one that holds it, flaps."""
        steps = spot.place.split(".")
        holders = [".".join(steps[:length]) for length in range(len(steps) + 1)]
        return any(spot._replace(place=holder) in self.rates for holder in holders)


def _spots(difference: Difference) -> Iterator[Spot]:
    alone: frozenset[FindingKind] = frozenset({difference.kind})
    kinds = next((family for family in _FAMILIES if difference.kind in family), alone)
    places = difference.places if len(kinds) == 1 else (difference.lane,)
    for place in places or ("",):
        yield Spot(kinds, difference.path, difference.event, place)
