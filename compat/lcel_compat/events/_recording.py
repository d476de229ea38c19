"""Recordings of events: what they hold, how they are written, how they are read.

A file of the kind that ``_lines.py`` describes. After the header, for each run (one input) these lines, in which
``run`` numbers the runs from 0 after each header and ``ms`` are milliseconds since the run's start::

    {"run":0,"input":{"question":"..."}}
    {"run":0,"ms":1.25,"event":{"event":"on_chain_start","name":"...","run_id":"...","data":{...},...}}
    {"run":0,"ms":80.5,"end":"complete"}
    {"run":1,"ms":80.5,"end":"error","error":{"type":"builtins.ValueError","message":"..."}}

Inputs and events are kept as ``_stored.py`` says: messages, documents and the like come back as what they were. A run
without an ``end`` was cut off.
"""

from __future__ import annotations

from array import array
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeAlias, overload

from lcel_compat.events._lines import Damage, Line, RecordingError, read_lines
from lcel_compat.events._stored import from_stored, may_hold_objects

Event: TypeAlias = dict[str, Any]
Ended: TypeAlias = Literal["complete", "error", "cut"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedRun:
    """What one input gave.

    Attributes:
        input: The input.
        events: The events, in the order in which they came.
        times: When each came, in milliseconds since the run's start.
        ended: ``"complete"``; ``"error"``, it raised; ``"cut"``, the recording stopped before the run did.
        error_type: The dotted name of the class that was raised, else ``""``.
        error_message: What it said.
        duration: Milliseconds from its start to its end; to its last event if it was cut.
    """

    input: Any
    events: tuple[Event, ...] = field(repr=False)
    times: tuple[float, ...] = field(repr=False)
    ended: Ended = "complete"
    error_type: str = ""
    error_message: str = ""
    duration: float = 0.0


@dataclass(frozen=True, slots=True)
class Recording(Sequence[RecordedRun]):
    """Runs of one program, in the order in which they began.

    Attributes:
        runs: One for each input.
        programs: The versions of Python and of the packages that formed the events.
        created: When it was begun, in ISO 8601.
        damage: What of the file could not be read, one sentence each; empty if it is whole.
    """

    runs: tuple[RecordedRun, ...]
    programs: Mapping[str, str] = field(default_factory=dict)
    created: str = ""
    damage: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.runs)

    @overload
    def __getitem__(self, index: int) -> RecordedRun: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[RecordedRun, ...]: ...
    def __getitem__(self, index: int | slice) -> RecordedRun | tuple[RecordedRun, ...]:
        return self.runs[index]


def load(path: str | Path) -> Recording:
    """Read a recording, with messages and documents as such.

    A line that a crash cut off is left out and named in ``damage``. Nothing in the file is executed: it can ask for
    messages, documents and the like alone.

    Args:
        path: The file; one whose name ends in ``.zst`` is decompressed.

    Raises:
        RecordingError: If the file cannot be read, is no recording, is of a later version, or asks for anything else.
    """
    return read(Path(path))


def read(source: Path | str) -> Recording:
    """Read a recording from a file or from text, as ``load`` says."""
    reader = _Reader(source)
    runs = tuple(run.whole() for run in reader.runs())
    return Recording(runs, reader.programs, reader.created, tuple(reader.damage.found))


def iter_runs(path: str | Path, *, damage: list[str] | None = None) -> Iterator[RunReader]:
    """Read a recording run by run and event by event, as ``load`` does, without holding it in memory.

    Args:
        path: The file.
        damage: Gets a sentence for each thing that cannot be read.

    Raises:
        RecordingError: As ``load``, when what cannot be read is reached.
    """
    return _Reader(Path(path), damage).runs()


class RunReader:
    """A run of a recording that is being read.

    Attributes:
        input: The input.
        times: When each of the events came that were read, in milliseconds since the run's start.
        ended: As in ``RecordedRun``, once the events are read; so are those below.
        error_type: The dotted name of the class that was raised.
        error_message: What it said.
        duration: Milliseconds from its start to its end.
    """

    def __init__(self, input: Any, reader: _Reader) -> None:
        self.input = input
        self.times: array[float] = array("d")
        self.ended: Ended = "cut"
        self.error_type: str = ""
        self.error_message: str = ""
        self.duration: float = 0.0
        self._reader = reader
        self._lines: deque[Line] = deque()

    @property
    def events(self) -> Iterator[Event]:
        """The events that were not read yet, in the order in which they came."""
        while self.ended == "cut" and (self._lines or self._reader.pull()):
            while self._lines:
                line = self._lines.popleft()
                with self._reader.blaming(line):
                    event = self._take(line)
                if event is not None:
                    yield event

    def give(self, line: Line) -> None:
        """Keep a line until its turn comes."""
        self._lines.append(line)

    def whole(self) -> RecordedRun:
        """The run with all its events."""
        events = tuple(self.events)
        return RecordedRun(
            input=self.input,
            events=events,
            times=tuple(self.times),
            ended=self.ended,
            error_type=self.error_type,
            error_message=self.error_message,
            duration=self.duration,
        )

    def _take(self, line: Line) -> Event | None:
        self.duration = at = float(_checked(int | float, line.value["ms"], "ms"))
        if "event" in line.value:
            event: Event = _checked(dict, _restored(line, "event"), "event")
            self.times.append(at)
            return event
        if (ended := line.value["end"]) not in ("complete", "error"):
            raise ValueError(f"a run does not end {ended!r:.40}")
        error = _checked(dict, line.value["error"], "error") if ended == "error" else {}
        self.error_type, self.error_message = str(error.get("type", "")), str(error.get("message", ""))
        self.ended = ended
        return None


class _Reader:
    """Hands out the lines of a recording to the runs that they belong to."""

    def __init__(self, source: Path | str, damage: list[str] | None = None) -> None:
        self.damage: Damage = Damage([] if damage is None else damage)
        self.programs: dict[str, str] = {}
        self.created: str = ""
        self._where: Path | str = source if isinstance(source, Path) else "the recording"
        self._lines: Iterator[Line] = read_lines(source, "recording", self.damage)
        self._open: dict[int, RunReader] = {}
        self._begun: deque[RunReader] = deque()

    def runs(self) -> Iterator[RunReader]:
        """The runs in the order in which they began."""
        while self._begun or self.pull():
            while self._begun:
                yield self._begun.popleft()

    def pull(self) -> bool:
        """Read one more line; false if there is none."""
        line = next(self._lines, None)
        if line is not None:
            with self.blaming(line):
                self._take(line)
        return line is not None

    @contextmanager
    def blaming(self, line: Line) -> Iterator[None]:
        """Say of which line it is that something in it cannot be read."""
        try:
            yield
        except (KeyError, TypeError, ValueError) as error:
            raise RecordingError(f"{self._where}, line {line.number}, cannot be read: {_said(error)}.") from error

    def _take(self, line: Line) -> None:
        if "format" in line.value:
            self._header(line.value)
            return
        number = _checked(int, line.value["run"], "run")
        if "input" in line.value:
            self._begin(number, _restored(line, "input"))
            return
        if number not in self._open:
            self.damage.found.append(f"line {line.number} belongs to run {number}, whose beginning is lost")
            self._begin(number, None)
        self._open[number].give(line)

    def _header(self, header: Mapping[str, Any]) -> None:
        self._open = {}
        self.created = self.created or str(header.get("created", ""))
        self.programs |= {str(key): str(part) for key, part in dict(header.get("programs") or {}).items()}

    def _begin(self, number: int, input: Any) -> None:
        self._open[number] = run = RunReader(input, self)
        self._begun.append(run)


def _said(error: Exception) -> str:
    return f"it has no {error}" if isinstance(error, KeyError) else str(error)


def _restored(line: Line, key: str) -> Any:
    return from_stored(line.value[key]) if may_hold_objects(line.text) else line.value[key]


def _checked(kind: Any, value: Any, name: str) -> Any:
    if not isinstance(value, kind) or isinstance(value, bool):
        raise TypeError(f"{name!r} is {value!r:.40}")
    return value
