"""Whether a run had come to a breakpoint when its server died: going on would pass it, as if somebody had said so."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lcel_adapters.serve._runs._request import RunBody

HIDDEN = "__start__"


async def stops_there(graph: Any, thread_id: str, body: RunBody) -> bool:
    """Whether the run stops at the last checkpoint of its thread, which it made itself.

    An engine that goes on takes that for the consent to pass the breakpoint it stands at. So who goes on for the engine
    asks first: what would run next (``interrupt_before``), and what ran last (``interrupt_after``).
    """
    if not body.interrupt_before and not body.interrupt_after:
        return False
    now = await graph.aget_state({"configurable": {"thread_id": thread_id}})
    if _names(body.interrupt_before, now.next):
        return bool(now.next)
    if not body.interrupt_after or now.parent_config is None or now.metadata.get("source") != "loop" or not now.next:
        return False
    before = await graph.aget_state(now.parent_config)
    return _names(body.interrupt_after, before.next)


def _names(chosen: Sequence[str] | str | None, nodes: Sequence[str]) -> bool:
    """Whether one of the nodes is chosen; ``*`` chooses all that are the graph's own."""
    own = [node for node in nodes if node != HIDDEN]
    return bool(own) if chosen == "*" else not set(chosen or ()).isdisjoint(own)
