"""What a run streams, as the Agent Server writes it."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
import sqlalchemy.exc
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.messages import AIMessage, AIMessageChunk, ToolMessage

from lcel_adapters.serve._frames import Frame, Projection, engine_modes
from lcel_adapters.serve._json import dumps, plain
from lcel_adapters.serve._sse import frame
from lcel_adapters.serve._target import Item
from lcel_adapters.serve._told import UNTOLD, told, told_repr


class FrameError(ValueError):
    """One of an application's own, of a kind that may be told."""


def shown(asked: list[str], *items: Item) -> list[tuple[str, Any]]:
    """The frames of some items, their data read."""
    project = Projection(asked)
    return [(one.event, orjson.loads(one.data)) for item in items for one in project(item)]


def test_a_frame_has_its_lines_in_the_servers_order() -> None:
    """``event``, ``data``, ``id``, each ended by CRLF, an empty line behind (AGENT-SERVER.md, (i) Frame)."""
    assert frame("values", b"{}", "7") == b"event: values\r\ndata: {}\r\nid: 7\r\n\r\n"
    assert frame("end", None) == b"event: end\r\n\r\n"


def test_the_engine_is_asked_for_messages_once() -> None:
    """``messages`` and ``messages-tuple`` are two forms of one mode."""
    assert engine_modes(["messages", "values", "messages-tuple"]) == ["messages", "values"]


def test_a_namespace_stands_in_the_name() -> None:
    """``mode|node:id|node:id``, as clients split it."""
    assert shown(["updates"], Item(("a:1", "b:2"), "updates", {"x": 1})) == [("updates|a:1|b:2", {"x": 1})]


def test_what_nobody_asked_for_is_not_sent() -> None:
    """The server looks at more modes than the client does."""
    assert shown(["values"], Item((), "checkpoints", {}), Item((), "messages", (AIMessage(content="x"), {}))) == []


@given(st.lists(st.text(st.characters(exclude_characters="\0"), max_size=5), min_size=1, max_size=6))
def test_partial_messages_say_what_was_said_so_far(parts: list[str]) -> None:
    """Each frame is the whole message up to there; its metadata goes before it, once."""
    items = [Item((), "messages", (AIMessageChunk(content=part, id="m"), {"langgraph_node": "n"})) for part in parts]
    first, *rest = shown(["messages"], *items)
    assert first == ("messages/metadata", {"m": {"metadata": {"langgraph_node": "n"}}})
    assert [event for event, _ in rest] == ["messages/partial"] * len(parts)
    assert [data[0]["content"] for _, data in rest] == ["".join(parts[: n + 1]) for n in range(len(parts))]
    assert {data[0]["type"] for _, data in rest} == {"ai"}


def test_a_whole_message_is_complete() -> None:
    """A tool's message was never partial."""
    message = ToolMessage(content="3", tool_call_id="c", id="t")
    names = [event for event, _ in shown(["messages"], Item((), "messages", (message, {})))]
    assert names == ["messages/metadata", "messages/complete"]


def test_a_checkpoints_config_tells_nothing_private() -> None:
    """Whoever is asked for as a user, and what the server keeps in a config, is nobody else's business (Q15)."""
    config = {
        "configurable": {"thread_id": "t", "checkpoint_ns": "", "checkpoint_id": "c", "langgraph_auth_user": "me"}
    }
    payload: dict[str, Any] = {
        "config": config,
        "parent_config": None,
        "metadata": {"step": 1, "__x": 2},
        "tasks": [],
        "values": {},
    }
    [(_, data)] = shown(["checkpoints"], Item((), "checkpoints", payload))
    assert data["config"] == {"configurable": {"thread_id": "t", "checkpoint_ns": "", "checkpoint_id": "c"}}
    assert data["metadata"] == {"step": 1}


@pytest.mark.parametrize(
    ("error", "message"),
    [(ValueError("boom"), "boom"), (KeyError("k"), "'k'"), (OSError("/secret"), UNTOLD), (Exception("s"), UNTOLD)],
)
def test_an_errors_text_is_told_only_where_it_tells_no_secrets(error: Exception, message: str) -> None:
    """The kinds that are told are the real server's (Q2)."""
    assert told(error) == {"error": type(error).__name__, "message": message}


class OddError(ValueError):
    """One that prints otherwise."""

    def __repr__(self) -> str:
        return "4 secrets: a, b"


@pytest.mark.parametrize(
    ("error", "shown"),
    [
        (ValueError("boom", 3, None), "ValueError('boom', 3, None)"),
        (FrameError("it's"), """FrameError("it's")"""),
        (OSError(), "OSError()"),
        (OSError("/secret"), f"OSError({UNTOLD!r})"),
        (ValueError(OSError("/secret")), f"ValueError({UNTOLD!r})"),
        (RuntimeError("no", [OSError("/secret")]), f"RuntimeError({UNTOLD!r})"),
        (ExceptionGroup("secret", [ValueError("boom")]), f"ExceptionGroup({UNTOLD!r})"),
        (sqlalchemy.exc.TimeoutError("10.0.0.5"), f"TimeoutError({UNTOLD!r})"),
        (OddError(), UNTOLD),
    ],
)
def test_of_a_kept_error_is_told_what_would_be_told_of_the_error(error: Exception, shown: str) -> None:
    """A checkpoint keeps the ``repr()``: its class is found by its name, and where that is not certain, hidden."""
    assert told_repr(repr(error)) == shown


@pytest.mark.parametrize("text", ["", "secret", "secret()", "secret('a')", "ValueError", "ValueError(", "Val(u"])
def test_what_is_no_error_of_a_known_class_is_not_told(text: str) -> None:
    """Not even what stands where the class would be."""
    assert "secret" not in told_repr(text)
    assert UNTOLD in told_repr(text)


@pytest.mark.parametrize(
    ("mode", "payload"),
    [
        ("tasks", {"id": "1", "error": OSError("/secret")}),
        ("debug", {"type": "task_result", "payload": {"id": "1", "error": OSError("/secret")}}),
        ("events", {"event": "on_tool_error", "data": {"error": OSError("/secret"), "input": 1}}),
    ],
)
def test_no_mode_tells_what_the_error_frame_hides(mode: str, payload: Any) -> None:
    """The class, and that there was an error."""
    [(_, data)] = shown([mode], Item((), mode, payload))
    inner = data.get("payload", data.get("data", data))
    assert inner["error"] == {"error": "OSError", "message": UNTOLD}


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(max_size=5),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
        max_leaves=10,
    )
)
def test_whatever_a_state_holds_can_be_written(value: Any) -> None:
    """On one line, without what JSON or PostgreSQL does not know; and what was written is written alike again."""
    text = dumps(value)
    assert b"\n" not in text
    assert b"\\u0000" not in text
    assert dumps(plain(value)) == text


def test_a_frame_knows_its_mode() -> None:
    """With the namespace of a graph inside, or without."""
    assert Frame("values|a:1", b"").mode == "values"
