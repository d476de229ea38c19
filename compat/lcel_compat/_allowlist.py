"""Which classes a saver may build again from what it stored.

With ``LANGGRAPH_STRICT_MSGPACK`` in the environment, which is read when ``langgraph.checkpoint`` is imported, the
serializer builds only what it knows to be harmless; other objects come back as plain dicts and values. So a graph names
the classes that its state has: LangGraph does the same (``langgraph/_internal/_serde.py``). Classes that a schema names
in ways which LangGraph does not look into (``Sequence[Item]``, ``Box[Item]``, named tuples, secrets, members of an enum
in a ``Literal``, aliases) are allowed too.
"""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Iterable, Iterator, Mapping
from enum import Enum
from functools import cache
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar, get_args, get_origin, get_type_hints

from pydantic import BaseModel
from typing_extensions import is_typeddict

from lcel_compat._serde import OURS

if TYPE_CHECKING:
    from langgraph.checkpoint.base import BaseCheckpointSaver

Saver = TypeVar("Saver", bound="BaseCheckpointSaver[Any] | bool | None")


def with_allowlist(saver: Saver, schemas: Iterable[Any]) -> Saver:
    """The saver, in strict mode a shallow copy of it, that also builds the classes of the schemas.

    Args:
        saver: A saver, or what else ``compile(checkpointer=...)`` takes: ``None``, ``True`` or ``False``.
        schemas: The graph's state, input, output and context schemas, and its nodes' own.
    """
    if saver is None or isinstance(saver, bool) or not _strict():
        return saver
    return saver.with_allowlist(serde_allowlist(schemas))  # type: ignore[return-value]  # declared as the base class


def serde_allowlist(schemas: Iterable[Any]) -> set[tuple[str, ...]]:
    """Module and name of each class that states of these schemas are made of, of core's messages and of our types.

    Args:
        schemas: Classes (TypedDict, dataclass, pydantic) or any other annotation; ``None`` counts for nothing.

    Ours stand there for places so deep in a state that ``_serde`` does not give them LangGraph's names.

    Returns:
        What ``BaseCheckpointSaver.with_allowlist`` takes. Classes that the serializer writes as something else, or not
        at all, are left out.
    """
    return {(cls.__module__, cls.__name__) for cls in (*_messages(), *OURS, *_classes(schemas))}


@cache
def _strict() -> bool:
    """Whether a serializer that was told nothing refuses unknown classes.

    Asked of the serializer itself, since the environment may have changed after it was read: only one that refuses
    makes a new one when more is allowed.
    """
    from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer

    plain = JsonPlusSerializer()
    return plain.with_msgpack_allowlist({("lcel_compat", "nothing")}) is not plain


def _messages() -> Iterator[type]:
    from langchain_core import messages

    for name in messages.__all__:
        exported = getattr(messages, name)
        if isinstance(exported, type) and issubclass(exported, messages.BaseMessage):
            yield exported


def _classes(annotations: Iterable[Any]) -> Iterator[type]:
    """The classes in the annotations, in their fields' annotations, and so on, that the serializer writes by name."""
    waiting, seen = list(annotations), dict[int, Any]()
    while waiting:
        annotation = waiting.pop()
        if id(annotation) in seen:
            continue
        seen[id(annotation)] = annotation  # kept: an id is unique only as long as its object lives
        waiting.extend(_parts(annotation))
        if isinstance(annotation, type) and _is_written_by_name(annotation):
            yield annotation


def _is_written_by_name(cls: type) -> bool:
    return (
        dataclasses.is_dataclass(cls) or hasattr(cls, "get_secret_value") or _has_fields(cls) or issubclass(cls, Enum)
    )


def _has_fields(cls: type) -> bool:
    return issubclass(cls, _models()) or (issubclass(cls, tuple) and hasattr(cls, "_fields"))


def _models() -> tuple[type, ...]:
    """Pydantic's classes of models; those of its first version only if somebody uses them."""
    first = getattr(sys.modules.get("pydantic.v1.main"), "BaseModel", None)
    return (BaseModel,) if first is None else (BaseModel, first)


def _parts(annotation: Any) -> Iterable[Any]:
    """What an annotation directly consists of."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return map(type, arguments)
    if origin is Annotated:
        return arguments[:1]  # reducers and other remarks are no part of the state
    if origin is not None:
        return (origin, *arguments)
    if isinstance(annotation, type):
        return _fields(annotation).values()
    # Of `type X = ...` and of NewType.
    return [part for name in ("__value__", "__supertype__") if (part := getattr(annotation, name, None)) is not None]


def _fields(cls: type) -> Mapping[str, Any]:
    """The fields' annotations, as far as their names can be resolved."""
    if not (dataclasses.is_dataclass(cls) or is_typeddict(cls) or _has_fields(cls)):
        return {}
    try:
        return get_type_hints(cls)
    except Exception:  # annotations are code: they raise whatever they like
        resolved = getattr(cls, "model_fields", {})  # pydantic resolved them when it made the class
        return {name: field.annotation for name, field in resolved.items()}
