"""The routes of a served runnable, and how the OpenAPI document describes them.

Each endpoint has two routes of one address. The first answers; it reads the body itself, since what is valid depends on
the request's own config, and since bodies are refused in LangServe's words. The second is never reached: it tells
FastAPI the models.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Body, FastAPI, Path
from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

import lcel_adapters.serve._langserve._answers as _answers
import lcel_adapters.serve._langserve._models as _models
import lcel_adapters.serve._langserve._streams as _streams
from lcel_adapters.serve._langserve._playground import Page
from lcel_adapters.serve._langserve._served import Served
from lcel_adapters.serve._sse import EventStream

Handle = Callable[[Served, Request], Awaitable[Response]]

_HASHED = "/c/{config_hash}"
_HASH_SAYS = "A config, compressed by lz-string: what share links of the playground hold."
_STREAMED = (
    " The answer is a stream of server-sent events: `data` with JSON, `metadata` with the run's id, `end`;"
    " a run that fails ends it with `error`."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """An endpoint of a runnable.

    Attributes:
        name: The last part of its address.
        handle: What answers.
        says: What it does, for the document.
        body: What it takes; None if it is asked by GET.
        answer: What it gives; None if that is a stream.
    """

    name: str
    handle: Handle
    says: str
    body: Any = None
    answer: Any = None

    @property
    def method(self) -> str:
        """How it is asked."""
        return "GET" if self.body is None else "POST"


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where endpoints are: at the path, or below it with a config in the address."""

    path: str
    title: str
    hashed: bool

    def name(self, endpoint: str) -> str:
        """The name of a route; the operation's id is made of it, and names in generated clients."""
        return f"{self.title} {endpoint}".strip() + (" with config" if self.hashed else "")

    @property
    def tag(self) -> str:
        """The heading in the document."""
        return (f"{self.title}/config" if self.title else "config") if self.hashed else self.title or "default"


def register(app: FastAPI | APIRouter, served: Served, dependencies: Sequence[Any] | None) -> None:
    """Add the routes of a runnable.

    Raises:
        ValueError: If another runnable is served there.
    """
    wishes = served.wishes
    _refuse_twice(app, wishes.path)
    title = wishes.path.strip("/")
    places = [Place(path=wishes.path, title=title, hashed=False)]
    if "config_hashes" in wishes.endpoints:
        places.append(Place(path=wishes.path + _HASHED, title=title, hashed=True))
    for endpoint in _endpoints(served):
        for place in places:
            _add(app, served, endpoint, place, dependencies)
    if "playground" in wishes.endpoints:
        _add_playground(app, served, places, dependencies)
    _add_feedback(app, served, dependencies)
    _describe(app, places)


def _refuse_twice(app: FastAPI | APIRouter, path: str) -> None:
    if any(getattr(route.endpoint, "home", None) == path for route in app.routes if isinstance(route, APIRoute)):
        raise ValueError(f"another runnable is served at {path!r}; give each add_routes(..., path=...) of its own")


def _endpoints(served: Served) -> Iterator[Endpoint]:
    every = [*_described(), *_runs(served)]
    return (endpoint for endpoint in every if endpoint.name in served.wishes.endpoints)


def _described() -> list[Endpoint]:
    schema = dict[str, Any]
    return [
        Endpoint(name="input_schema", handle=_answers.input_schema, says="The schema of the input.", answer=schema),
        Endpoint(name="output_schema", handle=_answers.output_schema, says="The schema of the output.", answer=schema),
        Endpoint(name="config_schema", handle=_answers.config_schema, says="The schema of the config.", answer=schema),
    ]


def _runs(served: Served) -> list[Endpoint]:
    shapes = _Shapes.of(served)
    batch = "Run for each of several inputs, with one config or with one for each."
    log = "Run, and stream the patches of the run's log."
    events = "Run, and stream the events of the run and of all that it calls."
    return [
        Endpoint(name="invoke", handle=_answers.invoke, says="Run.", body=shapes.invoke, answer=shapes.output),
        Endpoint(name="batch", handle=_answers.batch, says=batch, body=shapes.batch, answer=shapes.outputs),
        Endpoint(name="stream", handle=_streams.stream, says="Run, and stream the output.", body=shapes.stream),
        Endpoint(name="stream_log", handle=_streams.stream_log, says=log, body=shapes.stream_log),
        Endpoint(name="stream_events", handle=_streams.stream_events, says=events, body=shapes.stream_events),
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Shapes:
    """The models of one runnable's requests and answers, under LangServe's names."""

    invoke: Any
    batch: Any
    stream: Any
    stream_log: Any
    stream_events: Any
    output: Any
    outputs: Any

    @classmethod
    def of(cls, served: Served) -> _Shapes:
        name = re.sub(r"[^a-zA-Z0-9]", "_", served.wishes.path.strip("/"))
        taken, config = served.schemas.input, served.schemas.config
        given: Any = served.schemas.answer
        event = _models.callback_event_model() if served.wishes.include_callback_events else None
        events = None if event is None else (list[event], list[list[event]])  # type: ignore[valid-type]
        one, many = _models.InvokeResponseMetadata, _models.BatchResponseMetadata
        return cls(
            invoke=_models.request_model(f"{name}InvokeRequest", taken, config),
            batch=_models.batch_request_model(f"{name}BatchRequest", taken, config),
            stream=_models.request_model(f"{name}StreamRequest", taken, config),
            stream_log=_models.filtered_request_model(f"{name}StreamLogRequest", taken, config),
            stream_events=_models.filtered_request_model(f"{name}StreamEventsRequest", taken, config),
            output=_models.response_model(f"{name}InvokeResponse", given, one, events and events[0]),
            outputs=_models.response_model(f"{name}BatchResponse", list[given], many, events and events[1]),
        )


def _add(
    app: FastAPI | APIRouter, served: Served, endpoint: Endpoint, place: Place, dependencies: Sequence[Any] | None
) -> None:
    path = f"{place.path}/{endpoint.name}"
    answering = _answering(endpoint.handle, served)
    shared: dict[str, Any] = {"methods": [endpoint.method], "dependencies": dependencies}
    app.add_api_route(path, answering, include_in_schema=False, response_model=None, **shared)
    app.add_api_route(
        path,
        _documented(endpoint, place),
        name=place.name(endpoint.name),
        description=endpoint.says if endpoint.answer is not None else endpoint.says + _STREAMED,
        status_code=200,
        response_model=endpoint.answer,
        response_class=EventStream if endpoint.answer is None else JSONResponse,
        responses=_refusals(endpoint, place),
        tags=[place.tag],
        **shared,
    )


def _answering(handle: Handle, served: Served) -> Callable[[Request], Awaitable[Response]]:
    async def answer(request: Request) -> Response:
        return await handle(served, request)

    answer.home = served.wishes.path  # type: ignore[attr-defined]  # by which a second one is refused
    return answer


def _documented(endpoint: Endpoint, place: Place) -> Callable[..., Any]:
    async def documented(**_: Any) -> None:
        raise AssertionError("the route before this one answers; this one is there to be described")

    parameters = []
    if place.hashed:
        parameters.append(_parameter("config_hash", Annotated[str, Path(description=_HASH_SAYS)]))
    if endpoint.body is not None:
        parameters.append(_parameter("body", Annotated[endpoint.body, Body()]))
    documented.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    return documented


def _parameter(name: str, annotation: Any) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, annotation=annotation)


def _refusals(endpoint: Endpoint, place: Place) -> dict[int | str, dict[str, Any]]:
    found: dict[int | str, dict[str, Any]] = {}
    if place.hashed:
        found[400] = {"model": _models.Problem, "description": "There is no config in the address."}
    if endpoint.body is not None or place.hashed:
        found[422] = {"model": _models.InvalidRequest, "description": "The request is invalid."}
    if endpoint.body is not None:
        text = {"text/plain": {"schema": {"type": "string"}}}
        found[500] = {"content": text, "description": "The runnable failed."}
    return found


def _add_playground(
    app: FastAPI | APIRouter, served: Served, places: Sequence[Place], dependencies: Sequence[Any] | None
) -> None:
    page = Page.read()
    for place in places:
        app.add_api_route(
            place.path + "/playground/{file_path:path}",
            _answering(page.answer, served),
            methods=["GET"],
            include_in_schema=False,
            response_model=None,
            dependencies=dependencies,
        )


def _add_feedback(app: FastAPI | APIRouter, served: Served, dependencies: Sequence[Any] | None) -> None:
    langsmith, wishes = served.langsmith, served.wishes
    added: list[tuple[str, str, Callable[..., Any]]] = []
    if "token_feedback" in wishes.endpoints:
        added.append(("token_feedback", "POST", langsmith.create_feedback_from_token))
    if wishes.enable_feedback_endpoint:
        added.append(("feedback", "POST", langsmith.create_feedback))
        added.append(("feedback", "HEAD", langsmith.check))
    if wishes.enable_public_trace_link_endpoint:
        added.append(("public_trace_link", "PUT", langsmith.create_public_trace_link))
        added.append(("public_trace_link", "HEAD", langsmith.check))
    refused: dict[int | str, dict[str, Any]] = {400: {"model": _models.Problem, "description": "Tracing is off."}}
    for name, method, handle in added:
        app.add_api_route(
            f"{wishes.path}/{name}", handle, methods=[method], dependencies=dependencies, responses=refused
        )


def _describe(app: FastAPI | APIRouter, places: Sequence[Place]) -> None:
    """Give the headings of the document their order and a word."""
    if not isinstance(app, FastAPI):
        return
    known = {tag["name"] for tag in app.openapi_tags or ()}
    said = {True: {"description": f"With a config in the address. {_HASH_SAYS}"}, False: {}}
    new = [{"name": place.tag, **said[place.hashed]} for place in places if place.tag not in known]
    app.openapi_tags = [*(app.openapi_tags or ()), *new]
