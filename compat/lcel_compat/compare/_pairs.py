"""What is compared of one input: both recordings, and which run is which."""

from __future__ import annotations

from dataclasses import dataclass

from lcel_compat.compare._match import Matching
from lcel_compat.compare._recorded import Recorded


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One input's recordings, aligned.

    Attributes:
        input: Its number.
        before: The old side.
        after: The new side.
        matching: Which run of one side is which of the other.
    """

    input: int
    before: Recorded
    after: Recorded
    matching: Matching
