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

from collections.abc import Mapping, Sequence
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
    damage, reader = Damage(), _Reader()
    for line in read_lines(source, "recording", damage):
        try:
            reader.take(line)
        except (KeyError, TypeError, ValueError) as error:
            where = source if isinstance(source, Path) else "the recording"
            raise RecordingError(f"{where}, line {line.number}, cannot be read: {_said(error)}.") from error
    damage.found += reader.damage
    return Recording(tuple(run.done() for run in reader.runs), reader.programs, reader.created, tuple(damage.found))


def _said(error: Exception) -> str:
    return f"it has no {error}" if isinstance(error, KeyError) else str(error)


class _Reader:
    """Takes the lines of a recording in, one by one."""

    def __init__(self) -> None:
        self.runs: list[_Run] = []
        self.damage: list[str] = []
        self.programs: dict[str, str] = {}
        self.created = ""
        self._open: dict[int, _Run] = {}

    def take(self, line: Line) -> None:
        if "format" in line.value:
            self._header(line.value)
            return
        number = _checked(int, line.value["run"], "run")
        if "input" in line.value:
            self._begin(number, _restored(line, "input"))
            return
        if number not in self._open:
            self.damage.append(f"line {line.number} belongs to run {number}, whose beginning is lost")
            self._begin(number, None)
        self._open[number].take(line)

    def _header(self, header: Mapping[str, Any]) -> None:
        self._open = {}
        self.created = self.created or str(header.get("created", ""))
        self.programs |= {str(key): str(part) for key, part in dict(header.get("programs") or {}).items()}

    def _begin(self, number: int, input: Any) -> None:
        self._open[number] = run = _Run(input)
        self.runs.append(run)


class _Run:
    """A run that is being read."""

    def __init__(self, input: Any) -> None:
        self._input = input
        self._events: list[Event] = []
        self._times: list[float] = []
        self._end: dict[str, Any] = {}

    def take(self, line: Line) -> None:
        at = float(_checked(int | float, line.value["ms"], "ms"))
        if "event" in line.value:
            self._events.append(_checked(dict, _restored(line, "event"), "event"))
            self._times.append(at)
            return
        ended = line.value["end"]
        if ended not in ("complete", "error"):
            raise ValueError(f"a run does not end {ended!r:.40}")
        error = _checked(dict, line.value["error"], "error") if ended == "error" else {}
        said = {"error_type": str(error.get("type", "")), "error_message": str(error.get("message", ""))}
        self._end = {"ended": ended, "duration": at, **said}

    def done(self) -> RecordedRun:
        end = self._end or {"ended": "cut", "duration": self._times[-1] if self._times else 0.0}
        return RecordedRun(input=self._input, events=tuple(self._events), times=tuple(self._times), **end)


def _restored(line: Line, key: str) -> Any:
    return from_stored(line.value[key]) if may_hold_objects(line.text) else line.value[key]


def _checked(kind: Any, value: Any, name: str) -> Any:
    if not isinstance(value, kind) or isinstance(value, bool):
        raise TypeError(f"{name!r} is {value!r:.40}")
    return value
