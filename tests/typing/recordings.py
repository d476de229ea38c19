"""Recordings and replay as their users write them: this file only has to type-check."""

from __future__ import annotations

from pathlib import Path
from typing import Any, assert_type

from langchain_core.runnables import Runnable

from lcel_compat.events import REDACTOR, RecordedRun, Recording, RecordingWriter, arecord, load, record
from lcel_compat.replay import Cassette, MissingCallError, replay


async def recordings(chain: Runnable[Any, Any], path: Path) -> None:
    """Record, load, and look at what is there."""
    assert_type(record(chain, [{"question": "?"}], path), Recording)
    assert_type(await arecord(chain, ["?"], redact=REDACTOR.also(keys=["ssn"]), version="v1"), Recording)
    recording = load(path)
    assert_type(recording[0], RecordedRun)
    assert_type(recording[1:], tuple[RecordedRun, ...])
    assert_type([run.times for run in recording], list[tuple[float, ...]])
    with RecordingWriter(path, append=True) as writer, writer.run("?") as run:
        run.event({"event": "on_chain_start"})


async def replays(chain: Runnable[Any, Any]) -> None:
    """Record calls, and play them back."""
    cassette = Cassette("calls.jsonl", redact=None)
    with replay(cassette, mode="record") as session:
        chain.invoke("?")
        session.rewind()
    async with replay("calls.jsonl", speed=2.0):
        try:
            await chain.ainvoke("?")
        except MissingCallError as error:
            print(error)
