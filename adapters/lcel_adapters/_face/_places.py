"""What stands in a silent graph where its nodes stood: their work, shown as the caller's chain would show it.

A place is the runnable of one node in the copy of a graph that a face runs (``_graphs.py``). It does the node's work
under the configuration that the face's run gives it (``_beside.py``) instead of the one that the graph gives.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol, cast

from langchain_core.runnables import Runnable, RunnableConfig, RunnableLambda

from lcel_adapters._face._beside import Beside, current
from lcel_adapters._face._surroundings import lent
from lcel_adapters._node import RunnableNode
from lcel_compat._core import var_child_runnable_config

Call = Callable[[Any, RunnableConfig], Any]


class Work(Protocol):
    """What a node does, apart from how it is shown."""

    def invoke(self, state: Any, config: RunnableConfig, beside: Beside) -> Any:
        """Do it, under a configuration made of the graph's and the face's."""

    def ainvoke(self, state: Any, config: RunnableConfig, beside: Beside) -> Awaitable[Any]:
        """Do it on the event loop."""


class Place(Runnable[Any, Any]):
    """A node of a silent graph.

    Args:
        name: The node's name.
        speaks: Whether the chunks of its runnable are those of the face.
    """

    def __init__(self, name: str, *, speaks: bool = False) -> None:
        self.name = name
        self.speaks = speaks

    def shown(self, beside: Beside, given: RunnableConfig) -> RunnableNode:
        """The runnable from state to update that the caller sees run."""
        raise NotImplementedError

    def invoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Any:
        """Do the node's work in the way that the face's run asks for."""
        with _run_of(self, config) as (beside, node, own):
            if not self.speaks:
                return next(node.stream(input, own)) if beside.streaming else node.invoke(input, own)
            value = _value(node, input, beside)
            if beside.orders is not None:
                return node.update(beside.orders.place(value, own, beside.surroundings.added()))
            return node.update(beside.heard(node.bound.invoke(value, own, **beside.kwargs)))

    async def ainvoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Any:
        """Do the node's work on the event loop."""
        with _run_of(self, config) as (beside, node, own):
            if not self.speaks:
                return await (_update(node.astream(input, own)) if beside.streaming else node.ainvoke(input, own))
            value = _value(node, input, beside)
            if beside.orders is not None:
                return node.update(await beside.orders.place(value, own, beside.surroundings.added()))
            return node.update(beside.heard(await node.bound.ainvoke(value, own, **beside.kwargs)))


class AdaptedPlace(Place):
    """The place of a node made with ``as_node``."""

    def __init__(self, name: str, node: RunnableNode, *, speaks: bool) -> None:
        super().__init__(name, speaks=speaks)
        self.node = node

    def shown(self, beside: Beside, given: RunnableConfig) -> RunnableNode:
        return self.node


class ForeignPlace(Place):
    """The place of any other node: a function, a subgraph, a ``ToolNode``.

    It is shown as one chain run named after the node, which langchain-core's own ``RunnableLambda`` opens; models and
    tools inside find that run as their parent.
    """

    def __init__(self, name: str, work: Work) -> None:
        super().__init__(name)
        self.work = work

    def shown(self, beside: Beside, given: RunnableConfig) -> RunnableNode:
        def call(state: Any, config: RunnableConfig) -> Any:
            with lent([(var_child_runnable_config, merged := both(given, config))]):
                return self.work.invoke(state, merged, beside)

        async def acall(state: Any, config: RunnableConfig) -> Any:
            with lent([(var_child_runnable_config, merged := both(given, config))]):
                return await self.work.ainvoke(state, merged, beside)

        if beside.opens:
            return RunnableNode(RunnableLambda(call, acall, name=self.name), input=None, output=None)
        return RunnableNode(_Bare(call, acall), input=None, output=None)


class _Bare(Runnable[Any, Any]):
    """Calls a function and opens no run."""

    def __init__(self, call: Call, acall: Call) -> None:
        self.call = call
        self.acall = acall

    def invoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Any:
        return self.call(input, config or {})

    async def ainvoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Any:
        return await self.acall(input, config or {})


class RunnableWork:
    """The work of a node that is a runnable, LangGraph's functions included."""

    def __init__(self, runnable: Runnable[Any, Any]) -> None:
        self.runnable = runnable

    def invoke(self, state: Any, config: RunnableConfig, beside: Beside) -> Any:
        """Run it."""
        return self.runnable.invoke(state, config)

    def ainvoke(self, state: Any, config: RunnableConfig, beside: Beside) -> Awaitable[Any]:
        """Run it on the event loop."""
        return self.runnable.ainvoke(state, config)


class GraphWork:
    """The work of a node that is a graph: it runs in silence, and what its nodes do hangs under the node's run."""

    def __init__(self, silent: Runnable[Any, Any]) -> None:
        self.silent = silent

    def invoke(self, state: Any, config: RunnableConfig, beside: Beside) -> Any:
        """Run the graph in this thread."""
        inner = beside.within(config)
        return inner.enter().run(self.silent.invoke, state, inner.config)

    def ainvoke(self, state: Any, config: RunnableConfig, beside: Beside) -> Awaitable[Any]:
        """Run the graph in a task of its own."""
        inner = beside.within(config)
        work = self.silent.ainvoke(state, inner.config)
        return asyncio.get_running_loop().create_task(work, context=inner.enter())


async def _update(updates: AsyncIterator[Any]) -> Any:
    """The one update of a node that was streamed."""
    (update,) = [update async for update in updates]
    return update


@contextmanager
def _run_of(place: Place, config: RunnableConfig | None) -> Iterator[tuple[Beside, RunnableNode, Any]]:
    """The face's run that is going on, what of the place it shows, and under which configuration."""
    beside = cast("Beside", current.get())
    given = config or {}
    own = beside.scope(given)
    with beside.surroundings.restored():
        yield beside, place.shown(beside, given), own


def both(given: RunnableConfig, own: RunnableConfig) -> RunnableConfig:
    """The graph's configuration, with who listens, tags and metadata from the caller's."""
    listeners = {key: own.get(key) for key in ("callbacks", "tags", "metadata")}
    lacks = {"configurable": {**own.get("configurable", {}), **given.get("configurable", {})}}
    return cast("RunnableConfig", {**given, **listeners, **lacks})


def _value(node: RunnableNode, state: Any, beside: Beside) -> Any:
    """What a node's runnable is given; the caller's own value where the state holds all that it says.

    A chain may be given more keys than the state has, and nothing is lost of them when the node is the whole chain.
    """
    value, whole = node.select(state), beside.value
    if not (isinstance(value, dict) and isinstance(whole, dict)):
        return value
    return whole if all(key in whole and whole[key] is part for key, part in value.items()) else value
