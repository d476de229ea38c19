"""``values``: the whole state after each superstep that changed what the output shows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lcel_compat._log import Entry, StateChanged


class Values:
    """Gives the state as a dict (or the value of a state that is no mapping)."""

    reads: tuple[type[Entry], ...] = (StateChanged,)

    def project(self, entry: StateChanged) -> Sequence[Any]:
        return (entry.read(),)
