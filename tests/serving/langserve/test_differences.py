"""Where we differ from LangServe 0.3.3 on purpose: each difference has a number in the guide, and a test here."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any

import langserve
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import RunnableLambda
from langchain_core.tools import tool
from starlette.requests import Request
from typing_extensions import TypedDict

from lcel_adapters.serve._langserve import add_routes
from lcel_compat import START, StateGraph
from tests.serving.langserve.asking import ask
from tests.serving.langserve.conftest import Servers
from tests.serving.langserve.routes import HAS_LANGGRAPH, TOPIC, WARNINGS, joke

pytestmark = WARNINGS


def _client(runnable: Any, *, add: Callable[..., None] = add_routes, **options: Any) -> TestClient:
    app = FastAPI()
    add(app, runnable, **options)
    return TestClient(app, raise_server_exceptions=False)


def _pair(build: Callable[[], Any], **options: Any) -> tuple[TestClient, TestClient]:
    return _client(build(), add=langserve.add_routes, **options), _client(build(), **options)


def _output(client: TestClient, value: Any) -> Any:
    answer = client.post("/invoke", json={"input": value})
    return answer.json()["output"] if answer.status_code == 200 else answer.status_code


@pytest.mark.slow
@pytest.mark.parametrize("endpoint", ["stream", "stream_log", "stream_events"])
def test_l1_a_failed_stream_ends(servers: Servers, endpoint: str) -> None:
    """L1: after the error the body ends; LangServe cuts the connection, which clients see as an error of transport."""
    theirs, ours = (ask(server, f"/err/{endpoint}", {"input": TOPIC}) for server in (servers.theirs, servers.ours))
    assert (theirs.cut, ours.cut) == (True, False)


def test_l1_why_it_failed_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """L1: the exception is in the server's log, with its traceback."""
    with caplog.at_level(logging.ERROR, "lcel_adapters.serve"):
        _client(RunnableLambda(_cancel_oneself)).post("/stream", json={"input": 1})
        _client(RunnableLambda(_fail)).post("/stream", json={"input": 1})
    said = [record.exc_info[0] for record in caplog.records if record.exc_info]
    assert said == [asyncio.CancelledError, ZeroDivisionError]


def _fail(value: Any) -> Any:
    return value / 0


async def _cancel_oneself(value: Any) -> Any:
    raise asyncio.CancelledError


@pytest.mark.slow
@pytest.mark.parametrize("path", ["/cbe", "/told"])
def test_l2_callback_events(servers: Servers, path: str) -> None:
    """L2: callback events are sent also where a model is called; LangServe answers 500 there."""
    if path == "/told":
        body: Any = {"input": {"a": 1}}
        theirs, ours = (ask(server, f"{path}/invoke", body) for server in (servers.theirs, servers.ours))
        assert ours.json["callback_events"][0].keys() == theirs.json["callback_events"][0].keys()
        return
    events = ask(servers.ours, "/cbe/invoke", {"input": TOPIC}).json["callback_events"]
    assert [event["type"] for event in events] == [
        "on_chain_start",
        "on_chain_start",
        "on_chain_end",
        "on_chat_model_start",
        "on_llm_end",
        "on_chain_start",
        "on_chain_end",
        "on_chain_end",
    ]
    assert events[4]["response"]["generations"][0][0]["message"]["content"] == "Why did the parrot cross"


@tool
def add(a: int, b: int) -> dict[str, int]:
    """Add two whole numbers."""
    return {"sum": a + b}


@tool
def fail(a: int) -> int:
    """Fail."""
    raise ValueError("a secret of the server's")


def test_l2_tools() -> None:
    """L2: a tool's output is sent as text; errors without a word; what LangServe's client cannot take is left out."""
    chain = add | RunnableLambda(lambda found: {"a": found["sum"]}) | fail.with_fallbacks([RunnableLambda(str)])
    client = _client(chain, include_callback_events=True, input_type=dict, output_type=str)
    answer = client.post("/invoke", json={"input": {"a": 1, "b": 2}})
    events = answer.json()["callback_events"]
    assert [event["output"] for event in events if event["type"] == "on_tool_end"] == ['{"sum":3}']
    assert "on_tool_error" not in {event["type"] for event in events}
    assert "secret" not in answer.text


def test_l2_what_has_no_json_is_shown_by_its_class() -> None:
    """L2: a value between two steps that has no JSON form does not spoil the answer."""

    def first(value: Any) -> Any:
        return {"x": object(), "y": value}

    def second(value: Any) -> Any:
        return value["y"]

    chain = RunnableLambda(first) | RunnableLambda(second)
    answer = _client(chain, include_callback_events=True).post("/invoke", json={"input": 1}).json()
    assert answer["output"] == 1
    assert {"x": "<object>", "y": 1} in [event.get("outputs") for event in answer["callback_events"]]


@pytest.mark.slow
def test_l3_names_that_may_be_heard(servers: Servers) -> None:
    """L3: with ``stream_log_name_allow_list`` a client hears of the root run and the runs of these names alone."""
    events = ask(servers.ours, "/allow/stream_events", {"input": TOPIC}).data
    assert {event["name"] for event in events} == {"/allow", "FakeStream"}
    paths = [
        op["path"] for patch in ask(servers.ours, "/allow/stream_log", {"input": TOPIC}).data for op in patch["ops"]
    ]
    assert {path.split("/")[2] for path in paths if path.startswith("/logs/")} == {"FakeStream"}
    assert {"", "/streamed_output/-", "/final_output"} <= set(paths)
    everything = ask(servers.ours, "/joke/stream_events", {"input": TOPIC}).data
    assert len([event for event in everything if event["name"] in ("/joke", "FakeStream")]) == len(events)


@pytest.mark.slow
@pytest.mark.parametrize(("path", "count"), [("/own", 1), ("/other", 0)])
def test_l3_the_runnables_own_name(servers: Servers, path: str, count: int) -> None:
    """L3: a binding's own name in the list allows all of it, as LangServe does; without it, the root run remains."""
    theirs, ours = (ask(server, f"{path}/stream_events", {"input": TOPIC}) for server in (servers.theirs, servers.ours))
    assert theirs.body.count("on_chat_model_end") == ours.body.count("on_chat_model_end") == count
    assert (theirs.body.count("on_chain_end"), ours.body.count("on_chain_end")) == ((1, 1) if count else (0, 1))


SHORT: list[tuple[str, Any]] = [
    ("pairs", [["human", "hi"], ["ai", "yes"], {"type": "human", "content": "and"}]),
    ("roles", [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "yes"}]),
    ("a pair", [["system", "be brief"]]),
]


@pytest.mark.slow
@pytest.mark.parametrize("endpoint", ["invoke", "stream", "stream_events", "stream_log"])
@pytest.mark.parametrize("value", [value for _, value in SHORT], ids=[name for name, _ in SHORT])
def test_l4_short_messages(servers: Servers, value: Any, endpoint: str) -> None:
    """L4: messages as pairs, or with a role, are taken; LangServe answers 500."""
    theirs, ours = (ask(server, f"/chat/{endpoint}", {"input": value}) for server in (servers.theirs, servers.ours))
    assert (theirs.status, ours.status) == (500, 200)


@pytest.mark.parametrize("value", [[["human"]], [["nobody", "hi"]], [[["human", "hi"]]], [5], [None], [{"role": "x"}]])
def test_l4_what_is_no_message(value: Any) -> None:
    """L4: what is no message either is refused with 422; LangServe answers 500."""
    from tests.serving.langserve.routes import FakeStream

    theirs, ours = _pair(FakeStream)
    statuses = [client.post("/invoke", json={"input": value}).status_code for client in (theirs, ours)]
    assert statuses == [500, 422]
    assert "a message is" in ours.post("/invoke", json={"input": value}).text


def test_l4_short_messages_in_a_prompt() -> None:
    """L4: they are messages within an input too, and lists beside them stay what they are."""
    client = _client(ChatPromptTemplate.from_messages([("human", "{names}"), ("placeholder", "{history}")]))
    found = _output(client, {"names": "x", "history": [["human", "hi"]]})
    assert [message["content"] for message in found["messages"]] == ["x", "hi"]


BAD_BATCHES: list[tuple[Any, int, list[Any]]] = [
    ({"inputs": [TOPIC, {"nottopic": 1}]}, 500, ["inputs", 1, "topic"]),
    ({"inputs": [TOPIC, "x"]}, 500, ["inputs", 1]),
    ({"inputs": 5}, 500, ["inputs"]),
    ({"inputs": {"topic": "x"}}, 500, ["inputs"]),
]


@pytest.mark.parametrize(("body", "status", "where"), BAD_BATCHES, ids=str)
def test_l5_bad_items(body: Any, status: int, where: list[Any]) -> None:
    """L5: a bad item of a batch is refused with 422, which says where it is; LangServe answers 500."""
    theirs, ours = _pair(joke)
    assert theirs.post("/batch", json=body).status_code == status
    answer = ours.post("/batch", json=body)
    assert (answer.status_code, answer.json()["detail"][0]["loc"]) == (422, where)


@pytest.mark.slow
@pytest.mark.langgraph
@pytest.mark.skipif(not HAS_LANGGRAPH, reason="LangGraph is not installed")
@pytest.mark.parametrize("endpoint", ["invoke", "stream", "stream_events", "stream_log"])
def test_l6_states_of_typing(servers: Servers, endpoint: str) -> None:
    """L6: LangGraph's graph of a ``typing.TypedDict`` is served before Python 3.12, as ours is."""
    answer = ask(servers.ours, f"/their_old/{endpoint}", {"input": TOPIC})
    assert answer.status == 200
    if endpoint == "invoke":
        assert answer.json["output"] == {"topic": "parrots", "part": {"text": "parrots"}, "parts": [{"text": "a"}, {}]}
        assert answer.json["output"] == ask(servers.ours, "/our_old/invoke", {"input": TOPIC}).json["output"]
        assert ask(servers.ours, "/their_old/invoke", {"input": {"topic": 5}}).status == 422
    assert ask(servers.ours, "/their_old/input_schema").json["$defs"]["Old"]["properties"]["parts"]["type"] == "array"


@pytest.mark.slow
@pytest.mark.langgraph
@pytest.mark.skipif(not HAS_LANGGRAPH, reason="LangGraph is not installed")
@pytest.mark.parametrize("path", ["/our_saved", "/their_saved"])
def test_l7_threads(servers: Servers, path: str) -> None:
    """L7: a graph with a checkpointer is told the thread; LangServe drops it, and such a graph cannot run there."""
    config = {"configurable": {"thread_id": "1", "unknown": 5}}
    for count in (2, 4):
        body = {"input": {"messages": [["human", f"hi {count}"]]}, "config": config}
        answer = ask(servers.ours, f"{path}/invoke", body)
        assert len({message["content"] for message in answer.json["output"]["messages"]}) == 1 + count // 2
    known = ask(servers.ours, f"{path}/config_schema").json["$defs"]["Configurable"]["properties"]
    assert sorted(known) == ["checkpoint_id", "checkpoint_ns", "thread_id"]


NULL_CONFIGS = [
    ("invoke", {"input": TOPIC}, 500),
    ("batch", {"inputs": [TOPIC]}, 422),
    ("stream", {"input": TOPIC}, 500),
]


@pytest.mark.parametrize(("endpoint", "body", "theirs"), NULL_CONFIGS, ids=str)
def test_l8_no_config(endpoint: str, body: Any, theirs: int) -> None:
    """L8: a config of null is none; LangServe answers 500, and 422 to a batch."""
    old, new = _pair(joke)
    with old, new:
        statuses = [client.post(f"/{endpoint}", json={**body, "config": None}).status_code for client in (old, new)]
    assert statuses == [theirs, 200]


STRICT = [b'{"input": {"topic": "\\ud800"}}', b'{"input": {"topic": NaN}}', b'{"input": "\xff"}', b'{"input": 1} {}']


@pytest.mark.parametrize("raw", STRICT, ids=lambda raw: repr(raw[:30]))
def test_l9_strict_json(raw: bytes) -> None:
    """L9: what is not JSON by RFC 8259 is refused with 422; LangServe runs it, or answers 500."""
    answer = _client(joke()).post("/invoke", content=raw)
    assert (answer.status_code, answer.json()) == (422, {"detail": ["Invalid JSON body"]})


@pytest.mark.parametrize("levels", [300, 100_000])
def test_l9_deep_json(levels: int) -> None:
    """L9: what is nested too deep to be sent back is refused with 422; LangServe runs it, and answers 500."""
    raw = b'{"input": ' + b"[" * levels + b"]" * levels + b"}"
    theirs, ours = _pair(lambda: RunnableLambda(_same))
    statuses = [client.post("/invoke", content=raw).status_code for client in (theirs, ours)]
    assert statuses == [500, 422]


def test_l9_what_is_deep_enough() -> None:
    """L9: what is allowed can be sent back, through every endpoint."""
    value: Any = []
    for _ in range(190):
        value = [value]
    client = _client(RunnableLambda(_same))
    assert client.post("/invoke", json={"input": value}).json()["output"] == value
    for endpoint in ("stream", "stream_events", "stream_log"):
        assert "event: end" in client.post(f"/{endpoint}", json={"input": value}).text


def _same(value: Any) -> Any:
    return value


def test_l10_a_modifier_counts_in_a_batch() -> None:
    """L10: what a modifier adds to a config counts in ``/batch`` as it does elsewhere; LangServe drops it there."""

    def modify(config: dict[str, Any], request: Request) -> dict[str, Any]:
        return {**config, "tags": ["of the server"]}

    def tags(value: Any, config: Any) -> Any:
        return config["tags"]

    def answers(client: TestClient) -> list[Any]:
        single = client.post("/invoke", json={"input": 1}).json()["output"]
        return [single, *client.post("/batch", json={"inputs": [1]}).json()["output"]]

    theirs, ours = _pair(lambda: RunnableLambda(tags), per_req_config_modifier=modify)
    assert answers(theirs) == [["of the server"], []]
    assert answers(ours) == [["of the server"], ["of the server"]]


def test_l11_an_output_may_have_a_key_called_root() -> None:
    """L11: an output with a key ``root`` stays as it is; LangServe sends the value of that key alone."""
    theirs, ours = _pair(lambda: RunnableLambda(lambda value: {"root": value, "x": 1}))
    assert (_output(theirs, 5), _output(ours, 5)) == (5, {"root": 5, "x": 1})


def test_l11_routes_whose_models_share_a_name() -> None:
    """L11: two routes may have different types of one name; LangServe breaks the second."""

    def routes(add: Callable[..., None]) -> TestClient:
        app = FastAPI()
        for path, type_ in (("/a", int), ("/b", list[int])):
            add(app, RunnableLambda(lambda value: value).with_types(input_type=type_, output_type=type_), path=path)
        return TestClient(app, raise_server_exceptions=False)

    statuses = [
        routes(add).post("/b/invoke", json={"input": [1]}).status_code for add in (langserve.add_routes, add_routes)
    ]
    assert statuses == [500, 200]


@pytest.mark.parametrize("name", ["schema", "copy", "_hidden"])
def test_l12_variables_that_pydantic_reserves(name: str) -> None:
    """L12: a prompt may have a variable called ``schema`` or ``copy``; LangServe hands it on under another name."""
    theirs, ours = _pair(lambda: ChatPromptTemplate.from_template("{" + name + "}"))
    found = _output(ours, {name: "x"})
    assert (_output(theirs, {name: "x"}), found["messages"][0]["content"]) == (500, "x")


@pytest.mark.slow
@pytest.mark.parametrize("endpoint", ["stream", "stream_events"])
def test_l13_values_that_come_with_graphs(servers: Servers, endpoint: str) -> None:
    """L13: sets, ``Send``, numbers as keys, which graphs show in their events, are sent; LangServe's stream breaks."""
    theirs, ours = (ask(server, f"/sets/{endpoint}", {"input": {}}) for server in (servers.theirs, servers.ours))
    assert theirs.frames[-1].startswith("event: error")
    assert ours.frames[-1] == "event: end"
    assert '"words":["a"]' in ours.body
    if endpoint == "stream_events":
        assert '{"node":"each","arg":{"word":"a","1":2}}' in ours.body


def test_l13_exceptions_in_events() -> None:
    """L13: an event that holds an exception is sent without a word of it."""
    chain = fail.with_fallbacks([RunnableLambda(str)])
    text = _client(chain, input_type=dict, output_type=str).post("/stream_events", json={"input": {"a": 1}}).text
    assert "event: end" in text
    assert "secret" not in text


@pytest.mark.slow
def test_l14_a_config_that_grows(servers: Servers) -> None:
    """L14: a config in a path that decodes to megabytes is refused, however short it is; LangServe decodes it."""
    from langserve.lzstring import LZString

    library: Any = LZString
    bomb = library.compressToEncodedURIComponent('{"a": "' + "a" * 1_100_000 + '"}')
    assert len(bomb) < 5000
    answer = ask(servers.ours, f"/joke/c/{bomb}/input_schema")
    assert (answer.status, answer.json) == (400, {"detail": "Invalid config hash"})


class Question(TypedDict):
    """What a graph is given."""

    question: str


class Whole(Question):
    """What it keeps, and says that it always has."""

    answer: str
    source: str


def test_l18_keys_that_nothing_wrote() -> None:
    """L18: a graph's output may lack keys that nothing wrote; LangServe answers 500, since the state declares them."""
    graph = StateGraph(Whole, input_schema=Question)
    graph.add_node("answer", lambda state: {"answer": state["question"].upper()})
    compiled = graph.add_edge(START, "answer").compile(name="Whole")
    theirs, ours = _pair(lambda: compiled)
    found = _output(ours, {"question": "a"})
    assert (_output(theirs, {"question": "a"}), found) == (500, {"question": "a", "answer": "A"})


def test_l21_nothing_is_printed(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """L21: a server that starts prints no banner, and the variables of the hosted LangServe mean nothing."""
    monkeypatch.setenv("HOSTED_LANGSERVE_ENABLED", "true")
    with _client(RunnableLambda(_metadata)) as client:
        metadata = _output(client, 1)
    assert capsys.readouterr() == ("", "")
    assert {key for key in metadata if key.startswith("__")} == {
        "__useragent",
        "__langserve_version",
        "__langserve_endpoint",
    }


def _metadata(value: Any, config: Any) -> Any:
    return config["metadata"]
