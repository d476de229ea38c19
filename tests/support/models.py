"""Deterministic models, a retriever, a tool and chains: everything a graph of the tests calls.

The models stream a fixed text in fixed pieces. They take part in callbacks like any provider's,
since they derive from langchain-core's own base classes.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

from langchain_core.documents import Document
from langchain_core.language_models import BaseChatModel, BaseLLM
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.output_parsers import StrOutputParser
from langchain_core.outputs import (
    ChatGeneration,
    ChatGenerationChunk,
    ChatResult,
    Generation,
    GenerationChunk,
    LLMResult,
)
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import Runnable
from langchain_core.tools import BaseTool, tool
from pydantic import Field

TEXT = "A parrot repeats it."


class ModelFault(Exception):
    """What a model with ``fail_after`` raises: a fault of the provider, not of the code."""


class _Script(BaseChatModel):
    """A chat model that answers ``text``, and raises after ``fail_after`` pieces when that is set.

    ``message_id`` gives every answer the same id; ``delay`` is in seconds per piece;
    ``tool_calls`` are dicts of ``name``, ``args`` and ``id``.
    """

    text: str = TEXT
    delay: float = 0.0
    fail_after: int | None = None
    message_id: str | None = None
    tool_calls: list[dict[str, Any]] = Field(default_factory=list)

    @property
    def _llm_type(self) -> str:
        return "scripted"

    def _generate(self, messages: Any, stop: Any = None, run_manager: Any = None, **kw: Any) -> Any:
        if self.fail_after is not None:
            raise ModelFault(f"no answer after {self.fail_after} pieces")
        answer = AIMessage(self.text, id=self.message_id, tool_calls=self.tool_calls)
        return ChatResult(generations=[ChatGeneration(message=answer)])

    def _pieces(self) -> Iterator[ChatGenerationChunk]:
        for index, text in enumerate(_words(self.text)):
            if index == self.fail_after:
                raise ModelFault(f"broken off after {index} pieces")
            yield self._piece(content=text)
        for index, call in enumerate(self.tool_calls):
            yield self._piece(content="", tool_call_chunks=[_call_chunk(index, call)])

    def _piece(self, **fields: Any) -> ChatGenerationChunk:
        return ChatGenerationChunk(message=AIMessageChunk(id=self.message_id, **fields))


class PlainChat(_Script):
    """A chat model that cannot stream: it has ``_generate`` alone."""


class SyncChat(_Script):
    """A chat model that streams from a synchronous client; async callers reach it by a thread."""

    def _stream(
        self, messages: list[BaseMessage], stop: Any = None, run_manager: Any = None, **kw: Any
    ) -> Iterator[ChatGenerationChunk]:
        for piece in self._pieces():
            time.sleep(self.delay)
            yield piece


class StreamingChat(SyncChat):
    """A chat model that streams in both colours, as the providers' models do."""

    async def _astream(
        self, messages: list[BaseMessage], stop: Any = None, run_manager: Any = None, **kw: Any
    ) -> AsyncIterator[ChatGenerationChunk]:
        for piece in self._pieces():
            await asyncio.sleep(self.delay)
            yield piece


class AsyncChat(_Script):
    """A chat model with an asynchronous client only: a synchronous call raises ``ModelFault``."""

    def _generate(self, messages: Any, stop: Any = None, run_manager: Any = None, **kw: Any) -> Any:
        raise ModelFault("this model has no synchronous client")

    async def _agenerate(self, messages: Any, stop: Any = None, run_manager: Any = None, **kw: Any) -> Any:
        return super()._generate(messages)

    async def _astream(
        self, messages: list[BaseMessage], stop: Any = None, run_manager: Any = None, **kw: Any
    ) -> AsyncIterator[ChatGenerationChunk]:
        for piece in self._pieces():
            await asyncio.sleep(self.delay)
            yield piece


class TextModel(BaseLLM):
    """A string-in, string-out model (``BaseLLM``) that streams a fixed text in pieces."""

    text: str = TEXT
    fail_after: int | None = None

    @property
    def _llm_type(self) -> str:
        return "scripted-text"

    def _generate(self, prompts: list[str], stop: Any = None, run_manager: Any = None, **kw: Any) -> LLMResult:
        return LLMResult(generations=[[Generation(text=self.text)] for _ in prompts])

    def _stream(self, prompt: str, stop: Any = None, run_manager: Any = None, **kw: Any) -> Iterator[GenerationChunk]:
        for index, text in enumerate(_words(self.text)):
            if index == self.fail_after:
                raise ModelFault(f"broken off after {index} pieces")
            piece = GenerationChunk(text=text)
            if run_manager:
                run_manager.on_llm_new_token(text, chunk=piece)
            yield piece


class Shelf(BaseRetriever):
    """A retriever that finds the same two documents for every query."""

    def _get_relevant_documents(self, query: str, *, run_manager: Any) -> list[Document]:
        return [
            Document(page_content=f"{query} can talk", metadata={"source": "birds.md"}),
            Document(page_content=f"{query} can fly", metadata={"source": "wings.md"}),
        ]


@tool
def multiply(a: int, b: int) -> int:
    """Multiply two whole numbers."""
    return a * b


MULTIPLY: BaseTool = multiply


def chat_chain(model: Runnable[Any, Any] | None = None) -> Runnable[Any, Any]:
    """Return ``prompt | model | parser`` over ``{"topic": str}``; its output is a string."""
    prompt = ChatPromptTemplate.from_messages([("system", "Be brief."), ("human", "On {topic}.")])
    return prompt | (model or StreamingChat()) | StrOutputParser()


def _words(text: str) -> list[str]:
    first, *rest = text.split(" ")
    return [first, *(" " + word for word in rest)]


def _call_chunk(index: int, call: dict[str, Any]) -> dict[str, Any]:
    arguments = str(call["args"]).replace("'", '"')
    return {"name": call["name"], "args": arguments, "id": call["id"], "index": index}
