"""What is served: graphs and runnables, and functions that make them.

A function without parameters makes one graph for the server's life; one that asks for ``config`` or ``runtime`` makes
one for each run, as under the Agent Server (langgraph-api 0.16.7, ``_factory_utils.py``). Either may be async or return
a context manager, which is left when the graph is no longer needed.
"""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, Final, Literal

from langchain_core.runnables import Runnable, RunnableConfig

from lcel_adapters._cli import _load
from lcel_adapters.serve._project._errors import ProjectError
from lcel_adapters.serve._project._objects import load_object

_EXECUTES: Final = "__is_for_execution__"
"""In ``configurable``: whether the graph is going to run, or is only looked at (langgraph-api 0.16.7, ``graph.py``)."""
_RUNTIMES: Final = ("ServerRuntime", "_ExecutionRuntime", "_ReadRuntime")
"""What ``langgraph_sdk.runtime`` calls the type of the parameter, as it stands in an annotation."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerRuntime:
    """What a function that makes a graph is told: ``langgraph_sdk.runtime.ServerRuntime`` by its attributes.

    Attributes:
        access_context: What the graph is wanted for.
        user: Who asks; None without authentication.
        store: The server's.
        context: Of the run; None if there is no run.
    """

    access_context: Literal["threads.create_run", "threads.update", "threads.read", "assistants.read"]
    user: Any = None
    store: Any = None
    context: Any = None

    @property
    def execution_runtime(self) -> ServerRuntime | None:
        """This, if the graph is going to run."""
        return self if self.access_context == "threads.create_run" else None

    def ensure_user(self) -> Any:
        """Who asks.

        Raises:
            PermissionError: Nobody knows.
        """
        if self.user is None:
            raise PermissionError(f"Nobody is authenticated for {self.access_context!r}: configure authentication.")
        return self.user


@dataclass(frozen=True, slots=True, kw_only=True)
class Factory:
    """A function that makes what is served.

    Attributes:
        name: Under which that is served.
        make: The function.
        config: Its parameter that takes a run's configuration, if it has one.
        runtime: Its parameter that takes a ``ServerRuntime``, if it has one.
    """

    name: str
    make: Callable[..., Any]
    config: str | None = None
    runtime: str | None = None

    @property
    def per_run(self) -> bool:
        """Whether each run, and each look at the graph, needs one of its own."""
        return self.config is not None or self.runtime is not None

    @asynccontextmanager
    async def open(
        self, config: RunnableConfig | None = None, runtime: ServerRuntime | None = None
    ) -> AsyncIterator[Runnable[Any, Any]]:
        """A graph, for as long as the block lasts.

        Raises:
            ProjectError: What was made is none.
        """
        offered = {self.config: _told(config or {}, runtime), self.runtime: runtime}
        made = self.make(**{name: value for name, value in offered.items() if name is not None})
        async with AsyncExitStack() as stack:
            yield _finished(self.name, await _entered(stack, made))


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """What is served under a name.

    Attributes:
        name: Which clients say.
        target: A compiled graph, a runnable, or what makes one when there is an event loop.
        description: For people who choose.
    """

    name: str
    target: Runnable[Any, Any] | Factory = field(repr=False)
    description: str | None = None


def load_graph(name: str, spec: str, base: Path, description: str | None = None) -> Served:
    """What a specification names, ready to be served.

    Args:
        name: Under which it is served.
        spec: ``FILE.py:OBJECT``, with the file in ``base``, or ``MODULE:OBJECT``. The object is a graph, a builder of
            one, a runnable, or a function that makes one of these.
        base: A folder.
        description: For people who choose.

    Raises:
        CannotRunError: It cannot be had, or is something else.
    """
    return serve_object(name, load_object(spec, base), description)


def load_named(arguments: Iterable[str], base: Path) -> tuple[Served, ...]:
    """What ``NAME=MODULE:OBJECT`` arguments name.

    Raises:
        CannotRunError: One has another form, names what cannot be had, or a name is there twice.
    """
    specs: dict[str, str] = {}
    for argument in arguments:
        name, equals, spec = argument.partition("=")
        if not (name and equals and spec) or "/" in name:
            raise ProjectError(f"{argument!r} names no graph: write NAME=MODULE:OBJECT or NAME=FILE.py:OBJECT.")
        if name in specs:
            raise ProjectError(f"{name!r} is there twice: {specs[name]!r} and {spec!r}. Give one another name.")
        specs[name] = spec
    return tuple(load_graph(name, spec, base) for name, spec in specs.items())


def serve_object(name: str, found: Any, description: str | None = None) -> Served:
    """An object as what is served under a name; a function without parameters is called, if that needs no event loop.

    What this made before may be given again, under another name.

    Raises:
        CannotRunError: It is no graph, no runnable and no function that makes one.
    """
    if isinstance(found, Served):
        return replace(found, name=name, description=description or found.description)
    if isinstance(found, Factory):
        target: Runnable[Any, Any] | Factory = replace(found, name=name)
    elif callable(found) and not isinstance(found, Runnable):
        target = _made(_factory(name, found))
    else:
        target = _finished(name, found)
    return Served(name=name, target=target, description=description)


def _made(factory: Factory) -> Runnable[Any, Any] | Factory:
    if factory.per_run or inspect.iscoroutinefunction(factory.make):
        return factory
    made = _load.called(factory.name, factory.make)
    if inspect.iscoroutine(made):
        made.close()
        return factory
    later = inspect.isawaitable(made) or any(hasattr(made, name) for name in ("__aenter__", "__enter__"))
    return factory if later else _finished(factory.name, made)


def _factory(name: str, function: Callable[..., Any]) -> Factory:
    parameters = _parameters(function)
    runtime = next((p.name for p in parameters if _takes_runtime(p)), None)
    config = next((p.name for p in parameters if p.name != runtime and _takes_config(p)), None)
    rest = [p.name for p in parameters if p.name not in (runtime, config) and p.default is p.empty]
    if config is None and rest:
        # Whatever it is called, a function's only parameter is the configuration.
        config = rest.pop(0)
    if rest:
        raise ProjectError(
            f"{name!r} is a function with the parameters {', '.join(repr(p.name) for p in parameters)}: one that makes"
            " a graph takes none, config, runtime: ServerRuntime, or both."
        )
    return Factory(name=name, make=function, config=config, runtime=runtime)


def _parameters(function: Callable[..., Any]) -> list[inspect.Parameter]:
    several = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    try:
        return [p for p in inspect.signature(function).parameters.values() if p.kind not in several]
    except (TypeError, ValueError):
        return []


def _takes_runtime(parameter: inspect.Parameter) -> bool:
    return parameter.name == "runtime" or any(name in str(parameter.annotation) for name in _RUNTIMES)


def _takes_config(parameter: inspect.Parameter) -> bool:
    return parameter.name == "config" or "RunnableConfig" in str(parameter.annotation)


def _told(config: RunnableConfig, runtime: ServerRuntime | None) -> RunnableConfig:
    """A configuration that says what the graph is wanted for, where functions without a runtime look for that."""
    executes = runtime is not None and runtime.execution_runtime is not None
    return {**config, "configurable": {**(config.get("configurable") or {}), _EXECUTES: executes}}


async def _entered(stack: AsyncExitStack, made: Any) -> Any:
    if hasattr(made, "__aenter__"):
        return await stack.enter_async_context(made)
    if hasattr(made, "__enter__"):
        return stack.enter_context(made)
    return await made if inspect.isawaitable(made) else made


def _finished(name: str, made: Any) -> Runnable[Any, Any]:
    if _load.is_builder(made):
        made = _load.called(name, partial(made.compile, name=name))
    if isinstance(made, Runnable):
        return made
    raise ProjectError(
        f"{name!r} is {_load.described(made)}, which cannot be served. Name a graph, a StateGraph, a runnable, or a"
        " function that makes one."
    )
