"""A stream on standard output: as JSON lines, or as lines to read."""

from __future__ import annotations

import sys
from typing import Any

from rich.console import Console, Group
from rich.live import Live

from lcel_adapters._cli._console import is_watched
from lcel_adapters._cli._render import Folder, Line, as_text
from lcel_adapters._cli._stream import Plan, run
from lcel_compat.events import to_json


def write_json(mode: str, item: Any, **more: Any) -> None:
    """Write one item as one line, and send it off."""
    sys.stdout.write(to_json({**more, "mode": mode, "item": item}) + "\n")
    sys.stdout.flush()


def show(plan: Plan, console: Console) -> None:
    """Print a stream in lines; on a terminal, those that are still growing can be watched."""
    folder, label = Folder(), len(plan.modes) > 1

    def put(lines: list[Line]) -> None:
        for line in lines:
            console.print(as_text(line, label=label, width=console.width))

    def growing() -> Group:
        return Group(*(as_text(line, label=label, width=console.width) for line in folder.pending()))

    if is_watched(console):
        with Live(console=console, get_renderable=growing, transient=True, refresh_per_second=12):
            run(plan, lambda mode, item: put(folder.add(mode, item)))
    else:
        run(plan, lambda mode, item: put(folder.add(mode, item)))
    put(folder.close())
