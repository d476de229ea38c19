"""``checkpoints``: every checkpoint as it is made; nothing in a run that is not saved."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lcel_compat._log import Checkpointed, Entry


class Checkpoints:
    """Gives ``{"config", "parent_config", "values", "metadata", "next", "tasks"}`` (``langgraph/pregel/debug.py``)."""

    reads: tuple[type[Entry], ...] = (Checkpointed,)

    def project(self, entry: Checkpointed) -> Sequence[dict[str, Any]]:
        return (entry.read(),)
