"""``custom``: what nodes send with ``get_stream_writer()`` or their ``writer`` argument, as it is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lcel_compat._log import Emitted, Entry


class Custom:
    """Gives the values themselves."""

    reads: tuple[type[Entry], ...] = (Emitted,)

    def project(self, entry: Emitted) -> Sequence[Any]:
        return (entry.value,)
