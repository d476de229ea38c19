"""Events as a tree of runs: what one run emits in order, what runs at once in no order.

A run's own events are ordered (EVENTS.md, rule 33). Children are put into ranks: nodes of a graph
by superstep, steps of a sequence by step number, branches of a ``RunnableParallel`` into one rank,
everything else by time, where runs that overlap share a rank. Inside a rank the order is canonical
and not the order of arrival.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.support.plain import Obj, blank, plain

Event = Mapping[str, Any]
Steps = Sequence[Counter[str]]
_NODE = "graph:step"
_STEP = re.compile(r"(graph:step|seq:step):(\d+)")


@dataclass(slots=True, kw_only=True)
class Run:
    """One run: its own events in order, its children, and where in the recording it lived."""

    events: list[Event] = field(default_factory=list)
    children: list[Run] = field(default_factory=list)
    first: int
    last: int
    lineage: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The name on the run's first event."""
        return str(self.events[0]["name"])

    @property
    def tags(self) -> frozenset[str]:
        """The tags on the run's first event."""
        return frozenset(self.events[0].get("tags", ()))


def normal_events(events: Iterable[Any], at_once: frozenset[str] = frozenset()) -> Any:
    """Return v1 or v2 events as plain data: a list of root runs in canonical order.

    Args:
        events: what ``astream_events`` yielded; a value without a run (an exception that ended
            the recording) is kept at the end.
        at_once: names of runs that are started concurrently by user code (``asyncio.gather``,
            ``batch``): siblings of such a name are not ordered.
    """
    recorded = list(events)
    known = [event for event in recorded if _is_event(event)]
    roots = _tree(known)
    nested = any(event.get("parent_ids") for event in known)
    normal = Obj("events", {"runs": (_ranked if nested else _flat_runs)(roots, at_once)})
    normal.fields["rest"] = [plain(event) for event in recorded if not _is_event(event)]
    return normal


def _is_event(event: Any) -> bool:
    return isinstance(event, Mapping) and "event" in event and "run_id" in event


def _tree(events: Sequence[Event]) -> list[Run]:
    runs: dict[str, Run] = {}
    roots: list[Run] = []
    for index, event in enumerate(events):
        run = runs.get(event["run_id"])
        if run is None:
            run = runs[event["run_id"]] = Run(first=index, last=index)
            _siblings(event, runs, roots).append(run)
            run.lineage = _lineage(event, runs)
        run.events.append(event)
        run.last = index
    return roots


def _siblings(event: Event, runs: Mapping[str, Run], roots: list[Run]) -> list[Run]:
    seen = [parent for parent in event.get("parent_ids", ()) if parent in runs]
    return runs[seen[-1]].children if seen else roots


def _lineage(event: Event, runs: Mapping[str, Run]) -> tuple[str, ...]:
    """Return the names of all parents, root first; ``?`` for a parent that emitted nothing yet."""
    parents = (runs.get(parent) for parent in event.get("parent_ids", ()))
    return tuple(parent.name if parent and parent.events else "?" for parent in parents)


def _flat_runs(runs: Sequence[Run], at_once: frozenset[str]) -> list[Any]:
    """Return the normal forms of v1 runs, which have no parents and so no order among them."""
    steps = steps_in((run.name, run.tags, run.events[0]["metadata"]) for run in runs)
    return canonical([_run(run, at_once, steps if run is runs[0] else ()) for run in runs])


def _ranked(runs: Sequence[Run], at_once: frozenset[str]) -> list[Any]:
    """Return the normal forms of sibling runs, rank by rank."""
    forms = ([_run(run, at_once, _steps(run)) for run in rank] for rank in _ranks(runs, at_once))
    return [form for rank in forms for form in canonical(rank)]


def canonical(forms: list[Any]) -> list[Any]:
    """Return forms in an order that their contents alone decide."""
    return sorted(forms, key=blank)


def _ranks(runs: Sequence[Run], at_once: frozenset[str]) -> list[list[Run]]:
    ranks: list[list[Run]] = []
    for run in sorted(runs, key=lambda run: (_number(run), run.first)):
        if ranks and any(_together(other, run, at_once) for other in ranks[-1]):
            ranks[-1].append(run)
        else:
            ranks.append([run])
    return ranks


def _number(run: Run) -> int:
    """Return the superstep or sequence step a run belongs to, 0 when it has none."""
    found = [int(match[2]) for match in map(_STEP.fullmatch, run.tags) if match]
    return max(found, default=0)


def _together(first: Run, second: Run, at_once: frozenset[str]) -> bool:
    if _number(first) != _number(second):
        return False
    if first.name in at_once and second.name in at_once:
        return True
    both = first.tags, second.tags
    if all(any(tag.startswith(("graph:step:", "map:key:")) for tag in tags) for tags in both):
        return True
    return first.first <= second.last and second.first <= first.last


def _run(run: Run, at_once: frozenset[str], steps: Steps) -> Obj:
    head = run.events[0]
    own = [_own(event, head) for event in run.events]
    fields = {"about": _facts(head), "emits": _split(own, steps), "lineage": run.lineage}
    return Obj("run", {**fields, "runs": _ranked(run.children, at_once)})


def _facts(event: Event) -> dict[str, Any]:
    facts = {key: plain(value) for key, value in event.items() if key not in _OWN}
    return {**facts, "tags": sorted(event.get("tags", ())), "depth": len(event["parent_ids"])}


_OWN = frozenset({"event", "data", "run_id", "tags", "parent_ids"})


def _own(event: Event, head: Event) -> tuple[Any, ...]:
    """Return ``(kind, data)`` of an event and, where it tells other facts than the first, those."""
    own = (event["event"], plain(event["data"]))
    if all(event.get(key) == head.get(key) for key in {*event, *head} - {"event", "data"}):
        return own
    facts, first = _facts(event), _facts(head)
    other = {key: facts.get(key) for key in {*facts, *first} if facts.get(key) != first.get(key)}
    return (*own, other) if other else own


def _steps(run: Run) -> Steps:
    """Return the names of a graph run's nodes per superstep, as its children's tags tell them."""
    return steps_in((child.name, child.tags, {}) for child in run.children)


def steps_in(runs: Iterable[tuple[str, Iterable[str], Mapping[str, Any]]]) -> Steps:
    """Return node names per superstep from ``(name, tags, metadata)`` of a graph's node runs.

    Where the metadata tell that a run belongs to a subgraph, it is left out.
    """
    steps: dict[int, Counter[str]] = {}
    for name, tags, metadata in runs:
        found = [match for match in map(_STEP.fullmatch, tags) if match and match[1] == _NODE]
        if found and "|" not in metadata.get("langgraph_checkpoint_ns", ""):
            steps.setdefault(int(found[0][2]), Counter())[name] += 1
    return [steps[number] for number in sorted(steps)]


def _split(own: list[tuple[Any, ...]], steps: Steps) -> list[Any]:
    """Replace each stretch of dict-valued chunks by its keys' own sequences."""
    done: list[Any] = []
    stretch: list[dict[str, Any]] = []
    for item in own:
        if _is_dict_chunk(item):
            stretch.append(item[1]["chunk"])
            continue
        done += split_chunks(stretch, steps)
        stretch = []
        done.append(item)
    return [_without_winner(item, steps, own) for item in done + split_chunks(stretch, steps)]


def _without_winner(item: Any, steps: Steps, own: Sequence[tuple[Any, ...]]) -> Any:
    """Blank an output that is merely the chunk which came last from tasks that ran at once.

    v1 keeps the last of a graph's chunks as its output, whichever branch was slower.
    """
    if isinstance(item, Obj) or not item[0].endswith("_end") or "output" not in item[1]:
        return item
    last = [other[1]["chunk"] for other in own if _is_dict_chunk(other)]
    data = {**item[1], "output": winner(item[1]["output"], last, steps)}
    return (item[0], data, *item[2:])


def winner(output: Any, chunks: Sequence[Any], steps: Steps) -> Any:
    """Return ``output``, or a placeholder when it is a chunk of a last step of several tasks."""
    last = steps[-1] if steps else Counter[str]()
    raced = last.total() > 1 and isinstance(output, dict) and set(output) <= set(last)
    return "one of the last chunks" if raced and output in chunks else output


def _is_dict_chunk(item: tuple[Any, ...]) -> bool:
    kind, data = item[0], item[1]
    chunk = data.get("chunk") if isinstance(data, dict) else None
    return len(item) == 2 and kind.endswith("_stream") and isinstance(chunk, dict) and bool(chunk)


def split_chunks(chunks: Sequence[dict[str, Any]], steps: Steps) -> list[Any]:
    """Return dict chunks as ``chunks(key=[pieces])``, one per superstep that ``steps`` names."""
    cut = segments(chunks, [tuple(chunk) for chunk in chunks], steps)
    return [Obj("chunks", _by_key(step, segment)) for step, segment in cut]


def _by_key(step: Counter[str], segment: Iterable[dict[str, Any]]) -> dict[str, Any]:
    pieces: dict[str, list[Any]] = {}
    for chunk in segment:
        for key, piece in chunk.items():
            pieces.setdefault(key, []).append(piece)
    return {key: canonical(values) if step[key] > 1 else values for key, values in pieces.items()}


def segments(
    items: Sequence[Any], names: Sequence[tuple[str, ...]], steps: Steps, *, once: bool = True
) -> list[tuple[Counter[str], list[Any]]]:
    """Cut ``items`` into supersteps by the names that each step of ``steps`` can account for.

    With ``once`` a task accounts for one item (an update), without it for any number (what a
    writer wrote). An item whose name no later step has stays in the step that was reached.
    """
    left = [Counter(step) for step in steps]
    found: list[tuple[int, list[Any]]] = []
    at = 0
    for item, origin in zip(items, names, strict=True):
        at = next((n for n in range(at, len(left)) if all(left[n][o] > 0 for o in origin)), at)
        if once and left:
            left[at].subtract(origin)
        if not found or found[-1][0] != at:
            found.append((at, []))
        found[-1][1].append(item)
    return [(steps[at] if steps else Counter(), segment) for at, segment in found]
