"""Faults: the ways in which a move to a graph breaks a stream of events, seeded at random places of a recording.

A fault takes a recording and gives another with one thing wrong, and says which findings, and no others, have to come
of it; or nothing, if the recording has no place for it.
"""

from __future__ import annotations

import random
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, NamedTuple

from langchain_core.messages import BaseMessageChunk

Event = dict[str, Any]
Path = tuple[str, ...]


class Seeded(NamedTuple):
    """A recording with a fault; the kinds that may name it, and the run at which it is."""

    events: list[Any]
    kinds: frozenset[str]
    run: Path


@dataclass(slots=True)
class Recording:
    """A recording to be changed: its events by run, in order."""

    events: list[Any]
    runs: dict[str, list[int]]

    @classmethod
    def of(cls, events: list[Any]) -> Recording:
        """A copy, so far as faults change it."""
        copied = [
            {**e, "tags": [*e["tags"]], "metadata": {**e["metadata"]}} if isinstance(e, dict) else e for e in events
        ]
        runs: dict[str, list[int]] = {}
        for index, event in enumerate(copied):
            if isinstance(event, dict):
                runs.setdefault(event["run_id"], []).append(index)
        return cls(copied, runs)

    def name(self, run: str) -> str:
        """The name of a run."""
        return next((str(e["name"]) for e in self.own(run) if e["event"] != "on_custom_event"), "(unnamed)")

    def own(self, run: str) -> list[Event]:
        """The events of a run."""
        return [self.events[index] for index in self.runs[run]]

    def path(self, run: str) -> Path:
        """The names from the root to a run."""
        return (*(self.name(parent) for parent in self.parents(run)), self.name(run))

    def parents(self, run: str) -> list[str]:
        """The runs above one, root first."""
        return [parent for parent in self.own(run)[0]["parent_ids"] if parent in self.runs]

    def below(self, run: str) -> list[str]:
        """The runs below one."""
        return [other for other in self.runs if run in self.own(other)[0]["parent_ids"]]

    def inner(self) -> list[str]:
        """All runs but the root."""
        return [run for run in self.runs if self.own(run)[0]["parent_ids"]]

    def chunks(self, run: str) -> list[int]:
        """Where a run's chunks are that are texts or messages."""
        return [i for i in self.runs[run] if _is_text_chunk(self.events[i])]

    def without(self, gone: set[int]) -> list[Any]:
        """The events but those at some places."""
        return [event for index, event in enumerate(self.events) if index not in gone]


def _copied(event: Any) -> Any:
    if not isinstance(event, dict):
        return event
    return {**event, "tags": [*event["tags"]], "metadata": {**event["metadata"]}}


def _is_text_chunk(event: Event) -> bool:
    return event["event"].endswith("_stream") and isinstance(event["data"].get("chunk"), str | BaseMessageChunk)


def _said(chunk: Any) -> str:
    return chunk if isinstance(chunk, str) else str(chunk.content)


def _with_text(chunk: Any, text: str) -> Any:
    return text if isinstance(chunk, str) else chunk.model_copy(update={"content": text})


def _chunked(event: Event, text: str) -> Event:
    return {**event, "data": {"chunk": _with_text(event["data"]["chunk"], text)}}


Fault = Callable[[Recording, random.Random], "Seeded | None"]


def run_lost(recording: Recording, chance: random.Random) -> Seeded | None:
    """A run and all below it are gone."""
    if not (runs := recording.inner()):
        return None
    run = chance.choice(runs)
    gone = {index for one in (run, *recording.below(run)) for index in recording.runs[one]}
    return Seeded(recording.without(gone), frozenset({"run_missing"}), recording.path(run))


def run_added(recording: Recording, chance: random.Random) -> Seeded | None:
    """A run that was not there, below any other."""
    parent = chance.choice(list(recording.runs))
    kind, first = chance.choice(["chain", "tool", "chat_model", "retriever"]), recording.runs[parent][0]
    own = {**recording.events[first], "name": "added", "run_id": str(uuid.UUID(int=chance.getrandbits(128)))}
    own["parent_ids"] = [*own["parent_ids"], parent]
    events = [{**own, "event": f"on_{kind}_{phase}", "data": {phase: "x"}} for phase in ("start", "end")]
    made = [*recording.events[: first + 1], *events, *recording.events[first + 1 :]]
    return Seeded(made, frozenset({"run_extra"}), (*recording.path(parent), "added"))


def run_renamed(recording: Recording, chance: random.Random) -> Seeded | None:
    """A run has another name in all its events."""
    run = chance.choice(list(recording.runs))
    path = recording.path(run)
    for event in recording.own(run):
        if event["event"] != "on_custom_event":
            event["name"] = "renamed"
    return Seeded(recording.events, frozenset({"run_renamed"}), path)


def run_retagged(recording: Recording, chance: random.Random) -> Seeded | None:
    """A run lost one of its tags, or got one."""
    run = chance.choice(list(recording.runs))
    lost = chance.choice([*recording.own(run)[0]["tags"], None])
    for event in recording.own(run):
        event["tags"] = [*event["tags"], "leaked"] if lost is None else [tag for tag in event["tags"] if tag != lost]
    return Seeded(recording.events, frozenset({"run_retagged"}), recording.path(run))


def run_reparented(recording: Recording, chance: random.Random) -> Seeded | None:
    """A run, with all below it, lies below another one."""
    runs = recording.inner()
    run = chance.choice(runs) if runs else None
    if run is None:
        return None
    taken = {run, recording.own(run)[0]["parent_ids"][-1], *recording.below(run)}
    places = [one for one in recording.runs if one not in taken and recording.runs[one][0] < recording.runs[run][0]]
    if not places:
        return None
    parent, path, old = chance.choice(places), recording.path(run), recording.own(run)[0]["parent_ids"]
    new = [*recording.own(parent)[0]["parent_ids"], parent]
    for one in (*recording.below(run), run):
        for event in recording.own(one):
            event["parent_ids"] = [*new, *event["parent_ids"][len(old) :]]
    return Seeded(recording.events, frozenset({"run_reparented"}), path)


def _streams(recording: Recording, least: int = 2) -> list[str]:
    return [run for run in recording.runs if len(recording.chunks(run)) >= least]


def _a_chunk(recording: Recording, chance: random.Random) -> tuple[str, int, bool] | None:
    """A run, the place of one of its chunks, and whether that says nothing."""
    if not (runs := _streams(recording)):
        return None
    run = chance.choice(runs)
    index = chance.choice(recording.chunks(run))
    return run, index, _said(recording.events[index]["data"]["chunk"]) == ""


def token_lost(recording: Recording, chance: random.Random) -> Seeded | None:
    """A chunk is gone."""
    if (found := _a_chunk(recording, chance)) is None:
        return None
    run, index, empty = found
    kind = "chunks_redivided" if empty else "chunk_missing"
    return Seeded(recording.without({index}), frozenset({kind}), recording.path(run))


def token_changed(recording: Recording, chance: random.Random) -> Seeded | None:
    """A chunk says something else."""
    if (found := _a_chunk(recording, chance)) is None:
        return None
    run, index, _ = found
    event = recording.events[index]
    recording.events[index] = _chunked(event, _said(event["data"]["chunk"]) + "~")
    return Seeded(recording.events, frozenset({"chunk_changed"}), recording.path(run))


def token_doubled(recording: Recording, chance: random.Random) -> Seeded | None:
    """A chunk comes twice."""
    if (found := _a_chunk(recording, chance)) is None:
        return None
    run, index, empty = found
    events = [*recording.events[: index + 1], recording.events[index], *recording.events[index + 1 :]]
    return Seeded(events, frozenset({"chunks_redivided" if empty else "chunk_extra"}), recording.path(run))


def _neighbours(recording: Recording, chance: random.Random) -> tuple[str, int, int] | None:
    """Two chunks of one run, one after the other."""
    pairs = [
        (run, i, j)
        for run in _streams(recording)
        for i, j in pairwise(recording.chunks(run))
        if recording.runs[run].index(j) == recording.runs[run].index(i) + 1
    ]
    return chance.choice(pairs) if pairs else None


def tokens_merged(recording: Recording, chance: random.Random) -> Seeded | None:
    """Two chunks come as one."""
    if (found := _neighbours(recording, chance)) is None:
        return None
    run, i, j = found
    first, second = (recording.events[index] for index in (i, j))
    recording.events[i] = _chunked(first, _said(first["data"]["chunk"]) + _said(second["data"]["chunk"]))
    return Seeded(recording.without({j}), frozenset({"chunks_redivided"}), recording.path(run))


def token_split(recording: Recording, chance: random.Random) -> Seeded | None:
    """One chunk comes as two."""
    if (found := _a_chunk(recording, chance)) is None or found[2]:
        return None
    run, index, _ = found
    event = recording.events[index]
    text = _said(event["data"]["chunk"])
    at = chance.randint(0, len(text))
    parts = [_chunked(event, text[:at]), _chunked(event, text[at:])]
    events = [*recording.events[:index], *parts, *recording.events[index + 1 :]]
    return Seeded(events, frozenset({"chunks_redivided"}), recording.path(run))


def stream_lost(recording: Recording, chance: random.Random) -> Seeded | None:
    """A run does not stream any more, as a parser behind an invoked model."""
    runs = [run for run in recording.runs if any(e["event"].endswith("_stream") for e in recording.own(run))]
    if not runs:
        return None
    run = chance.choice(runs)
    gone = {index for index in recording.runs[run] if recording.events[index]["event"].endswith("_stream")}
    return Seeded(recording.without(gone), frozenset({"stream_missing"}), recording.path(run))


def chunks_retyped(recording: Recording, chance: random.Random) -> Seeded | None:
    """A run's chunks, or one of them, are objects now, as a graph's root's."""
    if not (runs := _streams(recording, 1)):
        return None
    run = chance.choice(runs)
    places = recording.chunks(run)
    for index in chance.choice([places, [chance.choice(places)]]):
        event = recording.events[index]
        recording.events[index] = {**event, "data": {"chunk": {"answer": event["data"]["chunk"]}}}
    return Seeded(recording.events, frozenset({"chunks_retyped"}), recording.path(run))


def _ends(recording: Recording) -> list[tuple[str, int]]:
    found = ((run, index) for run, indexes in recording.runs.items() for index in indexes)
    return [(run, index) for run, index in found if recording.events[index]["event"].endswith("_end")]


def output_changed(recording: Recording, chance: random.Random) -> Seeded | None:
    """A run's output is another, or in another form."""
    ends = [(run, i) for run, i in _ends(recording) if "output" in recording.events[i]["data"]]
    if not ends:
        return None
    run, index = chance.choice(ends)
    event = recording.events[index]
    output = chance.choice([{"answer": event["data"]["output"]}, "something else", None])
    recording.events[index] = {**event, "data": {**event["data"], "output": output}}
    return Seeded(recording.events, frozenset({"output_changed"}), recording.path(run))


def input_changed(recording: Recording, chance: random.Random) -> Seeded | None:
    """What a run was given is another."""
    runs = [
        (run, i) for run, indexes in recording.runs.items() for i in indexes if "input" in recording.events[i]["data"]
    ]
    if not runs:
        return None
    run, index = chance.choice(runs)
    event = recording.events[index]
    recording.events[index] = {**event, "data": {**event["data"], "input": {"other": 1}}}
    return Seeded(recording.events, frozenset({"input_changed"}), recording.path(run))


def end_lost(recording: Recording, chance: random.Random) -> Seeded | None:
    """A run has no end."""
    if not (ends := _ends(recording)):
        return None
    run, index = chance.choice(ends)
    return Seeded(recording.without({index}), frozenset({"end_missing"}), recording.path(run))


def start_lost(recording: Recording, chance: random.Random) -> Seeded | None:
    """A run has no start; below others, where no other run is looked for by its first event."""
    runs = [run for run in recording.inner() if len(recording.own(run)) > 1 and not recording.below(run)]
    runs = [run for run in runs if recording.own(run)[0]["event"].endswith("_start")]
    if not runs:
        return None
    run = chance.choice(runs)
    return Seeded(recording.without({recording.runs[run][0]}), frozenset({"start_missing"}), recording.path(run))


def error_swallowed(recording: Recording, chance: random.Random) -> Seeded | None:
    """The run fails, and nobody hears of it."""
    if isinstance(recording.events[-1], dict):
        return None
    root = next(iter(recording.runs))
    return Seeded(recording.events[:-1], frozenset({"error_missing"}), recording.path(root))


def metadata_lost(recording: Recording, chance: random.Random) -> Seeded | None:
    """A run's metadata lack a key."""
    runs = [run for run in recording.runs if recording.own(run)[0]["metadata"]]
    if not runs:
        return None
    run = chance.choice(runs)
    key = chance.choice(sorted(recording.own(run)[0]["metadata"]))
    for event in recording.own(run):
        event["metadata"].pop(key, None)
    return Seeded(recording.events, frozenset({"metadata_missing"}), recording.path(run))


def metadata_leaked(recording: Recording, chance: random.Random) -> Seeded | None:
    """A run's metadata have a key that only a graph knows."""
    run = chance.choice(list(recording.runs))
    for event in recording.own(run):
        event["metadata"]["graph_knows"] = 1
    return Seeded(recording.events, frozenset({"metadata_extra"}), recording.path(run))


def metadata_leaked_once(recording: Recording, chance: random.Random) -> Seeded | None:
    """One event of a run, and not its first, has metadata that the others lack."""
    runs = [run for run in recording.runs if len(recording.runs[run]) > 1]
    if not runs:
        return None
    run = chance.choice(runs)
    chance.choice(recording.own(run)[1:])["metadata"]["graph_knows"] = 1
    return Seeded(recording.events, frozenset({"metadata_extra"}), recording.path(run))


def _customs(recording: Recording) -> list[tuple[str, int]]:
    found = ((run, index) for run, indexes in recording.runs.items() for index in indexes)
    return [(run, index) for run, index in found if recording.events[index]["event"] == "on_custom_event"]


def custom_lost(recording: Recording, chance: random.Random) -> Seeded | None:
    """A custom event is gone."""
    if not (customs := _customs(recording)):
        return None
    run, index = chance.choice(customs)
    return Seeded(recording.without({index}), frozenset({"custom_missing"}), recording.path(run))


def custom_changed(recording: Recording, chance: random.Random) -> Seeded | None:
    """A custom event carries other data."""
    if not (customs := _customs(recording)):
        return None
    run, index = chance.choice(customs)
    recording.events[index] = {**recording.events[index], "data": {"step": "another"}}
    return Seeded(recording.events, frozenset({"custom_changed"}), recording.path(run))


def order_broken(recording: Recording, chance: random.Random) -> Seeded | None:
    """Two events of a run come in the wrong order, the second after the first."""
    pairs = [
        (run, i, j)
        for run, indexes in recording.runs.items()
        for i, j in pairwise(indexes)
        if not recording.below(run) and _differ(recording.events[i], recording.events[j])
    ]
    if not pairs:
        return None
    run, i, j = chance.choice(pairs)
    empty = any(
        _is_text_chunk(e) and _said(e["data"]["chunk"]) == "" for e in (recording.events[i], recording.events[j])
    )
    recording.events[i], recording.events[j] = recording.events[j], recording.events[i]
    kinds = {"order_changed", "chunks_redivided"} if empty else {"order_changed"}
    return Seeded(recording.events, frozenset(kinds), recording.path(run))


def _differ(first: Event, second: Event) -> bool:
    """Whether the order of two events can be seen: chunks that are objects are told apart by their keys alone."""
    chunks = [event["data"].get("chunk") if isinstance(event["data"], dict) else None for event in (first, second)]
    return not all(isinstance(chunk, dict) for chunk in chunks) and (first["event"], chunks[0]) != (
        second["event"],
        chunks[1],
    )


def message_renewed(recording: Recording, chance: random.Random) -> Seeded | None:
    """From one chunk on a message has another identifier."""
    runs = [run for run in _streams(recording) if "chat_model" in recording.own(run)[0]["event"]]
    if not runs:
        return None
    run = chance.choice(runs)
    places = recording.chunks(run)[1:]
    first = chance.choice(places)
    for index in (place for place in places if place >= first):
        chunk = recording.events[index]["data"]["chunk"].model_copy(update={"id": f"run-{uuid.UUID(int=7)}"})
        recording.events[index] = {**recording.events[index], "data": {"chunk": chunk}}
    return Seeded(recording.events, frozenset({"chunk_changed"}), recording.path(run))


FAULTS: tuple[Fault, ...] = (
    run_lost,
    run_added,
    run_renamed,
    run_retagged,
    run_reparented,
    token_lost,
    token_changed,
    token_doubled,
    tokens_merged,
    token_split,
    stream_lost,
    chunks_retyped,
    output_changed,
    input_changed,
    start_lost,
    end_lost,
    error_swallowed,
    metadata_lost,
    metadata_leaked,
    metadata_leaked_once,
    custom_lost,
    custom_changed,
    order_broken,
    message_renewed,
)


def seeded(events: list[Any], seed: int) -> Iterator[tuple[str, Seeded]]:
    """Every fault that a recording has a place for, once, under its name."""
    for fault in FAULTS:
        found = fault(Recording.of(events), random.Random(f"{seed}/{fault.__name__}"))
        if found is not None:
            yield fault.__name__, found
