"""Assistants as rows, with every version they had: each function is part of a transaction, and sees what its filter
lets it see."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, delete, func, insert, select, update

from lcel_adapters.serve._storage._queries import (
    Page,
    Row,
    Seen,
    containing,
    counted,
    first,
    insert_new,
    page_of,
    visible,
)
from lcel_adapters.serve._storage._tables import assistant_versions, assistants

VERSIONED = ("graph_id", "name", "description", "config", "context", "metadata")
"""What a version keeps."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AssistantQuery:
    """Which assistants are looked for; None leaves a condition out.

    Attributes:
        metadata: What their metadata holds, among other things.
        graph_id: Of their graph.
        name: A part of theirs, in any case.
    """

    metadata: Mapping[str, Any] | None = None
    graph_id: str | None = None
    name: str | None = None


def create_assistant(connection: Connection, assistant_id: str, columns: Row) -> Row | None:
    """Make an assistant; None if there is one with that id.

    Args:
        connection: Of a write transaction.
        assistant_id: Its id.
        columns: Those of ``VERSIONED``.
    """
    now = datetime.now(UTC)
    row = {**columns, "assistant_id": assistant_id, "version": 1, "created_at": now, "updated_at": now}
    if not insert_new(connection, assistants, row):
        return None
    _keep(connection, row, now)
    return row


def get_assistant(connection: Connection, assistant_id: str, seen: Seen | None = None) -> Row | None:
    """An assistant; None if it is not there to be seen."""
    return first(connection, select(assistants).where(*_one(assistant_id, seen)))


def patch_assistant(
    connection: Connection, assistant_id: str, changed: Mapping[str, Any], seen: Seen | None = None
) -> Row | None:
    """Give an assistant a new version; None if it is not there to be seen.

    Args:
        connection: Of a write transaction.
        assistant_id: Its id.
        changed: Columns of ``VERSIONED``; ``metadata`` is added to what is there, the others replace it.
        seen: What may be seen.
    """
    found = first(connection, select(assistants).where(*_one(assistant_id, seen)).with_for_update())
    if found is None:
        return None
    now = datetime.now(UTC)
    version = {"version": _last(connection, assistant_id) + 1, "updated_at": now}
    row = {**found, **changed, "metadata": {**found["metadata"], **changed.get("metadata", {})}, **version}
    _replace(connection, row)
    _keep(connection, row, now)
    return row


def set_version(connection: Connection, assistant_id: str, version: int, seen: Seen | None = None) -> Row | None:
    """Make an assistant what it was in a version.

    Returns:
        The assistant; None if it is not there to be seen.

    Raises:
        LookupError: It never had that version.
    """
    found = first(connection, select(assistants).where(*_one(assistant_id, seen)).with_for_update())
    if found is None:
        return None
    of_version = _versions(assistant_id).where(assistant_versions.c.version == version)
    kept = first(connection, of_version)
    if kept is None:
        raise LookupError(version)
    row = {**found, **{key: kept[key] for key in VERSIONED}, "version": version, "updated_at": datetime.now(UTC)}
    _replace(connection, row)
    return row


def assistant_history(
    connection: Connection, assistant_id: str, metadata: Mapping[str, Any] | None, page: Page, seen: Seen | None = None
) -> list[Row] | None:
    """The versions of an assistant, the newest first; None if it is not there to be seen."""
    if get_assistant(connection, assistant_id, seen) is None:
        return None
    table = assistant_versions
    query = _versions(assistant_id).where(*containing(table.c.metadata, metadata), *visible(seen, table.c.metadata))
    query = query.order_by(table.c.version.desc()).limit(page.limit).offset(page.offset)
    return [dict(row) for row in connection.execute(query).mappings()]


def delete_assistant(connection: Connection, assistant_id: str, seen: Seen | None = None) -> bool:
    """Delete an assistant and its versions; whether it was there to be seen."""
    return connection.execute(delete(assistants).where(*_one(assistant_id, seen))).rowcount == 1


def search_assistants(
    connection: Connection, query: AssistantQuery, page: Page, seen: Seen | None = None
) -> tuple[list[Row], int]:
    """One page of assistants, and how many there are in all."""
    return page_of(connection, _found(query, seen), page, assistants.c.assistant_id)


def count_assistants(connection: Connection, query: AssistantQuery, seen: Seen | None = None) -> int:
    """How many assistants there are."""
    return counted(connection, _found(query, seen).with_only_columns(assistants.c.assistant_id))


def _one(assistant_id: str, seen: Seen | None) -> list[ColumnElement[bool]]:
    return [assistants.c.assistant_id == assistant_id, *visible(seen, assistants.c.metadata)]


def _found(query: AssistantQuery, seen: Seen | None) -> Select[Any]:
    found = select(assistants).where(
        *visible(seen, assistants.c.metadata), *containing(assistants.c.metadata, query.metadata)
    )
    if query.graph_id is not None:
        found = found.where(assistants.c.graph_id == query.graph_id)
    return found if query.name is None else found.where(assistants.c.name.icontains(query.name, autoescape=True))


def _versions(assistant_id: str) -> Select[Any]:
    return select(assistant_versions).where(assistant_versions.c.assistant_id == assistant_id)


def _last(connection: Connection, assistant_id: str) -> int:
    query = select(func.max(assistant_versions.c.version)).where(assistant_versions.c.assistant_id == assistant_id)
    return connection.execute(query).scalar() or 0


def _replace(connection: Connection, row: Row) -> None:
    values = {key: row[key] for key in (*VERSIONED, "version", "updated_at")}
    connection.execute(update(assistants).where(assistants.c.assistant_id == row["assistant_id"]).values(values))


def _keep(connection: Connection, row: Row, now: datetime) -> None:
    values = {key: row[key] for key in ("assistant_id", "version", *VERSIONED)}
    connection.execute(insert(assistant_versions).values(**values, created_at=now))
