"""What a comparison says: findings, noise, timings, a verdict.

Everything here is frozen data without behaviour beyond ``to_dict``. How it is found out is in the other modules.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias, get_args

if TYPE_CHECKING:
    from lcel_compat.compare._pairs import Case
    from lcel_compat.events import JsonValue

Verdict: TypeAlias = Literal["same", "changed", "breaking"]
Severity: TypeAlias = Literal["breaking", "changed", "info"]
FindingKind: TypeAlias = Literal[
    "run_missing",
    "run_extra",
    "run_renamed",
    "run_retyped",
    "run_retagged",
    "run_reparented",
    "start_missing",
    "start_extra",
    "end_missing",
    "end_extra",
    "stream_missing",
    "stream_extra",
    "chunk_missing",
    "chunk_extra",
    "chunk_changed",
    "chunks_redivided",
    "chunks_retyped",
    "input_changed",
    "output_changed",
    "data_changed",
    "error_missing",
    "error_extra",
    "error_changed",
    "custom_missing",
    "custom_extra",
    "custom_changed",
    "metadata_missing",
    "metadata_extra",
    "metadata_changed",
    "event_missing",
    "event_extra",
    "field_changed",
    "order_changed",
    "first_chunk_slower",
    "value_unreadable",
]
KINDS: Final[tuple[FindingKind, ...]] = get_args(FindingKind)
SEVERITIES: Final[tuple[Severity, ...]] = get_args(Severity)
FORMAT: Final = 1
"""The version of what ``Comparison.to_dict`` gives; it grows when a field changes its meaning or goes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One difference that a consumer of the events could notice.

    Attributes:
        kind: What happened. ``*_missing`` was there before, ``*_extra`` is there only now.
        severity: ``"breaking"``: a consumer stops working or says something else; ``"changed"``: it can be seen;
            ``"info"``: worth knowing, and without influence on the verdict.
        run: The run by names, root first: where it stood before, or, if it is new, where it stands now.
        event: The event it shows in, as ``"on_parser_stream"``; empty if it concerns the run as a whole.
        where: The place inside the event in dotted form, as ``"data.output.content"``; empty for the whole.
        before: What was, as JSON; ``None`` where there was nothing.
        after: What is.
        message: The same in one sentence.
        readers: Which consumers would notice, as short phrases.
        input: The number of the input, from 0, at which it was found.
        at: The positions of the event in the two recordings, from 0; ``None`` on a side that has no such event.
    """

    kind: FindingKind
    severity: Severity
    run: tuple[str, ...]
    event: str = ""
    where: str = ""
    before: JsonValue = None
    after: JsonValue = None
    message: str = ""
    readers: tuple[str, ...] = ()
    input: int = 0
    at: tuple[int | None, int | None] = (None, None)

    def to_dict(self) -> dict[str, JsonValue]:
        """The fields by name; tuples are lists."""
        return _as_json(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Noise:
    """What the old side does not repeat: never a finding.

    Attributes:
        kind: The kind of the finding that it would be.
        run: As in ``Finding``.
        event: As in ``Finding``.
        where: As in ``Finding``.
        rate: In which share of the old side's repetitions it differed, above 0 and up to 1.
        input: As in ``Finding``.
    """

    kind: FindingKind
    run: tuple[str, ...]
    event: str
    where: str
    rate: float
    input: int = 0

    def to_dict(self) -> dict[str, JsonValue]:
        """The fields by name; tuples are lists."""
        return _as_json(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """Milliseconds: the median of what was measured, the least and the most of it, and how often."""

    median: float
    low: float
    high: float
    count: int

    def to_dict(self) -> dict[str, JsonValue]:
        """The fields by name, in milliseconds with three decimals."""
        return {
            "median": round(self.median, 3),
            "low": round(self.low, 3),
            "high": round(self.high, 3),
            "count": self.count,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """How long it took, as figures; they never change the verdict.

    Attributes:
        name: ``"first_chunk"``, from the beginning to the first ``_stream`` event, or ``"total"``.
        before: The old side, all its repetitions; ``None`` if it has no times or no chunk.
        after: The new side.
        input: The number of the input.
    """

    name: Literal["first_chunk", "total"]
    before: Spread | None
    after: Spread | None
    input: int = 0

    def to_dict(self) -> dict[str, JsonValue]:
        """The fields by name; times in milliseconds."""
        return _as_json(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """The answer to "would anyone notice?".

    Attributes:
        findings: The differences, gravest first, then in order of the recordings.
        noise: What the old side did not repeat either.
        timings: Figures per input.
        inputs: How many inputs were compared.
        events: How many events were compared, of the old and of the new side.
        cases: The aligned recordings, one per input: what reports draw from. Not part of ``to_dict``.
    """

    findings: tuple[Finding, ...] = ()
    noise: tuple[Noise, ...] = ()
    timings: tuple[Timing, ...] = ()
    inputs: int = 1
    events: tuple[int, int] = (0, 0)
    cases: Sequence[Case] = field(default=(), repr=False, compare=False)

    @property
    def verdict(self) -> Verdict:
        """``"breaking"`` or ``"changed"`` if any finding is, else ``"same"``."""
        found = {finding.severity for finding in self.findings}
        return "breaking" if "breaking" in found else "changed" if "changed" in found else "same"

    def to_dict(self) -> dict[str, JsonValue]:
        """The comparison as JSON with keys in a fixed order; ``format`` tells its version."""
        return {
            "format": FORMAT,
            "verdict": self.verdict,
            "inputs": self.inputs,
            "events": list(self.events),
            "findings": [one.to_dict() for one in self.findings],
            "noise": [one.to_dict() for one in self.noise],
            "timings": [one.to_dict() for one in self.timings],
        }


def _as_json(data: Any) -> dict[str, JsonValue]:
    return {one.name: _plain(getattr(data, one.name)) for one in fields(data)}


def _plain(value: Any) -> JsonValue:
    if isinstance(value, Spread):
        return value.to_dict()
    if isinstance(value, tuple):
        return [_plain(part) for part in value]
    if isinstance(value, Mapping):
        return dict(value)
    made: JsonValue = value
    return made
