"""Running runnables to record their events."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from contextlib import aclosing
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

from lcel_compat._from_sync import finished
from lcel_compat.events._recording import Recording, read
from lcel_compat.events._redact import REDACTOR, Redactor
from lcel_compat.events._writer import RecordingWriter

if TYPE_CHECKING:
    from langchain_core.runnables import Runnable, RunnableConfig


async def arecord(
    runnable: Runnable[Any, Any],
    inputs: Iterable[Any],
    path: str | Path | None = None,
    *,
    config: RunnableConfig | None = None,
    version: Literal["v1", "v2"] = "v2",
    redact: Redactor | None = REDACTOR,
    append: bool = False,
) -> Recording:
    """Run a runnable over inputs, one after the other, and record the events that ``astream_events`` gives.

    A run that raises is recorded with its error, and the next input follows.

    Args:
        runnable: A chain or a graph, of this project or of LangGraph.
        inputs: What it is given.
        path: The file to write as the events come, compressed if its name ends in ``.zst``; without one nothing is
            written.
        config: The configuration of each run.
        version: Of the events.
        redact: What is hidden before anything is kept; ``None`` for nothing.
        append: Whether to add to a recording that is there, instead of beginning it anew.

    Returns:
        What was recorded, as ``load`` gives it.

    Raises:
        RecordingError: If the file cannot be written, or is there and is no recording.
    """
    make = partial(RecordingWriter, path, append=append, redact=redact)
    with await asyncio.to_thread(make) as writer:
        for value in inputs:
            with writer.run(value) as run:
                async with aclosing(cast("Any", runnable.astream_events(value, config, version=version))) as events:
                    async for event in events:
                        run.event(event)
    whole = await asyncio.to_thread(read, writer.text if path is None else Path(path))
    return replace(whole, runs=whole.runs[len(whole) - writer.runs :])


def record(
    runnable: Runnable[Any, Any],
    inputs: Iterable[Any],
    path: str | Path | None = None,
    *,
    config: RunnableConfig | None = None,
    version: Literal["v1", "v2"] = "v2",
    redact: Redactor | None = REDACTOR,
    append: bool = False,
) -> Recording:
    """Do what ``arecord`` does, without an event loop or beside one that runs (in a notebook)."""
    kwargs: dict[str, Any] = {"config": config, "version": version, "redact": redact, "append": append}
    return finished(arecord(runnable, inputs, path, **kwargs))
