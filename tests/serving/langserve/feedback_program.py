"""An application that passes feedback on to LangSmith, as a program: asks itself, and prints the answers as JSON.

The environment says where LangSmith is; its client reads that once for a process.

python feedback_program.py ours|theirs
"""

from __future__ import annotations

import json
import sys
from typing import Any

import langserve
from fastapi import FastAPI
from fastapi.testclient import TestClient
from langchain_core.runnables import RunnableGenerator

from lcel_adapters.serve._langserve import add_routes

RUN = "12345678-1234-5678-1234-567812345678"
TOKEN = "00000000-0000-4000-8000-000000000001"


async def _pieces(chunks: Any) -> Any:
    yield "a"
    yield "b"


def _app(add: Any) -> FastAPI:
    app = FastAPI()
    runnable: Any = RunnableGenerator(_pieces)
    runnable = runnable.with_types(input_type=int, output_type=str)
    key: Any = {"key_configs": [{"key": "correct"}]}
    every = {"enable_feedback_endpoint": True, "enable_public_trace_link_endpoint": True}
    add(app, runnable, path="/tokens", token_feedback_config=key)
    add(app, runnable, path="/all", token_feedback_config=key, **every)
    add(app, runnable, path="/link", enable_public_trace_link_endpoint=True)
    return app


FEEDBACK = {"run_id": RUN, "key": "correct", "score": 1, "value": "x", "comment": "because"}
BY_TOKEN = {"token_or_url": TOKEN, "score": 1, "comment": "because", "metadata": {"a": 1}}
REQUESTS: dict[str, tuple[str, str, Any]] = {
    "invoke": ("POST", "/tokens/invoke", {"input": 1}),
    "batch": ("POST", "/tokens/batch", {"inputs": [1, 2]}),
    "stream": ("POST", "/tokens/stream", {"input": 1}),
    "stream_events": ("POST", "/tokens/stream_events", {"input": 1}),
    "stream_log": ("POST", "/tokens/stream_log", {"input": 1}),
    "feedback": ("POST", "/all/feedback", FEEDBACK),
    "asking for feedback": ("HEAD", "/all/feedback", None),
    "feedback by token": ("POST", "/tokens/token_feedback", BY_TOKEN),
    "feedback by token where none are given": ("POST", "/link/token_feedback", BY_TOKEN),
    "a link": ("PUT", "/all/public_trace_link", {"run_id": RUN}),
    "a link where there is no feedback": ("PUT", "/link/public_trace_link", {"run_id": RUN}),
    "the playground": ("GET", "/all/playground/", None),
}
"""What is asked, by name: verb, path, body."""


def main(side: str) -> dict[str, tuple[int, str]]:
    """The answers."""
    found = {}
    add: Any = add_routes if side == "ours" else langserve.add_routes
    with TestClient(_app(add), raise_server_exceptions=False) as client:
        for name, (method, path, body) in REQUESTS.items():
            answer = client.request(method, path, json=body)
            found[name] = (answer.status_code, answer.text)
    return found


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1])))
