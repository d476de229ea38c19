"""The comparison of two recordings: normalise, match, align, diff, judge."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import zip_longest

from lcel_compat.compare._contract import Contract
from lcel_compat.compare._diff import differences
from lcel_compat.compare._errors import ComparisonError
from lcel_compat.compare._judge import Judge
from lcel_compat.compare._match import match
from lcel_compat.compare._model import SEVERITIES, Comparison, Finding
from lcel_compat.compare._noise import Noises
from lcel_compat.compare._normal import Side, Source
from lcel_compat.compare._pairs import Case
from lcel_compat.compare._recorded import Recorded
from lcel_compat.compare._text import text_of
from lcel_compat.compare._timing import slower, timings
from lcel_compat.events import to_jsonable


def compare_events(before: Source, after: Source, *, contract: Contract | None = None) -> Comparison:
    """Compare two recordings of one run each.

    Args:
        before: Events of version 1 or 2 in the order in which they came; they are read once, and may be a generator's.
            An exception as the last item is the one that the run ended with. Or a run of a recording
            (``lcel_compat.events.load``), which knows its ending and its times.
        after: The same of the new side.
        contract: What the consumers read; without it, severities follow what known consumers read (EVENTS.md, 2.2).

    Returns:
        The comparison; no content makes it raise.
    """
    return compare_recordings([before], [after], contract=contract)


def compare_recordings(
    before: Iterable[Source], after: Iterable[Source], *, contract: Contract | None = None
) -> Comparison:
    """Compare recordings of several inputs, the first with the first and so on; as ``compare_events``.

    Raises:
        ComparisonError: If one side has more inputs than the other, they were recorded with other inputs, or there
            are none.
    """
    pairs = enumerate(zip_longest(before, after))
    return compare_samples((_read(number, old, new) for number, (old, new) in pairs), contract)


def _read(number: int, before: Source | None, after: Source | None) -> Samples:
    if before is None or after is None:
        raise ComparisonError(f"only one side has a recording of input {number}: record both with the same inputs")
    inputs = [
        text_of(to_jsonable(given)) for one in (before, after) if (given := getattr(one, "input", None)) is not None
    ]
    if len(set(inputs)) > 1:
        raise ComparisonError(
            f"input {number} is {inputs[0]:.80} on one side and {inputs[1]:.80} on the other:"
            " record both with the same inputs, in the same order"
        )
    side = Side()
    return Samples((side.read(before),), (side.read(after),))


@dataclass(frozen=True, slots=True)
class Samples:
    """Recordings of one input that share their texts; the first of each side are compared, the others tell noise."""

    before: Sequence[Recorded]
    after: Sequence[Recorded]


def compare_samples(samples: Iterable[Samples], contract: Contract | None = None) -> Comparison:
    """Compare recordings of several inputs, with the old side's repetitions as the measure of noise.

    Raises:
        ComparisonError: If there are none: what compared nothing must not say that all is the same.
    """
    parts = [_compared(number, sample, contract) for number, sample in enumerate(samples)]
    if not parts:
        raise ComparisonError("there is nothing to compare: neither side ran on any input")
    findings = sorted((one for part in parts for one in part.findings), key=_gravity)
    return Comparison(
        findings=tuple(findings),
        noise=tuple(one for part in parts for one in part.noise),
        timings=tuple(one for part in parts for one in part.timings),
        inputs=len(parts),
        events=(sum(part.events[0] for part in parts), sum(part.events[1] for part in parts)),
        cases=tuple(case for part in parts for case in part.cases),
    )


def _gravity(finding: Finding) -> int:
    return SEVERITIES.index(finding.severity)


def _compared(number: int, sample: Samples, contract: Contract | None) -> Comparison:
    old, new = sample.before[0], sample.after[0]
    noise = Noises.of(sample.before)
    matching = match(old, new)
    real = [kept for one in differences(old, new, matching) if (kept := noise.without(one)) is not None]
    figures = timings(sample.before, sample.after, input=number)
    return Comparison(
        findings=(*Judge(old.texts, contract).findings(real, input=number), *slower(figures, old)),
        noise=tuple(noise.told(input=number)),
        timings=figures,
        events=(old.events, new.events),
        cases=(Case(input=number, before=old, after=new, matching=matching),),
    )
