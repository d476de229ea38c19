"""Events that remember: a consumer sees what it always saw, and its contract says what it read."""

from __future__ import annotations

import copy
import json
import pickle
from collections.abc import Callable
from typing import Any

import pytest
from langchain_core.documents import Document
from langchain_core.messages import AIMessageChunk

from lcel_compat.compare import Contract, Read, observe
from lcel_compat.events import to_json


def events() -> list[dict[str, Any]]:
    """One root with a model, a parser and a retriever below it."""
    root = {"name": "rag", "run_id": "1", "tags": ["main"], "metadata": {"langgraph_node": "say"}, "parent_ids": []}
    model = {**root, "name": "model", "run_id": "2", "tags": ["main", "seq:step:2"], "parent_ids": ["1"]}
    search = {**model, "name": "docs", "run_id": "3", "tags": []}
    chunks = [AIMessageChunk(content="Hel"), AIMessageChunk(content="lo")]
    return [
        {"event": "on_chain_start", **root, "data": {"input": {"question": "hi"}}},
        {"event": "on_retriever_end", **search, "data": {"output": [Document("text", metadata={"source": "a.md"})]}},
        *({"event": "on_chat_model_stream", **model, "data": {"chunk": chunk}} for chunk in chunks),
        {"event": "on_chain_end", **root, "data": {"output": "Hello"}},
    ]


def tokens(event: Any) -> Any:
    if event["event"] == "on_chat_model_stream":
        return event["data"]["chunk"].content
    return None


def by_name(event: Any) -> Any:
    if event["event"].startswith("on_chain") and event.get("name") == "rag" and "output" in event["data"]:
        return event["data"]["output"].upper()
    return None


def by_tag(event: Any) -> Any:
    return event["data"]["chunk"].content if "seq:step:2" in event["tags"] else None


def by_all_tags(event: Any) -> Any:
    return event["data"]["chunk"].content if all(t in event["tags"] for t in ["main", "seq:step:2"]) else None


def by_handler(event: Any) -> Any:
    handlers = {"on_retriever_end": lambda event: [d.metadata["source"] for d in event["data"]["output"]]}
    handler = handlers.get(event["event"])
    return handler(event) if handler else None


def by_node(event: Any) -> Any:
    if event["metadata"].get("langgraph_node") == "say" and event["event"] == "on_chat_model_stream":
        return event["data"]["chunk"].content
    return None


def by_root(event: Any) -> Any:
    return event["data"].get("output") if not event["parent_ids"] else None


def by_match(event: Any) -> Any:
    match event:
        case {"event": "on_chat_model_stream", "data": {"chunk": AIMessageChunk(content=text)}}:
            return text
    return None


def whole(event: Any) -> Any:
    return json.loads(to_json(event))


def counting(event: Any) -> Any:
    return 1 if event["event"] == "on_chat_model_stream" else None


STREAM = "on_chat_model_stream"
TOKENS = Read(event=STREAM, fields=("data.chunk.content",))
CONSUMERS: dict[str, tuple[Callable[[Any], Any], tuple[Read, ...]]] = {
    "tokens": (tokens, (TOKENS,)),
    "by tag": (by_tag, (Read(tags=("seq:step:2",), fields=("data.chunk.content",)),)),
    "by all tags": (by_all_tags, (Read(tags=("main", "seq:step:2"), fields=("data.chunk.content",)),)),
    "by handler": (by_handler, (Read(event="on_retriever_end", fields=("data.output.metadata.source",)),)),
    "by node": (by_node, (Read(event=STREAM, metadata={"langgraph_node": "say"}, fields=("data.chunk.content",)),)),
    "by match": (by_match, (TOKENS,)),
    "counting": (counting, (Read(event=STREAM),)),
}


@pytest.mark.parametrize(("consumer", "reads"), CONSUMERS.values(), ids=CONSUMERS.keys())
def test_the_contract_is_what_the_code_read(consumer: Callable[[Any], Any], reads: tuple[Read, ...]) -> None:
    """One entry per kind of event that was read, with the conditions that held and the fields that were fetched."""
    seen = observe(events())
    for event in seen:
        consumer(event)
    assert seen.contract("c") == Contract(reads=reads, consumer="c")


@pytest.mark.parametrize(
    "consumer", [tokens, by_name, by_tag, by_all_tags, by_handler, by_node, by_root, by_match, whole]
)
def test_a_consumer_sees_what_it_always_saw(consumer: Callable[[Any], Any]) -> None:
    """Observed events give a consumer the same values as the events themselves."""
    assert [consumer(event) for event in observe(events())] == [consumer(event) for event in events()]


def test_a_root_is_told_by_its_parents() -> None:
    """A consumer that takes the run without parents has a contract of the root alone."""
    seen = observe(events())
    for event in seen:
        by_root(event)
    reads = {(read.event, read.root, read.fields) for read in seen.contract().reads}
    assert reads == {("", True, ("data.output",))}


def test_observed_events_are_what_they_stand_for() -> None:
    """Classes, sums, copies, pickles and JSON of observed values are those of the values."""
    event = next(event for event in observe(events()) if event["event"] == STREAM)
    chunk = event["data"]["chunk"]
    assert isinstance(event, dict)
    assert isinstance(event["name"], str)
    assert isinstance(chunk, AIMessageChunk)
    assert (chunk + AIMessageChunk(content="!")).content == "Hel!"
    assert (AIMessageChunk(content="!") + chunk).content == "!Hel"
    assert chunk == AIMessageChunk(content="Hel")
    assert json.dumps({**event, "data": None}) == json.dumps({**events()[2], "data": None})
    assert copy.deepcopy(event) == events()[2]
    assert pickle.loads(pickle.dumps(event)) == events()[2]


def test_what_a_consumer_puts_into_an_event_is_its_own() -> None:
    """Applications write into events; what they read back is not the stream's."""
    seen = observe(events()[:1])
    for event in seen:
        event["start_time"] = 1.5
        assert event["start_time"] == 1.5
    assert seen.contract().reads == ()


async def test_a_stream_is_observed_as_it_comes() -> None:
    """An asynchronous source stays one; a list can be read either way."""

    async def stream() -> Any:
        for event in events():
            yield event

    for source in (stream(), events()):
        seen = observe(source)
        assert [text async for event in seen if (text := tokens(event))] == ["Hel", "lo"]
        assert seen.contract().reads == (TOKENS,)
    with pytest.raises(TypeError, match="async for"):
        next(iter(observe(stream())))
