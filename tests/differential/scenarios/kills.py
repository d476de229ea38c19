"""Runs that are killed between two operations of the saver, or whose consumer goes away, and are started again.

A ``Mortal`` saver dies at the n-th ``put`` or ``put_writes``: that one and all after it raise and keep nothing, as when
the process had ended there. It knows which tasks' results were kept before, and so sees one that is run again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from typing import Any
from uuid import uuid4

from langgraph.checkpoint.memory import InMemorySaver

from tests.differential.scenarios.savers import Place
from tests.differential.scenarios.stage import Stage
from tests.differential.scenarios.steps import Player, Step
from tests.support.colours import SYNC, Colour, run
from tests.support.engines import Library

CONTROL = frozenset({"__interrupt__", "__resume__", "__error__", "__error_source_node__"})
"""Channels of writes that a task leaves without having finished (``langgraph/pregel/_task_status.py``)."""
NOBODY = "00000000-0000-0000-0000-000000000000"
"""The task that writes of a ``Command`` given as input are kept under."""
ATTEMPTS = 80
INPUT = {"log": ["in"]}


class Dead(Exception):
    """What a dead saver raises."""


@dataclass(slots=True)
class Life:
    """What has been kept so far, and at which operation from now the saver dies."""

    limit: int | None = None
    spent: int = 0
    finished: set[str] = field(default_factory=set)
    steps: set[tuple[str, int]] = field(default_factory=set)
    twice: list[str] = field(default_factory=list)
    early: list[str] = field(default_factory=list)

    @property
    def dead(self) -> bool:
        """Whether an operation was refused."""
        return self.limit is not None and self.spent >= self.limit

    def spend(self) -> None:
        """Count an operation; ``Dead`` from the ``limit``-th on."""
        self.spent += 1
        if self.dead:
            raise Dead(f"operation {self.spent}")

    def begin(self, limit: int | None) -> None:
        """Come to life again, to die at the ``limit``-th operation or never."""
        self.limit, self.spent = limit, 0

    def watch(self, metadata: Mapping[str, Any]) -> None:
        """Note a task that starts though its result is kept, or before the superstep before it was kept."""
        space, _, task = str(metadata["langgraph_checkpoint_ns"]).rpartition("|")
        if task.partition(":")[2] in self.finished:
            self.twice.append(task)
        if (_names(space), int(metadata["langgraph_step"]) - 1) not in self.steps:
            self.early.append(task)


def _names(space: str) -> str:
    return "|".join(part.partition(":")[0] for part in space.split("|") if not part.isdigit())


class Mortal(InMemorySaver):
    """A saver in memory that dies when it is told to; its async methods come down to the sync ones."""

    def __init__(self) -> None:
        super().__init__()
        self.life = Life()

    def put(self, config: Any, checkpoint: Any, metadata: Any, new_versions: Any) -> Any:
        """Keep a checkpoint, and note its superstep."""
        self.life.spend()
        kept = super().put(config, checkpoint, metadata, new_versions)
        self.life.steps.add((_names(config["configurable"].get("checkpoint_ns", "")), metadata["step"]))
        return kept

    def put_writes(self, config: Any, writes: Sequence[tuple[str, Any]], task_id: str, task_path: str = "") -> None:
        """Keep what a task wrote, and note the task if it has finished."""
        self.life.spend()
        super().put_writes(config, writes, task_id, task_path)
        if task_id != NOBODY and any(channel not in CONTROL for channel, _ in writes):
            self.life.finished.add(task_id)


@contextmanager
def _mortal(colour: Colour) -> Iterator[Mortal]:
    yield Mortal()


MORTAL = Place("mortal", _mortal)


def dying(step: Step, at: int) -> Step:
    """Do a step whose saver dies at an operation; what it gave until then is not looked at."""

    def do(play: Player) -> None:
        life: Life = play.stage.saver.life
        life.begin(at)
        try:
            step.do(play)
        finally:
            life.begin(None)

    return Step(name="died", do=do)


@dataclass(frozen=True, slots=True)
class Kill:
    """Where a run ends before its end: at the n-th operation of its saver, or after n items of its stream."""

    kind: str
    at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """How a thread came to its end: its state, what ran twice or too early, and how many kills struck."""

    values: Any
    twice: list[str]
    early: list[str]
    struck: int
    operations: int


def story(
    lib: Library,
    colour: Colour,
    build: Callable[[Stage], Any],
    kills: Sequence[Kill] = (),
    durability: str = "sync",
) -> Story:
    """Run a thread to its end, through kills: each one ends a run, and the next begins with what was kept.

    What waits is answered, what failed or stopped goes on, and where nothing was kept the input is given again.
    """
    saver = Mortal()
    config = {"configurable": {"thread_id": str(uuid4())}, "recursion_limit": 40}
    stage = Stage(lib=lib, colour=colour.name, saver=saver, watch=saver.life.watch)
    left, struck, operations, x = list(kills), 0, 0, INPUT
    for _ in range(ATTEMPTS):
        kill = left.pop(0) if left else None
        saver.life.begin(kill.at if kill and kill.kind == "operation" else None)
        graph = build(stage)
        cut = _run(colour, graph, x, config, kill, durability)
        struck += cut or saver.life.dead
        operations += saver.life.spent
        saver.life.begin(None)
        x, done = next_input(lib, _state(colour, graph, config))
        if done:
            life = saver.life
            values = _state(colour, graph, config).values
            return Story(values=values, twice=life.twice, early=life.early, struck=struck, operations=operations)
    raise AssertionError(f"not at its end after {ATTEMPTS} runs")


def _run(colour: Colour, graph: Any, x: Any, config: Any, kill: Kill | None, durability: str) -> bool:
    """Run once, to the end or to the kill, and return whether the consumer went away before the end."""
    if kill and kill.kind == "item":
        return _taken(colour, graph, x, config, kill.at, durability) == kill.at
    colour.observe_stream(graph, x, config, durability=durability)
    return False


def _taken(colour: Colour, graph: Any, x: Any, config: Any, items: int, durability: str) -> int:
    """Read so many items of a stream, leave, and return how many there were."""
    modes = {"stream_mode": ["values", "updates", "tasks"], "subgraphs": True, "durability": durability}
    if colour is SYNC:
        stream = graph.stream(x, config, **modes)
        try:
            return sum(1 for _ in islice(stream, items))
        except Exception:
            return 0
        finally:
            stream.close()
    return run(_ataken(graph.astream(x, config, **modes), items))


async def _ataken(stream: Any, items: int) -> int:
    taken = 0
    try:
        async for _ in stream:
            taken += 1
            if taken == items:
                break
    except Exception:
        return 0
    finally:
        await stream.aclose()
    return taken


def _state(colour: Colour, graph: Any, config: Any) -> Any:
    return graph.get_state(config) if colour is SYNC else run(graph.aget_state(config))


def next_input(lib: Library, state: Any) -> tuple[Any, bool]:
    """Return what a user would give the thread now, and whether there is nothing left to do.

    ``next`` is no sign of that: a task whose writes are kept is not in it, though its superstep is not finished.
    """
    if state.created_at is None:
        return INPUT, False
    if state.interrupts:
        return lib.Command(resume={one.id: f"re {one.value}" for one in state.interrupts}), False
    return None, not state.tasks
