"""Graphs that are served as they are: ours, and LangGraph's of the same nodes. Needs LangGraph."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypedDict

import typing_extensions
from langchain_core.language_models import GenericFakeChatModel
from langchain_core.messages import AIMessage
from langchain_core.prompts import ChatPromptTemplate
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START
from langgraph.graph import MessagesState as TheirMessages
from langgraph.graph import StateGraph as TheirGraph

from lcel_compat import MessagesState as OurMessages
from lcel_compat import StateGraph as OurGraph


class Joke(typing_extensions.TypedDict, total=False):
    """A state as pydantic wants it."""

    topic: str
    answer: str


class Part(TypedDict, total=False):
    """A part of a state, of a class that pydantic refuses before Python 3.12."""

    text: str


class Old(TypedDict, total=False):
    """A state of such a class."""

    topic: str
    part: Part
    parts: list[Part]


class Tone(TypedDict, total=False):
    """A context of such a class."""

    tone: str


def _name(graph: Any, name: str) -> str:
    """A name that no other graph has: LangServe breaks the second of two routes whose models share a name."""
    return ("Our" if graph is OurGraph else "Their") + name


def _model() -> GenericFakeChatModel:
    return GenericFakeChatModel(messages=iter([AIMessage("Why did the parrot cross", id="1")] * 99))


def jokes(graph: Any) -> Any:
    """A prompt and a model in a node."""
    chain = ChatPromptTemplate.from_template("A joke about {topic}") | _model()

    async def tell(state: Any) -> Any:
        return {"answer": (await chain.ainvoke(state)).content}

    return graph(Joke).add_node("tell", tell).add_edge(START, "tell").compile(name=_name(graph, "Jokes"))


def talks(graph: Any, state: Any, **compiled: Any) -> Any:
    """A model that is given messages."""

    async def answer(state: Any) -> Any:
        return {"messages": [await _model().ainvoke(state["messages"])]}

    return (
        graph(state)
        .add_node("answer", answer)
        .add_edge(START, "answer")
        .compile(name=_name(graph, "Talks"), **compiled)
    )


def olds(graph: Any) -> Any:
    """A graph whose state and context pydantic refuses before Python 3.12."""

    def part(state: Any) -> Any:
        return {"part": {"text": state["topic"]}, "parts": [{"text": "a"}, {}]}

    return (
        graph(Old, context_schema=Tone)
        .add_node("part", part)
        .add_edge(START, "part")
        .compile(name=_name(graph, "Olds"))
    )


GRAPHS: dict[str, tuple[Callable[[], Any], bool]] = {
    "/our_joke": (lambda: jokes(OurGraph), True),
    "/their_joke": (lambda: jokes(TheirGraph), True),
    "/our_talk": (lambda: talks(OurGraph, OurMessages), True),
    "/their_talk": (lambda: talks(TheirGraph, TheirMessages), True),
    "/our_old": (lambda: olds(OurGraph), True),
    # What LangServe cannot register, or drops the thread of.
    "/their_old": (lambda: olds(TheirGraph), False),
    "/our_saved": (lambda: talks(OurGraph, OurMessages, checkpointer=InMemorySaver()), False),
    "/their_saved": (lambda: talks(TheirGraph, TheirMessages, checkpointer=InMemorySaver()), False),
}
"""What is served under a path, and whether LangServe can."""
