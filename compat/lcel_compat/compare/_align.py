"""Align: which steps of two sequences correspond, before any value is looked at.

One inserted step is one insertion, not a change of every step after it. Equal sequences cost one comparison; otherwise
what is equal at both ends is set aside and Myers' algorithm runs on the rest (E. Myers, "An O(ND) Difference Algorithm
and Its Variations", 1986), whose cost grows with the number of differences. Where there are many, the rest is cut at
steps, or at short runs of steps, that occur once on either side ("patience" diff); where even those are missing, the
best that a bounded number of edits reaches is taken and the search goes on from there. So the cost is linear.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

_MOST_EDITS: Final = 150
"""Differences up to which a stretch is aligned exactly; time and memory take the square of that."""
_GRAMS: Final = (1, 5)
"""How many steps in a row make an anchor: in a text hardly any word is unique, but most fives of words are."""


class Block(NamedTuple):
    """Steps ``start:end`` of the old sequence that correspond to ``start:end`` of the new one; ``equal`` or not."""

    equal: bool
    old: tuple[int, int]
    new: tuple[int, int]


def align(before: Sequence[int], after: Sequence[int]) -> list[Block]:
    """The blocks of two sequences in order: all steps are in exactly one, and equal and unequal blocks alternate."""
    if before == after:
        return [Block(True, (0, len(before)), (0, len(after)))] if before else []
    return list(_joined(_matches(before, after), len(before), len(after)))


def _joined(pairs: Iterator[tuple[int, int]], old_length: int, new_length: int) -> Iterator[Block]:
    """Blocks from pairs of equal positions in rising order."""
    i = j = start_i = start_j = 0
    for old, new in pairs:
        if (old, new) != (i, j):
            if i > start_i:
                yield Block(True, (start_i, i), (start_j, j))
            yield Block(False, (i, old), (j, new))
            start_i, start_j = old, new
        i, j = old + 1, new + 1
    if i > start_i:
        yield Block(True, (start_i, i), (start_j, j))
    if i < old_length or j < new_length:
        yield Block(False, (i, old_length), (j, new_length))


def _matches(a: Sequence[int], b: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Positions of equal steps, rising on both sides."""
    todo = [(0, len(a), 0, len(b))]
    while todo:
        low_a, high_a, low_b, high_b = todo.pop()
        while low_a < high_a and low_b < high_b and a[low_a] == b[low_b]:
            yield low_a, low_b
            low_a, low_b = low_a + 1, low_b + 1
        if low_a == high_a or low_b == high_b:
            continue
        tail = 0
        while tail < min(high_a - low_a, high_b - low_b) and a[high_a - tail - 1] == b[high_b - tail - 1]:
            tail += 1
        if tail:
            todo += [(high_a - tail, high_a, high_b - tail, high_b)]
            todo += [(low_a, high_a - tail, low_b, high_b - tail)]
            continue
        found, complete = _myers(a[low_a:high_a], b[low_b:high_b])
        if not complete and (stretches := _cut(a, b, (low_a, high_a, low_b, high_b))):
            todo += reversed(stretches)
            continue
        yield from ((low_a + i, low_b + j) for i, j in found)
        if not complete:
            i, j = found[-1] if found else (-1, -1)
            todo.append((low_a + i + 1, high_a, low_b + j + 1, high_b))


def _myers(a: Sequence[int], b: Sequence[int]) -> tuple[list[tuple[int, int]], bool]:
    """The pairs of a longest common subsequence, and whether that is all.

    If more than ``_MOST_EDITS`` edits are needed, they are the pairs of the path that came furthest.
    """
    if set(a).isdisjoint(b):
        return [], True
    reach = {1: 0}
    trace: list[dict[int, int]] = []
    for edits in range(min(len(a) + len(b), _MOST_EDITS) + 1):
        trace.append(dict(reach))
        for k in range(-edits, edits + 1, 2):
            down = k == -edits or (k != edits and reach[k - 1] < reach[k + 1])
            i = reach[k + 1] if down else reach[k - 1] + 1
            j = i - k
            while i < len(a) and j < len(b) and a[i] == b[j]:
                i, j = i + 1, j + 1
            reach[k] = i
            if i >= len(a) and j >= len(b):
                return _walked_back(trace, i, j), True
    inside = [(2 * i - k, i, i - k) for k, i in reach.items() if i <= len(a) and i - k <= len(b)]
    _, i, j = max(inside)
    found = _walked_back(trace, i, j)
    return (found, False) if found else ([], True)


def _walked_back(trace: list[dict[int, int]], i: int, j: int) -> list[tuple[int, int]]:
    pairs: list[tuple[int, int]] = []
    for edits in range(len(trace) - 1, -1, -1):
        reach, k = trace[edits], i - j
        down = k == -edits or (k != edits and reach[k - 1] < reach[k + 1])
        before_k = k + 1 if down else k - 1
        before_i = reach[before_k] if edits else 0
        before_j = before_i - before_k if edits else 0
        while i > before_i and j > before_j:
            i, j = i - 1, j - 1
            pairs.append((i, j))
        i, j = before_i, before_j
    return pairs[::-1]


def _cut(a: Sequence[int], b: Sequence[int], ends: tuple[int, int, int, int]) -> list[tuple[int, int, int, int]]:
    """The stretches between anchors that keep their order; none if there is no anchor."""
    low_a, high_a, low_b, high_b = ends
    for length in _GRAMS:
        old, new = _unique(a, low_a, high_a, length), _unique(b, low_b, high_b, length)
        anchors = _rising([(i, new[gram]) for gram, i in old.items() if gram in new])
        if anchors:
            starts = [(low_a, low_b), *anchors]
            stops = [*anchors, (high_a, high_b)]
            return [(i, k, j, m) for (i, j), (k, m) in zip(starts, stops, strict=True)]
    return []


def _unique(steps: Sequence[int], low: int, high: int, length: int) -> dict[tuple[int, ...], int]:
    """Where each run of ``length`` steps stands that occurs once, in order of place."""
    grams = [tuple(steps[i : i + length]) for i in range(low, high - length + 1)]
    counts = Counter(grams)
    return {gram: low + i for i, gram in enumerate(grams) if counts[gram] == 1}


def _rising(pairs: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """The longest subsequence whose second members rise."""
    tails: list[int] = []
    ends: list[int] = []
    links: list[int] = []
    for index, (_, j) in enumerate(pairs):
        place = bisect_left(tails, j)
        links.append(ends[place - 1] if place else -1)
        tails[place : place + 1] = [j]
        ends[place : place + 1] = [index]
    found: list[tuple[int, int]] = []
    at = ends[-1] if ends else -1
    while at >= 0:
        found.append(pairs[at])
        at = links[at]
    return found[::-1]
