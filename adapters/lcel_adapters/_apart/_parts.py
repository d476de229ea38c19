"""A chain taken apart, as its face remembers it: the structure that became graph, and the nodes in it.

Each part can be put together again, with something else in place of its nodes, as the very class of runnable that it
was. That is how a face opens the runs that span several nodes, merges their chunks and numbers their steps: it has
langchain-core do it (``_face.py``).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

from langchain_core.runnables import Runnable, RunnableBranch, RunnableConfig, RunnableParallel, RunnableSequence
from langchain_core.runnables.base import RunnableBinding
from langchain_core.runnables.passthrough import RunnableAssign

from lcel_compat._core import parallel_steps, with_steps

DEFAULT = "default"
"""What a decision answers if none of its conditions holds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class After:
    """What a node comes after.

    Attributes:
        names: The nodes before it; ``START`` is one.
        every: Whether all of them have to be done, or whichever one runs.
        chosen: Whether the one before it decides whether it runs.
    """

    names: tuple[str, ...]
    every: bool = True
    chosen: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Leaf:
    """A part that stayed whole: one node.

    Attributes:
        name: The node's name.
        runnable: What it runs.
        input: Its input mapping.
        output: The state key that its result is the value of.
        after: What it comes after.
    """

    name: str
    runnable: Runnable[Any, Any]
    input: Any
    output: str
    after: After

    @property
    def parts(self) -> tuple[Part, ...]:
        """It has none."""
        return ()

    def build(self, seat: Seating) -> Runnable[Any, Any]:
        """What stands for the node."""
        made: Runnable[Any, Any] = seat(self)
        return made


@dataclass(frozen=True, slots=True, kw_only=True)
class Steps:
    """A sequence."""

    runnable: RunnableSequence[Any, Any]
    parts: tuple[Part, ...]

    def build(self, seat: Seating) -> Runnable[Any, Any]:
        """The sequence of what stands for its nodes."""
        first, *middle, last = (part.build(seat) for part in self.parts)
        return self.runnable.model_copy(update={"first": first, "middle": middle, "last": last})


@dataclass(frozen=True, slots=True, kw_only=True)
class Fork:
    """A parallel."""

    runnable: RunnableParallel[Any]
    keys: tuple[str, ...]
    parts: tuple[Part, ...]

    def build(self, seat: Seating) -> RunnableParallel[Any]:
        """The parallel of what stands for its nodes."""
        steps = {key: part.build(seat) for key, part in zip(self.keys, self.parts, strict=True)}
        made = with_steps(self.runnable, steps)
        return Roomy(made, name=made.name) if seat.waits else made


@dataclass(frozen=True, slots=True, kw_only=True)
class Assign:
    """An assignment, around a parallel."""

    runnable: RunnableAssign
    fork: Fork

    @property
    def parts(self) -> tuple[Part, ...]:
        """The parallel."""
        return (self.fork,)

    def build(self, seat: Seating) -> Runnable[Any, Any]:
        """The assignment of what stands for its nodes."""
        return self.runnable.model_copy(update={"mapper": self.fork.build(seat)})


@dataclass(frozen=True, slots=True, kw_only=True)
class Branch:
    """A branch: a node that decides, and the parts that it decides between, the default last.

    Attributes:
        decision: The node; its runnable is a ``Decision``.
        follow: The path of the conditional edge that leads from it.
    """

    runnable: RunnableBranch[Any, Any]
    decision: Leaf
    follow: Any
    parts: tuple[Part, ...]

    def build(self, seat: Seating) -> Runnable[Any, Any]:
        """The branch of what stands for its nodes; whoever sits for the decision stands for each condition in turn."""
        decision = seat(self.decision)
        conditions = decision.conditions([[leaf.name for leaf in leaves(part)] for part in self.parts])
        *chosen, default = (part.build(seat) for part in self.parts)
        return self.runnable.model_copy(
            update={"branches": list(zip(conditions, chosen, strict=True)), "default": default}
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Bound:
    """A part with a configuration of its own: a name, tags, metadata."""

    runnable: RunnableBinding[Any, Any]
    part: Part

    @property
    def parts(self) -> tuple[Part, ...]:
        """What is bound."""
        return (self.part,)

    def build(self, seat: Seating) -> Runnable[Any, Any]:
        """The binding of what stands for its nodes."""
        return self.runnable.model_copy(update={"bound": self.part.build(seat)})


Part: TypeAlias = Leaf | Steps | Fork | Assign | Branch | Bound


class Seating(Protocol):
    """Gives what stands for each node."""

    @property
    def waits(self) -> bool:
        """Whether some of what stands for nodes waits for others to be done."""
        raise NotImplementedError

    def __call__(self, leaf: Leaf) -> Any:
        """What stands for a node."""


class Roomy(RunnableParallel[Any]):
    """A parallel with a thread for each of its branches, whatever ``max_concurrency`` says.

    A branch may wait for its superstep, which comes when other branches are done; they must not wait for its thread.
    """

    def __init__(self, made: RunnableParallel[Any], *, name: str | None) -> None:
        super().__init__(parallel_steps(made))
        self.name = name

    def invoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> dict[str, Any]:
        return super().invoke(input, self._roomy(config), **kwargs)

    def transform(
        self, input: Iterator[Any], config: RunnableConfig | None = None, **kwargs: Any
    ) -> Iterator[dict[str, Any]]:
        return super().transform(input, self._roomy(config), **kwargs)

    def _roomy(self, config: RunnableConfig | None) -> RunnableConfig:
        return {**(config or {}), "max_concurrency": max(len(parallel_steps(self)), 2)}


def leaves(part: Part) -> Iterator[Leaf]:
    """The nodes of a part, in the order of the chain."""
    if isinstance(part, Leaf):
        yield part
    if isinstance(part, Branch):
        yield part.decision
    for inner in part.parts:
        yield from leaves(inner)


def levels(part: Part, level: int = 0) -> Iterator[tuple[str, int]]:
    """For each node the number of runs that it stands in."""
    if isinstance(part, Leaf):
        yield part.name, level
    if isinstance(part, Branch):
        yield part.decision.name, level + 1
    for inner in part.parts:
        yield from levels(inner, level if isinstance(part, Bound) else level + 1)


def last(part: Part) -> Iterator[Leaf]:
    """The nodes that a part may end with."""
    if isinstance(part, Leaf):
        yield part
    for inner in part.parts[-1:] if isinstance(part, Steps) else part.parts:
        yield from last(inner)


def passed_by(part: Part) -> dict[str, frozenset[str]]:
    """For each node those that cannot run unless it has been left out, or is done: later steps, other branches."""
    found: dict[str, frozenset[str]] = {leaf.name: frozenset() for leaf in leaves(part)}

    def note(earlier: Sequence[Leaf], later: Sequence[Leaf]) -> None:
        for leaf in earlier:
            found[leaf.name] |= {other.name for other in later}

    def walk(part: Part) -> None:
        inner = [list(leaves(each)) for each in part.parts]
        for index, own in enumerate(inner):
            rest = [leaf for other in inner[index + 1 :] for leaf in other]
            if isinstance(part, Steps | Branch):
                note(own, rest)
            if isinstance(part, Branch):
                note(rest, own)
                note([part.decision], own)
        for each in part.parts:
            walk(each)

    walk(part)
    return found
