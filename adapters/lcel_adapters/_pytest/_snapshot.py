"""Snapshots of events that read like a script of the run."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from syrupy.extensions.amber import AmberSnapshotExtension

from lcel_adapters._pytest._script import ending, script
from lcel_compat.events import RecordedRun, Recording


class EventsExtension(AmberSnapshotExtension):
    """Keeps events in syrupy's own files (`.ambr`), as scripts."""

    def serialize(self, data: Any, **kwargs: Any) -> str:
        """The script of events, of a recorded run, or of all runs of a recording."""
        runs = data if isinstance(data, Recording) else [data]
        return "\n\n".join(map(_script, runs))


def _script(events: RecordedRun | Iterable[Any]) -> str:
    if not isinstance(events, RecordedRun):
        return script(events)
    lines = [script(events.events)]
    if events.ended == "error":
        lines.append(ending(events.error_type, events.error_message))
    return "\n".join(lines)
