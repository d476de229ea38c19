"""What the page is made of: its own files, and those that draw the comparison's HTML report."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from importlib.resources import files
from typing import Final, Self

from starlette.requests import Request
from starlette.responses import Response

from lcel_adapters._reports._view import SCRIPTS, STYLE, view_file

PAGE: Final = "index.html"
_TYPES: Final = {".css": "text/css", ".html": "text/html", ".js": "text/javascript", ".svg": "image/svg+xml"}
_HEADERS: Final = {
    # Nothing runs in the page or is sent from it but to where it came from, whatever a graph says; and no string ever
    # becomes markup: the browser itself refuses it.
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self';"
    " img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none';"
    " require-trusted-types-for 'script'; trusted-types 'none'",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    # A newer server's page is seen at once; an unchanged file is not sent again.
    "cache-control": "no-cache",
}


@dataclass(frozen=True, slots=True)
class Files:
    """The page's files by name, with their tags."""

    found: dict[str, tuple[bytes, str]]

    @classmethod
    def read(cls) -> Self:
        """Read them, which is done once."""
        return cls({name: (body, f'"{sha256(body).hexdigest()[:32]}"') for name, body in _bodies()})

    def answer(self, name: str, request: Request, **headers: str) -> Response:
        """One of them; 304 if the browser has it, 404 if there is none of this name."""
        if name not in self.found:
            return Response('{"detail":"Not Found"}', 404, media_type="application/json")
        body, tag = self.found[name]
        said = {**_HEADERS, "etag": tag, **headers}
        if request.headers.get("if-none-match") == tag:
            return Response(status_code=304, headers=said)
        return Response(body, media_type=_TYPES[name[name.rindex(".") :]], headers=said)


def _bodies() -> Iterator[tuple[str, bytes]]:
    for name in (STYLE, *SCRIPTS):
        yield name, view_file(name).encode()
    for file in (files("lcel_adapters.serve._page") / "files").iterdir():
        yield file.name, file.read_bytes()
