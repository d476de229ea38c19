"""Stream modes: each a projection of the run's log, in a module of its own.

===============  ==========================================================================================
``values``       the whole state, after each superstep that changed it
``updates``      ``{node: update}``, for each node as it finishes
``custom``       what nodes sent with their stream writer
``messages``     ``(message or chunk, metadata)``: tokens, and finished messages that no token announced
``tasks``        nodes as they start and finish, with inputs, results and errors
``checkpoints``  every checkpoint, of a run that is saved
``debug``        ``checkpoints`` and ``tasks`` with step, time and type around each
``events``       what ``astream_events(version="v2")`` gives
===============  ==========================================================================================

A mode is a class with ``reads`` (the kinds of log entries it wants) and ``project`` (an entry to items). To add one,
write the class and enter it in ``MODES``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from lcel_compat._log import Namespace, Projection
from lcel_compat.modes.checkpoints import Checkpoints
from lcel_compat.modes.custom import Custom
from lcel_compat.modes.debug import Debug
from lcel_compat.modes.events import EVERYTHING, EventFilter, Events
from lcel_compat.modes.messages import Messages
from lcel_compat.modes.tasks import Tasks
from lcel_compat.modes.updates import Updates
from lcel_compat.modes.values import Values


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """What a projection may need to know of the run that it looks at.

    Attributes:
        output_keys: The keys of the state that ``values`` and ``updates`` show.
        state_keys: All keys of the state.
        is_root: Whether what is shown is one value rather than a mapping.
        namespace: Where the run's graph stands, ``()`` for the outermost.
        input: What the run was given; the first event carries it.
        event_filter: Which events ``events`` shows.
        error_events: Whether it shows how runs fail.
        below: Whether graphs inside this one are shown too; an item of ``messages`` then comes with its namespace.
    """

    output_keys: tuple[str, ...]
    state_keys: tuple[str, ...]
    is_root: bool
    namespace: Namespace
    input: Any = None
    event_filter: EventFilter = EVERYTHING
    error_events: bool = False
    below: bool = False


Factory: TypeAlias = Callable[[Scope], Projection]

MODES: Final[Mapping[str, Factory]] = {
    "values": lambda scope: Values(),
    "updates": lambda scope: Updates(scope.output_keys, is_root=scope.is_root),
    "custom": lambda scope: Custom(),
    "messages": lambda scope: Messages(scope.namespace, below=scope.below),
    "checkpoints": lambda scope: Checkpoints(),
    "tasks": lambda scope: Tasks(scope.state_keys),
    "debug": lambda scope: Debug(scope.state_keys),
    "events": lambda scope: Events(scope.input, scope.event_filter, errors=scope.error_events),
}
"""The modes there are. Several may read one entry of the log; their items come in this order, as LangGraph's do."""

LIVE: Final = frozenset({"custom", "messages", "events"})
"""Modes whose items come up while a node is running."""
CAPTURED: Final = frozenset({"messages", "events"})
"""Modes that look at callbacks."""


def check_modes(stream_mode: str | Sequence[str]) -> tuple[str, ...]:
    """The modes asked for, in order and without repetition.

    Raises:
        ValueError: If there is none, or one that does not exist.
        TypeError: If it is neither a string nor a sequence of strings.
    """
    if not isinstance(stream_mode, str | list | tuple | set | frozenset):
        raise TypeError(f"stream_mode must be a mode or a list of modes, not {stream_mode!r}; {_known()}")
    asked = (stream_mode,) if isinstance(stream_mode, str) else tuple(stream_mode)
    if not asked:
        raise ValueError(f"stream_mode is empty; {_known()}")
    for mode in asked:
        if mode not in MODES:
            raise ValueError(f"There is no stream mode {mode!r}; {_known()}")
    return tuple(dict.fromkeys(asked))


def _known() -> str:
    return f"the modes are {', '.join(repr(mode) for mode in MODES)}."


__all__ = ["CAPTURED", "LIVE", "MODES", "EventFilter", "Scope", "check_modes"]
