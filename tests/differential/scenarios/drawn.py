"""Scenarios that Hypothesis makes: a graph, perhaps of graphs, and a script of what a user does to a thread of it.

A description is drawn once and built on both libraries. Every node logs something, the edge that leads back looks at
the log's length, and runs have few steps: so every run ends. Where nodes run at once none of them fails, since whether
its siblings are cut off is a matter of time; that they are kept when they finished is for the tests of kills.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import takewhile
from typing import Annotated, Any, TypedDict

from hypothesis import strategies as st

from tests.differential.scenarios.play import Scenario
from tests.differential.scenarios.stage import Stage
from tests.differential.scenarios.steps import Player, Step, saved, state, stream, update

NAMES = "abcdefgh"
ALONE = ("say", "say", "ask", "asks", "quiet", "fail", "leap")
TOGETHER = ("say", "say", "ask", "asks", "quiet", "leap")
Script = tuple[tuple[str, int], ...]
LIMIT = {"recursion_limit": 14}
LONG = 6
"""Length of the log at which no edge leads back any more."""


def _onward(old: list[str], new: list[str]) -> list[str]:
    """Append what is new: a subgraph answers with the log it was given and more, which would double in every turn."""
    common = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(old, new, strict=False)))
    return old + new[common:]


class Told(TypedDict, total=False):
    """The state of drawn graphs."""

    log: Annotated[list[str], _onward]
    topic: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """A graph by numbers of its nodes; ``-1`` is START, the number of nodes END.

    ``kinds`` are names of ``KINDS`` or graphs. ``routes`` are ``(from, targets)``, ``back`` is ``(from, to)``,
    ``packets`` is ``(from, kind)``: two packets for a worker of that kind. ``before`` and ``after`` are where it stops.
    A graph within a graph is a node, or called in one (``called``), and is saved as ``memory`` says.
    """

    kinds: tuple[str | Drawn, ...]
    edges: frozenset[tuple[int, int]]
    routes: frozenset[tuple[int, tuple[int, ...]]] = frozenset()
    back: tuple[int, int] | None = None
    packets: tuple[int, str] | None = None
    before: tuple[int, ...] = ()
    after: tuple[int, ...] = ()
    called: bool = False
    memory: bool | None = None


@st.composite
def graphs(draw: st.DrawFn, *, alone: bool | None = None, depth: int = 2, fails: bool = True) -> Drawn:
    """Draw a graph of one to five nodes, ``alone`` in their supersteps or not, with subgraphs to a depth.

    With ``fails``, nodes that are alone may fail.
    """
    line = draw(st.booleans()) if alone is None else alone
    size = draw(st.integers(1, 5 if depth == 2 else 3))
    back = draw(st.none() | _back(size, line=line))
    drawn = (draw(_kinds(line=line, depth=depth, fails=fails)) for _ in range(size))
    kinds = tuple("say" if kind == "quiet" and (back or depth < 2) else kind for kind in drawn)
    edges, routes = draw(_line(size) if line else _web(size))
    return Drawn(
        kinds=kinds,
        edges=frozenset(edges),
        routes=frozenset(routes),
        back=back,
        packets=None
        if line
        else draw(st.none() | st.tuples(st.integers(0, size - 1), st.sampled_from(("say", "ask")))),
        before=draw(_stops(size)),
        after=draw(_stops(size)),
        called=depth < 2 and draw(st.booleans()),
        memory=draw(st.sampled_from((None, None, None, True, False))) if depth < 2 else None,
    )


def _kinds(*, line: bool, depth: int, fails: bool) -> st.SearchStrategy[str | Drawn]:
    plain: st.SearchStrategy[Any] = st.sampled_from(ALONE if line and fails else TOGETHER)
    if not depth:
        return plain
    inner = graphs(alone=line, depth=depth - 1, fails=fails)
    return st.integers(0, 3).flatmap(lambda n: inner if n == 0 else plain)


def _line(size: int) -> st.SearchStrategy[tuple[set[tuple[int, int]], set[Any]]]:
    return st.just(({(node - 1, node) for node in range(size)}, set()))


@st.composite
def _web(draw: st.DrawFn, size: int) -> tuple[set[tuple[int, int]], set[tuple[int, tuple[int, ...]]]]:
    edges: set[tuple[int, int]] = set()
    routes: set[tuple[int, tuple[int, ...]]] = set()
    for node in range(size):
        sources = draw(st.sets(st.integers(-1, node - 1), min_size=1, max_size=2))
        if node and draw(st.integers(0, 3)) == 0:
            others = draw(st.sets(st.integers(node, size), max_size=2))
            routes.add((max(sources | {0}), tuple(sorted({node, *others}))))
        else:
            edges |= {(source, node) for source in sources}
    return edges | {(-1, 0)}, routes


def _back(size: int, *, line: bool) -> st.SearchStrategy[tuple[int, int]]:
    """Draw an edge that leads back; on a line it starts at the end, where nothing else does."""
    node = st.integers(0, size - 1)
    return st.tuples(st.just(size - 1) if line else node, node).map(lambda pair: (max(pair), min(pair)))


def _stops(size: int) -> st.SearchStrategy[tuple[int, ...]]:
    one = st.tuples(st.integers(0, size - 1))
    return st.integers(0, 4).flatmap(lambda n: one if n == 0 else st.just(()))


def build(spec: Drawn) -> Callable[[Stage], Any]:
    """Return the function that builds the described graph on a stage."""
    return lambda stage: _builder(stage, spec, "").compile(checkpointer=stage.saver, **_stopped(spec))


def _stopped(spec: Drawn) -> dict[str, list[str]]:
    return {
        "interrupt_before": [NAMES[node] for node in spec.before],
        "interrupt_after": [NAMES[node] for node in spec.after],
    }


def _builder(stage: Stage, spec: Drawn, path: str) -> Any:
    size = len(spec.kinds)
    names = {-1: stage.lib.START, size: stage.lib.END, **dict(enumerate(NAMES[:size]))}
    builder = stage.builder({}, "", Told)
    for number, kind in enumerate(spec.kinds):
        builder.add_node(names[number], _node(stage, kind, path + names[number], last=number == size - 1))
    for start, end in sorted(spec.edges):
        builder.add_edge(names[start], names[end])
    for number, (start, ends) in enumerate(sorted(spec.routes)):
        builder.add_conditional_edges(names[start], _picks([names[end] for end in ends], number))
    if spec.back:
        builder.add_conditional_edges(names[spec.back[0]], _again(names[spec.back[1]], stage.lib.END))
    if spec.packets:
        _send(stage, builder, names[spec.packets[0]], spec.packets[1], path)
    return builder


def _node(stage: Stage, kind: str | Drawn, name: str, *, last: bool) -> Any:
    if isinstance(kind, str):
        return KINDS["say" if kind == "leap" and last else kind](stage, name)
    graph = _builder(stage, kind, name).compile(checkpointer=kind.memory, **_stopped(kind))
    if not kind.called:
        return graph
    return stage.calls(
        name, graph, lambda state: {"log": [name]}, lambda found: {"log": [f"{name}{len(found['log'])}"]}
    )


def _picks(targets: list[str], number: int) -> Callable[[Any], Any]:
    def path(state: Any) -> Any:
        return targets[len(state["log"]) % len(targets)]

    path.__name__ = f"path{number}"  # a node may have one path of each name
    return path


def _again(target: str, end: str) -> Callable[[Any], str]:
    def again(state: Any) -> str:
        return target if len(state["log"]) < LONG else end

    return again


def _send(stage: Stage, builder: Any, source: str, kind: str, path: str) -> None:
    def work(state: Any) -> Any:
        reply = stage.lib.interrupt(f"{path}w {state['topic']}?") if kind == "ask" else "done"
        return {"log": [f"{path}w {state['topic']} {reply}"]}

    def packets(state: Any) -> Any:
        return [stage.lib.Send("w", {"topic": topic}) for topic in "pq"]

    builder.add_node("w", stage.node(f"{path}w", work))
    builder.add_conditional_edges(source, packets, ["w"])


def _leap(stage: Stage, name: str) -> Any:
    """Return a node that goes to the next one by a command, beside its edges."""
    after = NAMES[NAMES.index(name[-1]) + 1]
    return stage.node(name, lambda state: stage.lib.Command(update={"log": [name]}, goto=after))


KINDS: dict[str, Callable[[Stage, str], Any]] = {
    "say": lambda stage, name: stage.node(name),
    "ask": lambda stage, name: stage.asks(name, f"{name}?"),
    "asks": lambda stage, name: stage.asks(name, f"{name} 1?", f"{name} 2?"),
    "quiet": lambda stage, name: stage.node(name, lambda state: None),
    "fail": lambda stage, name: stage.fails(name),
    "leap": _leap,
}


# what a user does to a thread


def answer_some(durability: str, *, every: bool) -> Step:
    """Stream an answer to one waiting interrupt, or to every one; where none waits, go on."""

    def do(play: Player) -> Any:
        found = play.call("get_state", play.config())
        waiting = sorted(getattr(found, "interrupts", ()), key=lambda one: str(one.value))
        replies = {one.id: f"re {one.value}" for one in (waiting if every else waiting[:1])}
        x = play.stage.lib.Command(resume=replies) if replies else None
        return play.stream(x, {**play.config(), **LIMIT}, {"durability": durability})

    return Step(name="answer", do=do)


def past(at: int, then: Callable[[int], Step]) -> Step:
    """Do a step at an older checkpoint, counted from the newest, round and round."""

    def do(play: Player) -> Any:
        known = play.call("get_state_history", play.config())
        return then(at % len(known)).do(play) if isinstance(known, list) and known else None

    return Step(name="past", do=do)


def actions() -> st.SearchStrategy[tuple[str, int]]:
    """Draw an action: its name, and a number that says which checkpoint or node."""
    return st.tuples(
        st.sampled_from(("go", "go", "all", "all", "one", "one", "hand", "new", "past", "fork")), st.integers(0, 9)
    )


def steps(script: Script, durability: str) -> tuple[Step, ...]:
    """Return the steps of a script: a first run, then each action and a look at the state, at last the saver."""
    first = stream({"log": ["in"]}, extra=LIMIT, durability=durability)
    told = [step for name, number in script for step in (ACTIONS[name](number, durability), state(subgraphs=True))]
    return (first, state(subgraphs=True), *told, saved())


ACTIONS: dict[str, Callable[[int, str], Step]] = {
    "go": lambda number, durability: stream(None, extra=LIMIT, durability=durability),
    "all": lambda number, durability: answer_some(durability, every=True),
    "one": lambda number, durability: answer_some(durability, every=False),
    "hand": lambda number, durability: update({"log": ["hand"]}),
    "new": lambda number, durability: stream({"log": ["new"]}, extra=LIMIT, durability=durability),
    "past": lambda number, durability: past(number, lambda at: stream(None, at=at, extra=LIMIT, durability=durability)),
    "fork": lambda number, durability: past(number, lambda at: update({"log": ["fork"]}, at=at)),
}
DURABILITIES = st.sampled_from(("sync", "async", "async", "exit"))


def remembers(spec: Drawn) -> bool:
    """Whether a subgraph, at any depth, keeps its state from run to run."""
    return any(isinstance(kind, Drawn) and (kind.memory or remembers(kind)) for kind in spec.kinds)


def forgets(spec: Drawn) -> bool:
    """Whether a subgraph, at any depth, is not saved."""
    return any(isinstance(kind, Drawn) and (kind.memory is False or forgets(kind)) for kind in spec.kinds)


def scenario_of(spec: Drawn, script: Script, durability: str) -> Scenario:
    """Return the scenario of a drawn graph and a drawn script.

    Where a subgraph is not saved ``"sync"`` is left out: ``subgraphs.unsaved_and_durable`` tells why.
    """
    kept = "async" if durability == "sync" and forgets(spec) else durability
    return Scenario(name="drawn", build=build(spec), steps=steps(script, kept))
