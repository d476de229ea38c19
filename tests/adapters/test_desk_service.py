"""The support desk as it is served: history, a tool and a fallback, as chain, as face and taken apart."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
from fastapi import FastAPI
from langchain_core.messages import BaseMessage
from langchain_core.outputs import ChatGenerationChunk, ChatResult
from langserve import add_routes

from lcel_adapters.desk import QUESTIONS, DeskModel, build_service
from lcel_adapters.desk._service import Form
from tests.support.colours import ASYNC, Colour
from tests.support.normal import assert_same, assert_same_events
from tests.support.servers import Server, posted

pytestmark = [
    # Core's since 1.6, and the application's choice.
    pytest.mark.filterwarnings("ignore:.*(RunnableWithMessageHistory|InMemoryChatMessageHistory)"),
    # LangServe's own, which is as old as its last release.
    pytest.mark.filterwarnings("ignore:Accessing the 'model_fields':DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:.*pydantic_v1"),
    pytest.mark.filterwarnings("ignore:.*(astream_events.*v1|astream_log)"),
]
FORMS = pytest.mark.parametrize("form", ["face", "apart"])
EVERY_FORM = pytest.mark.parametrize("form", ["chain", "face", "apart"])
TURNS = [QUESTIONS[0], "And why?"]


class BrokenModel(DeskModel):
    """Sorts questions, and fails when it is to answer them."""

    def _generate(self, messages: list[BaseMessage], *args: Any, **kwargs: Any) -> ChatResult:
        _fail_to_answer(messages)
        return super()._generate(messages, *args, **kwargs)

    async def _agenerate(self, messages: list[BaseMessage], *args: Any, **kwargs: Any) -> ChatResult:
        _fail_to_answer(messages)
        return await super()._agenerate(messages, *args, **kwargs)

    def _stream(self, messages: list[BaseMessage], *args: Any, **kwargs: Any) -> Iterator[ChatGenerationChunk]:
        _fail_to_answer(messages)
        yield from super()._stream(messages, *args, **kwargs)

    async def _astream(self, messages: list[BaseMessage], *args: Any, **kwargs: Any) -> Any:
        _fail_to_answer(messages)
        async for chunk in super()._astream(messages, *args, **kwargs):
            yield chunk


def _fail_to_answer(messages: list[BaseMessage]) -> None:
    if "JSON object" not in str(messages[0].content):
        raise ConnectionError("the provider is down")


def _session(name: str = "1") -> Any:
    return {"configurable": {"session_id": name}}


def _events(service: Any, version: str = "v2") -> list[list[Any]]:
    return [ASYNC.observe_events(service, {"question": turn}, _session(), version=version) for turn in TURNS]


@FORMS
@pytest.mark.parametrize("version", ["v1", "v2"])
@pytest.mark.parametrize("model", [DeskModel, BrokenModel])
def test_events(form: Any, version: str, model: type[DeskModel]) -> None:
    """In each turn of a session the events are the chain's, also when the model fails and the fallback answers."""
    for old, new in zip(
        _events(build_service(model()), version), _events(build_service(model(), form=form), version), strict=True
    ):
        assert len(old) > 50
        assert_same_events(old, new)


@FORMS
@pytest.mark.parametrize("model", [DeskModel, BrokenModel])
def test_chunks_and_answers(form: Any, model: type[DeskModel], colour: Colour) -> None:
    """Streamed and invoked in turn, in one session, each form gives the chain's pieces and answers."""
    old, new = build_service(model()), build_service(model(), form=form)
    for turn in TURNS:
        asked = {"question": turn}
        assert colour.observe_stream(new, asked, _session()) == colour.observe_stream(old, asked, _session())
        assert colour.invoke(new, asked, _session()) == colour.invoke(old, asked, _session())


@EVERY_FORM
def test_a_session_is_remembered(form: Any, colour: Colour) -> None:
    """A question of few words is about what was asked before it in its own session, and in no other one."""
    service = build_service(DeskModel(), form=form)
    colour.invoke(service, {"question": QUESTIONS[0]}, _session())
    assert "[charged-twice]" in colour.invoke(service, {"question": "And why?"}, _session())
    assert "[charged-twice]" not in colour.invoke(service, {"question": "And why?"}, _session("2"))


@EVERY_FORM
def test_the_tool_is_asked(form: Any) -> None:
    """The tool is told what triage found, and its answer reaches the model."""
    first = _events(build_service(DeskModel(), form=form))[0]
    (start,) = (event for event in first if event["event"] == "on_tool_start")
    assert (start["name"], start["data"]["input"]) == ("service_status", {"area": "billing"})
    asked = [event["data"]["input"] for event in first if event["event"] == "on_chat_model_start"][-1]
    assert "<status>Payments and invoices work.</status>" in asked["messages"][0][0].content


@EVERY_FORM
def test_the_fallback_answers(form: Any, colour: Colour) -> None:
    """When the model fails a colleague is promised, and nothing is raised."""
    service = build_service(BrokenModel(), form=form)
    assert colour.invoke(service, {"question": QUESTIONS[0]}, _session()).endswith("within one working day.")


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """The address of LangServe's server with the three forms, each in version 1 and 2 of the events."""
    app = FastAPI()
    forms: tuple[Form, ...] = ("chain", "face", "apart")
    for form in forms:
        service: Any = build_service(DeskModel(), form=form)
        add_routes(app, service, path=f"/{form}")
        add_routes(app, service, path=f"/v1/{form}", astream_events_version="v1")
    with closing(Server(app)) as running:
        running.open()
        yield running.url


def _paths(patch: Any) -> list[str]:
    """What a patch of the log is about; runs that overlap arrive in no order."""
    return [operation["path"] for operation in patch["ops"]]


@pytest.mark.slow
@FORMS
@pytest.mark.parametrize("endpoint", ["invoke", "batch", "stream", "stream_log", "stream_events", "v1/stream_events"])
def test_served(server: str, form: str, endpoint: str) -> None:
    """Served by LangServe, each endpoint gives for two turns of a session what it gives for the chain."""
    prefix, name = ("/v1", "stream_events") if endpoint.startswith("v1/") else ("", endpoint)
    for turn in TURNS:
        asked: Any = {"inputs": [{"question": turn}]} if name == "batch" else {"input": {"question": turn}}
        session = _session(f"{form} {endpoint}")
        old, new = (posted(server, f"{prefix}/{path}", name, **asked, config=session) for path in ("chain", form))
        assert len(str(old)) > 100
        if name == "stream_events":
            assert_same_events(old[1:], new[1:])
        elif name == "stream_log":
            assert_same(*(sorted(patches[1:], key=_paths) for patches in (old, new)))
        else:
            assert_same(old, new)
