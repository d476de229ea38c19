"""``to_langgraph``: a graph of ours built again with LangGraph's builder."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from langchain_core.runnables import RunnableLambda, RunnableSequence
from langchain_core.runnables.base import RunnableBindingBase

from lcel_adapters._node import RunnableNode
from lcel_adapters._to_langgraph._host import HostedRunnable, hosted_function, hosted_lambda
from lcel_adapters._to_langgraph._library import langgraph
from lcel_adapters._to_langgraph._schemas import Schemas
from lcel_adapters._to_langgraph._translate import their_cache, their_retry, their_timeout
from lcel_compat._body import Body, FunctionBody, body_of
from lcel_compat._nodes import DEFAULT_HANDLER, NodeDefaults, NodeSpec
from lcel_compat.compiled import CompiledStateGraph
from lcel_compat.graph import StateGraph

if TYPE_CHECKING:
    from langgraph.graph.state import CompiledStateGraph as TheirGraph


def to_langgraph(
    graph: CompiledStateGraph[Any, Any, Any, Any] | StateGraph[Any, Any, Any, Any],
    **compile_overrides: Any,
) -> TheirGraph[Any, Any, Any, Any]:
    """LangGraph's compiled graph of the same definition.

    Schemas, nodes with all their parameters, edges, joins and conditional edges are handed over, and what the graph
    was compiled with: checkpointer, store, cache, interrupts, name, and the configuration bound to it. Graphs of ours
    that are nodes become LangGraph's, too. Nodes go on working that return our ``Command``, ``Send`` and
    ``Overwrite``, ask for our ``Runtime``, or call our ``interrupt`` and ``get_stream_writer``.

    From then on LangGraph's rules hold: the differences that ``migration_guide/differences.md`` lists (what a node may
    return, unknown destinations, ``stream_mode="events"``, ``compile(buffer=...)``) are left behind.

    Args:
        graph: A graph, whose builder is read as it is now; or a builder, which is compiled first.
        **compile_overrides: Arguments of LangGraph's ``compile`` to use instead, as ``checkpointer=``.

    Returns:
        A ``langgraph.graph.state.CompiledStateGraph``.

    Raises:
        ImportError: If LangGraph is not installed; the message is the line that installs it.
        InvalidGraphError: If the graph's definition is wrong.
        TypeError: If ``graph`` is no graph of ours, or LangGraph's ``compile`` has no such argument.
    """
    langgraph()
    if isinstance(graph, StateGraph):
        graph = graph.compile()
    if not isinstance(graph, CompiledStateGraph):
        raise TypeError(
            f"to_langgraph takes a graph or builder of lcel_compat, and was given {graph!r}"
            f" ({type(graph).__module__}.{type(graph).__qualname__})."
        )
    moved: TheirGraph[Any, Any, Any, Any] = _Move().graph(graph, compile_overrides)
    return moved


class _Move:
    """One move, in which a graph that is in several places becomes one of LangGraph's."""

    def __init__(self) -> None:
        self._moved: dict[int, tuple[Any, Any]] = {}

    def graph(self, ours: CompiledStateGraph[Any, Any, Any, Any], overrides: Mapping[str, Any]) -> Any:
        """The graph, compiled as ours is but for the overrides."""
        options = {
            "checkpointer": ours.checkpointer,
            "store": ours.store,
            "cache": ours.cache,
            "interrupt_before": _names(ours.interrupt_before_nodes),
            "interrupt_after": _names(ours.interrupt_after_nodes),
            "debug": ours.debug,
            "name": ours.name,
        }
        theirs = self._builder(ours.builder).compile(**{**options, **overrides})
        theirs.step_timeout = ours.step_timeout
        return theirs if ours.config is None else theirs.with_config(ours.config)

    def _nested(self, ours: CompiledStateGraph[Any, Any, Any, Any]) -> Any:
        if id(ours) not in self._moved:
            self._moved[id(ours)] = (ours, self.graph(ours, {}))  # kept, so that the id stays taken
        return self._moved[id(ours)][1]

    # The builder ---------------------------------------------------------------------------------------

    def _builder(self, ours: StateGraph[Any, Any, Any, Any]) -> Any:
        schemas = Schemas(ours.schemas)
        theirs = langgraph().graph.StateGraph(
            schemas[ours.state_schema],
            ours.context_schema,
            input_schema=schemas[ours.input_schema],
            output_schema=schemas[ours.output_schema],
        )
        theirs.set_node_defaults(**self._defaults(ours))
        for name, spec in ours.nodes.items():
            if not spec.is_error_handler:
                handler = spec.error_handler_node and self._action(ours.nodes[spec.error_handler_node].body)
                theirs.add_node(
                    name,
                    self._action(spec.body),
                    defer=spec.defer,
                    metadata=spec.options.metadata,
                    input_schema=schemas[spec.input_schema],
                    error_handler=handler,
                    destinations=spec.ends or None,
                    **_policies(spec),
                )
        for start, end in ours.edges:
            theirs.add_edge(start, end)
        for starts, end in ours.waiting_edges:
            theirs.add_edge(list(starts), end)
        for source, branches in ours.branches.items():
            for branch in branches.values():
                reads = None if branch.input_schema is None else schemas[branch.input_schema]
                ends = None if branch.ends is None else dict(branch.ends)
                theirs.add_conditional_edges(source, self._path(branch.body, reads), ends)
        return theirs

    def _defaults(self, ours: StateGraph[Any, Any, Any, Any]) -> dict[str, Any]:
        handler = ours._defaults.error_handler
        return {
            "error_handler": None if handler is None else self._action(body_of(handler, name=DEFAULT_HANDLER)),
            **_policies(ours._defaults),
        }

    def _action(self, body: Body) -> Any:
        """What a node runs, for LangGraph to run."""
        if isinstance(body, FunctionBody):
            return hosted_function(body)
        *inner, last = (self._runnable(runnable) for runnable in body.runnables)
        # LangGraph, too, runs a sequence step by step in the node's own run.
        return _hosted(last) if not inner else RunnableSequence(*inner, _hosted(last))

    def _path(self, body: Body, reads: Any | None) -> Any:
        """The path of a conditional edge; LangGraph reads off annotations what part of the state it is to see."""
        if isinstance(body, FunctionBody):
            return hosted_function(body, reads)
        (path,) = body.runnables
        if reads is not None and isinstance(path, RunnableLambda):
            return hosted_lambda(path, reads)
        return _hosted(path)

    def _runnable(self, runnable: Any) -> Any:
        """A runnable with the graphs of ours in it moved, where they can be reached without running it."""
        if isinstance(runnable, CompiledStateGraph):
            return self._nested(runnable)
        if isinstance(runnable, RunnableSequence):
            return RunnableSequence(*(self._runnable(step) for step in runnable.steps), name=runnable.name)
        if isinstance(runnable, RunnableNode):
            return RunnableNode(self._runnable(runnable.bound), input=runnable.input, output=runnable.output)
        if isinstance(runnable, RunnableBindingBase):
            return runnable.model_copy(update={"bound": self._runnable(runnable.bound)})
        return runnable


def _hosted(runnable: Any) -> Any:
    """A runnable as LangGraph's nodes can run it; LangGraph's own pieces, and graphs that were moved, as they are."""
    return runnable if type(runnable).__module__.startswith("langgraph.") else HostedRunnable(runnable)


def _policies(given: NodeSpec | NodeDefaults) -> dict[str, Any]:
    policies = given.retry_policy
    return {
        "retry_policy": None if policies is None else [their_retry(policy) for policy in policies],
        "cache_policy": their_cache(given.cache_policy),
        "timeout": their_timeout(given.timeout),
    }


def _names(nodes: Any) -> Any:
    return nodes if nodes == "*" else list(nodes)
