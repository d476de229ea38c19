"""The part of a compiled graph that is about threads: reading their state and changing it between runs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextvars import copy_context
from typing import TYPE_CHECKING, Any, cast

from langchain_core.runnables import Runnable, RunnableConfig

from lcel_compat._allowlist import with_allowlist
from lcel_compat._constants import CHECKPOINTER, NAMESPACE_SEPARATOR
from lcel_compat._execute import ASYNC, SYNC, Colour, run_async, run_sync
from lcel_compat._keep import patched
from lcel_compat._program import Program
from lcel_compat._threads import ThreadOf, without_ids
from lcel_compat.errors import NoCheckpointerError
from lcel_compat.types import Checkpointer, StateSnapshot, StateUpdate

if TYPE_CHECKING:
    from langgraph.cache.base import BaseCache
    from langgraph.checkpoint.base import BaseCheckpointSaver
    from langgraph.store.base import BaseStore

    from lcel_compat.graph import StateGraph


class Stateful:
    """What a compiled graph with a saver can do between runs.

    Attributes:
        program: The graph as data.
        config: What ``with_config`` bound to it.
        context_schema: The class of what callers pass as ``context``.
        checkpointer: What saves its runs.
        store: What nodes keep things in, across threads.
        cache: What keeps the writes of nodes with a cache policy.
    """

    builder: StateGraph[Any, Any, Any, Any]
    program: Program
    config: RunnableConfig | None
    context_schema: Any
    checkpointer: Checkpointer
    store: BaseStore | None
    cache: BaseCache[Any] | None

    def get_state(self, config: RunnableConfig, *, subgraphs: bool = False) -> StateSnapshot:
        """The state of a thread.

        Args:
            config: Names the ``thread_id``; with a ``checkpoint_id`` the state at that checkpoint, with a
                ``checkpoint_ns`` that of a graph inside.
            subgraphs: Whether tasks that are graphs come with their own state, and not only with its address.

        Raises:
            NoCheckpointerError: If the graph has no saver.
            ValueError: If no thread is named.
        """
        at, target = self._at(config)
        if target is not None:
            return cast("StateSnapshot", target.get_state(at, subgraphs=subgraphs))
        return cast("StateSnapshot", run_sync(self._thread(at, SYNC).state(subgraphs=subgraphs)))

    async def aget_state(self, config: RunnableConfig, *, subgraphs: bool = False) -> StateSnapshot:
        """The state of a thread; see ``get_state``."""
        at, target = self._at(config)
        if target is not None:
            return cast("StateSnapshot", await target.aget_state(at, subgraphs=subgraphs))
        return cast("StateSnapshot", await run_async(self._thread(at, ASYNC).state(subgraphs=subgraphs)))

    def get_state_history(
        self,
        config: RunnableConfig,
        *,
        filter: dict[str, Any] | None = None,
        before: RunnableConfig | None = None,
        limit: int | None = None,
    ) -> Iterator[StateSnapshot]:
        """The states of a thread at all its checkpoints, the newest first.

        Args:
            config: As for ``get_state``.
            filter: Only checkpoints whose metadata have these values.
            before: Only checkpoints before the one that this configuration addresses.
            limit: No more than so many.
        """
        at, target = self._at(config)
        if target is not None:
            yield from target.get_state_history(at, filter=filter, before=before, limit=limit)
        else:
            yield from run_sync(self._thread(at, SYNC).history(filter=filter, before=before, limit=limit))

    async def aget_state_history(
        self,
        config: RunnableConfig,
        *,
        filter: dict[str, Any] | None = None,
        before: RunnableConfig | None = None,
        limit: int | None = None,
    ) -> AsyncIterator[StateSnapshot]:
        """The states of a thread at all its checkpoints; see ``get_state_history``."""
        at, target = self._at(config)
        if target is not None:
            async for state in target.aget_state_history(at, filter=filter, before=before, limit=limit):
                yield state
        else:
            for state in await run_async(self._thread(at, ASYNC).history(filter=filter, before=before, limit=limit)):
                yield state

    def update_state(
        self,
        config: RunnableConfig,
        values: dict[str, Any] | Any | None,
        as_node: str | None = None,
        task_id: str | None = None,
    ) -> RunnableConfig:
        """Change the state of a thread, as if a node had returned these values.

        Args:
            config: As for ``get_state``; with a ``checkpoint_id`` the thread forks there.
            values: What the node returned.
            as_node: The node; the one that ran last if it is not said and that is clear.
            task_id: The task of the node, if there are several.

        Returns:
            The configuration of the new checkpoint.

        Raises:
            InvalidUpdateError: If the values are no update, or it is not clear which node they are of.
        """
        return self.bulk_update_state(config, [[StateUpdate(values, as_node, task_id)]])

    async def aupdate_state(
        self,
        config: RunnableConfig,
        values: dict[str, Any] | Any | None,
        as_node: str | None = None,
        task_id: str | None = None,
    ) -> RunnableConfig:
        """Change the state of a thread; see ``update_state``."""
        return await self.abulk_update_state(config, [[StateUpdate(values, as_node, task_id)]])

    def bulk_update_state(self, config: RunnableConfig, supersteps: Sequence[Sequence[StateUpdate]]) -> RunnableConfig:
        """Change the state of a thread superstep by superstep, each with the updates of several nodes.

        Raises:
            ValueError: If there are no updates.
            InvalidUpdateError: As for ``update_state``.
        """
        at, target = self._at(config, for_update=True)
        if target is not None:
            return cast("RunnableConfig", target.bulk_update_state(at, supersteps))
        update = self._thread(at, SYNC).update(supersteps)
        # Conditional edges run in it, and what they set in their context is not the caller's.
        return cast("RunnableConfig", copy_context().run(run_sync, update))

    async def abulk_update_state(
        self, config: RunnableConfig, supersteps: Sequence[Sequence[StateUpdate]]
    ) -> RunnableConfig:
        """Change the state of a thread superstep by superstep; see ``bulk_update_state``."""
        at, target = self._at(config, for_update=True)
        if target is not None:
            return cast("RunnableConfig", await target.abulk_update_state(at, supersteps))
        update = run_async(self._thread(at, ASYNC).update(supersteps))
        return cast("RunnableConfig", await asyncio.get_running_loop().create_task(update, context=copy_context()))

    # Graphs inside -------------------------------------------------------------------------------------

    def get_subgraphs(
        self, *, namespace: str | None = None, recurse: bool = False
    ) -> Iterator[tuple[str, Runnable[Any, Any]]]:
        """The graphs that are nodes of this one, or that their functions call.

        Args:
            namespace: Only the graph at this path of nodes, ``"outer|inner"``; a path of several needs ``recurse``.
            recurse: Also those inside them.

        Yields:
            The path and the graph.
        """
        for name, node in self.program.nodes.items():
            graph: Any = node.subgraph
            if graph is None or (namespace is not None and not f"{namespace}|".startswith(f"{name}|")):
                continue
            if namespace in (None, name):
                yield name, graph
            if recurse and namespace != name and hasattr(graph, "get_subgraphs"):
                inner = None if namespace is None else namespace[len(name) + 1 :]
                for path, found in graph.get_subgraphs(namespace=inner, recurse=True):
                    yield f"{name}{NAMESPACE_SEPARATOR}{path}", found

    async def aget_subgraphs(
        self, *, namespace: str | None = None, recurse: bool = False
    ) -> AsyncIterator[tuple[str, Runnable[Any, Any]]]:
        """The graphs inside this one; see ``get_subgraphs``."""
        for found in self.get_subgraphs(namespace=namespace, recurse=recurse):
            yield found

    # The cache -----------------------------------------------------------------------------------------

    def clear_cache(self, nodes: Sequence[str] | None = None) -> None:
        """Forget what the cache keeps of these nodes, of all if none is named.

        Raises:
            ValueError: If the graph has no cache.
        """
        self._cached().clear(self._cache_namespaces(nodes))

    async def aclear_cache(self, nodes: Sequence[str] | None = None) -> None:
        """Forget what the cache keeps of these nodes; see ``clear_cache``."""
        await self._cached().aclear(self._cache_namespaces(nodes))

    def _cached(self) -> BaseCache[Any]:
        if self.cache is None:
            raise ValueError("The graph has no cache that could be cleared; compile it with cache=...")
        return self.cache

    def _cache_namespaces(self, nodes: Sequence[str] | None) -> list[tuple[str, ...]]:
        known = self.program.nodes
        return [known[name].cache_namespace for name in nodes or known if name in known]

    # Addressing ----------------------------------------------------------------------------------------

    def _at(self, config: RunnableConfig, *, for_update: bool = False) -> tuple[RunnableConfig, Any]:
        """The configuration with the saver that counts, and the graph inside that it addresses, if it does.

        Raises:
            NoCheckpointerError: If there is no saver.
            ValueError: If a graph inside is to be changed that there is not.
        """
        given = config.get("configurable", {})
        saver = given.get(CHECKPOINTER) or self.checkpointer
        if saver is None or isinstance(saver, bool):
            raise NoCheckpointerError(
                f"The graph {self.program.name!r} has no saver, so no thread of it has a state. Compile it with a"
                " checkpointer."
            )
        lent = patched(config, **{CHECKPOINTER: saver})
        namespace = str(given.get("checkpoint_ns") or "")
        if not namespace or CHECKPOINTER in given:
            return lent, None
        path = without_ids(namespace)
        for _, graph in self.get_subgraphs(namespace=path, recurse=True):
            return lent, graph
        if for_update:
            raise ValueError(f"The graph {self.program.name!r} has no graph at {path!r} whose state could be changed.")
        return lent, None

    def _thread(self, config: RunnableConfig, colour: Colour) -> ThreadOf:
        saver: BaseCheckpointSaver[Any] = with_allowlist(config["configurable"][CHECKPOINTER], self.builder.schemas)
        kept = {key: value for key, value in config["configurable"].items() if key != CHECKPOINTER}
        return ThreadOf(self, saver, cast("RunnableConfig", {**config, "configurable": kept}), colour)
