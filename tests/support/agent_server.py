"""The Agent Server that tests talk to: ours on a loopback port, or the one that LCEL_COMPAT_AGENT_SERVER names."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from tests.support.servers import Server

OTHER = os.environ.get("LCEL_COMPAT_AGENT_SERVER")
"""The URL of another server of the same graphs: with the real one's, the tests themselves are tested."""


@contextmanager
def serving(graphs: dict[str, Any], folder: Path, **settings: Any) -> Iterator[str]:
    """The URL of a server of ``graphs`` that ends with the block.

    Args:
        graphs: By name.
        folder: For the database.
        settings: Of ``create_app``.
    """
    if OTHER:
        yield OTHER
        return
    from lcel_adapters.serve import create_app

    app = create_app(graphs=graphs, database=f"sqlite:///{folder / 'agent.db'}", **settings)
    with closing(Server(app)) as server:
        server.open()
        yield server.url
