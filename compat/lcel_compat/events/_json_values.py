"""Values one step plainer: what each kind of value that the encoder knows becomes, its parts as they were."""

from __future__ import annotations

import base64
import math
import re
import types
from collections.abc import Callable, Iterable, Mapping
from itertools import islice
from typing import Any, Final, TypeAlias, TypeGuard

MAX_ITEMS: Final = 100_000
_MAX_REPR: Final = 500


Rule: TypeAlias = Callable[[Any], object]


class Pairs(list[tuple[object, object]]):
    """An object that is still to be encoded: its keys, of any type, with their values."""


class Unordered(list[object]):
    """An array that is still to be encoded and whose order means nothing."""


def text(value: str) -> str:
    """UTF-8 can encode the result: surrogate pairs are joined, lone ones replaced."""
    if type(value) is str and value.isascii():
        return value
    plain = str.__str__(value)  # Not str(value): a subclass may say anything there.
    try:
        plain.encode()
    except UnicodeEncodeError:
        return plain.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return plain


def integer(value: int) -> int | str:
    """A number that every reader takes, else its digits."""
    plain = int.__pos__(value)
    if -(1 << 63) <= plain < 1 << 64:
        return plain
    # sys.set_int_max_str_digits may forbid decimal text of more than 640 digits, but never hex.
    return str(plain) if plain.bit_length() < 2048 else hex(plain)


def number(value: float) -> float | str:
    """A finite number, else its name in proto3's JSON."""
    plain = float.__pos__(value)
    if math.isfinite(plain):
        return plain
    return "NaN" if plain != plain else "Infinity" if plain > 0 else "-Infinity"


def same(value: object) -> object:
    """What is plain already."""
    return value


def as_base64(value: bytes | bytearray | memoryview) -> str:
    """Bytes as text."""
    return base64.b64encode(bytes(value)).decode()


def complex_text(value: complex) -> str:
    """A complex number as Python's ``complex()`` reads it."""
    return str(complex(value)).strip("()")


def array(value: Any) -> object:
    """An array or scalar that knows its plain form (NumPy and those who follow it)."""
    plain = value.tolist()
    return str(value) if type(plain) is type(value) else plain


def exception(value: BaseException) -> dict[str, object]:
    """An exception: its class, its message, and what says more than those."""
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


def reader(names: Iterable[str]) -> Callable[[Any], dict[str, object]]:
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


def iterated(value: Iterable[object]) -> list[object]:
    """A sequence that is not built in, up to ``MAX_ITEMS``."""
    items = list(islice(iter(value), MAX_ITEMS + 1))
    if len(items) > MAX_ITEMS:
        items[MAX_ITEMS] = truncated(value)
    return items


def mapped(value: Mapping[object, object]) -> Pairs:
    """A mapping that is not built in, up to ``MAX_ITEMS``."""
    keys = list(islice(iter(value.keys()), MAX_ITEMS + 1))
    pairs = Pairs((key, value[key]) for key in keys[:MAX_ITEMS])
    if len(keys) > MAX_ITEMS:
        pairs.append(("truncated", truncated(value)))
    return pairs


def named_tuple(value: Any) -> Pairs:
    """A named tuple's fields, whatever its ``_asdict`` does."""
    return Pairs(zip(type(value)._fields, tuple.__iter__(value), strict=True))


_ADDRESS: Final = re.compile(r"(?: at )?0x[0-9a-fA-F]{6,}")


def opaque(value: object) -> dict[str, object]:
    """A value without a form of its own: its class, and its ``repr`` without addresses."""
    return {"type": dotted(type(value)), "repr": _shown(value)}


def _shown(value: object) -> str:
    try:
        shown = _ADDRESS.sub("", text(repr(value)))
    except Exception:
        return "<repr() failed>"
    return shown if len(shown) <= _MAX_REPR else shown[:_MAX_REPR] + "…"


def dotted(named: object) -> str:
    """The dotted name of a class or function, whatever its metaclass or owner does to hide it."""
    try:
        module, name = getattr(named, "__module__", None), getattr(named, "__qualname__", None)
        name = name or getattr(named, "__name__", None)
    except Exception:
        return "<unnamed>"
    parts = (module, name if isinstance(name, str) else "<unnamed>")
    return ".".join(text(part) for part in parts if isinstance(part, str))


def named(value: object) -> dict[str, object]:
    """A class or function: what it is and what it is called."""
    return {"type": dotted(type(value)), "name": dotted(value)}


def module(value: types.ModuleType) -> dict[str, object]:
    """A module: its name."""
    return {"type": "builtins.module", "name": value.__name__}


def runnable(value: Any) -> dict[str, object]:
    """A ``Runnable``: named, not opened, since its attributes may hold keys."""
    try:
        name = str(value.get_name())
    except Exception:
        name = type(value).__name__
    return {"type": dotted(type(value)), "name": name}


def truncated(value: object) -> dict[str, object]:
    """The mark that stands for what was left out."""
    return {"type": "truncated", "of": dotted(type(value))}


def is_truncated(value: object) -> TypeGuard[dict[str, str]]:
    """Whether a value is such a mark already."""
    if type(value) is not dict:
        return False
    if not all(type(part) is str for pair in value.items() for part in pair):
        return False
    return value.get("type") == "truncated" and "of" in value
