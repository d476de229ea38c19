"""The exceptions of the legacy face.

::

    Exception
    └── GraphError                     (lcel_compat.errors)
        └── FaceError                  the graph cannot be shown as the chain it replaced
            └── FaceInterruptError     the graph waits for a person, which a chain cannot do
    BaseException
    └── RunEnded                       ends a graph whose reader is gone; never reaches a caller
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from lcel_compat.errors import GraphError


class FaceError(GraphError):
    """A graph does what no chain does, so that its run cannot be shown as that of the chain it replaced."""


class FaceInterruptError(FaceError):
    """The graph behind a face was interrupted: it waits for an answer that a chain has no way to ask for.

    Attributes:
        interrupts: What the graph asked, as it answered itself; empty if the run was ended where it asked.
    """

    def __init__(self, interrupts: Any = ()) -> None:
        super().__init__(
            "The graph behind as_lcel() called interrupt(), but its caller knows a chain, which answers or fails and"
            " never waits for a person. Run the graph itself (graph.invoke, then Command(resume=...)) where it may be"
            f" interrupted, or route around the interrupt for callers of the face. It asked: {interrupts!r}."
        )
        self.interrupts = interrupts


class RunEnded(BaseException):
    """Raised in a node to end its graph, because what it would still do can reach nobody.

    No ``Exception``, so that no retry policy and no handler of errors keeps the graph alive.
    """


def listed(names: Iterable[str]) -> str:
    """Names as messages show them."""
    return ", ".join(repr(name) for name in names)
