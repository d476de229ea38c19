"""``messages``: tokens of chat models as they come, and finished messages that nobody has seen yet.

A message is given once: token by token if its model streams, whole otherwise; a node's result brings those that no
model in it announced (``langgraph/pregel/_messages.py``).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeAlias
from uuid import UUID, uuid4

from langchain_core.messages import BaseMessage
from pydantic import BaseModel

from lcel_compat._constants import NAMESPACE_SEPARATOR, TAG_HIDDEN, TAG_NOSTREAM
from lcel_compat._foreign import adopted
from lcel_compat._log import Entry, Namespace, Pushed, Run, RunEnded, RunFailed, RunStarted, RunStreamed
from lcel_compat.modes.tasks import user_tags
from lcel_compat.types import Command

Item: TypeAlias = tuple[BaseMessage, dict[str, Any]]
Placed: TypeAlias = tuple[Namespace, Item]
"""An item and the namespace of the graph it comes from."""


class Messages:
    """Gives ``(message or chunk, metadata)`` of the models and nodes of one graph.

    The metadata are those of the model's run (``langgraph_step``, ``langgraph_node``, ``ls_provider``, …) and the
    run's ``tags``, if it has any.

    Args:
        namespace: The graph's.
        below: Show graphs inside it too; each item then comes with the namespace of its graph.
    """

    reads: tuple[type[Entry], ...] = (RunStarted, RunStreamed, RunEnded, RunFailed, Pushed)

    def __init__(self, namespace: Namespace, *, below: bool = False) -> None:
        self._namespace = NAMESPACE_SEPARATOR.join(namespace)
        self._below = below
        self._watched: dict[UUID, dict[str, Any] | None] = {}
        self._seen: set[str] = set()
        self._forms: dict[type, Any] = {
            RunStarted: self._started,
            RunStreamed: self._streamed,
            RunEnded: self._ended,
            RunFailed: self._failed,
            Pushed: self._pushed,
        }

    def project(self, entry: RunStarted | RunStreamed | RunEnded | RunFailed | Pushed) -> Sequence[Item | Placed]:
        found: Sequence[Item] = self._forms[type(entry)](entry)
        if not self._below:
            return found
        namespace = _around(entry.metadata if isinstance(entry, Pushed) else entry.run.metadata)
        return [(namespace, item) for item in found]

    def _started(self, entry: RunStarted) -> Sequence[Item]:
        run = entry.run
        if run.type == "chat_model":
            if TAG_NOSTREAM not in run.tags and run.metadata and self._here(run.metadata):
                self._watched[run.id] = None
        elif run.name == run.metadata.get("langgraph_node") and TAG_HIDDEN not in run.tags and self._here(run.metadata):
            self._watched[run.id] = None
            # What was in the state before the node ran is not news.
            self._seen.update(m.id for m in messages_in_state(run.inputs) if m.id is not None)
        return ()

    def _here(self, metadata: Mapping[str, Any]) -> bool:
        """Whether a run belongs to this graph, and not to one inside it; a model outside any node counts as ours."""
        if self._below:
            return True
        namespace = str(metadata.get("langgraph_checkpoint_ns", "")).rpartition(NAMESPACE_SEPARATOR)[0]
        return namespace in ("", self._namespace)

    def _streamed(self, entry: RunStreamed) -> Sequence[Item]:
        run = entry.run
        if run.type != "chat_model" or run.id not in self._watched:
            return ()
        return (self._item(entry.chunk, run),)

    def _ended(self, entry: RunEnded) -> Sequence[Item]:
        run = entry.run
        if run.id not in self._watched:
            return ()
        model = run.type == "chat_model"
        found = _final_message(entry.output) if model else messages_in_result(entry.output)
        items = [self._item(message, run) for message in found if message.id not in self._seen]
        del self._watched[run.id]
        return items

    def _failed(self, entry: RunFailed) -> Sequence[Item]:
        self._watched.pop(entry.run.id, None)
        return ()

    def _pushed(self, entry: Pushed) -> Sequence[Item]:
        if not self._here(entry.metadata):
            return ()
        if entry.message.id is not None:
            self._seen.add(entry.message.id)
        return ((entry.message, dict(entry.metadata)),)

    def _item(self, message: BaseMessage, run: Run) -> Item:
        if message.id is None:
            message.id = str(uuid4())
        self._seen.add(message.id)
        metadata = self._watched[run.id]
        if metadata is None:
            tags = user_tags(run.tags) if run.type == "chat_model" else []
            metadata = self._watched[run.id] = {**run.metadata, "tags": tags} if tags else dict(run.metadata)
        return message, metadata


def _around(metadata: Mapping[str, Any]) -> Namespace:
    """The namespace of the graph that a run with these metadata belongs to."""
    return tuple(str(metadata.get("langgraph_checkpoint_ns", "")).split(NAMESPACE_SEPARATOR))[:-1]


def _final_message(output: Any) -> Sequence[BaseMessage]:
    """The message of a model's first generation, out of core's ``LLMResult``."""
    first = output.generations[0] if output.generations else ()
    return [g.message for g in first[:1] if isinstance(getattr(g, "message", None), BaseMessage)]


def messages_in_result(result: Any) -> Sequence[BaseMessage]:
    """The messages of a node's result: alone, in a list, in the fields of an update, in commands."""
    if type(result) is dict:  # by far the most common, and the questions below are slow
        return messages_in_state(result)
    result = adopted(result)
    if isinstance(result, Command):
        return messages_in_result(result.update)
    if isinstance(result, BaseMessage):
        return (result,)
    if isinstance(result, list | tuple) and any(isinstance(adopted(part), Command) for part in result):
        return [message for part in result for message in messages_in_result(part)]
    if isinstance(result, Sequence) and not isinstance(result, str):
        return [part for part in result if isinstance(part, BaseMessage)]
    return messages_in_state(result)


def messages_in_state(state: Any) -> Sequence[BaseMessage]:
    """The messages in the fields of a state or an update, each alone or in a list."""
    fields = [value for value in _fields(state) if type(value) not in _PLAIN]
    return [message for value in fields for message in _messages_of(value)] if fields else ()


def _messages_of(value: Any) -> Sequence[BaseMessage]:
    if isinstance(value, BaseMessage):
        return (value,)
    return [item for item in value if isinstance(item, BaseMessage)] if isinstance(value, Sequence) else ()


_PLAIN = frozenset({str, int, float, bool, dict, bytes, type(None)})
"""Types that hold no message, so that the slower questions need not be asked."""


def _fields(state: Any) -> Iterable[Any]:
    if isinstance(state, dict):
        return state.values()
    if isinstance(state, BaseModel):
        return [getattr(state, name) for name in type(state).model_fields]
    if dataclasses.is_dataclass(state) and not isinstance(state, type):
        return [getattr(state, field.name) for field in dataclasses.fields(state)]
    return ()
