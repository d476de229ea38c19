"""Playing a take back: what happens when is decided once, and done by a few lines for each colour."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

from pydantic import ValidationError

from lcel_compat.events._lines import RecordingError
from lcel_compat.events._stored import NotStoredError, from_stored
from lcel_compat.replay._errors import ReplayError
from lcel_compat.replay._session import Turn
from lcel_compat.replay._take import unpack_error


@dataclass(frozen=True, slots=True)
class Wait:
    """Wait so many seconds."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Tell:
    """Tell the callbacks of a new token."""

    text: Any
    chunk: Any


@dataclass(frozen=True, slots=True)
class Give:
    """Hand something out: a chunk of a stream, or the result of a call."""

    value: Any


Action: TypeAlias = Wait | Tell | Give


def play(turn: Turn, manager: Any) -> Any:
    """Play a take as a call; ``manager`` are the callbacks of the run, or ``None``."""
    [result] = _done(_script(turn, streaming=False), manager)
    return result


async def aplay(turn: Turn, manager: Any) -> Any:
    """Play a take as an asynchronous call."""
    [result] = [result async for result in _adone(_script(turn, streaming=False), manager)]
    return result


def play_stream(turn: Turn, manager: Any) -> Iterator[Any]:
    """Play a take as a stream."""
    return _done(_script(turn, streaming=True), manager)


def aplay_stream(turn: Turn, manager: Any) -> AsyncIterator[Any]:
    """Play a take as an asynchronous stream."""
    return _adone(_script(turn, streaming=True), manager)


def _done(script: Iterator[Action], manager: Any) -> Iterator[Any]:
    for action in script:
        match action:
            case Wait(seconds):
                time.sleep(seconds)
            case Tell(text, chunk) if manager is not None:
                manager.on_llm_new_token(text, chunk=chunk)
            case Give(value):
                yield value


async def _adone(script: Iterator[Action], manager: Any) -> AsyncIterator[Any]:
    for action in script:
        match action:
            case Wait(seconds):
                await asyncio.sleep(seconds)
            case Tell(text, chunk) if manager is not None:
                await manager.on_llm_new_token(text, chunk=chunk)
            case Give(value):
                yield value


def _script(turn: Turn, *, streaming: bool) -> Iterator[Action]:
    """What happens when a take is played; what it holds of objects is restored on the way."""
    try:
        yield from _actions(turn, streaming=streaming)
    except (NotStoredError, ValidationError) as error:
        whom = turn.take.asked.get("name") or turn.take.asked.get("class")
        raise RecordingError(f"A recorded call of {whom} on {turn.session.cassette!r} is damaged: {error}.") from error


def _actions(turn: Turn, *, streaming: bool) -> Iterator[Action]:
    """What happens, in the form that is asked for now, whichever it was recorded in."""
    take, chunks = turn.take, list[Any]()
    clock = _Clock(turn.session.speed)
    for step in take.steps:
        yield from clock.until(step.at)
        value = from_stored(step.value)
        if step.kind == "token":
            if streaming is take.streamed:
                yield Tell(*value)
        elif streaming:
            yield Give(value)
        else:
            chunks.append(value)
    yield from clock.until(take.at)
    _raise_if_it_did(turn)
    if take.streamed:
        yield from [] if streaming else [Give(turn.family.merge(chunks))]
        return
    result = turn.family.unpack(take.result)
    if not streaming:
        yield Give(result)
        return
    for chunk in turn.family.split(result):
        if turn.family.tells:
            yield Tell(chunk.text, chunk)
        yield Give(chunk)


def _raise_if_it_did(turn: Turn) -> None:
    if turn.take.error is not None:
        raise unpack_error(turn.take.error)
    if turn.take.ending == "abandoned":
        raise ReplayError(
            f"The recorded call of {turn.take.asked.get('class') or turn.take.asked.get('name')} was not read to its"
            f" end: it stopped after {len(turn.take.steps)} chunks, and is read further now. Record again."
        )


class _Clock:
    """Waits so that a take is played ``speed`` times as fast as it was recorded; without a speed, at once."""

    def __init__(self, speed: float | None) -> None:
        self._speed = speed
        self._began = time.perf_counter()

    def until(self, milliseconds: float) -> Iterator[Wait]:
        if self._speed is not None:
            left = milliseconds / 1000 / self._speed - (time.perf_counter() - self._began)
            if left > 0:
                yield Wait(left)
