"""The comparison as one HTML page that needs nothing else: no network, no server.

The page holds the comparison as JSON and draws it with the scripts of ``view/``. Contents of events reach the document
as text only, never as markup: the template escapes, the JSON hides every ``<``, and the scripts set ``textContent``.
"""

from __future__ import annotations

from lcel_adapters._reports._drawn import drawn
from lcel_adapters._reports._missing import needs
from lcel_adapters._reports._view import SCRIPTS, STYLE, joined, report_file, view_file
from lcel_compat.compare import Comparison
from lcel_compat.events import JsonValue, to_json


def write(comparison: Comparison) -> str:
    """The page.

    Raises:
        ModuleNotFoundError: If jinja2 is not installed; the message says how to get it.
    """
    with needs("jinja2"):
        from jinja2 import Environment, StrictUndefined
        from markupsafe import Markup
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    template = environment.from_string(report_file("report.html.j2"))
    return template.render(
        verdict=comparison.verdict,
        comparison=comparison,
        style=Markup(view_file(STYLE) + report_file("report.css")),
        script=Markup(joined([*map(view_file, SCRIPTS), report_file("report.js")])),
        data=Markup(_embedded(drawn(comparison))),
    )


def _embedded(data: JsonValue) -> str:
    """JSON that no HTML parser takes for anything but text."""
    text = to_json(data)
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")
