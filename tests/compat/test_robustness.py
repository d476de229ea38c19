"""What others hang around a run: full executors, an exit in mid-stream, odd streams and odd inputs."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextvars import copy_context
from typing import Any, TypedDict

import pytest
from langchain_core.callbacks import adispatch_custom_event
from langchain_core.runnables import Runnable, RunnableConfig

from lcel_adapters import as_node
from lcel_compat import START, Send, StateGraph, get_stream_writer
from tests.support.colours import Colour, run
from tests.support.models import StreamingChat


class State(TypedDict, total=False):
    """One key."""

    n: Any


def graph(*nodes: Any, buffer: int = 256) -> Any:
    """A graph of nodes that all run at once."""
    builder = StateGraph(State)
    for number, node in enumerate(nodes):
        builder.add_node(f"n{number}", node).add_edge(START, f"n{number}")
    return builder.compile(buffer=buffer)


@pytest.mark.timeout(30)
def test_held_threads_leave_the_executor_to_the_consumer() -> None:
    """As many held nodes as the loop's default executor has threads do not lock out a consumer that needs one."""

    def node(state: Any) -> None:
        for number in range(40):
            get_stream_writer()(number)

    async def consume() -> int:
        read = 0
        async for _ in graph(*[node] * 40, buffer=8).astream({"n": 0}, stream_mode="custom"):
            if read % 100 == 0:
                await asyncio.to_thread(int)
            read += 1
        return read

    assert run(consume()) == 1600


EXIT = """
from typing import TypedDict
from lcel_compat import START, StateGraph

class State(TypedDict):
    n: int

def node(state, writer):
    for number in range(1000):
        writer(number)

graph = StateGraph(State).add_node("node", node).add_edge(START, "node").compile()
stream = graph.stream({"n": 0}, stream_mode="custom")
print(next(stream))
"""


@pytest.mark.slow
def test_an_unfinished_stream_does_not_keep_the_interpreter() -> None:
    """A program that ends while a stream is half read, and still referenced, ends."""
    done = subprocess.run([sys.executable, "-c", EXIT], capture_output=True, text=True, timeout=30, check=False)
    assert (done.returncode, done.stdout) == (0, "0\n")


@pytest.mark.parametrize("modes", ["events", "messages", ["events", "values"]], ids=str)
def test_room_for_one_is_enough(modes: Any, colour: Colour) -> None:
    """With ``buffer=1`` every item arrives: the run does not wait for itself."""
    chatty = as_node(StreamingChat(), input="n", output="n")
    ample = colour.observe_stream(graph(chatty), {"n": "hi"}, stream_mode=modes)
    scarce = colour.observe_stream(graph(chatty, buffer=1), {"n": "hi"}, stream_mode=modes)
    assert len(scarce) == len(ample)


class Plain(Runnable[Any, Any]):
    """A runnable whose streams are iterators without ``close``."""

    def invoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Any:
        return {"n": 1}

    def stream(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Iterator[Any]:
        return map(self.invoke, [input])

    def astream(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Any:
        return Once(self.invoke(input))


class Once:
    """An asynchronous iterator over one thing, and nothing more than that."""

    def __init__(self, thing: Any) -> None:
        self.things = [thing]

    def __aiter__(self) -> Once:
        return self

    async def __anext__(self) -> Any:
        if not self.things:
            raise StopAsyncIteration
        return self.things.pop()


@pytest.mark.parametrize("node", [Plain(), as_node(Plain())], ids=["bare", "as_node"])
def test_streams_that_cannot_be_closed(node: Any, colour: Colour) -> None:
    """A stream needs to be an iterator, not a generator."""
    assert colour.observe_events(graph(node), {"n": 0})[-1]["data"]["output"] == {"n": 1}


def test_a_thread_of_a_completed_run_goes_on() -> None:
    """What a node left running in a thread of its own is not ended when the run completes."""
    answers: list[Any] = []
    go, done = threading.Event(), threading.Event()

    def background() -> None:
        go.wait(10)
        answers.append(StreamingChat(text="a b c").invoke("hi").content)
        done.set()

    def node(state: Any) -> None:
        threading.Thread(target=copy_context().run, args=(background,)).start()

    assert list(graph(node).stream({"n": 0}, stream_mode="messages")) == []
    go.set()
    assert done.wait(10)
    assert answers == ["a b c"]


class NoTruth:
    """Refuses to be true or false, and to be compared, as arrays do."""

    def __bool__(self) -> bool:
        raise ValueError("ambiguous")

    def __eq__(self, other: object) -> Any:
        return self

    __hash__ = None  # type: ignore[assignment]


def test_inputs_that_are_neither_true_nor_false(colour: Colour) -> None:
    """Looking at a run does not break it, whatever its nodes are given."""
    builder = StateGraph(State).add_node("n", lambda array: {"n": 1})
    builder.add_conditional_edges(START, lambda state: [Send("n", NoTruth())])
    events = colour.observe_events(builder.compile(), {"n": 0})
    assert events[-1]["data"]["output"] == {"n": 1}
    assert [type(e["data"]["input"]) for e in events if e["name"] == "n" and e["event"] == "on_chain_start"] == [
        NoTruth
    ]


async def test_events_belong_to_the_consumer() -> None:
    """A consumer that empties the metadata of an event changes nothing for what runs afterwards."""

    async def node(state: Any, config: RunnableConfig) -> None:
        await asyncio.sleep(0)
        await StreamingChat().ainvoke("hi", config)

    seen: list[Any] = []
    async for event in graph(node).astream_events({"n": 0}):
        if event["event"] == "on_chat_model_start":
            seen.append(event["metadata"]["langgraph_node"])
        event["metadata"].clear()
    assert seen == ["n0"]


async def test_a_custom_event_first() -> None:
    """A custom event that comes first and is no dict is given as it is; there is no room for the input in it."""

    async def node(state: Any) -> None:
        await adispatch_custom_event("progress", 10)
        await adispatch_custom_event("progress", 20)

    events = graph(node).astream_events({"n": 0}, include_types=["progress"])
    assert [event["data"] async for event in events] == [10, 20]
