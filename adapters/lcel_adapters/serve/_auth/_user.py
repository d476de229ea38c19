"""Who asks, as the application's authentication says it."""

from __future__ import annotations

import builtins
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import Any

_OF_USERS = "langgraph_auth_"


class User(Mapping[str, Any]):
    """Who asks: ``langgraph_sdk.auth.types.BaseUser`` by its attributes.

    A mapping of what is known of the user, and beyond it every attribute of the object that the application gave.

    Attributes:
        identity: What tells users apart.
        display_name: ``identity``, if the application says nothing else.
        is_authenticated: True, if it says nothing else.
        permissions: Of the user; none, if it says nothing else.
    """

    __slots__ = ("_fields", "_given", "display_name", "identity", "is_authenticated", "permissions")

    def __init__(self, given: Any, permissions: Sequence[str] | None = None) -> None:
        """Take what an application's authentication returned.

        Args:
            given: A name, a mapping with ``identity``, or an object with that attribute.
            permissions: Those that were returned beside it.

        Raises:
            TypeError: It says no identity.
        """
        self._given = {"identity": given} if isinstance(given, str) else given
        self.identity: str = self._of("identity", None)
        if self.identity is None:
            raise TypeError(
                f"authentication returned {type(given).__name__} without an identity: return a name, a mapping with"
                " 'identity', or an object with that attribute"
            )
        self.display_name: str = self._of("display_name", self.identity)
        self.is_authenticated: bool = self._of("is_authenticated", True)
        self.permissions: list[str] = _listed(self._of("permissions", ()) if permissions is None else permissions)
        self._fields = {**_fields(self._given), **self._known()}

    def _of(self, name: str, default: Any) -> Any:
        if isinstance(self._given, Mapping):
            return self._given.get(name, default)
        return getattr(self._given, name, default)

    def _known(self) -> builtins.dict[str, Any]:
        names = ("identity", "display_name", "is_authenticated", "permissions")
        return {name: getattr(self, name) for name in names}

    def dict(self) -> builtins.dict[str, Any]:
        """What is known of the user, to be kept with a run."""
        return builtins.dict(self._fields)

    def __getitem__(self, key: str) -> Any:
        return self._fields[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._fields)

    def __len__(self) -> int:
        return len(self._fields)

    def __getattr__(self, name: str) -> Any:
        # Private names are those of copying and pickling, which ask before there is anything to ask.
        if name.startswith("_"):
            raise AttributeError(name)
        if name in self._fields:
            return self._fields[name]
        return getattr(self._given, name)

    def __hash__(self) -> int:
        return hash(self.identity)

    def __repr__(self) -> str:
        return f"User(identity={self.identity!r})"


def user_of(response: Any) -> User:
    """The user of what an authentication returned.

    A pair is permissions and user, as the Agent Server takes it.

    Raises:
        TypeError: It says no identity.
    """
    if isinstance(response, tuple) and len(response) == 2:
        permissions, given = response
        return User(given, permissions)
    return User(response)


def _listed(permissions: Sequence[str]) -> list[str]:
    return [permissions] if isinstance(permissions, str) else list(permissions)


def configurable_of(configurable: Mapping[str, Any], user: Mapping[str, Any] | None) -> dict[str, Any]:
    """A run's ``configurable`` with who asks, under the names of the Agent Server; what others wrote there is dropped.

    Args:
        configurable: What clients say.
        user: What is known of who asks; None if nothing is.
    """
    others = {key: value for key, value in configurable.items() if not key.startswith(_OF_USERS)}
    if user is None:
        return others
    identity = user.get("identity", "")
    return {
        # A client may say for which user it asks.
        "user_id": identity,
        **others,
        "langgraph_auth_user": user,
        "langgraph_auth_user_id": identity,
        "langgraph_auth_permissions": user.get("permissions", []),
    }


def _fields(given: Any) -> builtins.dict[str, Any]:
    if isinstance(given, Mapping):
        return builtins.dict(given)
    if is_dataclass(given) and not isinstance(given, type):
        return {field.name: getattr(given, field.name) for field in fields(given)}
    for name in ("model_dump", "dict"):
        if callable(method := getattr(given, name, None)):
            return builtins.dict(method())
    return {}
