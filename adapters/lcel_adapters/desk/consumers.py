"""Three listeners as they stand in applications today: each reads v2 events and writes text.

They know the run names and shapes of the chain and nothing else. That is what makes them worth
showing before and after a move: whatever they print must not change.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from langchain_core.runnables.schema import StreamEvent

__all__ = ["CONSUMERS", "Consumer", "Write", "audit_line", "chat_front_end", "sources_panel"]

Write: TypeAlias = Callable[[str], object]
"""Takes a piece of text, as `sys.stdout.write` does; what it returns is ignored."""

Consumer: TypeAlias = "Callable[[AsyncIterator[StreamEvent], Write], Awaitable[None]]"
"""Reads the events to their end and writes what it has to say."""


async def chat_front_end(events: AsyncIterator[StreamEvent], write: Write) -> None:
    """Write each token of the answer as it comes: `on_parser_stream` of `answer_text`."""
    async for event in events:
        if event["event"] == "on_parser_stream" and event["name"] == "answer_text":
            write(event["data"]["chunk"])


async def sources_panel(events: AsyncIterator[StreamEvent], write: Write) -> None:
    """Write a line for each document that was found: `on_retriever_end` of `help_center`."""
    async for event in events:
        if event["event"] == "on_retriever_end" and event["name"] == "help_center":
            for document in event["data"]["output"]:
                write(f"{document.metadata['title']} <{document.metadata['source']}>\n")


async def audit_line(events: AsyncIterator[StreamEvent], write: Write) -> None:
    """Write one JSON line about the whole run: start and end of the run without parents.

    The question is in the root's start event: `data["input"]` of the first event holds the root's
    input, and the root's end leaves it out (EVENTS.md, rule 16).
    """
    question = None
    async for event in events:
        if event["parent_ids"]:
            continue
        if event["event"] == "on_chain_start":
            question = event["data"]["input"]["question"]
        if event["event"] == "on_chain_end":
            answer = event["data"]["output"]
            line = {"run": event["name"], "question": question, "characters": len(answer)}
            write(json.dumps(line) + "\n")


CONSUMERS: Mapping[str, Consumer] = MappingProxyType(
    {"chat": chat_front_end, "sources": sources_panel, "audit": audit_line}
)
"""The three by the name the demo shows them under."""
