"""Where the command line writes, and how it ends."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final, NoReturn

import typer
from rich.console import Console
from rich.text import Text

from lcel_adapters._cli._load import CannotRunError
from lcel_adapters._cli._render import printable
from lcel_adapters.desk import ModelSpecError

RUN_FAILED: Final = 1
COULD_NOT_RUN: Final = 2
INTERRUPTED: Final = 130
"""128 and SIGINT, as shells count."""
PIPE_CLOSED: Final = 141
"""128 and SIGPIPE: whoever read the output has read enough."""

_WIDTH_OF_A_FILE: Final = 100


class _Console(Console):
    def on_broken_pipe(self) -> NoReturn:
        # rich would end the process with 1, which here says that the run failed.
        raise BrokenPipeError


def make_console() -> Console:
    """Standard output: as wide as the terminal or `COLUMNS` say; plain text where it is no terminal."""
    width = None if sys.stdout.isatty() or os.environ.get("COLUMNS") else _WIDTH_OF_A_FILE
    return _Console(highlight=False, emoji=False, markup=False, width=width)


def is_watched(console: Console) -> bool:
    """Whether someone looks on: rich takes a pipe for a terminal when colours are forced."""
    return console.is_terminal and console.file.isatty()


@contextmanager
def outcome() -> Iterator[None]:
    """End a command: quietly when all went well, else with one message and the exit code that fits."""
    try:
        _print_any_character()
        yield
        sys.stdout.flush()
    except (CannotRunError, ModelSpecError) as error:
        _complain(str(error), COULD_NOT_RUN, error)
    except BrokenPipeError as error:
        _drop_output()
        raise typer.Exit(PIPE_CLOSED) from error
    except KeyboardInterrupt as error:
        raise typer.Exit(INTERRUPTED) from error
    except typer.Exit:
        raise
    except Exception as error:
        _complain(f"the run failed: {_named(error)}{_place(error)}", RUN_FAILED, error)


def _complain(message: str, code: int, cause: BaseException) -> NoReturn:
    console = Console(stderr=True, highlight=False, emoji=False, markup=False, soft_wrap=True)
    console.print(Text.assemble(("error: ", "bold red"), _safe(message)))
    for note in getattr(cause, "__notes__", ()):
        console.print(Text(f"  {_safe(note)}"))
    raise typer.Exit(code) from cause


def _safe(message: str) -> str:
    """A message with its line ends, but without what an exception's text may do to a terminal."""
    return "\n".join(map(printable, message.splitlines()))


def _named(error: BaseException) -> str:
    # A KeyError's text is the repr of its key, even where that is a sentence.
    text = str(error.args[0]) if isinstance(error, KeyError) and error.args else str(error)
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _place(error: BaseException) -> str:
    """Where it was raised: the last line of the traceback that is no library's."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if not _is_library(frame.filename)]
    return f"\n  raised at {frames[-1].filename}:{frames[-1].lineno}, in {frames[-1].name}" if frames else ""


def _is_library(filename: str) -> bool:
    ours = ("lcel_compat", "lcel_adapters")
    folders = filename.replace("\\", "/").split("/")
    installed = "site-packages" in folders or filename.startswith((sys.base_prefix, "<"))
    return installed or any(package in folders for package in ours)


def _print_any_character() -> None:
    """Replace what the output's encoding lacks, instead of failing on it."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure: Any = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="replace")


def _drop_output() -> None:
    """Send what is still buffered nowhere, or Python would complain when it flushes at its end."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)
