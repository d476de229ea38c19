"""Items of the store that live for a time."""

from __future__ import annotations

import time

SECONDS = 60.0
"""How long an item may be seen after its time: minutes are what its life is given in."""


class Swept:
    """When items were last swept that are past their time: at the first use of a store after a while, not by a task."""

    def __init__(self) -> None:
        self._last = -SECONDS

    def due(self) -> bool:
        """Whether whoever asks is to sweep now; then nobody else is for a while."""
        now = time.monotonic()
        if now - self._last < SECONDS:
            return False
        self._last = now
        return True
