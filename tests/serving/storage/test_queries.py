"""What is looked for in JSON: alike in Python, in SQLite and in PostgreSQL."""

from __future__ import annotations

import asyncio
from typing import Any

import orjson
import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lcel_adapters.serve._storage import (
    AssistantQuery,
    Database,
    Page,
    Row,
    ThreadQuery,
    count_threads,
    create_assistant,
    create_thread,
    search_assistants,
    search_threads,
    set_thread_state,
)
from lcel_adapters.serve._storage._queries import holds
from tests.support import postgres

TEXTS = st.text("aå'\"%_", max_size=2)
SCALARS = st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from([0.5, 1.0, -0.0]) | TEXTS
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("ab"), inner, max_size=2)
)
OBJECTS = st.dictionaries(st.sampled_from("abc"), VALUES, max_size=3)


def part(value: Any, draw: Any) -> Any:
    """Something that a value holds."""
    if isinstance(value, dict):
        return {key: part(item, draw) for key, item in value.items() if draw(st.booleans())}
    if isinstance(value, list):
        return [part(item, draw) for item in value if draw(st.booleans())]
    return value


@st.composite
def pairs(draw: Any) -> tuple[Any, Any]:
    """A document, and another that is held by it, or likely not."""
    found = draw(OBJECTS)
    return found, part(found, draw) if draw(st.booleans()) else draw(OBJECTS)


@given(st.data())
def test_a_value_holds_its_parts(data: st.DataObject) -> None:
    """Whatever is left out of an object or an array, the rest is held."""
    found = data.draw(OBJECTS)
    assert holds(found, part(found, data.draw))


@pytest.mark.postgres
def test_holding_is_what_postgresql_says() -> None:
    """For generated documents, Python and ``@>`` agree."""
    with psycopg.connect(postgres.URL) as connection:

        @given(pairs())
        def agree(pair: tuple[Any, Any]) -> None:
            texts = [orjson.dumps(one).decode() for one in pair]
            row = connection.execute("select %s::jsonb @> %s::jsonb", texts).fetchone()
            assert row == (holds(*pair),)

        agree()


@pytest.mark.slow
@given(st.lists(pairs(), min_size=1, max_size=8))
async def test_sqlite_finds_what_python_finds(
    tmp_path_factory: pytest.TempPathFactory, cases: list[tuple[Any, Any]]
) -> None:
    """For generated metadata, a search finds exactly those that hold what is looked for."""
    database = await Database.open(f"sqlite:///{tmp_path_factory.mktemp('held') / 'served.db'}")
    for number, (metadata, _) in enumerate(cases):
        await database.write(lambda c, n=number, m=metadata: create_thread(c, f"{n:036}", m))  # type: ignore[misc]
    for _, wanted in cases:
        rows, _total = await database.read(
            lambda c, w=wanted: search_threads(c, ThreadQuery(metadata=w), PAGE)  # type: ignore[misc]
        )
        expected = [number for number, (metadata, _) in enumerate(cases) if holds(metadata, wanted)]
        assert [int(row["thread_id"]) for row in rows] == expected
    await database.close()


METADATA: dict[str, dict[str, Any]] = {
    "a": {"owner": "me", "tags": ["x", "y"], "deep": {"n": 1, "m": [True]}},
    "b": {"owner": "you", "tags": ["y"], "deep": {"n": True}},
    "c": {"owner": "me", "odd'key\"": "100%"},
    "d": {},
}
LOOKED_FOR: list[tuple[dict[str, Any] | None, str]] = [
    (None, "abcd"),
    ({}, "abcd"),
    ({"owner": "me"}, "ac"),
    ({"tags": ["y"]}, "ab"),
    ({"tags": ["y", "x"]}, "a"),
    ({"deep": {"n": 1}}, "a"),
    ({"deep": {"n": True}}, "b"),
    ({"deep": {"m": [True]}}, "a"),
    ({"odd'key\"": "100%"}, "c"),
    ({"owner": None}, ""),
    ({"nobody": "has"}, ""),
]


def identifier(name: str) -> str:
    """A thread's id."""
    return name * 36


@pytest.fixture
async def filled(opened: Database) -> Database:
    """A database with those threads, made one after the other."""
    for name, metadata in METADATA.items():
        await opened.write(lambda c, n=name, m=metadata: create_thread(c, identifier(n), m))  # type: ignore[misc]
    return opened


def names(rows: list[dict[str, Any]]) -> str:
    """The names of threads."""
    return "".join(row["thread_id"][0] for row in rows)


PAGE = Page(limit=10, sort_by="thread_id", sort_order="asc")


@pytest.mark.parametrize(("wanted", "found"), LOOKED_FOR)
async def test_threads_are_found_by_their_metadata(filled: Database, wanted: Any, found: str) -> None:
    """A thread is found if its metadata hold what is looked for; counting finds as many."""
    query = ThreadQuery(metadata=wanted)
    rows, total = await filled.read(lambda c: search_threads(c, query, PAGE))
    assert (names(rows), total) == (found, len(found))
    assert await filled.read(lambda c: count_threads(c, query)) == len(found)


async def test_threads_are_found_by_state_status_and_id(filled: Database) -> None:
    """Conditions are combined; a thread without a state holds no values."""
    state = {"status": "interrupted", "values": {"n": 1, "log": ["x"]}, "interrupts": {"t": []}}
    await filled.write(lambda c: set_thread_state(c, identifier("b"), state))

    async def found(**asked: Any) -> str:
        query = ThreadQuery(**asked)
        return names((await filled.read(lambda c: search_threads(c, query, PAGE)))[0])

    assert await found(values={"log": ["x"]}) == "b"
    assert await found(values={"n": 2}) == ""
    assert await found(status="idle") == "acd"
    assert await found(status="interrupted", metadata={"owner": "me"}) == ""
    assert await found(ids=[identifier("a"), identifier("d"), "nobody"]) == "ad"
    assert await found(ids=[]) == ""


@pytest.mark.parametrize("order", ["asc", "desc"])
@pytest.mark.parametrize("column", ["thread_id", "status", "created_at", "updated_at", "state_updated_at"])
async def test_pages_are_parts_of_one_list(filled: Database, column: str, order: Any) -> None:
    """In every order, page after page gives each thread once, and every page knows the whole."""
    pages = [Page(limit=1, offset=offset, sort_by=column, sort_order=order) for offset in range(6)]
    results = [await filled.read(lambda c, p=page: search_threads(c, ThreadQuery(), p)) for page in pages]  # type: ignore[misc]
    found = "".join(names(rows) for rows, _ in results)
    assert {total for _, total in results} == {4}
    assert sorted(found) == list("abcd")
    if column != "status":
        assert found == ("abcd" if order == "asc" else "dcba")


async def test_assistants_are_found_by_a_part_of_their_name(opened: Database) -> None:
    """In any case, and with the characters of patterns taken as they are."""
    for number, name in enumerate(["First", "100% sure", "under_score", "firsthand"]):
        columns: Row = {"graph_id": "g", "name": name, "description": None, "config": {}, "context": {}, "metadata": {}}
        await opened.write(lambda c, n=number, row=columns: create_assistant(c, f"{n:036}", row))  # type: ignore[misc]

    async def found(part: str) -> list[str]:
        page = Page(sort_by="name", sort_order="asc")
        rows, _ = await opened.read(lambda c: search_assistants(c, AssistantQuery(name=part), page))
        return sorted(row["name"] for row in rows)

    assert await found("FIRST") == ["First", "firsthand"]
    assert await found("%") == ["100% sure"]
    assert await found("r_s") == ["under_score"]
    assert await found("") == ["100% sure", "First", "firsthand", "under_score"]


async def test_one_of_many_makes_an_assistant(opened: Database) -> None:
    """Of servers that make the same one at once, one does, and the others find it."""
    columns: Row = {"graph_id": "g", "name": "n", "description": None, "config": {}, "context": {}, "metadata": {}}
    made = await asyncio.gather(*(opened.write(lambda c: create_assistant(c, "a" * 36, columns)) for _ in range(8)))
    assert sum(row is not None for row in made) == 1
