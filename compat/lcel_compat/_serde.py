"""What savers are given and what they give back: our types under LangGraph's names.

A thread that one engine wrote is to be continued by the other. The serializer of ``langgraph-checkpoint`` writes an
object as the module and the name of its class with its fields (``langgraph/checkpoint/serde/jsonplus.py``), and reads
it by importing that module. So ours go out as LangGraph's (``to_wire_*``) and come back as ours (``from_wire_*``):

==================  ==============================  ======================================================
ours                what the serializer writes      what it gives back where LangGraph is not installed
==================  ==============================  ======================================================
``Send``            ``langgraph.types.Send``        ``[node, arg]``, or ``[node, arg, timeout]``
``Interrupt``       ``langgraph.types.Interrupt``   a dict of its fields
``Overwrite``       ``langgraph.types.Overwrite``   a dict of its fields, which a reduced key takes as it is
``Command``         ``langgraph.types.Command``     a dict of its fields
``TimeoutPolicy``   ``…types.TimeoutPolicy``        a dict of its fields
an exception        its ``repr``                    its ``repr``
==================  ==============================  ======================================================

They are looked for where graphs put them: a value itself, or directly in a list, a tuple or a dict. A list or dict is
read as what it once was only under the names that hold nothing else (``__pregel_tasks``, ``__interrupt__``); what is
not recognised stays as it is. Nothing here imports or calls what a checkpoint names.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, TypeAlias

from xxhash import xxh3_128_hexdigest

from lcel_compat._constants import INTERRUPT, TASKS
from lcel_compat.policies import TimeoutPolicy
from lcel_compat.types import Command, Interrupt, Overwrite, Send

LANGGRAPH: Final = "langgraph.types"
"""The module that LangGraph's checkpoints name."""

OURS: Final = (Send, Interrupt, Overwrite, Command, TimeoutPolicy)
_FIELDS: Final[Mapping[str, tuple[str, ...]]] = {
    "Send": ("node", "arg", "timeout"),
    "Interrupt": ("value", "id", "response_schema"),
    "Overwrite": ("value", "type"),
    "Command": ("graph", "update", "resume", "goto"),
    "TimeoutPolicy": ("run_timeout", "idle_timeout", "refresh_on"),
}
_CONTAINERS: Final = frozenset({list, tuple, dict})

Classes: TypeAlias = Mapping[type, type]
"""From the class that an object has to the class that it gets."""


def to_wire_writes(writes: Iterable[tuple[str, Any]]) -> list[tuple[str, Any]]:
    """A task's writes as ``put_writes`` takes them, ``(channel, value)`` each."""
    classes = _wire_classes()
    return [(channel, _converted(value, classes)) for channel, value in writes]


def to_wire_checkpoint(values: Mapping[str, Any]) -> dict[str, Any]:
    """The channels' values as ``put`` takes them; values that hold none of our types are not copied."""
    classes = _wire_classes()
    looked_into = classes.keys() | _CONTAINERS
    # Most values are neither, and a wide state has hundreds of them in each superstep.
    return {name: _converted(value, classes) if type(value) in looked_into else value for name, value in values.items()}


def from_wire_writes(writes: Iterable[tuple[str, str, Any]] | None) -> list[tuple[str, str, Any]]:
    """A checkpoint's pending writes, ``(task id, channel, value)`` each, from ``CheckpointTuple.pending_writes``.

    An ``__error__`` stays the text that the serializer made of it, since that is what ``get_state`` shows
    (``langgraph/pregel/_task_status.py``); ``as_error`` makes an exception of it where one is needed.
    """
    classes = _our_classes()
    return [
        (str(task), channel, _read_write(channel, _converted(value, classes))) for task, channel, value in writes or ()
    ]


def from_wire_checkpoint(values: Mapping[str, Any]) -> dict[str, Any]:
    """A checkpoint's ``channel_values`` with our types in it."""
    classes = _our_classes()
    read = {name: _converted(value, classes) for name, value in values.items()}
    if TASKS in read:
        read[TASKS] = _each(read[TASKS], _as_packet)
    return read


def as_error(value: Any) -> BaseException:
    """The exception that an ``__error__`` write stands for.

    Its class is gone, as in LangGraph (``_coerce_pending_error`` in ``langgraph/pregel/_algo.py``): the text says
    which it was.
    """
    return value if isinstance(value, BaseException) else Exception(str(value))


# Classes ---------------------------------------------------------------------------------------------------


def _stand_in(ours: type) -> type:
    """A class that the serializer takes for LangGraph's.

    A process need not load LangGraph (0.2 s more) to write what LangGraph can read. Pickled, which a serializer with
    ``pickle_fallback`` does with values that msgpack refuses, it is ours: pickle asks the module that a class names.
    """

    def init(self: Any, **fields: Any) -> None:
        for name, value in fields.items():
            object.__setattr__(self, name, value)  # as they are: ``Send`` would make the timeout one of ours again

    def reduce(self: Any) -> Any:
        return _itself, (_rebuilt(self, ours, _our_classes()),)

    methods = {"__init__": init, "__reduce__": reduce}
    return type(ours.__name__, (ours,), {"__module__": LANGGRAPH, "__slots__": (), **methods})


def _itself(value: Any) -> Any:
    return value


_STAND_INS: Final[Classes] = {ours: _stand_in(ours) for ours in OURS}


def _wire_classes() -> Classes:
    """LangGraph's own classes where it is loaded, since a saver may keep objects as they are; else stand-ins."""
    loaded = sys.modules.get(LANGGRAPH)
    return {ours: getattr(loaded, ours.__name__, stand_in) for ours, stand_in in _STAND_INS.items()}


def _our_classes() -> Classes:
    """To be asked for after the saver has read: until then LangGraph may not have been loaded."""
    theirs = {wire: ours for ours, wire in _wire_classes().items()}
    return theirs | {stand_in: ours for ours, stand_in in _STAND_INS.items()}


def _converted(value: Any, classes: Classes) -> Any:
    """The value with the objects of these classes rebuilt: itself, or what stands directly in it."""
    kind = type(value)
    if kind in classes:
        return _rebuilt(value, classes[kind], classes)
    if kind is dict and not classes.keys().isdisjoint(map(type, value.values())):
        return {key: _member(item, classes) for key, item in value.items()}
    if (kind is list or kind is tuple) and not classes.keys().isdisjoint(map(type, value)):
        return kind(_member(item, classes) for item in value)
    return value


def _member(value: Any, classes: Classes) -> Any:
    return _rebuilt(value, classes[type(value)], classes) if type(value) in classes else value


def _rebuilt(value: Any, cls: type, classes: Classes) -> Any:
    """An instance of ``cls`` with the fields of ``value``, an instance of its counterpart.

    LangGraph 1.2.0 has no ``response_schema``.
    """
    return cls(**{name: _converted(getattr(value, name, None), classes) for name in _FIELDS[cls.__name__]})


# What is left of LangGraph's objects where its module cannot be imported ------------------------------------


def _read_write(channel: str, value: Any) -> Any:
    if channel == TASKS:
        return _as_packet(value)
    if channel == INTERRUPT:
        return _each(value, _as_interrupt)
    return value


def _each(value: Any, read: Callable[[Any], Any]) -> Any:
    return type(value)(map(read, value)) if isinstance(value, list | tuple) else read(value)


def _as_packet(value: Any) -> Any:
    if not (isinstance(value, list | tuple) and len(value) in (2, 3) and isinstance(value[0], str)):
        return value
    node, arg, timeout = (*value, None)[:3]
    return Send(node, arg, timeout=_as_policy(timeout) if isinstance(timeout, dict) else timeout)


def _as_policy(fields: Mapping[str, Any]) -> TimeoutPolicy:
    """A later LangGraph may write more fields."""
    return TimeoutPolicy(**{name: fields[name] for name in _FIELDS["TimeoutPolicy"] if name in fields})


def _as_interrupt(value: Any) -> Any:
    if not (isinstance(value, dict) and "value" in value):
        return value
    return Interrupt(value["value"], **_identity(value), response_schema=value.get("response_schema"))


def _identity(fields: Mapping[str, Any]) -> dict[str, str]:
    """Before 0.6 LangGraph wrote the namespace of the task that asked; now it makes the id of it (``Interrupt``)."""
    if "id" in fields:
        return {"id": fields["id"]}
    namespace = fields.get("ns")
    return {"id": xxh3_128_hexdigest("|".join(namespace).encode())} if isinstance(namespace, Sequence) else {}
