"""The command line, `lcel-compat`. It needs the extra `cli`: typer and rich, which nothing else imports."""

from __future__ import annotations

import sys

INSTALL = 'pip install "lcel-compat[cli]"'
_EXTRA = {"rich", "typer"}


def main() -> None:
    """Run the command line; without its extra, say how to install that and exit with code 2."""
    try:
        from lcel_adapters._cli.app import app
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in _EXTRA:
            raise
        print(f"lcel-compat needs {error.name}, which is not installed: {INSTALL}", file=sys.stderr)
        sys.exit(2)
    app(prog_name="lcel-compat")
