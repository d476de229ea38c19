"""What LangServe's routes show of a graph."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import Any

from langchain_core.runnables import Runnable, RunnableConfig

from lcel_adapters._face import as_lcel
from lcel_adapters.serve._project import Factory, Served, ServerRuntime


def legacy(served: Served) -> Runnable[Any, Any]:
    """What stands where LangServe had the chain: a runnable itself, a graph that ``from_lcel`` made as its chain.

    Any other graph is served as it is. What is made for each run is made for each request. Nothing of it is kept: these
    routes know no threads, so a graph with a checkpointer of its own runs without.
    """
    return _Made(served.target) if isinstance(served.target, Factory) else _shown(served.target)


def _shown(runnable: Runnable[Any, Any]) -> Runnable[Any, Any]:
    if not hasattr(runnable, "aget_state"):
        return runnable
    graph = runnable.copy({"checkpointer": None})  # type: ignore[attr-defined]  # of both engines' graphs
    return as_lcel(graph) if hasattr(graph.builder, "part") else graph


class _Made(Runnable[Any, Any]):
    """What a function makes for each request.

    Invoked and streamed apart from each other: what a graph streams are updates, and their sum is not what it returns.
    """

    def __init__(self, factory: Factory) -> None:
        self.name = factory.name
        self._factory = factory

    def invoke(self, input: Any, config: RunnableConfig | None = None, **options: Any) -> Any:
        """There is no such thing: what the function makes may need an event loop."""
        raise NotImplementedError(f"{self.name!r} is made for each request: await ainvoke().")

    async def ainvoke(self, input: Any, config: RunnableConfig | None = None, **options: Any) -> Any:
        """What it returns."""
        async with self._opened(config) as made:
            return await made.ainvoke(input, config, **options)

    async def astream(self, input: Any, config: RunnableConfig | None = None, **options: Any) -> AsyncIterator[Any]:
        """What it streams."""
        async with self._opened(config) as made, aclosing(made.astream(input, config, **options)) as found:
            async for chunk in found:
                yield chunk

    @asynccontextmanager
    async def _opened(self, config: RunnableConfig | None) -> AsyncIterator[Any]:
        user = ((config or {}).get("configurable") or {}).get("langgraph_auth_user")
        async with self._factory.open(config, ServerRuntime(access_context="threads.create_run", user=user)) as made:
            yield _shown(made)
