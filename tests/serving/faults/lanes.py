"""What of a stream has to be the same whenever its server was killed: lanes, each a sequence.

Nodes that run at once write in any order, so each has a lane of its own; what the root says of its state has one, too.
Identifiers and times are left out.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from tests.serving.faults.reader import Got

Lanes = dict[str, list[Any]]
MODES = ["updates", "values", "messages-tuple", "custom", "tasks", "checkpoints", "debug"]


def lanes(found: Sequence[Got]) -> Lanes:
    """The lanes of a stream; ``metadata``, which begins an attempt, and ``events`` are left out."""
    sorted_: Lanes = defaultdict(list)
    for one in found:
        mode, _, namespace = one.event.partition("|")
        if mode in _LANES:
            place = "/".join(part.partition(":")[0] for part in namespace.split("|"))
            lane, what = _LANES[mode](one.data)
            sorted_[f"{mode} {place} {lane}"].append(what)
    return dict(sorted_)


def attempts(found: Sequence[Got]) -> list[int]:
    """The numbers of the attempts whose beginning is in a stream."""
    return [one.data["attempt"] for one in found if one.event == "metadata"]


def _updates(data: Any) -> tuple[str, Any]:
    return ",".join(data), [[i["value"] for i in data[key]] if key == "__interrupt__" else data[key] for key in data]


def _values(data: Any) -> tuple[str, Any]:
    asked = [one["value"] for one in data.get("__interrupt__", [])]
    return "asks" if asked else "", {**data, "__interrupt__": asked}


def _token(data: Any) -> tuple[str, Any]:
    return data[1]["langgraph_node"], data[0]["content"]


def _custom(data: Any) -> tuple[str, Any]:
    return str(data).rpartition(" ")[0], data


def _task(data: Any) -> tuple[str, Any]:
    asked = [one["value"] for one in data.get("interrupts", [])]
    return data["name"], [data.get("input"), data.get("triggers"), data.get("result"), data.get("error"), asked]


def _checkpoint(data: Any) -> tuple[str, Any]:
    return "", [data["metadata"]["step"], data["metadata"]["source"], data["values"], sorted(data["next"])]


def _debug(data: Any) -> tuple[str, Any]:
    if data["type"] == "checkpoint":
        return "checkpoint", [data["step"], *_checkpoint(data["payload"])[1]]
    return f"{data['type']} {data['payload']['name']}", [data["step"], _task(data["payload"])[1]]


_LANES = {
    "updates": _updates,
    "values": _values,
    "messages": _token,
    "custom": _custom,
    "tasks": _task,
    "checkpoints": _checkpoint,
    "debug": _debug,
}


def shown(value: Any) -> str:
    """A lane's entries, one a line, for a message."""
    return "\n".join(json.dumps(entry)[:200] for entry in value)
