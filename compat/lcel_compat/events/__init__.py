"""Events and what can be done with them outside a run.

``to_jsonable`` and ``to_json`` turn any event or stream item into JSON, whatever it
holds.
"""

from __future__ import annotations

from lcel_compat.events._json import JsonValue, to_json, to_jsonable
from lcel_compat.events._lines import RecordingError

__all__ = ["JsonValue", "RecordingError", "to_json", "to_jsonable"]
