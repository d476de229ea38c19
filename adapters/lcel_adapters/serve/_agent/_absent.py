"""Routes of the Agent Server that are not served: whoever asks is told so, and does not look for a wrong address."""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter, HTTPException, Request

router = APIRouter(include_in_schema=False)
_METHODS: Final = ["GET", "POST", "PATCH", "PUT", "DELETE"]
_CRONS: Final = "Crons are not served here: let a scheduler of your own start runs."
_MCP: Final = "MCP is not served here."
_A2A: Final = "A2A is not served here."
_EVENTS: Final = "The stream of a thread is not served here: stream its runs, or join one of them."
_ABSENT: Final = {
    "/runs/crons": _CRONS,
    "/runs/crons/{rest:path}": _CRONS,
    "/threads/{thread_id}/runs/crons": _CRONS,
    "/mcp": _MCP,
    "/mcp/": _MCP,
    "/a2a/{rest:path}": _A2A,
    "/.well-known/agent-card.json": _A2A,
    "/threads/{thread_id}/stream": _EVENTS,
    "/threads/{thread_id}/stream/events": _EVENTS,
    "/threads/{thread_id}/commands": "Commands on threads are not served here: give a run its `command`.",
}


async def _absent(request: Request) -> None:
    raise HTTPException(404, _ABSENT[request.scope["route"].path])


for _path in _ABSENT:
    router.add_api_route(_path, _absent, methods=_METHODS)
