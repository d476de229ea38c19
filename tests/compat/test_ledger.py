"""The ledger: versions that only grow, and what each node has seen of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langgraph.checkpoint.memory import InMemorySaver

from lcel_compat._constants import ERROR, ERROR_SOURCE, INTERRUPT, NO_WRITES, NULL_TASK, RESUME
from lcel_compat._ledger import Ledger, TaskStatus, new_versions, statuses
from lcel_compat.channels import LastValue
from lcel_compat.types import Interrupt
from tests.support.plugin import count

CHANNELS = ("a", "b", "c", "d")
NODES = ("x", "y")


def counting(current: Any, channel: None) -> int:
    """Versions that are whole numbers, as some savers make them."""
    return 1 if current is None else current + 1


VERSIONS = pytest.mark.parametrize(
    "next_version", [counting, InMemorySaver().get_next_version], ids=["numbers", "texts"]
)

some = st.sets(st.sampled_from(CHANNELS))
steps = st.lists(
    st.one_of(
        st.tuples(st.just("bump"), some, st.none()),
        st.tuples(st.just("see"), some, st.sampled_from(NODES)),
        st.tuples(st.just("save"), st.none(), st.none()),
    ),
    max_size=30,
)


class Model:
    """What the ledger stands for: when each channel changed, and when each node looked."""

    def __init__(self) -> None:
        self.now = 0
        self.changed: dict[str, int] = {}
        self.seen: dict[str, dict[str, int]] = {}

    def bump(self, channels: set[str]) -> None:
        self.now += 1
        self.changed.update(dict.fromkeys(channels, self.now))

    def see(self, node: str, channels: set[str]) -> None:
        seen = self.seen.setdefault(node, {})
        seen.update({c: self.now for c in channels if c in self.changed})

    def triggers(self, node: str, channels: Sequence[str]) -> bool:
        if node not in self.seen:
            return bool(channels)
        return any(self.changed[c] > self.seen[node].get(c, -1) for c in channels if c in self.changed)


@VERSIONS
@given(drawn=steps)
def test_triggers_agree_with_what_changed(next_version: Any, drawn: list[tuple[str, Any, Any]]) -> None:
    """A node is triggered by a channel that changed since the node saw it, also when the ledger was saved meanwhile."""
    ledger, model = Ledger(next_version), Model()
    for step, (what, channels, node) in enumerate(drawn):
        if what == "bump":
            ledger.bump(sorted(channels))
            model.bump(channels)
        elif what == "see":
            ledger.see(node, sorted(channels))
            model.see(node, channels)
        else:
            ledger.advance(step)
            ledger = Ledger(next_version, ledger.checkpoint({}))
        for name in NODES:
            available = [c for c in CHANNELS if c in model.changed]
            for triggers in (available, available[:1], available[1:], []):
                assert ledger.triggers(name, triggers) == model.triggers(name, triggers)
    count("ledgers", tuple(what for what, _, _ in drawn))


@VERSIONS
@given(drawn=st.lists(some, max_size=20))
def test_versions_only_grow(next_version: Any, drawn: list[set[str]]) -> None:
    """Whatever changes gets a newer version than anything had before; what does not change keeps its own."""
    ledger = Ledger(next_version)
    for changed in drawn:
        before = dict(ledger.versions)
        ledger.bump(sorted(changed))
        assert new_versions(before, ledger.versions).keys() == changed
        for name in changed:
            assert all(ledger.versions[name] > version for version in before.values())
        assert {n: v for n, v in ledger.versions.items() if n not in changed} == {
            n: v for n, v in before.items() if n not in changed
        }
    assert len({*ledger.versions.values()}) <= len([changed for changed in drawn if changed])


@VERSIONS
def test_breakpoints_see_everything(next_version: Any) -> None:
    """After a breakpoint stopped a run, it may stop again when something has changed since, and not before."""
    ledger = Ledger(next_version)
    assert not ledger.changed_since_interrupt()
    ledger.bump(["a"])
    assert ledger.changed_since_interrupt()
    ledger.see_all(CHANNELS)
    assert not ledger.changed_since_interrupt()
    ledger.bump(["b"])
    assert ledger.changed_since_interrupt()


def test_ids_grow() -> None:
    """Each checkpoint's id is later than those before it, by which savers find the latest."""
    ledger = Ledger(counting)
    ids = [ledger.id]
    for step in range(-1, 50):
        ledger.advance(step)
        ids.append(ledger.id)
    assert ids == sorted(ids)
    assert len({*ids}) == len(ids)


def test_a_checkpoint_shares_nothing_with_the_ledger() -> None:
    """What was handed to a saver does not change when the run goes on."""
    ledger = Ledger(counting)
    ledger.bump(["a"])
    ledger.see("x", ["a"])
    ledger.updated = {"a"}
    made = ledger.checkpoint({})
    before = repr(made)
    ledger.bump(["a", "b"])
    ledger.see("x", ["a", "b"])
    ledger.updated.add("b")
    assert repr(made) == before
    assert made["updated_channels"] == ["a"]


def test_values_of_channels_that_were_never_written() -> None:
    """A checkpoint keeps the values of channels that have a version and hold something."""
    ledger = Ledger(counting)
    channels = {name: LastValue(name) for name in CHANNELS}
    for name in ("a", "b"):
        channels[name].update([name])
    ledger.bump(["a", "c"])
    assert ledger.checkpoint(channels)["channel_values"] == {"a": "a"}


# Pending writes --------------------------------------------------------------------------------------------


def test_what_a_task_wrote_last_counts() -> None:
    """A task that is noted again, as one that asks a second question, has written that alone."""
    ledger = Ledger(counting)
    first, second = Interrupt(1, "1"), Interrupt(2, "2")
    ledger.note("t", [(INTERRUPT, (first,))])
    ledger.note("u", [("a", 1)])
    kept = ledger.note("t", [(INTERRUPT, (second,)), (RESUME, ["yes"])])
    assert kept == [(INTERRUPT, (second,)), (RESUME, ["yes"])]
    assert [w for w in ledger.pending if w[0] == "t"] == [("t", INTERRUPT, (second,)), ("t", RESUME, ["yes"])]
    assert ("u", "a", 1) in ledger.pending


def test_of_control_writes_one_of_each_is_kept() -> None:
    """Savers keep one answer for each task, so that of several the last is noted."""
    ledger = Ledger(counting)
    assert ledger.note("t", [(RESUME, [1]), (RESUME, [1, 2])]) == [(RESUME, [1, 2])]
    assert ledger.pending == [("t", RESUME, [1, 2])]


def test_commands_add_up() -> None:
    """What commands write comes together under one task; an answer takes the place of the one before."""
    ledger = Ledger(counting)
    assert ledger.note(NULL_TASK, [("a", 1), (RESUME, "x")]) == [("a", 1), (RESUME, "x")]
    assert ledger.note(NULL_TASK, [(RESUME, "y"), ("b", 2)]) == [("a", 1), ("b", 2), (RESUME, "y")]
    assert sorted(ledger.null_writes()) == [(RESUME, "y"), ("a", 1), ("b", 2)]


def test_forget() -> None:
    """Writes to some names can be dropped, of all tasks."""
    ledger = Ledger(counting, None, [("t", RESUME, 1), ("t", "a", 2), (NULL_TASK, RESUME, 3)])
    ledger.forget(RESUME)
    assert ledger.pending == [("t", "a", 2)]


QUESTION = Interrupt("?", "q")
FAULT = ValueError("broken")


@pytest.mark.parametrize(
    ("writes", "expected", "finished", "waits"),
    [
        ([("a", 1), ("b", 2)], TaskStatus(output=[("a", 1), ("b", 2)]), True, ()),
        ([(NO_WRITES, None)], TaskStatus(output=[(NO_WRITES, None)]), True, ()),
        ([(INTERRUPT, (QUESTION,))], TaskStatus(interrupts=(QUESTION,)), False, (QUESTION,)),
        ([(INTERRUPT, QUESTION)], TaskStatus(interrupts=(QUESTION,)), False, (QUESTION,)),
        ([(INTERRUPT, (QUESTION,)), (RESUME, [1])], TaskStatus(interrupts=(QUESTION,)), False, (QUESTION,)),
        ([(INTERRUPT, (QUESTION,)), ("a", 1)], TaskStatus(output=[("a", 1)], interrupts=(QUESTION,)), True, ()),
        ([(ERROR, FAULT)], TaskStatus(error=FAULT), False, ()),
        ([(ERROR, FAULT), (ERROR_SOURCE, "t")], TaskStatus(error=FAULT), False, ()),
        ([(RESUME, [1])], TaskStatus(), False, ()),
    ],
    ids=[
        "wrote",
        "nothing to write",
        "asked",
        "asked, in an old form",
        "asked again",
        "answered",
        "failed",
        "handled",
        "was answered",
    ],
)
def test_statuses(writes: Any, expected: TaskStatus, finished: bool, waits: Any) -> None:
    """A task is finished if it wrote anything but control writes; it waits if it asked and is not finished."""
    status = statuses([("t", name, value) for name, value in writes])["t"]
    assert (status, status.finished, status.waits_for) == (expected, finished, waits)


def test_commands_are_no_tasks() -> None:
    """What a command wrote says nothing of any task."""
    assert statuses([(NULL_TASK, RESUME, 1)]) == {}
