"""Routes of runs, on threads and without (AGENT-SERVER.md, (ii) Endpoints)."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing, suppress
from typing import Annotated, Any, Literal, TypeVar
from uuid import UUID

import orjson
from fastapi import APIRouter, Depends, Header, HTTPException, Query, Response
from pydantic import BaseModel, Field

from lcel_adapters.serve._agent._asked import NOT_FOUND, Asker, asked, asker_of
from lcel_adapters.serve._agent._routing import AccessOf, JsonRoute, ServingOf, answer
from lcel_adapters.serve._agent._runs_rows import find_run, list_runs, remove_run, runs_to_cancel, shown_run
from lcel_adapters.serve._agent._runs_wait import joined, last_values, no_run, streamed_values
from lcel_adapters.serve._auth import Access
from lcel_adapters.serve._frames import Frame
from lcel_adapters.serve._json import dumps
from lcel_adapters.serve._runs import Busy, CancelAction, Entry, NoThread, Pipe, RunBody, ServerEnds, Submission
from lcel_adapters.serve._runs._hub import News
from lcel_adapters.serve._runs._request import Mode
from lcel_adapters.serve._serving import Place, Serving
from lcel_adapters.serve._sse import EVENTS, EventStream, chunked, frame
from lcel_adapters.serve._storage import ACTIVE

T = TypeVar("T")
router = APIRouter(tags=["Runs"], route_class=JsonRoute)
AskerOf = Annotated[Asker, Depends(asker_of)]
BUSY = "Thread is already running a task. Wait for it to finish or choose a different multitask strategy."
OVER = (
    "No matching runs to cancel. Please verify the thread ID and run IDs are correct, and the runs haven't been deleted"
    " or completed."
)
BLANK = b"\n"
STREAM: dict[int | str, dict[str, Any]] = {
    200: {"description": "Server-sent events.", "content": {"text/event-stream": {"schema": {"type": "string"}}}}
}
VALUES: dict[int | str, dict[str, Any]] = {
    200: {"description": "The final state.", "content": {"application/json": {"schema": {}}}}
}


class CancelMany(BaseModel):
    """Which runs are to end."""

    thread_id: UUID | None = None
    run_ids: list[UUID] | None = None
    status: Literal["pending", "running", "all"] | None = None


@router.post("/threads/{thread_id}/runs/stream", response_class=EventStream, status_code=200, responses=STREAM)
async def stream_on_thread(thread_id: str, body: RunBody, asker: AskerOf) -> Response:
    """Run on a thread, and stream."""
    with asker.serving.place() as place:
        run, news = await _submit(asker.serving, await asked(asker, body, _thread_id(thread_id)))
        return _stream(place, run, news, body)


@router.post("/runs/stream", response_class=EventStream, status_code=200, responses=STREAM, tags=["Stateless runs"])
async def stream_stateless(body: RunBody, asker: AskerOf) -> Response:
    """Run without a thread, and stream."""
    with asker.serving.place() as place:
        submission = await _stateless(asker, body)
        if _is_kept(body):
            run, news = await _submit(asker.serving, submission)
            return _stream(place, run, news, body)
        pipe = _piped(asker.serving, submission)
        headers = _located(f"/runs/{pipe.attempt.run_id}", "stream")
        return _events(place, _bunched(pipe), headers)


@router.post("/threads/{thread_id}/runs/wait", responses=VALUES)
async def wait_on_thread(thread_id: str, body: RunBody, asker: AskerOf) -> Response:
    """Run on a thread, and answer with the final state."""
    body.stream_mode = _with_values(body.stream_mode)
    with asker.serving.place() as place:
        run, news = await _submit(asker.serving, await asked(asker, body, _thread_id(thread_id)))
        return _waiting(place, streamed_values(_watched(asker.serving, run, news, body)), _path_of(run))


@router.post("/runs/wait", responses=VALUES, tags=["Stateless runs"])
async def wait_stateless(body: RunBody, asker: AskerOf) -> Response:
    """Run without a thread, and answer with the final state."""
    body.stream_mode = _with_values(body.stream_mode)
    with asker.serving.place() as place:
        submission = await _stateless(asker, body)
        if _is_kept(body):
            run, news = await _submit(asker.serving, submission)
            return _waiting(place, streamed_values(_watched(asker.serving, run, news, body)), _path_of(run))
        pipe = _piped(asker.serving, submission)
        path = f"/threads/{pipe.attempt.thread_id}/runs/{pipe.attempt.run_id}"
        return _waiting(place, last_values(pipe.bunches()), path)


@router.post("/threads/{thread_id}/runs")
async def create_on_thread(thread_id: str, body: RunBody, asker: AskerOf) -> Response:
    """Run on a thread, in the background."""
    run, _ = await _submit(asker.serving, await asked(asker, body, _thread_id(thread_id)))
    return answer(_accepted(run), {"content-location": _path_of(run)})


@router.post("/runs", tags=["Stateless runs"])
async def create_stateless(body: RunBody, asker: AskerOf) -> Response:
    """Run without a thread, in the background."""
    run, _ = await _submit(asker.serving, await _stateless(asker, body))
    return answer(_accepted(run), {"content-location": f"/runs/{run['run_id']}"})


@router.post("/runs/batch", tags=["Stateless runs"])
async def create_batch(bodies: Annotated[list[RunBody], Field(min_length=1)], asker: AskerOf) -> Response:
    """Run several times without a thread, in the background; all of them, or none if one is refused."""
    submissions = [await _stateless(asker, body) for body in bodies]
    return answer([_accepted((await _submit(asker.serving, submission))[0]) for submission in submissions])


@router.post("/runs/cancel", status_code=204, response_class=Response)
async def cancel_many(
    body: CancelMany, serving: ServingOf, access: AccessOf, action: CancelAction = "interrupt"
) -> Response:
    """End several runs."""
    chosen = await runs_to_cancel(serving, access, body.thread_id, body.run_ids, body.status)
    done = [await serving.runs.cancel(run_id, action) for run_id in chosen]
    if not any(done):
        raise HTTPException(404, OVER if body.run_ids else "No runs found to cancel.")
    return Response(status_code=204)


@router.get("/threads/{thread_id}/runs")
async def list_on_thread(
    thread_id: UUID,
    serving: ServingOf,
    access: AccessOf,
    limit: Annotated[int, Query(ge=1, le=1000)] = 10,
    offset: Annotated[int, Query(ge=0, le=10**9)] = 0,
    status: Annotated[str | None, Query(description="One that no run has gives none.")] = None,
    select: Annotated[list[str] | None, Query(description="Only these fields.")] = None,
) -> Response:
    """The runs of a thread, the newest first."""
    rows = await list_runs(serving, access, str(thread_id), status, slice(offset, offset + limit))
    shown = [shown_run(row) for row in rows]
    return answer([{key: run[key] for key in select if key in run} for run in shown] if select else shown)


@router.get("/threads/{thread_id}/runs/{run_id}")
async def get_run(thread_id: UUID, run_id: UUID, serving: ServingOf, access: AccessOf) -> Response:
    """A run."""
    return answer(shown_run(await _run(serving, access, thread_id, run_id)))


@router.delete("/threads/{thread_id}/runs/{run_id}", status_code=204, response_class=Response)
async def delete_run(thread_id: UUID, run_id: UUID, serving: ServingOf, access: AccessOf) -> Response:
    """Delete a run that is over; one that is not is ended first."""
    run = await _run(serving, access, thread_id, run_id, "delete")
    if run["status"] in ACTIVE:
        await serving.runs.cancel(run["run_id"], "interrupt")
        await serving.runs.over(run["run_id"])
    await remove_run(serving, run["run_id"])
    return Response(status_code=204)


@router.get("/threads/{thread_id}/runs/{run_id}/join", responses=VALUES)
async def join(
    thread_id: UUID, run_id: UUID, serving: ServingOf, access: AccessOf, cancel_on_disconnect: bool = False
) -> Response:
    """Wait for the end of a run, and answer with the final state."""
    with serving.place() as place:
        run = await _joined(serving, access, thread_id, run_id, cancel_on_disconnect)
        path = f"/threads/{thread_id}/runs/{run_id}"
        if run is None:
            return _waiting(place, no_run(), path)
        body = joined(serving, run)
        return _waiting(place, _until_left(serving, body, run, cancel_on_disconnect), path)


@router.get("/threads/{thread_id}/runs/{run_id}/stream", response_class=EventStream, status_code=200, responses=STREAM)
async def join_stream(
    thread_id: UUID,
    run_id: UUID,
    serving: ServingOf,
    access: AccessOf,
    stream_mode: str | None = None,
    cancel_on_disconnect: bool = False,
    last_event_id: Annotated[str | None, Header()] = None,
) -> Response:
    """Stream a run: from now on; of a resumable one what followed ``Last-Event-ID``, ``-1`` for all."""
    with serving.place() as place:
        run = await _joined(serving, access, thread_id, run_id, cancel_on_disconnect)
        headers = _located(f"/threads/{thread_id}/runs/{run_id}", "stream")
        if run is None:
            missing = Frame("error", dumps({"error": "HTTPException", "message": "404: Run not found"}))
            return _events(place, _sent([frame(*missing)]), headers)
        news = serving.runs.listen(run["run_id"])
        entries = serving.runs.follow(news, _position(run, last_event_id))
        body = _framed(entries, run["resumable"], _chosen(stream_mode))
        return _events(place, _until_left(serving, body, run, cancel_on_disconnect), headers)


@router.post("/threads/{thread_id}/runs/{run_id}/cancel")
async def cancel(
    thread_id: UUID,
    run_id: UUID,
    serving: ServingOf,
    access: AccessOf,
    wait: bool = False,
    action: CancelAction = "interrupt",
) -> Response:
    """End a run; ``rollback`` also takes back what it did to the thread."""
    run = await find_run(serving, access, str(thread_id), str(run_id), "update")
    if run is None:
        raise HTTPException(404, "No runs found to cancel.")
    if not await serving.runs.cancel(run["run_id"], action):
        raise HTTPException(404, OVER)
    if not wait:
        return Response(status_code=202)
    await serving.runs.over(run["run_id"])
    return answer({}, _located(_path_of(run), "join"))


async def _submit(serving: Serving, submission: Submission) -> tuple[dict[str, Any], News]:
    try:
        return await serving.runs.submit(submission)
    except NoThread:
        raise HTTPException(404, NOT_FOUND) from None
    except Busy:
        raise HTTPException(409, BUSY) from None


async def _stateless(asker: Asker, body: RunBody) -> Submission:
    if body.command is not None and body.command.resume is not None:
        raise HTTPException(400, "You must provide a thread_id when resuming.")
    return await asked(asker, body)


async def _run(serving: Serving, access: Access, thread_id: UUID, run_id: UUID, action: str = "read") -> dict[str, Any]:
    run = await find_run(serving, access, str(thread_id), str(run_id), action)
    if run is None:
        raise HTTPException(404, "Run not found" if action == "delete" else "Not Found")
    return run


async def _joined(
    serving: Serving, access: Access, thread_id: UUID, run_id: UUID, cancels: bool
) -> dict[str, Any] | None:
    """A run that is to be followed; whoever ends it by leaving has to be allowed to cancel it, too."""
    run = await find_run(serving, access, str(thread_id), str(run_id))
    if run is not None and cancels:
        return await find_run(serving, access, str(thread_id), str(run_id), "update")
    return run


def _with_values(modes: list[Mode]) -> list[Mode]:
    """The modes of a run that is waited for; whoever joins its stream sees those that were asked for."""
    return modes if "values" in modes else [*modes, "values"]


def _is_kept(body: RunBody) -> bool:
    """Whether a stateless run has to be in the database: it is asked for again, or later, or leaves its thread."""
    return body.stream_resumable or body.on_completion == "keep" or bool(body.after_seconds) or bool(body.webhook)


def _piped(serving: Serving, submission: Submission) -> Pipe:
    return Pipe(
        serving.runs.stateless(submission),
        turns=serving.runs.turns,
        outlives=submission.body.on_disconnect == "continue",
        keep=serving.keep,
    )


def _stream(place: Place, run: dict[str, Any], news: News, body: RunBody) -> EventStream:
    headers = _located(_path_of(run), "stream")
    return _events(place, _framed(_watched(place.serving, run, news, body), run["resumable"]), headers)


async def _watched(
    serving: Serving, run: dict[str, Any], news: News, body: RunBody
) -> AsyncGenerator[Sequence[Entry], None]:
    """A run's entries from the first; if the reader leaves before the end, and wants that, the run ends, too."""
    entries = serving.runs.follow(news, 0)
    async with aclosing(_until_left(serving, entries, run, body.on_disconnect == "cancel")) as found:
        async for some in found:
            yield some


async def _until_left(
    serving: Serving, found: AsyncGenerator[T, None], run: dict[str, Any], cancels: bool
) -> AsyncGenerator[T, None]:
    over = False
    try:
        async with aclosing(found) as parts:
            async for part in parts:
                yield part
        over = True
    except ServerEnds:
        # The run goes on elsewhere; its reader did not leave.
        over = True
        raise
    finally:
        if cancels and not over:
            serving.spawn(serving.runs.cancel(run["run_id"], "interrupt"))


async def _framed(
    entries: AsyncGenerator[Sequence[Entry], None], ids: bool, modes: frozenset[str] | None = None
) -> AsyncGenerator[bytes, None]:
    async with aclosing(entries) as found:
        # A stream may end where its server does: clients ask whether the run is over, and go on elsewhere.
        with suppress(ServerEnds):
            async for some in found:
                chosen = [entry for entry in some if modes is None or _is_chosen(entry.frame, modes)]
                for chunk in chunked(frame(*entry.frame, str(entry.seq) if ids else None) for entry in chosen):
                    yield chunk


async def _bunched(pipe: Pipe) -> AsyncGenerator[bytes, None]:
    async with aclosing(pipe.bunches()) as bunches:
        async for bunch in bunches:
            for chunk in chunked(frame(*one) for one in bunch):
                yield chunk


async def _sent(chunks: Sequence[bytes]) -> AsyncGenerator[bytes, None]:
    for chunk in chunks:
        yield chunk


def _chosen(text: str | None) -> frozenset[str] | None:
    """Modes of a query: a name, or a JSON array of names."""
    if not text:
        return None
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError:
        value = text
    return frozenset(map(str, value)) if isinstance(value, list) else frozenset((str(value),))


def _is_chosen(one: Frame, modes: frozenset[str]) -> bool:
    """Errors are for everyone."""
    if one.mode.startswith("messages"):
        return bool(modes & {"messages", "messages-tuple"})
    return one.mode in modes or one.event in modes or one.event == "error"


def _position(run: dict[str, Any], last_event_id: str | None) -> int | None:
    """Where a client goes on; None is the end. An id that was never one is behind everything."""
    if last_event_id is None or not run["resumable"]:
        return None
    try:
        return max(int(last_event_id), 0)
    except ValueError:
        return 2**62


def _events(place: Place, body: AsyncGenerator[bytes, None], headers: dict[str, str]) -> EventStream:
    settings = place.serving.settings
    return EventStream(
        place.counted(body), headers={**EVENTS, **headers}, heartbeat=settings.heartbeat, stall=settings.stall
    )


def _waiting(place: Place, body: AsyncGenerator[bytes, None], path: str) -> EventStream:
    settings = place.serving.settings
    return EventStream(
        place.counted(body),
        headers=_located(path, "join"),
        heartbeat=settings.heartbeat,
        comment=BLANK,
        stall=settings.stall,
        media_type="application/json",
    )


def _located(path: str, verb: str) -> dict[str, str]:
    return {"location": f"{path}/{verb}", "content-location": path}


def _path_of(run: dict[str, Any]) -> str:
    return f"/threads/{run['thread_id']}/runs/{run['run_id']}"


def _accepted(run: dict[str, Any]) -> dict[str, Any]:
    """A run as it was when it was accepted; it may have begun since."""
    return shown_run({**run, "status": "pending", "attempt": 0})


def _thread_id(text: str) -> str:
    try:
        return str(UUID(text))
    except ValueError:
        raise HTTPException(400, "badly formed hexadecimal UUID string") from None
