"""The assistants that graphs have by themselves."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import Connection

from lcel_adapters.serve._agent._asked import assistant_id_of
from lcel_adapters.serve._storage import create_assistant
from lcel_adapters.serve._target import Target


def own_assistants(connection: Connection, targets: Mapping[str, Target]) -> None:
    """Make the assistant of each graph that has none yet; one that somebody changed stays as it is.

    Two servers that start at once may both try: each finds what the other made.
    """
    for name, target in targets.items():
        columns = {
            "graph_id": name,
            "name": name,
            "description": target.description,
            "config": {},
            "context": {},
            "metadata": {"created_by": "system"},
        }
        create_assistant(connection, assistant_id_of(name), columns)
