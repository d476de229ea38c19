"""``updates``: what each node did to the state, as it finishes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lcel_compat._constants import ERROR, INTERRUPT
from lcel_compat._log import Asked, Entry, TaskFinished


class Updates:
    """Gives ``{node: update}``; ``{node: None}`` for one that changed nothing that is shown.

    A node that wrote one key several times, with a list of commands, gives the list of its writes
    (``langgraph/pregel/_io.py``, ``map_output_updates``). A run that waits gives ``{"__interrupt__": (...)}``; one that
    goes on shows again what was done before, marked by ``{"__metadata__": {"cached": True}}``.
    """

    reads: tuple[type[Entry], ...] = (TaskFinished, Asked)

    def __init__(self, output_keys: Sequence[str], *, is_root: bool) -> None:
        self._keys = frozenset(output_keys)
        self._is_root = is_root

    def project(self, entry: TaskFinished | Asked) -> Sequence[dict[str, Any]]:
        if isinstance(entry, Asked):
            return ({INTERRUPT: entry.interrupts},)
        if entry.writes and entry.writes[0][0] in (ERROR, INTERRUPT):
            return ()
        update = {entry.task.name: self._update(entry.writes)}
        return ({**update, "__metadata__": {"cached": True}} if entry.cached else update,)

    def _update(self, writes: Sequence[tuple[str, Any]]) -> Any:
        shown = [(key, value) for key, value in writes if key in self._keys]
        if self._is_root:
            parts = [value for _, value in shown]
        elif len(merged := dict(shown)) == len(shown):
            return merged or None
        else:
            parts = [{key: value} for key, value in shown]
        return parts[0] if len(parts) == 1 else parts or None
