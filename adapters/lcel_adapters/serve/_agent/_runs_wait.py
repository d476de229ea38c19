"""Answers that wait for the end of a run: its final state as JSON, whitespace before it while it lasts."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import Any

import orjson
from sqlalchemy import select

from lcel_adapters.serve._frames import Frame
from lcel_adapters.serve._json import dumps
from lcel_adapters.serve._runs import Entry
from lcel_adapters.serve._serving import Serving
from lcel_adapters.serve._storage import runs, threads

INTERRUPT = "__interrupt__"


class _Last:
    """The answer that a run's ``values`` frames amount to."""

    def __init__(self) -> None:
        self.values: Any = None
        self.asked: list[Any] = []
        self.error: Any = None

    def see(self, one: Frame) -> None:
        if one.event == "error":
            self.error = orjson.loads(one.data)
        elif one.event == "values":
            self.values = orjson.loads(one.data)
            if isinstance(self.values, dict):
                # Of interrupts that came together, each frame tells one.
                self.asked += self.values.pop(INTERRUPT, [])

    def answer(self) -> bytes:
        if self.error is not None:
            return dumps({"__error__": self.error})
        return dumps({**self.values, INTERRUPT: self.asked} if self.asked else self.values)


async def streamed_values(entries: AsyncGenerator[Sequence[Entry], None]) -> AsyncGenerator[bytes, None]:
    """The final state of a run that is followed in the mode ``values``."""
    last = _Last()
    async with aclosing(entries) as found:
        async for some in found:
            for entry in some:
                last.see(entry.frame)
    yield last.answer()


async def last_values(bunches: AsyncGenerator[Sequence[Frame], None]) -> AsyncGenerator[bytes, None]:
    """The final state of a run that executes for this request."""
    last = _Last()
    async with aclosing(bunches) as found:
        async for bunch in found:
            for one in bunch:
                last.see(one)
    yield last.answer()


async def joined(serving: Serving, run: dict[str, Any]) -> AsyncGenerator[bytes, None]:
    """The state of a thread when a run of it is over."""
    await serving.runs.over(run["run_id"])
    query = select(runs.c.spec).where(runs.c.run_id == run["run_id"])
    of_thread = select(threads.c["values"], threads.c.interrupts).where(threads.c.thread_id == run["thread_id"])
    spec, thread = await serving.database.read(lambda c: (c.execute(query).scalar(), c.execute(of_thread).first()))
    yield _answer(spec, thread)


async def no_run() -> AsyncGenerator[bytes, None]:
    """What the real server says of a run that is not there (AGENT-SERVER.md, Q16)."""
    yield dumps({"__error__": {"error": "HTTPException", "message": "404: Run not found"}})


def _answer(spec: Any, thread: Any) -> bytes:
    # A run that was ended by somebody is no failure: whoever joins gets the state it left.
    error = (spec or {}).get("error")
    if error is not None and error["error"] not in ("UserInterrupt", "UserRollback"):
        return dumps({"__error__": error})
    values, interrupts = (None, {}) if thread is None else thread
    asked = [one for several in (interrupts or {}).values() for one in several]
    return dumps({**(values or {}), INTERRUPT: asked} if asked else values)
