"""The scripts and the style that draw comparisons and runs, in the HTML report as on a server's page.

They are ES modules. A server sends them as files of one folder; a report, which is one file, has them joined.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from importlib.resources import files
from typing import Final

SCRIPTS: Final = ("dom.js", "theme.js", "tree.js", "comparison.js")
"""Each imports but those before it."""
STYLE: Final = "view.css"
_HERE: Final = files("lcel_adapters._reports")
_IMPORT: Final = re.compile(r"^import \{[^}]*\} from \"\./[\w.]+\";\n", re.MULTILINE)
_EXPORT: Final = re.compile(r"^export (?=(async )?(class|const|function)\b)", re.MULTILINE)


def view_file(name: str) -> str:
    """The text of one of the files."""
    return (_HERE / "view" / name).read_text("utf-8")


def report_file(name: str) -> str:
    """The text of a file that only the report has."""
    return (_HERE / name).read_text("utf-8")


def joined(modules: Sequence[str]) -> str:
    """Modules as one script: what they import stands above, and no two of them use a name twice."""
    return "\n".join(_EXPORT.sub("", _IMPORT.sub("", module)) for module in modules)
