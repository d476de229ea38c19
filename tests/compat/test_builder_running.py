"""Policies, defaults and error handlers as they run: the same streams and the same number of attempts as LangGraph."""

from __future__ import annotations

import asyncio
import operator
from collections import Counter
from collections.abc import Callable
from importlib import import_module
from itertools import groupby
from types import SimpleNamespace
from typing import Annotated, Any, TypedDict

import pytest
from langgraph.cache.memory import InMemoryCache

from tests.support.colours import ASYNC, Colour, Raised
from tests.support.engines import LANGGRAPH, OURS, Library

QUICK = {"initial_interval": 0.001, "jitter": False}


class State(TypedDict, total=False):
    """One key that is folded and one that is not."""

    log: Annotated[list[str], operator.add]
    answer: int


class Bench:
    """A builder of one library with its types, and nodes that count how often they ran."""

    def __init__(self, lib: Library) -> None:
        self.types: Any = import_module(f"{lib.name}.types")
        self.errors: Any = import_module(f"{lib.name}.errors")
        self.builder: Any = lib.StateGraph(State)
        self.ran: Counter[str] = Counter()

    def retry(self, **fields: Any) -> Any:
        """A policy of short intervals."""
        return self.types.RetryPolicy(**{**QUICK, **fields})

    def node(self, name: str, *fails: type[Exception], writes: Any = None) -> Callable[[Any], Any]:
        """A node that raises these errors one after the other, and then succeeds."""

        def run(state: Any) -> Any:
            self.ran[name] += 1
            if self.ran[name] <= len(fails):
                raise fails[self.ran[name] - 1](f"{name} {self.ran[name]}")
            return {"log": [f"{name}{self.ran[name]}"]} if writes is None else writes

        return run

    def handler(self, result: Any = None) -> Callable[..., Any]:
        """An error handler that notes what it is told."""

        def rescue(state: Any, error: Any) -> Any:
            self.ran["rescue"] += 1
            return {"log": [f"{error.node}: {error.error}"]} if result is None else result

        rescue.__annotations__["error"] = self.errors.NodeError
        return rescue

    def line(self, *names: str, **options: Any) -> Any:
        """Lead from the start through these nodes and compile."""
        for start, end in zip(["__start__", *names], names, strict=False):
            self.builder.add_edge(start, end)
        return self.builder.compile(**options)


def retried(b: Bench) -> Any:
    """Fails twice, and is tried three times."""
    b.builder.add_node("a", b.node("a", ConnectionError, ConnectionError), retry_policy=b.retry())
    return b.line("a")


def given_up(b: Bench) -> Any:
    """Fails more often than it is tried."""
    b.builder.add_node("a", b.node("a", *[ConnectionError] * 5), retry_policy=b.retry(max_attempts=2))
    return b.line("a")


def not_worth_it(b: Bench) -> Any:
    """Fails in a way that no policy is about."""
    b.builder.add_node("a", b.node("a", ValueError), retry_policy=b.retry())
    return b.line("a")


def several_policies(b: Bench) -> Any:
    """The first policy that is about the error counts, with all attempts so far."""
    policies = [b.retry(retry_on=KeyError, max_attempts=2), b.retry(retry_on=(ValueError, KeyError), max_attempts=4)]
    b.builder.add_node("a", b.node("a", ValueError, ValueError, KeyError), retry_policy=policies)
    return b.line("a")


def default_retry(b: Bench) -> Any:
    """The default policy holds for one node, the other has its own, which is none."""
    b.builder.set_node_defaults(retry_policy=b.retry())
    b.builder.add_node("a", b.node("a", ConnectionError)).add_node("b", b.node("b", ConnectionError), retry_policy=[])
    return b.line("a", "b")


def handled(b: Bench) -> Any:
    """A handler's update takes the place of the node's; the node's edges are not followed."""
    b.builder.add_node("a", b.node("a", ValueError), error_handler=b.handler()).add_node("b", b.node("b"))
    return b.line("a", "b")


def handled_and_sent_on(b: Bench) -> Any:
    """A handler that goes on to another node."""
    on = b.types.Command(update={"log": ["rescued"]}, goto="b")
    b.builder.add_node("a", b.node("a", ValueError), error_handler=b.handler(on)).add_node("b", b.node("b"))
    return b.line("a")


def handled_after_retries(b: Bench) -> Any:
    """The handler runs when all attempts have failed, once."""
    b.builder.add_node("a", b.node("a", *[ConnectionError] * 9), error_handler=b.handler(), retry_policy=b.retry())
    return b.line("a")


def default_handler(b: Bench) -> Any:
    """One handler for all nodes but the one that has its own."""
    b.builder.set_node_defaults(error_handler=b.handler())
    b.builder.add_node("a", b.node("a", ValueError))
    b.builder.add_node("b", b.node("b", KeyError), error_handler=b.handler({"log": ["own"]}))
    b.builder.add_edge("__start__", "b")
    return b.line("a")


def handler_that_fails(b: Bench) -> Any:
    """A handler that fails is not handled, but tried again as the defaults say."""
    b.builder.set_node_defaults(error_handler=b.handler(), retry_policy=b.retry())
    b.builder.add_node("a", b.node("a", *[ConnectionError] * 9), error_handler=b.node("h", ConnectionError, KeyError))
    return b.line("a")


def handled_beside_others(b: Bench) -> Any:
    """A neighbour of a node that is handled finishes, and what follows it runs."""
    b.builder.add_node("a", b.node("a", ValueError), error_handler=b.handler())
    b.builder.add_node("b", b.node("b")).add_node("c", b.node("c"))
    b.builder.add_edge("__start__", "b").add_edge("b", "c")
    return b.line("a")


def cached(b: Bench) -> Any:
    """What was asked before is not run again."""
    b.builder.add_node("a", b.node("a"), cache_policy=b.types.CachePolicy(ttl=60)).add_node("b", b.node("b"))
    return b.line("a", "b", cache=InMemoryCache())


def cached_by_key(b: Bench) -> Any:
    """A key function says which inputs are the same."""
    policy = b.types.CachePolicy(key_func=lambda state: f"{state['answer'] // 2}")
    b.builder.set_node_defaults(cache_policy=policy).add_node("a", b.node("a"))
    return b.line("a", cache=InMemoryCache())


def cached_nowhere(b: Bench) -> Any:
    """A policy without a cache changes nothing."""
    b.builder.add_node("a", b.node("a"), cache_policy=b.types.CachePolicy())
    return b.line("a")


GRAPHS = [
    retried,
    given_up,
    not_worth_it,
    several_policies,
    default_retry,
    handled,
    handled_and_sent_on,
    handled_after_retries,
    default_handler,
    handler_that_fails,
    handled_beside_others,
    cached,
    cached_by_key,
    cached_nowhere,
]


ENDINGS: dict[str, tuple[list[str] | str, dict[str, int]]] = {
    "retried": (["a3"], {"a": 4}),
    "given_up": ("ConnectionError", {"a": 4}),
    "not_worth_it": ("ValueError", {"a": 2}),
    "several_policies": ("KeyError", {"a": 4}),
    "default_retry": ("ConnectionError", {"a": 3, "b": 2}),
    "handled": (["a: a 1"], {"a": 2, "rescue": 1, "b": 1}),
    "handled_and_sent_on": (["rescued", "b1"], {"a": 2, "rescue": 1, "b": 1}),
    "handled_after_retries": (["a: a 3"], {"a": 6, "rescue": 2}),
    "default_handler": (["a: a 1", "own"], {"a": 2, "b": 2, "rescue": 2}),
    "handler_that_fails": ("KeyError", {"a": 6, "h": 3}),
    "handled_beside_others": (["a: a 1", "b1", "c1"], {"a": 2, "b": 2, "rescue": 1, "c": 2}),
    "cached": (["a1", "b1"], {"a": 1, "b": 2}),
    "cached_by_key": (["a1"], {"a": 1}),
    "cached_nowhere": (["a1"], {"a": 2}),
}
"""How the first run of each graph ends, and how often its nodes ran in two runs."""


def test_every_graph_has_an_ending() -> None:
    """The table and the list are of the same graphs."""
    assert list(ENDINGS) == [build.__name__ for build in GRAPHS]


@pytest.mark.parametrize("build", GRAPHS, ids=lambda build: build.__name__)
def test_endings(colour: Colour, build: Callable[[Bench], Any]) -> None:
    """A policy does what the graph's name says."""
    bench = Bench(OURS)
    graph = build(bench)
    last, _ = (colour.observe_stream(graph, {"answer": 1, "log": []}, stream_mode="values")[-1] for _ in range(2))
    log, ran = ENDINGS[build.__name__]
    assert (last.error if isinstance(last, Raised) else last["log"]) == log
    assert bench.ran == ran


@pytest.mark.langgraph
@pytest.mark.parametrize("build", GRAPHS, ids=lambda build: build.__name__)
def test_the_same_streams(colour: Colour, build: Callable[[Bench], Any]) -> None:
    """A graph streams what LangGraph's streams, run after run, and its nodes run as often."""
    seen: list[Any] = []
    for lib in (LANGGRAPH, OURS):
        bench = Bench(lib)
        graph = build(bench)
        modes = {"stream_mode": ["values", "updates"]}
        items = [_ordered(colour.observe_stream(graph, {"answer": n, "log": []}, **modes)) for n in (1, 1, 2, 3)]
        seen.append(SimpleNamespace(items=items, ran=bench.ran))
    expected, actual = seen
    assert expected.items == actual.items
    assert expected.ran == actual.ran


def _ordered(items: list[Any]) -> list[Any]:
    """The items with those between two values, which siblings give in the order in which they finish, sorted."""
    groups = [list(group) for _, group in groupby(items, key=lambda item: isinstance(item, tuple) and item[0])]
    return [item for group in groups for item in sorted(group, key=str)]


TIMEOUTS: dict[str, Any] = {
    "run": {"run_timeout": 0.05},
    "idle": {"idle_timeout": 0.05},
    "long": {"run_timeout": 20, "idle_timeout": 20},
}


@pytest.mark.slow
@pytest.mark.langgraph
@pytest.mark.parametrize("name", TIMEOUTS)
@pytest.mark.parametrize("retries", [False, True])
def test_timeouts(name: str, retries: bool) -> None:
    """A node that takes too long is cancelled and fails, is tried again if its policy says so, and not otherwise."""
    seen: list[Any] = []
    for lib in (LANGGRAPH, OURS):
        bench = Bench(lib)

        async def slow(state: Any, bench: Bench = bench) -> Any:
            bench.ran["slow"] += 1
            await asyncio.sleep(0.2 if bench.ran["slow"] == 1 else 0)
            return {"log": ["done"]}

        policy = bench.retry() if retries else None
        bench.builder.add_node("a", slow, timeout=bench.types.TimeoutPolicy(**TIMEOUTS[name]), retry_policy=policy)
        seen.append((ASYNC.observe_stream(bench.line("a"), {"answer": 1}), bench.ran))
    assert seen[0] == seen[1]


@pytest.mark.langgraph
def test_the_two_share_a_cache(colour: Colour) -> None:
    """A result that LangGraph has put in a cache is found there by the same node here, and the other way round."""
    for first, second in ((LANGGRAPH, OURS), (OURS, LANGGRAPH)):
        cache: Any = InMemoryCache()
        benches = [Bench(lib) for lib in (first, second)]
        for bench in benches:
            bench.builder.add_node("a", bench.node("a"), cache_policy=bench.types.CachePolicy())
        results = [colour.invoke(bench.line("a", cache=cache), {"answer": 1, "log": ["in"]}) for bench in benches]
        assert results == [{"answer": 1, "log": ["in", "a1"]}] * 2
        assert [bench.ran["a"] for bench in benches] == [1, 0]
