"""LangGraph's own pieces inside our nodes.

People have ``ToolNode``, graphs of LangGraph's, tools that call ``langgraph.types.interrupt`` or read
``langgraph.config.get_stream_writer()``. All of these find their surroundings in ``config["configurable"]``, under
private keys (``langgraph/_internal/_constants.py``). While LangGraph is loaded, a node's configuration holds them, made
of what our own functions use::

    interrupt()                    scratchpad, send, checkpoint_ns
    get_stream_writer() and so on  runtime
    ToolNode                       runtime, read (packets that hold a tool call)
    push_message()                 send
    a graph                        all of these, and saver, checkpoint_map, resuming, resume_map, replay, stream,
                                   durability, cache
    @task                          call: refused, since the functional API is not here

The two that LangGraph asks for by class, scratchpad and runtime, are subclasses of its own that look things up when
they are asked: a node that uses none of this pays for the references alone, and one that is tried again starts afresh.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from functools import partial
from typing import TYPE_CHECKING, Any, Final, NoReturn, TypeAlias, cast
from weakref import WeakKeyDictionary

from langchain_core.messages import BaseMessage
from langchain_core.runnables import RunnableConfig

from lcel_compat._constants import CHECKPOINTER, INTERRUPT, NAMESPACE_SEPARATOR
from lcel_compat._core import var_child_runnable_config
from lcel_compat._foreign import adopted
from lcel_compat._log import Namespace, Pushed
from lcel_compat.errors import GraphDrained, GraphInterrupt, ParentCommand
from lcel_compat.runtime import Runtime
from lcel_compat.types import Interrupt

if TYPE_CHECKING:
    from lcel_compat._context import TaskScope
    from lcel_compat._keep import Replay
    from lcel_compat._sink import Sink

SEND: Final = "__pregel_send"
READ: Final = "__pregel_read"
CALL: Final = "__pregel_call"
STREAM: Final = "__pregel_stream"
RESUMING: Final = "__pregel_resuming"
REPLAY_STATE: Final = "__pregel_replay_state"
SCRATCHPAD: Final = "__pregel_scratchpad"
DURABILITY: Final = "__pregel_durability"
RUNTIME: Final = "__pregel_runtime"
RESUME_MAP: Final = "__pregel_resume_map"

Fields: TypeAlias = "tuple[tuple[str, Callable[[TaskScope], Any]], ...]"
"""The fields of one of LangGraph's classes, and how each is read off a running node."""

_NOTHING: Final[Mapping[str, Any]] = {}
_MISSING: Final = {
    SCRATCHPAD: "interrupt",
    RUNTIME: "get_stream_writer, get_store, get_runtime",
}
"""What is asked for by functions that we have too, when LangGraph was not loaded as the node began."""
_OUR_COMMAND: Final = "returned unexpected type: <class 'lcel_compat.types.Command'>"
"""What ``ToolNode`` says of a tool that returned our ``Command``."""


def guest_keys(scope: TaskScope) -> Mapping[str, Any]:
    """What LangGraph's pieces find in the configuration of a node; nothing while LangGraph is not loaded."""
    # ``langgraph`` itself says nothing: it is a namespace that the checkpoint package shares.
    if "langgraph.types" not in sys.modules:
        return _NOTHING
    session, reach = scope.frame.session, _Reach(scope)
    continued = session.continued
    found: dict[str, Any] = {
        SCRATCHPAD: _SCRATCHPADS(scope),
        RUNTIME: _RUNTIMES(scope),
        SEND: reach.send,
        READ: reach,
        CALL: _refuse_call,
        CHECKPOINTER: session.saver,
        RESUME_MAP: continued.answers,
        REPLAY_STATE: continued.replay and _replay(continued.replay),
    }
    # LangGraph asks whether these are there at all. A graph in a node that is tried again goes on where it failed.
    if continued.resuming is not None or scope.attempt > 1:
        found[RESUMING] = scope.attempt > 1 or continued.resuming
    if session.durability is not None:
        found[DURABILITY] = session.durability
    if session.sinks:
        found[STREAM] = _Stream(session.sinks)
    return found


def register(graph: type) -> None:
    """Let LangGraph know our graphs, if it is loaded: it finds the state of those that its nodes run.

    Its ``PregelProtocol`` is an abstract base class, and other classes may be registered with it.
    """
    protocol = sys.modules.get("langgraph.pregel.protocol")
    if protocol is not None:
        protocol.PregelProtocol.register(graph)


def stripped(config: RunnableConfig) -> RunnableConfig:
    """The configuration of a graph in a node, without what the node's guests find there; its own nodes have theirs."""
    given = config.get("configurable") or {}
    own = {key: value for key, value in given.items() if not key.startswith("__pregel_")}
    return config if len(own) == len(given) else cast("RunnableConfig", {**config, "configurable": own})


class _Stream:
    """Takes what LangGraph's graphs do to the consumers that see what is below (``StreamProtocol`` of LangGraph)."""

    def __init__(self, sinks: Sequence[Sink]) -> None:
        self._sinks = sinks
        self.modes = {mode for sink in sinks for mode in sink.modes}

    def __call__(self, chunk: tuple[Namespace, str, Any]) -> None:
        namespace, mode, item = chunk
        if isinstance(item, dict) and INTERRUPT in item:
            item = {**item, INTERRUPT: tuple(map(_interrupt, item[INTERRUPT]))}
        for sink in self._sinks:
            if mode in sink.modes:
                sink.emit_from_below(namespace, mode)(item)


_REPLAYS: Final[WeakKeyDictionary[Replay, Any]] = WeakKeyDictionary()


def _replay(ours: Replay) -> Any:
    """LangGraph's counterpart: one for the whole run, since it remembers which graphs have begun."""
    if (theirs := getattr(ours, "theirs", None)) is not None:
        return theirs
    cls = getattr(sys.modules.get("langgraph._internal._replay"), "ReplayState", None)
    if cls is None:
        return None
    if ours not in _REPLAYS:
        _REPLAYS[ours] = cls(ours.checkpoint_id)
    return _REPLAYS[ours]


class _View:
    """Makes instances of one of LangGraph's classes whose fields are looked up in a scope.

    Only graphs of LangGraph's ask for the class, and they have loaded it; nothing is imported in the middle of a run.

    Args:
        module: Where the class is.
        name: Its name.
        fields: How its fields are read off a running node.
    """

    def __init__(self, module: str, name: str, fields: Fields) -> None:
        self._module, self._name, self._fields = module, name, fields
        self._base: type | None = None
        self._make: Callable[[TaskScope], Any]

    def __call__(self, scope: TaskScope) -> Any:
        base = getattr(sys.modules.get(self._module), self._name, object)
        if base is not self._base:
            self._make, self._base = _looking_up(base, self._fields), base
        return self._make(scope)


def _looking_up(base: type, fields: Fields) -> Callable[[TaskScope], Any]:
    """A subclass of a frozen, slotted dataclass with a property for each field.

    It calls itself by the name of its base, so that ``dataclasses.replace`` makes one of those.
    """
    body: dict[str, Any] = {name: _looked_up(read) for name, read in fields}
    cls: Any = type(
        base.__name__, (base,), {**body, "__slots__": ("scope_",), "__class__": property(lambda self: base)}
    )
    new, assign = cls.__new__, cls.__dict__["scope_"].__set__

    def make(scope: TaskScope) -> Any:
        made = new(cls)
        assign(made, scope)
        return made

    return make


def _looked_up(read: Callable[[TaskScope], Any]) -> property:
    def field(self: Any) -> Any:
        return read(self.scope_)

    return property(field)


def _of_runtime(name: str, scope: TaskScope) -> Any:
    return getattr(scope.runtime(), name)


def _writer(scope: TaskScope) -> Callable[[Any], None]:
    """A writer that a graph of LangGraph's hands on to its nodes: what they send comes from where they are."""

    def write(value: Any) -> None:
        config = var_child_runnable_config.get() or {}
        namespace = str(config.get("configurable", {}).get("checkpoint_ns") or scope.task.namespace)
        if namespace == scope.task.namespace:
            scope.writer(value)
            return
        for sink in scope.frame.session.sinks:
            if "custom" in sink.modes:
                sink.emit_from_below(tuple(namespace.split(NAMESPACE_SEPARATOR)[:-1]), "custom")(value)

    return write


_SCRATCHPADS: Final = _View(
    "langgraph._internal._scratchpad",
    "PregelScratchpad",
    (
        ("step", lambda scope: scope.task.step),
        ("stop", lambda scope: scope.frame.machine.stop),
        ("call_counter", lambda scope: _refuse_call),
        ("interrupt_counter", lambda scope: scope.answers.next),
        ("get_null_resume", lambda scope: scope.answers.common),
        ("resume", lambda scope: scope.answers.given),
        ("subgraph_counter", lambda scope: scope.graphs.__next__),
    ),
)
_RUNTIMES: Final = _View(
    "langgraph.runtime",
    "Runtime",
    (
        *((field.name, partial(_of_runtime, field.name)) for field in fields(Runtime) if field.name != "stream_writer"),
        ("stream_writer", _writer),
    ),
)


class _Reach:
    """Writes and reads as LangGraph's tasks do.

    It is called as ``local_read`` is (``langgraph/pregel/_algo.py``). ``ToolNode`` looks at what is bound to that, and
    finds the names of all keys.
    """

    __slots__ = ("_scope",)

    def __init__(self, scope: TaskScope) -> None:
        self._scope = scope

    def send(self, writes: Sequence[tuple[str, Any]]) -> None:
        """Add to what the task writes; a message among it was pushed, since results go another way."""
        self._scope.task.writes.extend(writes)
        for message in [value for _, value in writes if isinstance(value, BaseMessage)]:
            metadata = (var_child_runnable_config.get() or {}).get("metadata", {})
            session: Any = self._scope.frame.session
            while session is not None:
                session.log.write(Pushed(message=message, metadata=metadata))
                session = session.around

    @property
    def args(self) -> tuple[Any, ...]:
        return (None, self._state(False), {}, None)

    def __call__(self, select: str | Sequence[str], fresh: bool = False) -> Any:
        state = self._state(fresh)
        return state.get(select) if isinstance(select, str) else {k: state[k] for k in select if k in state}

    def _state(self, fresh: bool) -> dict[str, Any]:
        machine, task = self._scope.frame.machine, self._scope.task
        channels = {name: machine.channels[name] for name in machine.program.state}
        for name in channels.keys() & {name for name, _ in task.writes} if fresh else ():
            channels[name] = channels[name].copy()
            channels[name].update([value for written, value in task.writes if written == name])
        return {name: channel.value for name, channel in channels.items() if channel.available}


def _refuse_call(*args: Any, **kwargs: Any) -> NoReturn:
    raise RuntimeError(
        "A task of LangGraph's functional API (@task) was called in a node, and this engine has no such tasks. Call the"
        " function without @task, make it a node of its own, or run LangGraph's graph around it as a node."
    )


# What comes out of them ------------------------------------------------------------------------------------


def _interrupt(theirs: Any) -> Interrupt:
    if isinstance(theirs, Mapping):
        # A RemoteGraph passes on what its server wrote.
        return Interrupt(theirs["value"], theirs["id"], response_schema=theirs.get("response_schema"))
    return Interrupt(theirs.value, theirs.id, response_schema=getattr(theirs, "response_schema", None))


def converted(error: Exception) -> Exception:
    """Ours for what LangGraph raises to say something to the graph around it; any other error as it is.

    What LangGraph refuses because a piece of it met a piece of ours becomes an error that says what to import.
    """
    for cls in type(error).__mro__:
        if cls.__module__ == "langgraph.errors" and (convert := _RAISED.get(cls.__name__)):
            return _caused(convert(error), error)
    explained = _explained(error)
    return error if explained is None else _caused(explained, error)


_RAISED: Final[Mapping[str, Callable[[Any], Exception]]] = {
    "GraphInterrupt": lambda error: GraphInterrupt([_interrupt(i) for i in (error.args[0] if error.args else ())]),
    "ParentCommand": lambda error: ParentCommand(adopted(error.args[0])),
    "GraphDrained": lambda error: GraphDrained(error.reason),
}


def _explained(error: Exception) -> Exception | None:
    said = str(error.args[0]) if error.args and type(error) in (KeyError, TypeError) else ""
    if type(error) is KeyError and (function := _MISSING.get(said)):
        return RuntimeError(
            f"LangGraph's {function} was called in a node that had begun before LangGraph was imported. Import it from"
            f" here instead, from lcel_compat import {function}, or import LangGraph's at the top of the module."
        )
    if type(error) is TypeError and _OUR_COMMAND in said:
        return TypeError(
            f"{said}. What runs tools here is LangGraph's ToolNode, which takes no Command but its own: in such tools,"
            " from langgraph.types import Command."
        )
    return None


def _caused(new: Exception, old: Exception) -> Exception:
    new.__cause__ = old
    return new.with_traceback(old.__traceback__)
