"""Agents that people already have, as nodes: ``langchain.agents.create_agent`` makes a graph of LangGraph's."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Annotated, Any

import pytest
from langchain.agents import create_agent
from langchain.agents.middleware import HumanInTheLoopMiddleware
from langchain_core.messages import BaseMessage
from langchain_core.outputs import ChatGenerationChunk
from langchain_core.tools import tool
from langgraph.prebuilt import InjectedState
from langgraph.types import interrupt

from tests.differential.scenarios.play import Scenario, assert_same_play, oracle, play
from tests.differential.scenarios.stage import Stage
from tests.differential.scenarios.steps import history, ran, resume, state, stream
from tests.differential.scenarios.streams import EVENTS
from tests.support.colours import ASYNC, SYNC, Colour
from tests.support.engines import OURS
from tests.support.models import StreamingChat

QUESTION = {"messages": [("user", "what is 2 x 3")]}


class Calculator(StreamingChat):
    """A model that asks for a tool once, and then says what the tool said."""

    wants: str
    args: dict[str, Any]

    def bind_tools(self, tools: Any, **kwargs: Any) -> Any:
        """Return the model: it knows what it wants."""
        return self

    def _answer(self, messages: list[BaseMessage]) -> StreamingChat:
        if messages[-1].type == "tool":
            return StreamingChat(text=f"It says {messages[-1].content}", message_id=f"m{len(messages)}")
        call = {"name": self.wants, "args": self.args, "id": "call"}
        return StreamingChat(text="", tool_calls=[call], message_id=f"m{len(messages)}")

    def _generate(self, messages: Any, stop: Any = None, run_manager: Any = None, **kw: Any) -> Any:
        return self._answer(messages)._generate(messages)

    def _stream(self, messages: Any, stop: Any = None, run_manager: Any = None, **kw: Any) -> Iterator[Any]:
        yield from self._answer(messages)._stream(messages)

    async def _astream(
        self, messages: Any, stop: Any = None, run_manager: Any = None, **kw: Any
    ) -> AsyncIterator[ChatGenerationChunk]:
        async for piece in self._answer(messages)._astream(messages):
            yield piece


@tool
def multiply(a: int, b: int, state: Annotated[dict[str, Any], InjectedState]) -> str:
    """Multiply."""
    return f"{a * b} after {len(state['messages'])}"


@tool
def confirm(question: str) -> str:
    """Ask a person."""
    return f"{question} {interrupt(question)}"


def _agent(stage: Stage, wants: str, args: dict[str, Any], **options: Any) -> Any:
    model = Calculator(wants=wants, args=args)
    agent = create_agent(model, [multiply, confirm], name="calculator", **options)
    after = stage.node("after", lambda state: {"messages": [("ai", f"{len(state['messages'])} messages")]})
    return stage.graph({"agent": agent, "after": after}, "^>agent>after>$", stage.lib.MessagesState)


def calculates(stage: Stage) -> Any:
    """Return a graph with an agent that calls a tool."""
    return _agent(stage, "multiply", {"a": 2, "b": 3})


def asks(stage: Stage) -> Any:
    """Return a graph with an agent whose tool asks a person."""
    return _agent(stage, "confirm", {"question": "sure?"})


def reviewed(stage: Stage) -> Any:
    """Return a graph with an agent whose tool calls a person has to approve."""
    middleware = [HumanInTheLoopMiddleware(interrupt_on={"multiply": True})]
    return _agent(stage, "multiply", {"a": 2, "b": 3}, middleware=middleware)


APPROVED = {"decisions": [{"type": "approve"}]}
EDITED = {
    "decisions": [{"type": "edit", "edited_action": {"name": "multiply", "args": {"a": 4, "b": 5}}}],
}
CASES = [
    Scenario(name="calculates", build=calculates, steps=(stream(QUESTION), state(), history())),
    Scenario(
        name="goes on talking",
        build=calculates,
        steps=(stream(QUESTION), stream({"messages": "again"}), state(), ran()),
    ),
    Scenario(
        name="asks", build=asks, steps=(stream(QUESTION), state(subgraphs=True), resume("yes"), state(), history())
    ),
    Scenario(name="approved", build=reviewed, steps=(stream(QUESTION), state(), resume(APPROVED), state(), ran())),
    Scenario(name="edited", build=reviewed, steps=(stream(QUESTION), resume(EDITED), state())),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_agent_as_a_node(case: Scenario, colour: Colour) -> None:
    """An agent is a node: its streams, its questions and its history are what they are in LangGraph's own graph."""
    assert_same_play(oracle(case, colour), play(case, colour, OURS), racing=False)


@pytest.mark.parametrize("case", CASES[:3], ids=lambda case: case.name)
def test_events_of_an_agent_as_a_node(case: Scenario) -> None:
    """Who listens to the events hears the agent's model and tools as before."""
    assert_same_play(oracle(case, ASYNC, EVENTS), play(case, ASYNC, OURS, view=EVENTS), EVENTS, racing=False)


def test_synchronous_events_of_an_agent_as_a_node() -> None:
    """Synchronous listeners hear each token of its model, too."""
    case = CASES[0]
    heard = [e for e in play(case, SYNC, OURS, view=EVENTS)[0].value if e["event"] == "on_chat_model_stream"]
    assert [e["data"]["chunk"].content for e in heard if e["data"]["chunk"].content] == [
        "It",
        " says",
        " 6",
        " after",
        " 2",
    ]
