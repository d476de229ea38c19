"""Graphs whose runs are worth saving: loops, wide and validated states, graphs in nodes, questions.

Each is compiled with the saver it is given, or with none.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from typing import Annotated, Any, Final, TypedDict

from langchain_core.runnables import Runnable, RunnableConfig
from pydantic import BaseModel

from benchmarks._workloads import Answer, Count, Engine, Graph, TokenModel, token_chain

Saver = Any
"""A `BaseCheckpointSaver`, or None for a graph that saves nothing."""


class Profile(BaseModel):
    """A part of the validated state."""

    name: str
    tags: list[str]


class Ticket(BaseModel):
    """A validated state of a dozen fields, as support applications have them; counts like `Count`."""

    count: Annotated[int, operator.add] = 0
    subject: str = "A question"
    body: str = "What is a superstep?"
    language: str = "en"
    priority: int = 3
    score: float = 0.5
    urgent: bool = False
    labels: list[str] = ["billing", "account"]
    numbers: dict[str, int] = {"sent": 1, "read": 2}
    customer: Profile = Profile(name="A. Customer", tags=["new"])
    assignee: Profile | None = None
    notes: list[Profile] = [Profile(name=f"note {number}", tags=[]) for number in range(5)]


class Talk(TypedDict, total=False):
    """The state of the graph with questions: how many were answered, and the last answer."""

    count: int
    answer: int


async def _count(state: Count) -> Count:
    return {"count": 1}


def _count_sync(state: Count) -> Count:
    return {"count": 1}


def in_a_row(engine: Engine, state: type, nodes: dict[str, Any], saver: Saver = None) -> Graph:
    """The nodes one after another."""
    builder = engine.builder(state)
    for name, node in nodes.items():
        builder.add_node(name, node)
    for before, after in pairwise([engine.load("START"), *nodes, engine.load("END")]):
        builder.add_edge(before, after)
    compiled: Graph = builder.compile(checkpointer=saver)
    return compiled


def line(nodes: int, engine: Engine, saver: Saver, *, sync: bool = False, state: type = Count) -> Graph:
    """`nodes` function nodes in a row, each of which counts."""
    return in_a_row(engine, state, {f"n{number}": _count_sync if sync else _count for number in range(nodes)}, saver)


def loop(steps: int, engine: Engine, saver: Saver, *, sync: bool = False) -> Graph:
    """One node that runs `steps` times: a superstep each."""

    def route(state: Count) -> str:
        return "step" if state["count"] < steps else str(engine.load("END"))

    builder = engine.builder(Count)
    builder.add_node("step", _count_sync if sync else _count)
    builder.add_edge(engine.load("START"), "step")
    builder.add_conditional_edges("step", route, ["step", engine.load("END")])
    compiled: Graph = builder.compile(checkpointer=saver)
    return compiled


def wide(keys: int, engine: Engine, saver: Saver, *, nodes: int = 20, written: int = 3) -> Graph:
    """A state of `keys` counters and `count`; each of 20 nodes reads all of it and writes `written` counters."""
    names = [f"key_{number}" for number in range(keys)]
    counter = Annotated[int, operator.add]
    make: Any = TypedDict
    state = make("Wide", dict.fromkeys([*names, "count"], counter))
    update = {"count": 1, **dict.fromkeys(names[:written], 1)}

    async def write(state: Any) -> dict[str, int]:
        return dict(update)

    return in_a_row(engine, state, {f"n{number}": write for number in range(nodes)}, saver)


def wide_input(keys: int) -> dict[str, int]:
    """A value for every key of `wide`."""
    return {"count": 0, **{f"key_{number}": number for number in range(keys)}}


def validated(nodes: int, engine: Engine, saver: Saver) -> Graph:
    """A pydantic state that each of the nodes is given, whole and validated."""

    async def step(state: Ticket) -> dict[str, Any]:
        return {"count": 1, "priority": (state.priority + 1) % 5, "labels": [*state.labels[:4], state.subject]}

    return in_a_row(engine, Ticket, {f"n{number}": step for number in range(nodes)}, saver)


def fan_of_sends(width: int, engine: Engine, saver: Saver) -> Graph:
    """`width` Sends to one node, which is a graph of two nodes."""
    send: Callable[..., Any] = engine.load("Send")

    def spread(state: Count) -> list[Any]:
        return [send("inner", {"count": 0}) for _ in range(width)]

    builder = engine.builder(Count)
    builder.add_node("inner", line(2, engine, None))
    builder.add_conditional_edges(engine.load("START"), spread, ["inner"])
    builder.add_edge("inner", engine.load("END"))
    compiled: Graph = builder.compile(checkpointer=saver)
    return compiled


def fan_of_nodes(width: int, engine: Engine, saver: Saver) -> Graph:
    """`width` nodes side by side, each a graph of two nodes of its own."""
    builder = engine.builder(Count)
    for number in range(width):
        builder.add_node(f"inner_{number}", line(2, engine, None))
        builder.add_edge(engine.load("START"), f"inner_{number}")
        builder.add_edge(f"inner_{number}", engine.load("END"))
    compiled: Graph = builder.compile(checkpointer=saver)
    return compiled


LEAVES: Final = 9
"""How many innermost graphs `nested` has."""


def nested(engine: Engine, saver: Saver, *, sync: bool = False) -> Graph:
    """Graphs in nodes, two deep, three of each; the innermost write to `custom` and let a model speak ten tokens."""
    leaf = in_a_row(engine, Answer, {"tell": _teller(engine), "ask": _asker(sync=sync)})
    middle = in_a_row(engine, Answer, {f"leaf_{number}": leaf for number in range(3)})
    return in_a_row(engine, Answer, {f"middle_{number}": middle for number in range(3)}, saver)


def _teller(engine: Engine) -> Any:
    writer: Callable[[], Callable[[Any], None]] = engine.load("get_stream_writer")

    def tell(state: Answer) -> Answer:
        writer()({"asked": state["question"]})
        return {"question": state["question"]}

    return tell


def _asker(*, sync: bool) -> Any:
    chain: Runnable[Any, str] = token_chain(TokenModel(tokens=10))

    async def ask(state: Answer, config: RunnableConfig) -> Answer:
        return {"answer": await chain.ainvoke(state, config)}

    def ask_sync(state: Answer, config: RunnableConfig) -> Answer:
        return {"answer": chain.invoke(state, config)}

    return ask_sync if sync else ask


def questions(number: int, engine: Engine, saver: Saver, *, inside: bool = False) -> Graph:
    """A node that asks until it has `number` answers; `inside` puts it into a graph in a node."""
    interrupt: Callable[[Any], Any] = engine.load("interrupt")

    async def ask(state: Talk) -> Talk:
        return {"answer": interrupt({"number": state["count"]}), "count": state["count"] + 1}

    builder = engine.builder(Talk)
    builder.add_node("ask", in_a_row(engine, Talk, {"inner": ask}) if inside else ask)
    builder.add_edge(engine.load("START"), "ask")
    route: Callable[[Talk], str] = partial(_again, number, engine.load("END"))
    builder.add_conditional_edges("ask", route, ["ask", engine.load("END")])
    compiled: Graph = builder.compile(checkpointer=saver)
    return compiled


def _again(number: int, end: str, state: Talk) -> str:
    return "ask" if state["count"] < number else end
