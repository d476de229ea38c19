"""What ``langgraph.json`` may say, as far as it concerns a server (langgraph-cli 0.4.40, ``schemas.py``).

What is missing here is either for those who build images (``HOSTED``), or not done (``UNSUPPORTED``).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator

HOSTED: Final = frozenset(
    {
        "_INTERNAL_docker_tag",
        "api_version",
        "auth.cache",
        "base_image",
        "dockerfile_lines",
        "image_distro",
        "keep_pkg_tools",
        "node_version",
        "pip_config_file",
        "pip_installer",
        "python_version",
        "source",
        "ui",
        "ui_config",
    }
)
"""Keys that say something to the hosted platform alone: they are accepted."""

UNSUPPORTED: Final[Mapping[str, str]] = {
    "auth.allow_langsmith_api_keys": "there is no LangSmith to ask here",
    "checkpointer.path": "checkpoints are kept in --database",
    "checkpointer.serde": "checkpoints are read and written in LangGraph's own form",
    "checkpointer.ttl": "nothing is deleted by its age",
    "encryption": "nothing is encrypted beyond what the database does",
    "priority": "runs start in the order in which they are asked for",
    "store.index": "items are not searched by meaning",
    "store.path": "items are kept in --database",
    "store.ttl": "nothing is deleted by its age",
    "webhooks": "none of its rules is enforced, and its headers are not sent",
}
"""Keys that would be passed over at the cost of whoever relies on them: they are refused."""

_SECRET_HEADERS: Final = frozenset({"authorization", "x-api-key", "x-service-key", "x-tenant-id"})


class Section(BaseModel):
    """A part of the file; what it does not know is kept, to be warned of."""

    model_config = ConfigDict(frozen=True, extra="allow", use_attribute_docstrings=True)


def _entry(value: Any) -> Any:
    if not isinstance(value, str | dict):
        raise ValueError('it is neither "FILE.py:OBJECT" nor {"path": "FILE.py:OBJECT"}')
    return {"path": value} if isinstance(value, str) else value


def _variables(value: Any) -> Any:
    if isinstance(value, str):
        return value
    if not isinstance(value, dict):
        raise ValueError("it is neither the name of a file nor an object of variables")
    for name, text in value.items():
        if not isinstance(text, str) or "\0" in text:
            raise ValueError(f'the variable {name!r} is no text: write {{"{name}": "..."}}')
        if not name or "=" in name or "\0" in name:
            raise ValueError(f"a variable cannot be called {name!r}")
    return value


class GraphSection(Section):
    """One graph."""

    path: str
    """``FILE.py:OBJECT`` or ``MODULE:OBJECT``."""
    description: str | None = None
    """For people who choose."""


class AuthSection(Section):
    """Who may use the server."""

    path: str
    """Of a ``langgraph_sdk.Auth``."""
    disable_studio_auth: bool = False
    """Of no meaning here: nobody is let in for coming from the Studio."""
    openapi: dict[str, Any] | None = None
    """``securitySchemes``, ``security`` and ``paths`` for the API's description."""


class CorsSection(Section):
    """Which pages of other origins may read answers; the words are those of Starlette's ``CORSMiddleware``."""

    allow_origins: list[str] | None = None
    allow_methods: list[str] | None = None
    allow_headers: list[str] | None = None
    allow_credentials: bool | None = None
    allow_origin_regex: str | None = None
    expose_headers: list[str] | None = None
    max_age: int | None = None

    @field_validator("allow_origin_regex")
    @classmethod
    def _compiles(cls, text: str | None) -> str | None:
        try:
            re.compile(text or "")
        except re.error as error:
            raise ValueError(f"it is no regular expression: {error}") from error
        return text

    def options(self) -> dict[str, Any]:
        """What the file says, as arguments of ``CORSMiddleware``."""
        return {name: value for name in type(self).model_fields if (value := getattr(self, name)) is not None}


class HeadersSection(Section):
    """Which headers of a request are meant; ``*`` stands for any letters."""

    includes: list[str] | None = None
    excludes: list[str] | None = None
    include: list[str] | None = None
    """Another spelling of ``includes``."""
    exclude: list[str] | None = None
    """Another spelling of ``excludes``."""

    def allows(self, name: str) -> bool:
        """Whether a header is meant: never one that holds a key, none that is excluded, and of the rest those included.

        The rule is langgraph-api's (0.16.7, ``utils/headers.py``).
        """
        name = name.lower()
        if name in _SECRET_HEADERS or _matches(name, self.excludes or self.exclude):
            return False
        return _matches(name, self.includes or self.include)


class HttpSection(Section):
    """How the server answers."""

    app: str | None = None
    """Of a Starlette or FastAPI application to be served beside: its middleware before all routes, its routes first."""
    cors: CorsSection | None = None
    configurable_headers: HeadersSection | None = None
    """Headers that runs find in ``config["configurable"]``."""
    logging_headers: HeadersSection | None = None
    """Headers that may be logged."""
    mount_prefix: str | None = None
    """Below which all routes are: ``/api``."""
    disable_assistants: bool = False
    disable_threads: bool = False
    disable_runs: bool = False
    disable_store: bool = False
    disable_meta: bool = False
    """Leaves out ``/info``, ``/metrics``, ``/docs`` and ``/openapi.json``; ``/ok`` stays."""
    disable_webhooks: bool = False
    """Runs may name webhooks all the same; nobody calls them."""
    disable_event_streaming: bool = False
    disable_ui: bool = False
    disable_mcp: bool = False
    disable_a2a: bool = False
    enable_custom_route_auth: bool = False
    """Whether ``app``'s own routes need authentication too."""
    middleware_order: Literal["auth_first", "middleware_first"] | None = None
    """Whether it is asked who is there before ``app``'s middleware, or behind it (so by default)."""

    @field_validator("mount_prefix")
    @classmethod
    def _begins_with_a_slash(cls, prefix: str | None) -> str | None:
        if prefix and not prefix.startswith("/"):
            raise ValueError(f"it begins with no slash: write {'/' + prefix!r}")
        return prefix.rstrip("/") or None if prefix else None


class Config(Section):
    """The whole file."""

    graphs: dict[str, Annotated[GraphSection, BeforeValidator(_entry)]] = Field(default_factory=dict)
    """What is served, by the name that clients say."""
    env: Annotated[str | dict[str, str], BeforeValidator(_variables)] = Field(default_factory=dict)
    """A file of ``NAME=value`` lines, or the variables themselves."""
    dependencies: list[str] = Field(default_factory=list)
    """Folders that modules are imported from, and distributions that have to be installed."""
    auth: AuthSection | None = None
    http: HttpSection = HttpSection()
    schema_: str | None = Field(default=None, alias="$schema")
    """For editors."""

    @field_validator("http", mode="before")
    @classmethod
    def _nothing_is_the_default(cls, value: Any) -> Any:
        return {} if value is None else value


def _matches(name: str, patterns: list[str] | None) -> bool:
    return any(re.fullmatch(_regex(pattern), name) for pattern in patterns or ())


def _regex(pattern: str) -> str:
    return ".*".join(map(re.escape, pattern.lower().split("*")))
