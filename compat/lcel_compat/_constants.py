"""Names that consumers filter on and that LangGraph's checkpoints contain, in one place.

Every value is LangGraph's (``langgraph/_internal/_constants.py``, ``langgraph/constants.py``), since what one
engine writes is to be read and continued by the other (DESIGN.md, "Identifiers are LangGraph's").
"""

from __future__ import annotations

from typing import Final

START: Final = "__start__"
"""The virtual node a graph begins at."""
END: Final = "__end__"
"""The virtual node a graph ends at."""

TAG_HIDDEN: Final = "langsmith:hidden"
"""Tag of runs that tracers hide; the run of ``START`` carries it."""
TAG_NOSTREAM: Final = "nostream"
"""Tag that keeps a chat model's tokens out of the ``messages`` mode."""

ROOT: Final = "__root__"
"""The only state key of a graph whose state is not a mapping."""
TASKS: Final = "__pregel_tasks"
"""The channel that holds the packets (``Send``) of the next superstep."""
PULL: Final = "__pregel_pull"
"""Path of a task that an edge triggered."""
PUSH: Final = "__pregel_push"
"""Path, and trigger, of a task that a ``Send`` started."""
TASK_ID: Final = "__pregel_task_id"
"""The key of ``config["configurable"]`` by which one of LangGraph's own graphs knows that it runs in a node: it then
answers with its state, and its namespace continues the node's."""
CHECKPOINTER: Final = "__pregel_checkpointer"
"""The key of ``config["configurable"]`` under which one of LangGraph's graphs is lent a saver, and lends one."""
ERROR: Final = "__error__"
"""The special write under which a failed task's exception is reported."""
ERROR_SOURCE: Final = "__error_source_node__"
"""The special write that says that an error handler takes care of the failed task."""
INTERRUPT: Final = "__interrupt__"
"""The special write of a task that waits for answers, the key under which ``values`` and ``updates`` show the
questions, and the name under which a checkpoint keeps what a run had seen when it stopped."""
RESUME: Final = "__resume__"
"""The special write of the answers that a task has got."""
NO_WRITES: Final = "__no_writes__"
"""The special write of a task that finished and wrote nothing: by it a checkpoint knows that it finished."""
INPUT: Final = "__input__"
"""Under this name a run's input is applied."""
LAYOUT: Final = 4
"""The layout of LangGraph's checkpoints since its version 1.0."""
NULL_TASK: Final = "00000000-0000-0000-0000-000000000000"
"""The task id of what a ``Command`` given as input writes."""
CONTROL_WRITES: Final = frozenset({ERROR, ERROR_SOURCE, INTERRUPT, RESUME})
"""Writes that say what happened to a task, not what it did to the state."""
OVERWRITE: Final = "__overwrite__"
"""Marks an ``Overwrite`` that has been through JSON."""
NAMESPACE_SEPARATOR: Final = "|"
"""Between the levels of ``langgraph_checkpoint_ns``."""
TASK_SEPARATOR: Final = ":"
"""Between a node's name and its task's id."""

DEFAULT_NAME: Final = "LangGraph"
"""The root run's name unless ``compile(name=...)`` says otherwise."""
INTEGRATION: Final = "langgraph"
"""The value of ``ls_integration`` in the metadata of graph runs."""
DEFAULT_RECURSION_LIMIT: Final = 10007
"""Supersteps a run may take when the caller sets no ``recursion_limit`` (LangGraph's own default)."""

RUN_METADATA: Final = frozenset(
    {
        "thread_id",
        "checkpoint_id",
        "checkpoint_ns",
        "checkpoint_map",
        "langgraph_step",
        "langgraph_node",
        "langgraph_triggers",
        "langgraph_path",
        "langgraph_checkpoint_ns",
    }
)
"""Metadata keys that the engine itself sets; ``debug`` and ``tasks`` leave them out of a task's metadata."""

CONFIGURABLE_METADATA: Final = (
    "thread_id",
    "checkpoint_id",
    "checkpoint_ns",
    "task_id",
    "run_id",
    "assistant_id",
    "graph_id",
)
"""Keys of ``config["configurable"]`` that become metadata of the graph's run and of all below it."""


RESERVED: Final = frozenset(
    {
        "__input__",
        "__interrupt__",
        "__resume__",
        "__error__",
        "__error_source_node__",
        "__no_writes__",
        "__return__",
        "__previous__",
        "__snapshot_bumps__",
        "checkpoint_id",
        "checkpoint_map",
        "checkpoint_ns",
        "configurable",
        TAG_HIDDEN,
        NAMESPACE_SEPARATOR,
        TASK_SEPARATOR,
    }
)
"""Names that checkpoints use for other things than nodes and state keys, like every name in ``__pregel_``."""


def is_reserved(name: str) -> bool:
    """Whether neither a node nor a state key may have this name."""
    return name in RESERVED or name.startswith("__pregel_")


def branch_channel(node: str) -> str:
    """The channel an edge to ``node`` writes to."""
    return f"branch:to:{node}"


def join_channel(sources: tuple[str, ...], node: str) -> str:
    """The channel of ``add_edge([...sources], node)``."""
    return f"join:{'+'.join(sources)}:{node}"
