"""A slow consumer holds its producers: never more than the buffer, and the burst of one step, ahead of it."""

from __future__ import annotations

import asyncio
import operator
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Annotated, Any, TypedDict

import pytest
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.output_parsers import StrOutputParser
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.runnables import RunnableGenerator, RunnableLambda, RunnableParallel

from lcel_compat import END, START, StateGraph, _mailbox, get_stream_writer
from tests.support.colours import run

BUFFER = 16
BURST = 2
"""What is made before it can be held: the piece that a producer has in hand, and the one that comes with it."""
TOTAL = 5000


class Lead:
    """How far the producer is, and ever was, ahead of the consumer."""

    def __init__(self) -> None:
        self.made = 0
        self.read = 0
        self.highest = 0

    def make(self) -> None:
        self.made += 1
        self.highest = max(self.highest, self.made - self.read)


class Counting(BaseChatModel):
    """A chat model that streams as many pieces as it is told to, and counts each as it makes it."""

    lead: Any
    total: int = TOTAL

    @property
    def _llm_type(self) -> str:
        return "counting"

    def _generate(self, messages: Any, stop: Any = None, run_manager: Any = None, **kw: Any) -> ChatResult:
        return ChatResult(generations=[ChatGeneration(message=AIMessage("whole"))])

    def _stream(self, messages: Any, stop: Any = None, run_manager: Any = None, **kw: Any) -> Iterator[Any]:
        for _ in range(self.total):
            self.lead.make()
            yield ChatGenerationChunk(message=AIMessageChunk(content="x"))

    async def _astream(self, messages: Any, stop: Any = None, run_manager: Any = None, **kw: Any) -> AsyncIterator[Any]:
        for _ in range(self.total):
            self.lead.make()
            yield ChatGenerationChunk(message=AIMessageChunk(content="x"))


class State(TypedDict, total=False):
    """One folded key and one that counts."""

    log: Annotated[list[Any], operator.add]
    n: int


def single(node: Any) -> StateGraph:
    """A builder with one node."""
    return StateGraph(State).add_node("node", node).add_edge(START, "node")


@dataclass(frozen=True, slots=True)
class Producer:
    """A graph that makes many items of a mode, and which items count as read."""

    mode: Any
    build: Callable[[Lead], StateGraph]
    counts: Callable[[Any], bool] = lambda item: True


def streamed(event: str) -> Callable[[Any], bool]:
    return lambda item: item["event"] == event


def model_alone(lead: Lead) -> StateGraph:
    return single(RunnableLambda(lambda state: "hi") | Counting(lead=lead) | (lambda message: None))


def model_and_parser(lead: Lead) -> StateGraph:
    return single(RunnableLambda(lambda state: "hi") | Counting(lead=lead) | StrOutputParser() | (lambda text: None))


def model_called_in_a_function(lead: Lead) -> StateGraph:
    def node(state: Any) -> None:
        Counting(lead=lead).invoke("hi")

    return single(node)


def generator(lead: Lead) -> StateGraph:
    def chunks(values: Iterator[Any]) -> Iterator[dict[str, Any]]:
        for _ in values:
            for n in range(TOTAL):
                lead.make()
                yield {"n": n}

    return single(RunnableGenerator(chunks).with_config(run_name="chunks"))


def agenerator(lead: Lead) -> StateGraph:
    async def chunks(values: AsyncIterator[Any]) -> AsyncIterator[dict[str, Any]]:
        async for _ in values:
            for n in range(TOTAL):
                lead.make()
                yield {"n": n}

    return single(RunnableGenerator(chunks).with_config(run_name="chunks"))


def writer(lead: Lead) -> StateGraph:
    def node(state: Any) -> None:
        write = get_stream_writer()
        for n in range(TOTAL):
            lead.make()
            write(n)

    return single(node)


def awriter(lead: Lead) -> StateGraph:
    async def node(state: Any) -> None:
        write = get_stream_writer()
        for n in range(TOTAL):
            lead.make()
            write(n)
            await asyncio.sleep(0)

    return single(node)


def deep_awriter(lead: Lead) -> StateGraph:
    async def emit(n: int) -> None:
        await asyncio.sleep(0)
        lead.make()
        get_stream_writer()(n)

    async def node(state: Any) -> None:
        for n in range(TOTAL):
            await emit(n)

    return single(node)


def loop(lead: Lead) -> StateGraph:
    def node(state: Any) -> dict[str, Any]:
        lead.make()
        return {"n": state["n"] + 1}

    return single(node).add_conditional_edges("node", lambda s: END if s["n"] >= 600 else "node", ["node", END])


def chunk_events(item: Any) -> bool:
    return bool(item["event"] == "on_chain_stream" and item["name"] == "chunks")


TOKENS = streamed("on_chat_model_stream")
BOTH = {
    "tokens": Producer("messages", model_alone),
    "tokens of an inner call": Producer("messages", model_called_in_a_function),
    "token events": Producer("events", model_alone, TOKENS),
    "token events with a parser": Producer("events", model_and_parser, TOKENS),
    "values": Producer("values", loop),
    "updates": Producer("updates", loop),
    "written": Producer("custom", writer),
}
THREADED = {**BOTH, "chunks": Producer("events", generator, chunk_events)}
AWAITED = {
    **BOTH,
    "chunks": Producer("events", agenerator, chunk_events),
    "written by a coroutine": Producer("custom", awriter),
    "written deep in a coroutine": Producer("custom", deep_awriter),
}
START_AT: Any = {"n": 0}


def params(producers: dict[str, Producer]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("producer", producers.values(), ids=producers.keys())


@params(AWAITED)
async def test_awaited(producer: Producer) -> None:
    """On an event loop a producer is never further ahead of a slow consumer than the buffer and its burst."""
    lead = Lead()
    graph = producer.build(lead).compile(buffer=BUFFER)
    stream: Any = graph.astream(START_AT, {"recursion_limit": 9999}, stream_mode=producer.mode)
    async with aclosing(stream):
        async for item in stream:
            lead.read += producer.counts(item)
            await asyncio.sleep(0)
    _assert_held(lead)


@params(THREADED)
def test_threads(producer: Producer) -> None:
    """In a sync run the same holds for producers in threads."""
    lead = Lead()
    graph = producer.build(lead).compile(buffer=BUFFER)
    for item in graph.stream(START_AT, {"recursion_limit": 9999}, stream_mode=producer.mode):
        lead.read += producer.counts(item)
    _assert_held(lead)


def _assert_held(lead: Lead) -> None:
    assert lead.made in (600, TOTAL), "the producer came to its end"
    assert lead.read >= lead.made
    assert lead.highest <= BUFFER + BURST, f"{lead.highest} ahead of a buffer of {BUFFER}"


def test_a_consumer_that_stands_still_stops_the_producer() -> None:
    """Without anybody reading, a producer makes what fits into the buffer and waits."""
    lead = Lead()
    stream: Any = writer(lead).compile(buffer=BUFFER).stream(START_AT, stream_mode="custom")
    assert next(stream) == 0
    _until(lambda: lead.made > BUFFER)
    time.sleep(0.02)
    assert lead.made <= BUFFER + BURST
    stream.close()


async def test_a_consumer_that_stands_still_stops_the_producer_on_the_loop() -> None:
    """The same on an event loop, for tokens that are announced by awaited callbacks."""
    lead = Lead()
    stream: Any = model_alone(lead).compile(buffer=BUFFER).astream(START_AT, stream_mode="messages")
    async with aclosing(stream):
        await anext(stream)
        for _ in range(200):
            await asyncio.sleep(0)
        assert BUFFER <= lead.made <= BUFFER + BURST


async def test_a_synchronous_burst_overshoots_and_is_held_at_the_next_await() -> None:
    """What a coroutine writes without an await in between cannot be held; its next await is."""
    lead = Lead()

    async def node(state: Any) -> None:
        write = get_stream_writer()
        for _ in range(3):
            for n in range(100):
                lead.make()
                write(n)
            await asyncio.sleep(0)

    stream: Any = single(node).compile(buffer=BUFFER).astream(START_AT, stream_mode="custom")
    async with aclosing(stream):
        async for _ in stream:
            lead.read += 1
            await asyncio.sleep(0)
    assert lead.made == lead.read == 300
    assert lead.highest <= 100 + BUFFER


@pytest.mark.parametrize("modes", [["values", "custom"], ["events", "messages", "updates"]], ids=str)
def test_one_buffer_for_all_modes(modes: Any) -> None:
    """Several modes share the buffer: with each token counted in every mode, the lead in tokens is smaller still."""
    lead = Lead()
    build = writer if "custom" in modes else model_alone
    for mode, item in build(lead).compile(buffer=BUFFER).stream(START_AT, stream_mode=modes):
        lead.read += mode == "custom" or (mode == "events" and TOKENS(item))
    assert lead.made == TOTAL
    assert lead.highest <= BUFFER + BURST


def test_a_buffer_of_one() -> None:
    """The smallest buffer works: items come one by one."""
    lead = Lead()
    graph = writer(lead).compile(buffer=1)
    for _ in graph.stream(START_AT, stream_mode="custom"):
        lead.read += 1
    assert lead.made == lead.read == TOTAL
    assert lead.highest <= 1 + BURST


@pytest.mark.blocking
def test_a_synchronous_chain_on_the_loops_own_thread_does_not_deadlock(monkeypatch: pytest.MonkeyPatch) -> None:
    """A coroutine that calls a sync chain blocks the loop; worker threads inside must not wait for that very loop."""
    monkeypatch.setattr(_mailbox, "_LOOP_ANSWERS_WITHIN", 0.1)
    models = RunnableParallel({name: Counting(lead=Lead(), total=1) for name in "abc"})

    async def node(state: Any) -> None:
        models.invoke("hi")

    async def items() -> list[Any]:
        return [item async for item in single(node).compile(buffer=2).astream(START_AT, stream_mode="messages")]

    assert len([item for item in run(items()) if item[0].content]) == 3


# Abandoning ------------------------------------------------------------------------------------------------


@params({k: v for k, v in THREADED.items() if k not in ("values", "updates")})
def test_closing_releases_waiting_threads(producer: Producer) -> None:
    """A producer that waits for room goes on, or is ended, when its consumer closes the stream; no thread stays."""
    before = threading.active_count()
    lead = Lead()
    stream: Any = producer.build(lead).compile(buffer=BUFFER).stream(START_AT, stream_mode=producer.mode)
    next(stream)
    _until(lambda: lead.made >= BUFFER // 4)
    stream.close()
    assert threading.active_count() == before


@params({k: v for k, v in AWAITED.items() if k not in ("values", "updates")})
async def test_closing_releases_waiting_tasks(producer: Producer) -> None:
    """The same on an event loop: no task stays."""
    before = asyncio.all_tasks()
    lead = Lead()
    stream: Any = producer.build(lead).compile(buffer=BUFFER).astream(START_AT, stream_mode=producer.mode)
    async with aclosing(stream):
        await anext(stream)
        for _ in range(50):
            await asyncio.sleep(0)
    assert asyncio.all_tasks() == before


async def test_closing_releases_a_thread_that_works_for_a_loop() -> None:
    """A sync node of an async run that waits for room goes on when the consumer closes the stream."""
    done = threading.Event()

    def node(state: Any) -> None:
        for n in range(1000):
            get_stream_writer()(n)
        done.set()

    stream: Any = single(node).compile(buffer=BUFFER).astream(START_AT, stream_mode="custom")
    async with aclosing(stream):
        await anext(stream)
        await asyncio.sleep(0.02)
        assert not done.is_set()
    assert await asyncio.to_thread(done.wait, 5)


def _until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 5
    while not holds():
        assert time.monotonic() < deadline, "it never came to that"
        time.sleep(0.001)
