"""Asking a server, and making two answers comparable, byte by byte."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

import httpx

from tests.support.plain import number

HEADERS = ["content-type", "cache-control", "connection", "x-accel-buffering", "allow", "location"]
_CLASSES = re.compile(r"(Invoke|Batch)(RequestShallowValidator|Body)|(cfg)?Configurable\b")


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server answered.

    Attributes:
        status: The status.
        headers: Those of the headers that mean something.
        body: The bytes as text.
        cut: Whether the connection was cut before the body's end.
    """

    status: int
    headers: dict[str, str]
    body: str
    cut: bool

    @property
    def data(self) -> list[Any]:
        """The JSON of the frames called ``data``."""
        blocks = [dict(line.split(": ", 1) for line in block.split("\r\n")) for block in self.frames]
        return [json.loads(block["data"]) for block in blocks if block["event"] == "data"]

    @property
    def frames(self) -> list[str]:
        """The frames."""
        return [block for block in self.body.split("\r\n\r\n") if block]

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)

    @property
    def normal(self) -> tuple[int, dict[str, str], str]:
        """The same without identifiers and times; names of classes that only one of two servers has are blanked."""
        return self.status, self.headers, _CLASSES.sub("<model>", number(self.body))


def ask(
    server: str, path: str, body: Any = None, *, method: str | None = None, raw: bytes | None = None, **options: Any
) -> Answer:
    """Ask a server.

    Args:
        server: Its address.
        path: The path.
        body: What is posted, as JSON; None to get.
        method: If it is neither POST nor GET.
        raw: What is posted as it is.
        **options: More for httpx, headers for example.
    """
    content = json.dumps(body).encode() if raw is None and body is not None else raw
    chosen = method or ("GET" if content is None else "POST")
    found, cut = b"", False
    with httpx.stream(chosen, f"{server}{path}", content=content, timeout=30, **options) as answer:
        try:
            for piece in answer.iter_bytes():
                found += piece
        except httpx.RemoteProtocolError:
            cut = True
    headers = {name: answer.headers[name].replace(server, "") for name in HEADERS if name in answer.headers}
    return Answer(answer.status_code, headers, found.decode(), cut)
