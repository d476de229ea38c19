"""Who may use LangServe's routes: the application is asked what the Agent Server's routes ask it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from fastapi import HTTPException, Request

from lcel_adapters.serve._agent._asked import NOT_FOUND, assistant_id_of
from lcel_adapters.serve._auth import Access, configurable_of
from lcel_adapters.serve._serving import Serving, serving_of


def admission(name: str) -> Callable[[Request], Awaitable[None]]:
    """What lets requests in to what is served under a name.

    The name is closed over, and not read from the address: that begins with where the server is mounted.
    """

    async def admitted(request: Request) -> None:
        serving = serving_of(request)
        access = await serving.guard.access(request)
        if request.method == "POST":
            # The others look at schemas, or at the playground.
            value: dict[str, Any] = {"thread_id": None, "assistant_id": name, "metadata": {}}
            await access.authorize("threads", "create_run", value)
        await _check_readable(serving, access, name)
        request.state.langgraph_auth_user = None if access.user is None else access.user.dict()

    return admitted


def with_user(config: dict[str, Any], request: Request) -> dict[str, Any]:
    """The config of a run with who asks, as ``admission`` found them; no client can say it."""
    sent = config.get("configurable") or {}
    configurable = configurable_of(sent, request.state.langgraph_auth_user)
    return config if configurable == sent else {**config, "configurable": configurable}


async def _check_readable(serving: Serving, access: Access, name: str) -> None:
    """Let those pass who may read the assistant that the graph of a name has by itself.

    Its row is needed only where the application's answer is a filter: LangServe's routes serve the graph, also where
    somebody deleted the assistant.

    Raises:
        Denied: The application refuses.
        HTTPException: They do not see it (404).
    """
    assistant_id = assistant_id_of(name)
    allowed = await access.authorize("assistants", "read", {"assistant_id": assistant_id})
    if allowed is None:
        return
    found = await serving.assistants.get(assistant_id)
    if found is None or not allowed.matches(found["metadata"]):
        raise HTTPException(404, NOT_FOUND)
