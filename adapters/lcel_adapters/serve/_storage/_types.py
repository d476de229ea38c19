"""Column types that are alike on SQLite and PostgreSQL."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import orjson
from sqlalchemy import JSON, BigInteger, DateTime, Dialect, Integer, String
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.types import TypeDecorator

from lcel_adapters.serve._json import dumps


class Moment(TypeDecorator[datetime]):
    """A point in time: goes in with any timezone, comes out in UTC; SQLite keeps UTC without saying so."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Turn it into UTC.

        Raises:
            ValueError: It has no timezone.
        """
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"{value!r} has no timezone: use datetime.now(UTC)")
        value = value.astimezone(UTC)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Say that it is UTC."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


Json = JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")
"""JSON; None is NULL."""
Id = String(36)
"""A UUID, as its 36 characters."""
Number = BigInteger().with_variant(Integer(), "sqlite")
"""A number that counts up by itself as a primary key: SQLite does so for ``INTEGER`` alone."""


def json_text(value: Any) -> str:
    """What a JSON column is written with: as the server writes JSON, so without NaN and NUL."""
    return dumps(value).decode()


def json_value(text: str) -> Any:
    """What a JSON column is read with."""
    return orjson.loads(text)
