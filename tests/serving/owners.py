"""An application of several users, each of whom sees what is theirs."""

from __future__ import annotations

from typing import Any


def owners() -> Any:
    """An ``Auth`` that knows a user by the header ``x-user``, marks what they make, and shows them only that."""
    from langgraph_sdk import Auth

    auth = Auth()

    @auth.authenticate
    async def who(headers: dict[bytes, bytes]) -> Any:
        user = headers.get(b"x-user", b"").decode()
        if not user:
            raise Auth.exceptions.HTTPException(status_code=401, detail="Say who you are.")
        return {"identity": user}

    @auth.on
    async def mine(ctx: Any, value: dict[str, Any]) -> Any:
        owner = {"owner": ctx.user.identity}
        if ctx.action in ("create", "create_run"):
            value["metadata"] = {**(value.get("metadata") or {}), **owner}
        return owner

    @auth.on.store
    async def own_space(ctx: Any, value: dict[str, Any]) -> None:
        value["namespace"] = (ctx.user.identity, *(value.get("namespace") or ()))

    return auth
