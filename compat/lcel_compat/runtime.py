"""What a run hands to its nodes beside the state: context, store, stream writer, facts about the task, a brake.

A node asks for it with a parameter named ``runtime``, code that a node calls with ``get_runtime()``. Names, fields and
rules are LangGraph's (``langgraph/runtime.py``), so that code moves by changing an import.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, is_dataclass, replace
from typing import TYPE_CHECKING, Any, Generic, Protocol, cast, runtime_checkable

from pydantic import BaseModel
from typing_extensions import TypedDict, Unpack

from lcel_compat.types import ContextT, StreamWriter

if TYPE_CHECKING:
    from langgraph.store.base import BaseStore


@dataclass(frozen=True, slots=True)
class ExecutionInfo:
    """Which execution of which task this is.

    Attributes:
        checkpoint_id: The checkpoint that the superstep started from.
        checkpoint_ns: The task's namespace: ``node:task_id``, after those of the graphs around it and ``|``.
        task_id: The task's id.
        thread_id: The thread; ``None`` in a run without one.
        run_id: The run's id, if the caller set one in the configuration.
        node_attempt: Which attempt of a node with a retry policy this is, from 1.
        node_first_attempt_time: When the first attempt began, in seconds since the epoch.
    """

    checkpoint_id: str
    checkpoint_ns: str
    task_id: str
    thread_id: str | None = None
    run_id: str | None = None
    node_attempt: int = 1
    node_first_attempt_time: float | None = None

    def patch(self, **overrides: Any) -> ExecutionInfo:
        """The same with some fields replaced.

        Raises:
            TypeError: If there is no such field.
        """
        return replace(self, **overrides)


@runtime_checkable
class BaseUser(Protocol):
    """Who a server authenticated: attributes, and whatever else the server knows by key."""

    @property
    def is_authenticated(self) -> bool:
        """Whether the user proved who they are."""

    @property
    def display_name(self) -> str:
        """The name to show."""

    @property
    def identity(self) -> str:
        """The unique name."""

    @property
    def permissions(self) -> Sequence[str]:
        """What the user may do."""

    def __getitem__(self, key: str) -> Any:
        """What the server knows under a key."""

    def __contains__(self, key: str) -> bool:
        """Whether the server knows something under a key."""

    def __iter__(self) -> Iterator[str]:
        """The keys."""


@dataclass(frozen=True, slots=True)
class ServerInfo:
    """What a server that runs the graph said about the request.

    Attributes:
        assistant_id: The assistant that runs, or ``""``.
        graph_id: The graph that runs, or ``""``.
        user: Who asked, if the server authenticates.
    """

    assistant_id: str
    graph_id: str
    user: BaseUser | None = None


class RunControl:
    """A brake for one run: it ends between two supersteps, with its checkpoint saved, and can be resumed.

    Make a new one for each run; a request is not taken back. Any thread may ask: it is one attribute that is set.
    """

    __slots__ = ("_drain_reason",)

    def __init__(self) -> None:
        self._drain_reason: str | None = None

    def request_drain(self, reason: str = "shutdown") -> None:
        """Ask the run to end before its next superstep; the reason is told by ``GraphDrained``."""
        self._drain_reason = reason

    @property
    def drain_requested(self) -> bool:
        """Whether somebody asked the run to end."""
        return self._drain_reason is not None

    @property
    def drain_reason(self) -> str | None:
        """Why, or ``None`` if nobody did."""
        return self._drain_reason


def no_writer(value: Any) -> None:
    """The stream writer when nobody listens."""


def no_heartbeat() -> None:
    """The heartbeat of a node without an idle timeout."""


class RuntimeFields(TypedDict, Generic[ContextT], total=False):
    """What ``Runtime.override`` takes."""

    context: ContextT
    store: BaseStore | None
    stream_writer: StreamWriter
    heartbeat: Callable[[], None]
    previous: Any
    execution_info: ExecutionInfo | None
    server_info: ServerInfo | None
    control: RunControl | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Runtime(Generic[ContextT]):
    """What a run hands to its nodes beside the state and the configuration.

    Attributes:
        context: What the caller passed as ``context=``, in the form of the graph's ``context_schema``.
        store: The store that the graph was compiled with.
        stream_writer: Sends a value to consumers of the ``custom`` mode.
        heartbeat: Tells a node's idle timeout that the node is alive; does nothing where there is none.
        previous: The last return value of the thread in LangGraph's functional API, which this package has not.
        execution_info: Which task this is; ``None`` outside of one.
        server_info: What the server said about the request; ``None`` without one.
        control: The run's brake; ``None`` outside of a run.
    """

    context: ContextT = cast("ContextT", None)  # noqa: RUF009 - what is called is typing's cast
    store: BaseStore | None = None
    stream_writer: StreamWriter = no_writer
    heartbeat: Callable[[], None] = no_heartbeat
    previous: Any = None
    execution_info: ExecutionInfo | None = None
    server_info: ServerInfo | None = None
    control: RunControl | None = None

    def merge(self, other: Runtime[ContextT]) -> Runtime[ContextT]:
        """This runtime with what the other one has to say on top.

        As in LangGraph an empty context says nothing: a graph that is called with ``context={}`` sees its parent's.
        """
        return Runtime(
            context=other.context or self.context,
            store=self.store if other.store is None else other.store,
            stream_writer=self.stream_writer if other.stream_writer is no_writer else other.stream_writer,
            heartbeat=self.heartbeat if other.heartbeat is no_heartbeat else other.heartbeat,
            previous=self.previous if other.previous is None else other.previous,
            execution_info=other.execution_info or self.execution_info,
            server_info=other.server_info or self.server_info,
            control=other.control or self.control,
        )

    def override(self, **overrides: Unpack[RuntimeFields[ContextT]]) -> Runtime[ContextT]:
        """The same with some fields replaced.

        Raises:
            TypeError: If there is no such field.
        """
        return replace(self, **overrides)

    def patch_execution_info(self, **overrides: Any) -> Runtime[ContextT]:
        """The same with some fields of ``execution_info`` replaced.

        Raises:
            RuntimeError: If there is none: outside of a node.
            TypeError: If there is no such field.
        """
        if self.execution_info is None:
            raise RuntimeError(
                "This Runtime has no execution_info to patch: only the runtime that a node is given has one."
            )
        return replace(self, execution_info=self.execution_info.patch(**overrides))

    @property
    def drain_requested(self) -> bool:
        """Whether somebody asked the run to end; a node that works long may look at it."""
        return self.control is not None and self.control.drain_requested

    @property
    def drain_reason(self) -> str | None:
        """Why, or ``None`` if nobody did."""
        return None if self.control is None else self.control.drain_reason


def get_runtime(context_schema: type[ContextT] | None = None) -> Runtime[ContextT]:
    """The runtime of the node that is running.

    Args:
        context_schema: The class of the context; only type checkers look at it.

    Raises:
        RuntimeError: Outside of a node, and in a thread that was started without this one's context.
    """
    from lcel_compat._context import here  # which makes runtimes, so it imports this module

    return cast("Runtime[ContextT]", here("get_runtime").runtime())


def coerce_context(schema: type[ContextT] | None, value: Any) -> ContextT | None:
    """The context of a run in the form that the graph declares.

    Args:
        schema: The graph's ``context_schema``: a dataclass, a pydantic model, a ``TypedDict``, or nothing.
        value: What the caller passed; a dict becomes an instance where the schema is a class of its own.

    Raises:
        TypeError: If a dict lacks a field of a dataclass, or has one more.
        pydantic.ValidationError: If a dict does not validate.
    """
    if isinstance(value, dict) and _is_record(schema):
        return cast("Any", schema)(**value)  # type: ignore[no-any-return]
    return cast("ContextT | None", value)


def _is_record(schema: Any) -> bool:
    return isinstance(schema, type) and (issubclass(schema, BaseModel) or is_dataclass(schema))


def server_info_of(configurable: Mapping[str, Any]) -> ServerInfo | None:
    """What a LangGraph server put into ``config["configurable"]`` (``langgraph/pregel/main.py``), if one did."""
    user = configurable.get("langgraph_auth_user")
    if not hasattr(user, "identity"):  # what the server makes of a plain dict has it
        user = None
    assistant, graph = configurable.get("assistant_id"), configurable.get("graph_id")
    if assistant is None and graph is None and user is None:
        return None
    return ServerInfo(assistant_id=str(assistant or ""), graph_id=str(graph or ""), user=user)
