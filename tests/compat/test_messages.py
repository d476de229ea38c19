"""``add_messages`` and ``MessagesState``: LangGraph's results, message for message."""

from __future__ import annotations

import copy
import uuid
from collections.abc import Callable
from functools import partial
from typing import Annotated, Any, get_type_hints

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.messages import (
    AIMessage,
    AIMessageChunk,
    AnyMessage,
    BaseMessage,
    HumanMessage,
    RemoveMessage,
    SystemMessage,
    ToolMessage,
)

from lcel_compat._messages import REMOVE_ALL_MESSAGES, MessagesState, add_messages

OPENAI: Any = "langchain-openai"
ONE = HumanMessage("one", id="1")
TWO = AIMessage("two", id="2")


def test_appends_and_replaces_by_id() -> None:
    """A new id is appended, a known one takes the old message's place; ``left`` stays as it was."""
    left: list[Any] = [ONE, TWO]
    again = HumanMessage("again", id="1")
    three = HumanMessage("three", id="3")
    assert add_messages(left, [again, three]) == [again, TWO, three]
    assert left == [ONE, TWO]


def test_removes_by_id() -> None:
    """A removal takes the message away, and a later message with its id brings the place back."""
    back = AIMessage("back", id="1")
    assert add_messages([ONE, TWO], RemoveMessage(id="1")) == [TWO]
    assert add_messages([ONE, TWO], [RemoveMessage(id="1"), back]) == [back, TWO]


def test_removes_all() -> None:
    """What follows the last removal of all is all that stays, even with a removal in it."""
    everything = RemoveMessage(id=REMOVE_ALL_MESSAGES)
    gone = RemoveMessage(id="unknown")
    assert add_messages([ONE], [TWO, everything, ONE, everything, TWO, gone]) == [TWO, gone]
    assert add_messages([ONE], [everything]) == []


def test_missing_ids_are_set_on_the_message() -> None:
    """A message without an id gets one that stays with it, so that a second merge replaces it."""
    message, other = HumanMessage("x"), AIMessage("y")
    first = add_messages([message], [other])
    assert [str(uuid.UUID(item.id)) for item in first] == [message.id, other.id]
    assert add_messages(first, [message, other]) == first


@pytest.mark.parametrize(
    ("given_", "expected"),
    [
        ("hi", HumanMessage("hi")),
        (("system", "be brief"), SystemMessage("be brief")),
        ({"role": "assistant", "content": "hi"}, AIMessage("hi")),
        ({"type": "human", "content": "hi"}, HumanMessage("hi")),
        (AIMessageChunk(content="hi"), AIMessage("hi")),
    ],
)
def test_everything_becomes_a_message(given_: Any, expected: BaseMessage) -> None:
    """Strings, pairs, dicts and chunks become messages, alone or in a list, on either side."""
    for merged in (add_messages([], given_), add_messages(given_, []), add_messages([], [given_])):
        (message,) = merged
        assert type(message) is type(expected)
        assert message.model_copy(update={"id": None}) == expected


def test_format_rewrites_content() -> None:
    """OpenAI's format turns foreign content blocks into its own, directly or by partial use."""
    block = {"type": "text", "text": "x", "cache_control": {"type": "ephemeral"}}
    message = {"role": "user", "content": [block], "id": "1"}
    reducer = add_messages(format=OPENAI)
    for merged in (reducer([], [message]), add_messages([], [message], format=OPENAI)):
        assert [item.content for item in merged] == ["x"]
    (untouched,) = add_messages()([], [message])
    assert untouched.content == [block]


def test_refusals_name_the_remedy() -> None:
    """Each error says which argument or id is wrong."""
    with pytest.raises(ValueError, match="'left' but None for 'right'"):
        add_messages([], None)  # type: ignore[call-overload]
    with pytest.raises(ValueError, match="'right' but None for 'left'"):
        add_messages(None, [])  # type: ignore[call-overload]
    with pytest.raises(ValueError, match="RemoveMessage\\(id='9'\\) names no message"):
        add_messages([ONE], [RemoveMessage(id="9")])
    with pytest.raises(ValueError, match="Unknown format 'json'"):
        add_messages([ONE], [], format="json")  # type: ignore[call-overload]
    with pytest.raises(TypeError, match="unexpected keyword"):
        add_messages(shape="openai")  # type: ignore[call-overload]


def test_annotation_resolves() -> None:
    """The reducer is found on the state's annotation, also in a state that extends it."""

    class Wider(MessagesState):
        topic: str

    for state in (MessagesState, Wider):
        hints = get_type_hints(state, include_extras=True)
        assert hints["messages"] == Annotated[list[AnyMessage], add_messages]


# --- beside LangGraph -----------------------------------------------------------------------------

IDS = st.sampled_from(["a", "b", "c", "d", None])
CONTENT: st.SearchStrategy[Any] = st.one_of(
    st.sampled_from(["", "x", "y"]),
    st.just([{"type": "text", "text": "x", "cache_control": {}}]),
)
CALL = {"name": "f", "args": {}, "id": "call", "type": "tool_call"}
PLAIN = st.one_of(
    st.builds(HumanMessage, content=CONTENT, id=IDS),
    st.builds(SystemMessage, content=CONTENT, id=IDS),
    st.builds(AIMessage, content=CONTENT, id=IDS, tool_calls=st.sampled_from([[], [CALL]])),
    st.builds(ToolMessage, content=CONTENT, id=IDS, tool_call_id=st.just("call")),
)
OTHER = st.one_of(
    st.builds(AIMessageChunk, content=CONTENT, id=IDS),
    st.sampled_from(["text", ("human", "pair"), ("ai", "pair"), ["human", "x"], ("odd", "pair")]),
    st.builds(lambda id_: {"role": "user", "content": "d", "id": id_}, IDS),
    st.sampled_from([{"role": "nobody", "content": ""}, {"content": ""}, 7, None, ("a", "b", "c")]),
)
REMOVALS = st.builds(lambda id_: RemoveMessage(id=id_), st.sampled_from(["a", "b", "c", REMOVE_ALL_MESSAGES]))
LEFT = st.one_of(st.lists(PLAIN, max_size=5), st.lists(st.one_of(PLAIN, OTHER), max_size=3), OTHER)
RIGHT = st.one_of(
    st.lists(PLAIN, max_size=4),
    st.lists(st.one_of(PLAIN, REMOVALS), max_size=5),
    st.lists(st.one_of(PLAIN, REMOVALS, OTHER), max_size=4),
    OTHER,
    REMOVALS,
)
FORMATS = st.sampled_from([None, None, OPENAI, "", "json"])


def outcome(merge: Callable[[], Any], left: Any, right: Any) -> object:
    """What a merge gave or raised, and what it did to its arguments; random ids by first sight."""
    try:
        result: object = merge()
    except Exception as error:
        result = type(error)
    seen: dict[str, str] = {}
    return [shown(part, seen) for part in (result, left, right)]


def shown(value: Any, seen: dict[str, str]) -> object:
    if isinstance(value, list):
        return [shown(part, seen) for part in value]
    if isinstance(value, partial):
        return "reducer", value.keywords
    if not isinstance(value, BaseMessage):
        return value
    fields = value.model_dump()
    if value.id is not None and len(value.id) == 36:
        fields["id"] = seen.setdefault(value.id, f"new{len(seen)}")
    return type(value).__name__, fields


@pytest.mark.langgraph
@given(LEFT, RIGHT, FORMATS)
def test_same_as_langgraph(left: Any, right: Any, form: Any) -> None:
    """Same result or same kind of error as LangGraph, and the same marks left on the arguments."""
    from langgraph.graph.message import add_messages as theirs

    one, two = copy.deepcopy((left, right)), copy.deepcopy((left, right))
    ours: Any = add_messages
    actual = outcome(lambda: ours(*one, format=form), *one)
    expected = outcome(lambda: theirs(*two, format=form), *two)  # type: ignore[call-arg]
    assert actual == expected


@pytest.mark.langgraph
@given(st.lists(RIGHT, max_size=4), FORMATS)
def test_same_as_langgraph_over_many_merges(writes: list[Any], form: Any) -> None:
    """A state that is reduced write after write stays the same as LangGraph's, with partial use."""
    from langgraph.graph.message import add_messages as theirs

    def folded(reducer: Any, items: list[Any]) -> list[Any]:
        state: list[Any] = []
        for write in items:
            state = reducer(state, write)
        return state

    one, two = copy.deepcopy(writes), copy.deepcopy(writes)
    ours, reference = add_messages(format=form), theirs(format=form)  # type: ignore[call-arg]
    actual = outcome(lambda: folded(ours, one), one, None)
    assert actual == outcome(lambda: folded(reference, two), two, None)


@pytest.mark.langgraph
def test_same_marker_and_state_as_langgraph() -> None:
    """The removal marker is LangGraph's, and its state has the keys of ours."""
    from langgraph.graph import message as theirs

    assert REMOVE_ALL_MESSAGES == theirs.REMOVE_ALL_MESSAGES
    assert MessagesState.__annotations__.keys() == theirs.MessagesState.__annotations__.keys()
