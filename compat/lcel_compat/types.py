"""The small public types that nodes and callers of a graph handle.

Names and fields are LangGraph's (``langgraph/types.py``), so that code moves by changing an import.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Literal, NamedTuple, TypeAlias, final

from langchain_core.messages.tool import ToolOutputMixin
from langchain_core.runnables import RunnableConfig
from typing_extensions import TypeVar

from lcel_compat.policies import CachePolicy, RetryPolicy, TimeoutPolicy, default_retry_on

if TYPE_CHECKING:
    # It takes a third as long to import as langchain-core; who uses a saver has imported it.
    from langgraph.checkpoint.base import BaseCheckpointSaver, CheckpointMetadata

StreamMode: TypeAlias = Literal["values", "updates", "custom", "messages", "debug", "tasks", "checkpoints", "events"]
"""A way of looking at a run while it happens; see the package ``lcel_compat.modes``."""

StreamWriter: TypeAlias = Callable[[Any], None]
"""What a node calls to send a value to consumers of the ``custom`` mode."""

Durability: TypeAlias = Literal["sync", "async", "exit"]
"""When a run saves its checkpoints: before the next superstep begins, beside it, or when the run ends."""

All: TypeAlias = Literal["*"]
"""Every node, for ``interrupt_before`` and ``interrupt_after``."""

Checkpointer: TypeAlias = "BaseCheckpointSaver[Any] | bool | None"
"""A saver; of a subgraph also ``None`` (its parent's), ``True`` (its parent's, one history per thread) or ``False``."""

N = TypeVar("N")
StateT = TypeVar("StateT", default=Any)
ContextT = TypeVar("ContextT", default=Any)
InputT = TypeVar("InputT", default=Any)
OutputT = TypeVar("OutputT", default=Any)
"""Parameters of ``StateGraph`` and ``CompiledStateGraph``, as LangGraph's have them, for annotations."""


class Send:
    """A packet for one node: it runs in the next superstep with ``arg`` as its input.

    Args:
        node: Name of the node to run.
        arg: The node's input, instead of the graph's state.
        timeout: How long this task may take, in seconds or as a policy, instead of what its node says.
    """

    __slots__ = ("arg", "node", "timeout")

    def __init__(self, /, node: str, arg: Any, *, timeout: float | timedelta | TimeoutPolicy | None = None) -> None:
        self.node = node
        self.arg = arg
        self.timeout = TimeoutPolicy.coerce(timeout)

    def __repr__(self) -> str:
        timeout = "" if self.timeout is None else f", timeout={self.timeout!r}"
        return f"Send(node={self.node!r}, arg={self.arg!r}{timeout})"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Send):
            return NotImplemented
        return (self.node, self.arg, self.timeout) == (other.node, other.arg, other.timeout)

    def __hash__(self) -> int:
        # A state is rarely hashable; equal packets at least go to the same node.
        return hash(self.node)


@final
@dataclass(slots=True, init=False)
class Interrupt:
    """A question that a node asked with ``interrupt``; the run waits for the answer.

    Attributes:
        value: What was asked.
        id: By which it can be answered: ``Command(resume={id: answer})``.
        response_schema: The JSON schema of the answer, if the node gave one.
    """

    value: Any
    id: str
    response_schema: dict[str, Any] | None

    def __init__(
        self, value: Any, id: str = "placeholder-id", *, response_schema: dict[str, Any] | None = None
    ) -> None:
        self.value = value
        self.id = id
        self.response_schema = response_schema


@dataclass(frozen=True, slots=True, kw_only=True)
class Command(ToolOutputMixin, Generic[N]):
    """What to do next: a node's result that also steers, or the input that continues a run.

    A tool may return one; core hands it on as it is, and does not make text of it.

    Args:
        graph: ``None`` for the graph the node is in, ``Command.PARENT`` for the graph around it.
        update: What a node would have returned otherwise: a mapping, an instance of the state's
            class, or a list of ``(key, value)`` pairs.
        resume: As a run's input: the answer to the interrupt it waits for, or ``{interrupt id: answer}``.
        goto: A node's name, a ``Send``, or a sequence of them; in addition to the node's edges.

    A return annotation ``Command[Literal["a", "b"]]`` tells the graph where a node may lead.
    """

    PARENT: ClassVar[Literal["__parent__"]] = "__parent__"

    graph: str | None = None
    update: Mapping[str, Any] | Sequence[tuple[str, Any]] | Any | None = None
    resume: Mapping[str, Any] | Any | None = None
    goto: Send | str | Sequence[Send | str] = ()

    def __repr__(self) -> str:
        # Comparing would ask arrays for their truth.
        said = ((f.name, getattr(self, f.name)) for f in fields(self))
        return f"Command({', '.join(f'{k}={v!r}' for k, v in said if v is not None and v != ())})"


@dataclass(slots=True)
class Overwrite:
    """Replaces the value of a key that is reduced, instead of being folded into it.

    Two of them for one key in one superstep are an error.
    """

    value: Any
    type: Literal["__overwrite__"] = "__overwrite__"


class StateUpdate(NamedTuple):
    """One update of ``bulk_update_state``: ``values`` as if ``as_node`` had returned them."""

    values: Any
    as_node: str | None = None
    task_id: str | None = None


class PregelTask(NamedTuple):
    """A task of a superstep, as a ``StateSnapshot`` shows it."""

    id: str
    name: str
    path: tuple[Any, ...]
    error: Any = None
    interrupts: tuple[Interrupt, ...] = ()
    state: RunnableConfig | StateSnapshot | None = None
    result: Any = None


class StateSnapshot(NamedTuple):
    """The state of a thread at one checkpoint.

    Attributes:
        values: The state.
        next: The nodes that run next.
        config: The configuration that addresses this checkpoint.
        metadata: What was saved with it: ``source``, ``step``, ``parents`` and the run's own.
        created_at: When it was made, as ISO 8601.
        parent_config: The configuration of the checkpoint before it.
        tasks: The tasks of the superstep that follows, with what is known of their results.
        interrupts: What those tasks wait for.
    """

    values: Any
    next: tuple[str, ...]
    config: RunnableConfig
    metadata: CheckpointMetadata | None
    created_at: str | None
    parent_config: RunnableConfig | None
    tasks: tuple[PregelTask, ...]
    interrupts: tuple[Interrupt, ...]


@dataclass(frozen=True)
class GraphOutput(Generic[OutputT]):
    """What ``invoke(version="v2")`` returns: the state, as an instance of its class, and what the run waits for."""

    value: OutputT
    interrupts: tuple[Interrupt, ...] = ()


__all__ = [
    "All",
    "CachePolicy",
    "Checkpointer",
    "Command",
    "Durability",
    "GraphOutput",
    "Interrupt",
    "Overwrite",
    "PregelTask",
    "RetryPolicy",
    "Send",
    "StateSnapshot",
    "StateUpdate",
    "StreamMode",
    "StreamWriter",
    "TimeoutPolicy",
    "default_retry_on",
]
