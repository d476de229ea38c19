"""How long it took: figures with their spread, and never a verdict."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence
from typing import Final

from lcel_compat.compare._model import Finding, Spread, Timing
from lcel_compat.compare._recorded import Recorded

_SLOWER: Final = 2.0
"""How many times later a first chunk has to come to be worth a word."""
_NOTICED: Final = 50.0
"""And by how many milliseconds: what nobody sees is not told."""


def timings(before: Sequence[Recorded], after: Sequence[Recorded], *, input: int) -> tuple[Timing, ...]:
    """The figures of one input; nothing for a recording without times."""
    first = Timing(name="first_chunk", before=_spread(before, 0), after=_spread(after, 0), input=input)
    total = Timing(name="total", before=_spread(before, 1), after=_spread(after, 1), input=input)
    return tuple(timing for timing in (first, total) if timing.before is not None or timing.after is not None)


def slower(figures: Sequence[Timing], old: Recorded) -> Iterator[Finding]:
    """A finding where the first chunk comes later than it ever did, by a factor and a time that one would notice."""
    for one in figures:
        if one.name != "first_chunk" or one.before is None or one.after is None:
            continue
        late = one.after.low - one.before.high
        if late >= _NOTICED and one.after.low >= _SLOWER * one.before.high:
            yield Finding(
                kind="first_chunk_slower",
                severity="info",
                run=old.runs[0].path,
                before=round(one.before.median, 3),
                after=round(one.after.median, 3),
                message=f"the first chunk comes after {one.after.median:.0f} ms instead of {one.before.median:.0f} ms",
                input=one.input,
            )


def _spread(side: Sequence[Recorded], figure: int) -> Spread | None:
    found = [times[figure] for recorded in side if (times := _figures(recorded))[figure] is not None]
    values = [value for value in found if value is not None]
    if not values:
        return None
    return Spread(median=statistics.median(values), low=min(values), high=max(values), count=len(values))


def _figures(recorded: Recorded) -> tuple[float | None, float | None]:
    """Time to the first chunk, and to the last event."""
    times, chunk = recorded.times, recorded.first_chunk
    if len(times) == 0:
        return None, None
    return (times[chunk] if chunk is not None and chunk < len(times) else None), times[-1]
