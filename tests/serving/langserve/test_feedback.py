"""Feedback, feedback tokens and links to traces, with a stand-in for LangSmith that listens on loopback."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
from fastapi import FastAPI, Request
from fastapi.testclient import TestClient
from starlette.responses import JSONResponse

from lcel_adapters.serve._langserve import add_routes
from tests.serving.langserve.feedback_program import BY_TOKEN, FEEDBACK, RUN
from tests.serving.langserve.routes import WARNINGS, joke
from tests.support.plain import number
from tests.support.servers import Server

pytestmark = WARNINGS
TOKEN_URL = "https://desk.example/feedback/tokens/00000000-0000-4000-8000-000000000001"
SLOW = 0.3
"""Seconds that LangSmith takes for a token."""


class LangSmith:
    """A stand-in for LangSmith that writes down what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, Any]] = []
        self.broken = False

    def app(self) -> FastAPI:
        """It as an application."""
        app = FastAPI()
        app.add_api_route("/{path:path}", self._answer, methods=["GET", "POST", "PUT"], response_model=None)
        return app

    async def _answer(self, path: str, request: Request) -> JSONResponse:
        body = await request.body()
        if path.startswith("info") or "batch" in path or "multipart" in path:
            return JSONResponse({}, 202)
        self.asked.append((request.method, path, json.loads(body or b"null")))
        if path == "feedback/tokens":
            await asyncio.sleep(SLOW)
            return self._token()
        return JSONResponse({"share_token": "5ba7e"})

    def _token(self) -> JSONResponse:
        if self.broken:
            return JSONResponse({"detail": "a secret of LangSmith's"}, 400)
        return JSONResponse({"id": RUN, "url": TOKEN_URL, "expires_at": "2030-01-01T00:00:00+00:00"})


@pytest.fixture(scope="module")
def langsmith() -> LangSmith:
    """What LangSmith was asked."""
    return LangSmith()


@pytest.fixture(scope="module")
def address(langsmith: LangSmith) -> Iterator[str]:
    """Where it listens."""
    with closing(Server(langsmith.app())) as running:
        running.open()
        yield running.url


def _answers(address: str, side: str) -> dict[str, Any]:
    variables = {"LANGSMITH_TRACING": "true", "LANGSMITH_ENDPOINT": address, "LANGSMITH_API_KEY": "key"}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "tests.serving.langserve.feedback_program", side],
        env=os.environ | variables,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    # LangServe prints its name when a server starts.
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


@pytest.fixture(scope="module")
def answers(address: str, langsmith: LangSmith) -> dict[str, tuple[dict[str, Any], list[Any]]]:
    """What LangServe and we answer, and what LangSmith was asked by each."""
    found = {}
    for side in ("theirs", "ours"):
        langsmith.asked.clear()
        found[side] = (_answers(address, side), list(langsmith.asked))
    return found


Answers = dict[str, tuple[dict[str, Any], list[Any]]]
SAME = ["invoke", "batch", "feedback", "asking for feedback", "feedback by token", "a link"]


@pytest.mark.slow
@pytest.mark.parametrize("what", SAME)
def test_answers_are_langserves(answers: Answers, what: str) -> None:
    """Where both pass something on, clients get the same."""
    (theirs, _), (ours, _) = answers["theirs"], answers["ours"]
    assert ours[what][0] == 200
    assert _normal(ours[what]) == _normal(theirs[what])


def _normal(answer: Any) -> Any:
    return answer[0], number(answer[1])


@pytest.mark.slow
def test_what_langsmith_is_asked(answers: Answers) -> None:
    """LangSmith is asked the same for each, but for identifiers and times."""
    asked = [_asked(side[1]) for side in (answers["theirs"], answers["ours"])]
    shared = [one for one in asked[0] if "share" not in one]
    assert [one for one in asked[1] if "share" not in one] == shared
    assert any('"comment": "because"' in one for one in shared)


def _asked(asked: list[Any]) -> list[str]:
    ignored = {"created_at", "modified_at", "id", "run_id", "trace_id"}
    plain = [(m, p, {k: v for k, v in b.items() if k not in ignored}) for m, p, b in asked]
    return sorted(number(json.dumps(one, sort_keys=True)) for one in plain)


@pytest.mark.slow
def test_l15_no_chunk_is_lost(answers: Answers) -> None:
    """L15: chunks wait for the feedback token; LangServe throws away those that come before it."""
    theirs, ours = (answers[side][0]["stream"][1] for side in ("theirs", "ours"))
    assert theirs.count("event: data") == 0
    assert [line for line in ours.split("\r\n") if line.startswith("data: ")][1:] == ['data: "a"', 'data: "b"']
    assert f'"token_url": "{TOKEN_URL}"' in ours


@pytest.mark.slow
@pytest.mark.parametrize("endpoint", ["stream_events", "stream_log"])
def test_l15_the_token_comes(answers: Answers, endpoint: str) -> None:
    """L15: with events and with the log the token comes at the latest before the end; LangServe may never send it."""
    theirs, ours = (answers[side][0][endpoint][1] for side in ("theirs", "ours"))
    assert ("event: metadata" in theirs, ours.count("event: metadata")) == (False, 1)
    assert theirs.count("event: data") == ours.count("event: data") > 2
    assert ours.index("event: metadata") < ours.index("event: end")


@pytest.mark.slow
def test_l16_links_without_feedback(answers: Answers) -> None:
    """L16: links to traces work without a feedback endpoint; LangServe answers 500."""
    theirs, ours = (answers[side][0]["a link where there is no feedback"] for side in ("theirs", "ours"))
    assert (theirs[0], ours[0]) == (500, 200)
    assert "/public/5ba7e/r" in ours[1]


@pytest.mark.slow
def test_the_playground_knows(answers: Answers) -> None:
    """With tracing on, the playground offers feedback and the link."""
    page = answers["ours"][0]["the playground"][1]
    assert '"feedback":true,"public_trace_link":true' in page
    assert answers["ours"][0]["feedback by token where none are given"][0] == 400


@pytest.mark.slow
def test_l17_langsmith_may_fail(address: str, langsmith: LangSmith) -> None:
    """L17: where LangSmith gives no token there is none, and the answer is given all the same; LangServe fails."""
    langsmith.broken = True
    theirs, ours = (_answers(address, side) for side in ("theirs", "ours"))
    langsmith.broken = False
    assert (theirs["invoke"][0], ours["invoke"][0]) == (500, 200)
    assert json.loads(ours["invoke"][1])["metadata"]["feedback_tokens"] == []
    assert 'data: "b"' in ours["stream"][1]
    assert "secret" not in json.dumps(ours)


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/feedback", FEEDBACK),
        ("POST", "/token_feedback", BY_TOKEN),
        ("PUT", "/public_trace_link", {"run_id": RUN}),
    ],
)
def test_l20_without_tracing(method: str, path: str, body: Any) -> None:
    """L20: without tracing nothing is passed on: 400, which says what to switch on."""
    app = FastAPI()
    add_routes(
        app,
        joke(),
        enable_feedback_endpoint=True,
        enable_public_trace_link_endpoint=True,
        token_feedback_config={"key_configs": [{"key": "correct"}]},
    )
    answer = TestClient(app).request(method, path, json=body)
    assert (answer.status_code, "LANGSMITH_TRACING=true" in answer.json()["detail"]) == (400, True)


def test_l17_tokens_without_tracing() -> None:
    """L17: a route that gives tokens works without tracing, and gives none; LangServe answers 500."""
    app = FastAPI()
    add_routes(app, joke(), token_feedback_config={"key_configs": [{"key": "correct"}]})
    answer = TestClient(app).post("/invoke", json={"input": {"topic": "x"}})
    assert answer.json()["metadata"]["feedback_tokens"] == []
