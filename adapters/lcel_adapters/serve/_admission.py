"""Who may use LangServe's routes: the application is asked what the Agent Server's routes ask it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from fastapi import Request

from lcel_adapters.serve._agent._asked import assistant_id_of
from lcel_adapters.serve._auth import configurable_of
from lcel_adapters.serve._langserve import limit
from lcel_adapters.serve._serving import access_of, serving_of


def admission(name: str) -> Callable[[Request], Awaitable[None]]:
    """What lets requests in to what is served under a name.

    The name is closed over, and not read from the address: that begins with where the server is mounted.
    """

    async def admitted(request: Request) -> None:
        access = await access_of(request)
        # A graph's own assistant is nobody's: a handler may refuse it, and a filter for owners does not hide it.
        if request.method == "POST":
            value: dict[str, Any] = {"thread_id": None, "assistant_id": name, "metadata": {}}
            await access.authorize("threads", "create_run", value)
            limit(request, serving_of(request))
        else:
            # Schemas, the playground.
            await access.authorize("assistants", "read", {"assistant_id": assistant_id_of(name)})
        request.state.langgraph_auth_user = None if access.user is None else access.user.dict()

    return admitted


def with_user(config: dict[str, Any], request: Request) -> dict[str, Any]:
    """The config of a run with who asks, as ``admission`` found them; no client can say it."""
    sent = config.get("configurable") or {}
    configurable = configurable_of(sent, request.state.langgraph_auth_user)
    return config if configurable == sent else {**config, "configurable": configurable}
