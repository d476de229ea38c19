"""What this server may save for which run: every checkpoint of a run is saved under its lease."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from langchain_core.runnables import RunnableConfig

from lcel_adapters.serve._runs._lease import Lease, Superseded


@dataclass(kw_only=True)
class Holding:
    """A run that this server holds.

    Attributes:
        lease: By which.
        answers: Whether it goes on with what another run left, so that its first writes hang on that run's checkpoints.
        known: Checkpoints whose writes are this run's own, or have been put aside: ``(checkpoint_ns, checkpoint_id)``.
    """

    lease: Lease
    answers: bool
    known: set[tuple[str, str]] = field(default_factory=set)


@dataclass(frozen=True, slots=True, kw_only=True)
class Writing:
    """What has to be seen to, and done, before something of a run is saved.

    Attributes:
        lease: It has to hold.
        thread_id: Where it is saved.
        aside: The checkpoint whose writes are put aside first, as ``(checkpoint_ns, checkpoint_id)``; None for none.
    """

    lease: Lease
    thread_id: str
    aside: tuple[str, str] | None = None


class Holdings:
    """The runs that this server holds, by what a saver is told of them."""

    def __init__(self) -> None:
        self._held: dict[str, Holding] = {}

    def add(self, holding: Holding) -> None:
        """From now on the run may save."""
        self._held[holding.lease.run_id] = holding

    def remove(self, lease: Lease) -> None:
        """The run is over, or somebody else's."""
        held = self._held.get(lease.run_id)
        if held is not None and held.lease == lease:
            del self._held[lease.run_id]

    def checkpoint(self, config: RunnableConfig, checkpoint_id: str) -> Writing | None:
        """A run makes a checkpoint; None if what is saved belongs to no run.

        Raises:
            Superseded: The run is not held here.
        """
        held = self._of(config)
        if held is None:
            return None
        inside = config["configurable"]
        if held.answers:
            held.known.add((inside.get("checkpoint_ns", ""), checkpoint_id))
        return Writing(lease=held.lease, thread_id=str(inside["thread_id"]))

    def writes(self, config: RunnableConfig) -> Writing | None:
        """A run adds writes to a checkpoint; None if they belong to no run.

        Raises:
            Superseded: The run is not held here.
        """
        held = self._of(config)
        if held is None:
            return None
        inside = config["configurable"]
        place = (str(inside.get("checkpoint_ns", "")), str(inside["checkpoint_id"]))
        foreign = held.answers and place not in held.known
        return Writing(lease=held.lease, thread_id=str(inside["thread_id"]), aside=place if foreign else None)

    def put_aside(self, writing: Writing) -> None:
        """What it says is done."""
        held = self._held.get(writing.lease.run_id)
        if held is not None and writing.aside is not None:
            held.known.add(writing.aside)

    def _of(self, config: RunnableConfig) -> Holding | None:
        run_id: Any = config["configurable"].get("run_id")
        if run_id is None:
            return None
        held = self._held.get(str(run_id))
        if held is None or config.get("metadata", {}).get("run_attempt", held.lease.attempt) != held.lease.attempt:
            raise Superseded
        return held
