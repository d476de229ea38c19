"""What a server lets through at once, and for how long: streams, runs, bodies."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, MutableMapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.runnables import RunnableLambda

from lcel_adapters.serve import create_app
from lcel_adapters.serve._auth import Guard
from lcel_adapters.serve._limits import is_shallow
from tests.support.asgi import client_of


class Work:
    """A runnable that waits until it is let go, and knows how often it was begun, and how much of it at once."""

    def __init__(self) -> None:
        self.begun = 0
        self.most = 0
        self.go = asyncio.Event()
        self._now = 0

    async def __call__(self, value: Any) -> Any:
        self.begun += 1
        self._now += 1
        self.most = max(self.most, self._now)
        try:
            await self.go.wait()
        finally:
            self._now -= 1
        return value

    @property
    def runnable(self) -> RunnableLambda[Any, Any]:
        """It, as something to serve."""
        return RunnableLambda(self.__call__, name="job")


@pytest.fixture
def database(tmp_path: Path) -> str:
    """A file of the test's own."""
    return f"sqlite:///{tmp_path / 'served.db'}"


@pytest.fixture
def work() -> Work:
    """What is served."""
    return Work()


async def serving(work: Work, database: str, **limits: Any) -> FastAPI:
    """An application that serves it; to make one blocks."""
    return await asyncio.to_thread(create_app, {"job": work.runnable}, database=database, **limits)


@asynccontextmanager
async def asking(
    client: httpx.AsyncClient, path: str, body: Any, *, times: int = 1
) -> AsyncIterator[list[asyncio.Task[httpx.Response]]]:
    """Requests that are under way."""
    tasks = [asyncio.create_task(client.post(path, json=body)) for _ in range(times)]
    await asyncio.sleep(0.1)
    yield tasks
    await asyncio.gather(*tasks)


RUN = {"assistant_id": "job", "input": 1}


# Streams -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ending", ["stream", "wait"])
@pytest.mark.parametrize("kept", [{}, {"on_completion": "keep"}])
async def test_what_is_refused_is_not_executed(database: str, work: Work, ending: str, kept: dict[str, str]) -> None:
    """A client that is told to come back does come back: what it asked for must not run twice, or wait for it."""
    app = await serving(work, database, max_streams=1)
    async with client_of(app) as client, asking(client, "/runs/wait", RUN):
        assert (await client.post(f"/runs/{ending}", json=RUN | kept)).status_code == 503
        thread = (await client.post("/threads", json={})).json()["thread_id"]
        assert (await client.post(f"/threads/{thread}/runs/{ending}", json=RUN)).status_code == 503
        await asyncio.sleep(0.1)
        assert (await client.get(f"/threads/{thread}/runs")).json() == []
        assert (work.begun, len(app.state.serving.tasks)) == (1, 1)
        work.go.set()


@pytest.mark.parametrize("ending", ["stream", "join"])
async def test_joins_are_limited_with_the_streams(database: str, work: Work, ending: str) -> None:
    """Who joins a run takes a place like anyone else, and leaves nothing behind where there is none."""
    app = await serving(work, database, max_streams=1)
    async with client_of(app) as client:
        thread = (await client.post("/threads", json={})).json()["thread_id"]
        run = (await client.post(f"/threads/{thread}/runs", json=RUN)).json()["run_id"]
        async with asking(client, "/runs/wait", RUN):
            assert (await client.get(f"/threads/{thread}/runs/{run}/{ending}")).status_code == 503
            work.go.set()
        assert (await client.get(f"/threads/{thread}/runs/{run}/{ending}")).status_code == 200


@pytest.mark.parametrize("path", ["/runs/stream", "/threads/00000000-0000-4000-8000-000000000000/runs/stream"])
async def test_a_request_that_comes_to_nothing_gives_its_place_back(database: str, work: Work, path: str) -> None:
    """Neither an assistant nor a thread that is not there uses places up."""
    app = await serving(work, database, max_streams=1)
    work.go.set()
    missing = {"assistant_id": "00000000-0000-4000-8000-000000000000", "input": 1}
    async with client_of(app) as client:
        for _ in range(3):
            assert (await client.post(path, json=missing)).status_code == 404
        assert (await client.post("/runs/stream", json=RUN)).status_code == 200
        assert app.state.serving.streams == 0


# Bodies --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "shallow"),
    [
        (b"[[[]]]", True),
        (b"[[[[]]]]", False),
        (b'[{"a":[]}]', True),
        (b'[{"a":[{}]}]', False),
        (b'["[[[[", "]]"]', True),
        (b'["\\"[[[["]', True),
        (b'["\\\\",[[[]]]]', False),
        (b'["\\\\\\"",[[1]],"[["]', True),
        (b'["","",[["[["]],""]', True),
        (b"]]]][[[[", True),
    ],
)
def test_depth_is_counted_outside_of_strings(text: bytes, shallow: bool) -> None:
    """A bracket in a text is a letter."""
    assert is_shallow(text, 3) is shallow


JSON = st.recursive(
    st.none() | st.text(st.sampled_from('[]{}"\\x,')),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.sampled_from('[]{}"\\x')), inner),
)


def deepest(value: Any) -> int:
    """How deep a value is nested."""
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    return 0 if inner is None else 1 + max(map(deepest, inner), default=0)


@given(JSON, st.integers(min_value=0, max_value=200_000))
def test_depth_is_counted_alike_in_large_bodies_and_small_ones(value: Any, many: int) -> None:
    """However many of them there are, levels are neither missed nor invented."""
    depth = deepest(value)
    text = json.dumps(value).encode()
    for body in (text, text + b" " * 1_000_000 + text, text + b',"[",[]' * many):
        found = max(depth, 1) if b"[]" in body[len(text) :] else depth
        assert is_shallow(body, found)
        assert found == 0 or not is_shallow(body, found - 1)


@pytest.mark.parametrize("levels", [1, 13, 199])
def test_depth_is_counted_to_the_level_in_bodies_of_many_brackets(levels: int) -> None:
    """Where pairs are taken away together, too."""
    body = (b"[" * levels + b"]" * levels) * (3_000_000 // levels)
    assert is_shallow(body, levels)
    assert not is_shallow(body, levels - 1)


class Heard:
    """The other side of a request whose body has to be asked for."""

    def __init__(self, *parts: bytes) -> None:
        self.asked_for = 0
        self.status = 0
        self._parts = [*parts]

    async def receive(self) -> MutableMapping[str, Any]:
        """The next part of the body."""
        self.asked_for += 1
        return {"type": "http.request", "body": self._parts.pop(0), "more_body": bool(self._parts)}

    async def send(self, message: MutableMapping[str, Any]) -> None:
        """See how it is answered."""
        self.status = message.get("status", self.status)


async def posted(app: FastAPI, path: str, heard: Heard, *headers: tuple[bytes, bytes]) -> int:
    """How a request is answered."""
    scope = {"type": "http", "method": "POST", "path": path, "raw_path": path.encode(), "query_string": b""}
    said = {"headers": headers, "http_version": "1.1", "scheme": "http", "root_path": "", "client": None}
    await app({**scope, **said}, heard.receive, heard.send)
    return heard.status


@pytest.mark.parametrize("path", ["/runs", "/threads", "/store/items/search", "/page/compare", "/job/invoke"])
async def test_a_body_is_not_read_from_who_is_not_let_in(database: str, work: Work, path: str) -> None:
    """Who has no key costs nothing but an answer, in whichever dialect."""
    app = await serving(work, database, guard=Guard.of(["key"]))
    async with client_of(app):
        heard = Heard(b"{}")
        assert (await posted(app, path, heard), heard.asked_for) == (401, 0)
        heard = Heard(b"{", b"}")
        assert (await posted(app, path, heard, (b"x-api-key", b"key"))) != 401
        assert heard.asked_for >= 2


@pytest.mark.langgraph
async def test_authentication_of_the_applications_own_comes_before_the_body(database: str, work: Work) -> None:
    """It is asked once, before anything is read, unless it wants the body itself."""
    from langgraph_sdk import Auth

    seen = []
    auth = Auth()

    @auth.authenticate
    async def authenticate(authorization: str | None) -> str:
        seen.append(authorization)
        if authorization is None:
            raise Auth.exceptions.HTTPException(status_code=401)
        return authorization

    app = await serving(work, database, guard=Guard.of([], auth))
    async with client_of(app) as client:
        heard = Heard(b"[" * 1000)
        assert (await posted(app, "/runs", heard), heard.asked_for) == (401, 0)
        assert (await client.post("/threads", json={}, headers={"authorization": "me"})).status_code == 200
        assert seen == [None, "me"]


@pytest.mark.slow
async def test_the_server_goes_on_while_a_large_body_is_measured(database: str, work: Work) -> None:
    """Others do not wait for a body of nothing but brackets."""
    app = await serving(work, database)
    async with client_of(app) as client:
        await client.get("/ok")
        asking = asyncio.create_task(client.post("/runs", content=b"[]," * 5_000_000 + b"[" * 201))
        longest = 0.0
        while not asking.done():
            begun = time.perf_counter()
            await asyncio.sleep(0)
            longest = max(longest, time.perf_counter() - begun)
        assert (await asking).status_code == 422
        assert longest < 0.5
