"""API keys: who has one may do everything."""

from __future__ import annotations

import hmac
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Final

from starlette.requests import HTTPConnection

from lcel_adapters.serve._auth._errors import AuthError, Denied

VARIABLE: Final = "LCEL_COMPAT_API_KEYS"
"""Holds keys, with commas between them."""
_REFUSAL: Final = "A valid API key is needed: send it as x-api-key, or as Authorization: Bearer."


@dataclass(frozen=True, slots=True)
class ApiKeys:
    """The keys that open the server; kept as digests, so that nothing that prints this prints a key."""

    digests: tuple[bytes, ...] = field(repr=False)

    @staticmethod
    def of(keys: Iterable[str] | None = None, environ: Mapping[str, str] = os.environ) -> ApiKeys | None:
        """The keys given, or those of the environment; None if there are none.

        Raises:
            AuthError: A key that was given is empty.
        """
        found = list(keys) if keys is not None else _split(environ.get(VARIABLE, ""))
        if not all(key.strip() for key in found):
            raise AuthError("An API key is empty. Leave it out, or give it a value that cannot be guessed.")
        return ApiKeys(tuple(_digest(key.strip().encode()) for key in found)) if found else None

    def check(self, request: HTTPConnection) -> None:
        """Let a request pass that carries one of the keys.

        Raises:
            Denied: It carries none (401).
        """
        if not self._has(_given(request)):
            raise Denied(401, _REFUSAL, {"WWW-Authenticate": "Bearer"})

    def _has(self, key: str) -> bool:
        given = _digest(key.encode("latin-1"))
        # Compared with each, whichever fits: the time it takes says nothing.
        return sum([hmac.compare_digest(given, digest) for digest in self.digests]) > 0


def _given(request: HTTPConnection) -> str:
    if (key := request.headers.get("x-api-key")) is not None:
        return key.strip()
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    return key.strip() if scheme.lower() == "bearer" else ""


def _split(text: str) -> list[str]:
    return [key.strip() for key in text.split(",") if key.strip()]


def _digest(key: bytes) -> bytes:
    return sha256(key).digest()
