"""What a server lets through at once, and for how long: streams, runs, bodies."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator, Callable, MutableMapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.runnables import RunnableGenerator, RunnableLambda

from lcel_adapters.serve import add_routes, create_app
from lcel_adapters.serve._auth import Guard
from lcel_adapters.serve._limits import is_shallow
from tests.support.asgi import client_of

pytestmark = pytest.mark.filterwarnings("ignore:astream_log is deprecated")


async def until(what: Callable[[], bool]) -> None:
    """Wait for something."""
    for _ in range(1000):
        if what():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it does not come")


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

    async def has_begun(self, times: int) -> None:
        """Wait until it was begun so often."""
        await until(lambda: self.begun >= times)

    @property
    def runnable(self) -> RunnableLambda[Any, Any]:
        """It, as something to serve."""
        return RunnableLambda(self.__call__, name="job")


async def flood(values: AsyncIterator[Any]) -> AsyncIterator[str]:
    """Streams far more than is sent ahead of a reader."""
    async for _ in values:
        for _ in range(1000):
            await asyncio.sleep(0)
            yield "x" * 1000


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
    return await asyncio.to_thread(
        create_app, {"job": work.runnable, "flood": RunnableGenerator(flood)}, database=database, **limits
    )


class Heard:
    """The other side of a request, whose body has to be asked for.

    Attributes:
        asked_for: How often it was.
        status: Of the answer.
        body: What it has of the answer.
        most: Bytes of that after which it takes nothing more, until ``takes`` is set again.
        leaves: Set when it leaves.
    """

    def __init__(self, *parts: bytes) -> None:
        self.asked_for = 0
        self.status = 0
        self.body = b""
        self.most = sys.maxsize
        self.takes = asyncio.Event()
        self.takes.set()
        self.leaves = asyncio.Event()
        self._parts = [*parts]

    async def receive(self) -> MutableMapping[str, Any]:
        """The next part of the body, then that it left."""
        self.asked_for += 1
        if self._parts:
            return {"type": "http.request", "body": self._parts.pop(0), "more_body": bool(self._parts)}
        await self.leaves.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: MutableMapping[str, Any]) -> None:
        """See how it is answered."""
        self.status = message.get("status", self.status)
        await self.takes.wait()
        self.body += message.get("body", b"")
        if len(self.body) > self.most:
            self.most = sys.maxsize
            self.takes.clear()


async def posted(app: FastAPI, path: str, heard: Heard, *headers: tuple[bytes, bytes]) -> int:
    """How a request is answered."""
    scope = {"type": "http", "method": "POST", "path": path, "raw_path": path.encode(), "query_string": b""}
    said = {"headers": headers, "http_version": "1.1", "scheme": "http", "root_path": "", "client": None}
    await app({**scope, **said}, heard.receive, heard.send)
    return heard.status


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


@pytest.mark.parametrize("endpoint", ["stream", "stream_events", "stream_log"])
async def test_the_streams_of_langserves_clients_count_as_well(database: str, work: Work, endpoint: str) -> None:
    """They take places like others, and what is refused is not executed."""
    app = await serving(work, database, max_streams=1)
    async with client_of(app) as client, asking(client, f"/job/{endpoint}", {"input": 1}):
        assert app.state.serving.streams == 1
        assert (await client.post("/runs/wait", json=RUN)).status_code == 503
        assert (await client.post(f"/job/{endpoint}", json={"input": 1})).status_code == 503
        assert work.begun == 1
        work.go.set()


async def test_a_client_of_langserves_that_takes_nothing_is_dropped(database: str, work: Work) -> None:
    """After ``stall``, as any other."""
    app = await serving(work, database, stall=0.2)
    async with client_of(app):
        heard = Heard(b'{"input": 1}')
        heard.most = 1
        with pytest.raises(TimeoutError):
            await posted(app, "/flood/stream", heard)
        assert heard.body
        assert app.state.serving.streams == 0


# Runs ----------------------------------------------------------------------------------------------


async def test_runs_of_every_kind_execute_in_turn(database: str, work: Work) -> None:
    """On a thread or without, kept or not, for whichever clients: all are counted together, and none is lost."""
    app = await serving(work, database, max_runs=1)
    async with client_of(app) as client:
        thread = (await client.post("/threads", json={})).json()["thread_id"]
        asked = [(f"/threads/{thread}/runs/wait", RUN), ("/runs/wait", RUN), ("/runs/stream", RUN)]
        asked += [(f"/job/{name}", {"input": 1}) for name in ("invoke", "stream", "stream_log", "stream_events")]
        asked += [("/runs/wait", RUN | {"on_completion": "keep"}), ("/job/batch", {"inputs": [1]})]
        tasks = [asyncio.create_task(client.post(path, json=body)) for path, body in asked]
        await asyncio.sleep(0.5)
        assert work.begun == 1
        work.go.set()
        assert [answer.status_code for answer in await asyncio.gather(*tasks)] == [200] * len(asked)
    assert (work.begun, work.most) == (len(asked), 1)


async def test_a_run_that_outlives_its_client_keeps_its_turn(database: str, work: Work) -> None:
    """Clients that come and go do not make the server execute more at once."""
    app = await serving(work, database, max_runs=1)
    body = json.dumps(RUN).encode()
    async with client_of(app) as client:
        for _ in range(3):
            heard = Heard(body)
            asking = asyncio.create_task(posted(app, "/runs/stream", heard))
            await work.has_begun(1)
            heard.leaves.set()
            await asking
        work.go.set()
        assert (await client.post("/runs/wait", json=RUN)).status_code == 200
    assert (work.begun, work.most) == (4, 1)


async def test_a_stream_that_waits_for_its_turn_says_at_once_which_run_it_is(database: str, work: Work) -> None:
    """Its client can cancel or join it, however busy the server is."""
    app = await serving(work, database, max_runs=1)
    async with client_of(app) as client, asking(client, "/runs/wait", RUN):
        heard = Heard(json.dumps(RUN).encode())
        waiting = asyncio.create_task(posted(app, "/runs/stream", heard))
        await until(lambda: b"event: metadata" in heard.body)
        assert work.begun == 1
        work.go.set()
        await waiting


@pytest.mark.slow
@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/runs/stream", {"assistant_id": "flood", "input": 1, "stream_mode": ["events"]}),
        ("/flood/stream", {"input": 1}),
    ],
)
async def test_a_client_that_reads_nothing_keeps_nobodys_turn(database: str, work: Work, path: str, body: Any) -> None:
    """What waits for its reader lets others execute meanwhile, and goes on in its turn when that reads again."""
    app = await serving(work, database, max_runs=1)
    work.go.set()
    async with client_of(app) as client:
        heard = Heard(json.dumps(body).encode())
        heard.most = 1
        asking = asyncio.create_task(posted(app, path, heard))
        await until(lambda: not heard.takes.is_set())
        assert (await client.post("/runs/wait", json=RUN)).status_code == 200
        assert (await client.post("/job/invoke", json={"input": 1})).status_code == 200
        heard.takes.set()
        await asking
        assert heard.body.count(b"xxx" * 300) >= 1000


async def test_a_run_that_takes_too_long_ends_for_langserves_clients_too(database: str, work: Work) -> None:
    """They are told as they are told of errors: by the status, or by the event ``error``. Waiting takes no time."""
    app = await serving(work, database, max_runs=1, run_timeout=0.2)
    said = "The run took longer than 0.2 s."
    async with client_of(app) as client:
        names = ("stream", "stream_log", "stream_events")
        streams = [asyncio.create_task(client.post(f"/job/{name}", json={"input": 1})) for name in names]
        for answer in await asyncio.gather(*streams):
            error = json.dumps({"status_code": 504, "message": said})
            assert answer.text.endswith(f"event: error\r\ndata: {error}\r\n\r\n")
        for name, body in (("invoke", {"input": 1}), ("batch", {"inputs": [1, 2]})):
            answer = await client.post(f"/job/{name}", json=body)
            assert (answer.status_code, answer.json()) == (504, {"detail": said})
        assert work.begun == 6
        work.go.set()
        assert (await client.post("/job/invoke", json={"input": 1})).json()["output"] == 1


async def test_a_time_out_of_the_runnables_own_is_its_error(database: str) -> None:
    """It says nothing of the server's limits."""

    async def late(_: Any) -> Any:
        raise TimeoutError("of a database at 10.0.0.5")

    app = await asyncio.to_thread(create_app, {"late": RunnableLambda(late)}, database=database, run_timeout=5)
    async with client_of(app) as client:
        assert (await client.post("/late/invoke", json={"input": 1})).status_code == 500
        answer = (await client.post("/late/stream", json={"input": 1})).text
        assert '"status_code": 500' in answer
        assert "10.0.0.5" not in answer


async def test_a_server_that_ends_ends_what_langserves_clients_run(database: str, work: Work) -> None:
    """After ``drain``, what executes as what waits for its turn; they are told that it is not done."""
    app = await serving(work, database, max_runs=1, drain=0.3)
    async with client_of(app) as client:
        stream = asyncio.create_task(client.post("/job/stream", json={"input": 1}))
        await work.has_begun(1)
        invoke = asyncio.create_task(client.post("/job/invoke", json={"input": 1}))
        await asyncio.sleep(0.1)
        await app.state.close()
        assert '{"status_code": 503, "message": "The server ended before the run did."}' in (await stream).text
        assert (await invoke).status_code == 503
    assert work.begun == 1


async def test_a_server_that_ends_lets_langserves_clients_finish(database: str, work: Work) -> None:
    """Within ``drain``."""
    app = await serving(work, database, drain=20)
    async with client_of(app) as client:
        invoke = asyncio.create_task(client.post("/job/invoke", json={"input": 1}))
        await work.has_begun(1)
        closing = asyncio.create_task(app.state.close())
        await asyncio.sleep(0.1)
        work.go.set()
        assert (await invoke).json()["output"] == 1
        await closing


async def test_the_routes_of_an_application_of_ones_own_have_no_limits(database: str, work: Work) -> None:
    """Below it stands a server that has some; what ``add_routes`` adds is LangServe's, which has none."""
    mine = FastAPI()
    await asyncio.to_thread(add_routes, mine, work.runnable, path="/mine")
    app = await serving(work, database, max_runs=1, max_streams=1)
    mine.mount("/agents", app)
    async with client_of(app), httpx.AsyncClient(transport=httpx.ASGITransport(mine), base_url="http://test") as client:
        tasks = [asyncio.create_task(client.post("/mine/stream", json={"input": 1})) for _ in range(3)]
        tasks.append(asyncio.create_task(client.post("/agents/job/stream", json={"input": 1})))
        await work.has_begun(4)
        work.go.set()
        assert [answer.status_code for answer in await asyncio.gather(*tasks)] == [200] * 4


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
