"""Queries that SQLite and PostgreSQL spell in different ways, and lists of rows in pages."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal, Protocol

import orjson
from sqlalchemy import (
    Boolean,
    ColumnElement,
    Connection,
    Executable,
    Select,
    String,
    Table,
    cast,
    func,
    literal,
    select,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

from lcel_adapters.serve._json import dumps, plain

Row = dict[str, Any]
CONTAINS = "lcel_contains"
"""The name that ``holds`` has in SQLite."""


class Seen(Protocol):
    """What somebody may see, as ``_auth.Filter``."""

    def where(self, column: ColumnElement[Any], /) -> ColumnElement[bool]:
        """A condition on a column of metadata."""
        ...

    def matches(self, metadata: Mapping[str, Any], /) -> bool:
        """Whether metadata fulfils it."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Which rows of a list are wanted, in which order.

    Attributes:
        limit: How many at most.
        offset: How many are left out before them.
        sort_by: A column.
        sort_order: Rows that are equal in that column are ordered by their key.
    """

    limit: int = 10
    offset: int = 0
    sort_by: str
    sort_order: Literal["asc", "desc"] = "desc"


def insert_new(connection: Connection, table: Table, values: Row) -> bool:
    """Insert a row unless its key is there; whether it was inserted."""
    return connection.execute(_insert(table, connection.dialect.name), values).rowcount == 1


@cache
def _insert(table: Table, dialect: str) -> Executable:
    insert = postgresql.insert if dialect == "postgresql" else sqlite.insert
    # Of an insert, the number of rows is not kept unless one asks.
    return insert(table).on_conflict_do_nothing().execution_options(preserve_rowcount=True)


def page_of(connection: Connection, query: Select[Any], page: Page, key: ColumnElement[Any]) -> tuple[list[Row], int]:
    """One page of what a query finds, and how many rows it finds in all."""
    column = query.selected_columns[page.sort_by]
    order = (column.asc(), key.asc()) if page.sort_order == "asc" else (column.desc(), key.desc())
    found = connection.execute(query.order_by(*order).limit(page.limit).offset(page.offset)).mappings().all()
    if len(found) < page.limit and (found or not page.offset):
        return [dict(row) for row in found], page.offset + len(found)
    return [dict(row) for row in found], counted(connection, query.with_only_columns(key))


def counted(connection: Connection, query: Select[Any]) -> int:
    """How many rows a query finds."""
    return connection.execute(select(func.count()).select_from(query.subquery())).scalar_one()


def first(connection: Connection, query: Select[Any]) -> Row | None:
    """The first row of what a query finds; None if it finds nothing."""
    found = connection.execute(query).mappings().first()
    return None if found is None else dict(found)


def visible(seen: Seen | None, column: ColumnElement[Any]) -> list[ColumnElement[bool]]:
    """The condition that a filter puts on a column of metadata; none for no filter."""
    return [] if seen is None else [seen.where(column)]


def containing(column: ColumnElement[Any], wanted: Mapping[str, Any] | None) -> list[ColumnElement[bool]]:
    """The condition that a JSON column holds all that an object holds, as PostgreSQL's ``@>``; none for nothing."""
    if not wanted:
        return []
    texts = [dumps(wanted).decode(), *dict.fromkeys(_texts(plain(wanted)))]
    return [_Contains(column, *(literal(text, String) for text in texts))]


def _texts(wanted: Any) -> Iterator[str]:
    """Texts that the JSON of whatever holds a value has somewhere in it, as the server writes JSON.

    To look for them costs SQLite a fraction of what it costs to take JSON apart in Python. Numbers have several forms.
    """
    if isinstance(wanted, dict):
        for key, value in wanted.items():
            said = "" if isinstance(value, dict | list | int | float) else dumps(value).decode()
            yield f"{dumps(key).decode()}:{said}"
            yield from () if said else _texts(value)
    elif isinstance(wanted, list):
        for item in wanted:
            yield from _texts(item)
    elif isinstance(wanted, str):
        yield dumps(wanted).decode()


class _Contains(FunctionElement[bool]):
    type = Boolean()
    name = "contains"
    inherit_cache = True


@compiles(_Contains, "postgresql")
def _in_postgresql(element: _Contains, compiler: SQLCompiler, **options: Any) -> str:
    column, wanted, *_ = element.clauses
    return compiler.process(column.op("@>", is_comparison=True)(cast(wanted, JSONB)), **options)


@compiles(_Contains, "sqlite")
def _in_sqlite(element: _Contains, compiler: SQLCompiler, **options: Any) -> str:
    column, wanted, *texts = (compiler.process(clause, **options) for clause in element.clauses)
    likely = [f"instr({column}, {text}) > 0" for text in texts]
    return f"({' AND '.join([*likely, f'{CONTAINS}({column}, {wanted})'])})"


def text_holds(found: str | None, wanted: str) -> bool:
    """``holds`` for two JSON texts."""
    return found is not None and holds(orjson.loads(found), orjson.loads(wanted))


def holds(found: Any, wanted: Any) -> bool:
    """Whether a JSON value holds another, as PostgreSQL's ``@>`` says.

    An object holds one whose keys it all has, with values that hold theirs; an array one each of whose items some item
    of its own holds; anything else its equal.
    """
    if isinstance(wanted, dict):
        return isinstance(found, dict) and all(key in found and holds(found[key], wanted[key]) for key in wanted)
    if isinstance(wanted, list):
        return isinstance(found, list) and all(_has(found, item) for item in wanted)
    # In JSON, true is no number.
    return isinstance(found, bool) is isinstance(wanted, bool) and bool(found == wanted)


def _has(found: Sequence[Any], item: Any) -> bool:
    return any(holds(candidate, item) for candidate in found)
