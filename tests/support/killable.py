"""A program that can be killed at any moment and started again: a graph on a SQLite saver, driven to its end.

    python -m tests.support.killable DATABASE EFFECTS DURABILITY

Every node appends a line to the file of effects before it returns; every update that the stream shows is printed.
"""

from __future__ import annotations

import operator
import os
import sys
import time
from pathlib import Path
from typing import Annotated, Any, TypedDict

from langgraph.checkpoint.sqlite import SqliteSaver

from lcel_compat import END, START, CompiledStateGraph, Send, StateGraph

THREAD: Any = {"configurable": {"thread_id": "killed"}}
EXPECTED = ["begin", "left", "right", "inner one", "inner two", "packet 0", "packet 1", "packet 2", "end"]
"""What the log holds at the end, sorted as the graph sorts it."""


class State(TypedDict, total=False):
    """A log that all nodes write to."""

    log: Annotated[list[str], operator.add]


class Packet(TypedDict):
    """What a packet's task is given."""

    number: int


def graph(saver: Any, effects: Path) -> CompiledStateGraph:
    """A line, a fan with a join, a graph inside and packets; every node leaves a trace before it returns."""

    def leaves(name: str) -> Any:
        def node(state: State) -> State:
            return _done(effects, name)

        return node

    inner = StateGraph(State)
    inner.add_sequence([("one", leaves("inner one")), ("two", leaves("inner two"))])
    inner.add_edge(START, "one")

    def inside(state: State) -> State:
        return {"log": inner.compile().invoke({})["log"]}

    def packet(given: Packet) -> State:
        return _done(effects, f"packet {given['number']}")

    outer = StateGraph(State)
    outer.add_node("begin", leaves("begin"))
    outer.add_node("left", leaves("left"))
    outer.add_node("right", leaves("right"))
    outer.add_node("inside", inside)
    outer.add_node("packet", packet, input_schema=Packet)
    outer.add_node("end", leaves("end"), defer=True)
    outer.add_edge(START, "begin")
    outer.add_edge("begin", "left")
    outer.add_edge("begin", "right")
    outer.add_edge(["left", "right"], "inside")
    outer.add_conditional_edges("inside", lambda state: [Send("packet", {"number": n}) for n in range(3)], ["packet"])
    outer.add_edge("packet", "end")
    outer.add_edge("end", END)
    return outer.compile(checkpointer=saver)


def _done(effects: Path, name: str) -> State:
    with effects.open("a") as file:
        file.write(f"{name}\n")
        file.flush()
        os.fsync(file.fileno())
    time.sleep(0.002)
    return {"log": [name]}


def main(database: str, effects: str, durability: Any) -> None:
    """Run the thread to its end, or go on where it was killed."""
    with SqliteSaver.from_conn_string(database) as saver:
        compiled = graph(saver, Path(effects))
        begun = compiled.get_state(THREAD).created_at is not None
        items = compiled.stream(None if begun else {"log": []}, THREAD, stream_mode="updates", durability=durability)
        for item in items:
            for name, update in item.items():
                for line in (update or {}).get("log", []) if name != "__metadata__" else []:
                    print(line, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
