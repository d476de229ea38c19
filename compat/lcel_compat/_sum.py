"""The sum of a stream's chunks."""

from __future__ import annotations

from typing import Any


class Sum:
    """Chunks added up as core adds them: with ``+``, or else the last one counts (runnables/base.py:1806)."""

    __slots__ = ("_any", "value")

    def __init__(self) -> None:
        self.value: Any = None
        self._any = False

    def add(self, chunk: Any) -> None:
        """Take one more chunk."""
        if not self._any:
            self.value, self._any = chunk, True
            return
        try:
            self.value = self.value + chunk
        except TypeError:
            self.value = chunk
