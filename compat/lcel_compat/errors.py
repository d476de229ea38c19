"""The exceptions of the engine.

::

    Exception
    ├── GraphError                     what this package raises of its own
    │   ├── InvalidUpdateError         a node wrote something the state cannot take
    │   ├── EmptyInputError            a run was started with nothing to do
    │   ├── InvalidGraphError          (ValueError) the graph's definition is wrong
    │   ├── GraphRecursionError        (RecursionError) more supersteps than the limit
    │   ├── NodeCancelledError         a node raised CancelledError although nobody cancelled it
    │   ├── NodeTimeoutError           a node took longer than it may
    │   ├── StepTimeoutError           (TimeoutError) a superstep took longer than it may
    │   ├── NoCheckpointerError        (ValueError, RuntimeError) something needs a saver, and there is none
    │   └── AmbiguousResumeError       (RuntimeError) one answer, and several interrupts wait
    ├── GraphBubbleUp                  no failure: what a graph tells the graph around it
    │   ├── GraphInterrupt             a node asked something
    │   │   └── (at the outermost graph it ends the run)
    │   ├── GraphDrained               the run was asked to stop, and did, between two supersteps
    │   └── ParentCommand              a node steers the graph around its own
    └── EmptyChannelError              a channel was read before anything was written to it

The names are LangGraph's where it has the same error (``langgraph/errors.py``), so that ``except`` clauses
move by changing an import. Every message says what happened, where, and what to do about it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from lcel_compat.types import Command, Interrupt


class GraphError(Exception):
    """Base of the errors that the engine raises itself, as opposed to those of nodes."""


class InvalidUpdateError(GraphError):
    """A node's result cannot be applied to the state."""


class EmptyInputError(GraphError):
    """The graph was run without any input that it could use."""


class InvalidGraphError(GraphError, ValueError):
    """The definition of the graph is wrong: an unknown node, no entry point, a name used twice."""


class GraphRecursionError(GraphError, RecursionError):
    """The run took as many supersteps as ``recursion_limit`` allows and was not finished."""


class NodeCancelledError(GraphError):
    """A node raised ``asyncio.CancelledError`` of its own; to its caller that would look like its own cancellation."""


class NodeTimeoutError(GraphError):
    """A node took longer than its timeout allows.

    It is no ``TimeoutError``, which is an ``OSError``: the default ``RetryPolicy`` tries it again.

    Attributes:
        node: The node's name.
        elapsed: How long it took, in seconds.
        kind: ``"run"``, or ``"idle"`` if it made no progress for too long.
        timeout: What it was allowed, in seconds.
    """

    def __init__(self, node: str, elapsed: float, *, kind: Literal["run", "idle"], timeout: float) -> None:
        way = "took longer than" if kind == "run" else "made no progress for"
        super().__init__(f"Node {node!r} {way} the {timeout:.3f} s it may (after {elapsed:.3f} s).")
        self.node, self.elapsed, self.kind, self.timeout = node, elapsed, kind, timeout


class StepTimeoutError(GraphError, TimeoutError):
    """A superstep took longer than ``step_timeout`` allows."""


class NoCheckpointerError(GraphError, ValueError, RuntimeError):
    """What was asked for needs a saver: ``compile(checkpointer=...)``."""


class AmbiguousResumeError(GraphError, RuntimeError):
    """A run waits for several answers, and the one that came does not say which question it is for."""


class GraphBubbleUp(Exception):
    """Base of what is no failure: a node ends early because the graph around it has something to do."""


class GraphInterrupt(GraphBubbleUp):
    """A node waits for answers. Nobody but the engine should catch it; the outermost graph does.

    Args:
        interrupts: The questions.
    """

    def __init__(self, interrupts: Sequence[Interrupt] = ()) -> None:
        super().__init__(interrupts)

    @property
    def interrupts(self) -> tuple[Interrupt, ...]:
        """The questions."""
        return tuple(self.args[0]) if self.args else ()


class GraphDrained(GraphBubbleUp):
    """The run ended between two supersteps because ``RunControl.request_drain`` asked for it; it can be resumed."""

    def __init__(self, reason: str = "shutdown") -> None:
        super().__init__(f"The run was asked to stop, and did: {reason}")
        self.reason = reason


class ParentCommand(GraphBubbleUp):
    """A ``Command`` on its way to the graph around the node's own.

    Args:
        command: The command; ``graph`` is ``Command.PARENT``, or the namespace of the task that takes it.
    """

    def __init__(self, command: Command[Any]) -> None:
        super().__init__(command)

    @property
    def command(self) -> Command[Any]:
        """The command."""
        command: Command[Any] = self.args[0]
        return command


class EmptyChannelError(Exception):
    """A channel was read that holds no value."""


@dataclass(frozen=True, slots=True)
class NodeError:
    """What an error handler is told: which node failed, and how."""

    node: str
    error: BaseException
