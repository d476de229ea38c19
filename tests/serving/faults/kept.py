"""What is kept of threads, read behind the server's back with LangGraph's own savers."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from langgraph.checkpoint.base import BaseCheckpointSaver, CheckpointTuple

PATIENCE = 20.0
"""Seconds that a database may stay away."""


@contextmanager
def saver_of(database: str) -> Iterator[BaseCheckpointSaver[Any]]:
    """LangGraph's saver on a database that a server may have open."""
    if database.startswith("sqlite"):
        from langgraph.checkpoint.sqlite import SqliteSaver

        with SqliteSaver.from_conn_string(database.removeprefix("sqlite:///")) as saver:
            yield saver
    else:
        from langgraph.checkpoint.postgres import PostgresSaver

        with PostgresSaver.from_conn_string(database) as postgres_saver:
            yield postgres_saver


def kept(database: str, thread_id: str) -> list[CheckpointTuple]:
    """The same as ``history``, from a database that may be about to come back."""
    ends = time.monotonic() + PATIENCE
    while True:
        try:
            with saver_of(database) as saver:
                return history(saver, thread_id)
        except psycopg.OperationalError:
            if time.monotonic() > ends:
                raise
            time.sleep(0.05)


def history(saver: BaseCheckpointSaver[Any], thread_id: str) -> list[CheckpointTuple]:
    """The checkpoints of a thread's root, the oldest first."""
    config: Any = {"configurable": {"thread_id": thread_id, "checkpoint_ns": ""}}
    return list(saver.list(config))[::-1]


def state(found: list[CheckpointTuple]) -> Any:
    """The state that a history ends with."""
    values = found[-1].checkpoint["channel_values"]
    return {key: values[key] for key in ("log", "inside") if values.get(key)}


def flaws(found: list[CheckpointTuple]) -> list[str]:
    """What is wrong with a history: each checkpoint's parent should be the one before, and steps count up."""
    wrong = []
    for before, after in zip([None, *found], found, strict=False):
        parent = None if after.parent_config is None else after.parent_config["configurable"]["checkpoint_id"]
        expected = None if before is None else before.config["configurable"]["checkpoint_id"]
        if parent != expected:
            wrong.append(f"the parent of step {after.metadata['step']} is {parent}, not {expected}")
        if before is not None and after.metadata["step"] != before.metadata["step"] + 1:
            wrong.append(f"step {after.metadata['step']} follows {before.metadata['step']}")
    return wrong
