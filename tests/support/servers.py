"""A server of LangServe's kind in a thread of its own."""

from __future__ import annotations

import json
import threading
import time
from typing import Any

import httpx
import uvicorn
from sse_starlette.sse import AppStatus


class Server(uvicorn.Server):
    """A server in a thread, on a port of its own; ``contextlib.closing`` ends it.

    Args:
        app: An ASGI application.
    """

    def __init__(self, app: Any) -> None:
        super().__init__(uvicorn.Config(app, port=0, log_level="error", ws="none"))
        self.thread = threading.Thread(target=self.run, name="server")

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.servers[0].sockets[0].getsockname()[1]}"

    def open(self) -> None:
        """Start it, and wait until it listens."""
        # It is one for the process, and stays bound to the event loop of the server before this one.
        AppStatus.should_exit_event = None
        self.thread.start()
        while not self.started:
            time.sleep(0.01)

    def close(self) -> None:
        """Stop it."""
        self.should_exit = True
        self.thread.join()


def posted(server: str, path: str, endpoint: str, **body: Any) -> Any:
    """What an endpoint answers: its JSON, or the data of its server-sent events; the route's own name blanked."""
    answer = httpx.post(f"{server}{path}/{endpoint}", json=body, timeout=20)
    text = answer.text.replace(json.dumps(path), '"/route"')
    if not answer.headers["content-type"].startswith("text/event-stream"):
        return [answer.status_code, json.loads(text)]
    lines = text.split("\r\n")
    names = [line for line in lines if line.startswith("event: ") and line != "event: data"]
    return [names, *(json.loads(line[len("data: ") :]) for line in lines if line.startswith("data: "))]
