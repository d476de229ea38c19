"""Feedback and links to traces: what LangServe passes on to LangSmith.

Nothing is sent anywhere unless tracing is switched on, in the environment or by ``langsmith``'s own means; then a route
that was asked for it gives feedback tokens with each run, and takes feedback.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any, TypeVar
from uuid import UUID

from fastapi import HTTPException
from langsmith import Client
from langsmith.utils import tracing_is_enabled
from pydantic import BaseModel

from lcel_adapters.serve._langserve._models import FeedbackToken
from lcel_adapters.serve._langserve._types import TokenFeedbackConfig

T = TypeVar("T")
Tokens = asyncio.Future[list[list[FeedbackToken]]]

_LOG = logging.getLogger(__name__)
_SWITCHED_OFF = (
    "Tracing to LangSmith is switched off on this server; with LANGSMITH_TRACING=true and LANGSMITH_API_KEY this route"
    " passes on what it is given."
)


class BaseFeedback(BaseModel):
    """What one thinks of a run.

    ``run_id`` is the run, ``key`` the name of what is judged, ``score`` a number for it, ``value`` what is shown if
    that is no number, ``comment`` the reason.
    """

    run_id: UUID | None
    key: str
    score: float | int | bool | None = None
    value: float | int | bool | str | dict[str, Any] | None = None
    comment: str | None = None


class FeedbackCreateRequest(BaseFeedback):
    """Feedback on a run."""


class Feedback(BaseFeedback):
    """Feedback that LangSmith has taken."""

    id: UUID
    created_at: datetime
    modified_at: datetime
    correction: dict[str, Any] | None = None


class FeedbackCreateRequestTokenBased(BaseModel):
    """Feedback on the run that a token was given for."""

    token_or_url: UUID | str
    score: float | int | bool | None = None
    value: float | int | bool | str | dict[str, Any] | None = None
    comment: str | None = None
    correction: dict[str, Any] | None = None
    metadata: dict[str, Any] | None = None


class PublicTraceLinkCreateRequest(BaseModel):
    """The run whose trace is to be seen by everybody who has the link."""

    run_id: UUID


class PublicTraceLink(BaseModel):
    """Where that is."""

    public_url: str


@dataclass(frozen=True, kw_only=True)
class LangSmith:
    """What one route has to do with LangSmith.

    Attributes:
        key: The name under which feedback is given by token; None if it is not.
    """

    key: str | None

    @cached_property
    def client(self) -> Client:
        """Made when it is first needed: it reads the environment."""
        return Client()

    @property
    def enabled(self) -> bool:
        """Whether tracing is switched on."""
        return bool(tracing_is_enabled())

    @asynccontextmanager
    async def promised(self, run_ids: Sequence[Any]) -> AsyncIterator[Tokens]:
        """The feedback tokens for each of some runs, which are made while these run.

        There are none where they are not asked for, where tracing is off, and where LangSmith refuses them.
        """
        if self.key is None or not self.enabled:
            nothing: Tokens = asyncio.get_running_loop().create_future()
            nothing.set_result([[] for _ in run_ids])
            yield nothing
            return
        made = asyncio.gather(*[asyncio.to_thread(self._token, run_id, self.key) for run_id in run_ids])
        try:
            yield made
        finally:
            made.cancel()
            with suppress(asyncio.CancelledError):
                await made

    def _token(self, run_id: Any, key: str) -> list[FeedbackToken]:
        try:
            token = self.client.create_presigned_feedback_token(run_id, key)
        except Exception:
            _LOG.exception("LangSmith gave no feedback token for the run %s", run_id)
            return []
        return [FeedbackToken(key=key, token_url=token.url, expires_at=token.expires_at)]

    async def create_feedback(self, feedback_create_req: FeedbackCreateRequest) -> Feedback:
        """Give feedback on a run."""
        given = feedback_create_req
        made: Any = await self._ask(
            lambda client: client.create_feedback(
                given.run_id,
                given.key,
                score=given.score,
                value=given.value,
                comment=given.comment,
                source_info={"from_langserve": True},
            )
        )
        return Feedback(**{name: getattr(made, name) for name in Feedback.model_fields if name != "correction"})

    async def create_feedback_from_token(self, create_request: FeedbackCreateRequestTokenBased) -> None:
        """Give feedback with a token."""
        given = create_request
        if self.key is None:
            raise HTTPException(400, "This route gives no feedback tokens: add_routes(token_feedback_config=...).")
        await self._ask(
            lambda client: client.create_feedback_from_token(
                given.token_or_url,
                given.score,
                value=given.value,
                comment=given.comment,
                correction=given.correction,
                metadata={**(given.metadata or {}), "from_langserve": True},
            )
        )

    async def create_public_trace_link(
        self, public_trace_link_create_req: PublicTraceLinkCreateRequest
    ) -> PublicTraceLink:
        """Make a link under which everybody can see a run's trace."""
        url = await self._ask(lambda client: client.share_run(public_trace_link_create_req.run_id))
        return PublicTraceLink(public_url=url)

    async def check(self) -> None:
        """Say that the route is there."""

    async def _ask(self, question: Callable[[Client], T]) -> T:
        if not self.enabled:
            raise HTTPException(400, _SWITCHED_OFF)
        return await asyncio.to_thread(lambda: question(self.client))


def langsmith_for(config: TokenFeedbackConfig | None) -> LangSmith:
    """What a route has to do with LangSmith.

    Raises:
        ValueError: If feedback by token is not about exactly one key.
    """
    if config is None:
        return LangSmith(key=None)
    keys = [one["key"] for one in config["key_configs"]]
    if len(keys) != 1:
        raise ValueError(
            f"token_feedback_config must hold exactly one key, not {keys!r}: {{'key_configs': [{{'key': 'correct'}}]}}"
        )
    return LangSmith(key=keys[0])
