"""JSON as the Agent Server writes it (AGENT-SERVER.md, (i) Serialisation rules)."""

from __future__ import annotations

import base64
from collections import deque
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import timedelta
from decimal import Decimal
from pathlib import PurePath
from typing import Any

import orjson
from pydantic import BaseModel

from lcel_compat.events import to_jsonable

_OPTIONS = orjson.OPT_NON_STR_KEYS | orjson.OPT_SERIALIZE_NUMPY
_NUL = b"\\u0000"


def dumps(value: object) -> bytes:
    """A value's JSON, on one line.

    Pydantic models are their ``model_dump()``, dataclasses their fields, tuples and sets arrays, bytes base64, numbers
    that are not finite null, exceptions ``{"error": class, "message": text}``, what has no form null. ``U+0000``, which
    PostgreSQL does not store, becomes ``U+FFFD``.

    Raises nothing for a value: what orjson cannot write (a lone surrogate, an integer of more than 64 bits, a value
    inside itself) is written as ``lcel_compat.events.to_jsonable`` gives it.
    """
    try:
        text = orjson.dumps(value, default, _OPTIONS)
    except (TypeError, ValueError, RecursionError):
        text = orjson.dumps(to_jsonable(value))
    # Only where it is certain that there is an escaped NUL, and not a backslash followed by the letters.
    return orjson.dumps(_without_nul(orjson.loads(text))) if _NUL in text else text


def plain(value: object) -> Any:
    """What ``dumps`` writes, as JSON values."""
    return orjson.loads(dumps(value))


def default(value: object) -> object:
    """The JSON form of a value that orjson does not know; None where it has none."""
    if isinstance(value, BaseModel):
        return value.model_dump()
    if isinstance(value, BaseException):
        return {"error": type(value).__name__, "message": str(value)}
    if isinstance(value, (bytes, bytearray, memoryview)):
        return base64.b64encode(bytes(value)).decode()
    if isinstance(value, (PurePath, Decimal)):
        return str(value)
    if isinstance(value, timedelta):
        return value.total_seconds()
    return _container(value)


def _container(value: object) -> object:
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        return value._asdict()
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, (AbstractSet, deque)):
        return list(value)
    # `Send` is neither a dataclass nor a model; its two public attributes are what it is.
    if type(value).__name__ == "Send" and hasattr(value, "node") and hasattr(value, "arg"):
        return {"node": value.node, "args": value.arg}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return list(value)
    return None


def _without_nul(value: Any) -> Any:
    if isinstance(value, str):
        return value.replace("\0", "\ufffd")
    if isinstance(value, list):
        return [_without_nul(item) for item in value]
    if isinstance(value, dict):
        return {_without_nul(key): _without_nul(item) for key, item in value.items()}
    return value
