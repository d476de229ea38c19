"""Threads between runs: their state, their history, updates, forks, and runs that begin at an old checkpoint."""

from __future__ import annotations

import asyncio
import operator
from contextvars import Context, copy_context
from typing import Annotated, Any, TypedDict

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langgraph.checkpoint.memory import InMemorySaver

from lcel_compat import END, START, Command, CompiledStateGraph, Send, StateGraph, StateSnapshot, interrupt
from lcel_compat.errors import InvalidUpdateError, NoCheckpointerError
from lcel_compat.types import StateUpdate
from tests.support.colours import SYNC as SYNCHRONOUS
from tests.support.colours import Colour, run

THREAD: Any = {"configurable": {"thread_id": "1"}}
OTHER: Any = {"configurable": {"thread_id": "2"}}


class State(TypedDict, total=False):
    """One key that is folded, one that is not."""

    log: Annotated[list[str], operator.add]
    plain: str


class Threads:
    """The methods about threads in one colour."""

    def __init__(self, colour: Colour, graph: CompiledStateGraph) -> None:
        self.colour = colour
        self.graph = graph

    def _call(self, name: str, *args: Any, **kwargs: Any) -> Any:
        if self.colour is SYNCHRONOUS:
            return getattr(self.graph, name)(*args, **kwargs)
        return run(getattr(self.graph, f"a{name}")(*args, **kwargs))

    def invoke(self, value: Any, config: Any = THREAD, **asked: Any) -> Any:
        return self._call("invoke", value, config, **asked)

    def state(self, config: Any = THREAD, **asked: Any) -> StateSnapshot:
        found: StateSnapshot = self._call("get_state", config, **asked)
        return found

    def update(self, config: Any, values: Any, **asked: Any) -> Any:
        return self._call("update_state", config, values, **asked)

    def bulk(self, config: Any, supersteps: Any) -> Any:
        return self._call("bulk_update_state", config, supersteps)

    def history(self, config: Any = THREAD, **asked: Any) -> list[StateSnapshot]:
        if self.colour is SYNCHRONOUS:
            return list(self.graph.get_state_history(config, **asked))

        async def read() -> list[StateSnapshot]:
            return [state async for state in self.graph.aget_state_history(config, **asked)]

        return run(read())


def says(name: str, ran: list[str] | None = None) -> Any:
    def node(state: Any) -> dict[str, list[str]]:
        if ran is not None:
            ran.append(name)
        return {"log": [name]}

    return node


def line(*names: str, ran: list[str] | None = None, **options: Any) -> CompiledStateGraph:
    """Nodes after each other."""
    builder = StateGraph(State).add_sequence([(name, says(name, ran)) for name in names])
    return builder.add_edge(START, names[0]).compile(**{"checkpointer": InMemorySaver(), **options})


# Looking ---------------------------------------------------------------------------------------------------


def test_history(colour: Colour) -> None:
    """A thread's history has a state for its input and one for each superstep, each pointing to the one before."""
    threads = Threads(colour, line("a", "b"))
    threads.invoke({"log": ["in"]})
    states = threads.history()
    assert [(s.values, s.next) for s in states] == [
        ({"log": ["in", "a", "b"]}, ()),
        ({"log": ["in", "a"]}, ("b",)),
        ({"log": ["in"]}, ("a",)),
        ({"log": []}, ("__start__",)),
    ]
    assert [(s.metadata or {}).get("step") for s in states] == [2, 1, 0, -1]
    assert [(s.metadata or {}).get("source") for s in states] == ["loop", "loop", "loop", "input"]
    assert [s.parent_config for s in states] == [*(s.config for s in states[1:]), None]
    assert [t.result for s in states for t in s.tasks] == [{"log": ["b"]}, {"log": ["a"]}, {"log": ["in"]}]
    assert threads.state() == states[0]


def test_history_can_be_limited(colour: Colour) -> None:
    """``limit``, ``before`` and ``filter`` choose among the states."""
    threads = Threads(colour, line("a", "b"))
    threads.invoke({"log": []})
    states = threads.history()
    assert threads.history(limit=2) == states[:2]
    assert threads.history(before=states[1].config) == states[2:]
    assert threads.history(filter={"source": "input"}) == states[3:]


def test_the_state_at_each_checkpoint(colour: Colour) -> None:
    """A configuration of the history addresses its state."""
    threads = Threads(colour, line("a", "b"))
    threads.invoke({"log": []})
    for state in threads.history():
        found = threads.state(state.config)
        assert (found.values, found.next, found.config) == (state.values, state.next, state.config)


def test_a_thread_that_does_not_exist(colour: Colour) -> None:
    """Its state is empty, and it has no history."""
    threads = Threads(colour, line("a"))
    state = threads.state(OTHER)
    assert (state.values, state.next, state.created_at, state.tasks) == ({}, (), None, ())
    assert threads.history(OTHER) == []


def test_a_thread_that_waits(colour: Colour) -> None:
    """The state of a run that asked has the questions with their tasks; of one that failed, the error."""

    def fails(state: Any) -> None:
        raise ConnectionError("gone")

    builder = StateGraph(State).add_node("asks", lambda state: {"log": [interrupt("?")]}).add_edge(START, "asks")
    threads = Threads(colour, builder.compile(checkpointer=InMemorySaver()))
    threads.invoke({"log": []})
    state = threads.state()
    assert state.next == ("asks",)
    assert [i.value for i in state.interrupts] == ["?"]
    assert [(t.name, t.interrupts) for t in state.tasks] == [("asks", state.interrupts)]
    failing = StateGraph(State).add_node("fails", fails).add_edge(START, "fails").compile(checkpointer=InMemorySaver())
    threads = Threads(colour, failing)
    with pytest.raises(ConnectionError):
        threads.invoke({"log": []})
    (task,) = threads.state().tasks
    assert "gone" in str(task.error)


def test_what_finished_is_shown(colour: Colour) -> None:
    """The state of a thread that stopped within a superstep shows what its finished tasks wrote."""
    builder = StateGraph(State).add_node("asks", lambda state: {"log": [interrupt("?")]}).add_node("done", says("done"))
    builder.add_edge(START, "asks").add_edge(START, "done")
    threads = Threads(colour, builder.compile(checkpointer=InMemorySaver()))
    threads.invoke({"log": []})
    state = threads.state()
    assert (state.values, state.next) == ({"log": ["done"]}, ("asks",))


@pytest.mark.parametrize("subgraphs", [False, True])
def test_graphs_inside(colour: Colour, subgraphs: bool) -> None:
    """A task that is a graph comes with its state, or with the configuration that addresses it."""
    inner = StateGraph(State).add_node("first", says("first"))
    inner.add_node("asks", lambda state: {"log": [interrupt("?")]}).add_edge(START, "first").add_edge("first", "asks")
    builder = StateGraph(State).add_node("sub", inner.compile()).add_edge(START, "sub")
    threads = Threads(colour, builder.compile(checkpointer=InMemorySaver()))
    threads.invoke({"log": ["in"]})
    (task,) = threads.state(subgraphs=subgraphs).tasks
    state: Any = task.state
    below = state if subgraphs else threads.state(state)
    assert (below.values, below.next) == ({"log": ["in", "first"]}, ("asks",))
    threads.update(below.config, {"log": ["by hand"]})
    assert threads.invoke(Command(resume="yes"))["log"][-2:] == ["by hand", "yes"]


# Changing --------------------------------------------------------------------------------------------------


def test_update(colour: Colour) -> None:
    """An update is as if a node had returned it: by default the last that ran, whose edges are followed."""
    threads = Threads(colour, line("a", "b", "c", interrupt_before=["b"]))
    threads.invoke({"log": []})
    config = threads.update(THREAD, {"log": ["hand"], "plain": "x"})
    state = threads.state()
    assert (state.values, state.next) == ({"log": ["a", "hand"], "plain": "x"}, ("b",))
    assert state.config == config
    assert (state.metadata or {}).get("source") == "update"
    assert threads.invoke(None)["log"] == ["a", "hand", "b", "c"] or threads.invoke(None)["log"][-1] == "c"


def test_update_as_a_node(colour: Colour) -> None:
    """``as_node`` says of which node the update is; that node does not run, what follows it does."""
    ran: list[str] = []
    threads = Threads(colour, line("a", "b", "c", ran=ran))
    threads.update(OTHER, {"log": ["hand"]}, as_node="b")
    assert threads.state(OTHER).next == ("c",)
    assert threads.invoke(None, OTHER) == {"log": ["hand", "c"]}
    assert ran == ["c"]


def test_update_follows_conditional_edges(colour: Colour) -> None:
    """An update as a node with a conditional edge asks that edge, which sees the update."""
    builder = StateGraph(State).add_node("a", says("a")).add_node("b", says("b")).add_edge(START, "a")
    builder.add_conditional_edges("a", lambda state: "b" if state["plain"] == "go" else END, ["b", END])
    threads = Threads(colour, builder.compile(checkpointer=InMemorySaver()))
    threads.update(THREAD, {"plain": "go"}, as_node="a")
    threads.update(OTHER, {"plain": "stop"}, as_node="a")
    assert (threads.state().next, threads.state(OTHER).next) == (("b",), ())


def test_update_leaves_the_context_alone(colour: Colour) -> None:
    """After an update the caller's context is what it was: no node, and no configuration, runs on in it."""
    builder = StateGraph(State).add_node("a", says("a")).add_node("b", says("b")).add_edge(START, "a")
    graph = builder.add_conditional_edges("a", lambda state: "b", ["b"]).compile(checkpointer=InMemorySaver())

    def update() -> None:
        before = dict(copy_context())
        graph.update_state(THREAD, {"log": ["x"]}, as_node="a")
        assert dict(copy_context()) == before

    async def aupdate() -> None:
        before = dict(copy_context())
        await graph.aupdate_state(THREAD, {"log": ["x"]}, as_node="a")
        assert dict(copy_context()) == before

    if colour is SYNCHRONOUS:
        Context().run(update)
    else:
        run(aupdate())


def test_bulk_update(colour: Colour) -> None:
    """Updates of several nodes make one superstep, and several supersteps one after the other."""
    builder = StateGraph(State)
    for name in "abc":
        builder.add_node(name, says(name))
    graph = builder.add_edge(START, "a").add_edge(START, "b").add_edge(["a", "b"], "c").compile(InMemorySaver())
    threads = Threads(colour, graph)
    supersteps = [
        [StateUpdate({"log": ["in"]}, START)],
        [StateUpdate({"log": ["A"]}, "a"), StateUpdate({"log": ["B"]}, "b")],
    ]
    threads.bulk(THREAD, supersteps)
    assert (threads.state().values, threads.state().next) == ({"log": ["in", "A", "B"]}, ("c",))
    assert threads.invoke(None) == {"log": ["in", "A", "B", "c"]}


def test_nothing_left_to_do(colour: Colour) -> None:
    """``update_state(None, as_node=END)`` drops what is left of a thread; what had finished stays."""
    threads = Threads(colour, line("a", "b", interrupt_before=["b"]))
    threads.invoke({"log": []})
    threads.update(THREAD, None, as_node=END)
    assert (threads.state().values, threads.state().next) == ({"log": ["a"]}, ())


@pytest.mark.parametrize(
    ("supersteps", "error", "says"),
    [
        ([], ValueError, "no updates"),
        ([[]], ValueError, "no updates"),
        ([[StateUpdate({"log": ["x"]}, "nowhere")]], InvalidUpdateError, "'nowhere'"),
        ([[StateUpdate("text", "a")]], InvalidUpdateError, "'text'"),
        ([[StateUpdate({}, "__input__"), StateUpdate({}, "a")]], InvalidUpdateError, "stands alone"),
        ([[StateUpdate({}, "a"), StateUpdate({})]], InvalidUpdateError, "as_node"),
    ],
)
def test_updates_that_are_none(colour: Colour, supersteps: Any, error: Any, says: str) -> None:
    """An update that cannot be applied is refused with what is wrong, and changes nothing."""
    threads = Threads(colour, line("a", "b"))
    threads.invoke({"log": []})
    before = threads.history()
    with pytest.raises(error, match=says):
        threads.bulk(THREAD, supersteps)
    assert threads.history() == before


def test_without_a_saver_or_a_thread(colour: Colour) -> None:
    """A graph without a saver has no threads, and a configuration has to name one."""
    with pytest.raises(NoCheckpointerError, match="checkpointer"):
        Threads(colour, line("a", checkpointer=None)).state()
    with pytest.raises(ValueError, match="thread_id"):
        Threads(colour, line("a")).state({})
    with pytest.raises(ValueError, match="thread_id"):
        colour.invoke(line("a"), {"log": []})


# Travelling ------------------------------------------------------------------------------------------------


def test_a_run_from_an_old_checkpoint(colour: Colour) -> None:
    """A run that begins at a checkpoint of the history runs all that came after it again, in a branch of its own."""
    ran: list[str] = []
    threads = Threads(colour, line("a", "b", "c", ran=ran))
    threads.invoke({"log": []})
    old = next(state for state in threads.history() if state.next == ("b",))
    assert threads.invoke(None, old.config) == {"log": ["a", "b", "c"]}
    assert ran == ["a", "b", "c", "b", "c"]
    assert threads.state().values == {"log": ["a", "b", "c"]}
    assert len([state for state in threads.history() if state.next == ("b",)]) == 2


def test_a_question_of_an_old_checkpoint_is_asked_again(colour: Colour) -> None:
    """A run that begins at an old checkpoint does not take the answer that was given there; it asks once more."""
    builder = StateGraph(State).add_node("asks", lambda state: {"log": [interrupt("?")]}).add_edge(START, "asks")
    threads = Threads(colour, builder.compile(checkpointer=InMemorySaver()))
    threads.invoke({"log": []})
    old = threads.state().config
    assert threads.invoke(Command(resume="one")) == {"log": ["one"]}
    assert [i.value for i in threads.invoke(None, old)["__interrupt__"]] == ["?"]
    assert threads.invoke(Command(resume="two")) == {"log": ["two"]}


def test_a_fork(colour: Colour) -> None:
    """An update at an old checkpoint forks the thread there; the old branch stays in the history."""
    threads = Threads(colour, line("a", "b"))
    threads.invoke({"log": []})
    old = next(state for state in threads.history() if state.next == ("b",))
    config = threads.update(old.config, {"log": ["fork"]})
    assert threads.invoke(None, config) == {"log": ["a", "fork", "b"]}
    finals = [state.values["log"] for state in threads.history() if not state.next]
    assert finals == [["a", "fork", "b"], ["a", "b"]]


def test_new_input_goes_on(colour: Colour) -> None:
    """A thread that is complete takes new input, and keeps its state."""
    threads = Threads(colour, line("a"))
    assert [threads.invoke({"log": [str(n)]})["log"] for n in range(3)][-1] == ["0", "a", "1", "a", "2", "a"]
    assert threads.invoke({"log": ["x"]}, OTHER) == {"log": ["x", "a"]}


@pytest.mark.parametrize("where", ["before", "after"])
@pytest.mark.parametrize("at", ["call", "compile"])
@pytest.mark.parametrize("nodes", [["b"], "*"], ids=str)
def test_breakpoints(colour: Colour, where: str, at: str, nodes: Any) -> None:
    """A run stops before or after the nodes that are named, and goes on when it is run without input."""
    stop = {f"interrupt_{where}": nodes}
    threads = Threads(colour, line("a", "b", "c", **(stop if at == "compile" else {})))
    asked: Any = stop if at == "call" else {}
    logs = [threads.invoke({"log": []}, **asked)["log"]]
    while threads.state().next:
        logs.append(threads.invoke(None, **asked)["log"])
    if nodes == "*":
        stops = [["a"], ["a", "b"], ["a", "b", "c"]]
        assert logs == ([[], *stops] if where == "before" else stops)
    else:
        assert logs == [["a"] if where == "before" else ["a", "b"], ["a", "b", "c"]]


@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("run"), st.integers(0, 9)),
            st.tuples(st.just("update"), st.integers(0, 9)),
            st.tuples(st.just("replay"), st.integers(0, 9)),
            st.tuples(st.just("fork"), st.integers(0, 9)),
        ),
        max_size=6,
    )
)
def test_a_history_is_never_rewritten(steps: list[tuple[str, int]]) -> None:
    """Whatever is done with a thread, its earlier states stay as they were, and new ones come on top."""
    builder = StateGraph(State).add_node("a", says("a")).add_node("work", says("work")).add_edge(START, "a")
    builder.add_conditional_edges("a", lambda state: [Send("work", 1), Send("work", 2)], ["work"])
    graph = builder.compile(checkpointer=InMemorySaver())

    async def play() -> None:
        before: list[Any] = []
        for what, number in [("run", 0), *steps]:
            at = before[number % len(before)][0] if before else THREAD
            if what == "run":
                await graph.ainvoke({"log": [str(number)]}, THREAD)
            elif what == "update":
                await graph.aupdate_state(THREAD, {"log": [f"u{number}"]}, as_node="a")
            elif what == "replay":
                await graph.ainvoke(None, at)
            else:
                await graph.aupdate_state(at, {"log": [f"f{number}"]}, as_node="a")
            now = [(s.config, s.values, s.next) async for s in graph.aget_state_history(THREAD)]
            assert now[len(now) - len(before) :] == before
            before = now

    asyncio.run(play())
