"""Streaming whatever was named: a graph of this project, one of LangGraph's, or a plain runnable."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import aclosing, closing
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias, cast

from langchain_core.runnables import Runnable

from lcel_adapters._cli._load import CannotRunError
from lcel_compat import CompiledStateGraph
from lcel_compat.modes import MODES

Item: TypeAlias = tuple[str, Any]
"""A mode, and what came in it."""
Kind: TypeAlias = Literal["ours", "langgraph", "runnable"]

CHUNKS: Final = "chunks"
"""The mode under which the chunks of a plain runnable are shown."""
LANGGRAPH_MODES: Final = ("values", "updates", "custom", "messages", "tasks", "checkpoints", "debug", "events")


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A stream that can be opened.

    Attributes:
        target: What is streamed.
        kind: Which library's it is.
        modes: What is asked for, in order; `("chunks",)` for a plain runnable's own stream.
        input: What it is given.
        config: The configuration of the run.
        sync: Whether to run it without an event loop.
    """

    target: Runnable[Any, Any]
    kind: Kind
    modes: tuple[str, ...]
    input: Any
    config: dict[str, Any]
    sync: bool = False


def make_plan(
    target: Runnable[Any, Any], modes: Sequence[str], input: Any, config: dict[str, Any], *, sync: bool = False
) -> Plan:
    """What is to be streamed, with everything checked that can be before it runs.

    Raises:
        CannotRunError: If the runnable has no such mode, or not together with the others or without an event loop.
    """
    kind = kind_of(target)
    asked = tuple(dict.fromkeys(modes)) or ((CHUNKS,) if kind == "runnable" else ("updates",))
    _CHECKS[kind](asked, sync)
    return Plan(target=target, kind=kind, modes=asked, input=input, config=config, sync=sync)


def kind_of(target: Runnable[Any, Any]) -> Kind:
    """Whose graph it is; LangGraph is looked for where it is loaded already, and never imported."""
    if isinstance(target, CompiledStateGraph):
        return "ours"
    pregel = getattr(sys.modules.get("langgraph.pregel"), "Pregel", None)
    return "langgraph" if pregel is not None and isinstance(target, pregel) else "runnable"


def run(plan: Plan, show: Callable[[str, Any], None]) -> None:
    """Stream it to the end; `show` is given each mode and item as it comes."""
    if not plan.sync:
        asyncio.run(_arun(plan, show))
        return
    with closing(cast("Any", _items(plan))) as items:
        for mode, item in items:
            show(mode, item)


async def _arun(plan: Plan, show: Callable[[str, Any], None]) -> None:
    async with aclosing(cast("Any", _aitems(plan))) as items:
        async for mode, item in items:
            show(mode, item)


def _items(plan: Plan) -> Iterator[Item]:
    target, config = cast("Any", plan.target), cast("Any", plan.config)
    if plan.kind == "runnable":
        return ((CHUNKS, chunk) for chunk in target.stream(plan.input, config))
    return cast("Iterator[Item]", target.stream(plan.input, config, stream_mode=list(plan.modes)))


def _aitems(plan: Plan) -> AsyncIterator[Item]:
    target, config = cast("Any", plan.target), cast("Any", plan.config)
    if plan.kind != "ours" and plan.modes == ("events",):
        return _labelled("events", target.astream_events(plan.input, config, version="v2"))
    if plan.kind == "runnable":
        return _labelled(CHUNKS, target.astream(plan.input, config))
    return cast("AsyncIterator[Item]", target.astream(plan.input, config, stream_mode=list(plan.modes)))


async def _labelled(mode: str, stream: AsyncIterator[Any]) -> AsyncIterator[Item]:
    async with aclosing(cast("Any", stream)) as items:
        async for item in items:
            yield mode, item


def _check_ours(modes: tuple[str, ...], sync: bool) -> None:
    _check_known(modes, MODES)


def _check_langgraph(modes: tuple[str, ...], sync: bool) -> None:
    _check_known(modes, LANGGRAPH_MODES)
    if "events" not in modes:
        return
    if sync:
        raise CannotRunError(f"LangGraph has no synchronous events. Leave --sync out, or {_MOVE}.")
    if len(modes) > 1:
        raise CannotRunError(
            f"A LangGraph graph gives events in a run of their own. Ask for --mode events alone, or {_MOVE}: then one"
            " run gives all modes."
        )


def _check_runnable(modes: tuple[str, ...], sync: bool) -> None:
    if modes not in ((CHUNKS,), ("events",)):
        unfit = next(mode for mode in modes if mode != "events")
        raise CannotRunError(
            f"A plain runnable has no mode {unfit!r}: it is no graph. Ask for --mode events alone, or for no mode to"
            " see its chunks."
        )
    if sync and modes == ("events",):
        raise CannotRunError("langchain-core has no synchronous events of version 2. Leave --sync out.")


def _check_known(modes: tuple[str, ...], known: Sequence[str] | Any) -> None:
    for mode in modes:
        if mode not in known:
            raise CannotRunError(f"There is no mode {mode!r}. The modes are {', '.join(known)}.")


_MOVE: Final = "build the graph with lcel_compat.StateGraph"
_CHECKS: Final[dict[Kind, Callable[[tuple[str, ...], bool], None]]] = {
    "ours": _check_ours,
    "langgraph": _check_langgraph,
    "runnable": _check_runnable,
}
