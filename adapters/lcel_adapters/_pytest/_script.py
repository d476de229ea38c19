"""The events of a run as a script: who did what, in an order that does not flap, without what differs every time.

::

    chain RunnableSequence
      starts {"topic": "parrots"}
      prompt ChatPromptTemplate [seq:step:1]
        starts {"topic": "parrots"}
        ends [system "Be brief.", human "On parrots."]
      chat_model FakeChat [seq:step:2] {"ls_provider": "fake"}
        starts {"messages": [[system "Be brief.", human "On parrots."]]}
        streams "A"
        streams " parrot"
        ends "A parrot"
      streams "A"
      streams " parrot"
      ends "A parrot"

Runs stand inside their parents, with the tags and metadata that they have of their own. Only what one run emits has an
order (EVENTS.md, rule 33), so that a run's chunks stand behind the runs inside it, and those are in order of their
steps or starts. Chunks that are dicts stand by their keys, and so do the members of dicts. Identifiers are numbered by
first appearance; ids of messages and versions of packages are left out.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from langchain_core.documents import Document
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import Generation
from langchain_core.prompt_values import ChatPromptValue, PromptValue

from lcel_compat.compare._text import IDENTIFIER
from lcel_compat.events import to_jsonable

_EVENT: Final = re.compile(r"on_(.+)_(start|stream|end|error)")
_VERBS: Final = {"start": "starts", "stream": "streams", "end": "ends", "error": "fails"}
_STEP: Final = re.compile(r"(?:seq|graph):step:(\d+)")
_TASK: Final = re.compile(r"graph:step:\d+")
_VERSIONS: Final = frozenset({"lc_versions"})


@dataclass(slots=True)
class _Run:
    """One run: what it emitted, where it stands, and what runs inside it."""

    first: int
    type: str
    name: str
    tags: list[str]
    metadata: dict[str, Any]
    parents: list[str]
    lines: list[tuple[str, Any]] = field(default_factory=list)
    inner: list[_Run] = field(default_factory=list)


def script(events: Iterable[Any]) -> str:
    """Events of version 1 or 2 as a script.

    Args:
        events: In the order in which they came; an exception as the last is what the run ended with.
    """
    items = list(events)
    runs = _runs([item for item in items if isinstance(item, Mapping)])
    lines = [line for run in _ordered(_nested(runs)) for line in _block(run, {}, ())]
    lines += [f"raises {type(item).__name__}: {item}" for item in items if isinstance(item, BaseException)]
    return _numbered("\n".join(lines))


def ending(error_type: str, message: str) -> str:
    """The line of a recorded run that did not end well."""
    return f"raises {error_type.rpartition('.')[2]}: {message}"


# --- the tree -------------------------------------------------------------------------------------


def _runs(events: list[Mapping[str, Any]]) -> dict[str, _Run]:
    runs: dict[str, _Run] = {}
    for position, event in enumerate(events):
        kind, verb = _kind(event)
        key = str(event.get("run_id"))
        if key not in runs:
            runs[key] = _Run(position, kind, *_about(event))
        runs[key].lines += _said(verb, event)
    return runs


def _kind(event: Mapping[str, Any]) -> tuple[str, str]:
    found = _EVENT.fullmatch(str(event.get("event")))
    return (found[1], _VERBS[found[2]]) if found else ("run", "dispatches")


def _about(event: Mapping[str, Any]) -> tuple[str, list[str], dict[str, Any], list[str]]:
    tags, metadata = sorted(event.get("tags") or ()), dict(event.get("metadata") or {})
    return str(event.get("name")), tags, metadata, list(event.get("parent_ids") or ())


def _said(verb: str, event: Mapping[str, Any]) -> list[tuple[str, Any]]:
    data = event.get("data")
    if verb == "dispatches" or not isinstance(data, Mapping):
        return [(verb, {str(event.get("name")): data})]
    keys = {"starts": "input", "streams": "chunk", "ends": "output", "fails": "error"}
    return [(verb, data.get(keys[verb], _NOTHING))]


_NOTHING: Final = object()


def _nested(runs: dict[str, _Run]) -> list[_Run]:
    """The runs without a parent among the others, each with those inside it."""
    roots: list[_Run] = []
    for run in runs.values():
        above = next((runs[parent] for parent in reversed(run.parents) if parent in runs), None)
        (roots if above is None or above is run else above.inner).append(run)
    return roots


def _ordered(runs: list[_Run]) -> list[_Run]:
    """Siblings by step, else in order of their starts.

    Of those that may run at once (branches of a parallel, items of a batch, calls of the same thing) the starts flap:
    they share their places among themselves by branch, then by length, so that a conversation that grows with each
    call keeps its order, then by what they say.
    """
    steps = [_step(run) for run in runs]
    if None not in steps:
        return sorted(runs, key=lambda run: (_step(run) or 0, *_content(run)))
    by_start = sorted(runs, key=lambda run: run.first)
    alike: dict[Any, list[_Run]] = {}
    for run in by_start:
        alike.setdefault(_place(run), []).append(run)
    shared = {place: iter(sorted(same, key=_content)) for place, same in alike.items()}
    return [next(shared[_place(run)]) for run in by_start]


def _step(run: _Run) -> int | None:
    return next((int(found[1]) for tag in run.tags if (found := _STEP.fullmatch(tag))), None)


def _branch(run: _Run) -> str:
    return next((tag for tag in run.tags if tag.startswith("map:key:")), "")


def _place(run: _Run) -> tuple[Any, ...]:
    return ("branch",) if _branch(run) else (run.type, run.name, *run.tags)


def _content(run: _Run) -> tuple[str, int, str]:
    text = IDENTIFIER.sub("", "\n".join(_block(run, {}, ())))
    return (_branch(run), len(text), text)


# --- the text -------------------------------------------------------------------------------------


def _block(run: _Run, metadata: Mapping[str, Any], tags: Iterable[str]) -> Iterator[str]:
    yield _header(run, metadata, tags)
    chunks = [line for line in run.lines if line[0] == "streams"]
    rest = [line for line in run.lines if line[0] not in ("starts", "streams")]
    for verb, value in (line for line in run.lines if line[0] == "starts"):
        yield f"  {verb}{_after(value)}"
    for inner in _ordered(run.inner):
        yield from (f"  {line}" for line in _block(inner, run.metadata, run.tags))
    yield from (f"  {verb}{_after(value)}" for verb, value in _by_key(chunks, _tasks(run)))
    yield from (f"  {verb}{_after(value)}" for verb, value in rest)


def _header(run: _Run, metadata: Mapping[str, Any], tags: Iterable[str]) -> str:
    inherited = set(tags)
    own = [tag for tag in run.tags if tag not in inherited]
    new = {k: v for k, v in sorted(run.metadata.items()) if k not in _VERSIONS and metadata.get(k) != v}
    return " ".join(filter(None, [run.type, run.name, f"[{', '.join(own)}]" if own else "", _text(new) if new else ""]))


def _tasks(run: _Run) -> dict[str, bool]:
    """The names of the tasks below a graph's run, and whether several of one superstep have that name."""
    steps = Counter((inner.name, tag) for inner in run.inner for tag in inner.tags if _TASK.fullmatch(tag))
    found: dict[str, bool] = {}
    for (name, _), count in steps.items():
        found[name] = found.get(name, False) or count > 1
    return found


def _by_key(chunks: list[tuple[str, Any]], tasks: Mapping[str, bool]) -> list[tuple[str, Any]]:
    """Chunks in order; where all are dicts, key by key, since keys that are filled at once interleave.

    Dicts in dicts as well, unless they are the updates of a graph's tasks, which are whole; those of several tasks of
    one node are in order of what they say.
    """
    if not all(isinstance(value, Mapping) for _, value in chunks):
        return chunks
    parts = [{str(key): part} for _, value in chunks for key, part in value.items()]

    def place(part: dict[str, Any]) -> tuple[Any, ...]:
        [key] = part
        return (key, IDENTIFIER.sub("", _text(part)) if tasks.get(key) else "") if tasks else _path(part)

    return [("streams", part) for part in sorted(parts, key=place)]


def _path(part: Any) -> tuple[str, ...]:
    """The keys from the outermost dict on, as long as there is but one."""
    found: list[str] = []
    while isinstance(part, Mapping) and len(part) == 1:
        [(key, part)] = part.items()
        found.append(str(key))
    return tuple(found)


def _after(value: Any) -> str:
    return "" if value is _NOTHING else f" {_text(value)}"


def _text(value: Any) -> str:
    """A value in short: messages and documents by what they say."""
    match value:
        case BaseMessage():
            return _message(value)
        case Document():
            return f"document {_text(value.page_content)} {_text(value.metadata)}".removesuffix(" {}")
        case ChatPromptValue():
            return _text(value.to_messages())
        case PromptValue():
            return _text(value.to_string())
        case Generation():
            return _text(getattr(value, "message", value.text))
        case Mapping():
            pairs = sorted((str(key), part) for key, part in value.items())
            return "{" + ", ".join(f"{_text(key)}: {_text(part)}" for key, part in pairs) + "}"
        case list() | tuple():
            return f"[{', '.join(map(_text, value))}]"
        case _:
            return json.dumps(to_jsonable(value), ensure_ascii=False)


def _message(message: BaseMessage) -> str:
    parts = [message.type.removesuffix("MessageChunk").lower(), _text(message.content)]
    if isinstance(message, AIMessage):
        calls = getattr(message, "tool_call_chunks", None) or message.tool_calls
        parts += [f"calls {call['name']}({_arguments(call['args'])})" for call in calls]
        parts += [f"usage {_text(dict(message.usage_metadata))}"] if message.usage_metadata else []
    if (answers := getattr(message, "tool_call_id", None)) is not None:
        parts.append(f"answers {_text(answers)}")
    return " ".join(parts)


def _arguments(args: Any) -> str:
    return args if isinstance(args, str) else _text(args)


def _numbered(text: str) -> str:
    numbers: dict[str, str] = {}
    return IDENTIFIER.sub(lambda found: numbers.setdefault(found[0], f"#{len(numbers) + 1}"), text)
