"""``stream_log_name_allow_list``: which runs a client may hear of."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Self

from lcel_adapters.serve._langserve._served import Asked, Served

_LOGS = "/logs/"


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowed:
    """What of one run may be shown: the root run, and the runs of the names in the list.

    LangServe looks the list up in an attribute that runnables lack (EVENTS.md, 1.3). Where they have it, being bindings
    with a ``run_name``, it shows all of a run whose own name is in the list; so does this.

    Attributes:
        names: The list; None if everything may be shown.
        run_id: The root run's id.
        keys: The entries of the log that were found to be allowed.
    """

    names: frozenset[str] | None
    run_id: str
    keys: set[str] = field(default_factory=set)

    @classmethod
    def of(cls, served: Served, asked: Asked) -> Self:
        """What may be shown of the run that was asked for."""
        names = served.wishes.allowed_names
        own = (getattr(served.runnable, "config", None) or {}).get("run_name")
        return cls(names=None if names is None or own in names else names, run_id=asked.run_id)

    def event(self, event: Any) -> bool:
        """Whether an event may be shown."""
        return self.names is None or event["run_id"] == self.run_id or event["name"] in self.names

    def ops(self, ops: Iterable[Any]) -> list[Any]:
        """Those operations of a patch that may be shown."""
        return [op for op in ops if self._op(op)]

    def _op(self, op: Any) -> bool:
        if self.names is None or not op["path"].startswith(_LOGS):
            return True
        key, _, rest = op["path"].removeprefix(_LOGS).partition("/")
        if not rest and op["op"] == "add" and op["value"]["name"] in self.names:
            self.keys.add(key)
        return key in self.keys
