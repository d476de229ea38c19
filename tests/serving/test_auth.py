"""Who may use a server, and what of it: API keys, the application's handlers, and filters in Python as in SQL."""

from __future__ import annotations

import copy
import logging
import os
import pickle
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import httpx
import pytest
from fastapi import FastAPI
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Column, Engine, Integer, MetaData, Table, create_engine, insert, select, update
from starlette.authentication import AuthenticationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse

from lcel_adapters.serve._auth import (
    AuthError,
    Denied,
    Filter,
    FilterError,
    Guard,
    OpenBindingError,
    User,
    refuse_open_binding,
)
from lcel_adapters.serve._storage._types import Json, json_text, json_value
from tests.support import postgres

THREAD = "11111111-2222-3333-4444-555555555555"


def _app(guard: Guard) -> FastAPI:
    """A server with one route, which says what the guard made of the request."""

    async def answer(request: Request) -> JSONResponse:
        access = await guard.access(request)
        value = await request.json() if await request.body() else {}
        await access.authorize("threads", "create", value)
        user = None if access.user is None else access.user.dict()
        return JSONResponse({"user": user, "permissions": access.permissions, "value": value})

    app = FastAPI()
    app.add_route("/threads/{thread_id}", answer, methods=["GET", "POST"])
    return app


@asynccontextmanager
async def _client(guard: Guard) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(_app(guard))
    async with httpx.AsyncClient(transport=transport, base_url="http://server") as client:
        yield client


async def _asked(guard: Guard, headers: dict[str, str] | None = None, body: Any = None) -> httpx.Response:
    async with _client(guard) as client:
        return await client.request("POST", f"/threads/{THREAD}?limit=3", headers=headers, json=body)


# API keys -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "headers",
    [{"x-api-key": "one"}, {"x-api-key": "two"}, {"authorization": "Bearer one"}, {"authorization": "bearer two"}],
)
async def test_any_of_the_keys_lets_a_request_in(headers: dict[str, str]) -> None:
    """A key is taken from `x-api-key` or `Authorization: Bearer`; it says nothing of who asks."""
    answer = await _asked(Guard.of(["one", "two"]), headers)
    assert (answer.status_code, answer.json()["user"]) == (200, None)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"x-api-key": ""},
        {"x-api-key": "on"},
        {"x-api-key": "one,two"},
        {"authorization": "one"},
        {"authorization": "Basic one"},
        {"x-api-key": "wrong", "authorization": "Bearer one"},
        {"x-api-key": "\u00e9"},
    ],
)
async def test_without_a_valid_key_nothing_is_done(headers: dict[str, str]) -> None:
    """What carries no key, or a wrong one, is answered with 401 and how to do better."""
    encoded = {name: value.encode() for name, value in headers.items()}
    answer = await _asked(Guard.of(["one", "two"]), encoded)  # type: ignore[arg-type]
    assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
    assert answer.json() == {"detail": "A valid API key is needed: send it as x-api-key, or as Authorization: Bearer."}


async def test_a_key_may_hold_any_letters() -> None:
    """Keys are compared as the bytes that were sent."""
    answer = await _asked(Guard.of(["schl\u00fcssel"]), {"x-api-key": "schl\u00fcssel".encode()})  # type: ignore[dict-item]
    assert answer.status_code == 200


async def test_keys_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """`LCEL_COMPAT_API_KEYS` holds keys between commas; keys that are given take its place."""
    monkeypatch.setenv("LCEL_COMPAT_API_KEYS", "one, two,,")
    assert (await _asked(Guard.of(), {"x-api-key": "two"})).status_code == 200
    assert (await _asked(Guard.of(), {"x-api-key": ""})).status_code == 401
    assert (await _asked(Guard.of(["three"]), {"x-api-key": "two"})).status_code == 401
    assert Guard.of([]).is_open


def test_an_empty_key_is_refused() -> None:
    """A key that anyone can guess is an error, not an open door."""
    with pytest.raises(AuthError, match="An API key is empty"):
        Guard.of(["one", " "])


def test_a_guard_prints_no_key() -> None:
    """Neither the keys nor their digests show in what is printed of a guard."""
    assert "digests" not in repr(Guard.of(["secret"]))
    assert "secret" not in repr(Guard.of(["secret"]))


async def test_an_open_guard_costs_nothing() -> None:
    """Without authentication every request gets the same access, which allows everything and knows nobody."""
    guard = Guard.of([])
    request = Request({"type": "http", "headers": []})
    access = await guard.access(request)
    assert access is await guard.access(request)
    assert (access.user, access.permissions, guard.is_open) == (None, [], True)
    assert await access.authorize("threads", "delete", {}) is None


# Listening ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.53", "::1", "::ffff:127.0.0.1", "localhost"])
def test_a_loopback_address_needs_no_authentication(host: str) -> None:
    """What only this machine reaches may be open."""
    refuse_open_binding(host, Guard(), insecure=False)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "", "192.0.2.1", "::ffff:192.0.2.1", "no-such-host.invalid"])
def test_what_others_reach_needs_authentication(host: str) -> None:
    """An open server on any other address is refused with the three remedies; each of them is enough."""
    with pytest.raises(
        OpenBindingError, match=r"127\.0\.0\.1.*LCEL_COMPAT_API_KEYS.*auth in langgraph.json.*--insecure"
    ):
        refuse_open_binding(host, Guard(), insecure=False)
    refuse_open_binding(host, Guard(), insecure=True)
    refuse_open_binding(host, Guard.of(["key"]), insecure=False)


# Authentication -----------------------------------------------------------------------------------


@dataclass
class Person:
    """A user as an application may have it."""

    identity: str
    team: str = "red"

    def can(self, action: str) -> bool:
        return action == "read"


def _auth(authenticate: Callable[..., Any]) -> Any:
    from langgraph_sdk import Auth

    auth = Auth()
    auth.authenticate(authenticate)
    return auth


def _returning(response: Any) -> Guard:
    async def authenticate() -> Any:
        if isinstance(response, Exception):
            raise response
        return response

    return Guard.of([], _auth(authenticate))


@pytest.mark.langgraph
@pytest.mark.parametrize("is_async", [True, False])
async def test_authentication_gets_what_it_asks_for(is_async: bool) -> None:
    """Parameters are filled by their names, others keep their defaults; a plain function works too."""
    seen: dict[str, Any] = {}

    def authenticate(
        request: Any,
        path: str,
        method: str,
        path_params: Any,
        query_params: Any,
        headers: Any,
        authorization: str | None,
        scope: Any,
        user: Any,
        scopes: Any,
        body: Any,
        other: int = 5,
    ) -> str:
        seen.update(locals())
        return "me"

    async def later(request: Any, authorization: str | None, body: Any) -> str:
        seen.update(request=request, authorization=authorization, body=body)
        return "me"

    guard = Guard.of([], _auth(later if is_async else authenticate))
    answer = await _asked(guard, {"authorization": "Bearer token"}, {"metadata": {"a": 1}})
    assert (answer.status_code, answer.json()["value"]) == (200, {"metadata": {"a": 1}})
    assert (seen["authorization"], seen["body"]) == ("Bearer token", {"metadata": {"a": 1}})
    assert isinstance(seen.pop("request"), Request)
    if not is_async:
        assert (seen["path"], seen["method"]) == (f"/threads/{THREAD}", "POST")
        assert (seen["path_params"], dict(seen["query_params"])) == ({"thread_id": THREAD}, {"limit": "3"})
        assert seen["headers"][b"authorization"] == b"Bearer token"
        assert (seen["scope"]["type"], seen["user"], seen["scopes"], seen["other"]) == ("http", None, [], 5)


@pytest.mark.langgraph
async def test_a_body_that_is_no_json_is_none() -> None:
    """An authentication that reads the body gets None where there is none, and the route still reads its own."""

    async def authenticate(body: Any) -> str:
        return repr(body)

    async with _client(Guard.of([], _auth(authenticate))) as client:
        answer = await client.get(f"/threads/{THREAD}")
    assert answer.json()["user"]["identity"] == "None"


KNOWN = {"identity": "me", "display_name": "me", "is_authenticated": True, "permissions": []}


@pytest.mark.langgraph
@pytest.mark.parametrize(
    ("response", "user"),
    [
        ("me", KNOWN),
        ({"identity": "me"}, KNOWN),
        ({"identity": "me", "email": "me@b.example"}, {**KNOWN, "email": "me@b.example"}),
        ({"identity": "me", "display_name": "Me"}, {**KNOWN, "display_name": "Me"}),
        ({"identity": "me", "is_authenticated": False}, {**KNOWN, "is_authenticated": False}),
        ({"identity": "me", "permissions": ("read",)}, {**KNOWN, "permissions": ["read"]}),
        ({"identity": "me", "permissions": "read"}, {**KNOWN, "permissions": ["read"]}),
        ((["read"], "me"), {**KNOWN, "permissions": ["read"]}),
        (Person("me"), {**KNOWN, "team": "red"}),
    ],
)
async def test_a_user_is_what_authentication_returned(response: Any, user: dict[str, Any]) -> None:
    """A name, a mapping, an object or a pair with permissions is a user, with all that is known of it."""
    answer = (await _asked(_returning(response))).json()
    assert (answer["user"], answer["permissions"]) == (user, user["permissions"])


def test_a_user_is_read_as_a_mapping_and_as_an_object() -> None:
    """Handlers read what is known by key or attribute, and call what the application's own object has."""
    user = User(Person("me", team="blue"))
    assert (user.identity, user["identity"], user.team, user["team"], user.get("none")) == (
        "me",
        "me",
        "blue",
        "blue",
        None,
    )
    assert (user.can("read"), "team" in user, sorted(user)[-1]) == (True, True, "team")
    assert User({"identity": "me", "org": {"id": 5}}).org == {"id": 5}
    with pytest.raises(AttributeError):
        _ = user.none
    assert pickle.loads(pickle.dumps(user)) == copy.deepcopy(user) == user


@pytest.mark.langgraph
@pytest.mark.parametrize(
    ("response", "status", "detail"),
    [
        (None, 401, "Unauthorized"),
        (HTTPException(403, "not you"), 403, "not you"),
        (HTTPException(418, "tea"), 418, "tea"),
        (AuthenticationError("no token"), 403, "no token"),
        ({"name": "me"}, 500, "Internal Server Error"),
        (5, 500, "Internal Server Error"),
        (HTTPException(302, "elsewhere"), 500, "Internal Server Error"),
        (ValueError("the database is at 10.0.0.1"), 500, "Internal Server Error"),
        (AssertionError("secret"), 500, "Internal Server Error"),
    ],
)
async def test_a_request_whose_authentication_fails_is_refused(
    response: Any, status: int, detail: str, caplog: pytest.LogCaptureFixture
) -> None:
    """What the handler says on purpose is told; of what went wrong in it nothing is, but in the log."""
    with caplog.at_level(logging.ERROR):
        answer = await _asked(_returning(response))
    assert (answer.status_code, answer.json()) == (status, {"detail": detail})
    assert [record.message for record in caplog.records] == (
        ["The authentication failed; the request is refused."] if status == 500 else []
    )


@pytest.mark.langgraph
async def test_the_exception_of_the_sdk_is_told_with_its_headers() -> None:
    """`Auth.exceptions.HTTPException` is answered as it says: 401 by default."""
    from langgraph_sdk import Auth

    error = Auth.exceptions.HTTPException(headers={"WWW-Authenticate": "Bearer"})
    answer = await _asked(_returning(error))
    assert (answer.status_code, answer.json()) == (401, {"detail": "Unauthorized"})
    assert answer.headers["www-authenticate"] == "Bearer"


# Authorization ------------------------------------------------------------------------------------


def _handling(result: Any) -> Any:
    """An `Auth` whose handler for everything returns or raises this."""
    auth = _auth(lambda: "me")

    @auth.on  # type: ignore[untyped-decorator]
    async def handler(ctx: Any, value: Any) -> Any:
        if isinstance(result, Exception):
            raise result
        return result(ctx, value) if callable(result) else result

    return auth


async def _authorized(auth: Any, resource: str = "threads", action: str = "read", value: Any = None) -> Any:
    access = await Guard.of([], auth).access(Request({"type": "http", "headers": []}))
    return await access.authorize(resource, action, {} if value is None else value)


@pytest.mark.langgraph
@pytest.mark.parametrize("result", [None, True, {}])
async def test_a_handler_that_objects_to_nothing_allows_everything(result: Any) -> None:
    """None, True and an empty filter let everything be seen."""
    assert await _authorized(_handling(result)) is None


@pytest.mark.langgraph
@pytest.mark.parametrize(
    ("result", "status", "detail"),
    [
        (False, 403, "Forbidden"),
        (AssertionError("not yours"), 403, "not yours"),
        (AssertionError(), 403, "Forbidden"),
        (HTTPException(409, "twice", {"x-why": "so"}), 409, "twice"),
        (ValueError("secret"), 500, "Internal Server Error"),
        (KeyError("secret"), 500, "Internal Server Error"),
        ("owner", 500, "Internal Server Error"),
        (1, 500, "Internal Server Error"),
        (0, 500, "Internal Server Error"),
        ([], 500, "Internal Server Error"),
        ({"owner": {"$ne": "me"}}, 500, "Internal Server Error"),
        ({"owner": {}}, 500, "Internal Server Error"),
    ],
)
async def test_a_handler_refuses_on_purpose_or_by_failing(result: Any, status: int, detail: str) -> None:
    """False and assertions are 403, exceptions with a status that; what no handler should return lets nobody in."""
    with pytest.raises(Denied) as denied:
        await _authorized(_handling(result))
    assert (denied.value.status_code, denied.value.detail) == (status, detail)
    assert denied.value.headers == ({"x-why": "so"} if status == 409 else None)


@pytest.mark.langgraph
async def test_the_most_specific_handler_is_asked() -> None:
    """Resource and action, then the resource, then the action, then all; the others are not asked."""
    auth = _auth(lambda: "me")
    order = [("threads", "read"), ("threads", "*"), ("*", "read"), ("*", "*")]
    for resource, action in reversed(order):

        async def handler(ctx: Any, value: Any, name: str = f"{resource}.{action}") -> Any:
            return {"by": name}

        auth.on(resources=resource, actions=action)(handler)

    asked = [("threads", "read"), ("threads", "update"), ("assistants", "read"), ("store", "put")]
    found = [await _authorized(auth, *pair) for pair in asked]
    assert found == [Filter.of({"by": f"{resource}.{action}"}) for resource, action in order]


@pytest.mark.langgraph
async def test_what_has_no_handler_is_allowed_and_named_at_the_start() -> None:
    """Without a handler for all, a guard that has others warns of what they leave open."""
    auth = _auth(lambda: "me")

    async def handler(ctx: Any, value: Any) -> bool:
        return False

    assert Guard.of([], auth).warnings == ()
    auth.on.threads(handler)
    auth.on.store(actions=["put", "get", "search", "delete"])(handler)
    (warning,) = Guard.of([], auth).warnings
    assert warning == (
        "No authorization handler answers for assistants.create, assistants.read, assistants.update,"
        " assistants.delete, assistants.search, store.list_namespaces: every user may do that with everything."
        " Register one for the rest with @auth.on that returns False."
    )
    assert await _authorized(auth, "assistants", "delete") is None
    auth.on(handler)
    assert Guard.of([], auth).warnings == ()


@pytest.mark.langgraph
async def test_a_handler_is_told_who_does_what_and_may_change_it() -> None:
    """The context is the SDK's own; what a handler does to the value is there for the route to use."""
    from langgraph_sdk import Auth

    def handler(ctx: Any, value: Any) -> Any:
        assert isinstance(ctx, Auth.types.AuthContext)
        assert (ctx.user.identity, ctx.permissions, ctx.resource, ctx.action) == ("me", [], "store", "put")
        value["metadata"] = {"owner": ctx.user.identity}
        return {"owner": ctx.user.identity}

    value: dict[str, Any] = {"key": "k"}
    assert await _authorized(_handling(handler), "store", "put", value) == Filter.of({"owner": "me"})
    assert value == {"key": "k", "metadata": {"owner": "me"}}


@pytest.mark.langgraph
async def test_a_handler_finds_metadata_to_write_into() -> None:
    """Metadata and values that a client did not give are empty, not None; what was not asked for is not there."""
    value: dict[str, Any] = {"metadata": None, "values": None, "status": None}
    seen: list[Any] = []
    await _authorized(_handling(lambda ctx, value: seen.append(dict(value))), "threads", "search", value)
    await _authorized(_handling(lambda ctx, value: seen.append(dict(value))))
    assert seen == [{"metadata": {}, "values": {}, "status": None}, {}]


@pytest.mark.langgraph
def test_an_auth_that_cannot_be_used_is_refused_at_the_start() -> None:
    """No authentication, one with parameters nobody can fill, another object, or keys beside it: all are errors."""
    from langgraph_sdk import Auth

    async def authenticate(token: str, tenant: str = "", *rest: Any, **more: Any) -> str:
        return token

    with pytest.raises(AuthError, match=r"register a function with @auth\.authenticate"):
        Guard.of([], Auth())
    with pytest.raises(AuthError, match="takes 'token', which nobody can fill: there are authorization, body"):
        Guard.of([], _auth(authenticate))
    with pytest.raises(AuthError, match=r"it is dict, not langgraph_sdk\.Auth"):
        Guard.of([], {})
    with pytest.raises(AuthError, match="both read the Authorization header"):
        Guard.of(["key"], _auth(lambda: "me"))


# Filters ------------------------------------------------------------------------------------------

ID = UUID(THREAD)


FILTERED: list[tuple[dict[str, Any], dict[str, Any], bool]] = [
    ({"owner": "me"}, {"owner": "me", "a": 1}, True),
    ({"owner": "me"}, {"owner": "you"}, False),
    ({"owner": "me"}, {}, False),
    ({"owner": "me"}, {"owner": ["me"]}, False),
    ({"owner": '["me"]'}, {"owner": ["me"]}, False),
    ({"owner": None}, {}, False),
    ({"owner": None}, {"owner": None}, True),
    ({"owner": {"$eq": "me"}}, {"owner": "me"}, True),
    ({"owner": ID}, {"owner": THREAD}, True),
    ({"org": 1}, {"org": True}, False),
    ({"org": True}, {"org": 1}, False),
    ({"org": 1}, {"org": 1.0}, True),
    ({"org": 1}, {"org": "1"}, False),
    ({"in": {"$contains": "me"}}, {"in": ["you", "me"]}, True),
    ({"in": {"$contains": "me"}}, {"in": "me"}, False),
    ({"in": {"$contains": "me"}}, {"in": [["me"]]}, False),
    ({"in": {"$contains": "me"}}, {"in": {"a": "me"}}, False),
    ({"in": {"$contains": 1}}, {"in": [True]}, False),
    ({"in": {"$contains": 1}}, {"in": [1.0]}, True),
    ({"in": {"$contains": None}}, {"in": [None]}, True),
    ({"in": {"$contains": ["me", "you"]}}, {"in": ["you", "she", "me"]}, True),
    ({"in": {"$contains": ["me", "you"]}}, {"in": ["me"]}, False),
    ({"in": {"$contains": []}}, {"in": []}, True),
    ({"in": {"$contains": []}}, {"in": "me"}, False),
    ({"a": 1, "b": 2}, {"a": 1, "b": 2}, True),
    ({"a": 1, "b": 2}, {"a": 1}, False),
    ({"a": {"$eq": 1, "$contains": 1}}, {"a": 1}, False),
    ({"$or": [{"a": 1}, {"b": 2}]}, {"b": 2}, True),
    ({"$or": [{"a": 1}, {"b": 2}]}, {"a": 2}, False),
    ({"$and": [{"a": 1}, {"b": 2}], "c": 3}, {"a": 1, "b": 2, "c": 3}, True),
    ({"$and": [{"a": 1}, {"b": 2}], "c": 3}, {"a": 1, "b": 2}, False),
    ({'a"b': 1}, {'a"b': 1}, True),
    ({"a.b": 1}, {"a": {"b": 1}}, False),
]


@pytest.mark.parametrize(("document", "metadata", "matches"), FILTERED)
def test_a_filter_says_what_metadata_must_hold(document: Any, metadata: Any, matches: bool) -> None:
    """Equality, containment and their combinations are those of the SDK; true is no number, null has to be there."""
    assert Filter.of(document).matches(metadata) is matches


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        ({"owner": {"$ne": "me"}}, r"'owner' is compared by '\$ne', which there is not"),
        ({"owner": {"id": "me"}}, "'owner' is compared by 'id'"),
        ({"owner": {}}, "'owner' is compared with nothing"),
        ({"owner": ["me"]}, "'owner' is compared with list"),
        ({"owner": object()}, "'owner' is compared with object"),
        ({"owner": 1.5}, "'owner' is compared with float"),
        ({"owner": 2**60}, "'owner' is compared with int"),
        ({"$nor": [{"a": 1}]}, r"no operator '\$nor'"),
        ({"$or": []}, r"'\$or' takes a list of filters"),
        ({"$or": [{}, {"a": 1}]}, "none of them empty"),
        ({"$or": {"a": 1}}, r"'\$or' takes a list of filters"),
        ({"$and": ["a"]}, "a filter is a mapping, not str"),
        ({5: "a"}, "keys of a filter are text, not 5"),
    ],
)
def test_what_is_no_filter_is_an_error(document: Any, reason: str) -> None:
    """A filter that would be misunderstood is refused: passed over, it would show everything to everyone."""
    with pytest.raises(FilterError, match=reason):
        Filter.of(document)


THINGS = Table(
    f"auth_things_{os.getpid()}",
    MetaData(),
    Column("id", Integer, primary_key=True),
    Column("metadata", Json, nullable=False),
)


def _engine(url: str) -> Iterator[Engine]:
    engine = create_engine(url, json_serializer=json_text, json_deserializer=json_value)
    THINGS.metadata.drop_all(engine)
    THINGS.metadata.create_all(engine)
    yield engine
    THINGS.metadata.drop_all(engine)
    engine.dispose()


@pytest.fixture(scope="module")
def sqlite() -> Iterator[Engine]:
    """A database in memory."""
    yield from _engine("sqlite://")


@pytest.fixture(scope="module")
def postgresql() -> Iterator[Engine]:
    """The Postgres server of the tests."""
    yield from _engine(postgres.URL.replace("postgresql://", "postgresql+psycopg://", 1))


TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=5)
KEYS = st.sampled_from(["owner", "in", 'a"b', "a.b", "a'b", "a\\b", "\u00e9", "", "0", "[0]"]) | TEXT
WORDS = st.sampled_from(["me", "you", "1", "true", "null", '["me"]', "'; drop table auth_things; --"]) | TEXT
WHOLE = st.sampled_from([0, 1, -1, 2**53, -(2**53)]) | st.integers(-(2**53), 2**53)
SCALARS = WORDS | WHOLE | st.booleans() | st.none()
NUMBERS = st.sampled_from([0.0, -0.0, 1.0, 1.5, 1e22, 2.0**53]) | st.floats(allow_nan=False, allow_infinity=False)
VALUES = st.recursive(
    SCALARS | NUMBERS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=2),
    max_leaves=5,
)
CONDITIONS = (
    SCALARS
    | st.fixed_dictionaries({"$eq": SCALARS})
    | st.fixed_dictionaries({"$contains": SCALARS | st.lists(SCALARS, max_size=2)})
)
FLAT = st.dictionaries(KEYS.filter(lambda key: not key.startswith("$")), CONDITIONS, min_size=1, max_size=2)
FILTERS = st.recursive(
    FLAT,
    lambda inner: st.dictionaries(
        st.sampled_from(["$and", "$or"]), st.lists(inner, min_size=1, max_size=3), min_size=1, max_size=2
    ),
    max_leaves=4,
)


@st.composite
def _cases(draw: st.DrawFn) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """A filter, and metadata that often is near to what it asks for."""
    document = draw(FILTERS)
    near = dict(_asked_for(document))
    metadata = st.dictionaries(KEYS, VALUES, max_size=3) | st.dictionaries(
        st.sampled_from(sorted(near)), st.sampled_from([*near.values()]) | VALUES, max_size=4
    )
    return document, draw(st.lists(metadata | st.just(near), min_size=1, max_size=6))


def _asked_for(document: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    for key, wanted in document.items():
        if key in ("$and", "$or"):
            for part in wanted:
                yield from _asked_for(part)
        elif isinstance(wanted, dict):
            yield from ((key, value if operator == "$eq" else [None, value]) for operator, value in wanted.items())
        else:
            yield key, wanted


def _agree(engine: Engine, document: dict[str, Any], metadata: list[dict[str, Any]]) -> None:
    """SQL and Python choose the same rows, for reading and for writing."""
    rows = [{"id": number, "metadata": value} for number, value in enumerate(metadata)]
    chosen = Filter.of(document)
    with engine.connect() as connection:
        connection.execute(insert(THINGS), rows)
        stored = connection.execute(select(THINGS)).all()
        found = connection.scalars(select(THINGS.c.id).where(chosen.where(THINGS.c.metadata))).all()
        changed = update(THINGS).where(chosen.where(THINGS.c.metadata)).values(metadata={})
        written = connection.execute(changed).rowcount
        connection.rollback()
    expected = sorted(row.id for row in stored if chosen.matches(row.metadata))
    assert (sorted(found), written) == (expected, len(expected))
    assert expected == [number for number, value in enumerate(metadata) if chosen.matches(value)]


def test_sqlite_knows_every_case(sqlite: Engine) -> None:
    """Each filter of the table chooses on SQLite, of all the metadata in it, what it chooses in Python."""
    for document, *_ in FILTERED:
        _agree(sqlite, document, [metadata for _, metadata, _ in FILTERED])


@pytest.mark.postgres
def test_postgresql_knows_every_case(postgresql: Engine) -> None:
    """Each filter of the table chooses on PostgreSQL, of all the metadata in it, what it chooses in Python."""
    for document, *_ in FILTERED:
        _agree(postgresql, document, [metadata for _, metadata, _ in FILTERED])


@given(case=_cases())
def test_sqlite_chooses_what_python_chooses(sqlite: Engine, case: tuple[dict[str, Any], list[dict[str, Any]]]) -> None:
    """On SQLite, a filter's SQL and its `matches` agree on any metadata."""
    _agree(sqlite, *case)


@pytest.mark.postgres
@given(case=_cases())
def test_postgresql_chooses_what_python_chooses(
    postgresql: Engine, case: tuple[dict[str, Any], list[dict[str, Any]]]
) -> None:
    """On PostgreSQL, a filter's SQL and its `matches` agree on any metadata."""
    _agree(postgresql, *case)


@pytest.mark.parametrize("dialect", ["sqlite", "postgresql"])
def test_what_a_user_says_is_no_part_of_the_sql(dialect: str) -> None:
    """Keys and values are parameters; one statement, compiled once, serves every user."""
    from sqlalchemy.dialects import postgresql, sqlite

    compiler = {"sqlite": sqlite.dialect, "postgresql": postgresql.dialect}[dialect]()
    statements = [
        str(
            select(THINGS.c.id)
            .where(Filter.of({key: who, "in": {"$contains": [who]}}).where(THINGS.c.metadata))
            .compile(dialect=compiler)
        )
        for key, who in [("owner", "me"), ("'; --", "' or 1=1 --")]
    ]
    assert statements[0] == statements[1]
    assert "me'" not in statements[0]
