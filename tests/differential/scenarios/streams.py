"""Streams with namespaces: the views a scenario is played in, and the normal form of what they yield.

Where no two tasks run at once a stream is compared as it is, item by item across modes and namespaces. Where they do,
it is compared namespace by namespace: what the engine itself emits (states, checkpoints, starts of tasks) in order,
and what tasks emit between two of those mode by mode, in no order.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, NamedTuple

from tests.support.normal import normal_items
from tests.support.plain import Obj, plain
from tests.support.trees import canonical, normal_events

_ERROR = re.compile(r"(GraphRecursionError|InvalidUpdateError|EmptyInputError)\(")
_ID = re.compile("[0-9a-f]{32}$")
MODES = ("values", "updates", "custom", "messages", "debug", "tasks", "checkpoints")


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """The arguments of ``stream`` that a scenario is played with; ``events`` is ``astream_events`` instead."""

    name: str
    modes: tuple[str, ...] | str = MODES
    subgraphs: bool = False
    version: str | None = None
    events: bool = False

    def options(self) -> dict[str, Any]:
        """Return the view as keyword arguments of ``stream``."""
        modes = self.modes if isinstance(self.modes, str) else list(self.modes)
        version = {"version": self.version} if self.version else {}
        return {"stream_mode": modes, "subgraphs": self.subgraphs, **version}


FULL = View(name="all modes, subgraphs", subgraphs=True)
EVENTS = View(name="events", events=True)
VIEWS = (
    *(View(name=mode, modes=mode) for mode in MODES),
    View(name="updates, subgraphs", modes="updates", subgraphs=True),
    View(name="values and messages", modes=("values", "messages")),
    View(name="parts", subgraphs=True, version="v2"),
    View(name="parts of values", modes="values", version="v2"),
)


class Item(NamedTuple):
    """What a stream yielded, with its namespace and mode, whatever shape the call gave it."""

    ns: tuple[str, ...]
    mode: str
    data: Any


def normal_stream(items: Iterable[Any], view: View, *, racing: bool) -> Any:
    """Return a stream as plain data; with ``racing``, order between tasks is not kept."""
    if view.events:
        return settled(normal_events(_questions_last(items))) if racing else normal_events(items)
    if not racing:
        return [plain(item) for item in items]
    known = [_item(item, view) for item in items]
    spaces = dict.fromkeys(item.ns for item in known)
    return canonical([_space(ns, [item for item in known if item.ns == ns]) for ns in spaces])


def races(items: Iterable[Any]) -> bool:
    """Whether a recording in the view ``FULL`` has two tasks of one superstep of one namespace."""
    known = [_item(item, FULL) for item in items]
    debug = [item for item in known if item.mode == "debug" and item.data["type"] == "task"]
    steps = [(item.ns, item.data["step"]) for item in debug]
    return len(set(steps)) < len(steps)


def _questions_last(events: Iterable[Any]) -> list[Any]:
    """Move each run's chunks of interrupts to its end: a task asks before its siblings' chunks come, or after."""
    held: dict[str, list[Any]] = {}
    found: list[Any] = []
    for event in events:
        if isinstance(event, Mapping) and _asks(event["data"].get("chunk")):
            held.setdefault(event["run_id"], []).append(event)
            continue
        if isinstance(event, Mapping) and event["event"].endswith("_end"):
            found += held.pop(event["run_id"], [])
        found.append(event)
    return found + [event for kept in held.values() for event in kept]


def _asks(chunk: Any) -> bool:
    return isinstance(chunk, Mapping) and "__interrupt__" in chunk


def settled(form: Any) -> Any:
    """Return plain data with interrupts, and answers by their ids, in canonical order: tasks race for their places."""
    if isinstance(form, Obj):
        return Obj(form.name, {key: settled(value) for key, value in form.fields.items()})
    if isinstance(form, dict):
        parts = {key: settled(value) for key, value in form.items()}
        return Obj("answers", {"by_id": canonical([*parts.items()])}) if parts and all(map(_ID.match, parts)) else parts
    if not isinstance(form, list | tuple):
        return form
    listed = [settled(part) for part in form]
    found = canonical(listed) if len(listed) > 1 and all(map(_is_interrupt, listed)) else listed
    return found if isinstance(form, list) else tuple(found)


def neutral(form: Any) -> Any:
    """Leave out what each library has of its own: the words of its errors, and a saver that LangGraph lets out.

    LangGraph's ``get_state(subgraphs=True)`` shows the saver in the config of a subgraph that has not run.
    """
    if isinstance(form, str):
        error = _ERROR.match(form)
        return f"{error[1]}(...)" if error else form
    if isinstance(form, Obj):
        return Obj(form.name, neutral(form.fields))
    if isinstance(form, dict):
        return {key: neutral(value) for key, value in form.items() if key != "__pregel_checkpointer"}
    return type(form)(neutral(part) for part in form) if isinstance(form, list | tuple) else form


def _is_interrupt(form: Any) -> bool:
    if isinstance(form, Obj):
        return form.name == "Interrupt"
    if isinstance(form, tuple):
        return len(form) == 1 and _is_interrupt(form[0])
    return isinstance(form, dict) and form.keys() >= {"id", "value", "response_schema"}


def _item(item: Any, view: View) -> Item:
    if isinstance(item, Mapping) and view.version == "v2" and "ns" in item:
        return Item(item["ns"], item["type"], item)
    listed = not isinstance(view.modes, str)
    shape = (view.subgraphs, listed) if isinstance(item, tuple) else None
    if shape == (True, True):
        return Item(*item)
    if shape == (True, False):
        return Item(item[0], str(view.modes), item[1])
    if shape == (False, True):
        return Item((), item[0], item[1])
    return Item((), str(view.modes) if not listed else "", item)


def _space(ns: tuple[str, ...], items: Sequence[Item]) -> Obj:
    cut = groupby(items, key=_free)
    stretches = [form for free, stretch in cut for form in _stretch(list(stretch), free=free)]
    return Obj("namespace", {"at": ns, "items": stretches})


def _stretch(items: list[Item], *, free: bool) -> list[Any]:
    if not free:
        return [(item.mode, settled(plain(item.data))) for item in items]
    by_mode = {mode: [item.data for item in items if item.mode == mode] for mode in sorted({i.mode for i in items})}
    return [(mode, _unordered(mode, data)) for mode, data in by_mode.items()]


def _unordered(mode: str, data: list[Any]) -> list[Any]:
    if mode == "messages":
        return normal_items("messages", data)
    return canonical([settled(plain(item)) for item in data])


def _free(item: Item) -> bool:
    """Whether an item is a task's own, which comes when the task comes to it."""
    part = isinstance(item.data, Mapping) and "ns" in item.data
    data = item.data["data"] if part else item.data
    if not isinstance(data, Mapping):
        return item.mode not in {"values", "checkpoints"}
    asks = "__interrupt__" in data or (part and bool(item.data.get("interrupts")))
    own = {
        "values": asks,
        "checkpoints": False,
        "tasks": "result" in data,
        "debug": data.get("type") == "task_result",
    }
    return own.get(item.mode, True)
