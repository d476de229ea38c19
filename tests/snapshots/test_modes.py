"""The items of every stream mode, for one small graph."""

from __future__ import annotations

import operator
from typing import Annotated, Any, Final, TypedDict

import pytest
from langchain_core.callbacks import dispatch_custom_event
from langchain_core.messages import AIMessage, BaseMessage
from syrupy.assertion import SnapshotAssertion

from lcel_adapters import as_node
from lcel_compat import END, START, StateGraph, add_messages, get_stream_writer
from lcel_compat.modes import MODES
from tests.snapshots.script import items_script
from tests.support.colours import ASYNC, SYNC, Colour
from tests.support.models import chat_chain

REPEATED: Final = 20
LISTS: Final = (["updates"], ["messages", "updates", "custom"], list(MODES))
ASKED: Final = (*MODES, *LISTS)


class Desk(TypedDict, total=False):
    """A topic comes in; an answer, messages and a log go out."""

    topic: str
    answer: str
    messages: Annotated[list[BaseMessage], add_messages]
    log: Annotated[list[str], operator.add]


def note(state: Desk) -> dict[str, Any]:
    """Write to the stream, dispatch an event and update two keys."""
    get_stream_writer()({"progress": 0.5})
    dispatch_custom_event("noted", {"topic": state["topic"]})
    return {"log": ["noted"], "messages": [AIMessage("Noted.", id="note-1")]}


def check(state: Desk) -> None:
    """Look, and change nothing."""


def short(state: Desk) -> str:
    """Name the way out."""
    return "end"


def desk() -> Any:
    """Return a graph of a function, a chain and a check, with a conditional edge."""
    builder = StateGraph(Desk)
    builder.add_node("note", note)
    builder.add_node("reply", as_node(chat_chain(), input={"topic": "topic"}, output="answer"))
    builder.add_node("check", check)
    builder.add_edge(START, "note")
    builder.add_edge("note", "reply")
    builder.add_edge("reply", "check")
    builder.add_conditional_edges("check", short, {"end": END})
    return builder.compile(name="desk")


def _script(mode: Any, colour: Colour) -> str:
    config = {"tags": ["mine"], "metadata": {"tenant": "zoo"}}
    return items_script(colour.observe_stream(desk(), {"topic": "parrots"}, config, stream_mode=mode))


def _name(mode: Any) -> str:
    return mode if isinstance(mode, str) else f"list_of_{len(mode)}"


@pytest.mark.parametrize("mode", ASKED, ids=_name)
def test_items(mode: Any, snapshot: SnapshotAssertion) -> None:
    """A mode, alone or in a list, yields the items of its snapshot."""
    assert _script(mode, ASYNC) == snapshot


@pytest.mark.parametrize("mode", ASKED, ids=_name)
def test_synchronous_items(mode: Any) -> None:
    """The synchronous items are the asynchronous ones, in the same order."""
    assert _script(mode, SYNC) == _script(mode, ASYNC)


@pytest.mark.slow
@pytest.mark.parametrize("mode", ASKED, ids=_name)
def test_items_do_not_flap(mode: Any, colour: Colour) -> None:
    """Twenty runs yield one and the same items."""
    assert len({_script(mode, colour) for _ in range(REPEATED)}) == 1


@pytest.mark.parametrize("mode", MODES)
def test_a_list_holds_what_the_modes_yield_alone(mode: str, colour: Colour) -> None:
    """Of the items of all modes at once, those of one mode are the items that it yields alone."""
    together = colour.observe_stream(desk(), {"topic": "parrots"}, stream_mode=list(MODES))
    alone = colour.observe_stream(desk(), {"topic": "parrots"}, stream_mode=mode)
    assert items_script(item for label, item in together if label == mode) == items_script(alone)
