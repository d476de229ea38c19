"""What code inside a node can find out about where it runs."""

from __future__ import annotations

from contextvars import ContextVar
from typing import Final

from lcel_compat.types import StreamWriter

current_writer: Final[ContextVar[StreamWriter | None]] = ContextVar("lcel_compat_writer", default=None)
"""The stream writer of the run whose node is running in this context; threads that core starts inherit it."""


def get_stream_writer() -> StreamWriter:
    """The writer of the node that is running: a function that sends one value to consumers of ``custom``.

    Calling it costs nothing when nobody asked for ``custom``.

    Raises:
        RuntimeError: Outside of a node, and in a thread that was started without this one's context.
    """
    writer = current_writer.get()
    if writer is None:
        raise RuntimeError(
            "get_stream_writer() was called outside of a node. Call it while a node is running; in a thread of your"
            " own, start the thread with contextvars.copy_context().run, or hand it the writer."
        )
    return writer
