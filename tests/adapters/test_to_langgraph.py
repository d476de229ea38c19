"""``to_langgraph``: a graph of ours runs on LangGraph as it ran here, and as if it had been written there."""

from __future__ import annotations

import asyncio
import builtins
import copy
import operator
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal, TypedDict

import pytest
from langchain_core.runnables import RunnableConfig, RunnableLambda, RunnablePassthrough
from langgraph.cache.memory import InMemoryCache
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.store.base import BaseStore
from langgraph.store.memory import InMemoryStore

from lcel_adapters import as_node, to_langgraph
from lcel_adapters._to_langgraph import _library
from lcel_adapters._to_langgraph._translate import translated
from lcel_adapters.desk import QUESTIONS, DeskModel, build_graph, build_step_graph
from lcel_compat import END, START, Command, CompiledStateGraph, Send, StateGraph, StreamWriter, get_stream_writer
from lcel_compat._context import get_config, get_store, interrupt
from lcel_compat.errors import NodeError, NodeTimeoutError
from lcel_compat.managed import IsLastStep, RemainingSteps
from lcel_compat.runtime import Runtime, get_runtime
from lcel_compat.types import CachePolicy, Overwrite, RetryPolicy, TimeoutPolicy
from tests.differential import observe
from tests.differential.cases import Topic
from tests.differential.observe import MODES, events, items, steps
from tests.differential.table import Case, coloured, parameters
from tests.support.colours import ASYNC, Colour, run
from tests.support.engines import LANGGRAPH, OURS
from tests.support.fences import fences
from tests.support.models import chat_chain
from tests.support.normal import assert_same_events, assert_same_items, steps_of

ROOT = Path(__file__).parents[2]
langgraph = pytest.mark.langgraph


class Log(TypedDict, total=False):
    """What every node wrote."""

    log: Annotated[list[Any], operator.add]


def _moved(case: Case) -> Any:
    return to_langgraph(observe.graph(OURS, case))


def _one(node: Any, state: Any = Log, **options: Any) -> StateGraph:
    return StateGraph(state).add_node("node", node, **options).add_edge(START, "node")


def _both(built: Any) -> tuple[Any, Any]:
    """Return a graph of ours and the same on LangGraph."""
    ours = built.compile() if isinstance(built, StateGraph) else built
    return ours, to_langgraph(built)


def _log(graph: Any, colour: Colour, value: Any = None, config: Any = None, **options: Any) -> Any:
    return colour.invoke(graph, {"log": []} if value is None else value, config, **options)["log"]


# Every example of the project, on both


@langgraph
@pytest.mark.parametrize(("case", "colour"), coloured())
def test_modes_of_the_table(case: Case, colour: Colour) -> None:
    """Every graph of the table, moved, streams what the graph streams that was written with LangGraph's builder."""
    expected = items(LANGGRAPH, case, colour, list(MODES))
    found = colour.observe_stream(_moved(case), copy.deepcopy(case.input), case.settings(), stream_mode=list(MODES))
    assert_same_items(list(MODES), expected, found, steps(case.name), loose=case.loose)


@langgraph
@pytest.mark.parametrize("case", parameters("async"))
def test_events_of_the_table(case: Case) -> None:
    """Every graph of the table, moved, emits the events of the graph that was written with LangGraph's builder."""
    found = ASYNC.observe_events(_moved(case), copy.deepcopy(case.input), case.settings())
    assert_same_events(events(LANGGRAPH, case), found, at_once=case.at_once)


@langgraph
@pytest.mark.parametrize("case", parameters())
def test_drawings_of_the_table(case: Case) -> None:
    """A moved graph is drawn as it was."""
    assert _moved(case).get_graph().draw_mermaid() == observe.graph(OURS, case).get_graph().draw_mermaid()


def _readme() -> Any:
    """Return the graph of the README that has a chain as a node; its first two Python blocks build it."""
    blocks = [fence.code for fence in fences((ROOT / "README.md").read_text("utf-8")) if fence.language == "python"]
    namespace: dict[str, Any] = {"__name__": "app"}
    for code in blocks[:2]:
        exec(compile(code, "README.md", "exec"), namespace)
    return namespace["graph"]


EXAMPLES: dict[str, tuple[Callable[[], Any], Any]] = {
    "desk": (lambda: build_graph(DeskModel()), {"question": QUESTIONS[0]}),
    "desk in steps": (lambda: build_step_graph(DeskModel()), {"question": QUESTIONS[1]}),
    "README, a chain as a node": (_readme, {"topic": "parrots"}),
}


@langgraph
@pytest.mark.parametrize("name", EXAMPLES)
def test_examples(name: str, colour: Colour) -> None:
    """The desk and the README's graphs stream the same in every mode on both engines, and emit the same events."""
    build, value = EXAMPLES[name]
    ours, theirs = (colour.observe_stream(g, value, stream_mode=list(MODES)) for g in _both(build()))
    debug = [item[1] for item in ours if item[0] == "debug"]
    assert_same_items(list(MODES), ours, theirs, steps_of(debug))
    assert_same_events(*(ASYNC.observe_events(g, value) for g in _both(build())))


# What nodes return


def _steers(state: Log) -> Command[Literal["a", "b"]]:
    return Command(update={"log": ["steered"]}, goto=["a", Send("b", {"log": ["sent"]})])


def _steered(result: Any) -> Any:
    return _steers({})


def _steps(first: Any) -> StateGraph:
    builder = _one(first)
    builder.add_node("a", lambda state: {"log": ["a"]})
    builder.add_node("b", lambda state: {"log": [f"b after {state['log']}"]})
    return builder


STEERED = ["steered", "a", "b after ['sent']"]
RESULTS: dict[str, tuple[Callable[[], StateGraph], list[Any]]] = {
    "a command": (lambda: _steps(_steers), STEERED),
    "a command of a runnable": (lambda: _steps(RunnableLambda(_steers)), STEERED),
    "a command at the end of a chain": (lambda: _steps(RunnablePassthrough() | _steers), STEERED),
    "a command out of as_node": (lambda: _steps(as_node(lambda s: s["log"], output=_steered)), STEERED),
    "a list of commands": (
        lambda: _steps(lambda state: [Command(goto="a"), Command(update={"log": [1]}), {"log": [2]}]),
        [1, 2, "a"],
    ),
    "pairs": (lambda: _steps(lambda state: Command(update=[("log", ["x"]), ("log", ["y"])])), ["x", "y"]),
    "an overwrite": (lambda: _one(lambda state: {"log": Overwrite(["new"])}), ["new"]),
    "a command that overwrites": (lambda: _one(lambda state: Command(update={"log": Overwrite(["new"])})), ["new"]),
    "pairs that overwrite": (lambda: _one(lambda s: Command(update=[("log", Overwrite(["new"]))])), ["new"]),
    "nothing": (lambda: _one(lambda state: None), ["old"]),
}


@langgraph
@pytest.mark.parametrize("name", RESULTS)
def test_results(name: str, colour: Colour) -> None:
    """A node's result means on LangGraph what it means here: our ``Command``, ``Send`` and ``Overwrite`` among them."""
    build, expected = RESULTS[name]
    found = [_log(graph, colour, {"log": ["old"]})[-len(expected) :] for graph in _both(build())]
    assert found == [expected, expected]


@dataclass
class Record:
    """A state as a dataclass, one of whose fields an update can overwrite."""

    log: Annotated[list[Any], operator.add] = field(default_factory=list)
    n: int = 0


@langgraph
def test_an_instance_that_overwrites(colour: Colour) -> None:
    """An update that is an instance of the state's class may overwrite in a field, and stays as it was."""
    update = Record(log=Overwrite(["new"]), n=2)  # type: ignore[arg-type]
    builder = _one(lambda state: update, Record)
    for graph in _both(builder):
        assert colour.invoke(graph, {"log": ["old"], "n": 1}) == {"log": ["new"], "n": 2}
    assert isinstance(update.log, Overwrite)


class _Part(TypedDict):
    log: list[Any]


def _fans(state: _Part) -> list[Send]:
    return [Send("b", {"log": [entry]}) for entry in state["log"]]


@langgraph
@pytest.mark.parametrize(
    "path", [_fans, RunnableLambda(_fans), RunnablePassthrough() | _fans], ids=["f", "lambda", "chain"]
)
def test_paths(path: Any, colour: Colour) -> None:
    """A conditional edge answers with our ``Send``, whether it is a function or a runnable."""
    builder = _steps(lambda state: {"log": ["x"]}).add_conditional_edges("node", path, ["b"])
    expected = ["old", "x", "b after ['old']", "b after ['x']"]
    assert [_log(graph, colour, {"log": ["old"]}) for graph in _both(builder)] == [expected] * 2


class Private(TypedDict, total=False):
    """What only a node and its path know."""

    secret: str


@langgraph
@pytest.mark.parametrize("wrap", [lambda f: f, RunnableLambda], ids=["function", "lambda"])
def test_paths_read_what_their_annotations_say(wrap: Any, colour: Colour) -> None:
    """A path that is annotated with a part of the state is given that part on LangGraph, too."""

    def path(state: Private) -> str:
        return "a" if set(state) == {"secret"} else END

    builder = _steps(lambda state: {"secret": "yes"}).add_conditional_edges("node", wrap(path))
    assert [_log(graph, colour) for graph in _both(builder)] == [["a"], ["a"]]


@langgraph
def test_every_field_goes_along() -> None:
    """Nothing that a command or packet says is lost."""
    from langgraph import types as theirs

    ours: Command[str] = Command(
        graph=Command.PARENT, update={"log": Overwrite([1])}, resume="yes", goto=["a", Send("b", {"n": 1}, timeout=2)]
    )
    update = {"log": theirs.Overwrite([1])}
    goto = ["a", theirs.Send("b", {"n": 1}, timeout=2)]
    assert translated(ours) == theirs.Command(graph="__parent__", update=update, resume="yes", goto=goto)
    untouched: list[Any] = [{"log": [1]}, [("log", 1)], Record([1]), None, "text", [1, 2]]
    assert all(translated(value) is value or translated(value) == value for value in untouched)


def _picks(name: str, state: Log) -> str:
    return name


@langgraph
def test_paths_without_a_name() -> None:
    """A path that has no name, as ``functools.partial`` has none, is shown as LangGraph shows it."""
    moved, theirs = (
        lib.StateGraph(Log)
        .add_node("a", lambda state: {"log": ["a"]})
        .add_edge(START, "a")
        .add_conditional_edges("a", partial(_picks, END))
        for lib in (OURS, LANGGRAPH)
    )
    assert_same_events(*(ASYNC.observe_events(g, {"log": []}) for g in (theirs.compile(), to_langgraph(moved))))


# What nodes are given


@dataclass
class Context:
    """What the caller says."""

    user: str


def _told(found: dict[str, Any]) -> Callable[..., Any]:
    def node(
        state: Log,
        config: RunnableConfig,
        *,
        writer: StreamWriter,
        store: BaseStore | None,
        runtime: Runtime[Context],
    ) -> Log:
        writer("written")
        get_stream_writer()("written from the context")
        found["parameters"] = (type(runtime), runtime.context, runtime.store is store is get_store())
        found["context"] = (get_runtime().context, get_config()["tags"], config["metadata"]["team"])
        found["attempt"] = runtime.execution_info and runtime.execution_info.node_attempt
        return {"log": ["told"]}

    return node


@langgraph
def test_injection(colour: Colour) -> None:
    """A node is given its config, writer, store and our runtime, by parameter and through our functions alike."""
    store = InMemoryStore()
    seen = []
    moves: list[Callable[[Any], Any]] = [lambda graph: graph, to_langgraph]
    for move in moves:
        found: dict[str, Any] = {}
        builder = (
            StateGraph(Log, Context).add_node("node", _told(found), metadata={"team": "desk"}).add_edge(START, "node")
        )
        graph = move(builder.compile(store=store))
        config = {"tags": ["tagged"]}
        found["custom"] = colour.observe_stream(graph, {}, config, stream_mode="custom", context={"user": "ann"})
        seen.append(found)
    assert seen[0] == seen[1]
    assert seen[1]["parameters"] == (Runtime, Context("ann"), True)
    assert seen[1]["custom"] == ["written", "written from the context"]


@langgraph
def test_writers_in_runnables(colour: Colour) -> None:
    """Our functions work in the steps of a chain that is a node, streamed and not."""

    def step(state: Any) -> Any:
        get_stream_writer()("from a step")
        return state

    def spell(chunks: Iterator[Any]) -> Iterator[Any]:
        for chunk in chunks:
            get_stream_writer()("from a generator")
            yield chunk

    for runnable in (RunnableLambda(step) | step, as_node(RunnableLambda(step))):
        for graph in _both(_one(runnable)):
            found = colour.observe_stream(graph, {"log": []}, stream_mode="custom")
            assert found == ["from a step"] * len(found)
            assert found


class Steps(TypedDict, total=False):
    """A state that knows how far the run may go."""

    log: Annotated[list[Any], operator.add]
    last: IsLastStep
    left: RemainingSteps


@langgraph
def test_managed_values(colour: Colour) -> None:
    """Keys that the run computes are computed on LangGraph, too."""

    def node(state: Steps) -> Steps:
        return {"log": [(state["last"], state["left"])]}

    builder = _one(node, Steps).add_node("next", node).add_edge("node", "next")
    config = {"recursion_limit": 5}
    found = [_log(graph, colour, config=config) for graph in _both(builder)]
    assert found[0] == found[1]
    assert isinstance(found[0][0][1], int)


# Policies


@langgraph
def test_retries_and_error_handlers(colour: Colour) -> None:
    """A node is tried as often as its policy says, and its handler is told of the failure as our ``NodeError``."""

    def build() -> StateGraph:
        attempts: list[int] = []

        def fails(state: Log) -> Log:
            attempts.append(1)
            raise ValueError(f"attempt {len(attempts)}")

        def handle(state: Log, error: NodeError) -> Command[Any]:
            return Command(update={"log": [type(error).__module__, error.node, str(error.error)]}, goto="after")

        policy = RetryPolicy(initial_interval=0.001, jitter=False, max_attempts=2, retry_on=ValueError)
        builder = _one(fails, retry_policy=policy, error_handler=handle)
        return builder.add_node("after", lambda state: {"log": ["after"]})

    expected = ["lcel_compat.errors", "node", "attempt 2", "after"]
    assert [_log(graph, colour) for graph in (build().compile(), to_langgraph(build()))] == [expected] * 2


@langgraph
def test_defaults(colour: Colour) -> None:
    """What was said for all nodes holds for all nodes."""

    def fails(state: Log) -> Log:
        raise ValueError("no")

    def handle(state: Log, error: NodeError) -> Log:
        return {"log": [f"{error.node}: {error.error}"]}

    builder = _one(fails).set_node_defaults(error_handler=handle)
    assert [_log(graph, colour) for graph in _both(builder)] == [["node: no"]] * 2


RETRY_ON: dict[str, Any] = {
    "a class": NodeTimeoutError,
    "classes": [NodeTimeoutError, ConnectionError],
    "a function": lambda error: isinstance(error, NodeTimeoutError) and error.node == "node",
    "the default": RetryPolicy().retry_on,
}


@langgraph
@pytest.mark.parametrize("name", RETRY_ON)
def test_timeouts(name: str) -> None:
    """A node that takes too long is stopped; what is about our error is about LangGraph's of the same name."""

    def build() -> StateGraph:
        tries: list[int] = []

        async def slow(state: Log) -> Log:
            tries.append(1)
            await asyncio.sleep(0 if len(tries) > 1 else 5)
            return {"log": ["in time"]}

        policy = RetryPolicy(initial_interval=0.001, jitter=False, retry_on=RETRY_ON[name])
        return _one(slow, timeout=TimeoutPolicy(run_timeout=0.05), retry_policy=policy)

    for graph in (build().compile(), to_langgraph(build())):
        assert run(graph.ainvoke({"log": []})) == {"log": ["in time"]}


@langgraph
def test_timeouts_of_supersteps() -> None:
    """How long a superstep may take goes along."""

    async def slow(state: Log) -> Log:
        await asyncio.sleep(5)
        return {}

    ours = _one(slow).compile()
    ours.step_timeout = 0.05
    for graph in _both(ours):
        with pytest.raises(TimeoutError):
            run(graph.ainvoke({"log": []}))


@langgraph
def test_handlers_of_timeouts() -> None:
    """A handler is told of a timeout by our error."""

    async def slow(state: Log) -> Log:
        await asyncio.sleep(5)
        return {}

    async def handle(state: Log, error: NodeError) -> Log:
        assert isinstance(error.error, NodeTimeoutError)
        return {"log": [error.error.node, error.error.kind, error.error.timeout]}

    for graph in _both(_one(slow, timeout=0.05, error_handler=handle)):
        assert run(graph.ainvoke({"log": []})) == {"log": ["node", "run", 0.05]}


@langgraph
def test_caches(colour: Colour) -> None:
    """A node with a cache policy does not run twice for one input; the two engines share the cache."""
    runs: list[int] = []

    def node(state: Log) -> Log:
        runs.append(1)
        return {"log": ["ran"]}

    builder = _one(node, cache_policy=CachePolicy(ttl=60))
    ours = builder.compile(cache=InMemoryCache())
    assert [_log(graph, colour) for graph in (to_langgraph(ours), to_langgraph(ours), ours)] == [["ran"]] * 3
    assert len(runs) == 1


# Threads


def _asks(state: Log) -> Log:
    return {"log": [interrupt("first?"), interrupt("second?")]}


@langgraph
@pytest.mark.parametrize("node", [_asks, RunnableLambda(_asks)], ids=["function", "runnable"])
def test_interrupts(node: Any, colour: Colour) -> None:
    """Our ``interrupt`` asks and is answered on LangGraph; a thread that one engine began the other one ends."""
    from langgraph.types import Command as TheirCommand

    commands: dict[bool, Any] = {True: TheirCommand, False: Command}
    saver = InMemorySaver()
    ours = _one(node).compile(checkpointer=saver)
    theirs = to_langgraph(ours)
    for number, graphs in enumerate([(theirs, theirs, theirs), (ours, theirs, ours), (theirs, ours, theirs)]):
        config = {"configurable": {"thread_id": str(number)}}
        first = colour.invoke(graphs[0], {"log": []}, config)
        second = colour.invoke(graphs[1], commands[graphs[1] is theirs](resume="yes"), config)
        third = colour.invoke(graphs[2], commands[graphs[2] is theirs](resume="no"), config)
        asked = [[question.value for question in answer["__interrupt__"]] for answer in (first, second)]
        assert (asked, third) == ([["first?"], ["second?"]], {"log": ["yes", "no"]})


@langgraph
def test_compile_options(colour: Colour) -> None:
    """Saver, store, cache, interrupts, name and bound configuration go along, unless something else is said."""
    saver, other, store, cache = InMemorySaver(), InMemorySaver(), InMemoryStore(), InMemoryCache[Any]()
    builder = _steps(lambda state: {"log": ["x"]}).add_edge("node", "a")
    ours = builder.compile(
        saver, store=store, cache=cache, interrupt_before=["a"], interrupt_after=["node"], name="desk"
    ).with_config(tags=["bound"])
    theirs = to_langgraph(ours)
    assert (theirs.checkpointer, theirs.store, theirs.cache, theirs.name) == (saver, store, cache, "desk")
    assert (theirs.interrupt_before_nodes, theirs.interrupt_after_nodes) == (["a"], ["node"])
    assert (theirs.config or {}).get("tags") == ["bound"]
    assert to_langgraph(ours, checkpointer=other, name="other").checkpointer is other
    assert to_langgraph(builder).checkpointer is None
    assert [to_langgraph(builder.compile(debug=debug)).debug for debug in (True, False)] == [True, False]


# Graphs in graphs


def _inner() -> Any:
    return _one(lambda state: Command(update={"log": ["inner"]})).compile(name="inner")


NESTED: dict[str, Callable[[Any], Any]] = {
    "as a node": lambda inner: inner,
    "with a configuration": lambda inner: inner.with_config(tags=["nested"]),
    "in a chain": lambda inner: RunnablePassthrough() | inner,
    "in as_node": lambda inner: as_node(inner, output=lambda result: {"log": result["log"][-1:]}),
    "bound": lambda inner: inner.bind(stream_mode="values"),
}


@langgraph
@pytest.mark.parametrize("name", NESTED)
def test_graphs_in_nodes_move_too(name: str, colour: Colour, monkeypatch: pytest.MonkeyPatch) -> None:
    """A graph of ours that is a node, or a step of one, becomes LangGraph's: its namespace shows in the stream."""
    builder = _one(NESTED[name](_inner()))
    options: dict[str, Any] = {"stream_mode": "updates", "subgraphs": True}
    graphs = _both(builder)
    found = [colour.observe_stream(graphs[0], {"log": ["outer"]}, **options)]
    monkeypatch.delattr(CompiledStateGraph, "_request")  # from here on no graph of ours can run
    found += [colour.observe_stream(graphs[1], {"log": ["outer"]}, **options)]
    assert [[len(namespace) for namespace, _ in stream] for stream in found] == [[1, 0]] * 2
    ours, theirs = ([item for _, item in stream] for stream in found)
    assert ours == theirs


@langgraph
def test_graphs_called_in_functions(colour: Colour) -> None:
    """A graph of ours that a function calls runs there on LangGraph, too, with the same streams and events."""
    inner = _inner()

    def calls(state: Log) -> Log:
        return {"log": [f"called {inner.invoke({'log': []})['log']}"]}

    async def awaits(state: Log) -> Log:
        return {"log": [f"called {(await inner.ainvoke({'log': []}))['log']}"]}

    builder = _one(calls if colour.name == "sync" else awaits)
    ours, theirs = builder.compile(), to_langgraph(builder)
    assert [_log(graph, colour) for graph in (ours, theirs)] == [["called ['inner']"]] * 2
    if colour.name == "async":
        assert_same_events(*(colour.observe_events(graph, {"log": []}) for graph in (ours, theirs)))


@langgraph
def test_commands_for_the_parent(colour: Colour) -> None:
    """A node inside steers the graph around its own."""
    inner = _one(lambda state: Command(graph=Command.PARENT, goto="a", update={"log": ["up"]})).compile()
    builder = _steps(inner)
    assert [_log(graph, colour) for graph in _both(builder)] == [["up", "a"]] * 2


@langgraph
def test_a_graph_that_is_used_twice_moves_once() -> None:
    """One graph in two nodes is one graph there."""
    inner = _inner()
    moved = to_langgraph(_one(inner).add_node("again", inner).add_edge("node", "again"))
    assert moved.nodes["node"].bound is moved.nodes["again"].bound


@langgraph
def test_chains_stay_chains(colour: Colour) -> None:
    """A chain streams its tokens and its parser's chunks through LangGraph's node as it did through ours."""
    builder = _one(chat_chain() | (lambda text: {"log": [text]}), Topic)
    found = [colour.observe_stream(g, {"topic": "x"}, stream_mode="messages") for g in _both(builder)]
    assert len(found[0]) == len(found[1]) > 3


# Mistakes


def test_only_graphs_move() -> None:
    """Anything else is refused, with its type."""
    with pytest.raises((TypeError, ImportError), match=r"RunnableLambda|pip install"):
        to_langgraph(RunnableLambda(lambda state: state))  # type: ignore[arg-type]  # that is the mistake


@langgraph
def test_wrong_graphs_do_not_move() -> None:
    """A builder is checked by our rules first, so that the errors are ours."""
    with pytest.raises(ValueError, match="no entry point"):
        to_langgraph(StateGraph(Log))
    with pytest.raises(TypeError, match="misspelt"):
        to_langgraph(_inner(), misspelt=1)


def test_without_langgraph(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where LangGraph is not installed, the error is the line that installs it."""

    def refuse(name: str, *args: Any, **kwargs: Any) -> Any:
        if name == "langgraph":
            raise ImportError(name)
        return original(name, *args, **kwargs)

    original = builtins.__import__
    monkeypatch.setattr(builtins, "__import__", refuse)
    _library.langgraph.cache_clear()
    with pytest.raises(ImportError, match=r'pip install "lcel-compat\[langgraph\]"'):
        to_langgraph(_inner())
