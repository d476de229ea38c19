"""What code inside a node finds: context variables, its stream writer, the configuration of the run."""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import threading
import types
import typing
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Annotated, Any, Optional, TypedDict

import pytest
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.runnables import Runnable, RunnableConfig, RunnableLambda, RunnableParallel
from langchain_core.runnables.config import ContextThreadPoolExecutor

from lcel_compat import END, START, CompiledStateGraph, Send, StateGraph, StreamMode, StreamWriter, get_stream_writer
from lcel_compat._core import var_child_runnable_config
from tests.support.colours import ASYNC, Colour, run

VALUE: contextvars.ContextVar[str] = contextvars.ContextVar("VALUE", default="unset")


class State(TypedDict, total=False):
    """One folded key."""

    log: Annotated[list[Any], lambda left, right: left + right]


def graph(*nodes: Any, path: Any = None) -> CompiledStateGraph:
    """Nodes ``n0``, ``n1``, … side by side, and a conditional edge of the first if there is a path."""
    builder = StateGraph(State)
    for index, node in enumerate(nodes):
        builder.add_node(f"n{index}", node).add_edge(START, f"n{index}")
    if path is not None:
        builder.add_conditional_edges("n0", path, [END])
    return builder.compile()


@pytest.fixture(autouse=True)
def value() -> Any:
    """A context variable that the caller has set."""
    token = VALUE.set("caller")
    yield
    VALUE.reset(token)


# Context variables -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [1, 3], ids=["alone", "parallel"])
@pytest.mark.parametrize("mode", ["values", "custom", "events"])
def test_variables_reach_nodes(colour: Colour, count: int, mode: str) -> None:
    """What the caller set is seen in nodes and paths, in its own thread, in others and in tasks."""
    seen: list[str] = []

    def look(state: Any) -> None:
        seen.append(VALUE.get())

    def path(state: Any) -> str:
        seen.append(VALUE.get())
        return END

    colour.observe_stream(graph(*[look] * count, path=path), {"log": []}, stream_mode=mode)
    assert seen == ["caller"] * (count + 1)


def test_variables_reach_async_nodes() -> None:
    """The same for nodes that are coroutines, and for what they call in threads."""
    seen: list[str] = []

    async def look(state: Any) -> None:
        seen.append(VALUE.get())
        seen.append(await asyncio.to_thread(VALUE.get))

    run(graph(look, look).ainvoke({"log": []}))
    assert seen == ["caller"] * 4


@pytest.mark.parametrize("mode", ["values", "custom"])
def test_changes_stay_in_the_node(colour: Colour, mode: str) -> None:
    """What a node sets is seen neither by nodes beside it, nor after it, nor by the caller."""
    seen: list[str] = []

    def spoil(state: Any) -> None:
        VALUE.set("spoilt")

    def look(state: Any) -> None:
        seen.append(VALUE.get())

    builder = StateGraph(State)
    builder.add_node("a_spoils", spoil).add_node("b_looks", look).add_node("c_looks", look)
    builder.add_edge(START, "a_spoils").add_edge(START, "b_looks").add_edge("a_spoils", "c_looks")
    colour.observe_stream(builder.compile(), {"log": []}, stream_mode=mode)
    assert seen == ["caller", "caller"]
    assert VALUE.get() == "caller"


def test_a_lone_node_does_not_leak_into_its_caller() -> None:
    """A node that runs in the caller's own thread, or in a task of its caller's loop, runs in a copy of its context."""

    def spoil(state: Any) -> None:
        VALUE.set("spoilt")

    async def aspoil(state: Any) -> None:
        VALUE.set("spoilt")

    async def caller() -> str:
        await graph(aspoil).ainvoke({"log": []})
        return VALUE.get()

    graph(spoil).invoke({"log": []})
    assert VALUE.get() == "caller"
    assert run(caller()) == "caller"


def test_a_node_sees_its_own_change_to_the_end(colour: Colour) -> None:
    """Within a node, its runnables and the path that is asked after it, a change stays."""
    seen: list[str] = []

    def node(state: Any) -> dict[str, Any]:
        VALUE.set("mine")
        seen.append(RunnableLambda(lambda x: VALUE.get()).invoke(state))
        return {"log": []}

    colour.invoke(graph(node), {"log": []})
    assert seen == ["mine"]


# The stream writer -----------------------------------------------------------------------------------------


def direct(state: Any) -> None:
    get_stream_writer()("x")


def by_argument(state: Any, writer: StreamWriter) -> None:
    writer("x")


def by_keyword(state: Any, *, writer: StreamWriter) -> None:
    writer("x")


def unannotated(state: Any, writer) -> None:  # type: ignore[no-untyped-def]
    writer("x")


def nested_lambda(state: Any) -> None:
    RunnableLambda(direct).invoke(state)


def parallel_threads(state: Any) -> None:
    RunnableParallel(a=RunnableLambda(direct)).invoke(state)


def batch_threads(state: Any) -> None:
    RunnableLambda(direct).batch([state])


def core_executor(state: Any) -> None:
    with ContextThreadPoolExecutor() as pool:
        pool.submit(direct, state).result()


def own_thread_with_context(state: Any) -> None:
    thread = threading.Thread(target=contextvars.copy_context().run, args=(direct, state))
    thread.start()
    thread.join()


def subclass(state: Any) -> None:
    class Deeper(Runnable[Any, Any]):
        def invoke(self, input: Any, config: Any = None, **kwargs: Any) -> None:
            direct(input)

    Deeper().invoke(state)


def subgraph(state: Any) -> None:
    """A graph that is invoked in a node has no consumer of its own: what its nodes send is dropped."""
    graph(direct).invoke(state)
    get_stream_writer()("x")


WRITERS = [
    direct,
    by_argument,
    by_keyword,
    unannotated,
    nested_lambda,
    parallel_threads,
    batch_threads,
    core_executor,
    own_thread_with_context,
    subclass,
    subgraph,
]


@pytest.mark.parametrize("node", WRITERS, ids=lambda f: f.__name__)
def test_writer_is_found(colour: Colour, node: Callable[..., Any]) -> None:
    """A node sends values by its argument or by ``get_stream_writer``, in nested runnables and their threads too."""
    compiled = graph(node)
    assert colour.observe_stream(compiled, {"log": []}, stream_mode="custom") == ["x"]


@pytest.mark.parametrize("form", [by_argument, by_keyword], ids=lambda f: f.__name__)
def test_writer_is_found_by_its_type(colour: Colour, form: Any) -> None:
    """The same with annotations that are types instead of strings."""
    assert colour.observe_stream(graph(evaluated(form)), {"log": []}, stream_mode="custom") == ["x"]


@pytest.mark.parametrize("node", WRITERS, ids=lambda f: f.__name__)
def test_writer_costs_nothing_when_nobody_reads(colour: Colour, node: Callable[..., Any]) -> None:
    """A node that sends values runs just as well when nobody asked for ``custom``."""
    assert colour.invoke(graph(node), {"log": ["in"]}) == {"log": ["in"]}


def test_writer_of_an_async_node() -> None:
    """An async node finds its writer after every await, and in tasks and threads that it starts."""

    async def node(state: Any, writer: StreamWriter) -> None:
        writer("argument")
        await asyncio.sleep(0)
        get_stream_writer()("variable")
        await asyncio.gather(RunnableLambda(direct).ainvoke(state))
        await asyncio.to_thread(direct, state)

    async def items() -> list[Any]:
        return [item async for item in graph(node).astream({"log": []}, stream_mode="custom")]

    assert run(items()) == ["argument", "variable", "x", "x"]


def test_writer_of_a_path(colour: Colour) -> None:
    """The function of a conditional edge sends values as well."""

    def path(state: Any, writer: StreamWriter) -> str:
        writer("asked")
        return END

    compiled = graph(lambda state: None, path=path)
    assert colour.observe_stream(compiled, {"log": []}, stream_mode="custom") == ["asked"]


def test_writers_of_two_runs_are_apart() -> None:
    """Of two runs at once each gets what its own nodes send."""

    async def node(state: Any) -> None:
        writer = get_stream_writer()
        for _ in range(5):
            writer(state["log"][0])
            await asyncio.sleep(0)

    async def items(name: str) -> list[Any]:
        return [item async for item in graph(node).astream({"log": [name]}, stream_mode="custom")]

    async def both() -> list[list[Any]]:
        return list(await asyncio.gather(items("a"), items("b")))

    assert run(both()) == [["a"] * 5, ["b"] * 5]


def test_no_writer_in_a_thread_without_context(colour: Colour) -> None:
    """In a thread that was started without the node's context there is no writer, and the error says what to do."""

    def node(state: Any) -> None:
        with ThreadPoolExecutor() as pool:
            pool.submit(get_stream_writer).result()

    with pytest.raises(RuntimeError, match="copy_context"):
        colour.invoke(graph(node), {"log": []})


# The configuration -----------------------------------------------------------------------------------------


def form_plain(state: Any, config: RunnableConfig) -> None:
    SEEN.append(config)


def form_optional(state: Any, config: Optional[RunnableConfig]) -> None:  # noqa: UP045 - the spelling is the point
    SEEN.append(config)


def form_union(state: Any, config: RunnableConfig | None = None) -> None:
    SEEN.append(config)


def form_keyword(state: Any, *, config: RunnableConfig) -> None:
    SEEN.append(config)


def form_unannotated(state: Any, config) -> None:  # type: ignore[no-untyped-def]
    SEEN.append(config)


def form_with_writer(state: Any, writer: StreamWriter, config: RunnableConfig) -> None:
    SEEN.append(config)


class FormCallable:
    """A callable object."""

    def __call__(self, state: Any, config: RunnableConfig) -> None:
        SEEN.append(config)


form_callable = FormCallable()
form_runnable = RunnableLambda(form_plain)
form_method = FormCallable().__call__

SEEN: list[Any] = []
FORMS: list[Any] = [
    form_plain,
    form_optional,
    form_union,
    form_keyword,
    form_unannotated,
    form_with_writer,
    form_callable,
    form_runnable,
    form_method,
]


def evaluated(form: Callable[..., Any]) -> Callable[..., Any]:
    """The same function with annotations that are types; in this module they are strings."""
    other = types.FunctionType(form.__code__, form.__globals__, form.__name__, form.__defaults__)
    other.__kwdefaults__, other.__annotations__ = form.__kwdefaults__, typing.get_type_hints(form)
    return other


def settings() -> dict[str, Any]:
    """A configuration that says something under every key."""
    return {
        "tags": ["mine"],
        "metadata": {"user": "u"},
        "run_name": "my run",
        "run_id": uuid.uuid4(),
        "callbacks": [Starts()],
        "configurable": {"thread_id": "t", "flag": True},
        "max_concurrency": 3,
        "recursion_limit": 9,
    }


class Starts(BaseCallbackHandler):
    """Remembers the chain runs that started."""

    def __init__(self) -> None:
        self.runs: list[dict[str, Any]] = []

    def on_chain_start(self, serialized: Any, inputs: Any, **kwargs: Any) -> None:
        self.runs.append(kwargs)


def _assert_has(config: Any, given: dict[str, Any]) -> None:
    assert config["tags"] == given["tags"]
    assert config["metadata"]["user"] == "u"
    assert config["metadata"]["langgraph_node"] == "n0"
    assert {k: config["configurable"][k] for k in given["configurable"]} == given["configurable"]
    assert (config["max_concurrency"], config["recursion_limit"]) == (3, 9)
    assert any(isinstance(h, Starts) for h in config["callbacks"].handlers)
    assert config.get("run_id") is None
    assert config.get("run_name") is None


@pytest.mark.parametrize("node", FORMS, ids=[next(k for k, v in list(globals().items()) if v is f) for f in FORMS])
def test_config_reaches_nodes(colour: Colour, node: Any) -> None:
    """A parameter called ``config`` is filled whatever form it has; the run's own name and id are not passed on."""
    SEEN.clear()
    given = settings()
    colour.invoke(graph(node), {"log": []}, given)
    _assert_has(SEEN[0], given)


@pytest.mark.parametrize("form", [f for f in FORMS if inspect.isfunction(f)], ids=lambda f: f.__name__)
def test_config_reaches_nodes_that_are_annotated_with_types(colour: Colour, form: Any) -> None:
    """It makes no difference whether annotations are strings or the types themselves."""
    SEEN.clear()
    given = settings()
    node = evaluated(form)
    assert not any(isinstance(annotation, str) for annotation in node.__annotations__.values())
    colour.invoke(graph(node), {"log": []}, given)
    _assert_has(SEEN[0], given)


def test_config_reaches_async_nodes() -> None:
    """The same for a coroutine."""
    SEEN.clear()

    async def node(state: Any, config: RunnableConfig) -> None:
        SEEN.append(config)

    given = settings()
    ASYNC.invoke(graph(node), {"log": []}, given)
    _assert_has(SEEN[0], given)


def test_config_reaches_paths(colour: Colour) -> None:
    """The functions of conditional edges get it too."""
    SEEN.clear()

    def path(state: Any, config: RunnableConfig) -> str:
        SEEN.append(config)
        return END

    given = settings()
    colour.invoke(graph(lambda state: None, path=path), {"log": []}, given)
    _assert_has(SEEN[0], given)


def test_config_reaches_nested_runnables(colour: Colour) -> None:
    """A runnable that a node calls without a configuration finds the node's."""
    SEEN.clear()
    given = settings()
    colour.invoke(graph(lambda state: RunnableLambda(form_plain).invoke(state)), {"log": []}, given)
    _assert_has(SEEN[0], given)


def test_config_reaches_sent_tasks(colour: Colour) -> None:
    """A task that a ``Send`` started gets it as well."""
    SEEN.clear()
    builder = StateGraph(State).add_node("n0", form_plain)
    builder.add_conditional_edges(START, lambda state: [Send("n0", state)], ["n0"])
    given = settings()
    colour.invoke(builder.compile(), {"log": []}, given)
    _assert_has(SEEN[0], given)


def test_parameters_of_other_types_are_not_filled(colour: Colour) -> None:
    """A parameter called ``config`` that is annotated with something else is the user's own."""
    seen: list[Any] = []

    def node(state: Any, config: int = 3, writer: str = "w") -> None:
        seen.append((config, writer))

    colour.invoke(graph(node), {"log": []})
    assert seen == [(3, "w")]


def test_the_root_run(colour: Colour) -> None:
    """``run_name`` and ``run_id`` are the root's; nodes are its children, tagged by their step."""
    given = settings()
    colour.invoke(graph(lambda state: None), {"log": []}, given)
    (handler,) = given["callbacks"]
    root, node = handler.runs
    assert (root["name"], root["run_id"], root["parent_run_id"]) == ("my run", given["run_id"], None)
    assert (node["name"], node["parent_run_id"]) == ("n0", given["run_id"])
    assert set(node["tags"]) == {"graph:step:1", "mine"}
    assert "thread_id" in root["metadata"]


def test_the_callers_config_is_not_changed(colour: Colour) -> None:
    """A run leaves the dict that it was given as it was."""
    given = settings()
    before = {
        key: list(v) if isinstance(v, list) else dict(v) if isinstance(v, dict) else v for key, v in given.items()
    }
    colour.observe_stream(graph(lambda state: None), {"log": []}, given, stream_mode=["events", "messages", "values"])
    assert given == before


def test_the_surrounding_config_is_inherited(colour: Colour) -> None:
    """A graph that is called inside a runnable, without a configuration, inherits that runnable's."""
    SEEN.clear()
    given = settings()
    inner = graph(form_plain)
    outer = RunnableLambda(lambda x: inner.invoke({"log": []}))
    colour.invoke(outer, 1, given)
    assert SEEN[0]["tags"] == ["mine"]
    assert SEEN[0]["metadata"]["user"] == "u"
    assert any(isinstance(h, Starts) for h in SEEN[0]["callbacks"].handlers)


def test_nothing_is_left_in_the_callers_context() -> None:
    """After a run, and between the items of one, the caller has no surrounding configuration it did not have before."""
    compiled, seen = graph(lambda s: None, lambda s: None), []
    modes: list[StreamMode] = ["values", "custom", "events"]

    async def caller() -> None:
        async for _ in compiled.astream({"log": []}, stream_mode=modes):
            seen.append(var_child_runnable_config.get())
        seen.append(var_child_runnable_config.get())

    for _ in compiled.stream({"log": []}, stream_mode=modes):
        seen.append(var_child_runnable_config.get())
    seen.append(var_child_runnable_config.get())
    run(caller())
    assert len(seen) > 10
    assert set(seen) == {None}
