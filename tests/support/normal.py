"""Equality as DESIGN.md, "The four equalities", defines it, with a diff a person can read.

Identifiers are numbered by first appearance, times are blanked, tags are sets, events are compared
run by run and dict-valued chunks key by key. What tasks of one superstep emit has no order between
the tasks, and keeps its order within each task.
"""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import groupby
from typing import Any

from tests.support.plain import Obj, blank, lines, plain
from tests.support.trees import Steps, canonical, normal_events, segments

Modes = str | Sequence[str]
Origin = Callable[[Any], tuple[str, ...]]


def normal_items(mode: str, items: Iterable[Any], steps: Steps = (), *, loose: bool = False) -> list[Any]:
    """Return the items of one stream mode as plain data in canonical order.

    Args:
        mode: ``values``, ``updates``, ``custom``, ``messages``, ``debug``, ``tasks``,
            ``checkpoints`` or ``events``.
        items: what the stream yielded, without the mode's name.
        steps: node names per superstep (``steps_of``), needed where the items of parallel nodes
            do not say their step (``updates``, ``custom``); without it they are ordered strictly.
        loose: whether one task calls several models at once, so that its messages have no order.

    Raises:
        KeyError: for a mode this module has no rule for.
    """
    if mode == "messages":
        return _messages(list(items), loose=loose)
    return _NORMAL[mode](list(items), steps)


def steps_of(debug_items: Iterable[Any]) -> Steps:
    """Return the node names of each superstep, from what ``stream_mode="debug"`` yielded."""
    tasks = [i for i in debug_items if isinstance(i, Mapping) and i.get("type") == "task"]
    grouped = groupby(sorted(tasks, key=lambda i: int(i["step"])), key=lambda i: i["step"])
    return [Counter(item["payload"]["name"] for item in step) for _, step in grouped]


def assert_same_events(expected: Iterable[Any], actual: Iterable[Any], *, at_once: Iterable[str] = ()) -> None:
    """Raise ``AssertionError`` with a unified diff unless both recordings of events are equal.

    Args:
        expected: events v1 or v2.
        actual: events of the same version.
        at_once: names of runs that user code starts concurrently.
    """
    names = frozenset(at_once)
    _assert_same("events", normal_events(expected, names), normal_events(actual, names))


def assert_same_items(
    mode: Modes,
    expected: Iterable[Any],
    actual: Iterable[Any],
    steps: Steps = (),
    *,
    loose: bool = False,
) -> None:
    """Raise ``AssertionError`` with a unified diff unless both streams hold the same items.

    With a list of modes the items are ``(mode, item)`` and are compared mode by mode; where no
    superstep of ``steps`` has two tasks, the order between the modes is compared as well.
    """
    if isinstance(mode, str):
        first = normal_items(mode, expected, steps, loose=loose)
        _assert_same(mode, first, normal_items(mode, actual, steps, loose=loose))
        return
    old, new = list(expected), list(actual)
    for one in mode:
        assert_same_items(one, _of_mode(one, old), _of_mode(one, new), steps, loose=loose)
    if steps and all(step.total() == 1 for step in steps):
        _assert_same("modes", _interleaving(old), _interleaving(new))


def assert_same(expected: Any, actual: Any) -> None:
    """Raise ``AssertionError`` with a unified diff unless two values have the same normal form."""
    _assert_same("values", plain(expected), plain(actual))


def _assert_same(what: str, expected: Any, actual: Any) -> None:
    first, second = lines(expected), lines(actual)
    if first != second:
        diff = difflib.unified_diff(first, second, "expected", "actual", lineterm="", n=4)
        raise AssertionError(f"{what} differ:\n" + "\n".join(diff))


def _of_mode(mode: str, items: Iterable[Any]) -> list[Any]:
    return [i[1] if _is_pair(i) else i for i in items if not _is_pair(i) or i[0] == mode]


def _is_pair(item: Any) -> bool:
    return isinstance(item, tuple) and len(item) == 2 and isinstance(item[0], str)


def _interleaving(items: Iterable[Any]) -> list[str]:
    names = [item[0] if _is_pair(item) else "error" for item in items]
    return [name for name in names if name != "events"]


def _in_order(items: list[Any], steps: Steps) -> list[Any]:
    return [plain(item) for item in items]


def _updates(items: list[Any], steps: Steps) -> list[Any]:
    return _by_step(items, _updated, steps, once=True)


def _custom(items: list[Any], steps: Steps) -> list[Any]:
    """Put what writers sent in order of their nodes, where several run at once.

    A value does not say its step, and a node may write any number of them: where threads race, only the order within
    each node is certain.
    """
    if all(sum(step.values()) <= 1 for step in steps):
        return _in_order(items, steps)
    at_once = Counter[str]()
    for step in steps:
        at_once |= step
    return [_gathered(items, _writer, at_once)]


def _by_step(items: list[Any], origin: Origin, steps: Steps, *, once: bool) -> list[Any]:
    """Put the items of each superstep in order of the node they come from."""
    if not steps:
        return _in_order(items, steps)
    cut = segments(items, [origin(item) for item in items], steps, once=once)
    return [_gathered(segment, origin, step) for step, segment in cut]


def _gathered(segment: Sequence[Any], origin: Origin, step: Counter[str]) -> Obj:
    """Return a superstep's items, each task's own in order; ``Send`` tasks share a name."""
    by_name: dict[str, list[Any]] = {}
    for item in segment:
        by_name.setdefault("+".join(origin(item)), []).append(plain(item))
    return Obj("step", {n: canonical(v) if step[n] > 1 else v for n, v in by_name.items()})


def _updated(item: Any) -> tuple[str, ...]:
    return tuple(item) if isinstance(item, Mapping) else ("?",)


def _writer(item: Any) -> tuple[str, ...]:
    return (str(item["node"]),) if isinstance(item, Mapping) and "node" in item else ("?",)


def _messages(items: list[Any], *, loose: bool) -> list[Any]:
    """Group tokens by superstep and task; inside a task message by message, each in order."""
    tokens = [item for item in items if _is_token(item)]
    found = sorted(_by_task(tokens).values(), key=_task_order)
    rest = [plain(item) for item in items if not _is_token(item)]
    return [Obj("task", {"messages": _threads(task, loose=loose)}) for task in found] + rest


def _by_task(tokens: Iterable[Any]) -> dict[Any, list[Any]]:
    tasks: dict[Any, list[Any]] = {}
    for token in tokens:
        tasks.setdefault(token[1].get("langgraph_checkpoint_ns"), []).append(token)
    return tasks


def _is_token(item: Any) -> bool:
    return isinstance(item, tuple) and len(item) == 2 and isinstance(item[1], Mapping)


def _task_order(task: list[Any]) -> tuple[Any, ...]:
    facts = task[0][1]
    return (facts.get("langgraph_step", 0), blank(plain(facts)), blank(plain([t[0] for t in task])))


def _threads(task: list[Any], *, loose: bool) -> list[Any]:
    """Return a task's messages: each one's pieces in order, interleaved ones in canonical order."""
    spans: dict[Any, list[int]] = {}
    for index, (message, _) in enumerate(task):
        spans.setdefault(message.id, []).append(index)
    ranks: list[list[list[int]]] = []
    for span in spans.values():
        if ranks and (loose or any(span[0] < other[-1] for other in ranks[-1])):
            ranks[-1].append(span)
        else:
            ranks.append([span])
    forms = ([[plain(task[index]) for index in span] for span in rank] for rank in ranks)
    return [form for rank in forms for form in canonical(rank)]


def _debug(items: list[Any], steps: Steps) -> list[Any]:
    """Sort stretches of task results: within a superstep they come as the tasks finish."""
    return _sorted_stretches(items, lambda item: _get(item, "type") == "task_result")


def _tasks(items: list[Any], steps: Steps) -> list[Any]:
    return _sorted_stretches(items, lambda item: isinstance(item, Mapping) and "result" in item)


def _get(item: Any, key: str) -> Any:
    return item.get(key) if isinstance(item, Mapping) else None


def _sorted_stretches(items: list[Any], loose: Callable[[Any], bool]) -> list[Any]:
    done: list[Any] = []
    for sortable, stretch in groupby(items, key=loose):
        forms = [plain(item) for item in stretch]
        done += canonical(forms) if sortable else forms
    return done


def _events(items: list[Any], steps: Steps) -> list[Any]:
    return [normal_events(items)]


_NORMAL: dict[str, Callable[[list[Any], Steps], list[Any]]] = {
    "values": _in_order,
    "updates": _updates,
    "custom": _custom,
    "debug": _debug,
    "tasks": _tasks,
    "checkpoints": _in_order,
    "events": _events,
}
