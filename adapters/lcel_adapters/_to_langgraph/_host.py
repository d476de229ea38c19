"""Nodes and paths of our graphs inside LangGraph's: what they are given, and what becomes of their results.

A function or runnable that was written for ``lcel_compat`` returns our ``Command`` and ``Send``, asks for our
``Runtime``, and calls our ``interrupt`` and ``get_stream_writer``, which look for the task that is running. So what it
returns is translated on its way out, and while it runs the current task is one that answers out of LangGraph's runtime.
"""

from __future__ import annotations

import copy
import functools
import inspect
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import aclosing, closing, contextmanager, nullcontext
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Final, cast

from langchain_core.runnables import Runnable, RunnableConfig, RunnableLambda

from lcel_adapters._to_langgraph._library import langgraph
from lcel_adapters._to_langgraph._translate import translated
from lcel_compat._body import FunctionBody, function_body
from lcel_compat._context import current_task
from lcel_compat._hosts import Host, host_of
from lcel_compat.errors import NodeError
from lcel_compat.runtime import Runtime

if TYPE_CHECKING:
    from lcel_compat._context import TaskScope

_END: Final = object()
"""What comes after the last chunk."""
_NOBODY: Final = SimpleNamespace(id=None)


@contextmanager
def hosted(config: RunnableConfig | None) -> Iterator[Host | None]:
    """While it lasts, our functions that ask for the current task find the one that LangGraph runs."""
    host = host_of(config)
    if host is None:  # LangGraph's update_state runs the paths of conditional edges outside of any task
        yield None
        return
    host.task = _NOBODY  # type: ignore[attr-defined]
    token = current_task.set(cast("TaskScope", host))
    try:
        yield host
    finally:
        current_task.reset(token)


# Functions ---------------------------------------------------------------------------------------------


def hosted_function(body: FunctionBody, reads: Any | None = None) -> Callable[..., Any]:
    """A function that LangGraph can call in the place of a node's or path's.

    It is given what our rules of injection say, which are wider than LangGraph's, whatever its annotations.

    Args:
        body: The function, as the engine sees it.
        reads: For a path: the schema of the part of the state it reads, which LangGraph takes from its annotation.
    """
    return _described(_asynchronous(body) if body.is_async else _synchronous(body), body, reads)


def _synchronous(body: FunctionBody) -> Callable[..., Any]:
    def call(state: Any, config: RunnableConfig, error: Any = None) -> Any:
        with hosted(config) as host:
            return translated(body.function(state, **_arguments(body, config, host, error)))

    return call


def _asynchronous(body: FunctionBody) -> Callable[..., Any]:
    async def call(state: Any, config: RunnableConfig, error: Any = None) -> Any:
        with hosted(config) as host:
            return translated(await body.function(state, **_arguments(body, config, host, error)))

    return call


def _arguments(body: FunctionBody, config: RunnableConfig, host: Host | None, error: Any) -> dict[str, Any]:
    if not body.wants:
        return {}
    runtime = Runtime[Any]() if host is None else host.runtime()
    told = None if error is None else NodeError(node=error.node, error=error.error)
    return body.arguments(config, runtime.stream_writer, lambda: runtime, told)


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


def hosted_lambda(path: RunnableLambda[Any, Any], reads: Any) -> RunnableLambda[Any, Any]:
    """A ``RunnableLambda`` as the path of a conditional edge that reads a part of the state.

    LangGraph looks for that part in the annotations of its function alone, so the function is what is hosted here.
    """
    other = copy.copy(path)
    for attribute in ("func", "afunc"):
        if (function := getattr(path, attribute, None)) is not None:
            setattr(other, attribute, hosted_function(function_body(function), reads))
    return other


# Runnables ---------------------------------------------------------------------------------------------


class HostedRunnable(Runnable[Any, Any]):
    """A runnable in one of LangGraph's nodes. It opens no run of its own, so that events are those of what it wraps.

    Attributes:
        bound: The runnable.
        answers: Whether its results are the node's or path's, and so are to be translated.
    """

    def __init__(self, bound: Runnable[Any, Any], *, answers: bool) -> None:
        self.bound = bound
        self.answers = answers
        self.name = getattr(bound, "name", None)

    def __repr__(self) -> str:
        return repr(self.bound)

    def get_name(self, suffix: str | None = None, *, name: str | None = None) -> str:
        """The name of the runnable."""
        return self.bound.get_name(suffix, name=name)

    def invoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Any:
        """Run it."""
        with hosted(config):
            return self._answer(self.bound.invoke(input, config, **kwargs))

    async def ainvoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Any:
        """Run it."""
        with hosted(config):
            return self._answer(await self.bound.ainvoke(input, config, **kwargs))

    def stream(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Iterator[Any]:
        """Stream it."""
        return self._chunks(self.bound.stream(input, config, **kwargs), config)

    def astream(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> AsyncIterator[Any]:
        """Stream it."""
        return self._achunks(self.bound.astream(input, config, **kwargs), config)

    def transform(self, input: Iterator[Any], config: RunnableConfig | None = None, **kwargs: Any) -> Iterator[Any]:
        """Stream it on a stream."""
        return self._chunks(self.bound.transform(input, config, **kwargs), config)

    def atransform(
        self, input: AsyncIterator[Any], config: RunnableConfig | None = None, **kwargs: Any
    ) -> AsyncIterator[Any]:
        """Stream it on a stream."""
        return self._achunks(self.bound.atransform(input, config, **kwargs), config)

    def _chunks(self, chunks: Any, config: RunnableConfig | None) -> Iterator[Any]:
        # The context is set for each step of the generator and not across its yields: they belong to its reader.
        with closing(chunks) if hasattr(chunks, "close") else nullcontext():
            while True:
                with hosted(config):
                    chunk = next(chunks, _END)
                if chunk is _END:
                    return
                yield self._answer(chunk)

    async def _achunks(self, chunks: Any, config: RunnableConfig | None) -> AsyncIterator[Any]:
        async with aclosing(chunks) if hasattr(chunks, "aclose") else nullcontext():
            while True:
                with hosted(config):
                    chunk = await anext(chunks, _END)
                if chunk is _END:
                    return
                yield self._answer(chunk)

    def _answer(self, result: Any) -> Any:
        return translated(result) if self.answers else result
