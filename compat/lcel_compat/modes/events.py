"""``events``: what ``astream_events(version="v2")`` gives, formed as langchain-core forms it.

The rules are numbered in EVENTS.md, section 4; langchain-core's own are in tracers/event_stream.py.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from langchain_core.outputs import LLMResult

from lcel_compat._log import Dispatched, Entry, Run, RunEnded, RunFailed, RunStarted, RunStreamed


@dataclass(frozen=True, slots=True, kw_only=True)
class EventFilter:
    """Which events a consumer asked for: any of the includes, and none of the excludes (rule 28).

    ``types`` are ``"chain"``, ``"chat_model"``, …; for a custom event, its name.
    """

    include_names: Sequence[str] | None = None
    include_types: Sequence[str] | None = None
    include_tags: Sequence[str] | None = None
    exclude_names: Sequence[str] | None = None
    exclude_types: Sequence[str] | None = None
    exclude_tags: Sequence[str] | None = None

    def admits(self, name: str, kind: str, tags: Sequence[str]) -> bool:
        """Whether an event of a run with this name, type and tags is wanted."""
        return self._included(name, kind, tags) and not self._excluded(name, kind, tags)

    def _included(self, name: str, kind: str, tags: Sequence[str]) -> bool:
        names, kinds, wanted = self.include_names, self.include_types, self.include_tags
        if names is None and kinds is None and wanted is None:
            return True
        return name in (names or ()) or kind in (kinds or ()) or any(tag in (wanted or ()) for tag in tags)

    def _excluded(self, name: str, kind: str, tags: Sequence[str]) -> bool:
        return (
            name in (self.exclude_names or ())
            or kind in (self.exclude_types or ())
            or any(tag in (self.exclude_tags or ()) for tag in tags)
        )


EVERYTHING = EventFilter()


class Events:
    """Gives event dicts, each the consumer's own.

    Args:
        value: The input of the run; the first event carries it, whatever run it is of (rule 16).
        event_filter: Which events to give.
        errors: Whether runs that fail end with an event, ``on_<type>_error``; core has one for tools only (rule 10).
    """

    reads: tuple[type[Entry], ...] = (RunStarted, RunStreamed, RunEnded, RunFailed, Dispatched)

    def __init__(self, value: Any, event_filter: EventFilter = EVERYTHING, *, errors: bool = False) -> None:
        self._value = value
        self._errors = errors
        self._filter = None if event_filter == EVERYTHING else event_filter
        self._first: str | None = None

    def project(self, entry: Any) -> Sequence[dict[str, Any]]:
        event: dict[str, Any] | None = _FORMS[type(entry)](entry)
        if event is None and self._errors:
            event = _event(entry.run, "error", {"error": entry.error, "input": _known(entry.run.inputs)})
        if event is None or (self._filter is not None and not self._admits(entry, event)):
            return ()
        run_id = event["run_id"]
        if self._first is None:
            self._first = run_id
            if isinstance(event["data"], dict):
                event["data"]["input"] = self._value
        elif run_id == self._first and type(entry) is RunEnded:
            # The consumer has the input of this run already.
            event["data"].pop("input", None)
        return (event,)

    def _admits(self, entry: Any, event: Mapping[str, Any]) -> bool:
        kind = entry.name if isinstance(entry, Dispatched) else entry.run.type
        return self._filter is None or self._filter.admits(event["name"], kind, event["tags"])


def _event(run: Run, phase: str, data: dict[str, Any]) -> dict[str, Any]:
    return {
        "event": f"on_{run.type}_{phase}",
        "data": data,
        "run_id": run.key,
        "name": run.name,
        "tags": run.tags,
        "metadata": run.metadata,
        "parent_ids": list(run.parents),
    }


def _started(entry: RunStarted) -> dict[str, Any]:
    run = entry.run
    if run.type == "tool":
        return _event(run, "start", {"input": run.inputs or {}})
    return _event(run, "start", {"input": run.inputs} if run.has_inputs else {})


def _streamed(entry: RunStreamed) -> dict[str, Any]:
    return _event(entry.run, "stream", {"chunk": entry.chunk})


def _ended(entry: RunEnded) -> dict[str, Any]:
    run = entry.run
    match run.type:
        case "chat_model":
            return _event(run, "end", {"output": _first_message(entry.output), "input": run.inputs})
        case "llm":
            return _event(run, "end", {"output": _generations(entry.output), "input": run.inputs})
        case "tool" | "retriever":
            return _event(run, "end", {"output": entry.output, "input": run.inputs})
        case _:
            # Whatever is falsy counts as unknown here (rule 15).
            return _event(run, "end", {"output": entry.output, "input": _known(entry.inputs, run.inputs)})


def _known(*inputs: Any) -> Any:
    """The first input that is not falsy, or an empty dict (rule 15); what refuses to be either counts as known."""
    for value in inputs:
        try:
            if value:
                return value
        except Exception:  # an array asked for its truth
            return value
    return {}


def _failed(entry: RunFailed) -> dict[str, Any] | None:
    """Only tools have an error event (rules 10 and 11)."""
    run = entry.run
    if run.type != "tool":
        return None
    data = {"error": entry.error, "input": run.inputs, "tool_call_id": run.tool_call_id}
    return _event(run, "error", data)


def _dispatched(entry: Dispatched) -> dict[str, Any]:
    return {
        "event": "on_custom_event",
        "run_id": str(entry.run_id),
        "name": entry.name,
        "tags": entry.tags,
        "metadata": entry.metadata,
        "data": entry.data,
        "parent_ids": list(entry.parents),
    }


def _first_message(result: LLMResult) -> Any:
    """The message of the first generation there is (rule 7)."""
    for generations in result.generations:
        for generation in generations:
            return getattr(generation, "message", None)
    return {}


def _generations(result: LLMResult) -> dict[str, Any]:
    """The output of a text-completion model (rule 8)."""
    return {
        "generations": [
            [{"text": g.text, "generation_info": g.generation_info, "type": g.type} for g in several]
            for several in result.generations
        ],
        "llm_output": result.llm_output,
    }


_FORMS: Mapping[type, Callable[[Any], dict[str, Any] | None]] = {
    RunStarted: _started,
    RunStreamed: _streamed,
    RunEnded: _ended,
    RunFailed: _failed,
    Dispatched: _dispatched,
}
