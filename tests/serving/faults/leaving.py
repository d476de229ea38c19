"""Clients that leave, or stop reading, in the middle of an answer: on the socket itself, where nothing reads ahead."""

from __future__ import annotations

import json
import socket
from types import TracebackType
from typing import Any, Self

from tests.support.served import Served

SECONDS = 60.0
"""How long an answer may take."""


class Raw:
    """A request whose answer is read by the byte.

    Args:
        server: Where it goes.
        path: What is asked.
        body: JSON to be posted.
        room: Bytes that the client's side of the connection holds, about.
    """

    def __init__(self, server: Served, path: str, body: Any, room: int | None = None) -> None:
        self._socket = socket.socket()
        self._socket.settimeout(SECONDS)
        if room is not None:
            # Before it connects, or the window is agreed upon.
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, room)
        self._socket.connect(("127.0.0.1", server.port))
        sent = json.dumps(body).encode()
        head = f"POST {path} HTTP/1.1\r\nhost: test\r\nconnection: close\r\ncontent-type: application/json\r\n"
        self._socket.sendall(f"{head}content-length: {len(sent)}\r\n\r\n".encode() + sent)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._socket.close()

    def take(self, size: int) -> bytes:
        """So many bytes, or what there is until the end."""
        parts: list[bytes] = []
        while size > 0 and (part := self._socket.recv(min(size, 65_536))):
            parts.append(part)
            size -= len(part)
        return b"".join(parts)

    def until(self, text: bytes) -> bytes:
        """What comes until a text was read, or until the end."""
        found = b""
        while text not in found and (part := self.take(1)):
            found += part
        return found

    def rest(self) -> bytes:
        """Everything that is left."""
        return self.take(2**40)
