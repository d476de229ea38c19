"""Our server and LangServe's answer alike, byte by byte, but for identifiers and times."""

from __future__ import annotations

from typing import Any

import pytest

from tests.serving.langserve.asking import Answer, ask
from tests.serving.langserve.conftest import Servers
from tests.serving.langserve.routes import HAS_LANGGRAPH, TOPIC, WARNINGS
from tests.support.normal import assert_same, assert_same_events

pytestmark = [pytest.mark.slow, *WARNINGS]

RUN = "12345678-1234-5678-1234-567812345678"
HI = {"type": "human", "content": "hi"}
KEYS = {"tags": ["t1"], "metadata": {"m": 1, "__secret": 2}, "run_id": RUN}
DOC = {"type": "Document", "page_content": "x"}
CONSTRUCTOR = {"lc": 1, "type": "constructor", "id": ["langchain", "schema", "messages", "HumanMessage"], "kwargs": {}}
POEM = {"configurable": {"prompt": "poem"}}
POSTED: dict[str, tuple[str, Any]] = {
    "invoke": ("/joke/invoke", {"input": TOPIC}),
    "invoke with a config it does not take": ("/joke/invoke", {"input": TOPIC, "config": KEYS}),
    "invoke with an unknown configurable": ("/joke/invoke", {"input": TOPIC, "config": {"configurable": {"foo": 1}}}),
    "invoke with more than it takes": ("/joke/invoke", {"input": {**TOPIC, "x": 1}, "kwargs": {"y": 1}, "z": 1}),
    "invoke without input": ("/joke/invoke", {"foo": 1}),
    "invoke of no object": ("/joke/invoke", [1]),
    "invoke without a variable": ("/joke/invoke", {"input": {"nottopic": 1}}),
    "invoke of the wrong type": ("/joke/invoke", {"input": "not a dict"}),
    "invoke with a config of the wrong type": ("/joke/invoke", {"input": TOPIC, "config": "zzz"}),
    "invoke that fails": ("/err/invoke", {"input": TOPIC}),
    "invoke of a router": ("/router/joke/invoke", {"input": TOPIC}),
    "invoke of a mounted application": ("/below/invoke", {"input": TOPIC}),
    "invoke of documents": ("/rag/invoke", {"input": "parrots"}),
    "invoke of a prompt": ("/prompt/invoke", {"input": {"a": "x", "b": [HI, {"type": "ai", "content": "y"}]}}),
    "invoke of a prompt with wrong messages": ("/prompt/invoke", {"input": {"a": "x", "b": [{"type": "none"}]}}),
    "invoke of a type": ("/typed/invoke", {"input": [1, "2", 3]}),
    "invoke of another type": ("/typed/invoke", {"input": ["x", 1]}),
    "messages": ("/chat/invoke", {"input": [HI, {"type": "ai", "content": "y", "tool_calls": []}]}),
    "text for messages": ("/chat/invoke", {"input": "hi"}),
    "a prompt value": ("/chat/invoke", {"input": {"messages": [HI], "type": "ChatPromptValueConcrete"}}),
    "a constructor for a message": ("/chat/invoke", {"input": [CONSTRUCTOR]}),
    "a document for a message": ("/chat/invoke", {"input": [DOC]}),
    "a number for messages": ("/chat/invoke", {"input": 5}),
    "configured": ("/cfg/invoke", {"input": TOPIC, "config": {"configurable": {"text": "a b"}}}),
    "configured wrongly": ("/cfg/invoke", {"input": TOPIC, "config": {"configurable": {"text": [1]}}}),
    "configured to take more": ("/cfg/invoke", {"input": TOPIC, "config": POEM}),
    "configured and given more": ("/cfg/invoke", {"input": {**TOPIC, "lines": "4"}, "config": POEM}),
    "configured by an alternative it lacks": (
        "/cfg/invoke",
        {"input": TOPIC, "config": {"configurable": {"prompt": 5}}},
    ),
    "configured by the path": ("/cfg/c/N4XyA/invoke", {"input": TOPIC}),
    "configured by no path": ("/cfg/c/abc/invoke", {"input": TOPIC}),
    "callback events": ("/told/invoke", {"input": {"a": 1}}),
    "callback events of a batch": ("/told/batch", {"inputs": [{"a": 1}, {"a": 2}]}),
    "batch": ("/joke/batch", {"inputs": [TOPIC, {"topic": "cats"}]}),
    "batch of nothing": ("/joke/batch", {"inputs": []}),
    "batch with configs": ("/cfg/batch", {"inputs": [TOPIC, TOPIC], "config": [{"configurable": {"text": "a"}}, {}]}),
    "batch with one config": ("/cfg/batch", {"inputs": [TOPIC, TOPIC], "config": {"configurable": {"text": "a"}}}),
    "batch with too few configs": ("/joke/batch", {"inputs": [TOPIC, TOPIC], "config": [{}]}),
    "batch with a config of the wrong type": ("/joke/batch", {"inputs": [TOPIC], "config": "x"}),
    "batch without inputs": ("/joke/batch", {"input": [TOPIC]}),
    "batch that fails": ("/err/batch", {"inputs": [TOPIC]}),
    "batch by the path": ("/cfg/c/N4XyA/batch", {"inputs": [TOPIC]}),
    "stream": ("/joke/stream", {"input": TOPIC}),
    "stream of messages": ("/chat/stream", {"input": "hi"}),
    "stream of dicts": ("/rag/stream", {"input": "parrots"}),
    "stream of a wrong input": ("/joke/stream", {"input": "x"}),
    "stream by the path": ("/cfg/c/N4XyA/stream", {"input": TOPIC}),
    "stream_log": ("/joke/stream_log", {"input": TOPIC}),
    "stream_log of one name": ("/joke/stream_log", {"input": TOPIC, "include_names": ["FakeStream"]}),
    "stream_log without diff": ("/joke/stream_log", {"input": TOPIC, "diff": False}),
    "stream_log with tags and metadata": ("/allkeys/stream_log", {"input": TOPIC, "config": KEYS}),
    "stream_log with wrong filters": ("/joke/stream_log", {"input": TOPIC, "exclude_tags": 5}),
    "stream_log by the path": ("/cfg/c/N4XyA/stream_log", {"input": TOPIC}),
    "stream_events": ("/joke/stream_events", {"input": TOPIC}),
    "stream_events v1": ("/joke_v1/stream_events", {"input": TOPIC}),
    "stream_events of a version that is ignored": ("/joke/stream_events", {"input": TOPIC, "version": "v1"}),
    "stream_events of a type": ("/joke/stream_events", {"input": TOPIC, "include_types": ["chat_model"]}),
    "stream_events v1 of a type": ("/joke_v1/stream_events", {"input": TOPIC, "include_types": ["chat_model"]}),
    "stream_events of a name": ("/joke/stream_events", {"input": TOPIC, "include_names": ["StrOutputParser"]}),
    "stream_events of a tag": ("/joke/stream_events", {"input": TOPIC, "include_tags": ["seq:step:2"]}),
    "stream_events but for types": ("/joke/stream_events", {"input": TOPIC, "exclude_types": ["chat_model", "parser"]}),
    "stream_events but for names": ("/joke/stream_events", {"input": TOPIC, "exclude_names": ["FakeStream"]}),
    "stream_events but for tags": ("/joke/stream_events", {"input": TOPIC, "exclude_tags": ["seq:step:1"]}),
    "stream_events with wrong filters": ("/joke/stream_events", {"input": TOPIC, "include_types": "chat_model"}),
    "stream_events of a wrong input": ("/joke/stream_events", {"input": "x"}),
    "stream_events of one's own": ("/custom/stream_events", {"input": "hello"}),
    "stream_events with tags and metadata": ("/allkeys/stream_events", {"input": TOPIC, "config": KEYS}),
    "stream_events with a wrong run id": ("/allkeys/stream_events", {"input": TOPIC, "config": {"run_id": "x"}}),
    "stream_events by the path": ("/cfg/c/N4XyA/stream_events", {"input": TOPIC}),
    "stream_events of a router": ("/router/joke/stream_events", {"input": TOPIC}),
    "stream_events of a mounted application": ("/below/stream_events", {"input": TOPIC}),
    "no such endpoint": ("/few/stream", {"input": TOPIC}),
    "no such endpoint with a config": ("/few/c/N4XyA/invoke", {"input": TOPIC}),
    "no such endpoint by choice": ("/less/batch", {"inputs": [TOPIC]}),
    "no feedback": ("/joke/feedback", {"run_id": RUN, "key": "k", "score": 1}),
    "wrong feedback": ("/fb/feedback", {"run_id": "x", "key": "k", "score": 1}),
    "wrong feedback by token": ("/joke/token_feedback", {"token": 5}),
    "another verb": ("/fb/public_trace_link", {"run_id": RUN}),
}
GOT = [
    "/joke/input_schema",
    "/joke/output_schema",
    "/joke/config_schema",
    "/chat/input_schema",
    "/chat/output_schema",
    "/rag/output_schema",
    "/cfg/input_schema",
    "/cfg/config_schema",
    "/cfg/c/N4XyA/input_schema",
    "/closed/config_schema",
    "/allkeys/config_schema",
    "/typed/input_schema",
    "/typed/output_schema",
    "/chain/input_schema",
    "/chain/config_schema",
    "/joke/c/abc/input_schema",
    "/joke/c/abc/playground/",
    "/joke/playground",
    "/joke/playground/nothing.js",
    "/less/playground/",
    "/joke/invoke",
    "/nope",
    "/below/input_schema",
]


def _both(servers: Servers, path: str, body: Any = None, **options: Any) -> tuple[Answer, Answer]:
    return ask(servers.theirs, path, body, **options), ask(servers.ours, path, body, **options)


@pytest.mark.parametrize("what", POSTED)
def test_posted(servers: Servers, what: str) -> None:
    """What is posted is answered with LangServe's status, headers and bytes."""
    theirs, ours = _both(servers, *POSTED[what])
    if POSTED[what][0].startswith("/rag/stream_events"):
        assert_same_events(theirs.data, ours.data)
    else:
        assert ours.normal == theirs.normal
    assert (ours.status == 500) == ("fails" in what)


@pytest.mark.parametrize("path", GOT)
def test_got(servers: Servers, path: str) -> None:
    """What is asked for by GET is answered with LangServe's status, headers and bytes."""
    theirs, ours = _both(servers, path)
    assert ours.normal == theirs.normal


@pytest.mark.parametrize("path", ["/fb/feedback", "/fb/public_trace_link", "/joke/feedback", "/joke/invoke"])
def test_heads(servers: Servers, path: str) -> None:
    """Whether feedback can be given is asked by HEAD."""
    theirs, ours = _both(servers, path, method="HEAD")
    assert (ours.status, ours.headers) == (theirs.status, theirs.headers)


@pytest.mark.parametrize("raw", [b"{bad json", b"", b'{"input": {"topic": "x"}} x'], ids=repr)
@pytest.mark.parametrize("endpoint", ["invoke", "batch", "stream", "stream_log", "stream_events"])
def test_bad_json(servers: Servers, endpoint: str, raw: bytes) -> None:
    """What is not JSON is refused in the same words."""
    theirs, ours = _both(servers, f"/joke/{endpoint}", raw=raw)
    assert ours.normal == theirs.normal
    assert ours.status == 422


@pytest.mark.parametrize("endpoint", ["stream", "stream_log", "stream_events"])
@pytest.mark.parametrize("path", ["/err", "/errmid"])
def test_a_stream_that_fails(servers: Servers, path: str, endpoint: str) -> None:
    """A run that fails sends what it has, then the error, without a word of the exception's."""
    theirs, ours = _both(servers, f"{path}/{endpoint}", {"input": TOPIC})
    assert ours.normal == theirs.normal
    assert ours.frames[-1] == 'event: error\r\ndata: {"status_code": 500, "message": "Internal Server Error"}'
    assert "secret" not in ours.body


@pytest.mark.parametrize("path", ["/header", "/aheader"])
@pytest.mark.parametrize("endpoint", ["invoke", "stream", "stream_log", "stream_events"])
def test_a_config_of_the_servers(servers: Servers, path: str, endpoint: str) -> None:
    """What the application makes of a request's config goes before what the client sent."""
    body = {"input": TOPIC, "config": {"configurable": {"text": "from the client"}}}
    theirs, ours = _both(servers, f"{path}/{endpoint}", body, headers={"x-text": "from header"})
    assert ours.normal == theirs.normal
    assert "header" in ours.body


@pytest.mark.parametrize("endpoint", ["invoke", "stream_events", "v1/stream_events", "stream_log", "stream", "batch"])
@pytest.mark.parametrize("form", ["chain", "face", "apart"])
def test_the_desk(servers: Servers, form: str, endpoint: str) -> None:
    """The sample application in its three forms: two turns of a session are answered as LangServe answers them."""
    prefix, name = ("/v1", "stream_events") if endpoint.startswith("v1/") else ("", endpoint)
    for turn in ("I was charged twice this month, how do I get my money back?", "And why?"):
        asked: Any = {"inputs": [{"question": turn}]} if name == "batch" else {"input": {"question": turn}}
        config = {"configurable": {"session_id": f"{form} {endpoint}"}}
        theirs, ours = _both(servers, f"{prefix}/{form}/{name}", {**asked, "config": config})
        _assert_alike(name, theirs, ours)


@pytest.mark.langgraph
@pytest.mark.skipif(not HAS_LANGGRAPH, reason="LangGraph is not installed")
@pytest.mark.parametrize("endpoint", ["invoke", "stream", "stream_log", "stream_events", "batch"])
@pytest.mark.parametrize("path", ["/our_joke", "/their_joke", "/our_talk", "/their_talk", "/our_old"])
def test_graphs(servers: Servers, path: str, endpoint: str) -> None:
    """Graphs, ours and LangGraph's, are answered as LangServe answers them."""
    value = {"messages": [{**HI, "id": "0"}]} if "talk" in path else TOPIC
    theirs, ours = _both(
        servers, f"{path}/{endpoint}", {"inputs": [value, value]} if endpoint == "batch" else {"input": value}
    )
    assert ours.status == 200
    _assert_alike(endpoint, theirs, ours)


@pytest.mark.langgraph
@pytest.mark.skipif(not HAS_LANGGRAPH, reason="LangGraph is not installed")
@pytest.mark.parametrize("schema", ["input_schema", "output_schema", "config_schema"])
@pytest.mark.parametrize("path", ["/our_joke", "/their_joke", "/our_talk", "/their_talk"])
def test_schemas_of_graphs(servers: Servers, path: str, schema: str) -> None:
    """So are their schemas."""
    theirs, ours = _both(servers, f"{path}/{schema}")
    assert ours.normal == theirs.normal


def _assert_alike(endpoint: str, theirs: Answer, ours: Answer) -> None:
    assert (ours.status, ours.headers) == (theirs.status, theirs.headers)
    if endpoint == "stream_events":
        assert len(ours.data) > 2
        assert_same_events(theirs.data, ours.data)
    elif endpoint == "stream_log":
        # Runs that overlap arrive in no order.
        assert_same(*(sorted(answer.data, key=_paths) for answer in (theirs, ours)))
    else:
        assert ours.normal == theirs.normal


def _paths(patch: Any) -> list[str]:
    return [operation["path"] for operation in patch["ops"]]
