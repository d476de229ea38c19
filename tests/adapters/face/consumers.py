"""What real consumers read of a chain's events, one small function each (EVENTS.md, 5.1).

The chain is a usual one: documents for a question, a prompt, a model, a parser, under a name and a tag.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Coroutine
from typing import Any

from langchain_core.documents import Document
from langchain_core.messages import AIMessageChunk
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import Runnable, RunnableLambda, RunnablePassthrough

from tests.support.models import TEXT, Shelf, StreamingChat

Check = Callable[[Any], Coroutine[Any, Any, bool]]
CHECKS: dict[str, Check] = {}
ASKED = {"question": "parrots"}


def rag() -> Runnable[Any, Any]:
    """The chain."""
    prompt = ChatPromptTemplate.from_template("With {docs}: {question}")
    model = StreamingChat().with_config(run_name="my_llm", tags=["answer"])
    docs = (lambda asked: asked["question"]) | Shelf(name="Docs")
    steps = RunnablePassthrough.assign(docs=docs) | prompt | model | StrOutputParser(name="Assistant")
    return steps.with_config(run_name="rag", tags=["main_chain"])


def check(name: str) -> Callable[[Check], Check]:
    """Add a consumer to the table."""

    def add(function: Check) -> Check:
        CHECKS[name] = function
        return function

    return add


async def events(runnable: Any, version: Any = "v2", **chosen: Any) -> list[Any]:
    """The events, as a consumer asks for them."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*astream_events.*v1")
        return [event async for event in runnable.astream_events(ASKED, version=version, **chosen)]


async def of(runnable: Any, kind: str, name: str | None = None, **chosen: Any) -> list[Any]:
    """The events of one kind, and one name."""
    found = await events(runnable, **chosen)
    return [event for event in found if event["event"] == kind and name in (None, event["name"])]


def text(found: list[Any]) -> str:
    """The text of model tokens."""
    return "".join(event["data"]["chunk"].content for event in found)


def said(found: list[Any]) -> str:
    """The text of string chunks."""
    return "".join(event["data"]["chunk"] for event in found)


@check("model tokens")
async def _(r: Any) -> bool:
    return text(await of(r, "on_chat_model_stream")) == TEXT


@check("model tokens by name")
async def _(r: Any) -> bool:
    return text(await of(r, "on_chat_model_stream", "my_llm")) == TEXT


@check("model tokens by include_tags")
async def _(r: Any) -> bool:
    return text(await of(r, "on_chat_model_stream", include_tags=["answer"])) == TEXT


@check("model tokens by include_types")
async def _(r: Any) -> bool:
    return text(await of(r, "on_chat_model_stream", include_types=["chat_model"])) == TEXT


@check("parser chunks, at least three")
async def _(r: Any) -> bool:
    found = await of(r, "on_parser_stream")
    return len(found) >= 3 and said(found) == TEXT


@check("parser start, stream and end by include_names")
async def _(r: Any) -> bool:
    found = [event["event"] for event in await events(r, include_names=["Assistant"])]
    return found[0] == "on_parser_start" and found[-1] == "on_parser_end" and "on_parser_stream" in found


@check("on_parser_end output")
async def _(r: Any) -> bool:
    return [event["data"]["output"] for event in await of(r, "on_parser_end")] == [TEXT]


@check("root chunks by name are strings")
async def _(r: Any) -> bool:
    return said(await of(r, "on_chain_stream", "rag")) == TEXT


@check("root chunks by the first start's run id")
async def _(r: Any) -> bool:
    found = await events(r)
    root = next(event["run_id"] for event in found if event["event"] == "on_chain_start")
    return said([e for e in found if e["event"] == "on_chain_stream" and e["run_id"] == root]) == TEXT


@check("the one on_chain_end by name holds the answer")
async def _(r: Any) -> bool:
    return [event["data"]["output"] for event in await of(r, "on_chain_end", "rag")] == [TEXT]


@check("the on_chain_end without parents holds the answer")
async def _(r: Any) -> bool:
    return [e["data"]["output"] for e in await of(r, "on_chain_end") if not e["parent_ids"]] == [TEXT]


@check("the last on_chain_end is a string to be stripped")
async def _(r: Any) -> bool:
    return bool((await of(r, "on_chain_end"))[-1]["data"]["output"].strip() == TEXT)


@check("seq:step:3 and main_chain on tokens")
async def _(r: Any) -> bool:
    found = [
        e for e in await of(r, "on_chat_model_stream") if all(tag in e["tags"] for tag in ("seq:step:3", "main_chain"))
    ]
    return text(found) == TEXT


@check("the chain's tag is inherited by the model")
async def _(r: Any) -> bool:
    return all("main_chain" in event["tags"] for event in await of(r, "on_chat_model_start"))


@check("retriever end holds documents")
async def _(r: Any) -> bool:
    (event,) = await of(r, "on_retriever_end", "Docs")
    return all(isinstance(document, Document) for document in event["data"]["output"])


@check("prompt end holds messages")
async def _(r: Any) -> bool:
    (event,) = await of(r, "on_prompt_end")
    return "parrots" in event["data"]["output"].messages[0].content


@check("model end holds a chunk")
async def _(r: Any) -> bool:
    (event,) = await of(r, "on_chat_model_end")
    return isinstance(event["data"]["output"], AIMessageChunk) and event["data"]["output"].content == TEXT


@check("the first event is the root's start with the payload")
async def _(r: Any) -> bool:
    first = (await events(r))[0]
    return (first["event"], first["name"], first["data"]["input"]) == ("on_chain_start", "rag", ASKED)


@check("the root has the chain's tag")
async def _(r: Any) -> bool:
    return "main_chain" in (await events(r))[0]["tags"]


@check("the model's only parent is the root")
async def _(r: Any) -> bool:
    found = await events(r)
    return all(e["parent_ids"] == [found[0]["run_id"]] for e in found if e["event"] == "on_chat_model_start")


@check("metadata is plain and names no graph")
async def _(r: Any) -> bool:
    found = await events(r)
    json.dumps([event["metadata"] for event in found])
    return not any("langgraph" in f"{key}{value}" for event in found for key, value in event["metadata"].items())


@check("v1: model end has generations, retriever end documents")
async def _(r: Any) -> bool:
    (model,) = await of(r, "on_chat_model_end", version="v1")
    (docs,) = await of(r, "on_retriever_end", version="v1")
    return "generations" in model["data"]["output"] and len(docs["data"]["output"]["documents"]) == 2


@check("v1: root end holds the answer")
async def _(r: Any) -> bool:
    return [event["data"]["output"] for event in await of(r, "on_chain_end", "rag", version="v1")] == [TEXT]


@check("v1: root chunks are strings")
async def _(r: Any) -> bool:
    return said(await of(r, "on_chain_stream", "rag", version="v1")) == TEXT


@check("astream yields strings")
async def _(r: Any) -> bool:
    return "".join([chunk async for chunk in r.astream(ASKED)]) == TEXT


@check("ainvoke returns the answer")
async def _(r: Any) -> bool:
    return bool(await r.ainvoke(ASKED) == TEXT)


async def _log(r: Any) -> dict[str, Any]:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*astream_log")
        total: Any = None
        async for patch in r.astream_log(ASKED):
            total = patch if total is None else total + patch
    return dict(total.state)


@check("astream_log: streamed_output joined")
async def _(r: Any) -> bool:
    return "".join((await _log(r))["streamed_output"]) == TEXT


@check("astream_log: final output of the retriever")
async def _(r: Any) -> bool:
    return len((await _log(r))["logs"]["Docs"]["final_output"]["documents"]) == 2


@check("piped into a function, streamed")
async def _(r: Any) -> bool:
    piped = r | RunnableLambda(lambda answer: answer.upper())
    return "".join([chunk async for chunk in piped.astream(ASKED)]) == TEXT.upper()


@check("exactly one on_chain_end named rag")
async def _(r: Any) -> bool:
    return len(await of(r, "on_chain_end", "rag")) == 1
