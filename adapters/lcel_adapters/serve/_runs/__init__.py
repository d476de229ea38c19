"""Runs: where they wait, who executes them, what they streamed."""

from __future__ import annotations

from lcel_adapters.serve._runs._attempt import Attempt
from lcel_adapters.serve._runs._claims import Busy, NoThread
from lcel_adapters.serve._runs._holdings import Holdings
from lcel_adapters.serve._runs._hub import ServerEnds
from lcel_adapters.serve._runs._log import Entry
from lcel_adapters.serve._runs._pipe import Pipe
from lcel_adapters.serve._runs._request import CancelAction, RunBody
from lcel_adapters.serve._runs._saver import run_saver
from lcel_adapters.serve._runs._service import Runs, Submission

__all__ = [
    "Attempt",
    "Busy",
    "CancelAction",
    "Entry",
    "Holdings",
    "NoThread",
    "Pipe",
    "RunBody",
    "Runs",
    "ServerEnds",
    "Submission",
    "run_saver",
]
