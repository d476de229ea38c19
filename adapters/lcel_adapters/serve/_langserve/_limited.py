"""The limits under which LangServe's clients run things: those of the server that the routes belong to.

The routes of ``create_app`` say whose they are; what an application adds by ``add_routes`` has no limits, as with
LangServe.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, TypeVar

from starlette.requests import Request

if TYPE_CHECKING:
    from lcel_adapters.serve._serving import Place, Serving

T = TypeVar("T")
_SERVING: Final = "lcel_adapters.serving"


def limit(request: Request, serving: Serving) -> None:
    """Let a request run things under the limits of a server."""
    request.scope[_SERVING] = serving


async def execute(request: Request, work: Callable[[], Awaitable[T]]) -> T:
    """What a run returns.

    Raises:
        Ended: It does not come to its end.
    """
    serving: Serving | None = request.scope.get(_SERVING)
    return await (work() if serving is None else serving.runs.turns.execute(work))


@contextmanager
def place_of(request: Request) -> Iterator[Place | None]:
    """A place for an answer to stream; None where nobody counts them.

    Raises:
        HTTPException: There is none (503).
    """
    serving: Serving | None = request.scope.get(_SERVING)
    if serving is None:
        yield None
        return
    with serving.place() as place:
        yield place
