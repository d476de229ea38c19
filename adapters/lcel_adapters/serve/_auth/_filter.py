"""What an authorization handler lets a user see: conditions on metadata.

The forms are those of ``langgraph_sdk.auth.types.FilterType`` and of the Agent Server (0.16.7): ``{"owner": "me"}``,
``{"owner": {"$eq": "me"}}``, ``{"members": {"$contains": "me"}}`` or ``["me", "you"]``, several keys at once, and
``$and`` and ``$or`` with a list of filters. What that server does not know it passes over, so that a mistake lets
everyone in; here it is an error.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from lcel_adapters.serve._json import plain

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement

Scalar = str | int | bool | None
_SAFE: Final = 2**53
"""Whole numbers up to here are the same to everything that reads JSON."""


class FilterError(ValueError):
    """What a handler returned is no filter; the message says why."""


@dataclass(frozen=True, slots=True)
class Equals:
    """The value under a key is this one; the key has to be there, for null too."""

    key: str
    value: Scalar

    def matches(self, metadata: Mapping[str, Any]) -> bool:
        return self.key in metadata and same(metadata[self.key], self.value)


@dataclass(frozen=True, slots=True)
class Contains:
    """The value under a key is a list with all of these in it."""

    key: str
    values: tuple[Scalar, ...]

    def matches(self, metadata: Mapping[str, Any]) -> bool:
        found = metadata.get(self.key)
        return isinstance(found, list) and all(any(same(item, value) for item in found) for value in self.values)


@dataclass(frozen=True, slots=True)
class Every:
    """All of these hold."""

    parts: tuple[Condition, ...]

    def matches(self, metadata: Mapping[str, Any]) -> bool:
        return all(part.matches(metadata) for part in self.parts)


@dataclass(frozen=True, slots=True)
class Some:
    """One of these holds."""

    parts: tuple[Condition, ...]

    def matches(self, metadata: Mapping[str, Any]) -> bool:
        return any(part.matches(metadata) for part in self.parts)


Condition = Equals | Contains | Every | Some


@dataclass(frozen=True, slots=True)
class Filter:
    """What metadata must hold for a user to see what it belongs to.

    Attributes:
        condition: That, as data.
    """

    condition: Condition

    @staticmethod
    def of(document: Mapping[str, Any]) -> Filter:
        """Read what a handler returned; a UUID is its text, as it is stored.

        Raises:
            FilterError: It has an operator that nobody knows, or compares what cannot be compared.
        """
        return Filter(_every(document))

    def matches(self, metadata: Mapping[str, Any]) -> bool:
        """Whether metadata, as it is stored, fulfils it."""
        return self.condition.matches(metadata)

    def where(self, column: ColumnElement[Any]) -> ColumnElement[bool]:
        """The same as SQL, for a JSON column (JSONB on PostgreSQL); every value is a parameter.

        Args:
            column: Holds metadata as objects.

        Returns:
            A condition for SQLite and for PostgreSQL, not to be negated: where the column is NULL it may be NULL.
        """
        from lcel_adapters.serve._auth._sql import condition_sql

        return condition_sql(self.condition, column)


def same(found: Any, value: Scalar) -> bool:
    """Whether two values are one in JSON, where true is no number and 1 and 1.0 are the same."""
    if isinstance(found, bool) or isinstance(value, bool):
        return found is value
    if isinstance(value, int):
        return isinstance(found, int | float) and found == value
    return type(found) is type(value) and bool(found == value)


def _every(document: Any) -> Condition:
    if not isinstance(document, Mapping):
        raise FilterError(f"a filter is a mapping, not {type(document).__name__}")
    if strange := [key for key in document if not isinstance(key, str)]:
        raise FilterError(f"the keys of a filter are text, not {strange[0]!r}")
    parts = tuple(_part(key, wanted) for key, wanted in document.items())
    return parts[0] if len(parts) == 1 else Every(parts)


def _part(key: str, wanted: Any) -> Condition:
    if key in ("$and", "$or"):
        parts = _group(key, wanted)
        return Every(parts) if key == "$and" else Some(parts)
    if key.startswith("$"):
        raise FilterError(f"there is no operator {key!r} between filters: $and, $or")
    if not isinstance(wanted, Mapping):
        return Equals(key, _scalar(key, wanted))
    parts = tuple(_compared(key, operator, value) for operator, value in wanted.items())
    if not parts:
        raise FilterError(f"{key!r} is compared with nothing: write {{{key!r}: {{'$eq': ...}}}}")
    return parts[0] if len(parts) == 1 else Every(parts)


def _group(key: str, wanted: Any) -> tuple[Condition, ...]:
    # An empty filter in a group would make "or" always true, an empty group "and".
    if not (isinstance(wanted, list | tuple) and wanted and all(wanted)):
        raise FilterError(f"{key!r} takes a list of filters, none of them empty")
    return tuple(_every(document) for document in wanted)


def _compared(key: str, operator: str, value: Any) -> Condition:
    if operator == "$eq":
        return Equals(key, _scalar(key, value))
    if operator == "$contains":
        values = value if isinstance(value, list | tuple | set | frozenset) else [value]
        return Contains(key, tuple(_scalar(key, item) for item in values))
    raise FilterError(f"{key!r} is compared by {operator!r}, which there is not: $eq, $contains")


def _scalar(key: str, value: Any) -> Scalar:
    # Nothing else is turned into JSON: what has no form there would become null, and all owners one.
    if isinstance(value, str | UUID):
        return str(plain(value))
    if isinstance(value, bool) or value is None or (isinstance(value, int) and abs(value) <= _SAFE):
        return value
    raise FilterError(
        f"{key!r} is compared with {type(value).__name__}: a filter compares text, UUIDs, whole numbers up to 2**53,"
        " true, false and null"
    )
