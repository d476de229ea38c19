"""From what a run streams to what the Agent Server writes (AGENT-SERVER.md, (i) Per stream_mode)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from langchain_core.messages import BaseMessage, BaseMessageChunk, message_chunk_to_message

from lcel_adapters.serve._json import dumps
from lcel_adapters.serve._target import Item
from lcel_adapters.serve._told import told_field

# How keys begin that are langchain-core's, or the server's own (AGENT-SERVER.md, Q15).
_PRIVATE = ("__", "langgraph_auth_")
_NAMES = ("checkpoint_id", "thread_id", "checkpoint_ns", "checkpoint_map")


class Frame(NamedTuple):
    """One event of the wire: its name, and its JSON on one line."""

    event: str
    data: bytes

    @property
    def mode(self) -> str:
        """Its name without the namespace of a graph inside."""
        return self.event.partition("|")[0]


def engine_modes(asked: Sequence[str]) -> list[str]:
    """The engine's modes for those of the wire, each once."""
    return list(dict.fromkeys("messages" if mode == "messages-tuple" else mode for mode in asked))


class Projection:
    """Turns the items of one run into frames, in their order.

    Args:
        asked: Modes of the wire. With ``messages`` and ``messages-tuple`` the second wins.
    """

    def __init__(self, asked: Sequence[str]) -> None:
        self.asked = frozenset(asked)
        self.tuples = "messages-tuple" in self.asked
        self.messages = _Messages()

    def __call__(self, item: Item) -> Iterator[Frame]:
        """The frames of one item; none if nobody asked for its mode."""
        if item.mode == "messages":
            return self._message(item)
        if item.mode not in self.asked:
            return iter(())
        payload = _FORMS[item.mode](item.payload) if item.mode in _FORMS else item.payload
        return iter((Frame(_named(item.mode, item.namespace), dumps(payload)),))

    def _message(self, item: Item) -> Iterator[Frame]:
        if self.tuples:
            message, metadata = item.payload
            yield Frame(_named("messages", item.namespace), dumps([message, shown(metadata)]))
        elif "messages" in self.asked:
            yield from self.messages(*item.payload)


class _Messages:
    """The mode ``messages``: each message with what was said of it so far; its metadata once, before it.

    A streamed message that is already whole, as a tool's, is ``messages/complete``. The names have no namespace
    (AGENT-SERVER.md, Q3).
    """

    def __init__(self) -> None:
        self.said: dict[str, BaseMessage] = {}

    def __call__(self, message: BaseMessage, metadata: Mapping[str, Any]) -> Iterator[Frame]:
        key = str(message.id)
        if key not in self.said:
            yield Frame("messages/metadata", dumps({key: {"metadata": shown(metadata)}}))
        before = self.said.get(key)
        self.said[key] = whole = _joined(before, message)
        if isinstance(whole, BaseMessageChunk):
            yield Frame("messages/partial", dumps([message_chunk_to_message(whole)]))
        else:
            yield Frame("messages/complete", dumps([whole]))


def _joined(before: BaseMessage | None, message: BaseMessage) -> BaseMessage:
    if isinstance(before, BaseMessageChunk) and isinstance(message, BaseMessageChunk):
        return before + message
    return message


def shown(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """Metadata without what is private to langchain-core and to the server."""
    return {key: value for key, value in metadata.items() if not key.startswith(_PRIVATE)}


def place(config: Any) -> Any:
    """A checkpoint's config, without what is private in it."""
    return {"configurable": shown(config.get("configurable", {}))} if config else config


def reference(config: Any) -> dict[str, Any] | None:
    """A checkpoint as clients name it: ``thread_id``, ``checkpoint_ns``, and what else is known of it."""
    if not config:
        return None
    inside = config.get("configurable", {})
    return {key: inside[key] for key in _NAMES if key in inside}


def _checkpoint(payload: Mapping[str, Any]) -> dict[str, Any]:
    return {
        **payload,
        "config": place(payload["config"]),
        "parent_config": place(payload["parent_config"]),
        "metadata": _with_thread(shown(payload["metadata"]), payload["config"]),
        "tasks": [_task(task) for task in payload["tasks"]],
    }


def _with_thread(metadata: dict[str, Any], config: Any) -> dict[str, Any]:
    """A saved checkpoint's metadata with the thread, which savers leave out; a new one's are three keys alone."""
    if "run_id" in metadata:
        metadata.setdefault("thread_id", config["configurable"].get("thread_id"))
    return metadata


def _task(task: Mapping[str, Any]) -> Mapping[str, Any]:
    if isinstance(task.get("state"), Mapping):
        task = {**task, "state": place(task["state"])}
    return _with_told(task)


def _with_told(payload: Mapping[str, Any]) -> Mapping[str, Any]:
    """Without the text of an error that is not for clients (A25)."""
    return {**payload, "error": told_field(payload["error"])} if payload.get("error") is not None else payload


def _debug(item: Mapping[str, Any]) -> Mapping[str, Any]:
    if item["type"] != "checkpoint":
        return {**item, "payload": _with_told(item["payload"])}
    payload = _checkpoint(item["payload"])
    payload["checkpoint"] = reference(payload["config"])
    payload["parent_checkpoint"] = reference(payload["parent_config"])
    payload["tasks"] = [_with_reference(task) for task in payload["tasks"]]
    return {**item, "payload": payload}


def _with_reference(task: Mapping[str, Any]) -> Mapping[str, Any]:
    """A graph inside is named by its checkpoint here, and by ``state`` in the mode ``checkpoints``."""
    if not isinstance(task.get("state"), Mapping):
        return task
    rest = {key: value for key, value in task.items() if key != "state"}
    return {**rest, "checkpoint": reference(task["state"])}


def _event(event: Mapping[str, Any]) -> Mapping[str, Any]:
    if isinstance(event["data"].get("error"), BaseException):
        event = {**event, "data": _with_told(event["data"])}
    return {**event, "metadata": shown(event["metadata"])} if "metadata" in event else event


def _named(mode: str, namespace: Sequence[str]) -> str:
    return "|".join((mode, *namespace))


_FORMS = {"checkpoints": _checkpoint, "debug": _debug, "events": _event, "tasks": _with_told}
