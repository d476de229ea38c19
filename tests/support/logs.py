"""The run log of ``astream_log`` in normal form.

The log numbers runs of one name by the order in which they started (``model``, ``model:2``), which
flaps between parallel branches; so its entries are compared without their number.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, cast

from langchain_core.tracers.log_stream import RunLog, RunState

from tests.support.normal import assert_same
from tests.support.plain import Obj, plain
from tests.support.trees import Steps, canonical, split_chunks, steps_in, winner


def assert_same_log(expected: Iterable[Any], actual: Iterable[Any]) -> None:
    """Raise ``AssertionError`` with a unified diff unless two logs tell the same runs."""
    assert_same(normal_log(expected), normal_log(actual))


def normal_log(patches: Iterable[Any]) -> Obj:
    """Return the final state of a log as plain data, entries in canonical order."""
    recorded = list(patches)
    state = _state([patch for patch in recorded if hasattr(patch, "ops")])
    logs = list(state.pop("logs", {}).values())
    steps = steps_in((entry["name"], entry["tags"], entry["metadata"]) for entry in logs)
    rest = [plain(item) for item in recorded if not hasattr(item, "ops")]
    entries = canonical([_entry(entry, ()) for entry in logs])
    return Obj("log", {"entries": entries, "rest": rest, "root": _entry(state, steps)})


def _state(patches: list[Any]) -> dict[str, Any]:
    if not patches:
        return {}
    total = RunLog(state=cast("RunState", None))
    for patch in patches:
        total = total + patch
    return dict(total.state)


def _entry(entry: Mapping[str, Any], steps: Steps) -> Obj:
    fields = {key: plain(value) for key, value in entry.items()}
    fields["tags"] = sorted(fields.get("tags", ()))
    streamed = fields.pop("streamed_output", [])
    fields["final_output"] = winner(fields.get("final_output"), streamed, steps)
    if streamed and all(isinstance(chunk, dict) and chunk for chunk in streamed):
        streamed = split_chunks(streamed, steps)
    return Obj("entry", {**fields, "streamed_output": streamed})
