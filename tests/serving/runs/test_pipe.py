"""A run that executes for one request: how far it may be ahead of its reader."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import Any, TypedDict

import pytest
from langgraph.checkpoint.memory import InMemorySaver

from lcel_adapters.serve._runs import Attempt, Pipe, RunBody
from lcel_adapters.serve._runs._pipe import AHEAD, AHEAD_BYTES
from lcel_adapters.serve._settings import Settings
from lcel_adapters.serve._target import target
from lcel_adapters.serve._turns import Turns
from lcel_compat import StateGraph, get_stream_writer

PIECES = 200


class State(TypedDict):
    """What the graph is given: the bytes of a piece."""

    size: int


async def flood(state: State) -> dict[str, Any]:
    """Streams pieces as fast as it is let."""
    write = get_stream_writer()
    for _ in range(PIECES):
        await asyncio.sleep(0)
        write("x" * state["size"])
    return {}


def piped(size: int, tasks: list[asyncio.Task[Any]]) -> Pipe:
    """A run that floods."""
    builder = StateGraph(State)
    builder.add_node("flood", flood)
    builder.set_entry_point("flood")
    attempt = Attempt(
        run_id="0b0b0b0b-0000-4000-8000-000000000000",
        thread_id="thread",
        target=target("flood", builder.compile(), checkpointer=InMemorySaver(), store=None),
        body=RunBody(assistant_id="flood", input={"size": size}, stream_mode=["custom"]),
        assistant={"assistant_id": "flood"},
        saved=False,
    )
    return Pipe(attempt, turns=Turns(Settings()), outlives=False, keep=tasks.append)


@pytest.mark.parametrize("size", [10, 1_000, 20_000, 100_000])
async def test_a_run_is_ahead_of_a_slow_reader_by_little(size: int) -> None:
    """What is handed over together is few frames and few bytes, whatever the run makes while nobody reads."""
    tasks: list[asyncio.Task[Any]] = []
    pipe = piped(size, tasks)
    seen = 0

    async with aclosing(pipe.bunches()) as bunches:
        async for bunch in bunches:
            assert len(bunch) <= AHEAD
            assert sum(len(frame.data) for frame in bunch) <= AHEAD_BYTES + size + 2
            seen += sum(frame.event == "custom" for frame in bunch)
            await asyncio.sleep(0.001)

    assert (seen, [task.done() for task in tasks]) == (PIECES, [True])


async def test_a_run_that_nobody_begins_to_read_is_not_executed() -> None:
    """An answer that is dropped before it begins leaves no run behind that waits for a reader."""
    tasks: list[asyncio.Task[Any]] = []
    await piped(10, tasks).bunches().aclose()
    await asyncio.sleep(0)
    assert tasks == []
