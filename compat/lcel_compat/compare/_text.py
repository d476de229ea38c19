"""Values as text: equal texts, and only those, are equal values.

A value's text is its JSON (``lcel_compat.events.to_jsonable``) with sorted keys: the order of an object's keys tells
which branch of a parallel was faster, and no consumer can rely on it (EVENTS.md, rule 3). Identifiers that a run makes
for itself stand as numbers in order of appearance (``#1`` in reports); those that are data, as a document's, stay.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Final, TypeGuard, cast

from lcel_compat.events import JsonValue, to_jsonable

MESSAGE_TYPES: Final = frozenset(
    f"{kind}{chunk}"
    for kind in ("ai", "human", "system", "tool", "function", "chat", "AIMessage", "HumanMessage", "SystemMessage")
    for chunk in ("", "Chunk")
) | frozenset({"ToolMessage", "ToolMessageChunk", "FunctionMessageChunk", "ChatMessageChunk", "remove", "developer"})
_CUT: Final = '"type":"truncated"'
"""What stands in a text for a value that is too deep or too long to be written."""
_GENERATED: Final = frozenset(
    {
        "__run_id",
        "checkpoint_id",
        "checkpoint_ns",
        "langgraph_checkpoint_ns",
        "parent_checkpoint_id",
        "parent_run_id",
        "run_id",
        "task_id",
        "tool_call_id",
        "trace_id",
    }
)
"""Keys under which core and LangGraph put identifiers of their own making."""
_MARK: Final = "\ue000"
"""Stands around the number of an identifier: a character of Unicode's private use area, as no text has it."""
_NAMED: Final = re.compile(f"{_MARK}(\\d+){_MARK}")
_NAMED_ID: Final = re.compile(f'"id":"{_NAMED.pattern}"')
_HEX: Final = "[0-9a-f]"
IDENTIFIER: Final = re.compile(
    rf"(?<![0-9a-f])(?:{_HEX}{{8}}-{_HEX}{{4}}-{_HEX}{{4}}-{_HEX}{{4}}-{_HEX}{{12}}|{_HEX}{{32}})(?![0-9a-f])"
    r"|(?<![\w-])(?:call|chatcmpl|fc|msg|resp|rs|toolu)[_-][A-Za-z0-9]{16,}(?![\w-])"
)
"""UUIDs, and the ids that OpenAI's and Anthropic's interfaces give to answers and tool calls."""
_ENCODE: Final = json.JSONEncoder(
    ensure_ascii=False, sort_keys=True, check_circular=False, separators=(",", ":")
).encode


def text_of(value: JsonValue) -> str:
    """The text of a JSON value."""
    return _ENCODE(value)


def value_of(text: str) -> JsonValue:
    """The JSON value that ``text_of`` wrote."""
    return cast("JsonValue", json.loads(text))


def is_message(value: object) -> bool:
    """Whether a JSON value is a message or a chunk of one."""
    return isinstance(value, dict) and value.get("type") in MESSAGE_TYPES and "content" in value


class Texts:
    """Each distinct text once, under a number: what two recordings share is held once."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}
        self._texts: list[str] = []
        self.cut: set[int] = set()
        """The numbers of texts that leave something out."""

    def number(self, text: str) -> int:
        """The number of ``text``: equal for equal texts, and for no others."""
        found = self._numbers.get(text)
        if found is None:
            found = self._numbers[text] = len(self._texts)
            self._texts.append(text)
            if _CUT in text:
                self.cut.add(found)
        return found

    def text(self, number: int) -> str:
        """The text with this number."""
        return self._texts[number]

    def value(self, number: int) -> JsonValue:
        """The JSON value with this number."""
        return value_of(self._texts[number])


class Names:
    """Identifiers in order of appearance."""

    __slots__ = ("_names",)

    def __init__(self) -> None:
        self._names: dict[str, str] = {}

    def of(self, identifier: str) -> str:
        """The name of an identifier, a new one if it was not met."""
        return self._names.setdefault(identifier, f"{_MARK}{len(self._names) + 1}{_MARK}")


class Identifiers:
    """Which of a recording's identifiers were made by its runs, and which are data."""

    def __init__(self) -> None:
        self._made: set[str] = set()
        self._data: set[str] = set()

    def add(self, identifier: str) -> None:
        """Take note of an identifier that is no data, as a run's."""
        self._made.add(_bare(identifier))

    def text(self, value: object, names: Names) -> str:
        """The text of any value, its made identifiers replaced by ``names``."""
        if type(value) is dict and len(value) == 1 and _is_word(word := value.get("chunk")):
            return f'{{"chunk":{text_of(word)}}}'  # What most events of most recordings hold, without the walk.
        plain = to_jsonable(value)
        text = text_of(plain)
        return text if IDENTIFIER.search(text) is None else self._named(text, plain, names)

    def _named(self, text: str, plain: JsonValue, names: Names) -> str:
        def name(match: re.Match[str]) -> str:
            identifier = _bare(match.group())
            if identifier not in self._made and identifier not in self._data:
                self._learn(identifier, plain)
            return names.of(identifier) if identifier in self._made else match.group()

        return IDENTIFIER.sub(name, text)

    def _learn(self, identifier: str, plain: JsonValue) -> None:
        for text in _made_in(plain):
            self._made.update(_bare(match) for match in IDENTIFIER.findall(text))
        if identifier not in self._made:
            self._data.add(identifier)


def _is_word(value: object) -> TypeGuard[str]:
    """Whether a value is its own JSON, and too short for an identifier."""
    return type(value) is str and len(value) < 32 and value.isascii()


def _bare(identifier: str) -> str:
    return identifier.replace("-", "")


def _made_in(value: JsonValue) -> Iterator[str]:
    """Texts in places where core and LangGraph put identifiers that they made."""
    todo: list[JsonValue] = [value]
    while todo:
        part = todo.pop()
        if isinstance(part, list):
            todo.extend(part)
        elif isinstance(part, dict):
            todo.extend(part.values())
            yield from (text for key in _GENERATED & part.keys() if isinstance(text := part[key], str))
            if isinstance(made := part.get("id"), str) and _makes_its_id(part):
                yield made


def _makes_its_id(part: Mapping[str, JsonValue]) -> bool:
    """Whether the ``id`` of an object is made by a run: a message's, a tool call's, an interrupt's; no document's."""
    keys = part.keys()
    return is_message(part) or {"name", "args"} <= keys or {"value", "id"} == keys


def renamed(text: str, names: Names) -> str:
    """A text with its identifiers named anew."""
    return _NAMED.sub(lambda match: names.of(match.group()), text)


def unnamed(text: str) -> str:
    """A text in which nothing whose ``id`` is an identifier has one."""
    return _NAMED_ID.sub('"id":null', text)


def shown(value: JsonValue) -> JsonValue:
    """A value as people read it: identifiers as ``#1``."""
    return value_of(_NAMED.sub(r"#\1", text_of(value)))


class Renaming:
    """Which identifier of one side is which of the other: one that changes in mid-run is not the same any more."""

    def __init__(self) -> None:
        self._new: dict[str, str] = {}
        self._old: dict[str, str] = {}

    def equal(self, before: str, after: str) -> bool:
        """Whether two texts are equal but for identifiers, which have been renamed so from the first on."""
        if before == after:
            return True
        old, new = _NAMED.split(before), _NAMED.split(after)
        if len(old) == 1 or old[::2] != new[::2]:
            return False
        pairs = list(zip(old[1::2], new[1::2], strict=True))
        if any(self._new.get(a, b) != b or self._old.get(b, a) != a for a, b in pairs):
            return False
        self._new.update(pairs)
        self._old.update((b, a) for a, b in pairs)
        return len(set(pairs)) == len({a for a, _ in pairs}) == len({b for _, b in pairs})
