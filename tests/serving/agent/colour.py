"""One body of a test for both clients of the SDK."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Generator
from contextlib import asynccontextmanager
from itertools import chain, repeat
from typing import Any

import httpx

_END = object()
_PLAIN = ("errors", "requests")


class InThreads:
    """A synchronous client with the manners of the asynchronous one: calls are awaited or iterated over, in threads.

    Args:
        client: The client, or a part of it.
    """

    def __init__(self, client: Any) -> None:
        self._client = client

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._client, name)
        if name in _PLAIN:
            return found
        return _Calls(found) if callable(found) else InThreads(found)


class _Calls:
    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function

    def __call__(self, *args: Any, **kwargs: Any) -> _Called:
        return _Called(lambda: self._function(*args, **kwargs))


class _Called:
    def __init__(self, call: Callable[[], Any]) -> None:
        self._call = call

    def __await__(self) -> Generator[Any, None, Any]:
        return asyncio.to_thread(self._call).__await__()

    async def __aiter__(self) -> AsyncIterator[Any]:
        items = await asyncio.to_thread(lambda: iter(self._call()))
        while (item := await asyncio.to_thread(next, items, _END)) is not _END:
            yield item


@asynccontextmanager
async def talking(colour: str, url: str) -> AsyncIterator[Any]:
    """A client of the SDK in one colour.

    Its ``requests`` are those that it made, as ``METHOD path``; its ``errors`` are the SDK's exceptions.

    Args:
        colour: ``async`` or ``sync``.
        url: Of the server.
    """
    import langgraph_sdk

    if colour == "async":
        async with langgraph_sdk.get_client(url=url) as made:
            made.http.client.event_hooks = {"request": [_Noting(made).note_async]}
            yield made
    else:
        with langgraph_sdk.get_sync_client(url=url) as made:
            made.http.client.event_hooks = {"request": [_Noting(made).note]}
            yield InThreads(made)


class _Noting:
    def __init__(self, client: Any) -> None:
        import langgraph_sdk.errors

        self.requests: list[str] = []
        client.requests, client.errors = self.requests, langgraph_sdk.errors

    def note(self, request: httpx.Request) -> None:
        self.requests.append(f"{request.method} {request.url.path}")

    async def note_async(self, request: httpx.Request) -> None:
        self.note(request)


async def settled(sdk: Any, thread: str) -> None:
    """Wait until nothing runs on a thread.

    Args:
        sdk: A client.
        thread: The id.
    """
    async with asyncio.timeout(30):
        for pause in chain((0.0,), repeat(0.05)):
            await asyncio.sleep(pause)
            if (await sdk.threads.get(thread))["status"] != "busy":
                return
