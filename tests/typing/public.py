"""What a reader's own code looks like to a type checker; it is checked, never run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, TypedDict, assert_type

from langchain_core.runnables import Runnable, RunnableConfig, RunnableLambda

from lcel_adapters import RunnableNode, as_node
from lcel_compat import END, START, CompiledStateGraph, StateGraph, StreamMode, StreamWriter


class State(TypedDict):
    question: str
    answer: str


def sync_node(state: State, config: RunnableConfig, writer: StreamWriter) -> Mapping[str, Any]:
    writer({"asked": state["question"]})
    return {"answer": str(config.get("run_name"))}


async def async_node(state: State) -> dict[str, str]:
    return {"answer": state["question"].upper()}


chain: Runnable[str, str] = RunnableLambda(str.upper)
assert_type(as_node(chain, input="question", output="answer"), RunnableNode)
as_node(chain, input={"text": "question"}, output=lambda text: {"answer": text})

builder = StateGraph(State)
builder.add_node("first", sync_node)
builder.add_node("second", async_node)
builder.add_node("third", as_node(chain, input="question", output="answer"))
builder.add_edge(START, "first")
builder.add_edge("third", END)

graph = builder.compile(name="typed", buffer=16)
assert_type(graph, CompiledStateGraph)
as_runnable: Runnable[Any, Any] = graph

mode: StreamMode = "updates"
items: Iterator[Any] = graph.stream({"question": "?"}, stream_mode=[mode, "events"])
