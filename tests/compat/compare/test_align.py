"""Aligning sequences: blocks that cover both, equal ones that are equal, and as few edits as there are."""

from __future__ import annotations

import random
from array import array
from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lcel_compat.compare._align import Block, align

STEPS = st.lists(st.integers(0, 3), max_size=12)


def check(before: Sequence[int], after: Sequence[int]) -> list[Block]:
    """Align, and hold what has to hold of any alignment."""
    blocks = align(array("I", before), array("I", after))
    i = j = 0
    for block in blocks:
        assert (block.old[0], block.new[0]) == (i, j)
        i, j = block.old[1], block.new[1]
        parts = before[slice(*block.old)], after[slice(*block.new)]
        assert block.equal == (list(parts[0]) == list(parts[1]))
    assert (i, j) == (len(before), len(after))
    assert all(one.equal != other.equal for one, other in pairwise(blocks))
    return blocks


def common(before: Sequence[int], after: Sequence[int]) -> int:
    """The length of a longest common subsequence, by the textbook's table."""
    row = [0] * (len(after) + 1)
    for step in before:
        last = row
        row = [0]
        for j, other in enumerate(after):
            row.append(last[j] + 1 if step == other else max(row[j], last[j + 1]))
    return row[-1]


@given(STEPS, STEPS)
def test_no_shorter_edit_exists(before: list[int], after: list[int]) -> None:
    """What is kept is a longest common subsequence."""
    kept = sum(block.old[1] - block.old[0] for block in check(before, after) if block.equal)
    assert kept == common(before, after)


def test_one_inserted_step_is_one_insertion() -> None:
    """What comes after an insertion is not another."""
    assert check([1, 2, 3], [1, 9, 2, 3]) == [
        Block(True, (0, 1), (0, 1)),
        Block(False, (1, 1), (1, 2)),
        Block(True, (1, 3), (2, 4)),
    ]


@pytest.mark.parametrize(("words", "changes"), [(3_000, 50), (3_000, 2_000), (40, 1_000), (1, 500)])
def test_long_sequences_with_many_differences_stay_aligned(words: int, changes: int) -> None:
    """Beyond what is searched exactly, hardly more is called different than was changed."""
    chance = random.Random(words)
    before = [chance.randrange(words) for _ in range(10_000)]
    after = list(before)
    for _ in range(changes):
        place = chance.randrange(len(after))
        after[place : place + 1] = [chance.randrange(words) for _ in range(chance.randrange(3))]
    different = sum(max(b.old[1] - b.old[0], b.new[1] - b.new[0]) for b in check(before, after) if not b.equal)
    assert different <= 3 * changes
