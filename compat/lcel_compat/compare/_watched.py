"""Values that tell a trace what is done with them, and otherwise behave as what they stand for."""

from __future__ import annotations

from collections.abc import ItemsView, Iterator, Mapping, ValuesView
from dataclasses import dataclass, field
from typing import Any, Final

SELECTORS: Final = frozenset({"event", "name", "tags", "metadata", "parent_ids"})
"""The fields by which consumers choose events; comparing others is reading them."""
_OPAQUE: Final = (bool, int, float, complex, bytes, type(None), BaseException, type)
"""What is handed out as it is: nothing inside it is worth telling, or nothing may stand for it."""


@dataclass(slots=True)
class Trace:
    """What was read of one event, and what its selectors were compared with.

    Attributes:
        places: Dotted places that were read, in order.
        tested: Those of them that were compared with something.
        passed: By place, the values for which the comparison held.
        failed: Whether any comparison did not hold.
    """

    places: dict[str, None] = field(default_factory=dict)
    tested: set[str] = field(default_factory=set)
    passed: dict[str, dict[str, None]] = field(default_factory=dict)
    failed: bool = False

    def test(self, place: str, value: object, held: bool) -> bool:
        """Take note of a comparison of a selector, and hand on whether it held."""
        if place.partition(".")[0] not in SELECTORS:
            return held
        self.tested.add(place)
        if held:
            self.passed.setdefault(place, {})[str(value)] = None
        else:
            self.failed = True
        return held

    def looked_up(self, place: str) -> None:
        """Take note that a text was looked for among keys: if it is found there, a comparison that holds follows."""
        if place.partition(".")[0] in SELECTORS:
            self.tested.add(place)

    @property
    def holds(self) -> bool:
        """Whether all that was compared held."""
        return not self.failed and self.tested <= self.passed.keys()


def watched(value: Any, trace: Trace, place: str) -> Any:
    """``value`` at ``place``, noted as read, and telling ``trace`` of what is done with it."""
    trace.places[place] = None
    if isinstance(value, str):
        return WatchedText(value, trace, place)
    if isinstance(value, dict):
        return WatchedDict(value, trace, place)
    if isinstance(value, list):
        return WatchedList(value, trace, place)
    if isinstance(value, _OPAQUE) or callable(value):
        return value
    if isinstance(value, tuple):
        inner = [watched(part, trace, f"{place}.{index}") for index, part in enumerate(value)]
        return type(value)(*inner) if hasattr(value, "_fields") else tuple(inner)
    return WatchedObject(value, trace, place)


class WatchedText(str):
    """A text that tells with what it is compared."""

    __slots__ = ("_place", "_trace")
    _place: str
    _trace: Trace

    def __new__(cls, value: str, trace: Trace, place: str) -> WatchedText:
        """The same text."""
        made = super().__new__(cls, value)
        made._trace, made._place = trace, place
        return made

    def __hash__(self) -> int:
        self._trace.looked_up(self._place)
        return str.__hash__(self)

    def __eq__(self, other: object) -> bool:
        return self._trace.test(self._place, other, str.__eq__(self, other) is True)

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __contains__(self, part: str) -> bool:  # type: ignore[override]
        return self._trace.test(self._place, str.__str__(self), str.__contains__(self, part))

    def startswith(self, *args: Any) -> bool:
        """As of ``str``; if it holds, the whole text is what was asked for."""
        return self._trace.test(self._place, str.__str__(self), str.startswith(self, *args))

    def endswith(self, *args: Any) -> bool:
        """As ``startswith``."""
        return self._trace.test(self._place, str.__str__(self), str.endswith(self, *args))

    def __reduce__(self) -> Any:
        return str, (str.__str__(self),)


class WatchedDict(dict[Any, Any]):
    """A dictionary that tells which of its items are read."""

    def __init__(self, value: Mapping[Any, Any], trace: Trace, place: str) -> None:
        super().__init__(value)
        self._trace, self._place = trace, place
        self._own: set[Any] = set()

    def __getitem__(self, key: Any) -> Any:
        return self._seen(key, super().__getitem__(key))

    def __setitem__(self, key: Any, value: Any) -> None:
        self._own.add(key)
        super().__setitem__(key, value)

    def __iter__(self) -> Iterator[Any]:
        return super().__iter__()

    def get(self, key: Any, default: Any = None) -> Any:
        """As of ``dict``."""
        if key in self:
            return self[key]
        return default

    def __contains__(self, key: object) -> bool:
        if isinstance(key, str) and key not in self._own:
            self._trace.places[self._at(key)] = None
        return super().__contains__(key)

    def items(self) -> ItemsView[Any, Any]:  # type: ignore[override]
        """As of ``dict``; every value counts as read."""
        return {key: self[key] for key in self}.items()

    def values(self) -> ValuesView[Any]:  # type: ignore[override]
        """As of ``dict``; every value counts as read."""
        return {key: self[key] for key in self}.values()

    def pop(self, key: Any, *default: Any) -> Any:
        """As of ``dict``."""
        value = self.get(key)
        return super().pop(key, *default) if value is None else (super().pop(key), value)[1]

    def copy(self) -> WatchedDict:
        """A copy that goes on telling."""
        return WatchedDict(self, self._trace, self._place)

    def __reduce__(self) -> Any:
        return dict, (dict(self.items()),)

    def _seen(self, key: Any, value: Any) -> Any:
        if key in self._own or not isinstance(key, str):
            return value
        return watched(value, self._trace, self._at(key))

    def _at(self, key: str) -> str:
        plain = str.__str__(key)
        return f"{self._place}.{plain}" if self._place else plain


class WatchedList(list[Any]):
    """A list that tells what is looked for in it; of ``parent_ids``, whether it is empty."""

    def __init__(self, value: list[Any], trace: Trace, place: str) -> None:
        super().__init__(value)
        self._trace, self._place = trace, place

    def __getitem__(self, index: Any) -> Any:
        return self._seen(super().__getitem__(index))

    def __iter__(self) -> Iterator[Any]:
        return map(self._seen, super().__iter__())

    def __contains__(self, value: object) -> bool:
        return self._trace.test(self._place, value, value in list(super().__iter__()))

    def __len__(self) -> int:
        return self._sized(super().__len__())

    def __bool__(self) -> bool:
        return len(self) > 0

    def __eq__(self, other: object) -> bool:
        self._sized(super().__len__())
        return super().__eq__(other)

    def __reduce__(self) -> Any:
        return list, (list(super().__iter__()),)

    def _sized(self, length: int) -> int:
        if self._place == "parent_ids":
            self._trace.test(self._place, "child" if length else "root", True)
        return length

    def _seen(self, value: Any) -> Any:
        return watched(value, self._trace, self._place) if self._place != "parent_ids" else value


class WatchedObject:
    """Stands for a message, a document or any other object: an instance of its class that tells what is read.

    What is called on it, added to it or asked of it as a whole reads the whole.
    """

    __slots__ = ("_place", "_trace", "_value")

    def __init__(self, value: object, trace: Trace, place: str) -> None:
        object.__setattr__(self, "_value", value)
        object.__setattr__(self, "_trace", trace)
        object.__setattr__(self, "_place", place)

    def __getattribute__(self, name: str) -> Any:
        value = object.__getattribute__(self, "_value")
        found = type(value) if name == "__class__" else getattr(value, name)
        if name.startswith("__") or callable(found):
            return found
        place = f"{object.__getattribute__(self, '_place')}.{name}"
        return watched(found, object.__getattribute__(self, "_trace"), place)

    def __setattr__(self, name: str, value: object) -> None:
        setattr(plain(self), name, value)

    def __repr__(self) -> str:
        return repr(plain(self))

    def __str__(self) -> str:
        return str(plain(self))

    def __eq__(self, other: object) -> bool:
        return bool(plain(self) == plain(other))

    def __hash__(self) -> int:
        return hash(plain(self))

    def __len__(self) -> int:
        return len(plain(self))

    def __bool__(self) -> bool:
        return bool(plain(self))

    def __iter__(self) -> Iterator[Any]:
        return iter(plain(self))

    def __getitem__(self, key: Any) -> Any:
        return plain(self)[key]

    def __add__(self, other: object) -> Any:
        return plain(self) + plain(other)

    def __radd__(self, other: object) -> Any:
        return plain(other) + plain(self)

    def __reduce_ex__(self, protocol: Any) -> Any:
        return _itself, (plain(self),)


def plain(value: Any) -> Any:
    """What a watched object stands for; anything else as it is."""
    return object.__getattribute__(value, "_value") if type(value) is WatchedObject else value


def _itself(value: Any) -> Any:
    return value
