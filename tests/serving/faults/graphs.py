"""The graphs whose servers are killed: slow enough to be killed anywhere, and whatever is lost or done twice shows."""

from __future__ import annotations

import asyncio
import operator
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Annotated, Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.runnables import RunnableConfig
from typing_extensions import TypedDict

Update = dict[str, Any]
Node = Callable[..., Awaitable[Update]]
PIECES = 6
"""Tokens of each answer."""


class State(TypedDict, total=False):
    """What happened; every node adds a line, so that one that is lost or applied twice shows."""

    log: Annotated[list[str], operator.add]
    inside: Annotated[list[str], operator.add]
    tick: float
    file: str


class Inside(TypedDict, total=False):
    """The state of the graph inside."""

    inside: Annotated[list[str], operator.add]
    tick: float


class Speaker(BaseChatModel):
    """A chat model that says its name and counts; ``delay`` is in seconds per token."""

    who: str
    delay: float

    @property
    def _llm_type(self) -> str:
        return "speaker"

    def _generate(self, messages: list[BaseMessage], *_: Any, **__: Any) -> ChatResult:
        text = "".join(self._words())
        return ChatResult(generations=[ChatGeneration(message=AIMessage(content=text))])

    async def _agenerate(self, messages: list[BaseMessage], *_: Any, **__: Any) -> ChatResult:
        await asyncio.sleep(self.delay * PIECES)
        return self._generate(messages)

    async def _astream(
        self, messages: list[BaseMessage], stop: Any = None, run_manager: Any = None, **_: Any
    ) -> AsyncIterator[ChatGenerationChunk]:
        for word in self._words():
            await asyncio.sleep(self.delay)
            chunk = ChatGenerationChunk(message=AIMessageChunk(content=word))
            if run_manager:
                await run_manager.on_llm_new_token(word, chunk=chunk)
            yield chunk

    def _words(self) -> list[str]:
        return [f"{self.who}-{number} " for number in range(PIECES)]


def build(api: Any) -> dict[str, Any]:
    """All graphs by name, compiled.

    Args:
        api: A ``tests.support.engines.Library``.
    """
    return {
        "steps": _steps(api),
        "wide": _wide(api),
        "nest": _nest(api),
        "ask": _ask(api),
        "flood": _flood(api),
        "still": _still(api),
        "trace": _trace(api),
    }


def _says(api: Any, name: str, factor: float = 1.0, key: str = "log") -> Node:
    """A node that streams tokens and two custom items, and adds what it said to the log."""

    async def node(state: State, config: RunnableConfig) -> Update:
        write = api.get_stream_writer()
        write(f"{name} begins")
        model = Speaker(who=name, delay=state.get("tick", 0.005) * factor)
        said = await model.ainvoke("Speak.", config)
        write(f"{name} ends")
        return {key: [f"{name}: {str(said.content).strip()}"]}

    return node


def _line(api: Any, graph: Any, *names: str, key: str = "log", schema: Any = State) -> Any:
    before = api.START
    for name in names:
        graph.add_node(name, _says(api, name, key=key), input_schema=schema)
        graph.add_edge(before, name)
        before = name
    return graph


def _steps(api: Any) -> Any:
    """Several steps, one after the other."""
    return _line(api, api.StateGraph(State), "one", "two", "three", "four").compile(name="steps")


def _wide(api: Any) -> Any:
    """Three nodes at once, of different lengths, between two others."""
    graph = _line(api, api.StateGraph(State), "begin")
    for name, factor in (("quick", 0.2), ("middle", 1.0), ("late", 3.0)):
        graph.add_node(name, _says(api, name, factor))
        graph.add_edge("begin", name)
    graph.add_node("end", _says(api, "end"))
    graph.add_edge(["quick", "middle", "late"], "end")
    return graph.compile(name="wide")


def _nest(api: Any) -> Any:
    """A graph inside, of two steps."""
    names = ("inner one", "inner two")
    inner = _line(api, api.StateGraph(Inside), *names, key="inside", schema=Inside).compile(name="inner")
    graph = _line(api, api.StateGraph(State), "before")
    graph.add_node("child", inner)
    graph.add_edge("before", "child")
    graph.add_node("after", _says(api, "after"))
    graph.add_edge("child", "after")
    return graph.compile(name="nest")


def _ask(api: Any) -> Any:
    """A node that asks twice, beside one that does not; whoever answers goes on in the middle of a superstep."""
    graph = _line(api, api.StateGraph(State), "prep")

    async def ask(state: State, config: RunnableConfig) -> Update:
        first = api.interrupt("first?")
        await asyncio.sleep(state.get("tick", 0.005) * PIECES)
        second = api.interrupt("second?")
        await Speaker(who="ask", delay=state.get("tick", 0.005)).ainvoke("Speak.", config)
        return {"log": [f"ask: {first} {second}"]}

    graph.add_node("ask", ask)
    graph.add_node("beside", _says(api, "beside", 0.5))
    graph.add_node("fin", _says(api, "fin"))
    graph.add_edge("prep", "ask")
    graph.add_edge("prep", "beside")
    graph.add_edge(["ask", "beside"], "fin")
    return graph.compile(name="ask")


def _flood(api: Any) -> Any:
    """A node that writes much: ``tick`` is how many megabytes, in pieces of 10 kB."""

    async def flood(state: State) -> Update:
        write, count = api.get_stream_writer(), int(state.get("tick", 1) * 100)
        for number in range(count):
            write({"number": number, "padding": "x" * 10_000})
            await asyncio.sleep(0)
        return {"log": ["flooded"]}

    graph = api.StateGraph(State)
    graph.add_node("flood", flood)
    graph.add_edge(api.START, "flood")
    return graph.compile(name="flood")


def _still(api: Any) -> Any:
    """A node that says nothing for ``tick`` seconds, between two steps that are saved."""

    async def still(state: State) -> Update:
        await asyncio.sleep(state.get("tick", 1))
        return {"log": ["still"]}

    graph = _line(api, api.StateGraph(State), "first")
    graph.add_node("still", still)
    graph.add_edge("first", "still")
    return graph.compile(name="still")


def _trace(api: Any) -> Any:
    """A node that says something, waits for ``tick`` seconds, and leaves a trace in a file."""

    async def trace(state: State) -> Update:
        api.get_stream_writer()("begins")
        await asyncio.sleep(state.get("tick", 1))
        await asyncio.to_thread(Path(state["file"]).touch)
        return {"log": ["traced"]}

    graph = api.StateGraph(State)
    graph.add_node("trace", trace)
    graph.add_edge(api.START, "trace")
    return graph.compile(name="trace")
