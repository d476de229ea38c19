"""`lcel-compat demo`: the support desk as a chain, as a graph, and in all modes; every number is counted."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, Final, cast

from langchain_core.runnables import Runnable
from rich.console import Console
from rich.status import Status

from lcel_adapters._cli import _report
from lcel_adapters._cli._console import is_watched
from lcel_adapters._cli._events import Move, compare_runs
from lcel_adapters._cli._load import CannotRunError
from lcel_adapters._cli._render import describe, printable, text_of
from lcel_adapters._cli._report import Heard
from lcel_adapters._cli._show import write_json
from lcel_adapters.desk import QUESTIONS, DeskModel, build_chain, build_graph, build_step_graph, load_model
from lcel_adapters.desk.consumers import CONSUMERS, Consumer

MODES: Final = ("values", "updates", "custom", "messages", "debug", "events")
_DELAY: Final = 0.004
"""Seconds per token: slow enough to be watched, and the whole demo takes about two."""
_TAIL: Final = 40

Item = tuple[str, Any]
Watch = Callable[[str, Any], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What the command line says.

    Attributes:
        question: The question; `None` for the sample.
        model: `MODULE:OBJECT`; `None` for what the environment says, or the desk's own.
        json: Whether everything is to be printed as JSON lines.
        delay: Seconds per token of the desk's own model.
    """

    question: str | None
    model: str | None
    json: bool
    delay: float | None


def run_demo(options: Options, console: Console) -> None:
    """Run the desk three times on one question and print what came.

    Raises:
        CannotRunError: If the question is empty, or a delay is asked of another model than the desk's own.
        ModelSpecError: If there is no such model.
    """
    question = QUESTIONS[0] if options.question is None else options.question.strip()
    if not question:
        raise CannotRunError('--question is empty: ask something, as in --question "How do I get a refund?".')
    model = _model(options)
    asyncio.run(_print_json(question, model) if options.json else _print(question, model, console))


def _model(options: Options) -> Any:
    model = load_model(options.model)
    if not (options.model or os.environ.get("LCEL_COMPAT_MODEL")):
        return DeskModel(delay=_DELAY if options.delay is None else options.delay)
    if options.delay is not None:
        raise CannotRunError("--delay slows the desk's own model; leave out --delay, or --model and LCEL_COMPAT_MODEL.")
    return model


async def _print(question: str, model: Any, console: Console) -> None:
    given = {"question": question}
    console.print(_report.head(question, model))
    before = await _watched(console, "As a chain", _events(build_chain(model), given))
    after = await _watched(console, "As a graph", _events(build_graph(model), given))
    move = compare_runs(_bare(before), _bare(after))
    console.print(_report.answer(move))
    console.print(_report.side_by_side(move, console.width))
    console.print(_report.verdict(move))
    console.print(_report.listeners(await _heard(move)))
    items = await _watched(console, "In all modes", _steps(build_step_graph(model), given))
    console.print(_report.modes(items, MODES, console.width))


async def _print_json(question: str, model: Any) -> None:
    given = {"question": question}
    before = await _recorded(_events(build_chain(model), given), _writer("chain"))
    after = await _recorded(_events(build_graph(model), given), _writer("graph"))
    for heard in await _heard(compare_runs(_bare(before), _bare(after))):
        item = {"chain": heard.before, "graph": heard.after, "same": heard.same}
        _writer("listeners")(heard.listener, item)
    await _recorded(_steps(build_step_graph(model), given), _writer("steps"))


def _writer(part: str) -> Watch:
    def write(mode: str, item: Any) -> None:
        write_json(mode, item, part=part)

    return write


async def _events(runnable: Runnable[Any, Any], given: Mapping[str, Any]) -> AsyncIterator[Item]:
    async with aclosing(cast("Any", runnable.astream_events(given, version="v2"))) as events:
        async for event in events:
            yield "events", event


def _steps(graph: Any, given: Mapping[str, Any]) -> AsyncIterator[Item]:
    items: AsyncIterator[Item] = graph.astream(given, stream_mode=list(MODES))
    return items


async def _watched(console: Console, title: str, stream: AsyncIterator[Item]) -> list[Item]:
    """Record a stream; on a terminal, show how far it is."""
    if not is_watched(console):
        return await _recorded(stream, _unwatched)
    with console.status(title) as status:
        return await _recorded(stream, _progress(title, status))


def _unwatched(mode: str, item: Any) -> None:
    pass


def _progress(title: str, status: Status) -> Watch:
    count, said = 0, ""

    def watch(mode: str, item: Any) -> None:
        nonlocal count, said
        count += 1
        if mode == "events" and item["event"] == "on_chat_model_stream":
            said = (said + (text_of(describe(mode, item).chunk) or ""))[-_TAIL:]
        status.update(f"{title}: {count} items  {printable(said.replace(chr(10), ' '))}")

    return watch


async def _recorded(stream: AsyncIterator[Item], watch: Watch) -> list[Item]:
    items = []
    async with aclosing(cast("Any", stream)) as running:
        async for mode, item in running:
            watch(mode, item)
            items.append((mode, item))
    return items


def _bare(items: Sequence[Item]) -> list[Any]:
    return [item for _, item in items]


async def _heard(move: Move) -> list[Heard]:
    """What each listener of the application writes, given the events of the chain and those of the graph."""
    return [
        Heard(
            listener=name,
            before=await _written(consumer, move.before),
            after=await _written(consumer, move.after),
            reads=_first_line(consumer),
        )
        for name, consumer in CONSUMERS.items()
    ]


async def _written(consumer: Consumer, events: Sequence[Any]) -> list[str]:
    pieces: list[str] = []
    try:
        await consumer(_replayed(events), pieces.append)
    except Exception as error:
        # A listener that breaks on the other side's events is what the demo is there to show.
        pieces.append(f"raises {type(error).__name__}: {error}")
    return pieces


async def _replayed(events: Sequence[Any]) -> AsyncIterator[Any]:
    for event in events:
        yield event


def _first_line(consumer: Consumer) -> str:
    return (consumer.__doc__ or "").strip().partition("\n")[0].rpartition(": ")[2].rstrip(".").replace("`", "")
