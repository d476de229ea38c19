"""Match: which run of the new side is which run of the old one.

Evidence is used in order of its weight, so that nothing weaker can take away what something stronger has found:

1. below the same parent: equal subtrees, then the same kind, name and tags, then kind and name;
2. anywhere: equal subtrees from the largest on, then kind and name, for runs that now lie elsewhere;
3. by likeness, for runs that were renamed: the same kind, below the same parent or around runs that were matched,
   and alike in what they emit, in their tags and in what lies below them.

Every choice is by key or by score and then by order of appearance: the same recordings always match the same way.
"""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from typing import Final, TypeAlias, TypeVar

from lcel_compat.compare._recorded import Recorded, Run

Key: TypeAlias = Callable[[Run], Hashable]
Pair: TypeAlias = tuple[Run, Run]

ALIKE: Final = 0.5
"""The least likeness, from 0 to 1, at which a run counts as renamed."""
_MANY: Final = 10_000
"""Up to so many pairs are scored for one choice; beyond, the order of appearance decides."""
_SAMPLE: Final = 2_000
"""How many steps of a run its likeness looks at."""


def _digest(run: Run) -> Hashable:
    return run.digest


def _emitted(run: Run) -> Hashable:
    return _identity(run), run.main.steps.tobytes()


def _ending(run: Run) -> Hashable:
    return _identity(run), run.main.steps[-1]


def _identity(run: Run) -> Hashable:
    return run.kind, run.name, run.tags


def _name(run: Run) -> Hashable:
    return run.kind, run.name


def _bare_name(run: Run) -> Hashable:
    return run.name


class Matching:
    """Pairs of runs, each run in at most one."""

    def __init__(self) -> None:
        self.new: dict[Run, Run] = {}
        """The new side's run by the old side's."""
        self.old: dict[Run, Run] = {}
        """The old side's run by the new side's."""

    def add(self, before: Run, after: Run) -> None:
        """Pair two runs."""
        self.new[before] = after
        self.old[after] = before

    def has(self, run: Run) -> bool:
        """Whether a run of either side is in a pair."""
        return run in self.new or run in self.old

    def free(self, runs: Iterable[Run]) -> list[Run]:
        """Those of ``runs`` that are in no pair."""
        return [run for run in runs if not self.has(run)]


def match(before: Recorded, after: Recorded) -> Matching:
    """Pair the runs of two recordings."""
    found = Matching()
    _match_siblings(found, before.roots, after.roots)
    _pair_roots(found, before, after)
    _match_anywhere(found, before, after)
    _match_alike(found, before, after)
    return found


def _pair_roots(found: Matching, before: Recorded, after: Recorded) -> None:
    """The first run is the root, whatever it is called now: consumers know it by that, or by having no parents."""
    olds, news = found.free(before.runs[:1]), found.free(after.runs[:1])
    for old, new in zip(olds, news, strict=False):
        if old.parent is None and new.parent is None and (old.kind == new.kind or before.nested or after.nested):
            found.add(old, new)
            _match_siblings(found, old.children, new.children)


def _match_siblings(found: Matching, before: Sequence[Run], after: Sequence[Run]) -> None:
    """Pair the children of a pair by what they are, and then their children."""
    todo = [(before, after)]
    while todo:
        old, new = todo.pop()
        for key in (_digest, _emitted, _ending, _identity, _name):
            todo += [(one.children, other.children) for one, other in _pair_by(found, key, old, new)]


def _pair_by(found: Matching, key: Key, before: Iterable[Run], after: Iterable[Run]) -> list[Pair]:
    """Pair free runs of equal key; of several, those that are most alike."""
    waiting: defaultdict[Hashable, list[Run]] = defaultdict(list)
    for run in found.free(after):
        waiting[key(run)].append(run)
    groups: defaultdict[Hashable, list[Run]] = defaultdict(list)
    for run in found.free(before) if waiting else ():
        if (value := key(run)) in waiting:
            groups[value].append(run)
    pairs: list[Pair] = []
    for value, olds in groups.items():
        pairs += _best(found, olds, waiting[value], least=0.0, exact=key is _digest)
    for old, new in pairs:
        found.add(old, new)
    return pairs


def _best(
    found: Matching, before: Sequence[Run], after: Sequence[Run], *, least: float, exact: bool = False
) -> list[Pair]:
    """Pairs in order of falling likeness; equals in order of appearance."""
    if exact or len(before) == len(after) == 1 or len(before) * len(after) > _MANY:
        pairs = zip(before, after, strict=False)
        return [pair for pair in pairs if not least or likeness(found, *pair) >= least]
    scored = [
        (-score, abs(i - j), i, j)
        for i, old in enumerate(before)
        for j, new in enumerate(after)
        if (score := likeness(found, old, new)) >= least
    ]
    chosen: dict[int, int] = {}
    taken: set[int] = set()
    for _, _, i, j in sorted(scored):
        if i not in chosen and j not in taken:
            chosen[i] = j
            taken.add(j)
    return [(before[i], after[j]) for i, j in sorted(chosen.items())]


def _match_anywhere(found: Matching, before: Recorded, after: Recorded) -> None:
    """Pair runs that lie elsewhere now: a layer came between, or they were moved."""
    olds, news = found.free(before.runs), found.free(after.runs)
    if not olds or not news:
        return
    _match_subtrees(found, olds, news)
    for key in (_emitted, _identity, _name):
        for old, new in _pair_by(found, key, olds, news):
            _match_siblings(found, old.children, new.children)


def _match_subtrees(found: Matching, before: Iterable[Run], after: Iterable[Run]) -> None:
    """Pair equal subtrees, whole ones before their parts, so that what belongs together stays together."""
    waiting: defaultdict[Hashable, deque[Run]] = defaultdict(deque)
    for run in after:
        waiting[run.digest].append(run)
    for old in _largest_first(before):
        equals = waiting[old.digest]
        while equals and found.has(equals[0]):
            equals.popleft()
        if equals and not found.has(old):
            for one, other in zip(_in_order(old), _in_order(equals[0]), strict=False):
                if one.digest == other.digest and not found.has(one) and not found.has(other):
                    found.add(one, other)


def _largest_first(runs: Iterable[Run]) -> list[Run]:
    return sorted(runs, key=lambda run: (-run.size, run.first))


def _in_order(run: Run) -> Iterator[Run]:
    """The runs of a subtree in an order that equal subtrees share."""
    todo = [run]
    while todo:
        run = todo.pop()
        yield run
        todo += sorted(run.children, key=lambda child: (child.digest, child.first))


def _match_alike(found: Matching, before: Recorded, after: Recorded) -> None:
    """Pair what was renamed, until nothing more is alike enough."""
    while True:
        pairs = [*_renamed(found, before, after), *_around(found, before)]
        if not pairs:
            break
        for old, new in pairs:
            _match_siblings(found, old.children, new.children)
    _pair_retyped(found, before, after)


def _renamed(found: Matching, before: Recorded, after: Recorded) -> list[Pair]:
    """Pair free siblings below paired parents, or at the top, by likeness."""
    places: list[tuple[Sequence[Run], Sequence[Run]]] = [(before.roots, after.roots)]
    places += [(old.children, new.children) for old, new in found.new.items()]
    pairs: list[Pair] = []
    for olds, news in ((found.free(olds), found.free(news)) for olds, news in places):
        for kind in dict.fromkeys(run.kind for run in olds) if news else ():
            alike = [[run for run in side if run.kind == kind] for side in (olds, news)]
            pairs += _best(found, *alike, least=ALIKE)
    for old, new in pairs:
        found.add(old, new)
    return pairs


def _around(found: Matching, before: Recorded) -> list[Pair]:
    """Free runs whose children went into one free run of the new side."""
    pairs: list[Pair] = []
    for old in found.free(before.runs):
        votes = Counter(new.parent for child in old.children if (new := found.new.get(child)) and new.parent)
        for new, count in votes.most_common(1):
            alike = old.kind == new.kind and 2 * count > len(old.children)
            if alike and not found.has(new) and likeness(found, old, new) >= ALIKE:
                found.add(old, new)
                pairs.append((old, new))
    return pairs


def _pair_retyped(found: Matching, before: Recorded, after: Recorded) -> None:
    """The same name below the same parent is the same run, though its events are called otherwise now."""
    _pair_by(found, _bare_name, before.roots, after.roots)
    for old, new in list(found.new.items()):
        _pair_by(found, _bare_name, old.children, new.children)


def likeness(found: Matching, before: Run, after: Run) -> float:
    """How alike two runs are, from 0 to 1: in what they emit, in what lies below them, in name and tags."""
    parts = [
        (3.0, _overlap(_steps(before), _steps(after))),
        (1.0, _overlap(Counter(before.tags), Counter(after.tags))),
        (1.0, float(before.name == after.name)),
    ]
    if before.children or after.children:
        moved = (found.new.get(child) for child in before.children)
        below = sum(child is not None and child.parent is after for child in moved)
        names = _overlap(Counter(map(_name, before.children)), Counter(map(_name, after.children)))
        share = 2 * below / (len(before.children) + len(after.children))
        parts.append((3.0, max(names, share)))
    return sum(weight * score for weight, score in parts) / sum(weight for weight, _ in parts)


def _steps(run: Run) -> Counter[int]:
    steps = Counter(run.main.steps[:_SAMPLE])
    for lane in run.by_key.values():
        steps.update(lane.steps[:_SAMPLE])
    return steps


T = TypeVar("T", bound=Hashable)


def _overlap(before: Counter[T], after: Counter[T]) -> float:
    """Dice's coefficient of two multisets; 1 for two empty ones."""
    total = before.total() + after.total()
    return 2 * (before & after).total() / total if total else 1.0
