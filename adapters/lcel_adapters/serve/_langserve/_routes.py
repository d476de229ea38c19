"""``add_routes``: a runnable under a path, as LangServe serves it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Literal

from fastapi import APIRouter, FastAPI
from langchain_core.runnables import Runnable

from lcel_adapters.serve._langserve._config import Configs
from lcel_adapters.serve._langserve._endpoints import endpoints_of
from lcel_adapters.serve._langserve._feedback import langsmith_for
from lcel_adapters.serve._langserve._json import WellKnownSerializer
from lcel_adapters.serve._langserve._register import register
from lcel_adapters.serve._langserve._schemas import schemas_of
from lcel_adapters.serve._langserve._served import Served
from lcel_adapters.serve._langserve._types import (
    ConfigModifier,
    EndpointName,
    Serializer,
    TokenFeedbackConfig,
    Wishes,
)


def add_routes(
    app: FastAPI | APIRouter,
    runnable: Runnable[Any, Any],
    *,
    path: str = "",
    input_type: Any = "auto",
    output_type: Any = "auto",
    config_keys: Sequence[str] = ("configurable",),
    include_callback_events: bool = False,
    per_req_config_modifier: ConfigModifier | None = None,
    enable_feedback_endpoint: bool = False,
    token_feedback_config: TokenFeedbackConfig | None = None,
    enable_public_trace_link_endpoint: bool = False,
    disabled_endpoints: Sequence[EndpointName] | None = None,
    stream_log_name_allow_list: Sequence[str] | None = None,
    enabled_endpoints: Sequence[EndpointName] | None = None,
    dependencies: Sequence[Any] | None = None,
    playground_type: Literal["default", "chat"] = "default",
    astream_events_version: Literal["v1", "v2"] = "v2",
    serializer: Serializer | None = None,
) -> None:
    """Serve a runnable under a path of an application, with the endpoints, frames and errors of LangServe 0.3.3.

    The signature is ``langserve.add_routes``'s; EVENTS.md, section 1, holds the wire. What differs on purpose has a
    number in the guide.

    Args:
        app: The application, or a router of its.
        runnable: A chain, a chat model, a prompt, a graph, the face of one: any runnable.
        path: Where; begins with ``/``, or is empty. It is also the name of the root run.
        input_type: What requests are checked against, instead of what the runnable says: a type or a pydantic model.
        output_type: The same for answers.
        config_keys: Which keys of a config clients may set; what else they send is dropped in silence. Never
            ``run_name``.
        include_callback_events: Whether ``/invoke`` and ``/batch`` also send what the run's callbacks were told.
        per_req_config_modifier: Called, or awaited, with the config and the request; gives the config to run with.
        enable_feedback_endpoint: Whether there is ``/feedback``, which passes on to LangSmith.
        token_feedback_config: Under which key feedback may be given by a token that comes with each run; needs tracing
            to LangSmith.
        enable_public_trace_link_endpoint: Whether clients may have LangSmith show a run's trace to everybody.
        disabled_endpoints: Endpoints that there shall not be.
        stream_log_name_allow_list: Names of the runs that clients may hear of beside the root run, in the log and in
            the events.
        enabled_endpoints: The only endpoints that there shall be.
        dependencies: Dependencies (``fastapi.Depends``) of each route, for example one that asks for a credential.
        playground_type: ``chat`` for runnables that take a list of messages.
        astream_events_version: The version of the events, whatever the client asks for.
        serializer: How values become JSON; must have ``dumps`` and ``dumpd``.

    Raises:
        TypeError: If this is no runnable, or its types have no schema.
        ValueError: If the path does not begin with ``/`` or is taken, a name is unknown, or arguments contradict each
            other.
    """
    if not isinstance(runnable, Runnable):
        raise TypeError(f"add_routes(app, runnable, ...) needs a langchain-core Runnable, not {type(runnable)!r}")
    wishes = Wishes(
        path=path,
        prefix=app.prefix if isinstance(app, APIRouter) else "",
        config_keys=config_keys,
        include_callback_events=include_callback_events,
        per_req_config_modifier=per_req_config_modifier,
        enable_feedback_endpoint=enable_feedback_endpoint,
        token_feedback_config=token_feedback_config,
        enable_public_trace_link_endpoint=enable_public_trace_link_endpoint,
        allowed_names=None if stream_log_name_allow_list is None else frozenset(stream_log_name_allow_list),
        endpoints=endpoints_of(
            enabled_endpoints,
            disabled_endpoints,
            feedback=enable_feedback_endpoint,
            public_trace_link=enable_public_trace_link_endpoint,
        ),
        playground_type=playground_type,
        astream_events_version=astream_events_version,
        serializer=serializer,
    )
    _check(wishes)
    register(app, _served(_typed(runnable, input_type, output_type), wishes), dependencies)


def _check(wishes: Wishes) -> None:
    if "run_name" in wishes.config_keys:
        raise ValueError("config_keys cannot hold 'run_name': the run is named after the route's path")
    if wishes.path and not wishes.path.startswith("/"):
        raise ValueError(f"path must begin with '/', or be empty: {wishes.path!r}")
    if re.search(r"[{}]", wishes.path):
        raise ValueError(f"path can hold no parameters: {wishes.path!r}")
    if wishes.playground_type not in ("default", "chat"):
        raise ValueError(f"playground_type must be 'default' or 'chat', not {wishes.playground_type!r}")


def _typed(runnable: Runnable[Any, Any], input_type: Any, output_type: Any) -> Runnable[Any, Any]:
    types = {"input_type": input_type, "output_type": output_type}
    given = {name: type_ for name, type_ in types.items() if not (isinstance(type_, str) and type_ == "auto")}
    return runnable.with_types(**given) if given else runnable


def _served(runnable: Runnable[Any, Any], wishes: Wishes) -> Served:
    schemas = schemas_of(runnable, wishes.config_keys)
    configs = Configs(
        keys=wishes.config_keys,
        model=schemas.config,
        modifier=wishes.per_req_config_modifier,
        run_name=wishes.run_name,
    )
    return Served(
        runnable=runnable,
        wishes=wishes,
        schemas=schemas,
        configs=configs,
        langsmith=langsmith_for(wishes.token_feedback_config),
        serializer=wishes.serializer or WellKnownSerializer(),
    )
