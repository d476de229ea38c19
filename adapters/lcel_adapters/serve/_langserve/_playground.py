"""The playground: a page on which one can try a route (EVENTS.md, 1.2: ``/playground/``).

It is ours and small: the schemas, an input and a config as JSON or a chat, and what the route answers. It asks its own
route by relative addresses, so that it works behind any prefix, and under ``/c/{config_hash}`` with that config.
"""

from __future__ import annotations

import html
from dataclasses import dataclass
from importlib.resources import files
from string import Template
from typing import Any, Self

import orjson
from starlette.requests import Request
from starlette.responses import Response

from lcel_adapters.serve._langserve._config import in_path
from lcel_adapters.serve._langserve._served import Served

_TYPES = {"playground.css": "text/css", "playground.js": "text/javascript"}
_HEADERS = {
    # Nothing but what comes with the page may run in it, whatever a schema's descriptions say.
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self';"
    " img-src data:; base-uri 'none'; form-action 'none'",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}
_IN_SCRIPTS = str.maketrans({character: f"\\u{ord(character):04x}" for character in "<>&\u2028\u2029"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """The files of the playground.

    Attributes:
        template: The page, with places for its title and its data.
        assets: What it loads, by name.
    """

    template: Template
    assets: dict[str, bytes]

    @classmethod
    def read(cls) -> Self:
        """Read the files, which is done once for a route and not in requests."""
        folder = files(__package__) / "page"
        template = Template((folder / "playground.html").read_text("utf-8"))
        return cls(template=template, assets={name: (folder / name).read_bytes() for name in _TYPES})

    async def answer(self, served: Served, request: Request) -> Response:
        """The page, or one of its files."""
        name = request.path_params.get("file_path", "")
        if name in self.assets:
            return Response(self.assets[name], media_type=_TYPES[name], headers=_HEADERS)
        if name not in ("", "index.html"):
            return Response("Not Found", 404)
        title = html.escape(served.wishes.run_name or "/")
        page = self.template.substitute(title=title, data=_in_script(await _data(served, request)))
        return Response(page, media_type="text/html", headers=_HEADERS)


async def _data(served: Served, request: Request) -> dict[str, Any]:
    """What the page is told of its route."""
    config = served.configs.of_path(request)
    tracing = served.langsmith.enabled
    return {
        "kind": served.wishes.playground_type,
        "input_schema": (await served.schemas.input_of(config)).model_json_schema(),
        "output_schema": (await served.schemas.output_of(config)).model_json_schema(),
        "config_schema": served.schemas.config.model_json_schema(),
        "config": in_path(request),
        "endpoints": sorted(served.wishes.endpoints),
        "feedback": tracing and served.wishes.enable_feedback_endpoint,
        "public_trace_link": tracing and served.wishes.enable_public_trace_link_endpoint,
    }


def _in_script(data: dict[str, Any]) -> str:
    """JSON that cannot end the element that it stands in."""
    return orjson.dumps(data).decode().translate(_IN_SCRIPTS)
