"""``values``: the whole state after each superstep that changed what the output shows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lcel_compat._constants import INTERRUPT
from lcel_compat._log import Entry, StateChanged


class Values:
    """Gives the state as a dict (or the value of a state that is no mapping).

    When the run begins to wait for answers, it gives the state once more, with the questions under ``__interrupt__``.
    """

    reads: tuple[type[Entry], ...] = (StateChanged,)

    def project(self, entry: StateChanged) -> Sequence[Any]:
        state = entry.read()
        if not entry.interrupts:
            return (state,)
        asked = {INTERRUPT: entry.interrupts}
        return ({**state, **asked} if isinstance(state, dict) else asked,)
