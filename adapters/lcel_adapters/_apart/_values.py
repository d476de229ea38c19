"""Where in a graph's state the value is that a chain hands from one step to the next.

A step's result is the value of a state key; a parallel's is a dict of those of its branches, and what follows it reads
them by an input mapping, as anyone would write it by hand. Only what cannot be said as a mapping of ``as_node`` is read
by a function, a ``Reading``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias


@dataclass(frozen=True, slots=True)
class Key:
    """The value of a state key."""

    name: str

    def read(self, state: Mapping[str, Any]) -> Any:
        """The value, out of a state."""
        return state[self.name]

    def source(self, state: str) -> str:
        """The expression that reads it, in Python."""
        return f"{state}[{self.name!r}]"


@dataclass(frozen=True, slots=True)
class Keys:
    """A dict of values, as a parallel makes it."""

    values: tuple[tuple[str, Value], ...]

    def read(self, state: Mapping[str, Any]) -> dict[str, Any]:
        """The dict, out of a state."""
        return {key: value.read(state) for key, value in self.values}

    def source(self, state: str) -> str:
        """The expression that makes it, in Python."""
        return "{" + ", ".join(f"{key!r}: {value.source(state)}" for key, value in self.values) + "}"


@dataclass(frozen=True, slots=True)
class Assigned:
    """A dict with keys added, as ``RunnablePassthrough.assign`` makes it."""

    base: Value
    added: Keys

    def read(self, state: Mapping[str, Any]) -> dict[str, Any]:
        """The dict, out of a state.

        Raises:
            ValueError: If what is added to is no dict, in the words of langchain-core.
        """
        base = self.base.read(state)
        if not isinstance(base, dict):
            raise ValueError("The input to RunnablePassthrough.assign() must be a dict.")
        return {**base, **self.added.read(state)}

    def source(self, state: str) -> str:
        """The expression that makes it, in Python."""
        base = self.base.source(state)
        inner = f"**{base}" if isinstance(self.base, Key) else base[1:-1]
        return "{" + f"{inner}, {self.added.source(state)[1:-1]}" + "}"


Value: TypeAlias = Key | Keys | Assigned


@dataclass(frozen=True, slots=True)
class Reading:
    """An input mapping that no dict of keys can say: a function of the state."""

    value: Value

    def __call__(self, state: Mapping[str, Any]) -> Any:
        """The value, out of a state."""
        return self.value.read(state)


def mapping(value: Value) -> str | dict[str, str] | Callable[[Any], Any]:
    """The input mapping of ``as_node`` that reads a value."""
    if isinstance(value, Key):
        return value.name
    if isinstance(value, Keys):
        names = {key: part.name for key, part in value.values if isinstance(part, Key)}
        if len(names) == len(value.values):
            return names
    return Reading(value)
