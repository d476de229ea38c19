"""Races: where the order in which a run's chunks come is that of arrival, and says nothing.

Two things race for a place in one lane: the tasks of a superstep that run the same node, and the branches of a
parallel whose chunks are inside the chunk of another one's branch (``{"y": {"a": ...}}``, ``{"y": {"b": ...}}``).
And all tasks of a superstep race for the moment at which their messages get ids.
"""

from __future__ import annotations

import re
from array import array
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Final

from lcel_compat.compare._recorded import Crowd, Lane, Run
from lcel_compat.compare._text import Names, Texts, is_message, renamed, unnamed
from lcel_compat.compare._values import at
from lcel_compat.events import JsonValue

_STEP: Final = re.compile(r"graph:step:\d+")


def crowd(tasks: Iterable[Run]) -> Crowd:
    """The names that several tasks of one superstep have."""
    return frozenset(name for (name, _), count in _tasks(tasks).items() if count > 1)


def racers(tasks: Iterable[Run]) -> Crowd:
    """The names of tasks that are not alone in their superstep."""
    found = _tasks(tasks)
    steps = Counter(tag for _, tag in found.elements())
    return frozenset(name for name, tag in found if steps[tag] > 1)


def _tasks(runs: Iterable[Run]) -> Counter[tuple[str, str]]:
    return Counter((run.name, tag) for run in runs for tag in run.tags if _STEP.fullmatch(tag))


def settle(run: Run, tasks: Sequence[Run], texts: Texts) -> None:
    """Take arrival out of a run's lanes: out of their order, and out of what messages and identifiers are called.

    Args:
        run: The run.
        tasks: Those that ran below it.
        texts: What its steps stand for.
    """
    run.crowd = crowd(tasks)
    for key in racers(tasks) & run.by_key.keys():
        _drop_late_names(run.by_key[key], texts, alone=key in run.crowd)
    if not _tasks(tasks):  # A graph's chunks are its tasks' updates, which come whole, step after step.
        for key, lane in run.by_key.items():
            _sort_branches(lane, key, texts)


def _drop_late_names(lane: Lane, texts: Texts, *, alone: bool) -> None:
    """Blank the ids that a reducer gives to messages when all tasks of a superstep are done.

    Chunks are live objects (EVENTS.md, rule 38): that of the last task has its id when it is read, the others not yet.
    In a crowd, identifiers are numbered in each chunk ``alone``, since numbers tell who came first.
    """
    names, steps = Names(), list[int]()
    for step in lane.steps:
        text = unnamed(texts.text(step))
        steps.append(texts.number(renamed(text, Names() if alone else names)))
    lane.steps = array("I", steps)


def _sort_branches(lane: Lane, key: str, texts: Texts) -> None:
    """Put chunks that are objects in order of their keys; those of one key stay as they are."""
    paths: list[tuple[str, ...]] = []
    for step in lane.steps:
        chunk = at(texts.value(step), ("data", "chunk", key))
        if not _is_object(chunk):
            return
        paths.append(_path(chunk))
    order = sorted(range(len(paths)), key=paths.__getitem__)
    if order != list(range(len(paths))):
        names = Names()
        lane.steps = array("I", [texts.number(renamed(texts.text(lane.steps[n]), names)) for n in order])
        lane.at = array("I", [lane.at[n] for n in order])


def _path(chunk: JsonValue) -> tuple[str, ...]:
    """The keys from the outermost object on, as long as there is but one."""
    found: list[str] = []
    while _is_object(chunk) and isinstance(chunk, dict) and len(chunk) == 1:
        ((key, chunk),) = chunk.items()
        found.append(key)
    return tuple(found)


def _is_object(chunk: JsonValue) -> bool:
    return isinstance(chunk, dict) and not is_message(chunk)
