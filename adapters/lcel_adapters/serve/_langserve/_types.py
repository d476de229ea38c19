"""The types that appear in ``add_routes``'s signature, and what a route was asked to be."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol, TypedDict

from pydantic import BaseModel
from starlette.requests import Request

EndpointName = Literal[
    "invoke",
    "batch",
    "stream",
    "stream_log",
    "stream_events",
    "playground",
    "feedback",
    "public_trace_link",
    "input_schema",
    "config_schema",
    "output_schema",
    "config_hashes",
]
"""An endpoint, or ``config_hashes``: the variant of each under ``/c/{config_hash}``."""

ConfigModifier = Callable[[dict[str, Any], Request], dict[str, Any] | Awaitable[dict[str, Any]]]
"""What makes a request's config from the one that the client sent, for example with a credential out of a header."""


class PerKeyFeedbackConfig(TypedDict):
    """The name under which feedback is given."""

    key: str


class TokenFeedbackConfig(TypedDict):
    """Which feedback a client may give by token; exactly one."""

    key_configs: list[PerKeyFeedbackConfig]


class Serializer(Protocol):
    """How outputs, chunks and events become JSON; LangServe's serializers are such."""

    def dumps(self, obj: Any) -> bytes:
        """A value's JSON on one line."""
        ...

    def dumpd(self, obj: Any) -> Any:
        """The same as JSON values."""
        ...


class CustomUserType(BaseModel):
    """Base of input types that the runnable is given as they are, and not as a dict of their fields."""


def is_custom(value: object) -> bool:
    """Whether a value's class asks to be left alone, be it ours or, in an application that has it, LangServe's."""
    theirs = getattr(sys.modules.get("langserve.schema"), "CustomUserType", CustomUserType)
    return isinstance(value, (CustomUserType, theirs))


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """What ``add_routes`` was asked for, beside the types: see there."""

    path: str
    prefix: str
    config_keys: Sequence[str]
    include_callback_events: bool
    per_req_config_modifier: ConfigModifier | None
    enable_feedback_endpoint: bool
    token_feedback_config: TokenFeedbackConfig | None
    enable_public_trace_link_endpoint: bool
    allowed_names: frozenset[str] | None
    endpoints: frozenset[str]
    playground_type: Literal["default", "chat"]
    astream_events_version: Literal["v1", "v2"]
    serializer: Serializer | None

    @property
    def run_name(self) -> str:
        """The name of the root run: the route's path, as LangServe has it."""
        return self.prefix + self.path.rstrip("/")
