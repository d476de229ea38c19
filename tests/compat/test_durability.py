"""When a run is saved, what a saver is told in which order, and what happens when it fails."""

from __future__ import annotations

import asyncio
import operator
import threading
from collections.abc import Iterator
from typing import Annotated, Any, TypedDict

import pytest

from lcel_compat import START, CompiledStateGraph, StateGraph, get_stream_writer
from tests.support.colours import SYNC, Colour, Raised, run
from tests.support.saving import SaverFault, Told, saved_ids

THREAD: Any = {"configurable": {"thread_id": "1"}}
DURABILITIES = ("sync", "async", "exit")
LOADED, INPUT, STARTED = ("load",), ("put", "input", -1), ("writes", "__start__")
WRITTEN = [INPUT, STARTED, ("put", "loop", 0), ("writes", "a"), ("put", "loop", 1), ("writes", "b"), ("put", "loop", 2)]


class State(TypedDict, total=False):
    """One key that is folded."""

    log: Annotated[list[str], operator.add]


class Line:
    """Two nodes after each other, and the story of what ran, what was saved and what was shown."""

    def __init__(self, *, fails_at: int | None = None, delay: float = 0.0) -> None:
        self.story: list[Any] = []
        self.saver = Told(self.story, fails_at=fails_at, delay=delay)
        builder = StateGraph(State)
        builder.add_sequence([(name, self._node(name)) for name in "ab"]).add_edge(START, "a")
        self.graph: CompiledStateGraph = builder.compile(checkpointer=self.saver)

    def _node(self, name: str) -> Any:
        def node(state: Any) -> dict[str, list[str]]:
            self.story.append(("run", name))
            return {"log": [name]}

        return node

    def read(self, colour: Colour, value: Any, **asked: Any) -> list[Any]:
        """The items of a run; each is in the story when its consumer has it."""
        items: list[Any] = []

        def shown(item: Any) -> None:
            self.story.append(("shown", *item))
            items.append(item)

        if colour is SYNC:
            for item in self.graph.stream(value, THREAD, **asked):
                shown(item)
            return items

        async def read() -> None:
            async for item in self.graph.astream(value, THREAD, **asked):
                shown(item)

        run(read())
        return items

    def saved(self) -> list[Any]:
        """What the saver has kept, in order."""
        return [entry for entry in self.story if entry[0] in ("put", "writes")]


@pytest.fixture(autouse=True)
def nothing_left() -> Iterator[None]:
    """No thread of the engine's outlives a run."""
    yield
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("lcel-compat")]


# What is told ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("durability", ["sync", "async", None])
def test_what_a_saver_is_told(colour: Colour, durability: Any) -> None:
    """A run saves its input, and then of each superstep what its tasks wrote before the checkpoint that has it."""
    line = Line()
    colour.invoke(line.graph, {"log": []}, THREAD, durability=durability)
    assert [entry for entry in line.story if entry[0] != "run"] == [LOADED, *WRITTEN]


def test_at_the_exit_one_checkpoint_is_saved(colour: Colour) -> None:
    """With ``durability="exit"`` a run that completes saves its last state alone."""
    line = Line()
    colour.invoke(line.graph, {"log": []}, THREAD, durability="exit")
    assert line.saved() == [("put", "loop", 2)]
    assert line.graph.get_state(THREAD).values == {"log": ["a", "b"]}


def test_in_sync_nothing_is_shown_or_begun_before_it_is_saved(colour: Colour) -> None:
    """With ``durability="sync"`` a node's update and a superstep's state are shown when they are saved; so is begun."""
    line = Line(delay=0.002)
    line.read(colour, {"log": ["in"]}, stream_mode=["values", "updates"], durability="sync")
    place = line.story.index
    for name, step, log in (("a", 1, ["in", "a"]), ("b", 2, ["in", "a", "b"])):
        assert place(("put", "loop", step - 1)) < place(("run", name))
        assert place(("writes", name)) < place(("shown", "updates", {name: {"log": [name]}}))
        assert place(("put", "loop", step)) < place(("shown", "values", {"log": log}))
    assert place(("put", "loop", 0)) < place(("shown", "values", {"log": ["in"]}))


def test_in_async_the_next_superstep_runs_meanwhile(colour: Colour) -> None:
    """With ``durability="async"`` a run does not wait for its saver before its end, and then has saved all of it."""
    running = threading.Event()

    class Slow(Told):
        def put(self, *args: Any) -> Any:
            assert running.wait(5)
            return super().put(*args)

        async def aput(self, *args: Any) -> Any:
            assert await asyncio.to_thread(running.wait, 5)
            return await super().aput(*args)

    saver = Slow()
    builder = StateGraph(State).add_node("a", lambda state: running.set()).add_edge(START, "a")
    colour.invoke(builder.compile(checkpointer=saver), {"log": ["in"]}, THREAD)
    assert [entry for entry in saver.story if entry[0] == "put"] == [("put", source, step) for source, step in ORDER]


ORDER = [("input", -1), ("loop", 0), ("loop", 1)]


@pytest.mark.parametrize("durability", DURABILITIES)
def test_every_end_is_saved(colour: Colour, durability: Any) -> None:
    """After a node failed, the thread has what its finished neighbour wrote, and goes on without running it again."""
    ran: list[str] = []
    saver = Told()
    finished = threading.Event()

    def good(state: Any) -> dict[str, list[str]]:
        ran.append("good")
        finished.set()
        return {"log": ["good"]}

    def bad(state: Any) -> dict[str, list[str]]:
        ran.append("bad")
        finished.wait(5)
        _until(lambda: durability == "exit" or ("writes", "good") in saver.story, 1.0)
        if ran.count("bad") == 1:
            raise SaverFault("not a saver's fault")
        return {"log": ["bad"]}

    builder = StateGraph(State).add_node("good", good).add_node("bad", bad)
    builder.add_edge(START, "good").add_edge(START, "bad")
    graph = builder.compile(checkpointer=saver)
    with pytest.raises(SaverFault):
        colour.invoke(graph, {"log": []}, THREAD, durability=durability)
    state = graph.get_state(THREAD)
    assert sorted(task.name for task in state.tasks if task.error) == ["bad"]
    assert colour.invoke(graph, None, THREAD, durability=durability) == {"log": ["bad", "good"]}
    assert sorted(ran) == ["bad", "bad", "good"] or durability == "exit"


def _until(done: Any, seconds: float) -> None:
    waiting = threading.Event()
    for _ in range(int(seconds / 0.005)):
        if done():
            return
        waiting.wait(0.005)


def test_durability_of_a_graph_inside(colour: Colour) -> None:
    """A graph inside is saved as the call of the outermost says: at the exit it saves nothing when it completes."""
    told: dict[str, list[Any]] = {}
    for durability in DURABILITIES:
        saver = Told()
        inner = StateGraph(State).add_node("in", lambda state: {"log": ["in"]}).add_edge(START, "in").compile()
        graph = StateGraph(State).add_node("sub", inner).add_edge(START, "sub").compile(checkpointer=saver)
        colour.invoke(graph, {"log": []}, THREAD, durability=durability)
        told[durability] = [entry for entry in saver.story if entry[0] != "load"]
    assert told["exit"] == [("put", "loop", 1)]
    assert told["sync"].count(("put", "loop", 1)) == 2
    assert sorted(told["async"]) == sorted(told["sync"])


def test_an_unknown_durability(colour: Colour) -> None:
    """A durability that does not exist is refused with those that do, before anything runs."""
    line = Line()
    with pytest.raises(ValueError, match="'sync', 'async' or 'exit'"):
        colour.invoke(line.graph, {"log": []}, THREAD, durability="later")
    assert line.story == []


def test_checkpoints_come_in_the_order_of_their_ids(colour: Colour) -> None:
    """Ids grow from checkpoint to checkpoint, over several runs of a thread."""
    line = Line()
    for _ in range(3):
        colour.invoke(line.graph, {"log": []}, THREAD)
    ids = saved_ids(line.saver)
    assert ids == sorted(ids, reverse=True)
    assert len(ids) == 12


# A saver that fails ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("durability", DURABILITIES)
@pytest.mark.parametrize("number", range(len(WRITTEN)))
def test_a_saver_that_fails(colour: Colour, durability: Any, number: int) -> None:
    """At whichever call a saver fails, the run fails with that error; what was saved before it goes on later.

    With ``durability="exit"`` there is one call.
    """
    line = Line(fails_at=number)
    items = _observed(line, colour, durability)
    if durability == "exit" and number:
        assert items[-1] == ("values", {"log": ["a", "b"]})
        return
    assert items[-1] == Raised("SaverFault", f"call {number}")
    assert [item for item in items if isinstance(item, Raised)] == items[-1:]
    kept = [] if durability == "exit" else WRITTEN[:number]
    assert line.saved() == kept
    line.saver.fails_at = None
    line.story.clear()
    again: Any = None if INPUT in kept else {"log": []}
    assert colour.invoke(line.graph, again, THREAD) == {"log": ["a", "b"]}
    redone = [name for name in "ab" if ("writes", name) not in kept]
    assert [entry[1] for entry in line.story if entry[0] == "run"] == redone


def _observed(line: Line, colour: Colour, durability: Any) -> list[Any]:
    asked = {"stream_mode": ["values", "updates"], "durability": durability}
    return colour.observe_stream(line.graph, {"log": []}, THREAD, **asked)


@pytest.mark.parametrize("number", range(len(WRITTEN)))
def test_in_sync_nothing_is_shown_that_could_not_be_saved(colour: Colour, number: int) -> None:
    """With ``durability="sync"`` what a consumer has seen is what the thread has, whenever the saver fails."""
    line = Line(fails_at=number)
    items = _observed(line, colour, "sync")[:-1]
    shown = [("writes", next(iter(item))) for mode, item in items if mode == "updates"]
    states = [("put", "loop", len(item["log"])) for mode, item in items if mode == "values"]
    assert {*shown, *states} <= set(line.saved())


def test_a_saver_that_cannot_load(colour: Colour) -> None:
    """If the thread cannot be read, nothing runs and nothing is saved."""

    class Gone(Told):
        def get_tuple(self, config: Any) -> Any:
            raise SaverFault("gone")

    ran: list[Any] = []
    saver = Gone()
    graph = StateGraph(State).add_node("a", ran.append).add_edge(START, "a").compile(checkpointer=saver)
    with pytest.raises(SaverFault, match="gone"):
        colour.invoke(graph, {"log": []}, THREAD)
    assert (ran, saver.story) == ([], [])


def test_a_failure_that_cannot_be_saved_is_the_nodes(colour: Colour) -> None:
    """If a node fails and the saver too, the node's error is raised, and says that the run could not be saved."""

    class Fault(Exception):
        pass

    def fails(state: Any) -> None:
        raise Fault("node")

    saver = Told(fails_at=0)
    graph = StateGraph(State).add_node("a", fails).add_edge(START, "a").compile(checkpointer=saver)
    with pytest.raises(Fault, match="node") as caught:
        colour.invoke(graph, {"log": []}, THREAD, durability="exit")
    assert any("could not be saved" in note and "call 0" in note for note in caught.value.__notes__)


async def test_neighbours_are_stopped_when_a_saver_fails() -> None:
    """With ``durability="sync"`` nodes that run when the saver fails are cancelled and awaited."""
    notes: list[str] = []

    async def sleeps(state: Any) -> None:
        try:
            await asyncio.sleep(60)
        finally:
            notes.append("over")

    builder = StateGraph(State).add_node("quick", lambda state: {"log": ["x"]}).add_node("sleeps", sleeps)
    graph = builder.add_edge(START, "quick").add_edge(START, "sleeps").compile(checkpointer=Told(fails_at=3))
    with pytest.raises(SaverFault):
        await asyncio.wait_for(graph.ainvoke({"log": []}, THREAD, durability="sync"), 10)
    assert notes == ["over"]
    assert asyncio.all_tasks() == {asyncio.current_task()}


def test_a_saver_that_fails_is_told_to_handlers_once(colour: Colour) -> None:
    """Callbacks of the root see one error, and no end, if the last checkpoint cannot be saved."""
    from tests.compat.test_endings import Outcomes

    line, handler = Line(fails_at=6), Outcomes()
    with pytest.raises(SaverFault):
        colour.invoke(line.graph, {"log": []}, {**THREAD, "callbacks": [handler]})
    assert handler.of("LangGraph") == ["SaverFault"]
    assert sorted(handler.ends) == [("LangGraph", "SaverFault"), ("a", "end"), ("b", "end")]


def test_what_nodes_sent_before_a_saver_failed_arrives(colour: Colour) -> None:
    """Items of nodes are handed out before the saver's error is raised."""

    def node(state: Any) -> None:
        get_stream_writer()("sent")

    saver = Told(fails_at=3)
    graph = StateGraph(State).add_node("a", node).add_edge(START, "a").compile(checkpointer=saver)
    items = colour.observe_stream(graph, {"log": []}, THREAD, stream_mode="custom", durability="sync")
    assert items == ["sent", Raised("SaverFault", "call 3")]
