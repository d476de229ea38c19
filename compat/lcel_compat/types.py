"""The small public types that nodes and callers of a graph handle.

Names and fields are LangGraph's (``langgraph/types.py``), so that code moves by changing an import.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, Literal, TypeAlias

from typing_extensions import TypeVar

StreamMode: TypeAlias = Literal["values", "updates", "custom", "messages", "debug", "tasks", "events"]
"""A way of looking at a run while it happens; see the package ``lcel_compat.modes``."""

StreamWriter: TypeAlias = Callable[[Any], None]
"""What a node calls to send a value to consumers of the ``custom`` mode."""


@dataclass(frozen=True, slots=True)
class Send:
    """A packet for one node: it runs in the next superstep with ``arg`` as its input.

    Args:
        node: Name of the node to run.
        arg: The node's input, instead of the graph's state.
    """

    node: str
    arg: Any

    def __hash__(self) -> int:
        return hash((self.node, id(self.arg)))


N = TypeVar("N")
StateT = TypeVar("StateT", default=Any)
ContextT = TypeVar("ContextT", default=Any)
InputT = TypeVar("InputT", default=Any)
OutputT = TypeVar("OutputT", default=Any)
"""Parameters of ``StateGraph`` and ``CompiledStateGraph``, as LangGraph's have them, for annotations."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Command(Generic[N]):
    """A node's result that updates the state and says where to go next.

    Args:
        graph: ``None`` for the graph the node is in. (``Command.PARENT`` is refused for now.)
        update: What a node would have returned otherwise: a mapping, an instance of the state's
            class, or a list of ``(key, value)`` pairs.
        goto: A node's name, a ``Send``, or a sequence of them; in addition to the node's edges.

    A return annotation ``Command[Literal["a", "b"]]`` tells the graph where a node may lead.
    """

    PARENT: ClassVar[Literal["__parent__"]] = "__parent__"

    graph: str | None = None
    update: Mapping[str, Any] | Sequence[tuple[str, Any]] | Any | None = None
    goto: Send | str | Sequence[Send | str] = ()
