"""`lcel-compat record`: the events of a runnable, or of a server, written to a file."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, ExitStack, aclosing, asynccontextmanager, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal, Protocol, cast

from langchain_core.runnables import Runnable
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from lcel_adapters._cli import _remote
from lcel_adapters._cli._load import CannotRunError, load_runnable
from lcel_compat.events import REDACTOR, RecordingError, RecordingWriter

Version = Literal["v1", "v2"]


class Source(Protocol):
    """Where events come from."""

    def open(self, value: Any) -> AbstractAsyncContextManager[AsyncIterator[Any]]:
        """The events of one run over `value`, which has begun.

        Raises:
            CannotRunError: If it cannot begin.
        """


@dataclass(frozen=True, slots=True)
class Local:
    """A runnable of this process."""

    target: Runnable[Any, Any]
    config: dict[str, Any]
    version: Version

    @asynccontextmanager
    async def open(self, value: Any) -> AsyncIterator[AsyncIterator[Any]]:
        """The events that `astream_events` gives."""
        stream: Any = self.target.astream_events(value, cast("Any", self.config), version=self.version)
        async with aclosing(stream) as events:
            yield events


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A recording to be made.

    Attributes:
        source: Where the events come from.
        inputs: What it is given, one after the other.
        path: The file to write.
        append: Whether to add to it.
        redact: Whether to hide secrets.
    """

    source: Source
    inputs: Sequence[Any]
    path: Path
    append: bool = False
    redact: bool = True


@dataclass(slots=True)
class Tally:
    """What was recorded."""

    runs: int = 0
    events: int = 0
    failed: int = 0


def make_source(
    target: str, config: dict[str, Any], version: str, assistant: str | None, headers: Sequence[str]
) -> Source:
    """Where the events of what an argument names come from.

    Raises:
        CannotRunError: If it names nothing, or the options do not fit it.
    """
    if _remote.is_url(target):
        if assistant is None:
            return _remote.langserve(target, config, headers)
        return _remote.agent_server(target, assistant, config, headers)
    if assistant is not None or headers:
        option = "--header" if assistant is None else "--assistant"
        raise CannotRunError(f"{option} is for servers, and {target!r} is no address: write http://HOST/PATH.")
    if version not in ("v1", "v2"):
        raise CannotRunError(f"--events is {version!r}. There are v1 and v2.")
    return Local(load_runnable(target), config, cast("Version", version))


def read_inputs(name: str) -> list[Any]:
    """The inputs in a file of JSON lines; `-` is standard input.

    Raises:
        CannotRunError: If it cannot be read, holds none, or a line is no JSON.
    """
    lines = [(number, line) for number, line in enumerate(_lines(name), 1) if line.strip()]
    if not lines:
        raise CannotRunError(f"--inputs: {name} holds no inputs: write one JSON value on each line.")
    return [_value(name, number, line) for number, line in lines]


def _lines(name: str) -> list[str]:
    try:
        text = sys.stdin.read() if name == "-" else Path(name).read_text(encoding="utf-8")
    except OSError as error:
        raise CannotRunError(f"--inputs: cannot read the file {name!r}: {error.strerror or error}.") from error
    except UnicodeDecodeError as error:
        raise CannotRunError(f"--inputs: cannot read the file {name!r}: it is no UTF-8 text.") from error
    return text.split("\n")


def _value(name: str, number: int, line: str) -> Any:
    try:
        return json.loads(line)
    except (json.JSONDecodeError, RecursionError) as error:
        raise CannotRunError(
            f"--inputs: line {number} of {name} is no JSON: {line.strip()[:40]!r}. Write one JSON value on each line."
        ) from error


def run(job: Job) -> Tally:
    """Record, and show how far it has come where someone looks on.

    Raises:
        CannotRunError: If a run cannot begin, or the file cannot be written.
    """
    try:
        return asyncio.run(_record(job))
    except RecordingError as error:
        raise CannotRunError(str(error)) from error


async def _record(job: Job) -> Tally:
    if len(job.inputs) > 1 and isinstance(job.source, Local) and "run_id" in job.source.config:
        raise CannotRunError("--config: a run_id names one run, and there are several inputs. Leave it out.")
    tally, writer = Tally(), None
    make = partial(RecordingWriter, job.path, append=job.append, redact=REDACTOR if job.redact else None)
    with ExitStack() as stack:
        shown = stack.enter_context(_progress(len(job.inputs)))
        for value in job.inputs:
            async with job.source.open(value) as events:
                if writer is None:  # Not before: a server that cannot be reached must not cost an older recording.
                    writer = stack.enter_context(await asyncio.to_thread(make))
                await _record_one(writer, value, events, tally)
            shown.advance(tally)
    return tally


async def _record_one(writer: RecordingWriter, value: Any, events: AsyncIterator[Any], tally: Tally) -> None:
    with writer.run(value) as run:
        try:
            async for event in events:
                run.event(event)
        except _remote.FailedRemotelyError as error:
            run.fail(error.type, error.message)
    tally.runs += 1
    tally.events += run.events
    tally.failed += run.ended == "error"


class _Shown:
    """A bar that has an end, on the terminal."""

    def __init__(self, progress: Progress, total: int) -> None:
        self._progress = progress
        self._task = progress.add_task("recording", total=total, events=0, failed="")

    def advance(self, tally: Tally) -> None:
        """Show what is done."""
        failed = f", {tally.failed} failed" if tally.failed else ""
        self._progress.update(self._task, completed=tally.runs, events=tally.events, failed=failed)


@contextmanager
def _progress(total: int) -> Iterator[_Shown]:
    """Progress on standard error, none where that is no terminal; gone when the recording is done."""
    console = Console(stderr=True, highlight=False)
    columns = (
        TextColumn("recording"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[events]} events{task.fields[failed]}"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        yield _Shown(progress, total)


def summary(job: Job, tally: Tally) -> str:
    """What was recorded, in one line."""
    size = job.path.stat().st_size
    runs = f"{tally.runs} run{'s' * (tally.runs != 1)}"
    failed = f", {tally.failed} failed" if tally.failed else ""
    return f"{job.path}: {runs}, {tally.events} events{failed}, {_size(size)}"


def _size(count: float) -> str:
    for unit in ("bytes", "kB", "MB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "bytes" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} GB"
