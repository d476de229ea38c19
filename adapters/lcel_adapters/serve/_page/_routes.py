"""The routes of the page. Its files hold no secrets and are sent to whoever asks; what it asks for is guarded."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import APIRouter, Depends, Request, Response

from lcel_adapters.serve._agent._routing import GuardedRoute
from lcel_adapters.serve._auth import Access
from lcel_adapters.serve._json import dumps
from lcel_adapters.serve._page._compare import Sides, compared
from lcel_adapters.serve._page._files import PAGE, Files
from lcel_adapters.serve._serving import access_of

# None of it is the API: the document leaves it out.
router = APIRouter(include_in_schema=False)
_FILES: Final = Files.read()
_VARY: Final = {"vary": "accept"}


@router.get("/")
@router.head("/")
async def page(request: Request) -> Response:
    """The page for a browser; for anything else the word that the server is there (AGENT-SERVER.md, (ii))."""
    if "text/html" in request.headers.get("accept", ""):
        return _FILES.answer(PAGE, request, **_VARY)
    return Response(dumps({"ok": True}), media_type="application/json", headers=_VARY)


@router.get("/page/{name}")
async def file(name: str, request: Request) -> Response:
    """One of the files that the page loads."""
    return _FILES.answer(name, request)


# Not a coroutine: it computes, so it gets a thread.
def compare(sides: Sides, _access: Annotated[Access, Depends(access_of)]) -> Response:
    """Compare two runs."""
    return Response(dumps(compared(sides)), media_type="application/json")


router.add_api_route("/page/compare", compare, methods=["POST"], route_class_override=GuardedRoute)
