"""A filter as SQL, for SQLite and for PostgreSQL.

SQLite's is spelled with ``json_each``, whose keys are values and no path that would have to be quoted; PostgreSQL's is
``@>``, which an index can answer.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    Boolean,
    ColumnElement,
    String,
    TableValuedAlias,
    and_,
    cast,
    exists,
    func,
    literal,
    or_,
    select,
    true,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

from lcel_adapters.serve._auth._filter import Condition, Contains, Equals, Every, Scalar, Some
from lcel_adapters.serve._json import dumps


class _ByDialect(FunctionElement[bool]):
    """One condition in two spellings: SQLite's and PostgreSQL's."""

    type = Boolean()
    name = "by_dialect"
    inherit_cache = True


@compiles(_ByDialect, "sqlite")
def _for_sqlite(element: _ByDialect, compiler: SQLCompiler, **options: Any) -> str:
    return compiler.process(next(iter(element.clauses)), **options)


@compiles(_ByDialect, "postgresql")
def _for_postgresql(element: _ByDialect, compiler: SQLCompiler, **options: Any) -> str:
    return compiler.process(list(element.clauses)[1], **options)


def condition_sql(condition: Condition, column: ColumnElement[Any]) -> ColumnElement[bool]:
    """The condition on a JSON column."""
    match condition:
        case Every(parts):
            return and_(true(), *(condition_sql(part, column) for part in parts))
        case Some(parts):
            return or_(*(condition_sql(part, column) for part in parts))
        case Equals(key, value):
            return _ByDialect(_sqlite_equals(column, key, value), _held(column, {key: value}))
        case Contains(key, values):
            return _ByDialect(_sqlite_contains(column, key, values), _held(column, {key: list(values)}))


def _held(column: ColumnElement[Any], document: dict[str, Any]) -> ColumnElement[bool]:
    """The column holds all that the document holds; below the top, a list of one is not taken for what is in it."""
    text = literal(dumps(document).decode(), String)
    return column.op("@>", is_comparison=True)(cast(text, JSONB))


def _sqlite_equals(column: ColumnElement[Any], key: str, value: Scalar) -> ColumnElement[bool]:
    field = _each(column)
    return exists(select(1).select_from(field).where(field.c.key == key, _is(field, value)))


def _sqlite_contains(column: ColumnElement[Any], key: str, values: tuple[Scalar, ...]) -> ColumnElement[bool]:
    field = _each(column)
    return exists(
        select(1)
        .select_from(field)
        .where(field.c.key == key, field.c.type == "array", *(_has(field.c.value, value) for value in values))
    )


def _has(array: ColumnElement[Any], value: Scalar) -> ColumnElement[bool]:
    item = _each(array)
    return exists(select(1).select_from(item).where(_is(item, value)))


def _each(value: ColumnElement[Any]) -> TableValuedAlias:
    return func.json_each(value).table_valued("key", "value", "type")


def _is(row: TableValuedAlias, value: Scalar) -> ColumnElement[bool]:
    """Whether a row of ``json_each`` holds a value; its SQL value alone does not tell true from 1."""
    match value:
        case None | True | False:
            return row.c.type == {None: "null", True: "true", False: "false"}[value]
        case int():
            return and_(row.c.type.in_(["integer", "real"]), row.c.value == literal(value))
        case _:
            return and_(row.c.type == "text", row.c.value == literal(value, String))
