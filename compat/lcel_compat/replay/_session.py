"""Which replay is at work, and which call is being made, in the current context.

Both are context variables: tasks and core's executors copy the context in which they start, so what an application
starts inside the ``with`` belongs to it, and nothing else does.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, Final, Literal, TypeAlias

from lcel_compat.events._stored import to_stored
from lcel_compat.replay._cassette import Cassette
from lcel_compat.replay._families import Arguments, Family
from lcel_compat.replay._take import Ending, Step, StepKind, Take, pack_error

Mode: TypeAlias = Literal["auto", "record", "replay"]

SESSION: Final[ContextVar[Session | None]] = ContextVar("lcel_compat_replay", default=None)
FRAME: Final[ContextVar[Frame | None]] = ContextVar("lcel_compat_replay_call", default=None)


class Session:
    """One ``with replay(...)``: a cassette, and the place in it that the application has reached."""

    def __init__(self, cassette: Cassette, *, recording: bool, speed: float | None) -> None:
        self.cassette = cassette
        self.recording = recording
        self.speed = speed
        self.closed = False
        self._cursors: Counter[str] = Counter()

    def rewind(self) -> None:
        """Play the cassette from its beginning from here on, what this block recorded as well."""
        if self.recording:
            self.cassette.close()
            self.recording = False
        self._cursors.clear()

    def close(self) -> None:
        """End the block: calls that are made later, by what it left running, are made as if there were none."""
        self.closed = True
        if self.recording:
            self.cassette.close()

    def turn(self, family: Family, instance: Any, arguments: Arguments) -> Turn:
        """What is to be done about a call."""
        asked = family.ask(instance, arguments)
        if not self.recording:
            take = self.cassette.find(family.name, asked, self._cursors)
            return Turn(self, family, instance, take, playing=take.ending != "open")
        return Turn(self, family, instance, self.cassette.start(family.name, asked), recording=True)


@dataclass(slots=True)
class Frame:
    """A call that is being made for real, around what runs in this context.

    Attributes:
        instance: Whose call it is.
        contains: Whether a run was started inside it.
    """

    instance: Any
    contains: bool = False


@dataclass(slots=True)
class Turn:
    """A call that is played, recorded, or (one that is ``open``) simply made again.

    Attributes:
        session: The block that it is made in.
        family: The family of the instance.
        instance: Whose call it is.
        take: What is played, or recorded to.
        playing: Whether the take is played.
        recording: Whether it is recorded.
    """

    session: Session
    family: Family
    instance: Any
    take: Take
    playing: bool = False
    recording: bool = False
    frame: Frame = field(init=False)
    _started: float = field(default_factory=time.perf_counter)

    def __post_init__(self) -> None:
        self.frame = Frame(self.instance)

    @contextmanager
    def inside(self) -> Iterator[None]:
        """Around each piece of the real call, so that what it starts is known to be inside it."""
        token = FRAME.set(self.frame)
        try:
            yield
        finally:
            FRAME.reset(token)

    # --- recording

    def step(self, kind: StepKind, value: Any) -> None:
        """Note a chunk or a token, as it is now: core changes chunks after it got them."""
        if self.recording:
            self.take.steps.append(Step(self._now(), kind, to_stored(value)))

    def complete(self, result: Any = None, *, streamed: bool = False) -> None:
        """The call returned ``result``, or its stream ended."""
        if not self.recording:
            return
        self.take.streamed = streamed
        if streamed:
            self._end("complete")
            return
        self.take.result = self.family.pack(result)
        if self.take.result is None:
            self.take.why = f"what it returned, a {type(result).__name__}, cannot be kept"
        self._end("open" if self.take.result is None else "complete")

    def failed(self, error: Exception, *, streamed: bool = False) -> None:
        """The call raised."""
        if not self.recording:
            return
        self.take.streamed = streamed
        if any(base.__name__ == "GraphBubbleUp" for base in type(error).__mro__):
            # An interrupt or a command to a parent graph: how a graph goes on, not what a tool answered.
            self.take.why = f"it raised {type(error).__name__}"
            self._end("open")
            return
        self.take.error = pack_error(error)
        self._end("error")

    def abandoned(self) -> None:
        """The caller of a stream stopped reading, or was cancelled."""
        if not self.recording:
            return
        self.take.streamed = True
        self._end("abandoned")

    def _end(self, ending: Ending) -> None:
        self.take.at = self._now()
        self.take.ending = "open" if self.frame.contains else ending
        if self.take.ending == "open":
            self.take.why = self.take.why or "runs were started inside it"
            self.take.steps, self.take.result, self.take.error = [], None, None
        self.session.cassette.keep(self.take)

    def _now(self) -> float:
        return (time.perf_counter() - self._started) * 1000


def begin(family: Family, instance: Any, arguments: Arguments) -> Turn | None:
    """What is to be done about a call, ``None`` if no replay is at work here or the call only delegates.

    ``_agenerate`` that calls the same object's ``_generate`` asks nothing new: it is answered, or recorded, as a whole.
    """
    session = SESSION.get()
    if session is None or session.closed:
        return None
    frame = FRAME.get()
    if frame is not None:
        if frame.instance is instance:
            return None
        frame.contains = True
    return session.turn(family, instance, arguments)


def run_started() -> None:
    """Note that a run starts here: the call around it, if there is one, is not all there is to record."""
    frame = FRAME.get()
    if frame is not None:
        frame.contains = True
