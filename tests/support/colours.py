"""Sync and async as two colours of one test body.

A colour runs a runnable to the end and hands back what it yielded. ``observe_*`` also keeps what
came before an exception: the exception is the last item, as ``Raised``.
"""

from __future__ import annotations

import asyncio
import contextvars
import warnings
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any, Protocol, TypeVar

from langchain_core.runnables import Runnable

from tests.support.plain import is_library_error

T = TypeVar("T")
TIMEOUT = 30.0


@dataclass(frozen=True, slots=True)
class Raised:
    """The exception that ended a recording: its class, and its text where a user wrote it.

    The two libraries word their own errors differently, so of those only the class counts.
    """

    error: str
    text: str | None


def raised(error: BaseException) -> Raised:
    """Return what is compared of an exception."""
    return Raised(type(error).__name__, None if is_library_error(error) else str(error))


class Colour(Protocol):
    """One way to run a runnable; both have the same four methods and return the same types."""

    name: str

    def invoke(self, runnable: Any, x: Any, config: Any = None, **kw: Any) -> Any:
        """Return the output of ``invoke`` or ``ainvoke``."""

    def observe_stream(self, runnable: Any, x: Any, config: Any = None, **kw: Any) -> list[Any]:
        """Return the items of ``stream`` or ``astream``, and ``Raised`` if it failed."""

    def observe_events(self, runnable: Any, x: Any, config: Any = None, **kw: Any) -> list[Any]:
        """Return the events of ``stream_events`` or ``astream_events``, and ``Raised``."""


class Sync:
    """The synchronous API: ``invoke``, ``stream``, and our graphs' ``stream_events``."""

    name = "sync"

    def invoke(self, runnable: Any, x: Any, config: Any = None, **kw: Any) -> Any:
        """Return ``runnable.invoke(x, config, **kw)``."""
        return runnable.invoke(x, config, **kw)

    def observe_stream(self, runnable: Any, x: Any, config: Any = None, **kw: Any) -> list[Any]:
        """Return the items of ``runnable.stream``, and ``Raised`` if it failed."""
        return _drain(lambda: runnable.stream(x, config, **kw))

    def observe_events(self, runnable: Any, x: Any, config: Any = None, **kw: Any) -> list[Any]:
        """Return the events of our graph's ``stream_events``, and ``Raised`` if it failed."""
        return _drain(lambda: runnable.stream_events(x, config, **kw))


class Async:
    """The asynchronous API, each call alone in the shared event loop."""

    name = "async"

    def invoke(self, runnable: Any, x: Any, config: Any = None, **kw: Any) -> Any:
        """Return ``await runnable.ainvoke(x, config, **kw)``."""
        return run(runnable.ainvoke(x, config, **kw))

    def observe_stream(self, runnable: Any, x: Any, config: Any = None, **kw: Any) -> list[Any]:
        """Return the items of ``runnable.astream``, and ``Raised`` if it failed."""
        return run(_adrain(lambda: runnable.astream(x, config, **kw)))

    def observe_events(self, runnable: Any, x: Any, config: Any = None, **kw: Any) -> list[Any]:
        """Return the events of ``runnable.astream_events``, and ``Raised`` if it failed.

        ``version`` is ``"v2"`` unless given; core's warning about v1 is expected and not an error.
        """
        kw.setdefault("version", "v2")
        return run(_adrain(lambda: runnable.astream_events(x, config, **kw)))


def unbound_events(graph: Any, x: Any, config: Any = None, **kw: Any) -> list[Any]:
    """Return the events of core's own ``Runnable.astream_events`` called on ``graph`` unbound."""
    return run(_adrain(lambda: Runnable.astream_events(graph, x, config, version="v2", **kw)))


def observe_log(runnable: Any, x: Any, config: Any = None, **kw: Any) -> list[Any]:
    """Return the patches of ``astream_log``, and ``Raised`` if it failed."""
    return run(_adrain(lambda: runnable.astream_log(x, config, **kw)))


@cache
def runner() -> asyncio.Runner:
    """Return the event loop that all asynchronous observations share; the plugin closes it.

    A loop of its own, with a thread pool of its own, would cost each observation more than the
    graph does.
    """
    return asyncio.Runner()


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end in a fresh context, and fail after ``TIMEOUT`` seconds.

    Tasks it left behind are cancelled, as ``asyncio.run`` does.
    """
    return runner().run(_alone(work), context=contextvars.copy_context())


async def _alone(work: Coroutine[Any, Any, T]) -> T:
    try:
        return await asyncio.wait_for(work, TIMEOUT)
    finally:
        left = asyncio.all_tasks() - {asyncio.current_task()}
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)


def _drain(start: Callable[[], Iterator[Any]]) -> list[Any]:
    items: list[Any] = []
    try:
        for item in start():
            items.append(item)
    except Exception as error:
        items.append(raised(error))
    return items


async def _adrain(start: Callable[[], AsyncIterator[Any]]) -> list[Any]:
    items: list[Any] = []
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*(astream_events.*v1|astream_log)")
            async for item in start():
                items.append(item)
    except Exception as error:
        items.append(raised(error))
    return items


SYNC = Sync()
ASYNC = Async()
COLOURS: tuple[Colour, ...] = (SYNC, ASYNC)
