"""Writing recordings, run by run and event by event."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Literal

from lcel_compat.events._lines import LineWriter
from lcel_compat.events._redact import REDACTOR, Redactor
from lcel_compat.events._stored import to_stored


class RecordingWriter:
    """Writes runs to a file; a context manager.

    Args:
        path: The file, compressed if its name ends in ``.zst``; ``None`` keeps what is written in ``text``.
        append: Whether to add to a recording that is there, instead of beginning it anew.
        redact: What is hidden before it is written; ``None`` for nothing.

    Raises:
        RecordingError: If the file cannot be written, or is there and is no recording.
    """

    def __init__(
        self, path: str | Path | None = None, *, append: bool = False, redact: Redactor | None = REDACTOR
    ) -> None:
        self._lines = LineWriter(None if path is None else Path(path), "recording", append=append)
        self._redact = redact
        self.runs = 0

    @property
    def text(self) -> str:
        """What was written where there is no file."""
        return self._lines.text

    @contextmanager
    def run(self, input: Any) -> Iterator[RunWriter]:
        """A run as long as the block; an ``Exception`` in the block is how the run ended, and goes no further."""
        run = RunWriter(self._write, self.runs, input)
        self.runs += 1
        try:
            yield run
        except Exception as error:
            run.fail(f"{type(error).__module__}.{type(error).__qualname__}", str(error))
        else:
            run.complete()

    def close(self) -> None:
        """Close the file; a second time does nothing."""
        self._lines.close()

    def __enter__(self) -> RecordingWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def _write(self, line: dict[str, Any]) -> None:
        self._lines.write(line if self._redact is None else self._redact.hide(line))


class RunWriter:
    """Writes one run.

    Attributes:
        events: How many events were written.
        ended: ``"complete"`` or ``"error"`` when its end is written.
    """

    def __init__(self, write: Callable[[dict[str, Any]], None], number: int, input: Any) -> None:
        self.events = 0
        self.ended: Literal["", "complete", "error"] = ""
        self._write_line = write
        self._number = number
        self._write({"input": to_stored(input)})
        self._started = time.perf_counter()

    def event(self, event: Any) -> None:
        """Write an event that came now."""
        self.events += 1
        self._write({"ms": self._now(), "event": to_stored(event)})

    def complete(self) -> None:
        """Write that it ended well, unless its end is written already."""
        if not self.ended:
            self.ended = "complete"
            self._write({"ms": self._now(), "end": "complete"})

    def fail(self, type: str, message: str) -> None:
        """Write that it ended with an error: the dotted name of its class, and what it said."""
        if not self.ended:
            self.ended = "error"
            self._write({"ms": self._now(), "end": "error", "error": {"type": type, "message": message}})

    def _write(self, part: dict[str, Any]) -> None:
        self._write_line({"run": self._number, **part})

    def _now(self) -> float:
        return round((time.perf_counter() - self._started) * 1000, 3)
