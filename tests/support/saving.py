"""A saver of the tests: it tells what it is told, and fails when it is asked to."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.checkpoint.memory import InMemorySaver


class SaverFault(Exception):
    """What a saver raises whose database is gone."""


class Told(InMemorySaver):
    """Keeps checkpoints in memory and a story of what it was told, in order.

    Args:
        story: What the entries are added to: ``("load",)``, ``("put", source, step)``, ``("writes", task name)``.
        fails_at: The number of the call to ``put`` or ``put_writes`` that fails, from 0; so do all that follow.
        delay: How long such a call takes, in seconds.
    """

    def __init__(self, story: list[Any] | None = None, *, fails_at: int | None = None, delay: float = 0.0) -> None:
        super().__init__()
        self.story: list[Any] = [] if story is None else story
        self.calls: list[str] = []
        self.fails_at = fails_at
        self.delay = delay

    def get_tuple(self, config: RunnableConfig) -> Any:
        self.story.append(("load",))
        return super().get_tuple(config)

    def put(self, config: RunnableConfig, checkpoint: Any, metadata: Any, new_versions: Any) -> RunnableConfig:
        if self.delay:
            time.sleep(self.delay)
        with self._telling("put", metadata["source"], metadata["step"]):
            return super().put(config, checkpoint, metadata, new_versions)

    async def aput(self, config: RunnableConfig, checkpoint: Any, metadata: Any, new_versions: Any) -> RunnableConfig:
        await asyncio.sleep(self.delay)
        with self._telling("put", metadata["source"], metadata["step"]):
            return super().put(config, checkpoint, metadata, new_versions)

    def put_writes(
        self, config: RunnableConfig, writes: Sequence[tuple[str, Any]], task_id: str, task_path: str = ""
    ) -> None:
        if self.delay:
            time.sleep(self.delay)
        with self._telling("writes", task_path.split(", ")[-1] or "input"):
            super().put_writes(config, writes, task_id, task_path)

    async def aput_writes(
        self, config: RunnableConfig, writes: Sequence[tuple[str, Any]], task_id: str, task_path: str = ""
    ) -> None:
        await asyncio.sleep(self.delay)
        with self._telling("writes", task_path.split(", ")[-1] or "input"):
            super().put_writes(config, writes, task_id, task_path)

    @contextmanager
    def _telling(self, *entry: Any) -> Iterator[None]:
        number = len(self.calls)
        self.calls.append(entry[0])
        if self.fails_at is not None and number >= self.fails_at:
            raise SaverFault(f"call {number}")
        yield
        self.story.append(entry)


def saved_ids(saver: BaseCheckpointSaver[Any], thread: str = "1") -> list[str]:
    """The ids of the checkpoints of a thread's outermost graph, the newest first."""
    config: RunnableConfig = {"configurable": {"thread_id": thread, "checkpoint_ns": ""}}
    return [found.checkpoint["id"] for found in saver.list(config)]
