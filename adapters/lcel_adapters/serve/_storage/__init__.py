"""Storage of a server: its database, its tables, and the savers of its graphs."""

from __future__ import annotations

from lcel_adapters.serve._storage._assistants import (
    AssistantQuery,
    assistant_history,
    count_assistants,
    create_assistant,
    delete_assistant,
    get_assistant,
    patch_assistant,
    search_assistants,
    set_version,
)
from lcel_adapters.serve._storage._database import Database
from lcel_adapters.serve._storage._errors import StorageError, StorageFull, StorageLocked, StorageUnavailable
from lcel_adapters.serve._storage._notices import Listener, notify
from lcel_adapters.serve._storage._queries import Page, Row, Seen
from lcel_adapters.serve._storage._savers import open_savers
from lcel_adapters.serve._storage._tables import (
    assistant_versions,
    assistants,
    metadata,
    run_events,
    runs,
    threads,
    workers,
)
from lcel_adapters.serve._storage._threads import (
    ACTIVE,
    ThreadQuery,
    active_runs,
    copy_thread,
    count_threads,
    create_thread,
    delete_thread,
    get_thread,
    patch_thread,
    search_threads,
    set_thread_state,
)

__all__ = [
    "ACTIVE",
    "AssistantQuery",
    "Database",
    "Listener",
    "Page",
    "Row",
    "Seen",
    "StorageError",
    "StorageFull",
    "StorageLocked",
    "StorageUnavailable",
    "ThreadQuery",
    "active_runs",
    "assistant_history",
    "assistant_versions",
    "assistants",
    "copy_thread",
    "count_assistants",
    "count_threads",
    "create_assistant",
    "create_thread",
    "delete_assistant",
    "delete_thread",
    "get_assistant",
    "get_thread",
    "metadata",
    "notify",
    "open_savers",
    "patch_assistant",
    "patch_thread",
    "run_events",
    "runs",
    "search_assistants",
    "search_threads",
    "set_thread_state",
    "set_version",
    "threads",
    "workers",
]
