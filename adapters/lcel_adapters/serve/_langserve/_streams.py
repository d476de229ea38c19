"""``/stream``, ``/stream_log`` and ``/stream_events``: what is answered piece by piece."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from starlette.requests import Request
from starlette.responses import Response

from lcel_adapters.serve._frames import shown as public
from lcel_adapters.serve._langserve._allowed import Allowed
from lcel_adapters.serve._langserve._input import check
from lcel_adapters.serve._langserve._json import ERROR
from lcel_adapters.serve._langserve._limited import place_of
from lcel_adapters.serve._langserve._models import FeedbackToken, Filters
from lcel_adapters.serve._langserve._served import Asked, Served
from lcel_adapters.serve._sse import Chunks, EventStream, frame
from lcel_adapters.serve._turns import Ended

if TYPE_CHECKING:
    from lcel_adapters.serve._serving import Place

Frames = AsyncGenerator[bytes, None]

_LOG = logging.getLogger(__name__)
_HEADERS = {"cache-control": "no-cache", "connection": "keep-alive", "x-accel-buffering": "no"}
_PING_SECONDS = 15.0
_PING = b": ping\r\n\r\n"
_END = frame("end", None)
# `json` writes a space behind a colon, orjson does not; LangServe writes these two with the first.
_FAILED = frame("error", json.dumps(ERROR).encode())


async def stream(served: Served, request: Request) -> Response:
    """The output, chunk by chunk."""
    with place_of(request) as place:
        asked = await served.asked(request, "stream")
        return _response(place, _chunks(served, asked), asked)


async def stream_log(served: Served, request: Request) -> Response:
    """The patches of the run's log."""
    with place_of(request) as place:
        asked = await served.asked(request, "stream_log")
        return _response(place, _patches(served, asked), asked)


async def stream_events(served: Served, request: Request) -> Response:
    """The events of the run and of all that it calls."""
    with place_of(request) as place:
        asked = await served.asked(request, "stream_events")
        return _response(place, _events(served, asked), asked)


def _patches(served: Served, asked: Asked) -> Frames:
    chosen = check(Filters, asked.body).model_dump()
    allowed = Allowed.of(served, asked)

    def patches() -> AsyncIterator[Any]:
        return _iterator(served.runnable.astream_log(asked.input, asked.config, diff=True, **chosen))

    def shown(patch: Any) -> Any:
        ops = allowed.ops(patch.ops)
        return {"ops": ops} if ops else None

    return _data(served, asked, patches, shown)


def _events(served: Served, asked: Asked) -> Frames:
    chosen = check(Filters, asked.body).model_dump()
    version = served.wishes.astream_events_version
    allowed = Allowed.of(served, asked)

    def events() -> AsyncIterator[Any]:
        return _iterator(served.runnable.astream_events(asked.input, asked.config, version=version, **chosen))

    def shown(event: Any) -> Any:
        if not allowed.event(event):
            return None
        # The event is ours; its metadata is shared with the run's other events.
        event["metadata"] = public(event["metadata"])
        return event

    return _data(served, asked, events, shown)


async def _chunks(served: Served, asked: Asked) -> Frames:
    first = True
    chunks = _iterator(served.runnable.astream(asked.input, asked.config))
    async with served.langsmith.promised([asked.run_id]) as tokens, _closing(chunks):
        async for chunk in chunks:
            if first:
                yield _metadata(asked, await tokens)
                first = False
            yield frame("data", served.serializer.dumps(chunk))


async def _data(
    served: Served, asked: Asked, open: Callable[[], AsyncIterator[Any]], shown: Callable[[Any], Any]
) -> Frames:
    """Whatever of the items is to be shown; feedback tokens as soon as there are any, at the latest before the end."""
    waiting = served.langsmith.key is not None
    items = open()
    async with served.langsmith.promised([asked.run_id]) as tokens, _closing(items):
        async for item in items:
            if (data := shown(item)) is not None:
                yield frame("data", served.serializer.dumps(data))
            if waiting and tokens.done():
                waiting = False
                yield _metadata(asked, await tokens)
        if waiting:
            yield _metadata(asked, await tokens)


def _metadata(asked: Asked, tokens: list[list[FeedbackToken]]) -> bytes:
    data: dict[str, Any] = {"run_id": asked.run_id}
    if tokens[0]:
        data["feedback_tokens"] = [token.model_dump(mode="json") for token in tokens[0]]
    return frame("metadata", json.dumps(data).encode())


def _response(place: Place | None, frames: Frames, asked: Asked) -> Response:
    body: Chunks
    if place is None:
        body, stall = _ended(frames, asked), None
    else:
        body = place.counted(_ended(place.serving.runs.turns.stream(frames), asked))
        stall = place.serving.settings.stall
    return EventStream(body, headers=_HEADERS, heartbeat=_PING_SECONDS, comment=_PING, stall=stall)


async def _ended(frames: Frames, asked: Asked) -> Frames:
    """The frames, and how it ended: a run that fails tells the client so, and the log why."""
    try:
        async with _closing(frames):
            async for one in frames:
                yield one
    except Ended as error:
        _LOG.warning("the run %s was ended while it was streamed: %s", asked.run_id, error.detail)
        yield frame("error", json.dumps({"status_code": error.status_code, "message": error.detail}).encode())
    except Exception:
        _LOG.exception("the run %s failed while it was streamed", asked.run_id)
        yield _FAILED
    except asyncio.CancelledError:
        if _is_being_cancelled():
            raise
        _LOG.exception("the run %s was cancelled from within", asked.run_id)
        yield _FAILED
    else:
        yield _END


def _is_being_cancelled() -> bool:
    task = asyncio.current_task()
    return task is None or task.cancelling() > 0


def _iterator(items: Any) -> AsyncIterator[Any]:
    """What a runnable streams; a method of the application's own may return no more than an iterable."""
    return aiter(items)


@asynccontextmanager
async def _closing(items: AsyncIterator[Any]) -> AsyncIterator[None]:
    """Close an iterator in the end, if it is one that can be closed."""
    try:
        yield
    finally:
        if (close := getattr(items, "aclose", None)) is not None:
            await close()
