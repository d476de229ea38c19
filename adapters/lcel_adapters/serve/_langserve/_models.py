"""The models of requests and responses, as the OpenAPI document shows them.

Requests are checked in the handlers, against schemas that depend on the request's own config; here they are described.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal, Union
from uuid import UUID

from pydantic import BaseModel, Field, create_model

Model = type[BaseModel]

_CONFIG = "A part of the runnable's config: the keys that the server takes."
_KWARGS = "Not looked at."


class Problem(BaseModel):
    """What a request is refused with."""

    detail: str


class ErrorItem(BaseModel):
    """What is wrong with a part of a request."""

    type: str
    loc: list[str | int]
    msg: str
    input: Any = None
    ctx: dict[str, Any] | None = None
    url: str | None = None


class InvalidRequest(BaseModel):
    """What an invalid request is refused with."""

    detail: str | list[str | ErrorItem]


class FeedbackToken(BaseModel):
    """What a client gives feedback with, without a key of LangSmith's."""

    key: str
    token_url: str | None = None
    expires_at: datetime | None = None


class InvokeResponseMetadata(BaseModel):
    """What is known of a run."""

    run_id: UUID
    feedback_tokens: list[FeedbackToken] = Field(description="Tokens for feedback on the run, if the server gives any.")


class BatchResponseMetadata(BaseModel):
    """What is known of the runs of a batch, in the order of its inputs."""

    responses: list[InvokeResponseMetadata]
    run_ids: list[UUID]


class InvokeBody(BaseModel):
    """The shape of a request for one run; its parts are checked later."""

    input: Any = Field(...)
    config: dict[str, Any] | None = None


class BatchBody(BaseModel):
    """The shape of a request for several runs."""

    inputs: Any = Field(...)
    config: dict[str, Any] | list[dict[str, Any]] | None = None


class Filters(BaseModel):
    """Which entries of the log, or which events, a client wants; without any, all."""

    include_names: Sequence[str] | None = Field(None, description="Runs with one of these names.")
    include_types: Sequence[str] | None = Field(None, description="Runs of one of these types.")
    include_tags: Sequence[str] | None = Field(None, description="Runs with one of these tags.")
    exclude_names: Sequence[str] | None = Field(None, description="No runs with one of these names.")
    exclude_types: Sequence[str] | None = Field(None, description="No runs of one of these types.")
    exclude_tags: Sequence[str] | None = Field(None, description="No runs with one of these tags.")


def request_model(name: str, input: Model, config: Model) -> Model:
    """A request to run once."""
    return _model(name, input=_input(input), config=_config(config), kwargs=_kwargs())


def batch_request_model(name: str, input: Model, config: Any) -> Model:
    """A request to run for several inputs, with one config for all or one for each."""
    return _model(name, inputs=(list[input], ...), config=_config(config | list[config]), kwargs=_kwargs())  # type: ignore[valid-type]


def filtered_request_model(name: str, input: Model, config: Model) -> Model:
    """A request to run once, and to hear a part of what happens."""
    fields = {"input": _input(input), "config": _config(config), "kwargs": _kwargs()}
    filters = {key: (Sequence[str] | None, field) for key, field in Filters.model_fields.items()}
    return _model(name, **fields, **filters)


def response_model(name: str, output: Any, metadata: Model, events: Any = None) -> Model:
    """The answer to ``/invoke`` and ``/batch``."""
    fields: dict[str, Any] = {"output": (output, Field(description="What the runnable gave."))}
    fields["metadata"] = (metadata, Field(description="What is known of the run."))
    if events is not None:
        fields["callback_events"] = (events, Field(description="What the run's callbacks were told."))
    return _model(name, **fields)


def _model(name: str, **fields: Any) -> Model:
    return create_model(name, **fields)


def _input(model: Model) -> Any:
    return (model, Field(description="What the runnable is given."))


def _config(model: Any) -> Any:
    return (model, Field(default_factory=dict, description=_CONFIG))


def _kwargs() -> Any:
    return (dict[str, Any], Field(default_factory=dict, description=_KWARGS))


class CallbackError(BaseModel):
    """What a client is told of an exception."""

    status_code: int = 500
    message: str = "Internal Server Error"
    type: Literal["error"] = "error"


_STARTED: dict[str, Any] = {"serialized": (dict[str, Any] | None, None)}
PAYLOADS: dict[str, dict[str, Any]] = {
    "on_chain_start": _STARTED | {"inputs": (Any, ...)},
    "on_chain_end": {"outputs": (Any, ...)},
    "on_chain_error": {"error": (CallbackError, ...)},
    "on_chat_model_start": _STARTED | {"messages": (list[list[dict[str, Any]]], ...)},
    "on_llm_start": _STARTED | {"prompts": (list[str], ...)},
    "on_llm_end": {"response": (dict[str, Any], ...)},
    "on_tool_start": _STARTED | {"input_str": (str, ...)},
    "on_tool_end": {"output": (str, ...)},
    "on_retriever_start": _STARTED | {"query": (str, ...)},
    "on_retriever_end": {"documents": (list[dict[str, Any]], ...)},
    "on_retriever_error": {"error": (CallbackError, ...)},
}
"""The callback events that LangServe's client knows and can take, with what each brings (langserve/validation.py)."""


def callback_event_model() -> Any:
    """The union of the callback events."""
    return Union[tuple(_event_model(kind, payload) for kind, payload in PAYLOADS.items())]  # noqa: UP007 - computed


def _event_model(kind: str, payload: dict[str, Any]) -> Model:
    shared: dict[str, Any] = {
        "run_id": (UUID, ...),
        "parent_run_id": (UUID | None, None),
        "tags": (list[str] | None, None),
        "metadata": (dict[str, Any] | None, None),
    }
    last: dict[str, Any] = {"kwargs": (dict[str, Any] | None, None), "type": (Literal[kind], kind)}
    return _model("".join(word.capitalize() for word in kind.split("_")), **shared, **payload, **last)
