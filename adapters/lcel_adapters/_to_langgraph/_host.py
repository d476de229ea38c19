"""Nodes and paths of our graphs inside LangGraph's: what they are given, and what becomes of their results.

A function or runnable that was written for ``lcel_compat`` returns our ``Command`` and ``Send`` and asks for our
``Runtime``. So its results are translated on their way out, and its parameters are filled by our rules. That our
``interrupt``, ``get_stream_writer`` and the like find LangGraph's task is the engine's own doing (``_hosts.py``).
"""

from __future__ import annotations

import copy
import functools
import inspect
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import aclosing, closing, nullcontext
from typing import Any

from langchain_core.runnables import Runnable, RunnableConfig, RunnableLambda

from lcel_adapters._to_langgraph._library import langgraph
from lcel_adapters._to_langgraph._translate import told, translated
from lcel_compat._body import FunctionBody, function_body
from lcel_compat._hosts import host_of
from lcel_compat.errors import NodeError
from lcel_compat.runtime import Runtime

# Functions ---------------------------------------------------------------------------------------------


def hosted_function(body: FunctionBody, reads: Any | None = None) -> Callable[..., Any]:
    """A function that LangGraph can call in the place of a node's or path's.

    It is given what our rules of injection say, which are wider than LangGraph's, whatever its annotations.

    Args:
        body: The function, as the engine sees it.
        reads: For a path: the schema of the part of the state it reads, which LangGraph takes from its annotation.
    """
    return _described(_asynchronous(body) if body.is_async else _synchronous(body), body, reads)


def hosted_lambda(path: RunnableLambda[Any, Any], reads: Any) -> RunnableLambda[Any, Any]:
    """A ``RunnableLambda`` as the path of a conditional edge that reads a part of the state.

    LangGraph looks for that part in the annotations of its function alone, so the function is what is hosted here.
    """
    other = copy.copy(path)
    for attribute in ("func", "afunc"):
        if (function := getattr(path, attribute, None)) is not None:
            setattr(other, attribute, hosted_function(function_body(function), reads))
    return other


def _synchronous(body: FunctionBody) -> Callable[..., Any]:
    def call(state: Any, config: RunnableConfig, error: Any = None) -> Any:
        return translated(body.function(state, **_arguments(body, config, error)))

    return call


def _asynchronous(body: FunctionBody) -> Callable[..., Any]:
    async def call(state: Any, config: RunnableConfig, error: Any = None) -> Any:
        return translated(await body.function(state, **_arguments(body, config, error)))

    return call


def _arguments(body: FunctionBody, config: RunnableConfig, error: Any) -> dict[str, Any]:
    if not body.wants:
        return {}
    host = host_of(config)  # LangGraph's update_state runs the paths of conditional edges outside of any task
    runtime = Runtime[Any]() if host is None else host.runtime()
    failure = None if error is None else NodeError(node=error.node, error=told(error.error))
    return body.arguments(config, runtime.stream_writer, lambda: runtime, failure)


def _described(call: Callable[..., Any], body: FunctionBody, reads: Any | None) -> Callable[..., Any]:
    """Give it the name of the function, and the signature by which LangGraph decides what to hand over."""
    positional = inspect.Parameter.POSITIONAL_OR_KEYWORD
    error = langgraph().errors.NodeError
    functools.update_wrapper(call, body.function)
    call.__name__ = body.name or "<lambda>"
    call.__annotations__ = {} if reads is None else {"state": reads}
    call.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [
            inspect.Parameter("state", positional),
            inspect.Parameter("config", positional, annotation=RunnableConfig),
            inspect.Parameter("error", positional, annotation=error, default=None),
        ]
    )
    return call


# Runnables ---------------------------------------------------------------------------------------------


class HostedRunnable(Runnable[Any, Any]):
    """A runnable whose results are those of one of LangGraph's nodes or paths.

    It opens no run of its own, so that events are those of what it wraps.

    Attributes:
        bound: The runnable.
    """

    def __init__(self, bound: Runnable[Any, Any]) -> None:
        self.bound = bound
        self.name = getattr(bound, "name", None)

    def __repr__(self) -> str:
        return repr(self.bound)

    def get_name(self, suffix: str | None = None, *, name: str | None = None) -> str:
        """The name of the runnable."""
        return self.bound.get_name(suffix, name=name)

    def invoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Any:
        """Run it."""
        return translated(self.bound.invoke(input, config, **kwargs))

    async def ainvoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Any:
        """Run it."""
        return translated(await self.bound.ainvoke(input, config, **kwargs))

    def stream(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Iterator[Any]:
        """Stream it."""
        return _chunks(self.bound.stream(input, config, **kwargs))

    def astream(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> AsyncIterator[Any]:
        """Stream it."""
        return _achunks(self.bound.astream(input, config, **kwargs))

    def transform(self, input: Iterator[Any], config: RunnableConfig | None = None, **kwargs: Any) -> Iterator[Any]:
        """Stream it on a stream."""
        return _chunks(self.bound.transform(input, config, **kwargs))

    def atransform(
        self, input: AsyncIterator[Any], config: RunnableConfig | None = None, **kwargs: Any
    ) -> AsyncIterator[Any]:
        """Stream it on a stream."""
        return _achunks(self.bound.atransform(input, config, **kwargs))


def _chunks(chunks: Any) -> Iterator[Any]:
    with closing(chunks) if hasattr(chunks, "close") else nullcontext():
        for chunk in chunks:
            yield translated(chunk)


async def _achunks(chunks: Any) -> AsyncIterator[Any]:
    async with aclosing(chunks) if hasattr(chunks, "aclose") else nullcontext():
        async for chunk in chunks:
            yield translated(chunk)
