"""What a checkpoint keeps beside the values of channels: their versions, and what each node has seen of them.

A node runs when a channel that triggers it has a newer version than the node has seen. While a run goes on, the
machine knows that anyway, from what changed; the ledger is for runs that are saved, and continued from what was saved.
Its rules are those of ``langgraph/pregel/_algo.py``, so that either engine continues what the other began.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from lcel_compat._constants import CONTROL_WRITES, ERROR, INTERRUPT, LAYOUT, NULL_TASK, RESUME
from lcel_compat.channels import MISSING, Channel
from lcel_compat.types import Interrupt

if TYPE_CHECKING:
    from langgraph.checkpoint.base import Checkpoint

PendingWrite = tuple[str, str, Any]
"""``(task id, channel, value)``: what a task did in a superstep that is not applied yet."""

_ONE_SLOT: Final = frozenset({ERROR, INTERRUPT, RESUME, "__scheduled__"})
"""Writes of which a saver keeps one for each task, the newest (``WRITES_IDX_MAP`` of langgraph-checkpoint)."""


@dataclass(slots=True, kw_only=True)
class TaskStatus:
    """What the writes of one task say about it.

    A task is finished if and only if it wrote something else than control writes; that is why one that has nothing to
    write writes ``__no_writes__``.

    Attributes:
        output: What it wrote, control writes left out.
        interrupts: What it asked last.
        error: What it raised.
    """

    output: list[tuple[str, Any]] = field(default_factory=list)
    interrupts: tuple[Interrupt, ...] = ()
    error: Any = None

    @property
    def finished(self) -> bool:
        """Whether it ran to its end."""
        return bool(self.output)

    @property
    def waits_for(self) -> tuple[Interrupt, ...]:
        """The questions that nobody has answered yet."""
        return () if self.finished else self.interrupts


def statuses(pending: Iterable[PendingWrite]) -> dict[str, TaskStatus]:
    """What the pending writes of a superstep say about each of its tasks, by task id."""
    found: dict[str, TaskStatus] = {}
    for task_id, channel, value in pending:
        if task_id == NULL_TASK:
            continue
        status = found.setdefault(task_id, TaskStatus())
        if channel == INTERRUPT:
            status.interrupts += tuple(value) if isinstance(value, list | tuple) else (value,)
        elif channel == ERROR:
            status.error = value if status.error is None else status.error
        elif channel not in CONTROL_WRITES:
            status.output.append((channel, value))
    return found


class Ledger:
    """The versions of one run.

    Args:
        next_version: Makes the version after another: ``get_next_version`` of the saver.
        checkpoint: Where the run begins; its dicts become the ledger's.
        pending: What was written after it.

    Attributes:
        id: The checkpoint's id, from which the ids of the superstep's tasks are made.
        versions: The version of each channel that was ever written.
        seen: The versions that each node has seen of the channels that trigger it.
        updated: The channels that the last superstep changed, if that is known.
        pending: What has been written since the checkpoint, and not applied.
        moved: The channels whose values the last checkpoint that was saved does not have.
    """

    def __init__(
        self,
        next_version: Callable[[Any, None], Any],
        checkpoint: Checkpoint | None = None,
        pending: Sequence[PendingWrite] = (),
    ) -> None:
        kept: Mapping[str, Any] = checkpoint or {}
        self._next = next_version
        self.id: str = kept["id"] if checkpoint else _new_id(-2)
        self.versions: dict[str, Any] = dict(kept.get("channel_versions", {}))
        self.seen: dict[str, dict[str, Any]] = {n: dict(s) for n, s in kept.get("versions_seen", {}).items()}
        self.updated: set[str] | None = set(kept.get("updated_channels") or ()) or None
        self.pending: list[PendingWrite] = [(str(task_id), name, value) for task_id, name, value in pending]
        self.moved: set[str] = set(self.versions)
        self._latest = max(self.versions.values(), default=None)

    def advance(self, step: int) -> None:
        """A superstep is applied: from here on it is another checkpoint."""
        self.id = _new_id(step)

    def see(self, node: str, triggers: Iterable[str]) -> None:
        """A node has run; it has seen the channels that trigger it as they are."""
        versions = self.versions
        self.seen.setdefault(node, {}).update({c: versions[c] for c in triggers if c in versions})

    def see_all(self, channels: Iterable[str]) -> None:
        """A run that was stopped goes on; breakpoints have seen everything until now."""
        self.see(INTERRUPT, channels)

    def bump(self, changed: Iterable[str]) -> None:
        """These channels changed in one superstep."""
        version = self._next(self._latest, None)
        moved = dict.fromkeys(changed, version)
        if moved:
            self.versions.update(moved)
            self.moved.update(moved)
            self._latest = version

    def triggers(self, node: str, channels: Sequence[str]) -> bool:
        """Whether one of these channels, which are available, has changed since the node saw it."""
        seen = self.seen.get(node)
        if seen is None:
            return bool(channels)
        return any(self._newer(name, seen) for name in channels)

    def changed_since_interrupt(self) -> bool:
        """Whether anything has changed since a breakpoint stopped the run, so that it may stop again."""
        seen = self.seen.get(INTERRUPT, {})
        return any(self._newer(name, seen) for name in self.versions)

    def _newer(self, name: str, seen: Mapping[str, Any]) -> bool:
        version = self.versions.get(name)
        if version is None:
            return False
        return name not in seen or bool(version > seen[name])

    def note(self, task_id: str, writes: Sequence[tuple[str, Any]]) -> Sequence[tuple[str, Any]]:
        """Add what a task wrote; answer with what the saver has to keep under its id."""
        if all(name in _ONE_SLOT for name, _ in writes):
            writes = list(dict(writes).items())
        if task_id == NULL_TASK:
            self.pending = [w for w in self.pending if w[0] != task_id or w[1] not in _ONE_SLOT]
            earlier = [w[1:] for w in self.pending if w[0] == task_id]
            # Savers number the regular writes of a task; these keep their numbers when an answer is added.
            kept = [*earlier, *sorted(writes, key=lambda w: w[0] in _ONE_SLOT)]
        else:
            self.pending = [w for w in self.pending if w[0] != task_id]
            kept = list(writes)
        self.pending.extend((task_id, name, value) for name, value in writes)
        return kept

    def forget(self, *channels: str) -> None:
        """Drop pending writes to these."""
        self.pending = [w for w in self.pending if w[1] not in channels]

    def null_writes(self) -> list[tuple[str, Any]]:
        """What a command given as input wrote."""
        return [w[1:] for w in self.pending if w[0] == NULL_TASK]

    def checkpoint(self, channels: Mapping[str, Channel] | None, values: Mapping[str, Any] | None = None) -> Checkpoint:
        """The checkpoint as a saver takes it, with the values of these channels, or these values."""
        if channels is not None:
            kept = {name: channels[name].checkpoint() for name in self.versions if name in channels}
            values = {name: value for name, value in kept.items() if value is not MISSING}
        return {
            "v": LAYOUT,
            "ts": datetime.now(UTC).isoformat(),
            "id": self.id,
            "channel_values": dict(values or {}),
            "channel_versions": dict(self.versions),
            "versions_seen": {name: dict(seen) for name, seen in self.seen.items()},
            "updated_channels": None if self.updated is None else sorted(self.updated),
        }


def new_versions(before: Mapping[str, Any], now: Mapping[str, Any]) -> dict[str, Any]:
    """The versions that have changed between two checkpoints."""
    return {name: version for name, version in now.items() if name not in before or version > before[name]}


def _new_id(step: int) -> str:
    from langgraph.checkpoint.base.id import uuid6  # only runs that are saved need it

    return str(uuid6(clock_seq=step))
