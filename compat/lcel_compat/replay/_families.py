"""The families of calls that are recorded, and what each of them is known by.

A call is known by what is asked of whom: the class, its name and its model's settings; the input; the arguments that
are sent along. How it was asked (``invoke`` or ``stream``, from a thread or a task) does not belong to it, nor does
anything that differs from one run to the next: the ids of messages, the metadata of an earlier answer, callbacks, and
whether that answer came as a message or in chunks. So a chain that streams finds the recording of one that does not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Final, Literal, TypeAlias

from langchain_core.language_models import BaseChatModel, BaseLLM
from langchain_core.messages import AIMessageChunk, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult, GenerationChunk, LLMResult
from langchain_core.retrievers import BaseRetriever
from langchain_core.tools import BaseTool

from lcel_compat.events import to_jsonable
from lcel_compat.events._stored import from_stored, to_stored

Shape: TypeAlias = Literal["call", "acall", "stream", "astream"]
Arguments: TypeAlias = tuple[tuple[Any, ...], dict[str, Any]]
Json: TypeAlias = Any
"""What ``to_stored`` gives; spelt so where it is taken apart."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """One family of classes.

    Attributes:
        name: How files call it.
        base: Core's base class, whose own methods only delegate and are left alone.
        methods: What its subclasses define, with the shape of each.
        ask: From an instance and the arguments of such a method, what is asked, as JSON.
        pack: From a result, its JSON; ``None`` if it would not come back as it was.
        unpack: From that JSON, the result.
        merge: From restored chunks, the result that a caller who does not stream gets.
        split: From a result, the chunks that a caller who streams gets.
        tells: Whether its classes tell their callbacks of the chunks that they stream, which else core does.
    """

    name: str
    base: type
    methods: Mapping[str, Shape]
    ask: Callable[[Any, Arguments], dict[str, Json]]
    pack: Callable[[Any], Json]
    unpack: Callable[[Json], Any]
    merge: Callable[[list[Any]], Any] = lambda chunks: chunks[-1]
    split: Callable[[Any], list[Any]] = lambda result: [result]
    tells: bool = False


# --- what is asked --------------------------------------------------------------------------------

_OWN: Final = frozenset({"callbacks", "config", "run_manager", "stream"})
"""Arguments that belong to the run and not to the question."""


def _ask_model(instance: Any, arguments: Arguments) -> dict[str, Json]:
    (asked, stop), kwargs = _bound(arguments, ("messages", "prompts", "prompt"))
    sent = {"stop": stop, **kwargs}
    return {**_whom(instance), **_settings(instance), "input": _question(asked), "kwargs": _sent(sent)}


def _ask_retriever(instance: Any, arguments: Arguments) -> dict[str, Json]:
    (query, _), kwargs = _bound(arguments, ("query",))
    search = {"search_type": getattr(instance, "search_type", None)}
    search["search_kwargs"] = getattr(instance, "search_kwargs", None)
    return {**_whom(instance), "input": to_jsonable(query), "kwargs": _sent({**search, **kwargs})}


def _ask_tool(instance: Any, arguments: Arguments) -> dict[str, Json]:
    args, kwargs = arguments
    hidden = _injected(instance)
    given = {name: value for name, value in kwargs.items() if name not in hidden}
    return {"name": instance.name, "input": to_jsonable(list(args)), "kwargs": _sent(given)}


def _bound(arguments: Arguments, names: Iterable[str]) -> tuple[tuple[Any, Any], dict[str, Any]]:
    """The input and ``stop``, given by place or by name, and the other arguments."""
    args, kwargs = arguments[0], dict(arguments[1])
    asked = args[0] if args else next((kwargs.pop(name) for name in names if name in kwargs), None)
    stop = args[1] if len(args) > 1 else kwargs.pop("stop", None)
    return (asked, stop), kwargs


def _whom(instance: Any) -> dict[str, Json]:
    whom = {"class": type(instance).__name__, "name": getattr(instance, "name", None)}
    return {key: value for key, value in whom.items() if value is not None}


def _settings(instance: Any) -> dict[str, Json]:
    """The model and its settings, as far as it tells LangSmith (``BaseChatModel._get_ls_params``)."""
    try:
        told = instance._get_ls_params()
    except Exception:  # A provider's own code; what it does not tell is not compared.
        return {}
    known = ("ls_model_name", "ls_temperature", "ls_max_tokens")
    found = {key.removeprefix("ls_"): told.get(key) for key in known}
    return {"settings": to_jsonable({key: value for key, value in found.items() if value is not None})}


def _sent(kwargs: Mapping[str, Any]) -> Json:
    sent = {key: value for key, value in kwargs.items() if key not in _OWN and value is not None}
    return to_jsonable(sent)


def _question(asked: Any) -> Json:
    if isinstance(asked, str):
        asked = [asked]
    return [_message(part) if isinstance(part, BaseMessage) else to_jsonable(part) for part in asked or ()]


def _message(message: BaseMessage) -> Json:
    """What a provider is sent of a message."""
    calls = [{key: call[key] for key in ("name", "args", "id")} for call in getattr(message, "tool_calls", ())]
    sent = {
        "type": message.type.removesuffix("MessageChunk").lower(),
        "name": message.name,
        "content": message.content,
        "tool_calls": calls or None,
        "tool_call_id": getattr(message, "tool_call_id", None),
    }
    return to_jsonable({key: value for key, value in sent.items() if value is not None})


def _injected(tool: Any) -> frozenset[str]:
    """Arguments that the application adds to those of the model: state, stores, the call's id."""
    try:
        whole = tool.get_input_schema().model_fields
        return frozenset(whole) - frozenset(tool.tool_call_schema.model_fields)
    except Exception:  # A schema given as a dict has no fields, and nothing injected.
        return frozenset()


# --- what is answered -----------------------------------------------------------------------------


def _pack_result(result: Any) -> Json:
    return {"generations": to_stored(result.generations), "llm_output": to_stored(result.llm_output)}


def _unpack_chat(stored: Json) -> ChatResult:
    return ChatResult(**from_stored(stored))


def _unpack_text(stored: Json) -> LLMResult:
    return LLMResult(**from_stored(stored))


def _merge_chat(chunks: list[ChatGenerationChunk]) -> ChatResult:
    from langchain_core.language_models.chat_models import generate_from_stream

    return generate_from_stream(iter(chunks))


def _split_chat(result: ChatResult) -> list[ChatGenerationChunk]:
    return [_as_chunk(generation) for generation in result.generations[:1]]


def _as_chunk(generation: ChatGeneration) -> ChatGenerationChunk:
    fields = {name: value for name, value in generation.message.__dict__.items() if name != "type"}
    known = {name: value for name, value in fields.items() if name in AIMessageChunk.model_fields}
    return ChatGenerationChunk(message=AIMessageChunk(**known), generation_info=generation.generation_info)


def _merge_text(chunks: list[GenerationChunk]) -> LLMResult:
    whole = chunks[0]
    for chunk in chunks[1:]:
        whole += chunk
    return LLMResult(generations=[[whole]])


def _split_text(result: LLMResult) -> list[GenerationChunk]:
    first = result.generations[0][0]
    return [GenerationChunk(text=first.text, generation_info=first.generation_info)]


def _pack_documents(result: Any) -> Json:
    return to_stored(list(result))


def _pack_value(result: Any) -> Json:
    """A tool's result, told apart from a tuple, which ``content_and_artifact`` asks for; only if it is whole."""
    stored = {"tuple": to_stored(list(result))} if type(result) is tuple else {"value": to_stored(result)}
    try:
        whole = bool(_unpack_value(stored) == result)
    except Exception:  # It cannot be compared, or not restored.
        whole = False
    return stored if whole else None


def _unpack_value(stored: Json) -> Any:
    return tuple(from_stored(stored["tuple"])) if "tuple" in stored else from_stored(stored["value"])


_MODEL: Final[Mapping[str, Shape]] = {
    "_generate": "call",
    "_agenerate": "acall",
    "_stream": "stream",
    "_astream": "astream",
}


@cache
def families() -> tuple[Family, ...]:
    """All of them: chat models (twice, for what they stream), string models, tools and retrievers."""
    return (
        Family(
            name="chat_model",
            base=BaseChatModel,
            methods=_MODEL,
            ask=_ask_model,
            pack=_pack_result,
            unpack=_unpack_chat,
            merge=_merge_chat,
            split=_split_chat,
        ),
        Family(
            # The content-block protocol of newer cores: a stream of its own, of events that are JSON already.
            name="chat_model_events",
            base=BaseChatModel,
            methods={"_stream_chat_model_events": "stream", "_astream_chat_model_events": "astream"},
            ask=_ask_model,
            pack=to_stored,
            unpack=from_stored,
        ),
        Family(
            name="llm",
            base=BaseLLM,
            methods=_MODEL,
            ask=_ask_model,
            pack=_pack_result,
            unpack=_unpack_text,
            merge=_merge_text,
            split=_split_text,
            tells=True,
        ),
        Family(
            name="tool",
            base=BaseTool,
            methods={"_run": "call", "_arun": "acall"},
            ask=_ask_tool,
            pack=_pack_value,
            unpack=_unpack_value,
        ),
        Family(
            name="retriever",
            base=BaseRetriever,
            methods={"_get_relevant_documents": "call", "_aget_relevant_documents": "acall"},
            ask=_ask_retriever,
            pack=_pack_documents,
            unpack=from_stored,
        ),
    )


def subclasses(base: type) -> Iterator[type]:
    """Every class that is derived from another, as far as it is loaded, each once."""
    seen: set[type] = set()
    todo: list[type] = base.__subclasses__()
    while todo:
        cls = todo.pop()
        if cls not in seen:
            seen.add(cls)
            todo += cls.__subclasses__()
            yield cls
