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

from lcel_compat.events._json_text import JsonValue, dumps
from lcel_compat.events._json_walk import Encoder

__all__ = ["JsonValue", "to_json", "to_jsonable"]


def to_jsonable(value: object) -> JsonValue:
    """``value`` made of ``None``, ``bool``, ``int``, ``float``, ``str``, ``list`` and ``dict``.

    The result shares no container with ``value``. Raises no ``Exception``, as long as the caller
    leaves it some 30 stack frames.
    """
    return Encoder().encode(value)


def to_json(value: object, *, indent: int | None = None) -> str:
    """``value`` as strict JSON text that UTF-8 can encode; compact but for ``indent``.

    One line holds for every reader: the line ends of Unicode inside strings are escaped, so that
    neither JSON lines nor server-sent events are torn by them. When the stack is nearly full,
    ``indent`` is left out.
    """
    return dumps(to_jsonable(value), indent)
