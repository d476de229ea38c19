"""The superstep machine, driven by hand: nothing here awaits, sleeps, or starts a thread."""

from __future__ import annotations

import itertools
import operator
import re
from collections.abc import Callable, Iterable, Sequence
from random import Random
from typing import Annotated, Any, TypedDict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lcel_compat import END, START, Command, Send, StateGraph
from lcel_compat._body import FunctionBody
from lcel_compat._constants import ERROR, TASKS, branch_channel
from lcel_compat._log import Entry, Log, Reader, StateChanged, TaskFinished, TaskStarted
from lcel_compat._machine import Machine, Task
from lcel_compat.compiled import CompiledStateGraph
from lcel_compat.errors import EmptyInputError, GraphRecursionError, InvalidUpdateError
from tests.support.plugin import count

IDENTIFIER = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
Order = Callable[[Sequence[Task]], Iterable[Task]]


class State(TypedDict, total=False):
    """One key that is folded and one that is not."""

    log: Annotated[list[str], operator.add]
    plain: str


class Everything:
    """A projection that gives the entries of the log as they are."""

    reads: tuple[type[Entry], ...] = (TaskStarted, TaskFinished, StateChanged)

    def project(self, entry: Any) -> Sequence[Any]:
        return (entry,)


class ByHand:
    """A machine and what it said so far."""

    def __init__(self, graph: CompiledStateGraph, *, limit: int = 25, namespace: str = "", **options: Any) -> None:
        self.said: list[Any] = []
        self.steps: list[list[str]] = []
        self.tasks: list[Task] = []
        program = graph.program
        self.machine = Machine(
            program,
            Log([Reader(Everything(), self._note)]),
            output_keys=program.output.keys,
            namespace=namespace,
            metadata=options.get("metadata", {}),
            tags=options.get("tags", ()),
            recursion_limit=limit,
        )

    def _note(self, entry: Any) -> None:
        match entry:
            case TaskStarted():
                self.said.append(("start", entry.task.name))
            case TaskFinished():
                self.said.append(("error" if entry.error else "finish", entry.task.name))
            case StateChanged():
                self.said.append(("state", entry.step, entry.read()))

    def begin(self, value: Any) -> list[Task]:
        """Begin with an input; the tasks of the first superstep."""
        self.machine.begin(value)
        self.machine.step = 0
        return self.schedule()

    def schedule(self) -> list[Task]:
        """The tasks of the superstep that is next."""
        self.machine.schedule()
        self.machine.check_limit()
        ready = list(self.machine.tasks.values())
        if ready:
            self.machine.announce()
            self.tasks += ready
            self.steps.append([task.name for task in ready])
        return ready

    def run(self, value: Any, order: Order = tuple) -> Any:
        """Run to the end, finishing the tasks of each superstep in the order that ``order`` puts them in."""
        ready = self.begin(value)
        while ready:
            for task in order(ready):
                self.finish(task)
            ready = self.advance()
        return self.machine.output()

    def finish(self, task: Task) -> None:
        """Run a task and say that it is done."""
        self.act(task)
        self.machine.show(self.machine.finished(task))

    def advance(self) -> list[Task]:
        """The superstep is over; the tasks of the next one."""
        if self.machine.advance():
            self.machine.show_state()
        self.machine.step += 1
        return self.schedule()

    def act(self, task: Task) -> None:
        """Do what a node does: its function, its writes, its conditional edges."""
        node = task.node
        result = task.input if node.body is None else _called(node.body, task.input)
        task.writes = node.writes(result)
        for branch in node.branches:
            answer = _called(branch.path, self.machine.peek(task.writes, branch.schema))
            for target in branch.destinations(task.name, answer):
                if target != END:
                    task.writes.append(_route(target))


def _called(body: Any, value: Any) -> Any:
    assert isinstance(body, FunctionBody)
    return body.function(value)


def _route(target: Send | str) -> tuple[str, Any]:
    return (TASKS, target) if isinstance(target, Send) else (branch_channel(target), None)


def says(name: str) -> Callable[[Any], dict[str, list[str]]]:
    return lambda state: {"log": [name]}


def graph(names: str, edges: str, **deferred: bool) -> StateGraph:
    """One logging node per letter and an edge per pair; ``^`` is START, ``$`` END."""
    builder = StateGraph(State)
    for name in names:
        builder.add_node(name, says(name), defer=deferred.get(name, False))
    for edge in edges.split():
        builder.add_edge(START if edge[0] == "^" else edge[0], END if edge[1] == "$" else edge[1])
    return builder


@pytest.mark.parametrize(
    ("edges", "steps"),
    [
        ("^a ab bc c$", [["a"], ["b"], ["c"]]),
        ("^a ^b ac bc", [["a", "b"], ["c"]]),
        ("^a ac ab bd cd", [["a"], ["b", "c"], ["d"]]),
        ("^a ab ac cd bd de ce", [["a"], ["b", "c"], ["d", "e"], ["e"]]),
    ],
    ids=["line", "two entries", "diamond", "uneven"],
)
def test_supersteps(edges: str, steps: list[list[str]]) -> None:
    """In each superstep all triggered nodes run, in the order of their names; each edge triggers once."""
    hand = ByHand(graph("abcde", edges).compile())
    hand.run({"log": []})
    assert hand.steps == [["__start__"], *steps]


def test_what_the_log_is_told() -> None:
    """A superstep is its tasks' starts, their finishes, and the state if it changed; START is not shown."""
    hand = ByHand(graph("ab", "^a ab").compile())
    hand.run({"log": ["in"]})
    assert hand.said == [
        ("state", 0, {"log": ["in"]}),
        ("start", "a"),
        ("finish", "a"),
        ("state", 1, {"log": ["in", "a"]}),
        ("start", "b"),
        ("finish", "b"),
        ("state", 2, {"log": ["in", "a", "b"]}),
    ]


def test_a_step_that_changes_nothing_shows_no_state() -> None:
    """A node that returns ``None`` leaves the state alone and ``StateChanged`` out, and its edges are followed."""
    builder = graph("b", "b$")
    builder.add_node("a", lambda state: None)
    builder.add_edge(START, "a").add_edge("a", "b")
    hand = ByHand(builder.compile())
    hand.run({"log": []})
    assert [entry[1] for entry in hand.said if entry[0] == "state"] == [0, 2]


def test_join_waits_for_all() -> None:
    """A join starts its node once, after the last of its sources, however far apart they finish."""
    builder = graph("abcd", "^a ^b bc")
    builder.add_edge(["a", "c"], "d")
    hand = ByHand(builder.compile())
    hand.run({"log": []})
    assert hand.steps == [["__start__"], ["a", "b"], ["c"], ["d"]]


def test_join_is_ready_for_another_round() -> None:
    """In a loop a join waits for all of its sources again in each round."""
    builder = graph("abcd", "^a ab ac")
    builder.add_edge(["b", "c"], "d")
    builder.add_conditional_edges("d", lambda s: END if len(s["log"]) > 5 else "a")
    hand = ByHand(builder.compile())
    assert hand.run({"log": []})["log"] == [*"abcd", *"abcd"]


def test_loop_ends_when_its_condition_does() -> None:
    """A conditional edge sees the state with the node's own write applied, so a loop stops exactly in time."""
    builder = graph("a", "^a")
    builder.add_conditional_edges("a", lambda s: "a" if len(s["log"]) < 3 else END)
    assert ByHand(builder.compile()).run({"log": []}) == {"log": ["a"] * 3}


def test_deferred_node_waits_for_everything() -> None:
    """A deferred node runs once, when nothing else is left, though one of its edges fired early."""
    hand = ByHand(graph("abcz", "^a ab bc az cz", z=True).compile())
    hand.run({"log": []})
    assert hand.steps == [["__start__"], ["a"], ["b"], ["c"], ["z"]]


def test_deferred_join_waits_for_everything() -> None:
    """A join to a deferred node holds back until nothing else is left, though it is complete."""
    builder = graph("abcz", "^a ^b bc", z=True)
    builder.add_edge(["a", "b"], "z")
    hand = ByHand(builder.compile())
    hand.run({"log": []})
    assert hand.steps == [["__start__"], ["a", "b"], ["c"], ["z"]]


def test_send_starts_a_task_per_packet() -> None:
    """Each ``Send`` is a task of the next superstep with its own input, before those that edges triggered."""
    builder = graph("ac", "^a ac")
    builder.add_node("work", lambda packet: {"log": [packet["n"]]})
    builder.add_conditional_edges("a", lambda s: [Send("work", {"n": "1"}), Send("work", {"n": "2"})], ["work"])
    hand = ByHand(builder.compile())
    state = hand.run({"log": []})
    assert hand.steps == [["__start__"], ["a"], ["work", "work", "c"]]
    assert [t.path for t in hand.tasks[2:]] == [
        ("__pregel_push", 0, False),
        ("__pregel_push", 1, False),
        ("__pregel_pull", "c"),
    ]
    assert state["log"] == ["a", "c", "1", "2"]


def test_command_updates_and_steers() -> None:
    """A ``Command`` writes its update and leads where it says, beside the node's edges."""
    builder = graph("bc", "ab")
    builder.add_node("a", lambda s: Command(update={"plain": "x"}, goto=["c", Send("b", {"log": ["sent"]})]))
    builder.add_edge(START, "a")
    hand = ByHand(builder.compile())
    assert hand.run({"log": []}) == {"log": ["b", "c", "b"], "plain": "x"}
    assert hand.steps == [["__start__"], ["a"], ["b", "b", "c"]]


def test_command_to_end_ends() -> None:
    """``Command(goto=END)`` leads nowhere."""
    builder = graph("b", "^a")
    builder.add_node("a", lambda s: Command(goto=END))
    assert ByHand(builder.compile()).run({"log": []}) == {"log": []}


def test_two_writers_of_a_plain_key() -> None:
    """Two writes of one plain key in a superstep are refused when its last task is finished, with the key's name."""
    builder = StateGraph(State)
    for name in "ab":
        builder.add_node(name, lambda s: {"plain": "x"}).add_edge(START, name)
    with pytest.raises(InvalidUpdateError, match=r"'plain'.*reducer"):
        ByHand(builder.compile()).run({"log": []})


def test_one_writer_in_each_step() -> None:
    """A plain key may be written in every superstep; the last write stays."""
    builder = StateGraph(State)
    builder.add_sequence([(name, lambda s, name=name: {"plain": name}) for name in "ab"])
    builder.add_edge(START, "a")
    assert ByHand(builder.compile()).run({})["plain"] == "b"


@pytest.mark.parametrize(("limit", "ends"), [(3, True), (2, False), (1, False)])
def test_recursion_limit(limit: int, ends: bool) -> None:
    """A run may take as many supersteps as the limit says, and fails when it needs one more to find out."""
    hand = ByHand(graph("ab", "^a ab").compile(), limit=limit)
    if ends:
        assert hand.run({"log": []}) == {"log": ["a", "b"]}
        return
    with pytest.raises(GraphRecursionError, match="recursion_limit"):
        hand.run({"log": []})
    assert hand.steps[1:] == [["a"], ["b"]][:limit]


def test_no_input() -> None:
    """``None`` is no input: the machine says so, with the keys that there are."""
    with pytest.raises(EmptyInputError, match=r"'log', 'plain'"):
        ByHand(graph("a", "^a").compile()).machine.begin(None)


def test_a_failure_leaves_the_state_as_it_was() -> None:
    """A failed task has its error among its writes; what its neighbours write is not applied before ``advance``."""
    hand = ByHand(graph("abc", "^a ^b ac bc").compile())
    (start,) = hand.begin({"log": ["in"]})
    hand.finish(start)
    first, second = hand.advance()
    error = ValueError("broken")
    hand.machine.show(hand.machine.failed(first, error))
    hand.finish(second)
    assert first.writes == [(ERROR, error)]
    assert hand.said[-2:] == [("error", "a"), ("finish", "b")]
    assert hand.machine.output() == {"log": ["in"]}


def test_identifiers() -> None:
    """Task ids look like UUIDs, differ from task to task, and are part of the task's namespace."""
    hand = ByHand(graph("ab", "^a ab ba").compile(), namespace="outer:1", limit=10)
    with pytest.raises(GraphRecursionError):
        hand.run({"log": []})
    ids = [task.id for task in hand.tasks]
    assert all(IDENTIFIER.fullmatch(i) for i in ids)
    assert len(set(ids)) == len(ids) == 11
    assert hand.tasks[1].namespace == f"outer:1|a:{hand.tasks[1].id}"


def test_identifiers_of_two_runs_differ() -> None:
    """The same task of another run has another id."""
    runs = [ByHand(graph("a", "^a").compile()) for _ in range(2)]
    for hand in runs:
        hand.run({"log": []})
    assert runs[0].tasks[1].id != runs[1].tasks[1].id


def test_task_metadata() -> None:
    """A task's metadata are the run's, then LangGraph's own five, then the node's, which win."""
    builder = graph("", "")
    builder.add_node("a", says("a"), metadata={"kind": "node"}).add_edge(START, "a")
    hand = ByHand(builder.compile(), metadata={"kind": "run", "user": 1})
    hand.run({"log": []})
    task = hand.tasks[1]
    assert task.metadata == {
        "user": 1,
        "langgraph_step": 1,
        "langgraph_node": "a",
        "langgraph_triggers": ("branch:to:a",),
        "langgraph_path": ("__pregel_pull", "a"),
        "langgraph_checkpoint_ns": f"a:{task.id}",
        "kind": "node",
    }


def test_parallel_nodes_do_not_share_their_input() -> None:
    """A node that changes the dict it was given changes nothing for the node beside it."""
    builder = StateGraph(State)

    def spoil(state: Any) -> None:
        state["plain"] = "spoilt"

    seen: list[str] = []
    builder.add_node("a", spoil).add_node("b", lambda s: seen.append(s["plain"]))
    builder.add_edge(START, "a").add_edge(START, "b")
    assert ByHand(builder.compile()).run({"plain": "good"})["plain"] == "good"
    assert seen == ["good"]


def test_runs_do_not_share_state() -> None:
    """Two runs of one compiled graph start with empty channels each, joins included."""
    builder = graph("abc", "^a ^b")
    builder.add_edge(["a", "b"], "c")
    compiled = builder.compile()
    first, second = ByHand(compiled), ByHand(compiled)
    assert first.run({"log": ["1"]}) == {"log": ["1", *"abc"]}
    assert second.run({"log": ["2"]}) == {"log": ["2", *"abc"]}


# Interleavings ---------------------------------------------------------------------------------------------

TURNS = 8
"""Entries in the log after which a drawn loop is left."""


@st.composite
def graphs(draw: st.DrawFn) -> tuple[str, CompiledStateGraph]:
    """A graph of layers with edges, joins, sends, commands, deferred nodes and a loop, and a word for its shape."""
    builder = StateGraph(State)
    names = iter("abcdefghijkl")
    rows = [[next(names) for _ in range(draw(st.integers(1, 3)))] for _ in range(draw(st.integers(1, 4)))]
    shape = [str([len(row) for row in rows])]
    for row in rows:
        for name in row:
            kind, defer = draw(st.sampled_from(KINDS)), row is rows[-1] and draw(st.booleans())
            builder.add_node(name, _node(kind, name), defer=defer)
            shape.append(f"{kind}{defer}")
    builder.add_node("worker", lambda packet: {"log": [packet]})
    for name in rows[0]:
        builder.add_edge(START, name)
    for above, below in itertools.pairwise(rows):
        for name in below:
            link = draw(st.sampled_from(["join", "edges", "branch", "send"]))
            shape.append(link)
            _link(builder, link, above, name)
    if draw(st.booleans()):
        shape.append("loop")
        _loop(builder, rows[-1][0], rows[0][0])
    return "/".join(shape), builder.compile()


KINDS = ("update", "update", "none", "command", "read", "plain")


def _node(kind: str, name: str) -> Callable[[Any], Any]:
    def read(state: Any) -> dict[str, list[str]]:
        return {"log": [f"{name} after {len(state['log'])}"]}

    return {
        "update": says(name),
        "none": lambda state: None,
        "command": lambda state: Command(update={"log": [f"{name} by command"]}),
        "read": read,
        "plain": lambda state: {"plain": name},
    }[kind]


def _link(builder: StateGraph, link: str, above: list[str], name: str) -> None:
    if link == "join":
        builder.add_edge(above, name)
        return
    for start in above:
        if link == "edges":
            builder.add_edge(start, name)
            continue

        def path(state: Any, start: str = start) -> Any:
            packets = [Send("worker", f"{start}>{name}"), Send("worker", f"{start}>>{name}")]
            return name if link == "branch" else [name, *packets]

        path.__name__ = f"to_{name}"
        builder.add_conditional_edges(start, path, [name, "worker"])


def _loop(builder: StateGraph, last: str, first: str) -> None:
    builder.add_node("back", says("back")).add_edge(last, "back")
    builder.add_conditional_edges("back", lambda s: first if len(s["log"]) < TURNS else END, [first, END])


def _outcome(compiled: CompiledStateGraph, order: Order) -> tuple[Any, ...]:
    """What a run came to, or the error that ended it; the states on the way; what each task was given, in order."""
    hand = ByHand(compiled, limit=100)
    try:
        end: Any = hand.run({"log": ["in"]}, order)
    except InvalidUpdateError as error:
        end = str(error)
    states = [entry for entry in hand.said if entry[0] == "state"]
    return end, states, [(t.step, t.path, t.triggers, t.input) for t in hand.tasks]


@given(graphs(), st.randoms(use_true_random=False))
def test_any_order_of_finishing_gives_the_same_run(drawn: tuple[str, CompiledStateGraph], random: Random) -> None:
    """However the tasks of a superstep overtake each other, the run is the same: states, next tasks, inputs, errors."""
    shape, compiled = drawn
    count("interleavings", shape)
    expected = _outcome(compiled, tuple)
    assert _outcome(compiled, lambda tasks: reversed(list(tasks))) == expected
    assert _outcome(compiled, lambda tasks: random.sample(list(tasks), len(tasks))) == expected
