"""The registry: what is measured, and the goal each measurement has to beat."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Final

from langchain_core.callbacks import CallbackManager
from langchain_core.runnables import Runnable

from benchmarks import _workloads as work
from benchmarks._compare import comparisons
from benchmarks._face import faces
from benchmarks._kinds import (
    Measure,
    Reading,
    Scenario,
    against_plain,
    cost_of,
    growth,
    head_to_head,
    import_time,
    slow_reader,
)
from benchmarks._memory import memory
from benchmarks._saved import saved
from benchmarks._serving import serving
from benchmarks._threads import threads
from benchmarks._timing import Pass, Settings
from benchmarks._workloads import QUESTION, ZERO, AsyncPass, Engine, Graph, Modes, Node, TokenModel

NODES: Final = 50
TOKENS: Final = 500
BUFFER: Final = 256
Make = Callable[[Engine], Pass]
Wrap = Callable[[Runnable[Any, str]], Node]

FIVE: Final = ("values", "updates", "custom", "messages", "debug")


def scenarios() -> tuple[Scenario, ...]:
    """Every scenario, in the order of the table."""
    found = (
        *(*_rows_of_nodes(), *_chains(), *faces(), *_linearity()),
        *(*saved(), *threads(), *memory()),
        *(*_others(), *comparisons(), *serving(), *_yardsticks()),
    )
    return tuple(Scenario(name=name, measure=measure) for name, measure in found)


def _rows_of_nodes() -> Iterator[tuple[str, Measure]]:
    """50 function nodes, one after another and side by side, with nobody listening or with one."""
    yield "line of 50, ainvoke", _nodes(_ainvoke, goal=5, aim=20)
    for label, modes in _modes():
        yield f"line of 50, astream {label}", _nodes(_astream(modes), goal=4)
    yield "line of 50, invoke (sync)", _nodes(lambda engine: work.invoked(_sync_line(engine)))
    for label, modes in _modes():
        yield f"line of 50, stream {label} (sync)", _nodes(_stream(modes))
    yield "line of 50, astream_events", _nodes(_line_events, goal=2)
    fan = _nodes(lambda engine: work.ainvoked(work.fan_out(engine, NODES)), goal=3)
    yield "fan-out of 50 and a join, ainvoke", fan


def _chains() -> Iterator[tuple[str, Measure]]:
    """`prompt | model | parser` in a node: called by a function, then as a streaming node."""
    for label, node in (("function", work.called), ("as_node", work.adapted)):
        yield f"500 tokens, {label}, messages", _tokens(node, "messages")
        yield f"500 tokens, {label}, astream_events", _tokens(node, "events")
    plain = against_plain(_plain_events, _adapted_events, unit="token", units=TOKENS, goal=1)
    yield "500 tokens, as_node, astream_events against the chain", plain


def _linearity() -> Iterator[tuple[str, Measure]]:
    yield "growth with nodes, ainvoke", growth(_long_line, unit="node", sizes=(10, 100, 1_000))
    for surface in ("messages", "events"):
        make = partial(_called_chain, surface)
        lengths = (100, 1_000, 5_000)
        yield f"growth with tokens, {surface}", growth(make, unit="token", sizes=lengths)
    yield "growth with modes", growth(_first_modes, unit="mode", sizes=(1, 2, 3, 4, 5))


def _others() -> Iterator[tuple[str, Measure]]:
    yield "import and compile one node", import_time(bound=1.2)
    yield (
        "slow reader, messages",
        slow_reader("LangGraph", _messages_of_theirs, _messages_of_ours, buffer=BUFFER),
    )
    yield (
        "slow reader, astream_events",
        slow_reader("plain chain", _events_of_chain, _events_of_ours, buffer=BUFFER),
    )


def _yardsticks() -> Iterator[tuple[str, Measure]]:
    yield "asyncio task with a context of its own", cost_of("task", _task_cost)
    yield "CallbackManager.configure", cost_of("call", _configure_cost)


def _modes() -> Iterator[tuple[str, Modes]]:
    for mode in ("values", "updates", "debug"):
        yield mode, mode
    yield "five modes", list(FIVE)


def _nodes(make: Make, *, goal: float | None = None, aim: float | None = None) -> Measure:
    return head_to_head(make, unit="node", units=NODES, goal=goal, aim=aim)


def _ainvoke(engine: Engine) -> Pass:
    return work.ainvoked(work.line(engine, NODES))


def _astream(modes: Modes) -> Make:
    return lambda engine: work.astreamed(work.line(engine, NODES), modes, ZERO)


def _stream(modes: Modes) -> Make:
    return lambda engine: work.streamed(_sync_line(engine), modes)


def _sync_line(engine: Engine) -> Graph:
    return work.line(engine, NODES, sync=True)


def _line_events(engine: Engine) -> Pass:
    return work.events_of(work.line(engine, NODES), ZERO)


def _long_line(engine: Engine, nodes: int) -> Pass:
    return work.ainvoked(work.line(engine, nodes))


def _called_chain(surface: str, engine: Engine, tokens: int) -> Pass:
    return _token_pass(work.one_node(engine, _node(work.called, tokens)), surface)


def _first_modes(engine: Engine, number: int) -> Pass:
    return work.astreamed(work.line(engine, NODES), list(FIVE[:number]), ZERO)


def _node(wrap: Wrap, tokens: int) -> Node:
    return wrap(work.token_chain(TokenModel(tokens=tokens)))


def _token_pass(graph: Graph, surface: str) -> Pass:
    if surface == "events":
        return work.events_of(graph, QUESTION)
    return work.astreamed(graph, surface, QUESTION)


def _tokens(wrap: Wrap, surface: str) -> Measure:
    def make(engine: Engine) -> Pass:
        return _token_pass(work.one_node(engine, _node(wrap, TOKENS)), surface)

    return head_to_head(make, unit="token", units=TOKENS, goal=1)


def _plain_events() -> Pass:
    return work.events_of(work.token_chain(TokenModel(tokens=TOKENS)), QUESTION)


def _adapted_events(engine: Engine) -> Pass:
    return work.events_of(work.one_node(engine, _node(work.adapted, TOKENS)), QUESTION)


def _messages(engine: Engine, tokens: int) -> Reading:
    model = TokenModel(tokens=tokens)
    graph = work.one_node(engine, work.called(work.token_chain(model)))
    return Reading(
        model=model,
        stream=lambda: graph.astream(QUESTION, stream_mode="messages"),
        is_token=lambda item: bool(item[0].content),
    )


def _messages_of_theirs(settings: Settings, tokens: int) -> Reading:
    return _messages(settings.theirs, tokens)


def _messages_of_ours(settings: Settings, tokens: int) -> Reading:
    return _messages(settings.ours, tokens)


def _events_of_chain(settings: Settings, tokens: int) -> Reading:
    model = TokenModel(tokens=tokens)
    return _events_reading(model, work.token_chain(model))


def _events_of_ours(settings: Settings, tokens: int) -> Reading:
    model = TokenModel(tokens=tokens)
    node = work.adapted(work.token_chain(model))
    return _events_reading(model, work.one_node(settings.ours, node))


def _events_reading(model: TokenModel, runnable: Graph) -> Reading:
    return Reading(
        model=model,
        stream=lambda: runnable.astream_events(QUESTION, version="v2"),
        is_token=lambda event: event["event"] == "on_chat_model_stream",
    )


def _task_cost() -> tuple[AsyncPass, int]:
    async def nothing() -> None:
        return None

    async def run() -> int:
        for _ in range(100):
            await asyncio.create_task(nothing(), context=contextvars.copy_context())
        return 100

    return run, 100


def _configure_cost() -> tuple[Pass, int]:
    def run() -> int:
        for _ in range(100):
            CallbackManager.configure()
        return 100

    return run, 100
