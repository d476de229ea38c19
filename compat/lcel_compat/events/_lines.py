"""Files of JSON lines that can be added to, and that survive a crash.

The first line says what the file is and which programs wrote it::

    {"format":"lcel-compat/recording","version":1,"created":"2026-01-31T12:00:00+00:00","programs":{...}}

Each further line is one JSON object, written at once. A process that dies in the middle of a line loses that line:
who reads the file passes over it and says so, who adds to the file begins a new line, with a first line of its own.
A file whose name ends in ``.zst`` is compressed with Zstandard; every line is handed to the system as it is
written there too, and what a crash cut off is mended before more is added.
"""

from __future__ import annotations

import io
import json
import os
import platform
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Final, cast

from lcel_compat.events._json_text import JsonValue, dumps
from lcel_compat.events._zstd import Compressed, Decompressed, zstandard

VERSION: Final = 1
"""The version of the format. It grows when a reader of the former one would misunderstand a file."""

_PREFIX: Final = "lcel-compat/"
_PROGRAMS: Final = ("lcel-compat", "langchain-core", "langgraph", "langserve")
_MAX_LINE: Final = 256 * 1024 * 1024


class RecordingError(Exception):
    """A file cannot be read as what it should be, or not be written; the message says which, where and why."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a file: its number from 1, its text, and the object it holds."""

    number: int
    text: str
    value: dict[str, Any]


@dataclass(slots=True)
class Damage:
    """What of a file could not be read: one sentence each."""

    found: list[str] = field(default_factory=list)


class LineWriter:
    """Writes lines to a file, or keeps them when there is none; a context manager.

    Args:
        path: The file; ``None`` keeps the lines in ``text`` instead.
        kind: What the file is: ``"recording"`` or ``"cassette"``.
        append: Whether to add to a file that is there, instead of beginning it anew.

    Raises:
        RecordingError: If the file is there and is something else, or ``.zst`` is asked for and not installed.
    """

    def __init__(self, path: Path | None, kind: str, *, append: bool = False) -> None:
        self._file = _opened(path, kind, append)
        self.write({"format": _PREFIX + kind, "version": VERSION, "created": _now(), "programs": {**programs()}})

    def write(self, value: JsonValue) -> None:
        """Write one line; it is out of this process when the call returns."""
        self._file.write(dumps(value).encode() + b"\n")
        self._file.flush()

    @property
    def text(self) -> str:
        """What was written where there is no file."""
        return self._file.getvalue().decode() if isinstance(self._file, io.BytesIO) else ""

    def close(self) -> None:
        """Close the file; a second time does nothing."""
        if not isinstance(self._file, io.BytesIO):
            self._file.close()

    def __enter__(self) -> LineWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()


def read_lines(source: Path | str, kind: str, damage: Damage) -> Iterator[Line]:
    """The lines of a file, or of text that ``LineWriter`` kept, in order; the first is the header.

    Args:
        source: The file's path, or the text.
        kind: What it should be.
        damage: Gets a sentence for each line that is none, which is passed over.

    Raises:
        RecordingError: If it cannot be read, is something else, or is of a later version.
    """
    where = str(source) if isinstance(source, Path) else "this"
    lines = _parsed(_raw_lines(source), damage)
    first = next(lines, None)
    if first is None:
        raise RecordingError(f"{where} is no {kind}: it is empty or holds no JSON lines.")
    check_header(first, kind, where)
    yield first
    for line in lines:
        if "format" in line.value:
            check_header(line, kind, where)
        yield line


def check_header(line: Line, kind: str, where: str) -> None:
    """Raise ``RecordingError`` unless a line is the header of this kind, of a version that can be read."""
    said, number = line.value.get("format"), line.value.get("version")
    if not isinstance(said, str) or not said.startswith(_PREFIX):
        raise RecordingError(f"{where} is no {kind} of lcel-compat: line {line.number} does not say what it is.")
    if said != _PREFIX + kind:
        raise RecordingError(f"{where} is a {said.removeprefix(_PREFIX)[:40]}, not a {kind}.")
    if type(number) is not int or number < 1:
        raise RecordingError(f"{where}: the version of the {kind} is {number!r:.40}, which is none.")
    if number > VERSION:
        raise RecordingError(
            f"{where} is of version {number}, and this lcel-compat reads up to version {VERSION}:"
            " pip install --upgrade lcel-compat."
        )


def _parsed(raw: Iterator[bytes], damage: Damage) -> Iterator[Line]:
    for number, data in enumerate(raw, 1):
        if not data.strip():
            continue
        try:
            text = data.decode()
            value = json.loads(text)
        except RecursionError:
            damage.found.append(f"line {number} is nested too deep")
        except ValueError:
            torn = "" if data.endswith(b"\n") else ", and was cut off"
            damage.found.append(f"line {number} is no JSON{torn}")
        else:
            if isinstance(value, dict):
                yield Line(number, text, value)
            else:
                damage.found.append(f"line {number} is no JSON object")


def _raw_lines(source: Path | str) -> Iterator[bytes]:
    if isinstance(source, str):
        yield from source.encode().splitlines(keepends=True)
        return
    try:
        with _readable(source) as file:
            yield from _bounded(file, source)
    except OSError as error:
        raise RecordingError(f"{source} cannot be read: {error.strerror or error}.") from error
    except ModuleNotFoundError as error:
        raise RecordingError(f"{source} cannot be read: {error}.") from error


def _bounded(file: IO[bytes], path: Path) -> Iterator[bytes]:
    while line := file.readline(_MAX_LINE + 1):
        if len(line) > _MAX_LINE:
            raise RecordingError(f"{path} cannot be read: a line is longer than {_MAX_LINE >> 20} MB.")
        yield line


def _readable(path: Path) -> IO[bytes]:
    if path.suffix == ".zst":
        return cast("IO[bytes]", io.BufferedReader(Decompressed(path)))
    return path.open("rb")


def _opened(path: Path | None, kind: str, append: bool) -> IO[bytes]:
    if path is None:
        return io.BytesIO()
    try:
        old = append and path.exists() and path.stat().st_size > 0
        if old:
            next(read_lines(path, kind, Damage()))
            _mend(path)
        return _writable(path, "ab" if old else "wb")
    except OSError as error:
        raise RecordingError(f"{path} cannot be written: {error.strerror or error}.") from error
    except ModuleNotFoundError as error:
        raise RecordingError(f"{path} cannot be written: {error}.") from error


def _writable(path: Path, mode: str) -> IO[bytes]:
    if path.suffix == ".zst":
        zstandard()  # Before the file is made.
    # Without a buffer a line is one system call, which a crash finds done or not; it costs a loop a few microseconds.
    file = cast("IO[bytes]", path.open(mode, buffering=0))
    return cast("IO[bytes]", Compressed(file)) if path.suffix == ".zst" else file


def _mend(path: Path) -> None:
    """End the last line of a file that a crash cut off."""
    if path.suffix == ".zst":
        _mend_compressed(path)
        return
    with path.open("r+b") as file:
        file.seek(-1, os.SEEK_END)
        if file.read(1) != b"\n":
            file.write(b"\n")


def _mend_compressed(path: Path) -> None:
    """Write anew what can be read, if that is not all: nothing behind a broken frame could be."""
    reader = Decompressed(path)
    with io.BufferedReader(reader) as file:
        text = file.read()
    if reader.whole and text.endswith(b"\n"):
        return
    mended = path.with_name(f".{path.name}.mended")
    with Compressed(mended.open("wb")) as out:
        out.write(text if text.endswith(b"\n") else text + b"\n")
    mended.replace(path)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def programs() -> dict[str, str]:
    """The versions of Python and of the packages that form events."""
    from importlib.metadata import PackageNotFoundError, version  # Costs more than the rest of this package.

    found = {"python": platform.python_version()}
    for name in _PROGRAMS:
        with suppress(PackageNotFoundError):
            found[name] = version(name)
    return found
