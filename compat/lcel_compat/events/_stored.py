"""How values are kept in files: JSON from which messages and documents come back as what they were.

It is the JSON of ``to_jsonable`` with one difference. What langchain-core itself can store and restore (messages,
documents, prompt values, generations, agents' actions) is written in core's own form, ``{"lc": 1, "type":
"constructor", "id": [...], "kwargs": {...}}``, and anyone's dict that has an ``lc`` key is escaped as core does it
(``langchain_core/load/_validation.py``). So core's ``Reviver`` restores it, as ``langchain_core.load.load`` would, and
is given a list of the classes it may make: those of the table below, none of which does anything but hold its fields.
A file that asks for any other class, or for a secret, is refused; nothing that it names is imported.

An object of a class derived from one of those is stored as the core class it derives from, with that class's fields:
who reads the file need not have the other.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, lru_cache
from importlib import import_module
from typing import Any, Final, TypeAlias, cast

from lcel_compat.events._json import to_jsonable
from lcel_compat.events._json_rules import reduced
from lcel_compat.events._json_text import JsonValue
from lcel_compat.events._json_walk import Encoder

_CLASSES: Final = {
    "langchain_core.agents": ("AgentAction", "AgentActionMessageLog", "AgentFinish"),
    "langchain_core.documents.base": ("Document",),
    "langchain_core.messages.ai": ("AIMessage", "AIMessageChunk"),
    "langchain_core.messages.chat": ("ChatMessage", "ChatMessageChunk"),
    "langchain_core.messages.function": ("FunctionMessage", "FunctionMessageChunk"),
    "langchain_core.messages.human": ("HumanMessage", "HumanMessageChunk"),
    "langchain_core.messages.modifier": ("RemoveMessage",),
    "langchain_core.messages.system": ("SystemMessage", "SystemMessageChunk"),
    "langchain_core.messages.tool": ("ToolMessage", "ToolMessageChunk"),
    "langchain_core.outputs.chat_generation": ("ChatGeneration", "ChatGenerationChunk"),
    "langchain_core.outputs.generation": ("Generation", "GenerationChunk"),
    "langchain_core.prompt_values": (
        "ChatPromptValue",
        "ChatPromptValueConcrete",
        "StringPromptValue",
    ),
}
_NAMES: Final = frozenset(f"{module}.{name}" for module, names in _CLASSES.items() for name in names)
_ESCAPED: Final = "__lc_escaped__"

_Read: TypeAlias = Callable[[Any], dict[str, object]]


class NotStoredError(ValueError):
    """JSON that no ``to_stored`` wrote, or that asks for what a file may not ask for."""


class _Escaped(dict[str, JsonValue]):
    """A dict that is JSON already, and which the encoder's walk therefore takes as it takes a scalar."""


def to_stored(value: object) -> JsonValue:
    """The JSON to keep ``value`` as. Raises no ``Exception``, as ``to_jsonable`` does not."""
    return Encoder(reduce=_reduced).encode(value)


def from_stored(value: JsonValue) -> Any:
    """What was kept: messages, documents and the like as such, everything else as JSON.

    Raises:
        NotStoredError: If it asks for a class that is not in the table, or gives one what it does not take.
    """
    try:
        return _restored(value, _reviver())
    except NotStoredError:
        raise
    except RecursionError as error:
        raise NotStoredError("it is nested too deep") from error
    except Exception as error:
        raise NotStoredError(f"{type(error).__name__}: {error}") from error


def _restored(value: JsonValue, revive: Callable[[Any], Any]) -> Any:
    """The walk of core's ``load``, which core before 1.0 warns about; what is escaped is left as it is."""
    if isinstance(value, list):
        return [_restored(part, revive) for part in value]
    if not isinstance(value, dict):
        return value
    if len(value) == 1 and _ESCAPED in value:
        return value[_ESCAPED]
    if "lc" in value and (value.get("type") != "constructor" or value.get("id") not in _paths()):
        asked = value.get("id") if value.get("type") == "constructor" else value.get("type")
        raise NotStoredError(f"it asks for {asked!r:.80}, and a file may only ask for messages, documents and the like")
    return revive({key: _restored(part, revive) for key, part in value.items()})


@cache
def _classes() -> list[Any]:
    return [getattr(import_module(module), name) for module, names in _CLASSES.items() for name in names]


@cache
def _paths() -> list[list[str]]:
    return [cls.lc_id() for cls in _classes()]


@cache
def _reviver() -> Callable[[Any], Any]:
    from langchain_core.load.load import Reviver

    return Reviver(allowed_objects=_classes(), secrets_from_env=False)


def may_hold_objects(text: str) -> bool:
    """Whether JSON text that we wrote holds more than plain JSON; what does not needs no ``from_stored``."""
    return '"lc"' in text or _ESCAPED in text


def _reduced(value: object) -> object:
    try:
        cls: Any = type(value)
        if cls is dict:
            return _escaped(cast("dict[object, object]", value))
        read = _reader(cls)
    except Exception:  # Even asking for a class's hash may raise: its metaclass decides.
        read = None
    return reduced(value) if read is None else read(value)


def _escaped(value: dict[object, object]) -> object:
    """A dict, in core's escape if core would take it for one of its own."""
    if "lc" in value or (len(value) == 1 and _ESCAPED in value):
        return _Escaped({_ESCAPED: to_jsonable(value)})
    return value


@lru_cache(maxsize=4096)
def _reader(cls: Any) -> _Read | None:
    base = next((base for base in cls.__mro__ if f"{base.__module__}.{base.__qualname__}" in _NAMES), None)
    return None if base is None else _constructor(base)


def _constructor(cls: Any) -> _Read:
    """What reads the fields of an object that core can restore, those left out that are as they would be anyway."""
    path = cls.lc_id()
    defaults = {name: _default(field) for name, field in cls.model_fields.items() if name != "type"}

    def read(value: Any) -> dict[str, object]:
        held = object.__getattribute__(value, "__dict__")
        kwargs = {name: held[name] for name in defaults if name in held and not _same(held[name], defaults[name])}
        kwargs |= object.__getattribute__(value, "__pydantic_extra__") or {}
        return {"lc": 1, "type": "constructor", "id": path, "kwargs": kwargs}

    return read


def _default(field: Any) -> object:
    return _REQUIRED if field.is_required() else field.get_default(call_default_factory=True)


def _same(part: object, default: object) -> bool:
    return type(part) is type(default) and type(part) in _COMPARABLE and part == default


_REQUIRED: Final = object()
_COMPARABLE: Final = frozenset({type(None), bool, int, str, list, dict})
