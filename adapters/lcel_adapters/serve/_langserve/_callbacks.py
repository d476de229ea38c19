"""What a run's callbacks were told, as ``include_callback_events=True`` sends it.

LangServe's own models reject core's ``LLMResult``, so that its routes answer 500 as soon as a model is called
(EVENTS.md, 1.3). What is sent here is what LangServe's client can read: a result of a model without ``type``, or the
client makes core's class of it and rejects that in turn; a tool's output as text; none of the kinds that it has no
model for, or that break it (``on_agent_*``, ``on_llm_error``, ``on_tool_error``: ``OnToolError`` in
langserve/validation.py has no run id).
"""

from __future__ import annotations

from typing import Any

import orjson
from langchain_core.callbacks import AsyncCallbackHandler
from langchain_core.messages import BaseMessage

from lcel_adapters.serve._langserve._json import ERROR, dumps_shown

_OF_ALL = ("run_id", "parent_run_id", "tags", "metadata")


class CallbackEvents(AsyncCallbackHandler):
    """Keeps the callback events of one run, in the order in which they came."""

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []

    def json(self) -> orjson.Fragment:
        """The events as JSON."""
        return orjson.Fragment(dumps_shown(self.events))

    def _keep(self, type: str, told: dict[str, Any], **payload: Any) -> None:
        shared = {key: told.pop(key, None) for key in _OF_ALL}
        self.events.append({**shared, **payload, "kwargs": told, "type": type})

    def _failed(self, type: str, told: dict[str, Any]) -> None:
        self._keep(type, told, error={**ERROR, "type": "error"})

    async def on_chain_start(self, serialized: Any, inputs: Any, **told: Any) -> None:
        self._keep("on_chain_start", told, serialized=serialized, inputs=inputs)

    async def on_chain_end(self, outputs: Any, **told: Any) -> None:
        self._keep("on_chain_end", told, outputs=outputs)

    async def on_chain_error(self, error: BaseException, **told: Any) -> None:
        self._failed("on_chain_error", told)

    async def on_chat_model_start(self, serialized: Any, messages: Any, **told: Any) -> None:
        self._keep("on_chat_model_start", told, serialized=serialized, messages=messages)

    async def on_llm_start(self, serialized: Any, prompts: Any, **told: Any) -> None:
        self._keep("on_llm_start", told, serialized=serialized, prompts=prompts)

    async def on_llm_end(self, response: Any, **told: Any) -> None:
        generations = [[_generation(one) for one in several] for several in response.generations]
        self._keep(
            "on_llm_end", told, response={"generations": generations, "llm_output": response.llm_output, "run": None}
        )

    async def on_tool_start(self, serialized: Any, input_str: str, **told: Any) -> None:
        self._keep("on_tool_start", told, serialized=serialized, input_str=input_str)

    async def on_tool_end(self, output: Any, **told: Any) -> None:
        self._keep("on_tool_end", told, output=_text(output))

    async def on_retriever_start(self, serialized: Any, query: str, **told: Any) -> None:
        self._keep("on_retriever_start", told, serialized=serialized, query=query)

    async def on_retriever_end(self, documents: Any, **told: Any) -> None:
        self._keep("on_retriever_end", told, documents=documents)

    async def on_retriever_error(self, error: BaseException, **told: Any) -> None:
        self._failed("on_retriever_error", told)


def _generation(generation: Any) -> dict[str, Any]:
    """A generation's fields; its message whole, of which a dump of the generation has what every message has."""
    fields: dict[str, Any] = generation.model_dump(exclude={"message"})
    return fields | {"message": generation.message} if hasattr(generation, "message") else fields


def _text(output: Any) -> str:
    if isinstance(output, BaseMessage):
        output = output.content
    return output if isinstance(output, str) else dumps_shown(output).decode()
