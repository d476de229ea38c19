"""Making the real call, and noting what comes."""

from __future__ import annotations

import copy
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

from lcel_compat.replay._families import Arguments
from lcel_compat.replay._session import Turn

_DONE: Final = object()


def record(turn: Turn, make: Callable[..., Any], arguments: Arguments) -> Any:
    """Make a call."""
    args, kwargs = _overheard(turn, arguments)
    with _noted(turn, streamed=False), turn.inside():
        result = make(turn.instance, *args, **kwargs)
    turn.complete(result)
    return result


async def arecord(turn: Turn, make: Callable[..., Any], arguments: Arguments) -> Any:
    """Make an asynchronous call."""
    args, kwargs = _overheard(turn, arguments)
    with _noted(turn, streamed=False), turn.inside():
        result = await make(turn.instance, *args, **kwargs)
    turn.complete(result)
    return result


def record_stream(turn: Turn, make: Callable[..., Any], arguments: Arguments) -> Iterator[Any]:
    """Make a call that streams."""
    args, kwargs = _overheard(turn, arguments)
    chunks: Any = None
    try:
        with _noted(turn, streamed=True):
            with turn.inside():
                chunks = iter(make(turn.instance, *args, **kwargs))
            while (chunk := _next(turn, chunks)) is not _DONE:
                turn.step("chunk", chunk)
                yield chunk
    finally:
        if hasattr(chunks, "close"):
            chunks.close()
    turn.complete(streamed=True)


def _next(turn: Turn, chunks: Iterator[Any]) -> Any:
    with turn.inside():
        return next(chunks, _DONE)


async def arecord_stream(turn: Turn, make: Callable[..., Any], arguments: Arguments) -> AsyncIterator[Any]:
    """Make an asynchronous call that streams."""
    args, kwargs = _overheard(turn, arguments)
    chunks: Any = None
    try:
        with _noted(turn, streamed=True):
            with turn.inside():
                chunks = aiter(make(turn.instance, *args, **kwargs))
            while (chunk := await _anext(turn, chunks)) is not _DONE:
                turn.step("chunk", chunk)
                yield chunk
    finally:
        if hasattr(chunks, "aclose"):
            await chunks.aclose()
    turn.complete(streamed=True)


async def _anext(turn: Turn, chunks: AsyncIterator[Any]) -> Any:
    with turn.inside():
        return await anext(chunks, _DONE)


@contextmanager
def _noted(turn: Turn, *, streamed: bool) -> Iterator[None]:
    """Note how a call ends, unless it ends well: then there is a result to note."""
    try:
        yield
    except Exception as error:
        turn.failed(error, streamed=streamed)
        raise
    except BaseException:  # Closed or cancelled by its caller; of a call that was not streamed nothing is left.
        if streamed:
            turn.abandoned()
        raise


def manager_in(arguments: Arguments) -> Any:
    """The callbacks of a model's run among the arguments of its method, if it was given any."""
    args, kwargs = arguments
    return next((value for value in (*args, *kwargs.values()) if hasattr(value, "on_llm_new_token")), None)


def _overheard(turn: Turn, arguments: Arguments) -> Arguments:
    """The arguments with callbacks that also note the tokens they are told of."""
    manager = manager_in(arguments)
    if manager is None or not turn.recording:
        return arguments
    ours = _noting(turn, manager)
    args, kwargs = arguments
    return (
        tuple(ours if value is manager else value for value in args),
        {name: ours if value is manager else value for name, value in kwargs.items()},
    )


def _noting(turn: Turn, manager: Any) -> Any:
    """A copy of a run manager, still of its class. An asynchronous one returns what is to be awaited, and so do we."""
    ours = copy.copy(manager)

    def on_llm_new_token(token: Any, *, chunk: Any = None, **kwargs: Any) -> Any:
        turn.step("token", [token, chunk])
        return manager.on_llm_new_token(token, chunk=chunk, **kwargs)

    ours.on_llm_new_token = on_llm_new_token
    if hasattr(manager, "get_sync"):
        ours.get_sync = lambda: _noting(turn, manager.get_sync())
    return ours
