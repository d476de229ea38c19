"""What leads from node to node while a graph is being built."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from lcel_compat._body import Body, FunctionBody

PathMap: TypeAlias = Mapping[Hashable, str] | Sequence[str]
"""What a conditional edge may answer, and the nodes these answers stand for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BranchSpec:
    """A conditional edge.

    Attributes:
        path: The function or runnable, as it was given.
        path_map: As it was given.
        body: The path, ready to run.
        ends: What it may answer, and the node each answer stands for; ``None`` if answers are node names.
        input_schema: The part of the state that its annotations say it reads.
    """

    path: Any
    path_map: PathMap | None
    body: Body
    ends: Mapping[Hashable, str] | None
    input_schema: Any | None


@dataclass(slots=True)
class Edges:
    """Everything that leads from node to node, in the order in which it was added.

    Attributes:
        plain: ``(start, end)`` of each edge.
        joins: ``(starts, end)`` of each edge that waits for several nodes.
        branches: The conditional edges of each node, by name.
        streaming: Those of ``plain`` along which a result may be read while it is made.
    """

    plain: dict[tuple[str, str], None] = field(default_factory=dict)
    joins: dict[tuple[tuple[str, ...], str], None] = field(default_factory=dict)
    branches: dict[str, dict[str, BranchSpec]] = field(default_factory=dict)
    streaming: set[tuple[str, str]] = field(default_factory=set)

    def sources(self) -> dict[str, str]:
        """Where edges start, with a word on which edge."""
        found = {start: f"the edge {start!r} -> {end!r}" for start, end in self.plain}
        found |= {s: f"the join {list(starts)!r} -> {end!r}" for starts, end in self.joins for s in starts}
        return found | {s: f"the conditional edge of {s!r}" for s in self.branches}

    def into(self, name: str) -> list[str]:
        """The nodes that may lead to a node, once for each edge, as far as edges say it."""
        found = [start for start, end in self.plain if end == name]
        found += [start for starts, end in self.joins if end == name for start in starts]
        for source, branches in self.branches.items():
            found += [source for b in branches.values() if b.ends is None or name in b.ends.values()]
        return found

    def targets(self) -> dict[str, str]:
        """Where edges are known to end, with a word on which edge."""
        found = {end: f"the edge {start!r} -> {end!r}" for start, end in self.plain}
        found |= {end: f"the join {list(starts)!r} -> {end!r}" for starts, end in self.joins}
        for source, branches in self.branches.items():
            for name, branch in branches.items():
                for end in (branch.ends or {}).values():
                    found[end] = f"the conditional edge {name!r} of {source!r}"
        return found


def path_name(path: Any, body: Body) -> str:
    """The name of a conditional edge: its function's or runnable's, or ``"condition"``."""
    name = body.name if isinstance(body, FunctionBody) else getattr(path, "name", None)
    return name or "condition"


def ends_of(path_map: PathMap | None, literal: tuple[Any, ...]) -> Mapping[Hashable, str] | None:
    """What a path may answer, from its path map or else from the literals in its annotation."""
    if isinstance(path_map, Mapping):
        return dict(path_map)
    names = tuple(path_map) if path_map is not None else literal
    return {name: name for name in names} or None
