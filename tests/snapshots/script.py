"""A run as a script: one line per event, indented by depth, identifiers numbered by first appearance.

A line is the event, the run's name and number, its tags where they are new, and the event's data in short::

    on_chain_start LangGraph #1 input={'x': 'hi'}
      on_chain_start node #2 in #1 [graph:step:1] input={'x': 'hi'}

Left out is what differs between releases of langchain-core: a message's metadata, empty fields, where a class lives,
and the empty chunk that core since 1.0 ends a model's stream with, in all the runs it passes through (EVENTS.md,
rule 21; ``test_kinds.py`` checks it apart).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from langchain_core.documents import Document
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.outputs import Generation
from langchain_core.prompt_values import PromptValue, StringPromptValue

from tests.support.colours import Raised
from tests.support.plain import flat, number, plain

Event = Mapping[str, Any]


def script(recorded: Iterable[Any], *, at_once: bool = False) -> str:
    """Return recorded v2 events as a script.

    Args:
        recorded: Events, and perhaps ``Raised`` at the end.
        at_once: Whether runs in it overlap, so that the order of arrival flaps. Then each run stands as a block (its
            start, the runs inside it, its chunks, its end), siblings by step and content, chunks that are dicts by key.
    """
    items = without_last(recorded)
    events = [item for item in items if not isinstance(item, Raised)]
    lines = list(_blocks(events)) if at_once else list(_in_time(events))
    return number("\n".join(lines + [f"raised {i.error}: {i.text}" for i in items if isinstance(i, Raised)]))


def items_script(items: Iterable[Any]) -> str:
    """Return the items of stream modes as a script: one line per item, events as in ``script``."""
    shown: dict[str, list[str]] = {}
    return number("\n".join(_item(item, shown) for item in without_last(items)))


def without_last(recorded: Iterable[Any]) -> list[Any]:
    """Return events or items of modes without the chunks that end a stream and hold nothing."""
    items = list(recorded)
    last = {found[0]: index for index, item in enumerate(items) if (found := _chunk(item))}
    left_out = {index for index in last.values() if _is_empty((_chunk(items[index]) or ((), None))[1])}
    return [item for index, item in enumerate(items) if index not in left_out]


def _chunk(item: Any) -> tuple[tuple[Any, ...], Any] | None:
    """The chunk in an event or an item, under whatever it is a part of."""
    match item:
        case {"event": _, "data": {"chunk": chunk}, "run_id": run}:
            return (run, *(chunk if isinstance(chunk, dict) else ())), chunk
        case (AIMessageChunk() as chunk, dict()):
            return (chunk.id,), chunk
        case (str() as mode, inner) if found := _chunk(inner):
            return (mode, *found[0]), found[1]
        case _:
            return None


def _is_empty(chunk: Any) -> bool:
    if isinstance(chunk, AIMessageChunk):
        return chunk.content == "" and not chunk.tool_call_chunks
    if isinstance(chunk, dict):
        return bool(chunk) and all(map(_is_empty, chunk.values()))
    return isinstance(chunk, str) and chunk == ""


def brief(value: Any) -> str:
    """Return a value of an event's data in short; keys of dicts are sorted."""
    match value:
        case BaseMessage():
            return f"{type(value).__name__}({', '.join(_message(value))})"
        case Document():
            return f"Document({value.page_content!r})"
        case Generation():
            return f"{type(value).__name__}({value.text!r})"
        case StringPromptValue():
            return f"StringPromptValue({value.text!r})"
        case PromptValue():
            return f"{type(value).__name__}({brief(value.to_messages())})"
        case Mapping():
            pairs = sorted((repr(k), brief(v)) for k, v in value.items())
            return "{" + ", ".join(f"{k}: {v}" for k, v in pairs) + "}"
        case list():
            return f"[{', '.join(map(brief, value))}]"
        case tuple():
            return f"({', '.join(map(brief, value))},)"
        case _:
            return flat(plain(value))


def _message(message: BaseMessage) -> Iterator[str]:
    yield repr(message.content)
    if isinstance(message, AIMessageChunk) and message.tool_call_chunks:
        yield "tool_call_chunks=" + brief([(c["name"], c["args"]) for c in message.tool_call_chunks])
    elif isinstance(message, AIMessage) and message.tool_calls:
        yield "tool_calls=" + brief([(c["name"], c["args"]) for c in message.tool_calls])
    if message.id is not None:
        yield message.id.rpartition("--")[2]


def _in_time(events: Iterable[Event]) -> Iterator[str]:
    shown: dict[str, list[str]] = {}
    for event in events:
        yield _line(event, shown)


def _line(event: Event, shown: dict[str, list[str]]) -> str:
    """One event; ``shown`` holds the tags that were last shown of each run."""
    run, parents, tags = event["run_id"], event["parent_ids"], sorted(event["tags"])
    parts = [event["event"], event["name"], run]
    if run not in shown:
        parts += [f"in {parents[-1]}"] if parents else []
    if shown.get(run, []) != tags:
        parts.append(f"[{', '.join(tags)}]")
    if event["event"] != "on_custom_event":
        shown[run] = tags
    data = event["data"]
    parts += [f"{k}={brief(data[k])}" for k in sorted(data)] if isinstance(data, dict) else [brief(data)]
    return "  " * len(parents) + " ".join(parts)


def _blocks(events: list[Event]) -> Iterator[str]:
    own: dict[str, list[Event]] = {}
    inside: dict[str, list[str]] = {}
    for event in events:
        if event["run_id"] not in own:
            inside.setdefault(event["parent_ids"][-1] if event["parent_ids"] else "", []).append(event["run_id"])
        own.setdefault(event["run_id"], []).append(event)
    return _block_lines(inside[""], own, inside)


def _block_lines(runs: list[str], own: Mapping[str, list[Event]], inside: Mapping[str, list[str]]) -> Iterator[str]:
    for run in sorted(runs, key=lambda run: _place(own[run])):
        start, *rest = own[run]
        middle = [event for event in rest if not event["event"].endswith(("_end", "_error"))]
        shown: dict[str, list[str]] = {}
        yield _line(start, shown)
        yield from _block_lines(inside.get(run, []), own, inside)
        yield from (_line(event, shown) for event in sorted(middle, key=_chunk_key))
        yield from (_line(event, shown) for event in rest if event not in middle)


def _place(events: list[Event]) -> tuple[list[str], str, str]:
    """Where a run stands among its siblings: its own tags, its name, what it was given and made."""
    return sorted(events[0]["tags"]), events[0]["name"], brief([event["data"] for event in events])


def _chunk_key(event: Event) -> str:
    chunk = event["data"].get("chunk")
    return brief(sorted(chunk)) if isinstance(chunk, dict) else ""


def _item(item: Any, shown: dict[str, list[str]]) -> str:
    match item:
        case (str() as mode, inner):
            return f"{mode}: {_item(inner, shown)}"
        case (BaseMessage() as message, dict() as metadata):
            read = {k: v for k, v in metadata.items() if k.startswith("langgraph_") or k == "tags"}
            return f"{brief(message)} {brief(read)}"
        case {"event": _, "parent_ids": _}:
            return _line(item, shown)
        case _:
            return brief(item)
