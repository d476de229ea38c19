"""A list of checkpoints, read in pages."""

from __future__ import annotations

from collections.abc import Sequence

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import CheckpointTuple

_PAGE = 64
"""How many checkpoints are read at once: a history may be longer than memory."""


class Pages:
    """Where the next page begins and how long it is, for a saver's ``list``.

    Args:
        config: What is listed. Only inside one namespace of one thread does a checkpoint's id say where a page ended;
            anything else is one page.
        before: What is listed was made before this one.
        limit: How many are wanted in all; None for all.
    """

    def __init__(self, config: RunnableConfig | None, before: RunnableConfig | None, limit: int | None) -> None:
        asked = (config or {}).get("configurable", {})
        self._paged = "thread_id" in asked and "checkpoint_ns" in asked
        self._left = limit
        self.before = before
        self.more = True

    @property
    def limit(self) -> int | None:
        """How many to ask for."""
        if not self._paged:
            return self._left
        return _PAGE if self._left is None else min(_PAGE, self._left)

    def turn(self, found: Sequence[CheckpointTuple]) -> None:
        """Go on behind what was found."""
        self.more = self._paged and len(found) == self.limit and self._left != len(found)
        if found:
            self.before = found[-1].config
        if self._left is not None:
            self._left -= len(found)
