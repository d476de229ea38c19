"""What is asked of an Agent Server: scenarios, whose names are those of the transcripts they reproduce."""

from __future__ import annotations

from itertools import chain

from tests.serving.agent.scenarios import beats, faults, interrupts, keeping, modes, more, resuming, runs, together
from tests.serving.agent.stage import Scenario

__all__ = ["LEFT_OUT", "SCENARIOS"]

_MODULES = (modes, faults, interrupts, together, resuming, keeping, runs, more, beats)
SCENARIOS: dict[str, Scenario] = {
    scenario.name: scenario for scenario in chain.from_iterable(module.scenarios() for module in _MODULES)
}

LEFT_OUT = {
    "GET /info": "tells the version and the features of the server it is asked of",
    "GET /metrics": "counts what the server did before",
    "/threads/{thread_id}/stream": "streams of threads, and the second protocol, are not served",
    "/threads/{thread_id}/commands": "the second protocol",
    "/threads/{thread_id}/stream/events": "the second protocol",
    "/runs/crons": "schedules are not served",
    "/mcp, /a2a": "other protocols",
}
"""What of the real server is in no scenario, and why; transcripts of it were not kept either."""
