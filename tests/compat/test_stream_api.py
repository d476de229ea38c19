"""How a compiled graph is called, and the shape and order of what it yields."""

from __future__ import annotations

import asyncio
import operator
import threading
import time
from typing import Annotated, Any, TypedDict

import pytest
from langchain_core.runnables import Runnable, RunnableConfig, RunnableLambda

from lcel_compat import END, START, CompiledStateGraph, StateGraph, get_stream_writer
from tests.support.colours import Colour, run

IN = {"log": ["in"]}


class State(TypedDict, total=False):
    """One key that is folded and one that is not."""

    log: Annotated[list[str], operator.add]
    answer: str


def writes(state: Any) -> dict[str, Any]:
    """A node that sends a value and updates the state."""
    get_stream_writer()("sent")
    return {"log": ["one"], "answer": "first"}


def two(**options: Any) -> CompiledStateGraph:
    """Two nodes in a row; the first sends a value."""
    builder = StateGraph(State)
    builder.add_sequence([("one", writes), ("two", lambda s: {"log": ["two"]})])
    return builder.add_edge(START, "one").compile(**options)


def fan(count: int, node: Any) -> CompiledStateGraph:
    """Nodes side by side, all doing the same."""
    builder = StateGraph(State)
    for index in range(count):
        builder.add_node(f"n{index}", node).add_edge(START, f"n{index}")
    return builder.compile()


VALUES = [
    {"log": ["in"]},
    {"log": ["in", "one"], "answer": "first"},
    {"log": ["in", "one", "two"], "answer": "first"},
]
UPDATES = [{"one": {"log": ["one"], "answer": "first"}}, {"two": {"log": ["two"]}}]


# Shapes ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("mode", "items"), [("values", VALUES), ("updates", UPDATES), ("custom", ["sent"]), ("messages", [])]
)
def test_one_mode_yields_bare_items(colour: Colour, mode: str, items: list[Any]) -> None:
    """One mode, said as text, yields its items as they are."""
    assert colour.observe_stream(two(), IN, stream_mode=mode) == items


@pytest.mark.parametrize("kind", [list, tuple])
@pytest.mark.parametrize(("mode", "items"), [("values", VALUES), ("updates", UPDATES), ("custom", ["sent"])])
def test_a_list_yields_pairs(colour: Colour, kind: Any, mode: str, items: list[Any]) -> None:
    """A list or a tuple yields ``(mode, item)``, though it holds a single mode."""
    assert colour.observe_stream(two(), IN, stream_mode=kind([mode])) == [(mode, item) for item in items]


def test_duplicates_count_once(colour: Colour) -> None:
    """A mode that is named twice is given once."""
    items = colour.observe_stream(two(), IN, stream_mode=["updates", "updates"])
    assert items == [("updates", item) for item in UPDATES]


@pytest.mark.parametrize("modes", [["values", "updates", "custom"], ["custom", "updates", "values"]], ids=str)
def test_order_between_modes(colour: Colour, modes: list[str]) -> None:
    """Whatever order they are named in, items come as things happen: sent values, updates, then the new state."""
    assert colour.observe_stream(two(), IN, stream_mode=modes) == [
        ("values", VALUES[0]),
        ("custom", "sent"),
        ("updates", UPDATES[0]),
        ("values", VALUES[1]),
        ("updates", UPDATES[1]),
        ("values", VALUES[2]),
    ]


@pytest.mark.parametrize(
    "modes", [["values", "updates"], ["debug", "custom", "tasks"], ["events", "messages", "values"]]
)
def test_a_mode_beside_others_is_the_mode_alone(colour: Colour, modes: list[str]) -> None:
    """A mode yields the same items in the same order beside others as it does alone."""
    together = colour.observe_stream(two(), IN, stream_mode=modes)
    for mode in modes:
        alone = colour.observe_stream(two(), IN, stream_mode=mode)
        assert [_bare(item) for m, item in together if m == mode] == [_bare(item) for item in alone]


def _bare(item: Any) -> Any:
    """An item without what differs from run to run."""
    if not isinstance(item, dict):
        return item
    dropped = ("id", "run_id", "parent_ids", "metadata", "timestamp")
    return {key: _bare(value) for key, value in item.items() if key not in dropped}


def test_default_mode_is_updates(colour: Colour) -> None:
    """``stream`` without a mode yields updates."""
    assert colour.observe_stream(two(), IN) == UPDATES


def test_items_come_as_they_are_made() -> None:
    """A value that a node sends is with the consumer while the node is still running."""
    gate = threading.Event()

    def waits(state: Any) -> dict[str, Any]:
        get_stream_writer()("before")
        assert gate.wait(5)
        return {"log": ["done"]}

    stream: Any = fan(1, waits).stream(IN, stream_mode=["custom", "updates"])
    assert next(stream) == ("custom", "before")
    gate.set()
    assert list(stream) == [("updates", {"n0": {"log": ["done"]}})]


async def test_items_come_as_they_are_made_on_the_loop() -> None:
    """The same on an event loop."""
    gate = asyncio.Event()

    async def waits(state: Any) -> dict[str, Any]:
        get_stream_writer()("before")
        await gate.wait()
        return {"log": ["done"]}

    stream: Any = fan(1, waits).astream(IN, stream_mode=["custom", "updates"])
    assert await anext(stream) == ("custom", "before")
    gate.set()
    assert [item async for item in stream] == [("updates", {"n0": {"log": ["done"]}})]


# Calling ---------------------------------------------------------------------------------------------------


def test_invoke_returns_the_final_state(colour: Colour) -> None:
    """``invoke`` returns the last of ``values``."""
    assert colour.invoke(two(), IN) == VALUES[-1]


def test_invoke_with_another_mode_returns_its_items(colour: Colour) -> None:
    """``invoke(stream_mode=...)`` returns the list of that mode's items."""
    assert colour.invoke(two(), IN, stream_mode="updates") == UPDATES
    assert colour.invoke(two(), IN, stream_mode=["custom"]) == [("custom", "sent")]


def test_nothing_of_the_output_was_written(colour: Colour) -> None:
    """``invoke`` returns ``None`` where nothing that the output shows was ever written."""
    idle = fan(1, lambda state: None)
    assert colour.invoke(idle, {}) is None
    assert colour.invoke(idle, {"answer": "x"}, output_keys=["log"]) is None


@pytest.mark.parametrize(
    ("keys", "last"),
    [(["answer"], {"answer": "first"}), (["log"], {"log": ["in", "one", "two"]}), (("answer", "log"), VALUES[-1])],
)
def test_output_keys(colour: Colour, keys: Any, last: dict[str, Any]) -> None:
    """``output_keys`` are what ``invoke`` returns and ``values`` and ``updates`` show."""
    assert colour.invoke(two(), IN, output_keys=keys) == last
    assert colour.observe_stream(two(), IN, stream_mode="values", output_keys=keys)[-1] == last
    updates = colour.observe_stream(two(), IN, stream_mode="updates", output_keys=keys)
    assert set(updates[0]["one"]) == {"answer", "log"} & set(last)


def test_one_output_key_alone(colour: Colour) -> None:
    """``output_keys="key"`` shows that key's value without a dict around it, as LangGraph does."""
    assert colour.invoke(two(), IN, output_keys="log") == ["in", "one", "two"]
    values = colour.observe_stream(two(), IN, stream_mode="values", output_keys="log")
    assert values == [["in"], ["in", "one"], ["in", "one", "two"]]
    updates = colour.observe_stream(two(), IN, stream_mode="updates", output_keys="answer")
    assert updates == [{"one": "first"}, {"two": None}]


def test_batch() -> None:
    """``batch`` and ``abatch`` give each input a run of its own, and results in the order of the inputs."""
    inputs = [{"log": [str(n)]} for n in range(5)]
    expected = [{"log": [str(n), "one", "two"], "answer": "first"} for n in range(5)]
    assert two().batch(inputs) == expected
    assert run(two().abatch(inputs)) == expected


def test_batch_returns_exceptions() -> None:
    """``batch(return_exceptions=True)`` keeps one run's failure from the others."""

    def picky(state: Any) -> dict[str, Any]:
        if state["log"] == ["bad"]:
            raise ValueError("bad")
        return {"answer": "good"}

    inputs = [{"log": ["bad"]}, {"log": ["fine"]}]
    for results in (
        fan(1, picky).batch(inputs, return_exceptions=True),
        run(fan(1, picky).abatch(inputs, return_exceptions=True)),
    ):
        assert isinstance(results[0], ValueError)
        assert results[1] == {"log": ["fine"], "answer": "good"}


def test_runs_of_one_graph_at_once() -> None:
    """Any number of runs share one compiled graph and do not see each other."""

    async def both() -> list[Any]:
        return await asyncio.gather(*(two().ainvoke({"log": [str(n)]}) for n in range(10)))

    assert [result["log"][0] for result in run(both())] == [str(n) for n in range(10)]


def test_with_config_is_a_copy_that_is_a_graph(colour: Colour) -> None:
    """``with_config`` gives a graph of the same class, bound to the config, and leaves the original as it is."""
    seen: list[Any] = []

    def look(state: Any, config: RunnableConfig) -> None:
        seen.append((config["tags"], config["metadata"].get("user"), config["recursion_limit"]))

    plain = fan(1, look)
    bound = plain.with_config({"tags": ["t"], "metadata": {"user": "u"}}, recursion_limit=7)
    assert isinstance(bound, CompiledStateGraph)
    assert plain.config is None
    colour.invoke(bound, IN)
    colour.invoke(bound.with_config(tags=["more"]), IN, {"recursion_limit": 8})
    colour.invoke(plain, IN)
    assert seen[0] == (["t"], "u", 7)
    assert seen[1] == (["t", "more"], "u", 8)
    assert seen[2][:2] == ([], None)


def test_in_a_sequence(colour: Colour) -> None:
    """``|`` puts a graph into a chain on either side."""
    chain: Runnable[Any, Any] = RunnableLambda(lambda text: {"log": [text]}) | two() | (lambda state: len(state["log"]))
    assert colour.invoke(chain, "x") == 3


def test_bind_and_with_types(colour: Colour) -> None:
    """``bind`` passes arguments to the graph, ``with_types`` changes the types it says that it has."""
    assert colour.invoke(two().bind(output_keys=["answer"]), IN) == {"answer": "first"}
    typed = two().with_types(input_type=dict[str, list[str]])
    assert typed.InputType == dict[str, list[str]]
    assert colour.invoke(typed, IN) == VALUES[-1]


def test_map_and_pick(colour: Colour) -> None:
    """What every runnable has works on a graph as well: ``map``, ``pick``, ``with_retry``, ``with_fallbacks``."""
    assert colour.invoke(two().map(), [IN, IN]) == [VALUES[-1]] * 2
    assert colour.invoke(two().pick("answer"), IN) == "first"
    assert colour.invoke(two().with_retry(), IN) == VALUES[-1]
    assert colour.invoke(two().with_fallbacks([two()]), IN) == VALUES[-1]


def test_name() -> None:
    """A graph is called ``LangGraph`` unless ``compile`` names it; schemas carry the name."""
    assert two().get_name() == "LangGraph"
    named = two(name="Desk")
    assert (named.name, named.get_name("Input")) == ("Desk", "DeskInput")


def test_a_graph_as_a_node_answers_with_its_state(colour: Colour) -> None:
    """Inside another graph a graph updates with its final state."""
    outer = fan(1, two())
    assert colour.observe_stream(outer, IN) == [{"n0": VALUES[-1]}]


# Concurrency -----------------------------------------------------------------------------------------------


class Gauge:
    """Counts how many are in at once."""

    def __init__(self) -> None:
        self.now = 0
        self.highest = 0
        self._lock = threading.Lock()

    def enter(self) -> None:
        with self._lock:
            self.now += 1
            self.highest = max(self.highest, self.now)

    def leave(self) -> None:
        with self._lock:
            self.now -= 1

    def sync(self, state: Any) -> None:
        self.enter()
        time.sleep(0.01)
        self.leave()

    async def on_the_loop(self, state: Any) -> None:
        self.enter()
        await asyncio.sleep(0.01)
        self.leave()


@pytest.mark.parametrize("limit", [1, 2, 5])
@pytest.mark.parametrize("how", ["invoke", "stream"])
def test_max_concurrency(colour: Colour, limit: int, how: str) -> None:
    """Never more nodes run at once than ``max_concurrency``, and as many do; sync nodes in threads."""
    gauge = Gauge()
    graph, config = fan(8, gauge.sync), {"max_concurrency": limit}
    if how == "invoke":
        colour.invoke(graph, IN, config)
    else:
        colour.observe_stream(graph, IN, config, stream_mode=["events", "values"])
    assert gauge.highest == limit


@pytest.mark.parametrize("limit", [1, 3])
async def test_max_concurrency_on_the_loop(limit: int) -> None:
    """The same for async nodes."""
    gauge = Gauge()
    await fan(8, gauge.on_the_loop).ainvoke(IN, {"max_concurrency": limit})
    assert gauge.highest == limit


def test_max_concurrency_of_each_input_of_a_batch() -> None:
    """A batch runs no more inputs at once than ``max_concurrency``."""
    gauge = Gauge()
    fan(1, gauge.sync).batch([IN] * 6, {"max_concurrency": 2})
    assert gauge.highest == 2


def test_branches_run_at_once(colour: Colour) -> None:
    """Parallel branches meet: each waits until all have come, which none could if they ran one by one."""
    barrier = threading.Barrier(4, timeout=5)

    def meet(state: Any) -> dict[str, list[str]]:
        barrier.wait()
        return {"log": ["met"]}

    assert colour.invoke(fan(4, meet), {}) == {"log": ["met"] * 4}
    assert len(colour.observe_stream(fan(4, meet), {}, stream_mode="updates")) == 4


async def test_branches_run_at_once_on_the_loop() -> None:
    """The same for async nodes."""
    barrier = asyncio.Barrier(4)

    async def meet(state: Any) -> dict[str, list[str]]:
        await asyncio.wait_for(barrier.wait(), 5)
        return {"log": ["met"]}

    assert await fan(4, meet).ainvoke({}) == {"log": ["met"] * 4}


def test_a_synchronous_node_alone_runs_in_the_callers_thread() -> None:
    """In a sync run that nobody watches live, a node alone in its step costs no thread."""
    threads: list[int] = []
    fan(1, lambda state: threads.append(threading.get_ident())).invoke(IN)
    assert threads == [threading.get_ident()]


@pytest.mark.blocking
@pytest.mark.parametrize("modes", ["values", ["custom", "events"]], ids=str)
async def test_the_sync_api_works_inside_a_running_loop(modes: Any) -> None:
    """As in a notebook: the sync API may be called in a coroutine, and leaves nothing on its loop."""
    before = asyncio.all_tasks()
    assert two().invoke(IN) == VALUES[-1]
    assert list(two().stream(IN, stream_mode=modes))
    assert list(two().stream_events(IN))
    assert asyncio.all_tasks() == before


def test_the_sync_api_starts_no_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    """A sync run makes no event loop, in no thread."""
    policy = type(asyncio.get_event_loop_policy())
    monkeypatch.setattr(policy, "new_event_loop", lambda self: pytest.fail("a loop was made"))
    running: list[Any] = []

    def look(state: Any) -> None:
        running.append(asyncio._get_running_loop())

    assert fan(3, look).invoke(IN) == IN
    assert list(fan(3, look).stream(IN, stream_mode=["custom", "events", "messages", "values"]))
    assert running == [None] * 6


def test_max_concurrency_with_end(colour: Colour) -> None:
    """Tasks that had to wait for their turn still belong to their superstep."""
    builder = StateGraph(State)
    for name in "abc":
        builder.add_node(name, lambda state, name=name: {"log": [name]}).add_edge(START, name)
    builder.add_node("d", lambda state: {"log": [f"d after {len(state['log'])}"]})
    builder.add_edge(["a", "b", "c"], "d").add_edge("d", END)
    assert colour.invoke(builder.compile(), {}, {"max_concurrency": 1}) == {"log": ["a", "b", "c", "d after 3"]}
