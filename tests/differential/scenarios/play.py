"""Play a scenario: on one engine, or on two that take turns on the same thread.

expected = play(scenario, SYNC, LANGGRAPH)
actual = play(scenario, SYNC, OURS)
shared = play(scenario, SYNC, OURS, LANGGRAPH)      # a step by ours, the next by LangGraph, and so on
assert_same_play(expected, shared, racing=is_racing(scenario))
"""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any, TypeAlias
from uuid import uuid4

from lcel_compat import errors
from tests.differential.scenarios.dump import dump
from tests.differential.scenarios.savers import MEMORY, Place
from tests.differential.scenarios.stage import Failure, Stage
from tests.differential.scenarios.steps import Step, Streamed
from tests.differential.scenarios.streams import FULL, View, neutral, normal_stream, races, settled
from tests.support.colours import ASYNC, COLOURS, SYNC, Colour, Raised, raised, run
from tests.support.engines import LANGGRAPH, Library
from tests.support.plain import Obj, flat, lines, number, plain

Build = Callable[[Stage], Any]
Recording: TypeAlias = "list[Given]"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """A graph and a script of calls on one thread of it.

    ``differs`` says in which way, and why, ours is meant to behave other than LangGraph's.
    """

    name: str
    build: Build
    steps: tuple[Step, ...]
    differs: str = ""


SCENARIOS: list[Scenario] = []


def scenario(*steps: Step, **options: Any) -> Callable[[Build], Build]:
    """Add ``build`` to the table under its module's and its own name, with a script and fields of ``Scenario``."""

    def add(build: Build) -> Build:
        name = f"{build.__module__.rpartition('.')[2]}.{build.__name__}"
        SCENARIOS.append(Scenario(name=name, build=build, steps=steps, **options))
        return build

    return add


@dataclass(frozen=True, slots=True)
class Given:
    """What one step gave; ``streamed`` if it is a list of items, whose normal form depends on the view."""

    step: str
    value: Any
    streamed: bool


@dataclass(slots=True, kw_only=True)
class Play:
    """A play going on: the ``Player`` of its steps."""

    colour: Colour
    view: View
    stages: Sequence[Stage]
    graphs: Sequence[Any]
    thread: str = field(default_factory=lambda: str(uuid4()))
    turn: int = 0

    @property
    def stage(self) -> Stage:
        """The stage whose turn it is."""
        return self.stages[self.turn % len(self.stages)]

    @property
    def graph(self) -> Any:
        """The graph whose turn it is."""
        return self.graphs[self.turn % len(self.graphs)]

    def steps(self, steps: Sequence[Step]) -> Recording:
        """Play the steps, and return what each gave."""
        found = []
        for self.turn, step in enumerate(steps):
            value = step.do(self)
            streamed = isinstance(value, Streamed)
            found.append(Given(step.name, value.items if streamed else plain(value), streamed))
        return found

    def stream(self, x: Any, config: Mapping[str, Any], options: Mapping[str, Any]) -> Streamed:
        """Stream in the play's view."""
        if self.view.events:
            colour = ASYNC if self.stage.lib is LANGGRAPH else self.colour  # LangGraph has no other events
            return Streamed([*map(_worded, colour.observe_events(self.graph, x, dict(config), **options))])
        asked = {**self.view.options(), **options}
        return Streamed([*map(_worded, self.colour.observe_stream(self.graph, x, dict(config), **asked))])

    def call(self, method: str, *args: Any, **options: Any) -> Any:
        """Return what a method of the graph gives, or a list for one that yields; ``Raised`` if it raises."""
        try:
            return call(self.colour, self.graph, method, *args, **options)
        except Exception as error:
            return _worded(raised(error))

    def config(self, at: int | None = None, within: str | None = None) -> dict[str, Any]:
        """Return the thread's config, at its ``at``-th newest checkpoint, or that of the subgraph of a node."""
        config: dict[str, Any] = {"configurable": {"thread_id": self.thread}}
        if at is not None:
            return dict(self.call("get_state_history", config)[at].config)
        for name in within.split("/") if within else ():
            config = next(t.state for t in self.call("get_state", config).tasks if t.name == name and t.state)
        return config

    def saved(self) -> Any:
        """Return the normal form of all that the saver holds of the thread."""
        return dump(call(self.colour, self.stage.saver, "list", {"configurable": {"thread_id": self.thread}}))


def _worded(item: Any) -> Any:
    """Leave out the text of an exception that is not the scenario's own: each library words its own errors."""
    return Raised(_known(item.error), None) if isinstance(item, Raised) and item.error != Failure.__name__ else item


@cache
def _known(error: str) -> str:
    """Return the class that a caller who knows LangGraph's errors and Python's would catch an error of ours by."""
    for kind in getattr(errors, error, Exception).__mro__:
        if kind.__module__ == "builtins" or hasattr(LANGGRAPH, kind.__name__):
            return error if kind is Exception else kind.__name__
    return error


def call(colour: Colour, target: Any, method: str, *args: Any, **options: Any) -> Any:
    """Call a method by its sync name in a colour; what it yields is gathered."""
    if colour is SYNC:
        found = getattr(target, method)(*args, **options)
        return list(found) if isinstance(found, Iterator) else found
    found = getattr(target, f"a{method}")(*args, **options)
    return run(_gathered(found) if isinstance(found, AsyncIterator) else found)


async def _gathered(items: AsyncIterator[Any]) -> list[Any]:
    return [item async for item in items]


def play(scenario: Scenario, colour: Colour, *libs: Library, view: View = FULL, place: Place = MEMORY) -> Recording:
    """Return what a scenario gives, step by step, on one library or on several that take turns."""
    ran: Counter[str] = Counter()
    with place.open(colour) as saver:
        stages = [Stage(lib=lib, colour=colour.name, saver=saver, ran=ran) for lib in libs]
        graphs = [scenario.build(stage) for stage in stages]
        return Play(colour=colour, view=view, stages=stages, graphs=graphs).steps(scenario.steps)


def oracle(scenario: Scenario, colour: Colour, view: View = FULL) -> Recording:
    """Return what LangGraph gives; a scenario is played once for each colour and view."""
    return _oracle(scenario, colour.name, view)


@cache
def _oracle(scenario: Scenario, colour: str, view: View) -> Recording:
    return play(scenario, next(one for one in COLOURS if one.name == colour), LANGGRAPH, view=view)


def is_racing(scenario: Scenario) -> bool:
    """Whether two tasks run at once, by LangGraph's account, so that they have no order between them."""
    return has_races(oracle(scenario, SYNC))


def has_races(recording: Recording) -> bool:
    """Whether two tasks run at once in a recording of all modes."""
    return any(races(given.value) for given in recording if given.streamed)


def assert_same_play(expected: Recording, actual: Recording, view: View = FULL, *, racing: bool) -> None:
    """Raise ``AssertionError`` with a unified diff unless two recordings are equal.

    Identifiers are numbered by first appearance across the steps. With ``racing`` the items of tasks that run at once
    are not ordered.
    """
    first, second = ([_form(one, view, racing=racing) for one in recording] for recording in (expected, actual))
    if number(flat(first)) != number(flat(second)):
        diff = difflib.unified_diff(lines(first), lines(second), "expected", "actual", lineterm="", n=6)
        raise AssertionError("plays differ:\n" + "\n".join(diff))


def _form(given: Given, view: View, *, racing: bool) -> Obj:
    form = normal_stream(given.value, view, racing=racing) if given.streamed else given.value
    return Obj(given.step, {"gave": neutral(settled(form) if racing else form)})
