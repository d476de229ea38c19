"""Models of the served graphs: they stream fixed answers, word by word."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.messages.tool import tool_call_chunk
from langchain_core.output_parsers import StrOutputParser
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import Runnable
from langchain_core.tools import tool

ANSWER = "Hello big world"


class FakeStream(BaseChatModel):
    """A chat model that answers ``ANSWER``; its class name is the provider that events name."""

    @property
    def _llm_type(self) -> str:
        return "fake-stream"

    def _pieces(self, messages: list[BaseMessage]) -> list[AIMessageChunk]:
        first, *others = ANSWER.split(" ")
        return [AIMessageChunk(content=piece) for piece in (first, *(f" {word}" for word in others))]

    def _generate(self, messages: list[BaseMessage], *_: Any, **__: Any) -> ChatResult:
        return ChatResult(generations=[ChatGeneration(message=AIMessage(content=ANSWER))])

    def _stream(
        self, messages: list[BaseMessage], stop: Any = None, run_manager: Any = None, **_: Any
    ) -> Iterator[ChatGenerationChunk]:
        for piece in self._pieces(messages):
            chunk = ChatGenerationChunk(message=piece)
            if run_manager:
                run_manager.on_llm_new_token(piece.content, chunk=chunk)
            yield chunk

    async def _astream(
        self, messages: list[BaseMessage], stop: Any = None, run_manager: Any = None, **_: Any
    ) -> AsyncIterator[ChatGenerationChunk]:
        for piece in self._pieces(messages):
            chunk = ChatGenerationChunk(message=piece)
            if run_manager:
                await run_manager.on_llm_new_token(piece.content, chunk=chunk)
            yield chunk


class FakeToolCaller(FakeStream):
    """A chat model that asks for the tool ``add`` once, its arguments in two pieces, and tells the sum."""

    def _pieces(self, messages: list[BaseMessage]) -> list[AIMessageChunk]:
        if messages[-1].type == "human":
            calls = [
                tool_call_chunk(name="add", args='{"a": 1,', id="call_1", index=0),
                tool_call_chunk(args=' "b": 2}', index=0),
            ]
            return [AIMessageChunk(content="", tool_call_chunks=[call]) for call in calls]
        last = AIMessageChunk(
            content="",
            usage_metadata={"input_tokens": 5, "output_tokens": 4, "total_tokens": 9},
            response_metadata={"finish_reason": "stop"},
        )
        return [AIMessageChunk(content="The sum"), AIMessageChunk(content=" is 3"), last]


@tool
def add(a: int, b: int) -> int:
    """Add."""
    return a + b


def qa_chain() -> Runnable[Any, str]:
    """Prompt, model and parser, as one run named ``qa_chain``."""
    prompt = ChatPromptTemplate.from_messages([("system", "Answer."), ("human", "{question}")])
    return (prompt | FakeStream() | StrOutputParser()).with_config(run_name="qa_chain")
