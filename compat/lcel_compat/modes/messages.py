"""``messages``: tokens of chat models as they come, and finished messages that nobody has seen yet.

A message is given once: token by token if its model streams, whole otherwise; a node's result brings those that no
model in it announced (``langgraph/pregel/_messages.py``).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, ClassVar, TypeAlias
from uuid import UUID, uuid4

from langchain_core.messages import BaseMessage
from pydantic import BaseModel

from lcel_compat._constants import NAMESPACE_SEPARATOR, TAG_HIDDEN, TAG_NOSTREAM
from lcel_compat._log import Entry, Namespace, Run, RunEnded, RunFailed, RunStarted, RunStreamed
from lcel_compat.modes.tasks import user_tags
from lcel_compat.types import Command

Item: TypeAlias = tuple[BaseMessage, dict[str, Any]]


class Messages:
    """Gives ``(message or chunk, metadata)`` of the models and nodes of one graph, not of graphs inside it.

    The metadata are those of the model's run (``langgraph_step``, ``langgraph_node``, ``ls_provider``, …) and the
    run's ``tags``, if it has any.
    """

    reads: ClassVar[tuple[type[Entry], ...]] = (RunStarted, RunStreamed, RunEnded, RunFailed)

    def __init__(self, namespace: Namespace) -> None:
        self._namespace = namespace
        self._shown: dict[UUID, dict[str, Any]] = {}
        self._seen: set[str] = set()

    def project(self, entry: RunStarted | RunStreamed | RunEnded | RunFailed) -> Iterable[Item]:
        match entry:
            case RunStreamed():
                return self._streamed(entry)
            case RunStarted():
                return self._started(entry.run)
            case RunEnded():
                return self._ended(entry)
            case _:
                self._shown.pop(entry.run.id, None)
                return ()

    def _started(self, run: Run) -> Iterable[Item]:
        if run.type == "chat_model":
            self._watch(run, silent=TAG_NOSTREAM)
        elif run.name == run.metadata.get("langgraph_node") and self._watch(run, silent=TAG_HIDDEN):
            # What was in the state before the node ran is not news.
            self._seen.update(m.id for m in messages_in_state(run.inputs) if m.id is not None)
        return ()

    def _watch(self, run: Run, *, silent: str) -> bool:
        if not run.metadata or silent in run.tags or self._elsewhere(run.metadata):
            return False
        tags = user_tags(run.tags)
        extra = {"tags": tags} if tags and run.type == "chat_model" else {}
        self._shown[run.id] = {**run.metadata, **extra}
        return True

    def _elsewhere(self, metadata: Mapping[str, Any]) -> bool:
        """Whether the run belongs to a graph inside this one; a model outside any node has no namespace."""
        path = str(metadata.get("langgraph_checkpoint_ns", "")).split(NAMESPACE_SEPARATOR)
        return tuple(path[:-1]) not in ((), self._namespace)

    def _streamed(self, entry: RunStreamed) -> Iterator[Item]:
        metadata = self._shown.get(entry.run.id)
        if metadata is not None and entry.run.type == "chat_model":
            yield self._item(entry.chunk, metadata)

    def _ended(self, entry: RunEnded) -> Iterator[Item]:
        metadata = self._shown.pop(entry.run.id, None)
        if metadata is None:
            return
        model = entry.run.type == "chat_model"
        found = _final_message(entry.output) if model else messages_in_result(entry.output)
        for message in found:
            if message.id not in self._seen:
                yield self._item(message, metadata)

    def _item(self, message: BaseMessage, metadata: dict[str, Any]) -> Item:
        if message.id is None:
            message.id = str(uuid4())
        self._seen.add(message.id)
        return message, metadata


def _final_message(output: Any) -> Iterator[BaseMessage]:
    """The message of a model's first generation, out of core's ``LLMResult``."""
    for generation in (output.generations[0] if output.generations else ())[:1]:
        if isinstance(message := getattr(generation, "message", None), BaseMessage):
            yield message


def messages_in_result(result: Any) -> Iterator[BaseMessage]:
    """The messages of a node's result: alone, in a list, in the fields of an update, in commands."""
    if isinstance(result, Command):
        yield from messages_in_result(result.update)
    elif isinstance(result, BaseMessage):
        yield result
    elif isinstance(result, Sequence) and not isinstance(result, str):
        commands = any(isinstance(part, Command) for part in result)
        for part in result:
            if commands:
                yield from messages_in_result(part)
            elif isinstance(part, BaseMessage):
                yield part
    else:
        yield from messages_in_state(result)


def messages_in_state(state: Any) -> Iterator[BaseMessage]:
    """The messages in the fields of a state or an update, each alone or in a list."""
    for value in _fields(state):
        if isinstance(value, BaseMessage):
            yield value
        elif isinstance(value, Sequence) and not isinstance(value, str):
            yield from (item for item in value if isinstance(item, BaseMessage))


def _fields(state: Any) -> Iterable[Any]:
    if isinstance(state, dict):
        return state.values()
    if isinstance(state, BaseModel):
        return [getattr(state, name) for name in type(state).model_fields]
    if dataclasses.is_dataclass(state) and not isinstance(state, type):
        return [getattr(state, field.name) for field in dataclasses.fields(state)]
    return ()
