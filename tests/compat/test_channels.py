"""Channels: what a state key, an edge, a join and a packet hold, and when they trigger."""

from __future__ import annotations

import collections.abc
import operator
from typing import Annotated, Any, NotRequired, Required

import pytest

from lcel_compat.channels import (
    MISSING,
    AfterFinish,
    Barrier,
    Channel,
    Ephemeral,
    LastValue,
    Packets,
    Reduced,
)
from lcel_compat.errors import EmptyChannelError, InvalidUpdateError

ALL: list[Channel] = [
    LastValue("k"),
    Reduced("k", max, None),
    Ephemeral("k"),
    AfterFinish("k"),
    Barrier("k", ("a", "b")),
    Packets("k"),
]
EVERY = pytest.mark.parametrize("channel", ALL, ids=lambda c: type(c).__name__)


class Needy:
    """A type that cannot be made from nothing."""

    def __init__(self, needed: int) -> None:
        self.needed = needed


@EVERY
def test_fresh_is_empty(channel: Channel) -> None:
    """A fresh channel is of the same kind and key, and holds nothing, whatever the original held."""
    used = channel.fresh()
    used.update(["a"])
    fresh = used.fresh()
    assert (type(fresh), fresh.key) == (type(channel), "k")
    assert not fresh.available
    with pytest.raises(EmptyChannelError, match="'k'"):
        fresh.get()


@EVERY
def test_copy_is_apart(channel: Channel) -> None:
    """Writes to a copy are not seen by the original."""
    original = channel.fresh()
    original.update(["a"])
    before = original.value
    original.copy().update(["b"])
    assert original.value == before


@EVERY
def test_no_writes_to_an_empty_channel_change_nothing(channel: Channel) -> None:
    """An update without writes leaves an empty channel empty, and says that nothing changed."""
    fresh = channel.fresh()
    assert not fresh.update([])
    assert not fresh.available


class TestLastValue:
    """A plain key."""

    def test_keeps_the_last(self) -> None:
        """A later superstep's value replaces the earlier one; a superstep without writes leaves it."""
        channel = LastValue("k")
        assert channel.update([1])
        assert channel.update([None])
        assert not channel.update([])
        assert channel.get() is None

    def test_takes_one_write(self) -> None:
        """Two writes at once are an error that names the key and says what to do, and change nothing."""
        channel = LastValue("answer")
        channel.update(["old"])
        with pytest.raises(InvalidUpdateError, match=r"'answer'.*2 times.*Annotated"):
            channel.update([1, 2])
        assert channel.get() == "old"


class TestReduced:
    """A key with a reducer."""

    def test_folds_in_order(self) -> None:
        """All writes are folded from the left, in the order they come in."""
        channel = Reduced("k", operator.add, list)
        channel.update([["a"], ["b"]])
        channel.update([["c"]])
        assert channel.get() == ["a", "b", "c"]

    @pytest.mark.parametrize(
        ("typ", "empty"),
        [
            (list, []),
            (list[str], []),
            (dict[str, int], {}),
            (int, 0),
            (str, ""),
            (Annotated[list[str], operator.add], []),
            (Required[Annotated[set[str], operator.or_]], set()),
            (NotRequired[Annotated[list[str], operator.add]], []),
            (collections.abc.Sequence[str], []),
            (collections.abc.Mapping[str, int], {}),
            (collections.abc.Set, set()),
        ],
        ids=str,
    )
    def test_starts_with_an_empty_value(self, typ: Any, empty: Any) -> None:
        """A key whose type can be made from nothing is readable before anything was written."""
        channel = Reduced("k", operator.add, typ).fresh()
        assert channel.available
        assert channel.get() == empty

    @pytest.mark.parametrize("typ", [None, int | str, Any, "unknown", Needy], ids=str)
    def test_starts_with_nothing(self, typ: Any) -> None:
        """Where the type cannot be made from nothing, the first write is the first value, unfolded."""
        channel = Reduced("k", operator.add, typ)
        assert channel.value is MISSING
        channel.update([2, 3])
        assert channel.get() == 5

    def test_runs_do_not_share_the_empty_value(self) -> None:
        """A reducer that changes its left side in place spoils no other run."""

        def extend(left: list[int], right: list[int]) -> list[int]:
            left.extend(right)
            return left

        channel = Reduced("k", extend, list)
        channel.fresh().update([[1]])
        assert channel.fresh().get() == []

    def test_same_kind(self) -> None:
        """Two declarations agree when they fold with the same function; lambdas cannot be told apart."""
        added = Reduced("k", operator.add, list)
        assert added.same_kind(Reduced("k", operator.add, list))
        assert added.same_kind(Reduced("k", lambda a, b: a + b, list))
        assert not added.same_kind(Reduced("k", operator.or_, list))
        assert not added.same_kind(LastValue("k"))


class TestEphemeral:
    """What an edge leaves."""

    def test_lasts_one_superstep(self) -> None:
        """The value is gone after a superstep that wrote nothing."""
        channel = Ephemeral("k")
        channel.update(["x"])
        assert channel.get() == "x"
        assert channel.update([])
        assert not channel.available

    def test_several_edges_may_fire_at_once(self) -> None:
        """Any number of writes at once is fine; the last one counts."""
        channel = Ephemeral("k")
        assert channel.update([1, 2])
        assert channel.get() == 2


class TestAfterFinish:
    """What an edge leaves for a deferred node."""

    def test_is_held_back_until_the_end(self) -> None:
        """A value becomes available by ``finish`` alone, once, and is used up by ``consume``."""
        channel = AfterFinish("k")
        channel.update([None])
        assert not channel.available
        assert channel.finish()
        assert channel.available
        assert not channel.finish()
        assert channel.consume()
        assert not channel.available
        assert not channel.finish()

    def test_a_new_write_is_held_back_again(self) -> None:
        """What is written after the end was reached waits for the next end."""
        channel = AfterFinish("k")
        channel.update([1])
        channel.finish()
        channel.update([2])
        assert not channel.available

    def test_consume_before_the_end_changes_nothing(self) -> None:
        """A value that is still held back cannot be used up."""
        channel = AfterFinish("k")
        channel.update([1])
        assert not channel.consume()
        assert channel.finish()


class TestBarrier:
    """A join."""

    def test_opens_when_all_have_come(self) -> None:
        """It is available when every source has written its name, in whatever superstep and order."""
        channel = Barrier("k", ("a", "b"))
        assert channel.update(["b"])
        assert not channel.available
        assert not channel.update(["b"])
        assert channel.update(["a"])
        assert channel.available

    def test_starts_over(self) -> None:
        """Once consumed it waits for all again; before it is complete it cannot be consumed."""
        channel = Barrier("k", ("a", "b"))
        channel.update(["a"])
        assert not channel.consume()
        channel.update(["b"])
        assert channel.consume()
        assert not channel.available
        channel.update(["a"])
        assert not channel.available

    def test_says_for_whom_it_waits(self) -> None:
        """Reading it too early names those that are missing."""
        channel = Barrier("k", ("a", "b", "c"))
        channel.update(["b"])
        with pytest.raises(EmptyChannelError, match="a, c"):
            channel.get()

    def test_deferred(self) -> None:
        """For a deferred node a complete join also waits for the end."""
        channel = Barrier("k", ("a",), deferred=True).fresh()
        assert not channel.finish()
        channel.update(["a"])
        assert not channel.available
        assert channel.finish()
        assert channel.available
        assert channel.consume()
        assert not channel.available

    def test_copy_keeps_its_sources(self) -> None:
        """A copy of a half complete join is complete with the missing half."""
        channel = Barrier("k", ("a", "b"))
        channel.update(["a"])
        other = channel.copy()
        other.update(["b"])
        assert other.available
        assert not channel.available


class TestPackets:
    """Sends."""

    def test_keep_their_order_for_one_superstep(self) -> None:
        """Packets are there in the order they were sent, and gone after the next superstep."""
        channel = Packets("k")
        channel.update(["x", "y"])
        assert channel.get() == ("x", "y")
        channel.update(["z"])
        assert channel.get() == ("z",)
        assert channel.update([])
        assert not channel.available
