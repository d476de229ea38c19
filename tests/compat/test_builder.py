"""What the builder makes of nodes, defaults and compile options, equal to LangGraph's compiled graphs."""

from __future__ import annotations

import dataclasses
import operator
from datetime import timedelta
from functools import partial
from importlib import import_module
from typing import Annotated, Any, TypedDict

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from langchain_core.runnables import (
    Runnable,
    RunnableBranch,
    RunnableGenerator,
    RunnableLambda,
    RunnablePassthrough,
    RunnableSequence,
)
from langgraph.checkpoint.memory import InMemorySaver

from lcel_compat import END, START, StateGraph
from lcel_compat._nodes import NodeOptions
from lcel_compat._program import Node, Program
from lcel_compat.errors import InvalidGraphError, NodeError
from lcel_compat.policies import CachePolicy, RetryPolicy, TimeoutPolicy
from tests.support.engines import LANGGRAPH, OURS, Library


class State(TypedDict, total=False):
    """One key that is folded and one that is not."""

    log: Annotated[list[str], operator.add]
    answer: str


class Question(TypedDict):
    """A node's own view."""

    answer: str


class Otherwise(TypedDict):
    """A view that has a key of its own, and folds another in its own way."""

    private: str
    log: Annotated[list[str], operator.or_]


async def idle(state: Any) -> None:
    """An asynchronous node that does nothing."""


def choose(state: Any) -> str:
    """A path."""
    return END


async def rescue(state: State, error: NodeError) -> State:
    """An error handler."""
    return {"answer": error.node}


def program(builder: Any) -> Program:
    """The program of a compiled graph."""
    return builder.compile().program  # type: ignore[no-any-return]


def entered(lib: Library = OURS) -> Any:
    """A builder that begins at a node ``"a"``, which is not there yet."""
    return lib.StateGraph(State).add_edge(START, "a")


# What was given is kept ------------------------------------------------------------------------------------


def test_arguments_are_kept_as_they_were_given() -> None:
    """A builder keeps each argument as it was given, so that another library's builder can be given the same."""
    retry = [RetryPolicy(max_attempts=2)]
    given: dict[str, Any] = {
        "defer": True,
        "metadata": {"kind": "x"},
        "input_schema": Question,
        "retry_policy": retry,
        "cache_policy": CachePolicy(ttl=3),
        "error_handler": rescue,
        "destinations": {END: "done"},
        "timeout": timedelta(seconds=2),
    }
    assert {f.name for f in dataclasses.fields(NodeOptions)} == set(given)
    builder = entered().add_node("a", idle, **given).add_conditional_edges("a", choose, {END: END})
    node = builder.nodes["a"]
    assert node.action is idle
    assert {name: getattr(node.options, name) for name in given} == given
    assert node.options.retry_policy is retry
    branch = builder.branches["a"]["choose"]
    assert (branch.path, branch.path_map) == (choose, {END: END})


def test_what_was_given_means() -> None:
    """Next to it stands what it means: policies in one form, times in seconds, the handler's name."""
    builder = entered().add_node(
        "a", idle, retry_policy=RetryPolicy(), timeout=timedelta(seconds=2), error_handler=rescue, destinations=["a"]
    )
    node, its_handler = builder.nodes["a"], builder.nodes["__error_handler__a"]
    assert node.retry_policy == (RetryPolicy(),)
    assert node.timeout == TimeoutPolicy(run_timeout=2.0)
    assert (node.error_handler_node, its_handler.is_error_handler) == ("__error_handler__a", True)
    assert its_handler.action is rescue
    assert node.ends == ("a",)


def test_a_refused_node_leaves_nothing_behind() -> None:
    """If a node cannot be added, neither its handler nor anything else of it is."""
    builder = entered()
    with pytest.raises(TypeError):
        builder.add_node("a", idle, error_handler=rescue, cache_policy=3)
    with pytest.raises(TypeError):
        builder.add_node("a", 42, error_handler=rescue)
    with pytest.raises(InvalidGraphError, match="'log'"):
        builder.add_node("a", idle, error_handler=rescue, input_schema=Otherwise)
    assert builder.nodes == {}
    assert (list(builder.channels), list(builder.schemas)) == (["log", "answer"], [State])


def test_edges_as_langgraph_shows_them() -> None:
    """Plain edges, joins and conditional edges can be looked at under LangGraph's names."""
    builder = entered().add_node("a", idle).add_node("b", idle).add_edge(["a", "b"], END)
    assert builder.edges == {(START, "a")}
    assert builder.waiting_edges == {(("a", "b"), END)}
    assert set(builder.add_conditional_edges("b", choose).branches["b"]) == {"choose"}
    assert (builder.context_schema, StateGraph(State, Question).context_schema) == (None, Question)


@pytest.mark.langgraph
@pytest.mark.parametrize("node", [idle, RunnableLambda(idle), RunnablePassthrough(name="named")], ids=str)
def test_names_in_a_sequence(node: Any) -> None:
    """``add_sequence`` names a node as LangGraph does, which is not always as ``add_node`` does."""
    for add in ("add_node", "add_sequence"):
        names = [
            list(getattr(lib.StateGraph(State), add)(node if add == "add_node" else [node]).nodes)
            for lib in (LANGGRAPH, OURS)
        ]
        assert names[0] == names[1]


# Policies and handlers, as LangGraph's compiled graph has them ---------------------------------------------

RETRIES: list[Any] = [None, [], {"max_attempts": 2}, [{"max_attempts": 3}, {"jitter": False}]]
TIMES: list[Any] = [None, 2, timedelta(seconds=1.5), {"idle_timeout": 3}, {}]
ERRORS = st.sampled_from([None, rescue])
OWN = st.fixed_dictionaries(
    {},
    optional={
        "retry_policy": st.sampled_from(RETRIES),
        "cache_policy": st.sampled_from([None, {"ttl": 1}, {"ttl": 2}]),
        "error_handler": ERRORS,
        "timeout": st.sampled_from(TIMES),
    },
)


def arguments(lib: Library, given: dict[str, Any]) -> dict[str, Any]:
    """The arguments with the library's own policies."""
    types = import_module(f"{lib.name}.types")

    def policy(kind: str, value: Any) -> Any:
        if isinstance(value, list):
            return [policy(kind, single) for single in value]
        return getattr(types, kind)(**value) if isinstance(value, dict) else value

    kinds = {"retry_policy": "RetryPolicy", "cache_policy": "CachePolicy", "timeout": "TimeoutPolicy"}
    return {name: policy(kinds.get(name, ""), value) for name, value in given.items()}


def built(lib: Library, nodes: list[dict[str, Any]], defaults: dict[str, Any]) -> Any:
    """A compiled graph of nodes with these arguments, under these defaults."""
    builder = entered(lib).set_node_defaults(**arguments(lib, defaults))
    for name, own in zip("abc", nodes, strict=False):
        builder.add_node(name, idle, **arguments(lib, own))
    return builder.compile()


def ours_of(node: Node) -> tuple[Any, ...]:
    """Everything about a node that policies and handlers decide."""
    retry = [(p.max_attempts, p.jitter) for p in node.retry]
    timeout = node.timeout and (node.timeout.run_timeout, node.timeout.idle_timeout, node.timeout.refresh_on)
    return (retry, node.cache and node.cache.ttl, timeout, node.handler, node.handles, list(node.triggers))


def theirs_of(node: Any) -> tuple[Any, ...]:
    """The same of a node of LangGraph's."""
    retry = [(p.max_attempts, p.jitter) for p in node.retry_policy or ()]
    timeout = node.timeout and (node.timeout.run_timeout, node.timeout.idle_timeout, node.timeout.refresh_on)
    cache = node.cache_policy and node.cache_policy.ttl
    return (retry, cache, timeout, node.error_handler_node, node.is_error_handler, node.triggers)


@pytest.mark.langgraph
@example([{"retry_policy": []}, {"timeout": {}}], {"retry_policy": {"max_attempts": 2}, "timeout": 2})
@given(st.lists(OWN, min_size=1, max_size=3), OWN)
def test_policies_and_defaults(nodes: list[dict[str, Any]], defaults: dict[str, Any]) -> None:
    """Own policies win over defaults, and handlers take the defaults that LangGraph's handlers take."""
    theirs, ours = built(LANGGRAPH, nodes, defaults), built(OURS, nodes, defaults)
    expected = {name: theirs_of(node) for name, node in theirs.nodes.items()}
    assert expected == {name: ours_of(node) for name, node in ours.program.nodes.items()}
    assert list(theirs.nodes) == list(ours.program.nodes)


def test_defaults_are_read_when_the_graph_is_compiled() -> None:
    """Defaults hold for nodes that were added before and after; a later one adds to what was said."""
    builder = entered().add_node("a", idle).set_node_defaults(retry_policy=RetryPolicy())
    builder.set_node_defaults(timeout=2).add_node("b", idle)
    for name in "ab":
        node = program(builder).nodes[name]
        assert (node.retry, node.timeout) == ((RetryPolicy(),), TimeoutPolicy(run_timeout=2.0))


def test_compiled_twice() -> None:
    """A builder with a default handler can be compiled again; LangGraph's cannot."""
    builder = entered().add_node("a", idle).set_node_defaults(error_handler=rescue)
    assert [list(program(builder).nodes) for _ in range(2)] == [[START, "a", "__default_error_handler__"]] * 2
    assert list(builder.nodes) == ["a"]


def test_a_handler_sees_what_its_node_sees() -> None:
    """A node's handler is given the part of the state that the node is given, the default handler all of it."""
    builder = entered().add_node("a", idle, input_schema=Question, error_handler=rescue).add_node("b", idle)
    nodes = program(builder.set_node_defaults(error_handler=rescue)).nodes
    sources = {name: node.schema.source for name, node in nodes.items() if node.handles}
    assert sources == {"__error_handler__a": Question, "__default_error_handler__": State}


def test_cache_key_of_a_node() -> None:
    """A node with a cache policy says where its result is kept, any other has no such place."""
    nodes = program(entered().add_node("a", choose, cache_policy=CachePolicy(key_func=repr, ttl=9))).nodes
    key = nodes["a"].cache_key({"answer": "x"})
    assert key is not None
    assert (key.ns, key.ttl) == (("__pregel_ns_writes", f"{__name__}.choose", "a"), 9)
    assert nodes[START].cache_key({}) is None
    anonymous = program(entered().add_node("a", idle, cache_policy=CachePolicy())).nodes["a"]
    assert anonymous.cache_namespace == ("__pregel_ns_writes", "__dynamic__", "a")


# Timeouts --------------------------------------------------------------------------------------------------


class Threaded(Runnable[Any, Any]):
    """A runnable without ``ainvoke`` of its own."""

    def invoke(self, input: Any, config: Any = None, **kwargs: Any) -> Any:
        return input


class Awaited(Threaded):
    """One that has it."""

    async def ainvoke(self, input: Any, config: Any = None, **kwargs: Any) -> Any:
        return input


class CallsAsync:
    """A callable object that is asynchronous."""

    async def __call__(self, state: Any) -> None: ...


async def several(state: Any) -> Any:
    """An asynchronous generator."""
    yield {}


def some(state: Any) -> Any:
    """A generator."""
    yield {}


ACTIONS: list[Any] = [
    idle,
    choose,
    CallsAsync(),
    partial(choose),
    partial(idle),
    several,
    some,
    RunnableLambda(choose),
    RunnableLambda(idle),
    RunnableLambda(choose, afunc=idle),
    RunnableLambda(idle) | RunnableLambda(idle),
    RunnableLambda(idle) | RunnableLambda(choose),
    RunnableSequence(RunnableLambda(idle), RunnableLambda(idle)).with_config(tags=["x"]),
    RunnableLambda(choose).with_config(tags=["x"]),
    RunnableLambda(idle).with_retry(),
    RunnableGenerator(several),
    RunnablePassthrough(),
    RunnableBranch((lambda state: True, RunnableLambda(idle)), RunnableLambda(idle)),
    Threaded(),
    Awaited(),
    Awaited() | Threaded(),
]


def accepted(lib: Library, action: Any) -> bool:
    """Whether a graph with this node can be compiled if the node has a timeout."""
    try:
        entered(lib).add_node("a", action, timeout=1).compile()
    except ValueError:
        return False
    return True


@pytest.mark.langgraph
@pytest.mark.parametrize("action", ACTIONS, ids=str)
def test_timeouts_need_something_to_cancel(action: Any) -> None:
    """A timeout is taken for the nodes for which LangGraph takes it: those that do not run in a thread."""
    assert accepted(LANGGRAPH, action) == accepted(OURS, action)


def test_a_default_timeout_holds_for_synchronous_nodes_too() -> None:
    """A default timeout is an error for a node that cannot have one, rather than silently not there."""
    builder = entered().add_node("a", idle).add_node("b", choose).set_node_defaults(timeout=1)
    with pytest.raises(InvalidGraphError, match="'b' has a timeout"):
        builder.compile()


# Compile options -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("saver", [None, True, False, InMemorySaver()], ids=str)
def test_checkpointer(saver: Any) -> None:
    """A saver, and each of the three words, reaches the compiled graph."""
    assert entered().add_node("a", idle).compile(saver).checkpointer is saver


@pytest.mark.parametrize(
    ("asked", "kept"), [(None, ()), ("*", "*"), (["a"], ("a",)), (("b", "a"), ("b", "a"))], ids=str
)
def test_interrupts(asked: Any, kept: Any) -> None:
    """Nodes to stop at are kept as names or as ``"*"``, each of the two lists for itself."""
    builder = entered().add_node("a", idle).add_node("b", idle)
    for side in ("before", "after"):
        compiled = builder.compile(**{f"interrupt_{side}": asked})
        other = {"before": "after", "after": "before"}[side]
        assert getattr(compiled, f"interrupt_{side}_nodes") == kept
        assert getattr(compiled, f"interrupt_{other}_nodes") == ()


def test_other_options() -> None:
    """Store, cache, name and debug reach the compiled graph."""
    store, cache = object(), object()
    compiled = entered().add_node("a", idle).compile(store=store, cache=cache, name="desk", debug=True)
    assert (compiled.store, compiled.cache, compiled.name, compiled.debug) == (store, cache, "desk", True)


@pytest.mark.langgraph
@pytest.mark.parametrize("names", [["b"], ["a", "b"]], ids=str)
@pytest.mark.parametrize("side", ["interrupt_before", "interrupt_after"])
def test_interrupts_name_nodes(side: str, names: Any) -> None:
    """What names no node is refused, also where LangGraph refuses it."""
    for lib in (LANGGRAPH, OURS):
        with pytest.raises(ValueError, match="b"):
            entered(lib).add_node("a", idle).compile(**{side: names})


@pytest.mark.parametrize("interrupt", [None, ["a"], []], ids=str)
def test_validate(interrupt: Any) -> None:
    """``validate`` can be called alone, and checks names of nodes beside the edges."""
    builder = entered().add_node("a", idle)
    assert builder.validate(interrupt=interrupt) is builder
    assert builder.compiled
    with pytest.raises(InvalidGraphError, match="'b'"):
        builder.validate(interrupt=["b"])
