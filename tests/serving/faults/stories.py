"""Stories: what clients do on threads while servers die, and what must have come of it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any
from uuid import uuid4

from tests.serving.faults.kept import flaws, kept, state
from tests.serving.faults.lanes import MODES, Lanes, attempts, lanes, shown
from tests.serving.faults.reader import SILENCE, Ask, Client, Got, Reader

Urls = Callable[[], Sequence[str]]
TICK = 0.01


@dataclass(kw_only=True)
class Streamed:
    """A run that was streamed, as its client has it and as it is kept."""

    run_id: str
    got: list[Got]
    kept: list[Got]
    status: str


@dataclass(kw_only=True)
class Outcome:
    """What came of a story: the streams of its runs, the statuses of all, the thread, its state and its history."""

    streams: list[Streamed] = field(default_factory=list)
    statuses: list[str] = field(default_factory=list)
    thread_id: str
    thread: Any = None
    state: Any = None
    flaws: list[str] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class Story:
    """What is done on one thread: runs that are streamed one after the other, or runs in the background at once.

    Attributes:
        name: For messages.
        graph: The graph.
        bodies: Of the requests, in order.
        background: Whether the runs are submitted together and not streamed.
        whole: Whether streams are complete whatever happens.
    """

    name: str
    graph: str
    bodies: Sequence[dict[str, Any]]
    background: bool = False
    whole: bool = True

    def play(self, urls: Urls, database: str, silence: float = SILENCE) -> Outcome:
        """Do it, and look at what came of it; a server that says nothing for so many seconds is gone."""
        asks = self._asks()
        client = Client(urls, silence)
        try:
            outcome = Outcome(thread_id=asks[0].thread_id)
            if self.background:
                runs = [(ask, client.submit(ask)) for ask in asks]
                outcome.statuses = [client.over(ask, run_id) for ask, run_id in runs]
            else:
                outcome.streams = [_streamed(client, Reader(urls, ask, silence)) for ask in asks]
                outcome.statuses = [one.status for one in outcome.streams]
            return _left(client, outcome, database)
        finally:
            client.close()

    def again(self, urls: Urls, database: str, before: Outcome) -> Outcome:
        """What is kept of it now, after somebody may have meddled with it."""
        client = Client(urls)
        try:
            asks = list(zip(self._asks(before.thread_id), before.streams, strict=True))
            streams = [replace(one, kept=client.replay(ask, one.run_id)) for ask, one in asks]
            statuses = [client.over(ask, one.run_id) for ask, one in asks]
            return _left(client, replace(before, streams=streams, statuses=statuses), database)
        finally:
            client.close()

    def _asks(self, thread_id: str | None = None) -> list[Ask]:
        place = thread_id or str(uuid4())
        return [Ask(graph=self.graph, body=body, thread_id=place) for body in self.bodies]


def _streamed(client: Client, reader: Reader) -> Streamed:
    reader.read()
    assert reader.run_id is not None
    status = client.over(reader.ask, reader.run_id)
    return Streamed(run_id=reader.run_id, got=reader.got, kept=client.replay(reader.ask, reader.run_id), status=status)


def _left(client: Client, outcome: Outcome, database: str) -> Outcome:
    """Note what is left on the thread."""
    outcome.thread = _thread(client.get(f"/threads/{outcome.thread_id}"))
    found = kept(database, outcome.thread_id)
    outcome.state, outcome.flaws = state(found), flaws(found)
    return outcome


def _thread(row: Any) -> Any:
    asked = [[one["value"] for one in several] for several in row["interrupts"].values()]
    values = row["values"] or {}
    return row["status"], asked, row.get("error"), {key: values.get(key) for key in ("log", "inside")}


def all_modes(**body: Any) -> dict[str, Any]:
    """The body of a request that streams everything."""
    return {"stream_mode": MODES, "stream_subgraphs": True, **body}


_INPUT = {"input": {"tick": TICK}}
_ANSWERS = ({"command": {"resume": "yes"}}, {"command": {"resume": "surely"}})
STORIES = [
    Story(name="steps", graph="steps", bodies=[all_modes(**_INPUT)]),
    Story(name="wide", graph="wide", bodies=[all_modes(**_INPUT)]),
    Story(name="nest", graph="nest", bodies=[all_modes(**_INPUT)]),
    Story(name="nest by default", graph="nest", bodies=[{"stream_mode": ["updates", "messages-tuple"], **_INPUT}]),
    Story(name="ask", graph="ask", bodies=[all_modes(**_INPUT), *(all_modes(**answer) for answer in _ANSWERS)]),
    Story(
        name="stops",
        graph="steps",
        bodies=[
            all_modes(**_INPUT, interrupt_before=["two"], interrupt_after=["three"]),
            all_modes(interrupt_before=["two"], interrupt_after=["three"]),
            all_modes(interrupt_before="*"),
        ],
    ),
    Story(name="sync", graph="wide", bodies=[all_modes(**_INPUT, durability="sync")], whole=False),
    Story(name="twice", graph="steps", bodies=[all_modes(**_INPUT), all_modes(**_INPUT)]),
    Story(name="exit", graph="steps", bodies=[all_modes(**_INPUT, durability="exit")]),
    Story(
        name="queue",
        graph="steps",
        bodies=[{"input": {"log": [f"run {number}"], "tick": TICK / 4}} for number in range(4)],
        background=True,
    ),
    Story(
        name="plain queue",
        graph="wide",
        bodies=[
            {"input": {"log": [f"run {number}"], "tick": TICK / 4}, "stream_resumable": False} for number in range(3)
        ],
        background=True,
    ),
    Story(name="later", graph="nest", bodies=[{**_INPUT, "after_seconds": 0.4}], background=True),
    Story(
        name="plain answers",
        graph="ask",
        bodies=[{**body, "stream_resumable": False} for body in (_INPUT, *_ANSWERS)],
        background=True,
    ),
]


def play_all(
    stories: Sequence[Story], urls: Urls, database: str, silence: float = SILENCE
) -> dict[str, Outcome | BaseException]:
    """Play stories at once, each in a thread; what came of each, or why it was given up."""
    found: dict[str, Outcome | BaseException] = {}

    def play(story: Story) -> None:
        try:
            found[story.name] = story.play(urls, database, silence)
        except BaseException as error:
            found[story.name] = error

    threads = [threading.Thread(target=play, args=(story,), daemon=True) for story in stories]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


def disturbed(outcomes: Iterable[Outcome | BaseException]) -> int:
    """How many streamed runs were executed more than once, as the kept streams tell."""
    streams = [one for outcome in outcomes if isinstance(outcome, Outcome) for one in outcome.streams]
    return sum(1 for one in streams if max(attempts(one.kept), default=1) > 1)


def faults(story: Story, expected: Outcome, found: Outcome | BaseException) -> list[str]:
    """How a story that was disturbed differs from the same story undisturbed, where it may not."""
    if isinstance(found, BaseException):
        return [f"given up: {found!r}"]
    wrong = list(found.flaws)
    if found.statuses != expected.statuses:
        wrong.append(f"statuses {found.statuses}, not {expected.statuses}")
    if found.state != expected.state:
        wrong.append(f"state {found.state}, not {expected.state}")
    if found.thread != expected.thread:
        wrong.append(f"thread {found.thread}, not {expected.thread}")
    for number, (before, after) in enumerate(zip(expected.streams, found.streams, strict=True)):
        lost = [*_disorder(after), *(_lost(lanes(before.kept), after) if story.whole else ())]
        wrong += [f"stream {number}: {fault}" for fault in lost]
    return wrong


def _disorder(found: Streamed) -> list[str]:
    """What no stream may be, complete or not."""
    wrong = []
    for whose, some in (("client's", found.got), ("kept", found.kept)):
        ids = [one.id or 0 for one in some]
        if any(a >= b for a, b in pairwise([0, *ids])):
            wrong.append(f"the {whose} ids do not rise: {ids}")
    if (numbers := attempts(found.kept)) != sorted(set(numbers)):
        wrong.append(f"the kept attempts are {numbers}")
    had = {one.id: one for one in found.got}
    missed = [one for one in found.kept if had.get(one.id) != one]
    if missed:
        wrong.append(f"the client misses {len(missed)} frames that are kept, as {missed[0]}")
    return wrong


def _lost(expected: Lanes, found: Streamed) -> list[str]:
    return [f"the kept log: {difference}" for difference in _differences(expected, lanes(found.kept))]


def _differences(expected: Lanes, found: Lanes) -> list[str]:
    return [
        f"lane {lane!r} is\n{shown(found.get(lane, []))}\nnot\n{shown(expected.get(lane, []))}"
        for lane in sorted(expected.keys() | found.keys())
        if expected.get(lane) != found.get(lane)
    ]
