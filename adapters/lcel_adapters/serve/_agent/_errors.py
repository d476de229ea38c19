"""Errors as the Agent Server answers them: ``{"detail": "<text>"}``, always (AGENT-SERVER.md, (ii))."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exception_handlers import request_validation_exception_handler
from fastapi.exceptions import RequestValidationError

from lcel_adapters.serve._agent._routing import JsonRoute, answer
from lcel_adapters.serve._storage import StorageError, StorageFull, StorageUnavailable

BAD_JSON = "Invalid JSON in request body"
_KINDS = {"thread_id": "thread", "assistant_id": "assistant", "run_id": "run"}
_log = logging.getLogger(__name__)


def install_errors(app: FastAPI) -> None:
    """Let an application answer its errors in this form; FastAPI itself does so for ``HTTPException``."""
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(StorageError, _storage)
    app.add_exception_handler(Exception, _unexpected)


async def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    if not isinstance(request.scope.get("route"), JsonRoute):
        # A route of the application beside, or of LangServe's dialect.
        return await request_validation_exception_handler(request, error)
    return answer({"detail": _detail(error.errors())}, status=422)


async def _storage(request: Request, error: Exception) -> Response:
    _log.error("%s %s: %s", request.method, request.url.path, error)
    if isinstance(error, StorageFull):
        return answer({"detail": "The server has no room left."}, status=507)
    if isinstance(error, StorageUnavailable):
        return answer({"detail": "The database does not answer; try again later."}, {"retry-after": "5"}, status=503)
    return answer({"detail": "Internal Server Error"}, status=500)


async def _unexpected(request: Request, error: Exception) -> Response:
    # The ASGI server logs the error itself: it is raised again behind this answer. It also cuts the connection then,
    # which a client has to know, or its next request is lost there.
    return answer({"detail": "Internal Server Error"}, {"connection": "close"}, status=500)


def _detail(errors: Sequence[Mapping[str, Any]]) -> str:
    """What is wrong with a request, one line for each error."""
    for error in errors:
        if _is_no_json(error):
            return BAD_JSON
        if error["type"].startswith("uuid") and error["loc"][-1] in _KINDS:
            return f"Invalid {_KINDS[error['loc'][-1]]} ID: must be a UUID"
    return "\n".join(dict.fromkeys(map(_line, errors)))


def _is_no_json(error: Mapping[str, Any]) -> bool:
    return error["type"] == "json_invalid" or (error["type"], error["loc"]) == ("missing", ("body",))


def _line(error: Mapping[str, Any]) -> str:
    place = ".".join(str(part) for part in error["loc"][1:]) or str(error["loc"][0])
    return f"{place}: {error['msg']}"
