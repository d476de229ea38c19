"""What the page is shown: graphs and chains that stream, ask, fail, and try to get out of their text."""

from __future__ import annotations

import operator
from typing import Annotated, Any

from langchain_core.messages import BaseMessage
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import Runnable, RunnableConfig, RunnableLambda
from typing_extensions import TypedDict

from lcel_adapters import as_node
from lcel_compat import START, MessagesState, StateGraph, get_stream_writer, interrupt
from tests.support.models import AsyncChat

TEXT = "Tokens come one after the other, and none of them is late."
EVIL = "<img src=x onerror=\"document.title='taken'\"><script>document.title='taken'</script>"


class Letter(TypedDict, total=False):
    """What a letter is about, and its text."""

    topic: str
    text: str


class Log(TypedDict, total=False):
    """A number, and what was done."""

    n: int
    log: Annotated[list[str], operator.add]


def written(delay: float = 0.0) -> Runnable[Any, str]:
    """A chain that writes a letter token by token."""
    prompt = ChatPromptTemplate.from_messages([("human", "{topic}")])
    chain = prompt | AsyncChat(text=TEXT, delay=delay) | StrOutputParser()
    return chain.with_config(run_name="letter", tags=["draft"])


def letters(delay: float = 0.0) -> StateGraph[Any, Any, Any, Any]:
    """The same in a graph's node."""
    builder = StateGraph(Letter)
    builder.add_node("write", as_node(written(delay), input={"topic": "topic"}, output="text"))
    return builder.add_edge(START, "write")


def chat() -> StateGraph[Any, Any, Any, Any]:
    """A conversation."""
    model = AsyncChat(text=TEXT)

    async def answer(state: MessagesState, config: RunnableConfig) -> dict[str, list[BaseMessage]]:
        return {"messages": [await model.ainvoke(state["messages"], config)]}

    return StateGraph(MessagesState).add_node("answer", answer).add_edge(START, "answer")


def asks() -> StateGraph[Any, Any, Any, Any]:
    """A graph that asks before it goes on."""

    def prepare(state: Log) -> Log:
        get_stream_writer()({"progress": 1})
        return {"log": ["prepared"]}

    def ask(state: Log) -> Log:
        return {"log": [f"answered {interrupt({'question': 'Go on?'})}"]}

    builder = StateGraph(Log).add_node("prepare", prepare).add_node("ask", ask)
    return builder.add_edge(START, "prepare").add_edge("prepare", "ask")


def asks_twice() -> StateGraph[Any, Any, Any, Any]:
    """A graph that asks two things at once."""

    def ask(what: str) -> Any:
        return lambda state: {"log": [f"{what}: {interrupt(what)!r}"]}

    builder = StateGraph(Log).add_node("a", ask("first")).add_node("b", ask("second"))
    return builder.add_edge(START, "a").add_edge(START, "b")


def fails() -> StateGraph[Any, Any, Any, Any]:
    """A graph whose only node raises."""

    def fail(state: Log) -> Log:
        raise ValueError(f"no good: {EVIL}")

    return StateGraph(Log).add_node("fail", fail).add_edge(START, "fail")


def evil() -> Runnable[Any, Any]:
    """A chain whose names, tags and values are all markup."""
    return RunnableLambda(lambda value: {EVIL: value}).with_config(run_name=EVIL, tags=[EVIL])


def everything() -> dict[str, Any]:
    """All of them, by name."""
    return {
        "letter": written(),
        "letters": letters(),
        "slow": letters(delay=0.15),
        "chat": chat(),
        "asks": asks(),
        "asks_twice": asks_twice(),
        "fails": fails(),
        "evil": evil(),
    }
