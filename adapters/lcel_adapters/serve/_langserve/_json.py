"""JSON as LangServe writes it (EVENTS.md, 1.4): a pydantic model is its ``model_dump()``, a message a flat dict."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from typing import Any

import orjson
from pydantic import BaseModel

ERROR = {"status_code": 500, "message": "Internal Server Error"}
"""What a client is told of an exception: nothing about it, since it may hold anything."""

_LENIENT = orjson.OPT_NON_STR_KEYS | orjson.OPT_SERIALIZE_NUMPY


class WellKnownSerializer:
    """The serializer that a route has unless it is given another."""

    def dumps(self, obj: Any) -> bytes:
        """A value's JSON on one line.

        Raises:
            TypeError: If the value, or one in it, has no form.
        """
        try:
            return orjson.dumps(obj, default)
        except TypeError:
            return orjson.dumps(obj, default, _LENIENT)  # slower: for keys that are no strings

    def dumpd(self, obj: Any) -> Any:
        """The same as JSON values."""
        return orjson.loads(self.dumps(obj))


def default(value: object) -> object:
    """The JSON form of what orjson does not know.

    Models are all that LangServe can write. The others come with graphs: a set or a ``Send`` in a state, the exception
    in ``on_tool_error``.

    Raises:
        TypeError: If there is none.
    """
    if isinstance(value, BaseModel):
        return value.model_dump()
    if isinstance(value, BaseException):
        return ERROR
    if isinstance(value, (AbstractSet, deque, tuple)):
        return list(value)
    if isinstance(value, Mapping):
        return dict(value)
    if type(value).__name__ == "Send" and hasattr(value, "node") and hasattr(value, "arg"):
        return {"node": value.node, "arg": value.arg}
    raise TypeError(f"a {type(value).__name__} has no JSON form; give add_routes a serializer that knows it")


def shown(value: object) -> object:
    """The same; what has none is shown by its class, since a reader of callback events can do without it."""
    try:
        return default(value)
    except TypeError:
        return f"<{type(value).__name__}>"


def dumps_shown(value: object) -> bytes:
    """A value's JSON, where a part that has no form must not spoil the rest."""
    return orjson.dumps(value, shown, _LENIENT)
