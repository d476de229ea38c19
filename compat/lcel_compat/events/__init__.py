"""Events and what can be done with them outside a run.

``to_jsonable`` and ``to_json`` turn any event or stream item into JSON, whatever it holds. ``record`` and ``arecord``
keep the events of runs in a file, from which ``load`` reads them back, and ``iter_runs`` one by one.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from lcel_compat.events._json import JsonValue, to_json, to_jsonable

if TYPE_CHECKING:
    from lcel_compat.events._lines import RecordingError
    from lcel_compat.events._record import arecord, record
    from lcel_compat.events._recording import RecordedRun, Recording, RunReader, iter_runs, load
    from lcel_compat.events._redact import REDACTOR, Redactor
    from lcel_compat.events._writer import RecordingWriter, RunWriter

# Whoever only encodes loads neither asyncio nor what recordings need.
_HOMES = {
    "REDACTOR": "_redact",
    "RecordedRun": "_recording",
    "Recording": "_recording",
    "RecordingError": "_lines",
    "RecordingWriter": "_writer",
    "Redactor": "_redact",
    "RunReader": "_recording",
    "RunWriter": "_writer",
    "arecord": "_record",
    "iter_runs": "_recording",
    "load": "_recording",
    "record": "_record",
}

__all__ = [
    "REDACTOR",
    "JsonValue",
    "RecordedRun",
    "Recording",
    "RecordingError",
    "RecordingWriter",
    "Redactor",
    "RunReader",
    "RunWriter",
    "arecord",
    "iter_runs",
    "load",
    "record",
    "to_json",
    "to_jsonable",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
