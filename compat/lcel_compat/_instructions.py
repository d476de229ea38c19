"""What a session tells its driver to do, and what the driver tells it (``_session.py`` says what each means)."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from lcel_compat._machine import Task


@dataclass(slots=True)
class Call:
    """Finish a call that may have to be awaited; a ``final`` one is finished even if the run is cancelled meanwhile."""

    result: Any
    final: bool = False


@dataclass(slots=True)
class Start:
    """Run a node; ``Finished`` goes to the mailbox when it is done. ``beside``: others run at the same time."""

    task: Task
    beside: bool


class Wait:
    """Hand out items as they come until a node is done; come back with its ``Finished``."""


class Drain:
    """Hand out the items that are there."""


@dataclass(frozen=True, slots=True)
class Stop:
    """End what runs, and come back when it has ended or a bound is over; ``heard``: what it still says is shown."""

    heard: bool = False


WAIT: Final = Wait()
DRAIN: Final = Drain()
STOP: Final = Stop()
Instruction: TypeAlias = Call | Start | Wait | Drain | Stop
Conduct: TypeAlias = Generator[Instruction, Any, Any]


@dataclass(slots=True, kw_only=True)
class Finished:
    """What a driver posts when a node is done, with what it raised, if it did."""

    task: Task
    error: BaseException | None = None
