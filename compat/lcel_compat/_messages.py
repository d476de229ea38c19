"""Merging message lists by id: ``add_messages`` and the ``MessagesState`` that uses it.

The results are those of LangGraph 1.2 (``langgraph/graph/message.py``), quirks included, because
states and checkpoints written by one are continued by the other:

* messages without an id get a ``uuid4`` **on the message object itself**. A reducer may run twice
  over the same write (once for the state, once for a view of it), and only an id that sticks to the
  object is the same both times;
* everything after the last ``RemoveMessage(REMOVE_ALL_MESSAGES)`` is returned as it came: neither
  merged by id nor formatted, and ``format`` is not even checked;
* of two messages with one id in ``left`` the later is the one replaced, and a removal drops both.

Partial application differs in one point: it refuses an unknown keyword at once, where LangGraph
does so when the reducer first runs.

This module imports ``langchain_core.messages`` at its top, since the annotation of
``MessagesState`` has to resolve; the package exports its names lazily, so that only a program that
uses them pays for it.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from functools import partial
from typing import Annotated, Any, Literal, TypeAlias, TypeGuard, overload

from langchain_core.messages import (
    AnyMessage,
    BaseMessage,
    BaseMessageChunk,
    MessageLikeRepresentation,
    RemoveMessage,
    convert_to_messages,
    convert_to_openai_messages,
    message_chunk_to_message,
)

# typing.TypedDict on Python 3.11 is refused by pydantic as a schema, typing_extensions' is not.
from typing_extensions import TypedDict

REMOVE_ALL_MESSAGES = "__remove_all__"
"""The id of a ``RemoveMessage`` that empties the list: what follows it is all that stays."""

Messages: TypeAlias = list[Any] | MessageLikeRepresentation
"""One message or a list of them, each in any form that ``convert_to_messages`` takes.

``list[Any]``, since lists are invariant: of a list of the union, ``list[HumanMessage]`` is none.
"""

MessageFormat: TypeAlias = Literal["langchain-openai"] | None


@overload
def add_messages(*, format: MessageFormat = None) -> Callable[[Messages, Messages], list[AnyMessage]]: ...


@overload
def add_messages(left: Messages, right: Messages, *, format: MessageFormat = None) -> list[AnyMessage]: ...


def add_messages(left: Messages | None = None, right: Messages | None = None, *, format: MessageFormat = None) -> Any:
    """Merge ``right`` into ``left`` by message id and return a new list.

    A message of ``right`` whose id is in ``left`` takes its place; a ``RemoveMessage`` takes it
    away; any other is appended. Both sides may be one message or a list, of messages, chunks (which
    become messages), strings, ``(role, text)`` pairs or role dicts. With neither side given, the
    reducer itself is returned with ``format`` applied, as in
    ``Annotated[list, add_messages(format="langchain-openai")]``.

    Args:
        left: The messages so far.
        right: The messages to merge in.
        format: ``"langchain-openai"`` rewrites the contents of the result into OpenAI's blocks.

    Raises:
        ValueError: One side is given and the other is not; a removal names an id that is not there;
            ``format`` is unknown; a role or a pair is malformed (``convert_to_messages``).
        NotImplementedError: An item is nothing a message can be made of (``convert_to_messages``).
    """
    if left is None and right is None:
        return partial(_merge, format=format)
    if left is None or right is None:
        given, missing = ("left", "right") if right is None else ("right", "left")
        raise ValueError(
            f"add_messages got {given!r} but None for {missing!r}; give both sides, or neither for a reducer"
        )
    return _merge(left, right, format=format)


class MessagesState(TypedDict):
    """A state with one key, ``messages``, that is merged by ``add_messages``."""

    messages: Annotated[list[AnyMessage], add_messages]


def _merge(left: Messages, right: Messages, *, format: MessageFormat = None) -> list[BaseMessage]:
    base, news = _as_messages(left), _as_messages(right)
    # Ids last: arguments that cannot be merged are not marked either.
    base, news = _with_ids(base), _with_ids(news)
    start = _after_last_removal_of_all(news)
    if start is not None:
        return news[start:]
    return _formatted(_merged_by_id(base, news), format)


def _as_messages(given: Messages) -> list[BaseMessage]:
    items: list[Any] = given if isinstance(given, list) else [given]
    if _all_plain(items):
        return items
    return [_whole(message) for message in convert_to_messages(items)]


def _all_plain(items: list[Any]) -> TypeGuard[list[BaseMessage]]:
    # A long history has few distinct types: asking those is cheaper than asking each message.
    return all(
        issubclass(kind, BaseMessage) and not issubclass(kind, BaseMessageChunk) for kind in set(map(type, items))
    )


def _whole(message: BaseMessage) -> BaseMessage:
    return message_chunk_to_message(message) if isinstance(message, BaseMessageChunk) else message


def _with_ids(messages: list[BaseMessage]) -> list[BaseMessage]:
    for message in messages:
        if message.id is None:
            message.id = str(uuid.uuid4())
    return messages


def _after_last_removal_of_all(messages: list[BaseMessage]) -> int | None:
    for index in range(len(messages), 0, -1):
        message = messages[index - 1]
        if isinstance(message, RemoveMessage) and message.id == REMOVE_ALL_MESSAGES:
            return index
    return None


def _merged_by_id(left: list[BaseMessage], right: list[BaseMessage]) -> list[BaseMessage]:
    merged = list(left)
    position = {message.id: index for index, message in enumerate(merged)}
    removed: set[str | None] = set()
    for message in right:
        if isinstance(message, RemoveMessage):
            removed.add(_known(message.id, position))
        elif message.id in position:
            merged[position[message.id]] = message
            removed.discard(message.id)
        else:
            position[message.id] = len(merged)
            merged.append(message)
    return [message for message in merged if message.id not in removed] if removed else merged


def _known(message_id: str | None, position: dict[str | None, int]) -> str | None:
    if message_id not in position:
        raise ValueError(
            f"RemoveMessage(id={message_id!r}) names no message of the list; "
            f"remove an id that is there, or all with id {REMOVE_ALL_MESSAGES!r}"
        )
    return message_id


def _formatted(messages: list[BaseMessage], format: str | None) -> list[BaseMessage]:
    if not format:
        return messages
    if format != "langchain-openai":
        raise ValueError(f"Unknown format {format!r}; there is 'langchain-openai', and None")
    converted: Sequence[Any] = convert_to_openai_messages(messages)
    return convert_to_messages(converted)
