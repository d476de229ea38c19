"""The command line, `lcel-compat`. It needs the extra `cli`: typer and rich, which nothing else imports."""

from __future__ import annotations

import sys
from importlib import import_module

INSTALL = 'pip install "lcel-compat[cli]"'
_EXTRA = ("typer", "rich")


def main() -> None:
    """Run the command line; without its extra, say how to install that and exit with code 2."""
    for package in _EXTRA:
        try:
            import_module(package)
        except ModuleNotFoundError as error:
            print(f"lcel-compat needs {error.name}, which is not installed: {INSTALL}", file=sys.stderr)
            sys.exit(2)

    from lcel_adapters._cli.app import app

    app(prog_name="lcel-compat")
