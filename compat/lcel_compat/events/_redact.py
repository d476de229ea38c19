"""Secrets are taken out before anything is written: by the key they stand under, and by what they look like.

Files of recordings are shared and committed; what was never written needs not be found later. Both rules are on the
safe side of plain words: a key counts when its last words are those of a secret (``api_key``, ``x-api-key``,
``openAIApiKey``, ``client_secret``; not ``max_tokens`` nor ``token_usage``), a text when it has a form that providers
give to their keys, or holds such a key and its value (``{"password": "..."}`` as a tool call's arguments,
``?api_key=...``). A secret that a model streams token by token is in no single text and is not found.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from lcel_compat.events._json_text import JsonValue

HIDDEN: Final = "**********"
"""What stands for a secret; langchain-core and pydantic show theirs so."""

KEYS: Final = (
    "api_key",
    "api_keys",
    "apikey",
    "access_key",
    "access_token",
    "auth_token",
    "authorization",
    "bearer",
    "client_secret",
    "cookie",
    "credential",
    "credentials",
    "id_token",
    "passphrase",
    "passwd",
    "password",
    "passwords",
    "private_key",
    "pwd",
    "refresh_token",
    "secret",
    "secret_key",
    "secrets",
    "session_token",
    "set_cookie",
    "token",
)
"""The last words of a key under which a secret stands."""

PATTERNS: Final = (
    r"\b(?:sk|pk|rk)-[A-Za-z0-9_-]{16,}",  # OpenAI, Anthropic and who follows them
    r"\b(?:sk|rk)_(?:live|test)_[A-Za-z0-9]{16,}",  # Stripe
    r"\b(?:gsk_|pcsk_|pplx-|r8_|tvly-|xai-)[A-Za-z0-9_-]{20,}",  # Groq, Pinecone, Perplexity, Replicate, Tavily, xAI
    r"\blsv2_[a-z]{2}_[A-Za-z0-9_]{16,}",  # LangSmith
    r"\bgh[oprsu]_[A-Za-z0-9]{30,}",  # GitHub
    r"\bgithub_pat_[A-Za-z0-9_]{30,}",
    r"\bglpat-[A-Za-z0-9_-]{20,}",  # GitLab
    r"\bhf_[A-Za-z0-9]{30,}",  # Hugging Face
    r"\bxox[abeoprs]-[A-Za-z0-9-]{10,}",  # Slack
    r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b",  # AWS
    r"\b(?:AIza[A-Za-z0-9_-]{35}|ya29\.[A-Za-z0-9_-]{20,})",  # Google
    r"\bnpm_[A-Za-z0-9]{36}",
    r"\bSG\.[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{16,}",  # SendGrid
    r"\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*",  # JSON web tokens
    r"(?i)\b(?:bearer|basic)\s+[A-Za-z0-9._~+/=-]{16,}",  # HTTP's Authorization
    r"(?<=://)[^\s/@:]+:[^\s/@]+(?=@)",  # the user and password of a URL
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)",
)
"""What keys, tokens and passwords look like wherever they stand."""

_SHORT: Final = 100
_REMEMBERED: Final = 4096
_WORDS: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")


@dataclass(frozen=True, slots=True)
class Redactor:
    """What is hidden before a file is written.

    Attributes:
        keys: The last words of keys, in lower case with ``_`` between them, whose values are hidden.
        patterns: Regular expressions; each match inside a text is hidden.
    """

    keys: tuple[str, ...] = KEYS
    patterns: tuple[str, ...] = PATTERNS

    def also(self, *, keys: Iterable[str] = (), patterns: Iterable[str] = ()) -> Redactor:
        """The same and more."""
        return Redactor((*self.keys, *map(_normal, keys)), (*self.patterns, *patterns))

    def hide(self, value: JsonValue) -> JsonValue:
        """A copy of ``value`` without secrets."""
        hidden: JsonValue = _rules(self).hide(value)
        return hidden


REDACTOR: Final = Redactor()
"""The secrets that are obvious."""


class _Rules:
    """The rules compiled. Names, ids and keys come again with every event, so that short texts are remembered."""

    def __init__(self, redactor: Redactor) -> None:
        keys, self._patterns = _key_pattern(redactor.keys), [re.compile(pattern) for pattern in redactor.patterns]
        self._assigned = _assigned_pattern(redactor.keys)
        self._is_secret = lru_cache(_REMEMBERED)(lambda key: keys.search(_normal(key)) is not None)
        self._short = lru_cache(_REMEMBERED)(self._searched)

    def hide(self, value: Any) -> Any:
        if isinstance(value, str):
            return self._text(value)
        if isinstance(value, list):
            return [self.hide(part) for part in value] if not self._is_header(value) else [value[0], HIDDEN]
        if isinstance(value, dict):
            return {self._text(key): self._member(key, part) for key, part in value.items()}
        return value

    def _member(self, key: str, part: Any) -> Any:
        if part in (None, "", HIDDEN) or not self._is_secret(key):
            return self.hide(part)
        return HIDDEN

    def _is_header(self, value: list[Any]) -> bool:
        """Whether a list is a name and a secret, as HTTP libraries keep headers."""
        return len(value) == 2 and all(isinstance(part, str) for part in value) and self._is_secret(value[0])

    def _text(self, text: str) -> str:
        return self._short(text) if len(text) <= _SHORT else self._searched(text)

    def _searched(self, text: str) -> str:
        for pattern in self._patterns:
            text = pattern.sub(HIDDEN, text)
        return self._assigned.sub(_hide_assigned, text) if "=" in text or ":" in text else text


@lru_cache(16)
def _rules(redactor: Redactor) -> _Rules:
    return _Rules(redactor)


def _key_pattern(keys: Iterable[str]) -> re.Pattern[str]:
    return re.compile(rf"(?:^|_)(?:{'|'.join(map(re.escape, keys)) or '(?!)'})$")


def _assigned_pattern(keys: Iterable[str]) -> re.Pattern[str]:
    """A key and its value in a text: both in quotes, which may be escaped, or with ``=`` and no space between them."""
    names = "|".join(re.escape(key).replace("_", "[_-]?") for key in sorted(keys, key=len, reverse=True)) or "(?!)"
    quoted = r"""(?P<key>(?P<quote>\\*["'])\s*:\s*(?P<open>\\*["']))(?P<value>(?:(?!(?P=open)).)+)"""
    return re.compile(rf"(?is)(?<![a-z])(?P<name>{names})(?:{quoted}|(?P<equals>=)(?P<plain>[^\s&\"',;)}}]+))")


def _hide_assigned(found: re.Match[str]) -> str:
    return f"{found['name']}{found['key'] or found['equals']}{HIDDEN}"


def _normal(key: str) -> str:
    """``openAIApiKey`` and ``X-Api-Key`` as ``open_ai_api_key`` and ``x_api_key``."""
    return "_".join(_WORDS.findall(key)).lower()
