"""Threads that are read, changed and asked, and streams of graphs in nodes: LangGraph against us, no goals.

Both sides keep their threads in memory savers of their own; time is the processor's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Final

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.memory import InMemorySaver

from benchmarks import _graphs as graphs
from benchmarks._kinds import Measure, head_to_head
from benchmarks._saved import left_by, on_cpu, thread
from benchmarks._timing import Pass
from benchmarks._workloads import QUESTION, ZERO, AsyncPass, Engine, SyncPass

CHECKPOINTS: Final = 200
QUESTIONS: Final = 20
MODES: Final = ("values", "updates", "custom", "messages", "debug", "tasks", "checkpoints")
Read = Callable[[Any, RunnableConfig], int]


def threads() -> Iterator[tuple[str, Measure]]:
    """The scenarios of this module."""
    yield f"thread of {CHECKPOINTS}, get_state", _reading(_state, unit="call")
    yield f"thread of {CHECKPOINTS}, get_state_history", _reading(_history, unit="snapshot", units=CHECKPOINTS)
    yield f"thread of {CHECKPOINTS}, update_state", on_cpu(head_to_head(_updating, unit="call", units=1))
    for label, inside in (("", False), (" in a subgraph", True)):
        make = partial(_asking, inside)
        yield f"interrupt and resume{label}", on_cpu(head_to_head(make, unit="question", units=QUESTIONS))
    for mode in MODES:
        yield f"streams of subgraphs, {mode}", on_cpu(head_to_head(partial(_streaming, mode), unit="run", units=1))
    yield "streams of subgraphs, all modes", _all_modes(_streaming)
    yield "streams of subgraphs, all modes (sync)", _all_modes(_streaming_sync)


def _all_modes(make: Callable[[list[str], Engine], Pass]) -> Measure:
    return on_cpu(head_to_head(partial(make, list(MODES)), unit="run", units=1))


def _long_thread(engine: Engine) -> tuple[Any, InMemorySaver, str, RunnableConfig]:
    """A graph, its saver, and a thread of 200 checkpoints: the input's, and one for each superstep."""
    saver = InMemorySaver()
    graph: Any = graphs.loop(CHECKPOINTS - 2, engine, saver, sync=True)
    name, config = thread()
    graph.invoke(ZERO, config)
    return graph, saver, name, config


def _reading(read: Read, *, unit: str, units: int = 1) -> Measure:
    def make(engine: Engine) -> SyncPass:
        graph, _, _, config = _long_thread(engine)
        return lambda: read(graph, config)

    return on_cpu(head_to_head(make, unit=unit, units=units))


def _state(graph: Any, config: RunnableConfig) -> int:
    return int(graph.get_state(config).values["count"])


def _history(graph: Any, config: RunnableConfig) -> int:
    return sum(1 for _ in graph.get_state_history(config))


def _updating(engine: Engine) -> SyncPass:
    return partial(_update, *_long_thread(engine))


def _update(graph: Any, saver: InMemorySaver, name: str, config: RunnableConfig) -> int:
    """Update the thread, then drop the checkpoint: it stays as long as it is, however many passes there are."""
    made = graph.update_state(config, {"count": 1}, as_node="step")
    del saver.storage[name][""][made["configurable"]["checkpoint_id"]]
    return 1


def _asking(inside: bool, engine: Engine) -> AsyncPass:
    saver = InMemorySaver()
    graph: Any = graphs.questions(QUESTIONS, engine, saver, inside=inside)
    command: Callable[..., Any] = engine.load("Command")

    async def run() -> int:
        name, config = thread()
        found = await graph.ainvoke({"count": 0}, config)
        while "__interrupt__" in found:
            found = await graph.ainvoke(command(resume=found["count"]), config)
        left_by(saver, name)
        return int(found["count"])

    return run


def _streaming(modes: str | list[str], engine: Engine) -> AsyncPass:
    saver = InMemorySaver()
    graph: Any = graphs.nested(engine, saver)

    async def run() -> int:
        name, config = thread()
        items = sum([1 async for _ in graph.astream(QUESTION, config, stream_mode=modes, subgraphs=True)])
        left_by(saver, name)
        return items

    return run


def _streaming_sync(modes: list[str], engine: Engine) -> SyncPass:
    saver = InMemorySaver()
    graph: Any = graphs.nested(engine, saver, sync=True)

    def run() -> int:
        name, config = thread()
        items = sum(1 for _ in graph.stream(QUESTION, config, stream_mode=modes, subgraphs=True))
        left_by(saver, name)
        return items

    return run
