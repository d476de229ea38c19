"""Running graphs: every way of calling one, and what comes back. It only has to type-check."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

from langchain_core.output_parsers import StrOutputParser
from langchain_core.runnables import Runnable, RunnableConfig

from lcel_adapters import as_node
from lcel_compat import START, CompiledStateGraph, StateGraph, StreamMode
from lcel_compat.events import to_json, to_jsonable


def same(state: dict[str, Any]) -> dict[str, Any]:
    return state


def question(state: dict[str, Any]) -> str:
    return str(state["question"])


def answered(text: str) -> dict[str, str]:
    return {"answer": text}


graph: CompiledStateGraph = StateGraph(dict).add_node("node", same).add_edge(START, "node").compile()
config: RunnableConfig = {"tags": ["t"], "max_concurrency": 2}
modes: list[StreamMode] = ["values", "events"]

state: Any = graph.invoke({"x": 1})
state = graph.invoke({"x": 1}, config, output_keys=["x"], stream_mode="updates")
states: list[Any] = graph.batch([{"x": 1}, {"x": 2}], config)

items: Iterator[Any] = graph.stream({"x": 1})
items = graph.stream({"x": 1}, config, stream_mode="values")
items = graph.stream({"x": 1}, stream_mode=modes, output_keys="x")
items = graph.stream({"x": 1}, stream_mode=("values", "custom"))
items = graph.stream_events({"x": 1}, include_names=["node"], exclude_types=["prompt"])
later: AsyncIterator[Any] = graph.astream({"x": 1}, stream_mode=["messages"])
later = graph.astream_events({"x": 1}, config, version="v2", include_tags=["t"])
later = graph.astream_events({"x": 1}, version="v1")

bound: CompiledStateGraph = graph.with_config(config, recursion_limit=5).with_config(tags=["u"])
chain: Runnable[Any, Any] = graph | question
chain = graph.bind(output_keys="x")
chain = graph.with_types(input_type=dict[str, int])
schema: dict[str, Any] = graph.get_input_jsonschema()
name: str = graph.get_name()

parser: Runnable[Any, str] = StrOutputParser()
node: Runnable[Any, Any] = as_node(parser)
node = as_node(parser, input="question", output="answer")
node = as_node(parser, input={"question": "topic"}, output=answered)
node = as_node(parser, input=question, output="answer")
StateGraph(dict).add_node("answer", as_node(parser, input="question", output="answer"))


async def later_on() -> None:
    """The asynchronous calls."""
    awaited: Any = await graph.ainvoke({"x": 1}, config)
    several: list[Any] = await graph.abatch([{"x": 1}])
    async for item in graph.astream({"x": 1}, stream_mode="custom"):
        print(to_json(item), to_jsonable(item), awaited, several)
    async for patch in graph.astream_log({"x": 1}):
        print(patch)
