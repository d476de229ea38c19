"""The exceptions of the engine.

::

    Exception
    ├── GraphError                     what this package raises of its own
    │   ├── InvalidUpdateError         a node wrote something the state cannot take
    │   ├── EmptyInputError            a run was started with nothing to do
    │   ├── InvalidGraphError          (ValueError) the graph's definition is wrong
    │   ├── GraphRecursionError        (RecursionError) more supersteps than the limit
    │   └── NodeCancelledError         a node raised CancelledError although nobody cancelled it
    └── EmptyChannelError              a channel was read before anything was written to it

The names are LangGraph's where it has the same error (``langgraph/errors.py``), so that ``except`` clauses
move by changing an import. Every message says what happened, where, and what to do about it.
"""

from __future__ import annotations


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


class EmptyChannelError(Exception):
    """A channel was read that holds no value."""
