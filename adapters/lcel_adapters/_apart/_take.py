"""``from_lcel``: a chain taken apart into a graph, node by node and edge by edge."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from langchain_core.runnables import Runnable, RunnableBranch, RunnableParallel, RunnableSequence
from langchain_core.runnables.base import RunnableBinding, coerce_to_runnable
from langchain_core.runnables.passthrough import RunnableAssign

from lcel_adapters._apart._decision import Decision, Follow
from lcel_adapters._apart._graph import ChainGraph
from lcel_adapters._apart._names import free, label, word
from lcel_adapters._apart._parts import DEFAULT, After, Assign, Bound, Branch, Fork, Leaf, Part, Steps, leaves
from lcel_adapters._apart._state import state_of
from lcel_adapters._apart._values import Assigned, Key, Keys, Value, mapping
from lcel_adapters._face._lcel import unbound
from lcel_adapters._node import as_node
from lcel_compat import END, START
from lcel_compat._core import parallel_steps

INPUT: Final = "input"
"""The state key that holds what the chain is given."""
OUTPUT: Final = "output"
"""The state key that holds what the chain's last step returns, if it ends in one step."""
_SHOWN: Final = frozenset({"run_name", "tags", "metadata"})
"""What of a configuration changes how runs look, and nothing else."""


def from_lcel(chain: Any, *, depth: int | None = None) -> ChainGraph:
    """Take a chain apart into a graph that can be edited.

    A sequence becomes a line of nodes with streaming edges between them; a parallel and ``assign`` become nodes that
    run at once, whose results the next node reads by an input mapping; a branch becomes a node that decides and a
    conditional edge. Everything else stays whole, as one node made with ``as_node``: prompts, models, parsers,
    functions, fallbacks, retries, bindings with arguments. So does a part whose end could not be joined with others: a
    branch at the end of a parallel's branch, or a parallel at the end of a branch's.

    The state has ``input``, a key for the result of each node, and ``output`` if the chain ends in one node.

    Args:
        chain: The chain, or anything LCEL takes for one.
        depth: How many levels of structure become graph; ``None`` for all, 0 for none: then the chain is one node.

    Returns:
        A builder. ``as_lcel(builder.compile())`` is the chain, for whoever calls it or listens to it: the builder
        remembers which runs spanned its nodes. Nodes may be replaced (``replace_node``) and added.

    Raises:
        TypeError: If it is no chain.
        ValueError: If ``depth`` is negative.
    """
    graph = ChainGraph(None, coerce_to_runnable(chain), depth=depth)
    found = list(leaves(graph.part))
    for leaf in found:
        graph.add_node(leaf.name, as_node(leaf.runnable, input=leaf.input, output=leaf.output))
    for leaf in found:
        for start, stream in edges(leaf.after):
            graph.add_edge(start, leaf.name, stream=stream)
    for decision, path in graph.paths.items():
        graph.add_conditional_edges(decision, path, path.ends)
    for start, _ in edges(graph.ends):
        graph.add_edge(start, END)
    return graph


@dataclass(frozen=True, slots=True, kw_only=True)
class TakenApart:
    """What becomes of a chain.

    Attributes:
        state: A schema with all keys.
        part: What becomes of its parts.
        result: Where its output is.
        ends: What the end comes after.
        leaves: Its nodes.
        ways: The paths of its conditional edges, by the node that decides.
    """

    state: Any
    part: Part
    result: Value
    ends: After
    leaves: tuple[Leaf, ...]
    ways: Mapping[str, Follow]


def taken_apart(chain: Runnable[Any, Any], depth: int | None) -> TakenApart:
    """Take a chain apart; see ``from_lcel``."""
    if depth is not None and depth < 0:
        raise ValueError(f"from_lcel: depth={depth!r}, but it has to be 0 or more, or None for all.")
    inner = unbound(chain)[1]
    taker = _Taker()
    start = _Here(given=Key(INPUT), after=After(names=(START,)), key=OUTPUT)
    left = -1 if depth is None else depth
    taken = taker.take(inner if taker.opens(inner, start, left) else chain, start, left)
    return TakenApart(
        state=state_of(*taker.keys),
        part=taken.part,
        result=taken.value,
        ends=taken.ends,
        leaves=tuple(leaves(taken.part)),
        ways=taker.ways,
    )


def edges(after: After) -> Iterator[tuple[Any, bool]]:
    """The starts of the edges into a node, and whether each streams."""
    if after.chosen:
        return
    if after.every and len(after.names) > 1:
        yield list(after.names), False
    else:
        yield from ((name, True) for name in after.names)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Here:
    """Where a part stands.

    Attributes:
        given: Where its input is.
        after: What it comes after.
        key: The state key for its result, if it ends in one node.
        prefix: What the names of its nodes begin with.
        single: Whether it has to end in one key.
        joined: Whether it has to end in nodes that all run.
    """

    given: Value
    after: After
    key: str | None = None
    prefix: str = ""
    single: bool = False
    joined: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class _Taken:
    """A part that was taken apart: where its result is, and what comes after it comes after."""

    part: Part
    value: Value
    ends: After


@dataclass(slots=True)
class _Taker:
    """Takes chains apart.

    Attributes:
        keys: The state keys so far.
        found: The nodes so far.
        ways: The conditional edges so far, by the node that decides.
    """

    keys: list[str] = field(default_factory=lambda: [INPUT])
    found: list[Leaf] = field(default_factory=list)
    ways: dict[str, Follow] = field(default_factory=dict)

    def opens(self, runnable: Any, here: _Here, depth: int) -> bool:
        """Whether a runnable becomes structure of the graph."""
        if depth == 0:
            return False
        kind = _kind(runnable)
        if kind is RunnableBinding:
            plain = not runnable.kwargs and not runnable.config_factories and runnable.config.keys() <= _SHOWN
            return plain and self.opens(runnable.bound, here, depth)
        if kind is RunnableParallel:
            return bool(parallel_steps(runnable)) and not here.single
        if kind is RunnableAssign:
            return (
                _kind(runnable.mapper) is RunnableParallel and bool(parallel_steps(runnable.mapper)) and not here.single
            )
        return kind is RunnableSequence or (kind is RunnableBranch and not here.joined)

    def take(self, runnable: Any, here: _Here, depth: int) -> _Taken:
        """Take a runnable apart, or leave it whole."""
        if not self.opens(runnable, here, depth):
            return self._leaf(runnable, here)
        if isinstance(runnable, RunnableBinding):
            taken = self.take(runnable.bound, here, depth)
            return replace(taken, part=Bound(runnable=runnable, part=taken.part))
        if isinstance(runnable, RunnableSequence):
            return self._steps(runnable, here, depth - 1)
        if isinstance(runnable, RunnableParallel):
            return self._fork(runnable, here, depth - 1)
        if isinstance(runnable, RunnableAssign):
            taken = self._fork(runnable.mapper, here, depth - 1)
            part = Assign(runnable=runnable, fork=taken.part)  # type: ignore[arg-type]  # a fork is what _fork makes
            return replace(taken, part=part, value=Assigned(here.given, taken.value))  # type: ignore[arg-type]
        return self._branch(runnable, here, depth - 1)

    def _leaf(self, runnable: Any, here: _Here, name: str | None = None) -> _Taken:
        name = name or label(runnable)
        name = free(name if name.startswith(here.prefix) else f"{here.prefix}{name}", [*self._taken(), here.key or ""])
        key = self._key(here.key or f"{name}_result")
        leaf = Leaf(name=name, runnable=runnable, input=mapping(here.given), output=key, after=here.after)
        self.found.append(leaf)
        return _Taken(part=leaf, value=Key(key), ends=After(names=(name,)))

    def _steps(self, runnable: RunnableSequence[Any, Any], here: _Here, depth: int) -> _Taken:
        *before, last = runnable.steps
        inner = replace(here, key=None, single=False, joined=False)
        parts: list[Part] = []
        for step in before:
            taken = self.take(step, inner, depth)
            parts.append(taken.part)
            inner = replace(inner, given=taken.value, after=taken.ends)
        taken = self.take(last, replace(here, given=inner.given, after=inner.after), depth)
        return replace(taken, part=Steps(runnable=runnable, parts=(*parts, taken.part)))

    def _fork(self, runnable: RunnableParallel[Any], here: _Here, depth: int) -> _Taken:
        made: dict[str, _Taken] = {}
        for key, step in parallel_steps(runnable).items():
            name = f"{here.prefix}{word(key)}"
            inner = replace(here, key=free(name, self._taken()), prefix=f"{name}_", joined=True)
            made[key] = self.take(step, inner, depth)
        ends = dict.fromkeys(name for taken in made.values() for name in taken.ends.names)
        return _Taken(
            part=Fork(runnable=runnable, keys=tuple(made), parts=tuple(t.part for t in made.values())),
            value=Keys(tuple((key, taken.value) for key, taken in made.items())),
            ends=After(names=tuple(ends)),
        )

    def _branch(self, runnable: RunnableBranch[Any, Any], here: _Here, depth: int) -> _Taken:
        asked = [condition for condition, _ in runnable.branches]
        decided = self._leaf(Decision(asked, "decision"), replace(here, key=None), "decision")
        decision = decided.part
        assert isinstance(decision, Leaf)
        key = self._key(here.key or f"{decision.name}_end")
        parts: list[Part] = []
        ends: list[str] = []
        ways: dict[str, tuple[str, ...]] = {}
        numbers = [*(str(number) for number in range(1, len(asked) + 1)), DEFAULT]
        chosen = replace(here, after=After(names=(decision.name,), chosen=True), key=key, single=True)
        for number, way in zip(numbers, [*(way for _, way in runnable.branches), runnable.default], strict=True):
            taken = self.take(way, replace(chosen, prefix=f"{here.prefix}{_way(number)}_"), depth)
            parts.append(taken.part)
            ends += taken.ends.names
            ways[number] = tuple(leaf.name for leaf in leaves(taken.part) if leaf.after == chosen.after)
        follow = self.ways[decision.name] = Follow(decision.output, ways)
        part = Branch(runnable=runnable, decision=decision, follow=follow, parts=tuple(parts))
        return _Taken(part=part, value=Key(key), ends=After(names=tuple(ends), every=False))

    def _taken(self) -> list[str]:
        return [*self.keys, OUTPUT, *(leaf.name for leaf in self.found)]

    def _key(self, key: str) -> str:
        """A state key of its own; the ways of a branch end in the same one."""
        if key not in self.keys:
            self.keys.append(key)
        return key


def _kind(runnable: Any) -> type:
    """The class of a runnable, without type arguments; a subclass may do anything and is another kind."""
    arguments = getattr(type(runnable), "__pydantic_generic_metadata__", None) or {}
    return arguments.get("origin") or type(runnable)


def _way(number: str) -> str:
    return number if number == DEFAULT else f"case_{number}"
