"""Building graphs: nodes of every accepted signature, edges of every kind. It only has to type-check."""

from __future__ import annotations

import operator
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from langchain_core.runnables import Runnable, RunnableConfig, RunnableLambda
from pydantic import BaseModel
from typing_extensions import TypedDict

from lcel_compat import (
    END,
    START,
    Command,
    CompiledStateGraph,
    MessagesState,
    Send,
    StateGraph,
    StreamWriter,
    add_messages,
    get_stream_writer,
)


class State(TypedDict, total=False):
    """A state."""

    topic: str
    log: Annotated[list[str], operator.add]
    messages: Annotated[list[Any], add_messages]


class Topic(TypedDict):
    """Part of it."""

    topic: str


@dataclass
class Data:
    """A state as a dataclass."""

    topic: str


class Model(BaseModel):
    """A state as a pydantic model."""

    topic: str


class Update(TypedDict, total=False):
    """What a node returns."""

    log: list[str]


def plain(state: State) -> dict[str, Any]:
    return {"log": [state.get("topic", "")]}


def typed(state: State) -> Update:
    return {"log": []}


def nothing(state: State) -> None:
    get_stream_writer()("sent")


def part(state: Topic) -> dict[str, list[str]]:
    return {"log": [state["topic"]]}


def with_config(state: State, config: RunnableConfig) -> Update:
    return {"log": list(config.get("tags", []))}


def with_optional_config(state: State, config: RunnableConfig | None = None) -> Update:
    return {"log": []}


def with_writer(state: State, writer: StreamWriter) -> Update:
    writer({"anything": 1})
    return {"log": []}


def with_both(state: State, *, config: RunnableConfig, writer: StreamWriter) -> Update:
    writer(config)
    return {"log": []}


async def awaited(state: State) -> Update:
    return {"log": []}


async def awaited_with_both(state: State, config: RunnableConfig, writer: StreamWriter) -> Update:
    writer(config)
    return {"log": []}


def commands(state: State) -> Command[Literal["plain", "typed"]]:
    return Command(update={"log": ["x"]}, goto=["plain", Send("typed", state)])


def streams(state: State) -> Iterator[Update]:
    yield {"log": ["x"]}


async def astreams(state: State) -> AsyncIterator[Update]:
    yield {"log": ["x"]}


class Callable:
    """A callable object."""

    def __call__(self, state: State) -> Update:
        return {"log": []}


def choose(state: State) -> Literal["plain", "typed"]:
    return "plain"


def choose_many(state: State) -> list[str | Send]:
    return ["plain", Send("typed", {"topic": "x"})]


def of_data(state: Data) -> Data:
    return Data(topic=state.topic)


def of_model(state: Model) -> Model:
    return Model(topic=state.topic)


async def choose_later(state: State) -> str:
    return END


runnable: Runnable[State, Update] = RunnableLambda(typed)

builder = StateGraph(State, input_schema=Topic, output_schema=State)
builder.add_node(plain)
builder.add_node(typed, metadata={"kind": "x"}, defer=True)
builder.add_node("nothing", nothing)
builder.add_node("part", part, input_schema=Topic)
builder.add_node("with_config", with_config).add_node("with_optional_config", with_optional_config)
builder.add_node("with_writer", with_writer).add_node("with_both", with_both)
builder.add_node("awaited", awaited).add_node("awaited_with_both", awaited_with_both)
builder.add_node("commands", commands, destinations=("plain", "typed"))
builder.add_node("streams", streams).add_node("astreams", astreams)
builder.add_node("callable", Callable())
builder.add_node("runnable", runnable)
builder.add_node("mapping", {"log": runnable})
builder.add_sequence([("first", plain), ("second", typed)])
builder.add_edge(START, "plain")
builder.add_edge(["plain", "typed"], "nothing")
builder.add_edge("nothing", END)
builder.add_conditional_edges("part", choose)
builder.add_conditional_edges("plain", choose_many, ["plain", "typed"])
builder.add_conditional_edges("typed", choose_later, {"yes": "plain", True: END})
builder.set_entry_point("plain").set_finish_point("typed")
builder.set_conditional_entry_point(choose, {"plain": "plain"})

compiled: CompiledStateGraph = builder.compile(name="desk", buffer=16)
StateGraph(Data).add_node("node", of_data)
StateGraph(Model).add_node("node", of_model)
StateGraph(MessagesState).add_node("inner", compiled)
