"""Which rule a class has: by its name, what it declares, its bases, its shape, what it can do."""

from __future__ import annotations

import dataclasses
import datetime
import decimal
import enum
import fractions
import os
import re
import types
import uuid
from collections import UserString, deque
from collections.abc import Callable, Mapping, Sequence, Set, ValuesView
from typing import Any, Final

from lcel_compat.events._json_models import model_rule, model_v1_rule
from lcel_compat.events._json_values import (
    Pairs,
    Rule,
    Unordered,
    array,
    as_base64,
    complex_text,
    exception,
    integer,
    iterated,
    mapped,
    module,
    named,
    named_tuple,
    number,
    opaque,
    reader,
    runnable,
    same,
    text,
    truncated,
)

_MAX_STEPS: Final = 16

_BY_BASE: Final[tuple[tuple[type, Rule], ...]] = (
    (str, text),
    (int, integer),
    (float, number),
    (bytes, as_base64),
    (bytearray, as_base64),
    (memoryview, as_base64),
    (complex, complex_text),
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
    (dict, lambda value: Pairs(dict.items(value))),
    (set, lambda value: Unordered(set.__iter__(value))),
    (frozenset, lambda value: Unordered(frozenset.__iter__(value))),
    (deque, lambda value: list(deque.__iter__(value))),
    (type, named),
    (types.FunctionType, named),
    (types.BuiltinFunctionType, named),
    (types.MethodType, named),
    (types.ModuleType, module),
)
"""The first base that fits gives the rule. (A ``datetime`` is a ``date``.)"""

_BY_PROTOCOL: Final[tuple[tuple[type, Rule], ...]] = (
    (Mapping, mapped),
    (Set, lambda value: Unordered(iterated(value))),
    (Sequence, iterated),
    (ValuesView, iterated),
)

_BY_NAME: Final[dict[str, Callable[[type], Rule]]] = {
    "langchain_core.runnables.base.Runnable": lambda _: runnable,
    "langchain_core.tracers.log_stream.RunLogPatch": lambda _: reader(["ops"]),
    "pydantic.main.BaseModel": model_rule,
    "pydantic.v1.main.BaseModel": model_v1_rule,
    "pydantic.networks._BaseUrl": lambda _: str,
    "pydantic.networks._BaseMultiHostUrl": lambda _: str,
    "pydantic_core._pydantic_core.Url": lambda _: str,
    "pydantic_core._pydantic_core.MultiHostUrl": lambda _: str,
    "ipaddress._IPAddressBase": lambda _: str,
    "unittest.mock.NonCallableMock": lambda _: opaque,
}
"""Other people's classes by a base's dotted name: to know a class, nothing has to be imported."""


def _find_rule(cls: type) -> Rule:
    if issubclass(cls, enum.Enum):
        return lambda value: value._value_
    if issubclass(cls, BaseException):
        return exception
    return (
        _rule_by_name(cls)
        or _rule_by_declaration(cls)
        or _rule_by_base(cls, _BY_BASE)
        or _rule_by_shape(cls)
        or _rule_by_base(cls, _BY_PROTOCOL)
        or _rule_by_methods(cls)
    )


def _rule_by_name(cls: type) -> Rule | None:
    for base in cls.__mro__:
        make = _BY_NAME.get(f"{base.__module__}.{base.__qualname__}")
        if make is not None:
            return make(cls)
    return None


def _rule_by_declaration(cls: Any) -> Rule | None:
    """The rule for a class that declares its fields, in one of the ways there are."""
    declared = {*getattr(cls, "__dataclass_fields__", ()), *getattr(cls, "__slots__", ())}
    if cls.__name__ == "Send" and declared >= {"node", "arg"}:
        return lambda value: {"node": value.node, "args": value.arg}
    if dataclasses.is_dataclass(cls):
        return reader(field.name for field in dataclasses.fields(cls))
    if isinstance(names := getattr(cls, "_fields", None), tuple) and issubclass(cls, tuple):
        return named_tuple if all(type(name) is str for name in names) else None
    if hasattr(cls, "__attrs_attrs__"):
        return reader(field.name for field in cls.__attrs_attrs__)
    if hasattr(cls, "__struct_fields__"):
        return reader(cls.__struct_fields__)
    return None


def _rule_by_base(cls: type, table: tuple[tuple[type, Rule], ...]) -> Rule | None:
    return next((rule for base, rule in table if issubclass(cls, base)), None)


def _rule_by_shape(cls: Any) -> Rule | None:
    if issubclass(cls, types.SimpleNamespace):
        return lambda value: Pairs(vars(value).items())
    if hasattr(cls, "get_secret_value"):
        return lambda _: "**********"
    if hasattr(cls, "tolist") and hasattr(cls, "dtype"):
        return array
    return None


def _rule_by_methods(cls: Any) -> Rule:
    """A mapping or sequence that is not registered as one, but that ``dict`` or ``list`` take."""
    if not hasattr(cls, "__getitem__") or hasattr(cls, "__next__"):
        return opaque
    if hasattr(cls, "keys"):
        return mapped
    return iterated if hasattr(cls, "__len__") and hasattr(cls, "__iter__") else opaque


PLAIN: Final[dict[type, Rule]] = {
    type(None): same,
    bool: same,
    str: text,
    int: integer,
    float: number,
}
KINDS: Final[dict[type, Callable[[], object]]] = {
    dict: dict,
    Pairs: dict,
    list: list,
    tuple: list,
    set: list,
    frozenset: list,
    Unordered: list,
}
"""The containers that the walk opens, with the JSON container each becomes."""
_RULES: Final[dict[type, Rule]] = {}
_MAX_RULES: Final = 4096


def _rule(cls: type) -> Rule:
    found = _RULES.get(cls)
    if found is None:
        if len(_RULES) >= _MAX_RULES:  # Classes made at run time must not be kept alive for ever.
            _RULES.clear()
        found = _RULES[cls] = _find_rule(cls)
    return found


def reduced(value: object) -> object:
    """``value`` as a JSON scalar or as one of ``KINDS`` with parts that are as they were."""
    for _ in range(_MAX_STEPS):
        try:
            cls = type(value)
            if cls in KINDS:
                return value
            plain = PLAIN.get(cls)
            if plain is not None:
                return plain(value)
            value = _rule(cls)(value)
        except Exception:  # Even asking for a class's hash may raise: its metaclass decides.
            value = opaque(value)
    return truncated(value)
