"""A total JSON encoder for events and stream items.

Whatever a chain or a graph puts into an event, ``to_jsonable`` gives a JSON value for it and
``to_json`` its text: no value raises, none is changed, and the same value always gives the same
text. (Only exceptions outside ``Exception``, such as ``KeyboardInterrupt``, pass through.) Encoding
what was encoded already changes nothing.

The shapes are those that clients know from LangServe's well-known serializer (flat ``model_dump()``
forms told apart by ``type``; ``langserve/serialization.py:181``, EVENTS.md 1.4) and from the
LangGraph Agent Server. Where those two lose something, ours keeps it:

======================================  ============================================================
value                                   JSON
======================================  ============================================================
``str``                                 string; surrogate pairs joined, lone surrogates ``U+FFFD``
``int``                                 number; outside 64 bits decimal text, from 2048 bits on hex
``float``                               number; else ``"NaN"``, ``"Infinity"``, ``"-Infinity"``
``Decimal``, ``Fraction``, ``complex``  string (``str()``), as are UUID, path, URL, IP address and
                                        time zone; a ``re.Pattern`` is its source
``date``, ``time``, ``datetime``        ISO 8601 string
``timedelta``                           number of seconds
``bytes`` and their like                base64 string
enum member                             its value's JSON
``dict``, mapping                       object in the same order; other keys become text as ``json``
                                        does it, structured ones their JSON; a key whose text is
                                        taken gets ``#2``, ``#3``...
``list``, ``tuple``, sequence           array
``set``, ``frozenset``                  array, numbers first, then by text
named tuple, dataclass, attrs, msgspec  object of the declared fields
message, chunk, document, generation,   object of the model's fields: the flat ``model_dump()`` with
``LLMResult``, any pydantic model       its ``type``; but models inside keep *all* their fields,
                                        which ``model_dump()`` cuts to those of the declared class
prompt value                            ``{"messages": [...]}``; ``{"text": ..., "type": ...}``
``RunLogPatch`` (``astream_log``)       ``{"ops": [...]}``
``Send``                                ``{"node": ..., "args": ...}``
``Interrupt``, ``Command``              as the dataclasses they are
exception                               ``{"type": "exception", "error": class, "message": ...}``
                                        and, where they say more, ``args``, ``notes``, ``cause``,
                                        ``exceptions`` (of a group)
secret (``get_secret_value``)           ``"**********"``
NumPy scalar or array, tensor           what its ``tolist()`` gives
class, function, module, ``Runnable``   ``{"type": dotted class, "name": ...}``
anything else                           ``{"type": dotted class, "repr": repr without addresses}``
a value inside itself                   ``{"type": "cycle", "path": where it was met first}``
too deep, too much                      ``{"type": "truncated", "of": dotted class}``
======================================  ============================================================

The ``type`` of a value without a form of its own is a dotted name, which no message type is.
Non-finite floats are spelt as in proto3's JSON; JavaScript's ``Number()`` and Python's ``float()``
both read them back.

Three things are left alone on purpose. Iterators and generators are not consumed. The attributes of
a plain object are not listed, since those of an HTTP client hold its key; fields that a class
*declares* are. A ``Runnable`` is named, not opened, for the same reason.

Limits: 100 levels that hold something (Rust's serde stops reading at 128), ten million parts, and
100,000 items of a sequence or mapping that is not built in and might compute them for ever.
"""

from __future__ import annotations

import base64
import dataclasses
import datetime
import decimal
import enum
import fractions
import json
import math
import os
import re
import types
import uuid
from collections import UserString, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set, ValuesView
from itertools import islice
from typing import Any, Final, TypeAlias, TypeGuard, cast

JsonValue: TypeAlias = "bool | int | float | str | list[JsonValue] | dict[str, JsonValue] | None"
"""What ``json.loads`` can give."""

_MAX_DEPTH: Final = 100
_MAX_PARTS: Final = 10_000_000
_MAX_ITEMS: Final = 100_000
_MAX_STEPS: Final = 16
_MAX_REPR: Final = 500
_MAX_KEY_LEVELS: Final = 8
_MAX_KEY_PARTS: Final = 1_000


def to_jsonable(value: object) -> JsonValue:
    """``value`` made of ``None``, ``bool``, ``int``, ``float``, ``str``, ``list`` and ``dict``.

    The result shares no container with ``value``. Raises no ``Exception``, as long as the caller
    leaves it some 30 stack frames.
    """
    return _Encoder().encode(value)


def to_json(value: object, *, indent: int | None = None) -> str:
    """``value`` as strict JSON text that UTF-8 can encode; compact but for ``indent``.

    One line holds for every reader: the line ends of Unicode inside strings are escaped, so that
    neither JSON lines nor server-sent events are torn by them. When the stack is nearly full,
    ``indent`` is left out.
    """
    return _dumps(to_jsonable(value), indent)


# --- values whose rules say what they are, one step plainer ---------------------------------------

_Rule: TypeAlias = Callable[[Any], object]


class _Pairs(list[tuple[object, object]]):
    """An object that is still to be encoded: its keys, of any type, with their values."""


class _Unordered(list[object]):
    """An array that is still to be encoded and whose order means nothing."""


def _text(value: str) -> str:
    if type(value) is str and value.isascii():
        return value
    plain = str.__str__(value)  # Not str(value): a subclass may say anything there.
    try:
        plain.encode()
    except UnicodeEncodeError:
        return plain.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return plain


def _integer(value: int) -> int | str:
    plain = int.__pos__(value)
    if -(1 << 63) <= plain < 1 << 64:
        return plain
    # sys.set_int_max_str_digits may forbid decimal text of more than 640 digits, but never hex.
    return str(plain) if plain.bit_length() < 2048 else hex(plain)


def _number(value: float) -> float | str:
    plain = float.__pos__(value)
    if math.isfinite(plain):
        return plain
    return "NaN" if plain != plain else "Infinity" if plain > 0 else "-Infinity"


def _same(value: object) -> object:
    return value


def _base64(value: bytes | bytearray | memoryview) -> str:
    return base64.b64encode(bytes(value)).decode()


def _complex(value: complex) -> str:
    return str(complex(value)).strip("()")


def _array(value: Any) -> object:
    """An array or scalar that knows its plain form (NumPy and those who follow it)."""
    plain = value.tolist()
    return str(value) if type(plain) is type(value) else plain


def _exception(value: BaseException) -> dict[str, object]:
    cause = value.__cause__ or (None if value.__suppress_context__ else value.__context__)
    group = isinstance(value, BaseExceptionGroup)
    message = _said(value)
    args = _ARGS(value)
    more = {
        "args": None if group or _only_says(args, message) else list(args),
        "notes": getattr(value, "__notes__", None),
        "cause": cause,
        "exceptions": list(value.exceptions) if isinstance(value, BaseExceptionGroup) else None,
    }
    known = {"type": "exception", "error": type(value).__name__, "message": message}
    return known | {key: part for key, part in more.items() if part is not None}


_ARGS: Final[Callable[[BaseException], tuple[object, ...]]] = vars(BaseException)["args"].__get__
"""``args`` as ``BaseException`` keeps them, whatever a subclass calls by that name."""


def _said(value: BaseException) -> str:
    try:
        return str(value)
    except Exception:
        return "<str() failed>"


def _only_says(args: tuple[object, ...], message: str) -> bool:
    if len(args) != 1:
        return not args
    only = args[0]
    return isinstance(only, str) and str.__str__(only) == message


def _reader(names: Iterable[str]) -> Callable[[Any], dict[str, object]]:
    """The rule for a class that declares its fields: read them, leave out those not set."""
    fields = tuple(names)

    def read(value: object) -> dict[str, object]:
        found = {name: _attribute(value, name) for name in fields}
        return {name: part for name, part in found.items() if part is not _MISSING}

    return read


_MISSING: Final = object()


def _attribute(value: object, name: str) -> object:
    try:
        return getattr(value, name)
    except AttributeError:
        return _MISSING
    except Exception as error:  # A field that cannot be read is shown as the reason why.
        return error


def _iterated(value: Iterable[object]) -> list[object]:
    items = list(islice(iter(value), _MAX_ITEMS + 1))
    if len(items) > _MAX_ITEMS:
        items[_MAX_ITEMS] = _truncated(value)
    return items


def _mapped(value: Mapping[object, object]) -> _Pairs:
    keys = list(islice(iter(value.keys()), _MAX_ITEMS + 1))
    pairs = _Pairs((key, value[key]) for key in keys[:_MAX_ITEMS])
    if len(keys) > _MAX_ITEMS:
        pairs.append(("truncated", _truncated(value)))
    return pairs


def _named_tuple(value: Any) -> _Pairs:
    return _Pairs(zip(type(value)._fields, tuple.__iter__(value), strict=True))


# --- values without a form of their own -----------------------------------------------------------

_ADDRESS: Final = re.compile(r"(?: at )?0x[0-9a-fA-F]{6,}")


def _opaque(value: object) -> dict[str, object]:
    return {"type": _dotted(type(value)), "repr": _shown(value)}


def _shown(value: object) -> str:
    try:
        shown = _ADDRESS.sub("", _text(repr(value)))
    except Exception:
        return "<repr() failed>"
    return shown if len(shown) <= _MAX_REPR else shown[:_MAX_REPR] + "…"


def _dotted(named: object) -> str:
    """The dotted name of a class or function, whatever its metaclass or owner does to hide it."""
    try:
        module, name = getattr(named, "__module__", None), getattr(named, "__qualname__", None)
        name = name or getattr(named, "__name__", None)
    except Exception:
        return "<unnamed>"
    parts = (module, name if isinstance(name, str) else "<unnamed>")
    return ".".join(_text(part) for part in parts if isinstance(part, str))


def _named(value: object) -> dict[str, object]:
    return {"type": _dotted(type(value)), "name": _dotted(value)}


def _module(value: types.ModuleType) -> dict[str, object]:
    return {"type": "builtins.module", "name": value.__name__}


def _runnable(value: Any) -> dict[str, object]:
    try:
        name = str(value.get_name())
    except Exception:
        name = type(value).__name__
    return {"type": _dotted(type(value)), "name": name}


def _truncated(value: object) -> dict[str, object]:
    return {"type": "truncated", "of": _dotted(type(value))}


def _is_truncated(value: object) -> TypeGuard[dict[str, str]]:
    if type(value) is not dict:
        return False
    if not all(type(part) is str for pair in value.items() for part in pair):
        return False
    return value.get("type") == "truncated" and "of" in value


# --- pydantic models, without importing pydantic --------------------------------------------------


def _model_rule(cls: Any) -> _Rule:
    """The rule for a pydantic (v2) class: field by field, unless it has a dump of its own."""
    if getattr(cls, "__pydantic_root_model__", False):
        return _root
    names = tuple(name for name, field in cls.model_fields.items() if not field.exclude)
    computed_names = tuple(cls.__pydantic_decorators__.computed_fields)
    computed = _reader(computed_names)

    def read(value: Any) -> dict[str, object]:
        held = object.__getattribute__(value, "__dict__")
        out = {name: held[name] for name in names if name in held}
        out |= object.__getattribute__(value, "__pydantic_extra__") or {}
        return {**out, **computed(value)} if computed_names else out

    return _dumper(read) if _dumps_itself(cls) else read


def _root(value: Any) -> object:
    return value.root


def _dumper(otherwise: _Rule) -> _Rule:
    def dump(value: Any) -> object:
        try:
            return value.model_dump(serialize_as_any=True, warnings=False)
        except Exception:
            return otherwise(value)

    return dump


def _dumps_itself(cls: Any) -> bool:
    declared = cls.__pydantic_decorators__
    if declared.field_serializers or declared.model_serializers:
        return True
    if not cls.model_dump.__module__.startswith("pydantic."):
        return True
    return any(_field_dumps_itself(field) for field in cls.model_fields.values())


def _field_dumps_itself(field: Any) -> bool:
    if getattr(field, "exclude_if", None) is not None:
        return True
    marks = {type(mark).__name__ for mark in field.metadata}
    return bool(marks & {"PlainSerializer", "WrapSerializer"})


def _model_v1_rule(cls: Any) -> _Rule:
    return _reader(name for name, field in cls.__fields__.items() if not field.field_info.exclude)


# --- which rule a class has -----------------------------------------------------------------------

_BY_BASE: Final[tuple[tuple[type, _Rule], ...]] = (
    (str, _text),
    (int, _integer),
    (float, _number),
    (bytes, _base64),
    (bytearray, _base64),
    (memoryview, _base64),
    (complex, _complex),
    (datetime.date, lambda value: value.isoformat()),
    (datetime.time, lambda value: value.isoformat()),
    (datetime.timedelta, lambda value: value.total_seconds()),
    (datetime.tzinfo, str),
    (decimal.Decimal, str),
    (fractions.Fraction, str),
    (uuid.UUID, str),
    (os.PathLike, os.fspath),
    (re.Pattern, lambda value: value.pattern),
    (UserString, str),
    (list, list.copy),
    (tuple, lambda value: list(tuple.__iter__(value))),
    (dict, lambda value: _Pairs(dict.items(value))),
    (set, lambda value: _Unordered(set.__iter__(value))),
    (frozenset, lambda value: _Unordered(frozenset.__iter__(value))),
    (deque, lambda value: list(deque.__iter__(value))),
    (type, _named),
    (types.FunctionType, _named),
    (types.BuiltinFunctionType, _named),
    (types.MethodType, _named),
    (types.ModuleType, _module),
)
"""The first base that fits gives the rule. (A ``datetime`` is a ``date``.)"""

_BY_PROTOCOL: Final[tuple[tuple[type, _Rule], ...]] = (
    (Mapping, _mapped),
    (Set, lambda value: _Unordered(_iterated(value))),
    (Sequence, _iterated),
    (ValuesView, _iterated),
)

_BY_NAME: Final[dict[str, Callable[[type], _Rule]]] = {
    "langchain_core.runnables.base.Runnable": lambda _: _runnable,
    "langchain_core.tracers.log_stream.RunLogPatch": lambda _: _reader(["ops"]),
    "pydantic.main.BaseModel": _model_rule,
    "pydantic.v1.main.BaseModel": _model_v1_rule,
    "pydantic.networks._BaseUrl": lambda _: str,
    "pydantic.networks._BaseMultiHostUrl": lambda _: str,
    "pydantic_core._pydantic_core.Url": lambda _: str,
    "pydantic_core._pydantic_core.MultiHostUrl": lambda _: str,
    "ipaddress._IPAddressBase": lambda _: str,
    "unittest.mock.NonCallableMock": lambda _: _opaque,
}
"""Other people's classes by a base's dotted name: to know a class, nothing has to be imported."""


def _find_rule(cls: type) -> _Rule:
    if issubclass(cls, enum.Enum):
        return lambda value: value._value_
    if issubclass(cls, BaseException):
        return _exception
    return (
        _rule_by_name(cls)
        or _rule_by_declaration(cls)
        or _rule_by_base(cls, _BY_BASE)
        or _rule_by_shape(cls)
        or _rule_by_base(cls, _BY_PROTOCOL)
        or _rule_by_methods(cls)
    )


def _rule_by_name(cls: type) -> _Rule | None:
    for base in cls.__mro__:
        make = _BY_NAME.get(f"{base.__module__}.{base.__qualname__}")
        if make is not None:
            return make(cls)
    return None


def _rule_by_declaration(cls: Any) -> _Rule | None:
    """The rule for a class that declares its fields, in one of the ways there are."""
    declared = {*getattr(cls, "__dataclass_fields__", ()), *getattr(cls, "__slots__", ())}
    if cls.__name__ == "Send" and declared >= {"node", "arg"}:
        return lambda value: {"node": value.node, "args": value.arg}
    if dataclasses.is_dataclass(cls):
        return _reader(field.name for field in dataclasses.fields(cls))
    if isinstance(names := getattr(cls, "_fields", None), tuple) and issubclass(cls, tuple):
        return _named_tuple if all(type(name) is str for name in names) else None
    if hasattr(cls, "__attrs_attrs__"):
        return _reader(field.name for field in cls.__attrs_attrs__)
    if hasattr(cls, "__struct_fields__"):
        return _reader(cls.__struct_fields__)
    return None


def _rule_by_base(cls: type, table: tuple[tuple[type, _Rule], ...]) -> _Rule | None:
    return next((rule for base, rule in table if issubclass(cls, base)), None)


def _rule_by_shape(cls: Any) -> _Rule | None:
    if issubclass(cls, types.SimpleNamespace):
        return lambda value: _Pairs(vars(value).items())
    if hasattr(cls, "get_secret_value"):
        return lambda _: "**********"
    if hasattr(cls, "tolist") and hasattr(cls, "dtype"):
        return _array
    return None


def _rule_by_methods(cls: Any) -> _Rule:
    """A mapping or sequence that is not registered as one, but that ``dict`` or ``list`` take."""
    if not hasattr(cls, "__getitem__") or hasattr(cls, "__next__"):
        return _opaque
    if hasattr(cls, "keys"):
        return _mapped
    return _iterated if hasattr(cls, "__len__") and hasattr(cls, "__iter__") else _opaque


_PLAIN: Final[dict[type, _Rule]] = {
    type(None): _same,
    bool: _same,
    str: _text,
    int: _integer,
    float: _number,
}
_KINDS: Final[dict[type, Callable[[], object]]] = {
    dict: dict,
    _Pairs: dict,
    list: list,
    tuple: list,
    set: list,
    frozenset: list,
    _Unordered: list,
}
"""The containers that the walk opens, with the JSON container each becomes."""
_RULES: Final[dict[type, _Rule]] = {}
_MAX_RULES: Final = 4096


def _rule(cls: type) -> _Rule:
    found = _RULES.get(cls)
    if found is None:
        if len(_RULES) >= _MAX_RULES:  # Classes made at run time must not be kept alive for ever.
            _RULES.clear()
        found = _RULES[cls] = _find_rule(cls)
    return found


def _reduced(value: object) -> object:
    """``value`` as a JSON scalar or as one of ``_KINDS`` with parts that are as they were."""
    for _ in range(_MAX_STEPS):
        try:
            cls = type(value)
            if cls in _KINDS:
                return value
            plain = _PLAIN.get(cls)
            if plain is not None:
                return plain(value)
            value = _rule(cls)(value)
        except Exception:  # Even asking for a class's hash may raise: its metaclass decides.
            value = _opaque(value)
    return _truncated(value)


# --- the walk -------------------------------------------------------------------------------------


_Member: TypeAlias = tuple[Any, object]
"""An index or key, which is text already, and the part that belongs there."""


class _Frame:
    """One array or object being encoded: what is left of it, and where the encoded parts go."""

    __slots__ = ("items", "key", "source", "target", "unordered")

    def __init__(self, source: object, target: Any, items: Iterator[_Member], unordered: bool) -> None:
        self.source = source  # Held, so that its id stays its own while we are inside it.
        self.target = target
        self.items = items
        self.unordered = unordered
        self.key: int | str = 0


class _Encoder:
    """One depth-first walk on a stack of its own, since Python's would overflow."""

    def __init__(self, *, depth: int = 0, parts: int = _MAX_PARTS) -> None:
        self._depth = depth
        self._parts_left = parts
        self._stack: list[_Frame] = []
        self._inside: dict[int, int] = {}

    def encode(self, value: object) -> JsonValue:
        holder: list[JsonValue] = [None]
        self._stack.append(_Frame(None, holder, iter([(0, value)]), False))
        while self._stack:
            self._advance(self._stack[-1])
        return holder[0]

    def _advance(self, frame: _Frame) -> None:
        """Encode the parts of ``frame`` up to the next array or object; if none is left, leave."""
        target = frame.target
        level = len(self._stack)
        for key, part in frame.items:
            kind = type(part)
            if part is None or (kind is str and cast("str", part).isascii()):
                target[key] = part
            elif (kind is list or kind is dict) and not part:
                target[key] = kind()
            else:
                frame.key = key
                target[key] = self._enter(part)
                if len(self._stack) > level:
                    return
        self._leave()

    def _enter(self, value: object) -> object:
        """The JSON of ``value``; its parts, if it has any, are left to a frame that is pushed."""
        if id(value) in self._inside:
            return self._open(value, self._cycle(value))
        shape = _reduced(value)
        return self._open(value, shape) if type(shape) in _KINDS else shape

    def _open(self, source: object, shape: Any) -> object:
        if len(shape) == 2 and _is_truncated(shape):
            return {"type": "truncated", "of": _text(shape["of"])}
        needed = 1 + len(shape)
        if needed > self._parts_left or self._depth + len(self._stack) > _MAX_DEPTH:
            return _truncated(source)
        self._parts_left -= needed
        if not shape:
            return _KINDS[type(shape)]()
        flat = _flat(shape)
        return self._pushed(source, shape) if flat is None else flat

    def _pushed(self, source: object, shape: Any) -> object:
        target: Any
        if _KINDS[type(shape)] is dict:
            target, items = {}, self._members(shape)
        else:
            target, items = [None] * len(shape), enumerate(list(shape))
        self._inside[id(source)] = len(self._stack)
        self._stack.append(_Frame(source, target, items, type(shape) in _SETS))
        return target

    def _leave(self) -> None:
        frame = self._stack.pop()
        self._inside.pop(id(frame.source), None)
        if frame.unordered:
            frame.target.sort(key=_canonical)

    def _members(self, shape: Any) -> Iterator[_Member]:
        if type(shape) is not dict:
            return iter(self._with_text_keys(shape))
        pairs = list(shape.items())
        if _has_plain_keys(shape):
            return iter(pairs)
        return iter(self._with_text_keys(pairs))

    def _with_text_keys(self, pairs: list[tuple[object, object]]) -> list[_Member]:
        """The pairs with their keys as text; keys that are that text already have precedence."""
        texts = [(key, self._key(key)) for key, _ in pairs]
        kept = [type(key) is str and key == text for key, text in texts]
        taken = {text for (_, text), keep in zip(texts, kept, strict=True) if keep}
        out: list[_Member] = []
        for (_, part), (_, text), keep in zip(pairs, texts, kept, strict=True):
            name = text if keep else _free(text, taken)
            taken.add(name)
            out.append((name, part))
        return out

    def _key(self, key: object) -> str:
        plain = _reduced(key)
        if type(plain) in _KINDS:
            plain = self._structured_key(key)
        return plain if isinstance(plain, str) else _dumps(cast("JsonValue", plain))

    def _structured_key(self, key: object) -> object:
        # A key in a key in a key: every level starts deeper, so that this recursion ends.
        depth = max(self._depth + len(self._stack), _MAX_DEPTH - _MAX_KEY_LEVELS)
        try:
            return _Encoder(depth=depth, parts=_MAX_KEY_PARTS).encode(key)
        except RecursionError:
            return _dotted(type(key))

    def _cycle(self, value: object) -> dict[str, str]:
        steps = map(_path_step, self._stack[1 : self._inside[id(value)]])
        return {"type": "cycle", "path": "$" + "".join(steps)}


def _all_of(allowed: frozenset[type], parts: Iterable[object]) -> bool:
    try:
        return allowed.issuperset(map(type, parts))
    except Exception:  # A metaclass whose hash raises is no scalar's.
        return False


def _has_plain_keys(shape: dict[Any, object]) -> bool:
    return _all_of(_JUST_TEXT, shape) and "".join(shape).isascii()


def _flat(shape: Any) -> list[object] | dict[str, object] | None:
    """The JSON of a list or dict of scalars, which needs no frame: most in an event are that."""
    if type(shape) is list and _all_of(_SCALARS, shape):
        return [_PLAIN[type(part)](part) for part in shape]
    if type(shape) is not dict or not _all_of(_SCALARS, shape.values()):
        return None
    if not _has_plain_keys(shape):
        return None
    return {key: _PLAIN[type(part)](part) for key, part in shape.items()}


_SCALARS: Final = frozenset(_PLAIN)
_JUST_TEXT: Final = frozenset({str})
_SETS: Final = frozenset({set, frozenset, _Unordered})
_IDENTIFIER: Final = re.compile(r"[A-Za-z_]\w*", re.ASCII)


def _path_step(frame: _Frame) -> str:
    if isinstance(frame.key, int):
        return "[*]" if frame.unordered else f"[{frame.key}]"
    return f".{frame.key}" if _IDENTIFIER.fullmatch(frame.key) else f"[{_dumps(frame.key)}]"


def _free(text: str, taken: set[str]) -> str:
    """``text``, or the first of ``text#2``, ``text#3``... that is not ``taken``."""
    number, free = 1, text
    while free in taken:
        number += 1
        free = f"{text}#{number}"
    return free


def _canonical(value: JsonValue) -> tuple[int, float, str]:
    """A sort key over JSON values: numbers by size, then everything else by its text."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return (0, value, "")
    return (1, 0, _dumps(value))


# --- text -----------------------------------------------------------------------------------------

_LINE_END: Final = re.compile("[\x85\u2028\u2029]")
_COMPACT: Final = json.JSONEncoder(ensure_ascii=False, allow_nan=False, check_circular=False, separators=(",", ":"))


def _dumps(value: JsonValue, indent: int | None = None) -> str:
    text = _written(value, indent)
    return text if text.isascii() else _LINE_END.sub(lambda end: f"\\u{ord(end[0]):04x}", text)


def _written(value: JsonValue, indent: int | None) -> str:
    try:
        if indent is None:
            return _COMPACT.encode(value)
        return json.dumps(value, ensure_ascii=False, allow_nan=False, check_circular=False, indent=indent)
    except RecursionError:
        return "".join(_pieces(value))


def _pieces(value: JsonValue) -> Iterator[str]:
    """The text of ``value`` in pieces, made on a stack of our own."""
    todo: list[JsonValue | _Piece] = [value]
    while todo:
        part = todo.pop()
        if isinstance(part, _Piece):
            yield part.text
        elif isinstance(part, dict):
            todo.extend(reversed(_spread("{", part.items(), "}")))
        elif isinstance(part, list):
            todo.extend(reversed(_spread("[", ((None, item) for item in part), "]")))
        else:
            yield _COMPACT.encode(part)


@dataclasses.dataclass(frozen=True, slots=True)
class _Piece:
    """Text that is JSON already."""

    text: str


def _spread(start: str, members: Iterable[tuple[str | None, JsonValue]], end: str) -> list[JsonValue | _Piece]:
    out: list[JsonValue | _Piece] = []
    for key, member in members:
        lead = "," if out else start
        out += [_Piece(lead if key is None else f"{lead}{_COMPACT.encode(key)}:"), member]
    return [*out, _Piece(end)] if out else [_Piece(start + end)]
