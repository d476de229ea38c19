"""What LangGraph takes and this package does not, for good: numbered, each with its reason and what to do instead.

The table is that of ``migration_guide/differences.md``; a test compares the two.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """One thing that is not taken.

    Attributes:
        names: What it is called: ``function.argument``, or a dotted name of LangGraph.
        why: The reason, a clause.
        instead: What to do, a sentence.
    """

    names: tuple[str, ...]
    why: str
    instead: str


REFUSALS: Final[Mapping[str, Refusal]] = {
    "R1": Refusal(
        names=("add_node.trace_policy", "langgraph.types.TracePolicy", "langgraph.types.omit_payload"),
        why="it changes what LangSmith records of a node and nothing else",
        instead="Hide it in the client, for all runs: langsmith.Client(hide_inputs=..., hide_outputs=...).",
    ),
    "R2": Refusal(
        names=("compile.transformers", "astream_events.transformers", "stream_events.transformers"),
        why="it belongs to the experimental event stream of version 3 (D12)",
        instead="Transform the items where they are read.",
    ),
    "R3": Refusal(
        names=("langgraph.channels",),
        why="a state key either keeps its last value or is folded with a reducer",
        instead="Annotate the key with a reducer, any function (left, right) -> value.",
    ),
    "R4": Refusal(
        names=("langgraph.managed.base.ManagedValue",),
        why="it is computed from LangGraph's own scratchpad",
        instead="Use IsLastStep and RemainingSteps, or let the node compute it.",
    ),
    "R5": Refusal(
        names=("langgraph.func.entrypoint", "langgraph.func.task", "langgraph.runtime.Runtime.previous"),
        why="it is another way to write the same program",
        instead="Write the tasks as nodes, and keep what the next run needs in the state.",
    ),
    "R6": Refusal(
        names=(
            "StateGraph.config_schema",
            "StateGraph.input",
            "StateGraph.output",
            "add_node.retry",
            "add_node.input",
            "stream.checkpoint_during",
            "astream.checkpoint_during",
        ),
        why="LangGraph has renamed it and will remove the old name",
        instead="The names are context_schema, input_schema, output_schema, retry_policy and durability.",
    ),
    "R7": Refusal(
        names=(
            "CompiledStateGraph.attach_node",
            "CompiledStateGraph.attach_edge",
            "CompiledStateGraph.attach_branch",
            "CompiledStateGraph.validate",
            "CompiledStateGraph.nodes",
            "CompiledStateGraph.channels",
            "CompiledStateGraph.input_channels",
            "CompiledStateGraph.output_channels",
            "CompiledStateGraph.stream_channels",
            "CompiledStateGraph.stream_channels_asis",
            "CompiledStateGraph.stream_channels_list",
            "CompiledStateGraph.stream_eager",
            "CompiledStateGraph.schema_to_mapper",
            "CompiledStateGraph.trigger_to_nodes",
            "CompiledStateGraph.node_error_handler_map",
        ),
        why="it is how LangGraph's compiled graph is put together; ours is made at once and does not change",
        instead="Change the builder and compile it again; look at it with get_graph(), and test a node by calling it.",
    ),
    "R8": Refusal(
        names=("CompiledStateGraph.retry_policy", "CompiledStateGraph.cache_policy"),
        why="it is a policy of the whole graph, which LangGraph's own builder cannot set",
        instead="Say it of all nodes with set_node_defaults(...).",
    ),
    "R9": Refusal(
        names=("CompiledStateGraph.stream_mode",),
        why="who reads a stream says in which mode",
        instead='Bind it where it is always the same: graph.bind(stream_mode="values").',
    ),
}
"""By number; numbers are never given twice."""

_NUMBERS: Final = {name: number for number, refusal in REFUSALS.items() for name in refusal.names}


def because(number: str) -> str:
    """The reason, the remedy and the number of a refusal, as the end of an error's message."""
    refusal = REFUSALS[number]
    return f"{refusal.why}. {refusal.instead} (Refusal {number} in migration_guide/differences.md.)"


def refuse(where: str, arguments: Mapping[str, Any]) -> None:
    """Say of arguments that are not taken whether they are mistakes, or LangGraph's and refused.

    One of LangGraph's that asks for nothing (``None``, ``False``, empty) is fine.

    Raises:
        TypeError: Naming the function and the argument.
    """
    for name, value in arguments.items():
        number = _NUMBERS.get(f"{where}.{name}")
        if number is None:
            raise TypeError(f"{where}() got an unexpected keyword argument {name!r}")
        if value not in (None, False, (), []):
            raise TypeError(f"{where}() does not take {name}: {because(number)}")
