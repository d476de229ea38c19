"""What an Agent Server answered, in a normal form: two answers are the same when their normal forms are equal.

Identifiers become their kind and their order of first appearance, times and what tells about the server itself are left
out, and a stream becomes its frames. A frame that is not exactly the Agent Server's (AGENT-SERVER.md, i) is an error.
"""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

Form = list[dict[str, Any]]
"""The normal form of one scenario."""

Frame = tuple[str, Any, str | None]
"""Name, data and id of one event of a stream."""

HEADERS = (
    "cache-control",
    "content-location",
    "content-type",
    "location",
    "x-accel-buffering",
    "x-pagination-next",
    "x-pagination-total",
)
"""What a client reads. How long a connection lives, and how bodies are cut, is between the HTTP implementations."""
FOR_BROWSERS = ("vary",)
"""Compared with ``access-control-*`` when the request names an origin: nobody else reads them."""

INTERNAL = frozenset(
    {
        "__after_seconds__",
        "__pregel_node_finished",
        "__request_start_time_ms__",
        "langgraph_api_url",
        "langgraph_api_version",
        "langgraph_auth_permissions",
        "langgraph_auth_user",
        "langgraph_auth_user_id",
        "langgraph_host",
        "langgraph_plan",
        "langgraph_request_id",
        "langgraph_version",
        "lc_versions",
        "user_id",
    }
)
"""What the server tells about itself inside configurations and metadata (quirk Q15); ``x-*`` beside."""

_UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
_IDENTIFIER = re.compile(rf"{_UUID}|(?<![0-9a-f-])[0-9a-f]{{32}}(?![0-9a-f-])")
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:\+00:00|Z)?")
_WRITTEN_BY_HAND = re.compile(r"(\d)\1{7}-")
_BEFORE = re.compile(r"(/threads|/runs|/state|/assistants|lc_run-|\w:)[/-]?$")
_BY_PREFIX = {
    "/threads": "thread",
    "/runs": "run",
    "/state": "checkpoint",
    "/assistants": "assistant",
    "lc_run-": "run",
}
_BY_KEY = {
    "assistant_id": "assistant",
    "checkpoint_id": "checkpoint",
    "parent_checkpoint_id": "checkpoint",
    "parent_ids": "run",
    "run_id": "run",
    "thread_id": "thread",
}
_NAME = re.compile(r"<(thread|run|task|id|checkpoint|interrupt|assistant) (\d+)>")
_FRAME = re.compile(r"event: (?P<name>[^\r\n]+)\r\ndata: (?P<data>[^\r\n]*)(?:\r\nid: (?P<id>[^\r\n]+))?")
GRAPHS = ("qa", "custom", "sub", "human", "err", "chat", "slow", "quiet", "trivial", "fan", "twoint", "ctx")


def assistant_id(graph: str) -> str:
    """The id of the assistant that every graph has."""
    return str(uuid.uuid5(uuid.UUID("6ba7b821-9dad-11d1-80b4-00c04fd430c8"), graph))


_ASSISTANTS = {assistant_id(name): name for name in GRAPHS}


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """One request and its answer, as they were on the wire.

    Attributes:
        name: What it is called in the transcripts.
        method: Of the request; ``path`` with its query, ``sent`` the body as text, ``asked`` its own headers.
        status: Of the answer; ``headers`` in lower case, ``content`` the whole body without transfer encoding.
        cut: Whether the client went away before the end.
    """

    name: str
    method: str
    path: str
    sent: str = ""
    asked: Mapping[str, str] = field(default_factory=dict)
    status: int
    headers: Mapping[str, str]
    content: bytes
    cut: bool = False


class Names:
    """Names for identifiers: the kind of thing, and the order of first appearance among its kind."""

    def __init__(self) -> None:
        self._given = {key: f"<assistant {name}>" for key, name in _ASSISTANTS.items()}
        self._counts: dict[str, int] = {}

    def text(self, text: str, key: str = "") -> str:
        """``text`` with its identifiers named and its times blanked; ``key`` is where it stood."""
        return _IDENTIFIER.sub(lambda found: self._named(found, key), _TIME.sub("<time>", text))

    def data(self, value: Any, key: str = "") -> Any:
        """A JSON value likewise, without what the server tells about itself; tags in order."""
        if isinstance(value, str):
            return self.text(value, key)
        if isinstance(value, list):
            items = [self.data(item, key) for item in value]
            return sorted(items) if key == "tags" and all(isinstance(item, str) for item in items) else items
        if isinstance(value, dict):
            kept = [(name, item) for name, item in value.items() if name not in INTERNAL and not name.startswith("x-")]
            return {self.text(name): self.data(item, name) for name, item in sorted(kept, key=_blanked)}
        return value

    def _named(self, found: re.Match[str], key: str) -> str:
        identifier = found.group()
        if _WRITTEN_BY_HAND.match(identifier):
            return identifier
        if identifier not in self._given:
            kind = _kind(found, key)
            self._counts[kind] = self._counts.get(kind, 0) + 1
            self._given[identifier] = f"<{kind} {self._counts[kind]}>"
        return self._given[identifier]


def _kind(found: re.Match[str], key: str) -> str:
    if len(found.group()) == 32:
        return "interrupt"
    before = _BEFORE.search(found.string[: found.start()])
    if before:
        return _BY_PREFIX.get(before.group(1), "task")
    return _BY_KEY.get(key, "id")


def _blanked(item: tuple[str, Any]) -> tuple[str, str]:
    # Keys that are identifiers have no order of their own: what they hold decides.
    key, value = item
    return _IDENTIFIER.sub("", key), _IDENTIFIER.sub("", json.dumps(value, sort_keys=True))


def normal_form(exchanges: Iterable[Exchange], *, beats: bool = False) -> Form:
    """The exchanges of one scenario in normal form; identifiers have one name in all of them.

    Args:
        exchanges: In the order of the scenario.
        beats: Whether it matters that there were heartbeats; their number depends on the clock.

    Returns:
        Per exchange ``name``, ``request``, ``sent``, ``asked``, ``status``, ``headers`` and one of ``json``, ``text``
        or ``events`` (``[name, data]``, with ``true`` behind when the frame has an id).
    """
    names = Names()
    return [
        _normal(exchange, names) | ({"heartbeats": heartbeats(exchange) > 0} if beats else {}) for exchange in exchanges
    ]


def renamed(form: Form) -> Form:
    """A normal form that was put in another order, its identifiers numbered in the order of now.

    Kinds that only tell where an identifier appeared first are one kind.
    """
    given: dict[str, str] = {}

    def name(found: re.Match[str]) -> str:
        kind = {"task": "id"}.get(found[1], found[1])
        if found[0] not in given:
            number = sum(one.startswith(f"<{kind} ") for one in given.values()) + 1
            given[found[0]] = f"<{kind} {number}>"
        return given[found[0]]

    return [json.loads(_NAME.sub(name, json.dumps(exchange, sort_keys=True))) for exchange in form]


def _normal(exchange: Exchange, names: Names) -> dict[str, Any]:
    form: dict[str, Any] = {"name": exchange.name, "request": names.text(f"{exchange.method} {exchange.path}")}
    if exchange.sent:
        form["sent"] = names.data(_parsed(exchange.sent))
    if exchange.asked:
        # An id of the run before: that it is one says enough.
        form["asked"] = {key: re.sub(r"^\d+(-\d+)?$", "<id>", value) for key, value in exchange.asked.items()}
    form["status"] = exchange.status
    form["headers"] = {key: names.text(value) for key, value in _headers(exchange)}
    form |= _body(exchange, names)
    return form


def _headers(exchange: Exchange) -> Iterator[tuple[str, str]]:
    browser = any(key.lower() == "origin" for key in exchange.asked)
    for key, value in sorted(exchange.headers.items()):
        if key in HEADERS or (browser and (key in FOR_BROWSERS or key.startswith("access-control-"))):
            yield key, value


def _body(exchange: Exchange, names: Names) -> dict[str, Any]:
    text = exchange.content.decode()
    kind = exchange.headers.get("content-type", "")
    if kind.startswith("text/event-stream"):
        return {"events": [_event(frame, names) for frame in in_order(events(exchange.content))]}
    if kind.startswith("application/json"):
        return {"json": names.data(_parsed(text))}
    return {"text": names.text(text)} if text else {}


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def frames(text: str) -> list[str]:
    """The frames of a stream of server-sent events without comments; what was cut off in the middle is left out."""
    whole = text.split("\r\n\r\n")[:-1]
    return [frame for frame in whole if frame != ": heartbeat"]


def heartbeats(exchange: Exchange) -> int:
    """How many heartbeats an answer had: comments of a stream, or newlines before a JSON document."""
    text = exchange.content.decode()
    if exchange.headers.get("content-type", "").startswith("text/event-stream"):
        return text.split("\r\n\r\n").count(": heartbeat")
    return len(text) - len(text.lstrip("\n"))


def events(content: bytes) -> list[Frame]:
    """Name, data and id of each frame of a stream.

    Raises:
        ValueError: A frame is not ``event``, ``data`` and perhaps ``id``, each on a line that ends in CR LF.
    """
    return [_fields(frame) for frame in frames(content.decode())]


def _fields(frame: str) -> Frame:
    found = _FRAME.fullmatch(frame)
    if found is None:
        raise ValueError(f"no frame of the Agent Server: {frame!r}")
    return found["name"], json.loads(found["data"]), found["id"]


def _event(frame: Frame, names: Names) -> list[Any]:
    name, data, identifier = frame
    event = [names.text(name), names.data(_without_late_ids(data) if name == "events" else data)]
    return event if identifier is None else [*event, True]


def _without_late_ids(data: Any) -> Any:
    """An event without the ids of tools' messages.

    The state's reducer gives them, in place, when the event is made already: whether it is serialised before or after
    that is a race.
    """
    if isinstance(data, list):
        return [_without_late_ids(item) for item in data]
    if isinstance(data, dict):
        late = {"id": None} if data.get("type") == "tool" and "tool_call_id" in data else {}
        return {key: _without_late_ids(item) for key, item in data.items()} | late
    return data


def in_order(sent: list[Frame]) -> list[Frame]:
    """The frames of a stream, those of ``events`` before the ``custom`` and ``messages`` that came in between.

    What a node writes and what a model streams comes to the server through stream writers, the events come through a
    tracer: two queues, and which is emptied first is a matter of the event loop's turns. Consumers read the one or the
    other. Each kind keeps its own order, and none passes a frame of another mode.
    """
    ordered: list[Frame] = []
    aside: list[Frame] = []
    for frame in sent:
        kind = re.split(r"[|/]", frame[0])[0]
        if kind in ("custom", "messages"):
            aside.append(frame)
        else:
            if kind != "events":
                ordered += aside
                aside = []
            ordered.append(frame)
    return ordered + aside
