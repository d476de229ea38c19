"""What code inside a node can find out about where it runs."""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass
from typing import Final

from lcel_compat.types import StreamWriter


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskContext:
    """The surroundings of the node that is running.

    Attributes:
        node: Its name.
        writer: Sends a value to consumers of ``custom``.
    """

    node: str
    writer: StreamWriter


current_task: Final[ContextVar[TaskContext | None]] = ContextVar("lcel_compat_task", default=None)
"""The node that is running in this context; threads that core starts inherit it."""


def get_stream_writer() -> StreamWriter:
    """The writer of the node that is running: a function that sends one value to consumers of ``custom``.

    Calling it costs nothing when nobody asked for ``custom``.

    Raises:
        RuntimeError: Outside of a node, and in a thread that was started without this one's context.
    """
    task = current_task.get()
    if task is None:
        raise RuntimeError(
            "get_stream_writer() was called outside of a node. Call it while a node is running; in a thread of your"
            " own, start the thread with contextvars.copy_context().run, or hand it the writer."
        )
    return task.writer
