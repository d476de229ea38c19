"""The comparison as JSON: ``Comparison.to_dict``, indented, stable."""

from __future__ import annotations

from lcel_compat.compare import Comparison
from lcel_compat.events import to_json


def write(comparison: Comparison) -> str:
    """The JSON document; its ``format`` tells the version."""
    return to_json(comparison.to_dict(), indent=2) + "\n"
