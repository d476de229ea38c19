"""The items of every stream mode, of one small graph: alone and several at once."""

from __future__ import annotations

from typing import Annotated, Any, Final, TypedDict

import pytest
from langchain_core.messages import AIMessage, AnyMessage, HumanMessage
from langgraph.checkpoint.memory import InMemorySaver
from syrupy.assertion import SnapshotAssertion

from lcel_adapters import as_node
from lcel_compat import END, START, StateGraph, StreamWriter, add_messages
from lcel_compat.modes import MODES
from tests.snapshots.script import items_script
from tests.support.colours import ASYNC, SYNC, Colour
from tests.support.models import StreamingChat, chat_chain

SHOWN: Final = ("values", "updates", "custom", "messages", "debug", "tasks", "events")
SAVED: Final = "checkpoints"
LISTS: Final = (["values"], ["updates", "messages"], ["custom", "events"], list(SHOWN))
REPEATED: Final = 20


class Desk(TypedDict, total=False):
    """A topic and the talk about it; ``answer`` is what a chain makes."""

    topic: str
    answer: str
    messages: Annotated[list[AnyMessage], add_messages]


def _greet(state: Desk, writer: StreamWriter) -> dict[str, Any]:
    writer({"done": 0})
    writer("greeted")
    return {"messages": [AIMessage(f"You ask about {state['topic']}.", id="greeting")]}


def _check(state: Desk) -> None:
    return None


def _route(state: Desk) -> str:
    return "talk" if state["topic"] == "parrots" else END


def _graph(saver: InMemorySaver | None = None) -> Any:
    """A function that writes, a chain, a node without update, a choice, a model, and an end."""
    builder = StateGraph(Desk)
    builder.add_node("greet", _greet)
    builder.add_node("answer", as_node(chat_chain(), output="answer"))
    builder.add_node("check", _check)
    builder.add_node("talk", as_node(StreamingChat(message_id="talk"), input="messages", output="messages"))
    builder.add_edge(START, "greet")
    builder.add_edge("greet", "answer")
    builder.add_edge("answer", "check")
    builder.add_conditional_edges("check", _route)
    return builder.compile(checkpointer=saver)


def _script(mode: Any, colour: Colour) -> str:
    value = {"topic": "parrots", "messages": [HumanMessage("Hello.", id="hello")]}
    return items_script(colour.observe_stream(_graph(), value, stream_mode=mode))


@pytest.mark.parametrize("mode", [*SHOWN, *LISTS], ids=lambda m: m if isinstance(m, str) else f"list of {'+'.join(m)}")
def test_items(mode: Any, snapshot: SnapshotAssertion) -> None:
    """A mode, or a list of modes, gives the items of its snapshot, awaited or not."""
    shown = _script(mode, ASYNC)
    assert shown == snapshot
    assert _script(mode, SYNC) == shown


def test_a_list_gives_what_its_modes_give_alone() -> None:
    """Taken apart by mode, the items of all modes at once are those of each mode by itself."""
    value = {"topic": "cats", "messages": [HumanMessage("Hello.", id="hello")]}
    together = ASYNC.observe_stream(_graph(), value, stream_mode=list(SHOWN))
    for mode in SHOWN:
        alone = ASYNC.observe_stream(_graph(), value, stream_mode=mode)
        assert items_script(item for name, item in together if name == mode) == items_script(alone)


def test_checkpoints(snapshot: SnapshotAssertion) -> None:
    """A graph that is saved gives the checkpoints of its snapshot, awaited or not."""
    value = {"topic": "parrots", "messages": [HumanMessage("Hello.", id="hello")]}
    thread = {"configurable": {"thread_id": "1"}}
    awaited, not_awaited = (
        items_script(c.observe_stream(_graph(InMemorySaver()), value, thread, stream_mode=SAVED)) for c in (ASYNC, SYNC)
    )
    assert awaited == snapshot
    assert not_awaited == awaited


def test_every_mode_has_a_snapshot() -> None:
    """A stream mode that is added to the engine is added here."""
    assert set(MODES) == {*SHOWN, SAVED}


@pytest.mark.soak
def test_items_do_not_flap(colour: Colour) -> None:
    """Twenty runs give one and the same script of all modes."""
    assert len({_script(list(SHOWN), colour) for _ in range(REPEATED)}) == 1
