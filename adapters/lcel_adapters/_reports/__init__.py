"""Reports of a comparison: terminal, HTML, JSON, JUnit, GitHub annotations.

Each is a function from a ``Comparison`` to text, in a module of its own; ``WRITERS`` names those that fill a file.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Final

from lcel_compat.compare import Comparison

__all__ = ["WRITERS", "text_of_report"]

WRITERS: Final = {"github": "_github", "html": "_html", "json": "_json", "junit": "_junit"}
"""The kinds of report by the module that makes them."""


def text_of_report(kind: str, comparison: Comparison) -> str:
    """The report of this kind.

    Raises:
        KeyError: For a kind that is not in ``WRITERS``.
        ModuleNotFoundError: If the kind needs a package that is not installed; the message says how to get it.
    """
    write: Callable[[Comparison], str] = import_module(f"{__name__}.{WRITERS[kind]}").write
    return write(comparison)
