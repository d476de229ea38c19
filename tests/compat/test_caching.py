"""Nodes that are cached: what is kept of them, for how long, and what is not."""

from __future__ import annotations

import operator
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any, TypedDict

import pytest
from langgraph.cache.memory import InMemoryCache
from langgraph.checkpoint.memory import InMemorySaver

from lcel_compat import START, CachePolicy, Command, CompiledStateGraph, Overwrite, Send, StateGraph, interrupt
from tests.compat.test_endings import Outcomes
from tests.support.colours import Colour, run

THREAD: Any = {"configurable": {"thread_id": "1"}}
POLICY = CachePolicy()


class State(TypedDict, total=False):
    """One key that is folded and one that is not."""

    log: Annotated[list[Any], operator.add]
    plain: Any


class Fault(Exception):
    """What a node of these tests raises."""


def single(node: Any, policy: Any = POLICY, **options: Any) -> CompiledStateGraph:
    """One cached node."""
    builder = StateGraph(State).add_node("a", node, cache_policy=policy).add_edge(START, "a")
    return builder.compile(**{"cache": InMemoryCache(), **options})


class Node:
    """A node that counts how often it ran, and writes what it is told to."""

    def __init__(self, result: Any = None) -> None:
        self.ran = 0
        self.result = result

    def __call__(self, state: Any) -> Any:
        self.ran += 1
        return {"log": [self.ran]} if self.result is None else self.result


@contextmanager
def later(monkeypatch: pytest.MonkeyPatch, seconds: float) -> Iterator[None]:
    """So many seconds later, as the cache sees it."""
    import datetime as real

    from langgraph.cache import memory

    class Moved(real.datetime):
        @classmethod
        def now(cls, tz: Any = None) -> Any:
            return real.datetime.now(tz) + real.timedelta(seconds=seconds)

    class Module:
        datetime, timedelta, timezone = Moved, real.timedelta, real.timezone

    with monkeypatch.context() as patch:
        patch.setattr(memory, "datetime", Module)
        yield


def test_hit_and_miss(colour: Colour) -> None:
    """A node does not run again for an input that it was given before, in any run; for another it does."""
    node = Node()
    compiled = single(node)
    results = [colour.invoke(compiled, {"plain": value})["log"] for value in ("x", "x", "y", "x")]
    assert results == [[1], [1], [2], [1]]
    assert node.ran == 2


def test_how_a_hit_is_shown(colour: Colour) -> None:
    """``updates`` marks a result that was cached; ``tasks`` shows the start alone, and callbacks no run of the node."""
    compiled = single(Node())
    handler = Outcomes()
    first, second = (
        colour.observe_stream(compiled, {"plain": 1}, {"callbacks": [handler]}, stream_mode=["updates", "tasks"])
        for _ in range(2)
    )
    assert [item for mode, item in first if mode == "updates"] == [{"a": {"log": [1]}}]
    assert [item for mode, item in second if mode == "updates"] == [
        {"a": {"log": [1]}, "__metadata__": {"cached": True}}
    ]
    assert [mode for mode, _ in first] == ["tasks", "updates", "tasks"] or len(first) == 3
    assert [mode for mode, _ in second].count("tasks") == 1
    assert handler.of("a") == ["end"]
    assert handler.of("LangGraph") == ["end", "end"]


def test_time_to_live(colour: Colour, monkeypatch: pytest.MonkeyPatch) -> None:
    """A result is kept for as many seconds as the policy says, and for ever without."""
    short, ever = Node(), Node()
    graphs = [single(short, CachePolicy(ttl=60)), single(ever)]
    for compiled in graphs:
        colour.invoke(compiled, {"plain": 1})
    with later(monkeypatch, 59):
        for compiled in graphs:
            colour.invoke(compiled, {"plain": 1})
    assert (short.ran, ever.ran) == (1, 1)
    with later(monkeypatch, 61):
        for compiled in graphs:
            colour.invoke(compiled, {"plain": 1})
    assert (short.ran, ever.ran) == (2, 1)


@pytest.mark.parametrize(("nodes", "left"), [(None, {"a": 2, "b": 2}), (["a"], {"a": 2, "b": 1})], ids=["all", "one"])
def test_clear_cache(colour: Colour, nodes: Any, left: dict[str, int]) -> None:
    """``clear_cache`` forgets the results of the nodes that it names, of all if it names none."""

    def first(state: Any) -> Any:
        ran["a"] += 1
        return None

    def second(state: Any) -> Any:
        ran["b"] += 1
        return None

    ran = {"a": 0, "b": 0}
    builder = StateGraph(State).add_node("a", first, cache_policy=POLICY).add_node("b", second, cache_policy=POLICY)
    compiled = builder.add_edge(START, "a").add_edge(START, "b").compile(cache=InMemoryCache())
    for turn in range(2):
        if turn and colour.name == "sync":
            compiled.clear_cache(nodes)
        elif turn:
            run(compiled.aclear_cache(nodes))
        colour.invoke(compiled, {"plain": 1})
        colour.invoke(compiled, {"plain": 1})
    assert ran == left


def test_clearing_without_a_cache(colour: Colour) -> None:
    """A graph that has no cache says so."""
    compiled = single(Node(), cache=None)
    with pytest.raises(ValueError, match="no cache"):
        run(compiled.aclear_cache()) if colour.name == "async" else compiled.clear_cache()


def test_an_error_is_not_cached(colour: Colour) -> None:
    """A node that failed runs again."""
    tried: list[int] = []

    def node(state: Any) -> Any:
        tried.append(1)
        if len(tried) == 1:
            raise Fault
        return {"log": ["done"]}

    compiled = single(node)
    with pytest.raises(Fault):
        colour.invoke(compiled, {"plain": 1})
    assert [colour.invoke(compiled, {"plain": 1})["log"] for _ in range(2)] == [["done"]] * 2
    assert len(tried) == 2


def test_a_handled_error_is_not_cached(colour: Colour) -> None:
    """Nor does an error that a handler took care of count as a result; the handler runs each time."""
    tried: list[str] = []

    def node(state: Any) -> Any:
        tried.append("a")
        raise Fault

    def handler(state: Any) -> Any:
        tried.append("handler")
        return {"log": ["rescued"]}

    builder = StateGraph(State).add_node("a", node, cache_policy=POLICY, error_handler=handler).add_edge(START, "a")
    compiled = builder.compile(cache=InMemoryCache())
    assert [colour.invoke(compiled, {"plain": 1})["log"] for _ in range(2)] == [["rescued"]] * 2
    assert tried == ["a", "handler"] * 2


def test_a_question_is_not_cached(colour: Colour) -> None:
    """A node that asks is asked again by the next run; what it writes when it has the answer is cached."""
    ran: list[int] = []

    def node(state: Any) -> Any:
        ran.append(1)
        return {"log": [interrupt("?")]}

    compiled = single(node, checkpointer=InMemorySaver())
    threads: list[Any] = [{"configurable": {"thread_id": str(number)}} for number in range(3)]
    for thread in threads[:2]:
        assert "__interrupt__" in colour.invoke(compiled, {"plain": 1}, thread)
    assert colour.invoke(compiled, Command(resume="yes"), threads[0])["log"] == ["yes"]
    assert len(ran) == 3
    assert colour.invoke(compiled, {"plain": 1}, threads[2])["log"] == ["yes"]
    assert len(ran) == 3


def test_an_answer_is_not_cached(colour: Colour) -> None:
    """A node that has got one answer and waits for another has no result yet: the next thread is asked both."""

    def node(state: Any) -> Any:
        return {"log": [interrupt("1"), interrupt("2")]}

    compiled = single(node, checkpointer=InMemorySaver())
    first: Any = {"configurable": {"thread_id": "first"}}
    second: Any = {"configurable": {"thread_id": "second"}}
    asked: list[Any] = [colour.invoke(compiled, {"plain": 1}, first)]
    asked += [colour.invoke(compiled, Command(resume="yes"), first), colour.invoke(compiled, {"plain": 1}, second)]
    assert [state["__interrupt__"][0].value for state in asked] == ["1", "2", "1"]


@pytest.mark.parametrize(
    ("result", "state"),
    [
        ({"log": ["x"], "plain": 2}, {"log": ["in", "x"], "plain": 2}),
        (Command(update={"plain": 3}, goto="b"), {"log": ["in", "b"], "plain": 3}),
        (Command(goto=[Send("b", {}), Send("b", {})]), {"log": ["in", "b", "b"], "plain": 1}),
        ({"log": Overwrite(["new"])}, {"log": ["new"], "plain": 1}),
        ([Command(update={"log": [1]}), Command(update={"log": [2]})], {"log": ["in", 1, 2], "plain": 1}),
        ({}, {"log": ["in"], "plain": 1}),
    ],
    ids=["update", "goto", "packets", "overwrite", "several", "nothing"],
)
def test_all_that_a_node_wrote_is_cached(colour: Colour, result: Any, state: Any) -> None:
    """Updates, commands, packets and overwrites do from the cache what they did the first time."""
    node = Node(result)
    builder = StateGraph(State).add_node("a", node, cache_policy=POLICY).add_node("b", lambda state: {"log": ["b"]})
    compiled = builder.add_edge(START, "a").compile(cache=InMemoryCache())
    assert [colour.invoke(compiled, {"log": ["in"], "plain": 1}) for _ in range(2)] == [state] * 2
    assert node.ran == 1


def test_routes_are_cached(colour: Colour) -> None:
    """Where a node's conditional edge led is part of its result; the edge is not asked again."""
    asked: list[int] = []

    def route(state: Any) -> str:
        asked.append(1)
        return "b"

    builder = StateGraph(State).add_node("a", Node(), cache_policy=POLICY)
    builder.add_node("b", lambda state: {"log": ["b"]}).add_edge(START, "a").add_conditional_edges("a", route, ["b"])
    compiled = builder.compile(cache=InMemoryCache())
    assert [colour.invoke(compiled, {"plain": 1})["log"] for _ in range(2)] == [[1, "b"]] * 2
    assert asked == [1]


def test_packets_of_one_superstep(colour: Colour) -> None:
    """Equal packets of one superstep run each; those of a later run are found."""
    ran: list[int] = []

    def work(number: int) -> Any:
        ran.append(number)
        return {"log": [number]}

    builder = StateGraph(State).add_node("work", work, cache_policy=POLICY)
    builder.add_conditional_edges(START, lambda state: [Send("work", n) for n in (1, 2, 3)], ["work"])
    compiled = builder.compile(cache=InMemoryCache())
    assert [colour.invoke(compiled, {})["log"] for _ in range(2)] == [[1, 2, 3]] * 2
    assert sorted(ran) == [1, 2, 3]


def test_a_hit_is_saved(colour: Colour) -> None:
    """In a thread a result from the cache is kept as the node's own would be."""
    from tests.support.saving import Told

    cache = InMemoryCache[Any]()
    stories: list[Any] = []
    for _ in range(2):
        saver = Told()
        colour.invoke(single(Node(), cache=cache, checkpointer=saver), {"plain": 1}, THREAD)
        stories.append(saver.story)
    assert stories[0] == stories[1]


def test_graphs_inside_use_the_cache_around(colour: Colour) -> None:
    """A node of a graph inside is cached by the cache of the outermost graph."""
    node = Node()
    inner = StateGraph(State).add_node("a", node, cache_policy=POLICY).add_edge(START, "a").compile()
    outer = StateGraph(State).add_node("sub", inner).add_edge(START, "sub").compile(cache=InMemoryCache())
    assert [colour.invoke(outer, {"plain": 1})["log"] for _ in range(2)] == [[1]] * 2
    assert node.ran == 1


class Broken(InMemoryCache[Any]):
    """A cache that is gone."""

    def get(self, keys: Any) -> Any:
        raise Fault("cache")


def test_a_cache_that_fails(colour: Colour) -> None:
    """A cache that cannot be read ends the run with its error, before the node runs."""
    node = Node()
    with pytest.raises(Fault, match="cache"):
        colour.invoke(single(node, cache=Broken()), {"plain": 1})
    assert node.ran == 0


def test_an_input_without_a_key(colour: Colour) -> None:
    """An input of which no key can be made is refused, and the error says how to make one."""
    with pytest.raises(TypeError, match="key_func"):
        colour.invoke(single(Node()), {"plain": lambda: None})
