"""From a request to a submission: who asks, which assistant, whether it may be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid5

from fastapi import HTTPException, Request

from lcel_adapters.serve._auth import Access, Filter
from lcel_adapters.serve._runs import RunBody, Submission
from lcel_adapters.serve._runs._webhook import refused
from lcel_adapters.serve._serving import Serving, access_of, serving_of

# The real server's words, which clients may look for (AGENT-SERVER.md, (ii) Validation).
BOTH = (
    "Cannot specify both configurable and context. Prefer setting context alone. Context was introduced in LangGraph"
    " 0.6.0 and is the long term planned replacement for configurable."
)
NOT_FOUND = "Thread or assistant not found."
# Names of graphs are turned into ids under it, so that a graph's own assistant is the same on every server
# (AGENT-SERVER.md, (ii) Assistant id of a graph).
NAMESPACE = UUID("6ba7b821-9dad-11d1-80b4-00c04fd430c8")


def assistant_id_of(graph_id: str) -> str:
    """The id of a graph's own assistant."""
    return str(uuid5(NAMESPACE, graph_id))


@dataclass(frozen=True, slots=True, kw_only=True)
class Asker:
    """A request for a run, but for what is to be run.

    Attributes:
        serving: The server.
        access: Who asks, and what of.
        headers: Of the request, those that graphs may read.
    """

    serving: Serving
    access: Access
    headers: Mapping[str, str]


async def asker_of(request: Request) -> Asker:
    """Who asks for a run.

    Raises:
        Denied: They are not let in.
    """
    serving = serving_of(request)
    return Asker(serving=serving, access=await access_of(request), headers=serving.let_through(request.headers))


async def asked(asker: Asker, body: RunBody, thread_id: str | None = None) -> Submission:
    """What is to be run; without a thread if it names none.

    Raises:
        HTTPException: The assistant is not there, the request contradicts itself, or may not be made.
    """
    serving, access = asker.serving, asker.access
    _check(serving, body)
    value: dict[str, Any] = {
        "thread_id": thread_id,
        "assistant_id": body.assistant_id,
        "metadata": dict(body.metadata or {}),
        "kwargs": body.model_dump(exclude_unset=True, warnings=False),
        "multitask_strategy": body.multitask_strategy,
        "if_not_exists": body.if_not_exists,
        "after_seconds": body.after_seconds or 0,
    }
    allowed = await access.authorize("threads", "create_run", value)
    assistant = await find_assistant(serving, access, body.assistant_id)
    named = {"graph_id": assistant["graph_id"], "assistant_id": assistant["assistant_id"]}
    return Submission(
        body=body,
        assistant=assistant,
        thread_id=thread_id,
        metadata={"created_by": "system", **named, **value["metadata"]},
        thread_metadata={**value["metadata"], **named},
        user=None if access.user is None else access.user.dict(),
        headers=asker.headers,
        allowed=None if allowed is None else allowed.matches,
    )


async def find_assistant(serving: Serving, access: Access, name_or_id: str) -> Mapping[str, Any]:
    """An assistant by its id, or a graph's own by the graph's name.

    A graph's own assistant is nobody's, and everyone's to run: only of others is it asked who may read them.

    Raises:
        HTTPException: 422 for a name that is no graph's, 404 for an id that is not there.
    """
    assistant_id = assistant_id_of(name_or_id) if name_or_id in serving.targets else _uuid(serving, name_or_id)
    found = await serving.assistants.get(assistant_id)
    allowed: Filter | None = None
    if found is None or assistant_id != assistant_id_of(found["graph_id"]):
        allowed = await access.authorize("assistants", "read", {"assistant_id": assistant_id})
    if found is None or (allowed is not None and not allowed.matches(found["metadata"])):
        raise HTTPException(404, NOT_FOUND)
    if found["graph_id"] not in serving.targets:
        raise HTTPException(404, f"The assistant's graph {found['graph_id']!r} is not served here.")
    return found


def _uuid(serving: Serving, text: str) -> str:
    try:
        return str(UUID(text))
    except ValueError:
        graphs = ", ".join(serving.targets)
        raise HTTPException(
            422,
            f"Invalid assistant: {text!r}. Must be either:\n- A valid assistant UUID, or\n"
            f"- One of the registered graphs: {graphs}",
        ) from None


def _check(serving: Serving, body: RunBody) -> None:
    configurable = body.config.configurable if body.config else None
    if body.context and configurable:
        raise HTTPException(400, BOTH)
    if body.webhook is not None and (why := refused(body.webhook, serving.settings)):
        raise HTTPException(422, why)
