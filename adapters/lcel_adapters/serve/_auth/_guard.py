"""Who may do what: asked once for each request, and for each thing that it touches."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final

from starlette.requests import Request

from lcel_adapters.serve._auth._errors import AuthError
from lcel_adapters.serve._auth._filter import Filter
from lcel_adapters.serve._auth._handlers import Handlers
from lcel_adapters.serve._auth._keys import VARIABLE, ApiKeys
from lcel_adapters.serve._auth._user import User


@dataclass(frozen=True, slots=True)
class Access:
    """What one request may do.

    Attributes:
        user: Who asks; None where the application does not say, so without ``Auth``.
    """

    user: User | None = None
    _handlers: Handlers | None = field(default=None, repr=False)

    @property
    def permissions(self) -> list[str]:
        """Of the user; none without one."""
        return [] if self.user is None else self.user.permissions

    async def authorize(self, resource: str, action: str, value: dict[str, Any]) -> Filter | None:
        """Ask whether this may be done, and on what.

        Args:
            resource: ``threads``, ``assistants`` or ``store``.
            action: As in ``@auth.on.threads.create``.
            value: What is asked for; handlers change it, and what they made of it is what has to be done.

        Returns:
            What its metadata must hold to be seen; None if everything is.

        Raises:
            Denied: It may not be done.
        """
        if self.user is None or self._handlers is None:
            return None
        return await self._handlers.authorize(self.user, resource, action, value)


_ANYONE: Final = Access()
_KNOWN: Final = "lcel_adapters.access"
"""Of a request's scope: which guard let it in, and as whom."""


@dataclass(frozen=True, slots=True)
class Guard:
    """What lets requests in; ``Guard()`` lets everyone in, at no cost."""

    keys: ApiKeys | None = None
    handlers: Handlers | None = None

    @staticmethod
    def of(api_keys: Iterable[str] | None = None, auth: Any = None) -> Guard:
        """The guard of API keys or of an ``Auth``.

        Args:
            api_keys: One of which a request must carry; None for those in ``LCEL_COMPAT_API_KEYS``.
            auth: A ``langgraph_sdk.Auth``, or what has its attributes.

        Raises:
            AuthError: There are both, the ``Auth`` cannot be used, or a key is empty.
        """
        keys = ApiKeys.of(api_keys)
        if keys is not None and auth is not None:
            raise AuthError(
                f"there are API keys too, and both read the Authorization header: leave out the keys ({VARIABLE},"
                " --api-key) and check them in @auth.authenticate, or leave out the Auth"
            )
        return Guard(keys, None if auth is None else Handlers(auth))

    @property
    def is_open(self) -> bool:
        """Whether anyone may do anything."""
        return self.keys is None and self.handlers is None

    @property
    def warnings(self) -> tuple[str, ...]:
        """What should be said when the server starts."""
        uncovered = [] if self.handlers is None else self.handlers.uncovered()
        if not uncovered:
            return ()
        return (
            f"No authorization handler answers for {', '.join(uncovered)}: every user may do that with everything."
            " Register one for the rest with @auth.on that returns False.",
        )

    async def access(self, request: Request) -> Access:
        """Let a request in; whoever asks again is answered as before.

        Raises:
            Denied: It carries no valid key (401), or the application refuses it.
        """
        known = request.scope.get(_KNOWN)
        if known is not None and known[0] is self:
            return known[1]  # type: ignore[no-any-return]
        if self.keys is not None:
            self.keys.check(request)
        access = _ANYONE
        if self.handlers is not None:
            access = Access(await self.handlers.authenticate(request), self.handlers)
        request.scope[_KNOWN] = (self, access)
        return access
