"""What authentication refuses: requests, and servers that should not be started.

CannotRunError
+-- AuthError           what should guard the server cannot
+-- OpenBindingError    the server would be open to everyone who reaches it
HTTPException
+-- Denied              a request is answered with a refusal
"""

from __future__ import annotations

from collections.abc import Mapping

from starlette.exceptions import HTTPException

from lcel_adapters._cli._load import CannotRunError


class AuthError(CannotRunError):
    """What should guard the server cannot; the message says why, and what to do."""


class OpenBindingError(CannotRunError):
    """The server would be open to everyone who reaches it."""


class Denied(HTTPException):
    """The request is refused. FastAPI answers it as it is: ``{"detail": ...}`` with its status.

    Args:
        status_code: 401 for who is not known, 403 for who may not; 500 where the application's handler is at fault.
        detail: What the client reads; of a fault it says nothing, that is in the log.
        headers: Sent with the answer.
    """

    def __init__(self, status_code: int, detail: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(status_code, detail, headers)


def fault() -> Denied:
    """What a client is told when a handler of the application failed: nothing but that."""
    return Denied(500, "Internal Server Error")
