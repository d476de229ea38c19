"""Would a consumer notice? Two recordings of events, or two runnables, compared.

``compare_events`` compares recordings; ``compare`` and ``acompare`` run both sides; ``observe`` learns from a
consumer's own code what it reads and gives a ``Contract`` that says so; ``explain`` tells a comparison as text.
"""

from __future__ import annotations

from lcel_compat.compare._compare import compare_events, compare_recordings
from lcel_compat.compare._contract import Contract, Read
from lcel_compat.compare._errors import ComparisonError, ContractError, UncopyableInputError
from lcel_compat.compare._explain import explain
from lcel_compat.compare._model import Comparison, Finding, FindingKind, Noise, Severity, Spread, Timing, Verdict
from lcel_compat.compare._observe import Observation, observe
from lcel_compat.compare._run import acompare, compare

__all__ = [
    "Comparison",
    "ComparisonError",
    "Contract",
    "ContractError",
    "Finding",
    "FindingKind",
    "Noise",
    "Observation",
    "Read",
    "Severity",
    "Spread",
    "Timing",
    "UncopyableInputError",
    "Verdict",
    "acompare",
    "compare",
    "compare_events",
    "compare_recordings",
    "explain",
    "observe",
]
