"""`lcel-compat compare`: both sides by name or recorded, the comparison, its reports, the exit code."""

from __future__ import annotations

import json
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias

from langchain_core.runnables import Runnable
from rich.console import Console

from lcel_adapters._cli._load import CannotRunError, load_runnable
from lcel_adapters._cli._render import printable
from lcel_adapters._reports import WRITERS, text_of_report
from lcel_compat.compare import Comparison, ComparisonError, Contract, compare, compare_recordings
from lcel_compat.events import Recording, RecordingError, iter_runs, load, record

Target: TypeAlias = "Runnable[Any, Any] | Recording"
Level: TypeAlias = Literal["breaking", "changed"]

SAME: Final = 0
DIFFERENT: Final = 1
_REPORTS: Final = ", ".join(f"{kind}:PATH" for kind in WRITERS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What the command line says.

    Attributes:
        old: `MODULE:OBJECT`, or the path of a recording.
        new: The same for the new side.
        inputs: A file of JSON lines, `-` for standard input; None where recordings hold the inputs.
        contract: The path of a contract in YAML.
        repeats: How often the old side runs again.
        reports: `KIND:PATH`, or `KIND` for standard output.
        fail_on: The verdict from which on the exit code is 1.
        version: Which events are compared.
        cassette: The path of a cassette from which models, tools and retrievers answer both sides.
    """

    old: str
    new: str
    inputs: str | None = None
    contract: str | None = None
    repeats: int = 2
    reports: Sequence[str] = ()
    fail_on: Level = "breaking"
    version: Literal["v1", "v2"] = "v2"
    cassette: str | None = None


def run_compare(options: Options, console: Console) -> int:
    """Compare, report, and return the exit code: 0, or 1 if the verdict is what `fail_on` says or worse.

    Raises:
        CannotRunError: If anything that is needed is not there or cannot be read or written.
    """
    reports = [_report(report) for report in options.reports]
    with _refusals():
        contract = None if options.contract is None else Contract.load(options.contract)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "astream_events version='v1'")  # It was asked for.
            comparison = _compared(options, contract)
        for kind, path in reports:
            _write(text_of_report(kind, comparison), path)
    if all(path is not None for _, path in reports):
        from lcel_adapters._reports._terminal import show

        show(comparison, console)
    failing = ("breaking",) if options.fail_on == "breaking" else ("breaking", "changed")
    return DIFFERENT if comparison.verdict in failing else SAME


def _compared(options: Options, contract: Contract | None) -> Comparison:
    if all(Path(spec).is_file() for spec in (options.old, options.new)):
        return _compared_from_files(options, contract)
    old, new = _target(options.old), _target(options.new)
    inputs = _inputs(options.inputs, old, new)
    with _replayed(options.cassette):
        if isinstance(old, Recording) or isinstance(new, Recording):
            sides = (_as_recorded(side, inputs, options) for side in (old, new))
            return compare_recordings(*sides, contract=contract)
        return compare(old, new, inputs, contract=contract, repeats=options.repeats, version=options.version)


def _compared_from_files(options: Options, contract: Contract | None) -> Comparison:
    """Two recordings, read as they are compared: they may be larger than memory."""
    if options.inputs is not None:
        raise CannotRunError("--inputs: two recordings hold their inputs. Leave it out.")
    if options.cassette is not None:
        raise CannotRunError("--cassette: two recordings ask no models. Leave it out.")
    damage: tuple[list[str], list[str]] = ([], [])
    sides = (iter_runs(spec, damage=found) for spec, found in zip((options.old, options.new), damage, strict=True))
    try:
        return compare_recordings(*sides, contract=contract)
    finally:
        _warn(options.old, damage[0])
        _warn(options.new, damage[1])


def _warn(path: str, damage: Sequence[str]) -> None:
    """Say on standard error what of a recording could not be read: the comparison does without it."""
    console = Console(stderr=True, highlight=False, emoji=False, markup=False, soft_wrap=True)
    for said in damage:
        console.print(printable(f"warning: {path}: {said}"))


def _replayed(cassette: str | None) -> AbstractContextManager[object]:
    if cassette is None:
        return nullcontext()
    from lcel_compat.replay import replay

    return replay(cassette)


def _as_recorded(side: Target, inputs: Sequence[Any], options: Options) -> Recording:
    """A side that has to be run for it, in the form in which the other was recorded."""
    return side if isinstance(side, Recording) else record(side, inputs, version=options.version)


def _target(spec: str) -> Target:
    if not Path(spec).is_file():
        if spec.endswith((".jsonl", ".zst")):
            raise CannotRunError(f"There is no recording {spec!r}. Make it with lcel-compat record.")
        return load_runnable(spec)
    recording = load(spec)
    _warn(spec, recording.damage)
    return recording


def _inputs(path: str | None, old: Target, new: Target) -> list[Any]:
    recordings = [side for side in (old, new) if isinstance(side, Recording)]
    if recordings:
        if path is not None:
            raise CannotRunError("--inputs: the recording holds the inputs. Leave it out.")
        return [run.input for run in recordings[0]]
    if path is None:
        raise CannotRunError("What shall both be given? Write --inputs FILE.jsonl, with one JSON value per line.")
    return list(_json_lines(path))


def _json_lines(path: str) -> Iterator[Any]:
    try:
        text = sys.stdin.read() if path == "-" else Path(path).read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise CannotRunError(f"--inputs: cannot read the file {path!r}: {error}.") from error
    lines = [(number, line) for number, line in enumerate(text.split("\n"), 1) if line.strip()]
    if not lines:
        raise CannotRunError(f"--inputs: {path!r} holds no input. Write one JSON value per line.")
    for number, line in lines:
        try:
            yield json.loads(line)
        except json.JSONDecodeError as error:
            raise CannotRunError(
                f"--inputs: line {number} of {path!r} is no JSON ({error.msg}, column {error.colno}): {line[:40]!r}."
                " Write one JSON value per line."
            ) from error


def _report(report: str) -> tuple[str, Path | None]:
    kind, colon, path = report.partition(":")
    if kind not in WRITERS or (colon and not path):
        raise CannotRunError(f"--report {report!r} is none of {_REPORTS}; without :PATH it is printed.")
    return kind, Path(path) if path else None


def _write(text: str, path: Path | None) -> None:
    if path is None:
        sys.stdout.write(text)
    else:
        path.write_text(text, "utf-8")


@contextmanager
def _refusals() -> Iterator[None]:
    """Whatever keeps the comparison from being made ends with 2: 1 would say that it was made and is bad."""
    try:
        yield
    except CannotRunError:
        raise
    except (ComparisonError, RecordingError, ModuleNotFoundError, OSError) as error:
        raise CannotRunError(str(error)) from error
    except Exception as error:
        raise CannotRunError(f"the comparison failed: {type(error).__name__}: {error}") from error
