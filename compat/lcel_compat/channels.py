"""Channels: where a graph's state lives between supersteps.

A channel takes all the writes of one superstep at once and holds one value. Which class a state key gets is
read off its annotation (``_schema.py``). The six classes behave as LangGraph's of the same names, because
they decide what a consumer of ``values`` sees and what a checkpoint contains.

A channel is small and mutable; a run copies the compiled graph's empty channels with ``fresh``.
"""

from __future__ import annotations

import collections.abc
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, Self, cast

from lcel_compat._constants import OVERWRITE
from lcel_compat._foreign import foreign_name
from lcel_compat.errors import EmptyChannelError, InvalidUpdateError
from lcel_compat.types import Overwrite


class _Missing:
    def __repr__(self) -> str:
        return "MISSING"


MISSING: Final = _Missing()
"""Stands for "no value"; ``None`` is a value."""


class Channel:
    """Base of all channels: a named place for one value.

    Attributes:
        key: The channel's name, used in errors.
        value: What it holds, or ``MISSING``.
    """

    __slots__ = ("key", "value")

    transient = False
    """Whether a value lasts for one superstep only."""
    deferred = False
    """Whether a value is held back until nothing else is left to run."""

    def __init__(self, key: str) -> None:
        self.key = key
        self.value: Any = MISSING

    def fresh(self) -> Self:
        """An empty channel of the same kind, for a new run."""
        return type(self)(self.key)

    def copy(self) -> Self:
        """A channel of the same kind with the same value, to try writes on."""
        other = self.fresh()
        other.value = self.value
        return other

    def same_kind(self, other: Channel) -> bool:
        """Whether two schemas that both declare this key agree about it."""
        return type(self) is type(other)

    @property
    def available(self) -> bool:
        """Whether ``get`` has something to give; an unavailable channel triggers nothing."""
        return self.value is not MISSING

    def get(self) -> Any:
        """The value.

        Raises:
            EmptyChannelError: If nothing is available.
        """
        if not self.available:
            raise EmptyChannelError(f"Channel {self.key!r} is empty.")
        return self.value

    def checkpoint(self) -> Any:
        """What a checkpoint keeps of it, in LangGraph's form; ``MISSING`` for nothing."""
        return self.value

    def restore(self, kept: Any) -> None:
        """Take the value that a checkpoint kept."""
        self.value = kept

    def update(self, writes: Sequence[Any]) -> bool:
        """Take the writes of one superstep; answer whether anything changed."""
        raise NotImplementedError

    def consume(self) -> bool:
        """A node that this channel triggered has run; answer whether that changed anything."""
        return False

    def finish(self) -> bool:
        """The run is about to end; answer whether that made a deferred value available."""
        return False


class LastValue(Channel):
    """A plain state key: the last value written, at most one write a superstep."""

    __slots__ = ()

    def update(self, writes: Sequence[Any]) -> bool:
        if not writes:
            return False
        if len(writes) > 1:
            raise InvalidUpdateError(
                f"State key {self.key!r} was written {len(writes)} times in one superstep, and a plain key"
                " takes one value. Give it a reducer, for example Annotated[list, operator.add], or let"
                " only one of the nodes that run at once write it."
            )
        self.value = writes[0]
        return True


class Reduced(Channel):
    """A state key annotated with a reducer: every write is folded into the value."""

    __slots__ = ("reducer", "typ")

    def __init__(self, key: str, reducer: Callable[[Any, Any], Any], typ: Any) -> None:
        super().__init__(key)
        self.reducer = reducer
        self.typ = typ
        self.value = _empty_instance(typ)

    def fresh(self) -> Self:
        return type(self)(self.key, self.reducer, self.typ)

    def same_kind(self, other: Channel) -> bool:
        if not isinstance(other, Reduced):
            return False
        named = {getattr(r, "__name__", "") for r in (self.reducer, other.reducer)}
        # Two lambdas of the same meaning cannot be told apart, so they count as equal.
        return self.reducer is other.reducer or "<lambda>" in named

    def update(self, writes: Sequence[Any]) -> bool:
        if not writes:
            return False
        total, rest = (writes[0], writes[1:]) if self.value is MISSING else (self.value, writes)
        for write in rest:
            if type(write) not in _FOLDED and overwrites(write):
                self.value = self._overwritten(writes)
                return True
            total = self.reducer(total, write)
        self.value = total
        return True

    def _overwritten(self, writes: Sequence[Any]) -> Any:
        """The one value that replaces what is there; LangGraph drops the writes after it, too."""
        total = self.value
        replaced = False
        for write in writes if total is not MISSING else writes[1:]:
            if not overwrites(write):
                continue
            if replaced:
                raise InvalidUpdateError(
                    f"State key {self.key!r} was overwritten twice in one superstep. Let one node alone write"
                    " Overwrite(...) to it."
                )
            total, replaced = overwriting(write), True
        return total


class Ephemeral(Channel):
    """A value that is there for one superstep: what an edge leaves for the node it leads to."""

    __slots__ = ()

    transient = True

    def update(self, writes: Sequence[Any]) -> bool:
        if writes:
            self.value = writes[-1]
            return True
        had = self.value is not MISSING
        self.value = MISSING
        return had


_FOLDED: Final = frozenset({list, tuple, set, str, int, float})
"""Types of writes that overwrite nothing, so that the slower questions need not be asked."""


def overwrites(write: Any) -> bool:
    """Whether a write replaces a reduced value: ``Overwrite``, or a dict that says so after a way through JSON."""
    if not isinstance(write, dict):
        return isinstance(write, Overwrite) or foreign_name(cast("Any", type(write))) == "Overwrite"
    return (len(write) == 1 and OVERWRITE in write) or (write.get("type") == OVERWRITE and "value" in write)


def overwriting(write: Any) -> Any:
    """The value of a write that overwrites."""
    if not isinstance(write, dict):
        return write.value
    return write[OVERWRITE] if OVERWRITE in write else write["value"]


class AfterFinish(Channel):
    """What an edge leaves for a deferred node: available when nothing else is left to run."""

    __slots__ = ("finished",)

    deferred = True

    def __init__(self, key: str) -> None:
        super().__init__(key)
        self.finished = False

    @property
    def available(self) -> bool:
        return self.finished and self.value is not MISSING

    def checkpoint(self) -> Any:
        return MISSING if self.value is MISSING else (self.value, self.finished)

    def restore(self, kept: Any) -> None:
        self.value, self.finished = kept

    def update(self, writes: Sequence[Any]) -> bool:
        if not writes:
            return False
        self.value, self.finished = writes[-1], False
        return True

    def consume(self) -> bool:
        if not self.finished:
            return False
        self.value, self.finished = MISSING, False
        return True

    def finish(self) -> bool:
        if self.finished or self.value is MISSING:
            return False
        self.finished = True
        return True


class Barrier(Channel):
    """A join: available when every one of its sources has written its name."""

    __slots__ = ("finished", "sources", "waits")

    def __init__(self, key: str, sources: Iterable[str], *, deferred: bool = False) -> None:
        super().__init__(key)
        self.sources = frozenset(sources)
        self.waits = deferred
        self.finished = False
        self.value = frozenset()

    def fresh(self) -> Self:
        return type(self)(self.key, self.sources, deferred=self.waits)

    @property
    def deferred(self) -> bool:  # type: ignore[override]
        return self.waits

    @property
    def available(self) -> bool:
        complete = bool(self.value == self.sources)
        return complete and (self.finished or not self.deferred)

    def get(self) -> None:
        if not self.available:
            missing = ", ".join(sorted(self.sources - self.value))
            raise EmptyChannelError(f"Join {self.key!r} still waits for {missing}.")

    def checkpoint(self) -> Any:
        seen = set(self.value)
        return (seen, self.finished) if self.waits else seen

    def restore(self, kept: Any) -> None:
        seen, self.finished = kept if self.waits else (kept, False)
        self.value = frozenset(seen)

    def copy(self) -> Self:
        other = super().copy()
        other.finished = self.finished
        return other

    def update(self, writes: Sequence[Any]) -> bool:
        seen = self.value | set(writes)
        changed = bool(seen != self.value)
        self.value = seen
        return changed

    def consume(self) -> bool:
        if not self.available:
            return False
        self.value, self.finished = frozenset(), False
        return True

    def finish(self) -> bool:
        if not self.deferred or self.finished or self.value != self.sources:
            return False
        self.finished = True
        return True


class Packets(Channel):
    """The ``Send`` packets of one superstep, in the order they were sent."""

    __slots__ = ()

    transient = True

    def checkpoint(self) -> Any:
        return [] if self.value is MISSING else list(self.value)

    def restore(self, kept: Any) -> None:
        self.value = tuple(kept) or MISSING

    def update(self, writes: Sequence[Any]) -> bool:
        had = self.value is not MISSING
        self.value = tuple(writes) if writes else MISSING
        return had or bool(writes)


_CONCRETE: Final[dict[Any, type]] = {
    collections.abc.Sequence: list,
    collections.abc.MutableSequence: list,
    collections.abc.Set: set,
    collections.abc.MutableSet: set,
    collections.abc.Mapping: dict,
    collections.abc.MutableMapping: dict,
}


def _empty_instance(typ: Any) -> Any:
    """The value a reduced key starts with: its type called without arguments, where that works."""
    while hasattr(typ, "__origin__"):
        typ = typ.__args__[0] if typ.__origin__ in _WRAPPERS else typ.__origin__
    try:
        return _CONCRETE.get(typ, typ)()
    except Exception:  # any class may refuse to be built without arguments, in any way
        return MISSING


def _wrappers() -> tuple[Any, ...]:
    import typing

    import typing_extensions

    return (
        typing.Required,
        typing.NotRequired,
        typing_extensions.Required,
        typing_extensions.NotRequired,
    )


_WRAPPERS: Final = _wrappers()
