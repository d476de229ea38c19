"""The machine of a run that is saved: from any of its checkpoints it goes on as if it had never stopped."""

from __future__ import annotations

import operator
from collections.abc import Iterator
from random import Random
from typing import Annotated, Any, TypedDict

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer

from lcel_compat import START, CompiledStateGraph, StateGraph
from lcel_compat._constants import ERROR, ERROR_SOURCE
from lcel_compat._ledger import Ledger
from lcel_compat._machine import Task
from lcel_compat._serde import from_wire_checkpoint, from_wire_writes, to_wire_checkpoint, to_wire_writes
from lcel_compat.errors import InvalidUpdateError
from tests.compat.test_machine import ByHand, graph, graphs
from tests.support.plugin import count

SERDE = JsonPlusSerializer()
VERSION = InMemorySaver().get_next_version
INPUT: Any = {"log": ["in"]}
LIMIT = 100


class Stopped:
    """All that a thread keeps of a run that was stopped: a checkpoint, its step, and what tasks wrote since."""

    def __init__(self, hand: SavedByHand) -> None:
        ledger = hand.ledger
        checkpoint: Any = dict(ledger.checkpoint(hand.machine.channels))
        checkpoint["channel_values"] = to_wire_checkpoint(checkpoint["channel_values"])
        self._checkpoint = SERDE.dumps_typed(checkpoint)
        self.step = hand.machine.step
        self.pending: list[Any] = []

    def keep(self, task: Task) -> None:
        """A task of the superstep that follows has finished."""
        self.pending += [(task.id, name, SERDE.dumps_typed(value)) for name, value in to_wire_writes(task.writes)]

    def continued(self, compiled: CompiledStateGraph, *, forget_updated: bool = False) -> SavedByHand:
        """Another machine that goes on from here, as another process would."""
        checkpoint: Any = dict(SERDE.loads_typed(self._checkpoint))
        checkpoint["channel_values"] = from_wire_checkpoint(checkpoint["channel_values"])
        pending = from_wire_writes([(task, name, SERDE.loads_typed(value)) for task, name, value in self.pending])
        hand = SavedByHand(compiled, Ledger(VERSION, checkpoint, pending or ()))
        hand.machine.restore(checkpoint, self.step)
        hand.machine.resume(None if forget_updated else hand.ledger.updated)
        return hand


class SavedByHand(ByHand):
    """A machine with a ledger; after each superstep it is kept what a saver would be given."""

    def __init__(self, compiled: CompiledStateGraph, ledger: Ledger | None = None) -> None:
        super().__init__(compiled, limit=LIMIT)
        self.ledger = self.machine.ledger = ledger or Ledger(VERSION)
        self.stops: list[Stopped] = []
        self.seen: list[Any] = []

    def play(self, value: Any = None, *, begins: bool = True) -> Any:
        """Run to the end from an input, or on from where it stands; the state, or what the engine refused."""
        try:
            if begins:
                self.machine.begin(value)
                self.next()
            while self.due():
                for task in self.machine.tasks.values():
                    if not task.writes:
                        self.act(task)
                        self.machine.finished(task)
                if self.machine.advance():
                    self.machine.show_state()
                self.next()
        except InvalidUpdateError as error:
            return str(error)
        return self.machine.output()

    def next(self) -> None:
        """The superstep is applied and becomes a checkpoint."""
        self.ledger.advance(self.machine.step)
        self.ledger.pending.clear()
        self.machine.step += 1
        self.stops.append(Stopped(self))

    def due(self) -> list[Task]:
        """The tasks that are next, with what those that finished before have written."""
        self.machine.schedule()
        self.machine.check_limit()
        self.machine.reapply()
        tasks = list(self.machine.tasks.values())
        self.seen.append([(t.id, t.step, t.path, t.triggers, t.input, t.namespace) for t in tasks])
        return tasks


def facts(seen: list[Any]) -> list[Any]:
    """What a run's tasks were, without the ids that are made of their checkpoint's."""
    return [[(step, path, triggers, given) for _, step, path, triggers, given, _ in tasks] for tasks in seen]


@given(graphs(), st.booleans())
def test_it_goes_on_from_any_checkpoint(drawn: tuple[str, CompiledStateGraph], forget_updated: bool) -> None:
    """Restored from the checkpoint of any superstep, a run has the same tasks, inputs and states to its end.

    Also where the checkpoint does not say what the superstep changed, as old ones do not.
    """
    shape, compiled = drawn
    count("restored machines", shape)
    whole = SavedByHand(compiled)
    expected = whole.play(INPUT)
    for number, stopped in enumerate(whole.stops):
        hand = stopped.continued(compiled, forget_updated=forget_updated)
        assert hand.play(begins=False) == expected
        assert hand.seen[0] == whole.seen[number], "the very tasks, with the ids they had"
        assert facts(hand.seen) == facts(whole.seen[number:])


@given(graphs(), st.randoms(use_true_random=False))
def test_it_goes_on_in_the_middle_of_a_superstep(drawn: tuple[str, CompiledStateGraph], random: Random) -> None:
    """Tasks that finished before the run was stopped do not run again; the others do, and the end is the same."""
    shape, compiled = drawn
    count("restored in a superstep", shape)
    whole = SavedByHand(compiled)
    expected = whole.play(INPUT)
    for stopped in whole.stops:
        first = stopped.continued(compiled)
        finished = [task for task in first.due() if random.random() < 0.5]
        for task in finished:
            first.act(task)
            first.machine.finished(task)
            stopped.keep(task)
        hand = stopped.continued(compiled)
        ran: list[str] = []
        for task in hand.due():
            if not task.writes:
                ran.append(task.id)
        assert ran == [task_id for task_id in hand.machine.tasks if task_id not in {task.id for task in finished}]
        assert hand.play(begins=False) == expected


@given(graphs())
def test_a_saved_run_is_an_unsaved_one(drawn: tuple[str, CompiledStateGraph]) -> None:
    """With a ledger a run has the same supersteps and states as without."""
    _, compiled = drawn
    saved, plain = SavedByHand(compiled), ByHand(compiled, limit=LIMIT)
    try:
        expected: Any = plain.run(INPUT)
    except InvalidUpdateError as error:
        expected = str(error)
    assert saved.play(INPUT) == expected
    assert [[path for _, _, path, *_ in tasks] for tasks in saved.seen if tasks] == [
        [task.path for task in tasks] for tasks in _supersteps(plain)
    ]
    assert [entry for entry in saved.said if entry[0] == "state"] == [e for e in plain.said if e[0] == "state"]


def _supersteps(hand: ByHand) -> Iterator[list[Task]]:
    tasks = iter(hand.tasks)
    for names in hand.steps:
        yield [next(tasks) for _ in names]


def test_ids_are_made_of_the_checkpoints() -> None:
    """Two machines that go on from one checkpoint have the same task ids; from another one they are others."""
    compiled = graph("ab", "^a ab ba").compile()
    whole = SavedByHand(compiled)
    whole.machine.begin(INPUT)
    whole.next()
    first, again = whole.stops[0].continued(compiled), whole.stops[0].continued(compiled)
    assert [task.id for task in first.due()] == [task.id for task in again.due()]
    first.machine.advance()
    first.next()
    assert {task.id for task in first.due()}.isdisjoint(task.id for task in again.due())


def test_new_input_drops_what_was_left_to_do() -> None:
    """A thread that was stopped and is given new input begins anew with it; its state stays."""
    compiled = graph("ab", "^a ab").compile()
    whole = SavedByHand(compiled)
    whole.play(INPUT)
    stopped = next(s for s, seen in zip(whole.stops, whole.seen, strict=False) if seen and seen[0][2][-1] == "b")
    assert stopped.continued(compiled).play({"log": ["new"]}) == {"log": ["in", "a", "new", "a", "b"]}


def test_new_input_drops_a_join_that_was_complete() -> None:
    """A join whose node was next when new input came waits for all of its sources again."""
    builder = graph("abc", "^a ^b")
    compiled = builder.add_edge(["a", "b"], "c").compile()
    whole = SavedByHand(compiled)
    whole.play(INPUT)
    stopped = next(s for s, seen in zip(whole.stops, whole.seen, strict=False) if seen and seen[0][2][-1] == "c")
    assert stopped.continued(compiled).play({"log": ["new"]}) == {"log": ["in", "a", "b", "new", "a", "b", "c"]}


class Failing(TypedDict, total=False):
    """One key that is folded."""

    log: Annotated[list[str], operator.add]


def handled() -> CompiledStateGraph:
    """A node whose error is handled, beside one that does not fail."""
    builder = StateGraph(Failing)
    builder.add_node("a", lambda state: None, error_handler=lambda state: {"log": ["rescued"]})
    builder.add_node("b", lambda state: {"log": ["b"]})
    return builder.add_edge(START, "a").add_edge(START, "b").compile()


def test_a_handled_failure_is_not_tried_again() -> None:
    """A run that was stopped while an error was handled goes on with the handler, which is told the error."""
    compiled = handled()
    whole = SavedByHand(compiled)
    whole.machine.begin(INPUT)
    whole.next()
    for task in whole.due():
        whole.act(task)
    whole.machine.advance()
    whole.next()
    stopped = whole.stops[-1]
    failing = next(task for task in stopped.continued(compiled).due() if task.name == "a")
    failing.writes = [(ERROR, ValueError("broken")), (ERROR_SOURCE, "a")]
    stopped.keep(failing)
    hand = stopped.continued(compiled)
    due = {task.name: task for task in hand.due()}
    handler = next(task for task in due.values() if task.error is not None)
    assert due["a"].writes[0][0] == ERROR
    assert (handler.error and handler.error.node) == "a"
    assert "broken" in str(handler.error and handler.error.error)
    assert not due["b"].writes
    again = next(task for task in stopped.continued(compiled).due() if task.error is not None)
    assert again.id == handler.id


@pytest.mark.parametrize("at", ["*", ["b"], ["a", "b"]])
def test_breakpoints_stop_once(at: Any) -> None:
    """A breakpoint stops a run before its nodes; when the run goes on, it does not stop there again."""
    compiled = graph("ab", "^a ab").compile()
    whole = SavedByHand(compiled)
    whole.play(INPUT)
    stopped = next(s for s, seen in zip(whole.stops, whole.seen, strict=False) if seen and seen[0][2][-1] == "b")
    hand = stopped.continued(compiled)
    hand.due()
    assert hand.machine.breaks(at)
    hand.ledger.see_all(hand.machine.channels)
    assert not hand.machine.breaks(at)
    assert not hand.machine.breaks(())
