"""The routes that both servers have: EVENTS.md, 1.1, rebuilt, and some more.

Each route is built anew for each server, since what is served may keep something.
"""

from __future__ import annotations

import warnings
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from typing import Any

import pytest
from fastapi import APIRouter, FastAPI
from langchain_core.callbacks import adispatch_custom_event
from langchain_core.documents import Document
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.output_parsers import StrOutputParser
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import (
    ConfigurableField,
    Runnable,
    RunnableGenerator,
    RunnableLambda,
    RunnableParallel,
    RunnablePassthrough,
)
from langchain_core.tools import tool
from starlette.requests import Request
from typing_extensions import TypedDict

from lcel_adapters.desk import DeskModel, build_service
from lcel_compat import START, Send, StateGraph
from tests.support.servers import Server

WARNINGS = [
    # Core's since 1.6, and the sample application's choice.
    pytest.mark.filterwarnings("ignore:.*(RunnableWithMessageHistory|InMemoryChatMessageHistory)"),
    # LangServe's own, which is as old as its last release.
    pytest.mark.filterwarnings("ignore:Accessing the 'model_fields':DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:.*pydantic_v1"),
    pytest.mark.filterwarnings("ignore:.*(astream_events.*v1|astream_log)"),
    pytest.mark.filterwarnings("ignore:.*config_schema"),
    pytest.mark.filterwarnings("ignore:Pydantic serializer warnings"),
]
"""What is warned of and is not ours to change."""

HAS_LANGGRAPH = find_spec("langgraph") is not None and find_spec("langgraph.graph") is not None
TEXT = "Why did the parrot cross"
TOPIC = {"topic": "parrots"}
AddRoutes = Callable[..., None]


class FakeStream(BaseChatModel):
    """Tells the beginning of a joke, word by word."""

    text: str = TEXT

    @property
    def _llm_type(self) -> str:
        return "fake-stream"

    def _generate(self, messages: Any, stop: Any = None, run_manager: Any = None, **kw: Any) -> ChatResult:
        return ChatResult(generations=[ChatGeneration(message=AIMessage(self.text))])

    def _stream(
        self, messages: Any, stop: Any = None, run_manager: Any = None, **kw: Any
    ) -> Iterator[ChatGenerationChunk]:
        first, *words = self.text.split(" ")
        for word in (first, *(f" {word}" for word in words)):
            yield ChatGenerationChunk(message=AIMessageChunk(content=word))

    async def _astream(
        self, messages: Any, stop: Any = None, run_manager: Any = None, **kw: Any
    ) -> AsyncIterator[ChatGenerationChunk]:
        for piece in self._stream(messages):
            yield piece


class R(BaseRetriever):
    """Finds one document."""

    def _get_relevant_documents(self, query: str, *, run_manager: Any) -> list[Document]:
        return [Document(page_content="parrots fly", metadata={"src": 1})]


@tool
def shout(text: str) -> str:
    """Say it loud."""
    return text.upper()


def joke() -> Runnable[Any, Any]:
    """A prompt, a model and a parser."""
    prompt = ChatPromptTemplate.from_messages([("system", "You are funny"), ("human", "Tell me a joke about {topic}")])
    return prompt | FakeStream() | StrOutputParser()


def rag() -> Runnable[Any, Any]:
    """Parallel steps, a retriever, and an output of two keys."""

    first = RunnableParallel(context=R(), question=RunnablePassthrough())
    answer: Any = RunnableLambda(lambda found: {"topic": found["question"]}) | joke()
    return first | RunnableParallel(docs=RunnableLambda(lambda found: found["context"]), answer=answer)


def _boom(value: Any) -> Any:
    raise ValueError("a secret of the server's")


async def _boom_mid(chunks: Any) -> Any:
    count = 0
    async for chunk in chunks:
        if count == 2:
            raise ValueError("a secret of the server's")
        count += 1
        yield chunk


def broken() -> Runnable[Any, Any]:
    """Fails at once."""
    return joke() | RunnableLambda(_boom, name="boom")


def broken_later() -> Runnable[Any, Any]:
    """Fails after two chunks."""
    return joke() | RunnableGenerator(_boom_mid, name="boom_mid")


async def _custom(text: str) -> str:
    await adispatch_custom_event("progress", {"pct": 50})
    return text


def custom() -> Runnable[Any, Any]:
    """Dispatches an event of its own, and calls a tool."""
    return RunnableLambda(_custom, name="custom").with_types(input_type=str) | shout


def configurable() -> Runnable[Any, Any]:
    """A model whose text, and a prompt whose form clients choose."""
    field = ConfigurableField(id="text", name="Text", description="text to say")
    model = FakeStream().configurable_fields(text=field)
    prompt = ChatPromptTemplate.from_template("Tell me a joke about {topic}").configurable_alternatives(
        ConfigurableField(id="prompt", name="Prompt"),
        default_key="joke",
        poem=ChatPromptTemplate.from_template("A poem of {lines} lines about {topic}"),
    )
    return prompt | model | StrOutputParser()


def _header(config: dict[str, Any], request: Request) -> dict[str, Any]:
    found = {**(config.get("configurable") or {}), "text": request.headers.get("x-text", "none")}
    return {**config, "configurable": found, "metadata": {"tenant": "t"}}


async def _aheader(config: dict[str, Any], request: Request) -> dict[str, Any]:
    return _header(config, request)


def nested() -> Runnable[Any, Any]:
    """Calls no model: what LangServe can tell the callbacks of."""

    def double(value: dict[str, Any]) -> dict[str, Any]:
        return {"twice": [value["a"], value["a"]]}

    def count(value: dict[str, Any]) -> int:
        return len(value["twice"])

    return RunnableLambda(double) | RunnableParallel(n=RunnableLambda(count), again=RunnablePassthrough())


class Sets(TypedDict, total=False):
    """A state with a set."""

    words: set[str]
    word: str


def sets() -> Any:
    """A graph that shows what LangServe cannot write: a set, ``Send``, a key that is a number."""
    graph = StateGraph(Sets)
    graph.add_node("split", lambda state: {"words": {"a"}})
    graph.add_node("each", lambda state: {"word": "b"})
    graph.add_conditional_edges("split", lambda state: [Send("each", {"word": "a", 1: 2})], ["each"])
    return graph.add_edge(START, "split").compile(name="Sets")


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """A route: what is served, and how."""

    build: Callable[[], Any]
    options: dict[str, Any]
    theirs: bool


def _route(build: Callable[[], Any], /, *, theirs: bool = True, **options: Any) -> Route:
    return Route(build=build, options=options, theirs=theirs)


ALL_KEYS = ("configurable", "tags", "metadata", "run_id")
DESK = {form: partial(build_service, DeskModel(), form=form) for form in ("chain", "face", "apart")}
ROUTES: dict[str, Route] = {
    "/joke": _route(joke),
    "/joke_v1": _route(joke, astream_events_version="v1"),
    "/chat": _route(FakeStream),
    "/prompt": _route(lambda: ChatPromptTemplate.from_messages([("human", "{a}"), ("placeholder", "{b}")])),
    "/rag": _route(rag),
    "/err": _route(broken),
    "/errmid": _route(broken_later),
    "/custom": _route(custom),
    "/cfg": _route(configurable),
    "/closed": _route(configurable, config_keys=()),
    "/header": _route(configurable, per_req_config_modifier=_header, config_keys=("configurable", "metadata")),
    "/aheader": _route(configurable, per_req_config_modifier=_aheader, config_keys=("configurable", "metadata")),
    "/allkeys": _route(joke, config_keys=ALL_KEYS),
    "/fb": _route(joke, enable_feedback_endpoint=True, enable_public_trace_link_endpoint=True),
    "/told": _route(nested, include_callback_events=True),
    "/own": _route(lambda: joke().with_config(run_name="rag"), stream_log_name_allow_list=["rag"]),
    "/other": _route(lambda: joke().with_config(run_name="rag"), stream_log_name_allow_list=["other"]),
    "/sets": _route(sets),
    "/typed": _route(lambda: RunnableLambda(len), input_type=list[int], output_type=int),
    "/few": _route(joke, enabled_endpoints=["invoke", "input_schema"]),
    "/less": _route(joke, disabled_endpoints=["batch", "config_hashes", "playground", "token_feedback"]),
    **{f"/{form}": _route(build) for form, build in DESK.items()},
    **{f"/v1/{form}": _route(build, astream_events_version="v1") for form, build in DESK.items()},
    # What LangServe cannot serve, or serves broken, is served by us alone.
    "/cbe": _route(joke, include_callback_events=True),
    "/allow": _route(joke, stream_log_name_allow_list=["FakeStream"]),
}
"""The routes by path."""

if HAS_LANGGRAPH:
    from tests.serving.langserve.graphs import GRAPHS

    ROUTES |= {path: _route(build, theirs=theirs) for path, (build, theirs) in GRAPHS.items()}


def application(add_routes: AddRoutes, *, theirs: bool) -> FastAPI:
    """An application with the routes.

    Args:
        add_routes: LangServe's, or ours.
        theirs: Whether it is LangServe's, which cannot serve all of them.
    """
    app = FastAPI(title="t")
    for path, route in ROUTES.items():
        if route.theirs or not theirs:
            add_routes(app, route.build(), path=path, **route.options)
    router = APIRouter(prefix="/router")
    add_routes(router, joke(), path="/joke")
    app.include_router(router)
    below = FastAPI()
    add_routes(below, joke())
    app.mount("/below", below)
    return app


@contextmanager
def serving(add_routes: AddRoutes, *, theirs: bool) -> Iterator[str]:
    """The address of a server with the routes."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # LangServe's and LangGraph's own, at registration
        app = application(add_routes, theirs=theirs)
    with closing(Server(app)) as running:
        running.open()
        yield running.url
