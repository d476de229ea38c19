"""A deterministic chat model that streams."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models.chat_models import (
    BaseChatModel,
    agenerate_from_stream,
    generate_from_stream,
)
from langchain_core.messages import AIMessageChunk, BaseMessage
from langchain_core.messages.ai import UsageMetadata
from langchain_core.outputs import ChatGenerationChunk, ChatResult
from pydantic import Field

from lcel_adapters.desk._reply import compose

_TOKEN = re.compile(r"\s*(?:\w+|[^\w\s])|\s+")


class DeskModel(BaseChatModel):
    """Answers from the messages it is given, the same way every time, token by token.

    Stateless and offline. It classifies a question by its words when it is asked for JSON, and
    otherwise composes an answer from the articles in the system prompt. The last chunk is empty
    and carries `usage_metadata` and the finish reason, as many providers' last chunks do.

    `_stream` never calls `on_llm_new_token`: core does for each chunk that is yielded, on both
    paths that lead here, and hands `_stream` no run manager there (chat_models.py:522-526 and
    1080-1085 in 0.3.81; 854 and 2032-2042 in 1.7.2).
    """

    delay: float = Field(default=0.0, ge=0)
    """Seconds to wait before each token."""

    @property
    def _llm_type(self) -> str:
        return "desk"

    @property
    def _identifying_params(self) -> dict[str, Any]:
        return {"model": "desk", "delay": self.delay}

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        return generate_from_stream(self._stream(messages, stop))

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        return await agenerate_from_stream(self._astream(messages, stop))

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        for chunk in _chunks(messages, stop):
            time.sleep(self.delay)
            yield chunk

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        for chunk in _chunks(messages, stop):
            # Also without a delay: a provider's stream gives the loop to others between tokens.
            await asyncio.sleep(self.delay)
            yield chunk


def _chunks(messages: list[BaseMessage], stop: list[str] | None) -> Iterator[ChatGenerationChunk]:
    tokens = _TOKEN.findall(_cut(compose(messages), stop or []))
    for token in tokens:
        yield ChatGenerationChunk(message=AIMessageChunk(content=token))
    yield ChatGenerationChunk(message=_last(_usage(messages, len(tokens))))


def _cut(text: str, stop: list[str]) -> str:
    """`text` up to the first of the stop sequences."""
    ends = [text.find(mark) for mark in stop if mark]
    return text[: min((end for end in ends if end >= 0), default=len(text))]


def _last(usage: UsageMetadata) -> AIMessageChunk:
    # Chunks are summed and strings in their metadata concatenated: only one may name the model.
    metadata = {"finish_reason": "stop", "model_name": "desk"}
    return AIMessageChunk(content="", usage_metadata=usage, response_metadata=metadata)


def _usage(messages: list[BaseMessage], output_tokens: int) -> UsageMetadata:
    read = sum(len(_TOKEN.findall(str(message.content))) for message in messages)
    return UsageMetadata(input_tokens=read, output_tokens=output_tokens, total_tokens=read + output_tokens)
