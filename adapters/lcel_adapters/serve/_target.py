"""What is served: a graph of ours, a graph of LangGraph's, or a plain runnable that is given the face of a graph."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypedDict

from langchain_core.runnables import Runnable, RunnableConfig

from lcel_adapters._cli._load import CannotRunError
from lcel_adapters._node import as_node
from lcel_adapters.serve._joins import copy_joins_inside, copying_joins
from lcel_adapters.serve._project import Factory, ProjectError, Served, ServerRuntime
from lcel_compat.compiled import CompiledStateGraph
from lcel_compat.graph import StateGraph

if TYPE_CHECKING:
    from langgraph.checkpoint.base import BaseCheckpointSaver
    from langgraph.store.base import BaseStore

HIDDEN = "langsmith:hidden"


class Item(NamedTuple):
    """One thing that a run streamed.

    Attributes:
        namespace: Of the graph inside that made it; ``()`` for the graph itself and for events.
        mode: Of the engine: ``messages`` is the mode of ``(message, metadata)``.
        payload: As the engine gives it.
    """

    namespace: tuple[str, ...]
    mode: str
    payload: Any


class Whole(TypedDict, total=False):
    """The state of a plain runnable's graph."""

    input: Any
    output: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A graph under the name it is served by.

    Attributes:
        name: Which clients say as ``assistant_id``.
        description: For people who choose.
        runnable: What was given: a graph, or the runnable that stands in ``graph``'s only node.
        graph: With the server's checkpointer and store.
        stateless: The same without a checkpointer.
        wrapped: Whether ``graph`` is one that was put around a runnable; its input is then the runnable's.
        factory: Makes a graph for each run; ``graph`` is then one for those who only look.
    """

    name: str
    description: str | None = None
    runnable: Runnable[Any, Any]
    graph: Any = field(repr=False)
    stateless: Any = field(repr=False)
    wrapped: bool = False
    factory: Factory | None = None

    @property
    def ours(self) -> bool:
        """Whether it runs on our engine."""
        return isinstance(self.graph, CompiledStateGraph)

    @asynccontextmanager
    async def opened(self, config: RunnableConfig, runtime: ServerRuntime, *, saved: bool) -> AsyncGenerator[Any, None]:
        """The graph of one run, for as long as the block lasts.

        Args:
            config: The run's.
            runtime: What a function that makes graphs is told.
            saved: Whether with the checkpointer.

        Raises:
            Exception: What such a function raised.
        """
        if self.factory is None:
            yield self.graph if saved else self.stateless
            return
        async with self.factory.open(config, runtime) as made:
            fresh = target(self.name, made, checkpointer=self.graph.checkpointer, store=self.graph.store)
            yield fresh.graph if saved else fresh.stateless

    def input(self, value: Any) -> Any:
        """A client's input as the graph's."""
        return {"input": value} if self.wrapped and value is not None else value


_UNNAMED: Final = "LangGraph"
"""What both engines call a graph that was given no name; its runs have the one by which it is served."""


def target(
    name: str,
    runnable: Runnable[Any, Any],
    *,
    checkpointer: BaseCheckpointSaver[Any],
    store: BaseStore | None,
    description: str | None = None,
) -> Target:
    """A graph or a runnable, with the server's checkpointer and store."""
    graph: Any = runnable if _is_graph(runnable) else around(name, runnable)
    changed: dict[str, Any] = {"checkpointer": checkpointer, "store": store if store is not None else graph.store}
    if graph.name == _UNNAMED:
        changed["name"] = name
    if not isinstance(graph, CompiledStateGraph):
        copy_joins_inside(graph)
        changed["channels"] = copying_joins(graph.channels)
    return Target(
        name=name,
        description=description,
        runnable=runnable,
        graph=graph.copy(changed),
        stateless=graph.copy({**changed, "checkpointer": None}),
        wrapped=graph is not runnable,
    )


async def open_target(
    served: Served, stack: AsyncExitStack, *, checkpointer: BaseCheckpointSaver[Any], store: BaseStore
) -> Target:
    """What is served under a name, and what keeps it open.

    Raises:
        ProjectError: A function that makes graphs failed, or made something else.
    """
    made, factory = served.target, None
    if isinstance(made, Factory):
        factory = made if made.per_run else None
        looking = ServerRuntime(access_context="assistants.read", store=store)
        try:
            made = await stack.enter_async_context(made.open({}, looking))
        except CannotRunError:
            raise
        except Exception as error:
            raise ProjectError(f"{served.name!r} could not be made: {type(error).__name__}: {error}") from error
    found = target(served.name, made, checkpointer=checkpointer, store=store, description=served.description)
    return replace(found, factory=factory)


def around(name: str, runnable: Runnable[Any, Any]) -> CompiledStateGraph[Any, Any, Any, Any]:
    """A graph of one node, ``name``, which keeps what the runnable was given and what it returned."""
    builder = StateGraph(Whole)
    builder.add_node(name, as_node(runnable, input="input", output="output"))
    builder.set_entry_point(name)
    return builder.compile(name=name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Looked:
    """How one run is looked at and steered; the engines' own arguments.

    Attributes:
        modes: Of the engine, in any order.
        subgraphs: Whether graphs inside stream under their namespaces.
        options: ``context``, ``interrupt_before``, ``interrupt_after``, ``durability``; left out where unset.
    """

    modes: Sequence[str]
    subgraphs: bool = False
    options: dict[str, Any] = field(default_factory=dict)


async def items(graph: Any, input: Any, config: RunnableConfig, looked: Looked) -> AsyncGenerator[Item, None]:
    """What a run streams, on either engine, in the modes of both.

    LangGraph has no mode ``events``: there, the events are taken from ``astream_events``, and the items of the other
    modes from the chunks of its root (AGENT-SERVER.md, (i) events mode in detail). The root's own chunks are no event
    of the wire, on either engine; nor is what is tagged ``langsmith:hidden``.
    """
    if isinstance(graph, CompiledStateGraph) or "events" not in looked.modes:
        stream = _streamed(graph, input, config, looked)
    else:
        stream = _taken_apart(graph, input, config, looked)
    async with aclosing(stream) as found:
        async for item in found:
            if item.mode != "events" or _is_shown(item.payload, config):
                yield item


async def _streamed(graph: Any, input: Any, config: RunnableConfig, looked: Looked) -> AsyncGenerator[Item, None]:
    stream = graph.astream(input, config, stream_mode=list(looked.modes), subgraphs=looked.subgraphs, **looked.options)
    async with aclosing(stream) as found:
        async for chunk in found:
            yield _item(chunk, looked.subgraphs)


async def _taken_apart(graph: Any, input: Any, config: RunnableConfig, looked: Looked) -> AsyncGenerator[Item, None]:
    modes = [mode for mode in looked.modes if mode != "events"]
    stream = graph.astream_events(
        input, config, version="v2", stream_mode=modes, subgraphs=looked.subgraphs, **looked.options
    )
    async with aclosing(stream) as found:
        async for event in found:
            if event["event"] == "on_chain_stream" and _is_root(event, config):
                yield _item(event["data"]["chunk"], looked.subgraphs)
            else:
                yield Item((), "events", event)


def _item(chunk: Any, subgraphs: bool) -> Item:
    if subgraphs:
        namespace, mode, payload = chunk
        return Item(namespace, mode, payload)
    mode, payload = chunk
    return Item((), mode, payload)


def _is_root(event: Any, config: RunnableConfig) -> bool:
    return bool(event["run_id"] == str(config.get("run_id")))


def _is_shown(event: Any, config: RunnableConfig) -> bool:
    return HIDDEN not in event["tags"] and not (event["event"] == "on_chain_stream" and _is_root(event, config))


def _is_graph(value: Any) -> bool:
    """A compiled graph; LangGraph's cannot be imported to ask, so what only it has is."""
    langgraphs = ("aget_state", "aupdate_state", "copy", "stream_channels")
    return isinstance(value, CompiledStateGraph) or all(hasattr(value, name) for name in langgraphs)
