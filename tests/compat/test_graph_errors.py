"""Every way of getting it wrong: the kind of error, and that its message names the culprit and a remedy."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Annotated, Any, TypedDict

import pytest
from langgraph.checkpoint.memory import InMemorySaver

from lcel_compat import END, START, Command, Send, StateGraph, get_stream_writer
from lcel_compat.errors import (
    EmptyInputError,
    GraphError,
    GraphRecursionError,
    InvalidGraphError,
    InvalidUpdateError,
)
from tests.support.colours import Colour, run


class State(TypedDict, total=False):
    """One key that is folded and one that is not."""

    log: Annotated[list[str], operator.add]
    answer: str


@dataclass(frozen=True, slots=True)
class Wrong:
    """One mistake: what to do, the error, and the words that its message has to say."""

    make: Callable[[], Any]
    error: type[BaseException]
    says: tuple[str, ...]


RESERVED = ("__input__", "__interrupt__", "__resume__", "__error__", "__no_writes__", "__pregel_push", "__pregel_pull")
"""What LangGraph's checkpoints use for other things than state keys and nodes."""

BUILDING: list[Wrong] = []
RUNNING: list[Wrong] = []


def wrong(table: list[Wrong], error: type[BaseException], *says: str) -> Callable[[Callable[[], Any]], Any]:
    """Add a mistake to a table: in ``BUILDING`` it fails itself, in ``RUNNING`` the graph that it returns does."""

    def add(make: Callable[[], Any]) -> Callable[[], Any]:
        table.append(Wrong(make, error, says))
        return make

    return add


def idle(state: Any) -> None:
    """A node that does nothing."""


def graph(*names: str, entry: bool = True) -> StateGraph:
    """A builder of nodes that do nothing, with an edge from START to the first."""
    builder = StateGraph(State)
    for name in names or ("a",):
        builder.add_node(name, idle)
    return builder.add_edge(START, (names or ("a",))[0]) if entry else builder


def returns(result: Any) -> Any:
    """A compiled graph whose node ``"a"`` returns this."""
    return StateGraph(State).add_node("a", lambda state: result).add_edge(START, "a").compile()


def answers(answer: Any, path_map: Any = None) -> Any:
    """A compiled graph whose conditional edge ``choose`` after ``"a"`` answers this; there is a node ``"b"``."""

    def choose(state: Any) -> Any:
        return answer

    return graph("a", "b").add_conditional_edges("a", choose, path_map).compile()


# Building --------------------------------------------------------------------------------------------------


@wrong(BUILDING, InvalidGraphError, "'nowhere'", "'a' -> 'nowhere'", "add_node('nowhere'")
def edge_to_an_unknown_node() -> Any:
    return graph("a").add_edge("a", "nowhere").compile()


@wrong(BUILDING, InvalidGraphError, "'nowhere'", "'nowhere' -> 'a'", "add_node('nowhere'")
def edge_from_an_unknown_node() -> Any:
    return graph("a").add_edge("nowhere", "a").compile()


@wrong(BUILDING, InvalidGraphError, "'nowhere'", "join", "add_node")
def join_of_an_unknown_node() -> Any:
    return graph("a", "b").add_edge(["a", "nowhere"], "b")


@wrong(BUILDING, InvalidGraphError, "'nowhere'", "join", "add_node")
def join_to_an_unknown_node() -> Any:
    return graph("a", "b").add_edge(["a", "b"], "nowhere")


@wrong(BUILDING, InvalidGraphError, "'a'", "wait for")
def join_of_nothing() -> Any:
    return graph("a").add_edge([], "a")


@wrong(BUILDING, InvalidGraphError, "'nowhere'", "conditional edge", "add_node('nowhere'")
def conditional_edge_of_an_unknown_node() -> Any:
    return graph("a").add_conditional_edges("nowhere", idle, ["a"]).compile()


@wrong(BUILDING, InvalidGraphError, "'nowhere'", "conditional edge 'idle' of 'a'", "add_node('nowhere'")
def path_map_to_an_unknown_node() -> Any:
    return graph("a").add_conditional_edges("a", idle, {"yes": "nowhere"}).compile()


@wrong(BUILDING, InvalidGraphError, "'a'", "'idle'", "different names")
def two_conditional_edges_of_one_name() -> Any:
    return graph("a").add_conditional_edges("a", idle, ["a"]).add_conditional_edges("a", idle, ["a"])


@wrong(BUILDING, InvalidGraphError, "'nowhere'", "destinations of 'a'", "add_node('nowhere'")
def destinations_to_an_unknown_node() -> Any:
    builder = StateGraph(State).add_node("a", idle, destinations=("nowhere",))
    return builder.add_edge(START, "a").compile()


@wrong(BUILDING, InvalidGraphError, "'__end__'", "conditional edge of '__end__'", "Correct")
def conditional_edge_from_end() -> Any:
    return graph("a").add_conditional_edges(END, idle, ["a"]).compile()


@wrong(BUILDING, InvalidGraphError, "'__start__'", "conditional edge 'idle' of 'a'", "Correct")
def path_map_to_start() -> Any:
    return graph("a").add_conditional_edges("a", idle, [START]).compile()


@wrong(BUILDING, InvalidGraphError, "'__start__'", "destinations of 'b'", "Correct")
def destinations_to_start() -> Any:
    return graph("a").add_node("b", idle, destinations=(START,)).compile()


@wrong(BUILDING, InvalidGraphError, "'__start__'", "join", "leave it out")
def join_of_start() -> Any:
    return graph("a").add_edge([START, "a"], "a")


@wrong(BUILDING, InvalidGraphError, "no entry point", "add_edge(START", "'a', 'b'")
def no_entry_point() -> Any:
    return graph("a", "b", entry=False).add_edge("a", "b").compile()


@wrong(BUILDING, InvalidGraphError, "no entry point", "none yet")
def empty_graph() -> Any:
    return StateGraph(State).compile()


@wrong(BUILDING, InvalidGraphError, "'__end__'", "no edge can start")
def edge_from_end() -> Any:
    return graph("a").add_edge(END, "a")


@wrong(BUILDING, InvalidGraphError, "'__start__'", "no edge can lead")
def edge_to_start() -> Any:
    return graph("a").add_edge("a", START)


@wrong(BUILDING, InvalidGraphError, "'a'", "already", 'add_node("another_name"')
def two_nodes_of_one_name() -> Any:
    return graph("a").add_node("a", idle)


@wrong(BUILDING, InvalidGraphError, "'idle'", "already")
def two_nodes_of_one_function() -> Any:
    return StateGraph(State).add_sequence([idle, idle])


@wrong(BUILDING, InvalidGraphError, "'__start__'", "reserved")
def node_named_start() -> Any:
    return StateGraph(State).add_node(START, idle)


@wrong(BUILDING, InvalidGraphError, "'__end__'", "reserved")
def node_named_end() -> Any:
    return StateGraph(State).add_node(END, idle)


@wrong(BUILDING, InvalidGraphError, "'a|b'", "'|'", "another name")
def node_name_with_a_bar() -> Any:
    return StateGraph(State).add_node("a|b", idle)


@wrong(BUILDING, InvalidGraphError, "'a:b'", "':'", "another name")
def node_name_with_a_colon() -> Any:
    return StateGraph(State).add_node("a:b", idle)


@wrong(BUILDING, InvalidGraphError, "'a'", "no action", "add_node('a', ")
def node_without_an_action() -> Any:
    return StateGraph(State).add_node("a")


@wrong(BUILDING, TypeError, "42", "int", "function of the state")
def node_that_is_no_function() -> Any:
    return StateGraph(State).add_node("a", 42)


@wrong(BUILDING, InvalidGraphError, "add_sequence", "no nodes")
def empty_sequence() -> Any:
    return StateGraph(State).add_sequence([])


@wrong(BUILDING, ValueError, "buffer is 0", "at least 1")
def no_buffer() -> Any:
    return graph("a").compile(buffer=0)


@wrong(BUILDING, ValueError, "buffer is -1", "at least 1")
def less_than_no_buffer() -> Any:
    return graph("a").compile(buffer=-1)


@wrong(BUILDING, ValueError, "buffer is '3'", "whole number")
def buffer_as_text() -> Any:
    return graph("a").compile(buffer="3")  # type: ignore[arg-type]


@wrong(BUILDING, ValueError, "buffer is 1.5", "whole number")
def buffer_as_a_fraction() -> Any:
    return graph("a").compile(buffer=1.5)  # type: ignore[arg-type]


@wrong(BUILDING, InvalidGraphError, "schema is None", "type")
def state_of_nothing() -> Any:
    return StateGraph(None)


@wrong(BUILDING, InvalidGraphError, "schema is 'State'", "type")
def state_by_name() -> Any:
    return StateGraph("State")


@wrong(BUILDING, InvalidGraphError, "schema is {'log'", "type")
def state_as_a_dict() -> Any:
    return StateGraph({"log": list})


@wrong(BUILDING, TypeError, "compile", "checkpointer", "object", "InMemorySaver()")
def checkpointer_that_is_no_saver() -> Any:
    return graph("a").compile(checkpointer=object())  # type: ignore[arg-type]


@wrong(BUILDING, TypeError, "checkpointer", "class", "call it")
def checkpointer_that_is_a_class() -> Any:
    return graph("a").compile(checkpointer=InMemorySaver)  # type: ignore[arg-type]


@wrong(BUILDING, TypeError, "checkpointer", "with ... as saver")
def checkpointer_that_was_not_entered() -> Any:
    return graph("a").compile(checkpointer=nullcontext(InMemorySaver()))  # type: ignore[arg-type]


@wrong(BUILDING, InvalidGraphError, "interrupt_before", "'nowhere'", "'a', 'b'")
def interrupt_before_an_unknown_node() -> Any:
    return graph("a", "b").compile(interrupt_before=["a", "nowhere"])


@wrong(BUILDING, InvalidGraphError, "interrupt_after", "'__start__'", "'a'")
def interrupt_after_start() -> Any:
    return graph("a").compile(interrupt_after=[START], interrupt_before="*")


@wrong(BUILDING, InvalidGraphError, "interrupt_before", "'a'", "list", "'*'")
def interrupt_before_a_bare_name() -> Any:
    return graph("a").compile(interrupt_before="a")


@wrong(BUILDING, TypeError, "retry_policy", "object", "RetryPolicy")
def retry_policy_that_is_none() -> Any:
    return graph("a").add_node("b", idle, retry_policy=object())  # type: ignore[arg-type]


@wrong(BUILDING, TypeError, "cache_policy", "60", "CachePolicy")
def cache_policy_that_is_none() -> Any:
    return graph("a").set_node_defaults(cache_policy=60)  # type: ignore[arg-type]


@wrong(BUILDING, ValueError, "run_timeout is 0", "greater than 0")
def timeout_of_no_time() -> Any:
    return graph("a").add_node("b", idle, timeout=0)


@wrong(BUILDING, InvalidGraphError, "'b'", "timeout", "synchronous", "asynchronous")
def timeout_of_a_synchronous_node() -> Any:
    return graph("a").add_node("b", idle, timeout=3).compile()


@wrong(BUILDING, InvalidGraphError, "'__error_handler__a'", "already")
def node_named_as_a_handler() -> Any:
    return StateGraph(State).add_node("__error_handler__a", idle).add_node("a", idle, error_handler=idle)


@wrong(BUILDING, InvalidGraphError, "'__default_error_handler__'", "default error handler")
def node_named_as_the_default_handler() -> Any:
    return graph("__default_error_handler__").set_node_defaults(error_handler=idle).compile()


class OneArgument(TypedDict):
    """A reducer that cannot reduce."""

    total: Annotated[int, lambda value: value]


@wrong(BUILDING, InvalidGraphError, "'total'", "(left, right)")
def reducer_of_one_argument() -> Any:
    return StateGraph(OneArgument)


class Disagrees(TypedDict):
    """Folds a key in another way than ``State`` does."""

    log: Annotated[list[str], operator.or_]


@wrong(BUILDING, InvalidGraphError, "'log'", "'Disagrees'", "one annotation")
def schemas_that_disagree() -> Any:
    return StateGraph(State, output_schema=Disagrees)


def reads_disagreeing(state: Disagrees) -> None:
    """A node with a schema of its own."""


@wrong(BUILDING, InvalidGraphError, "'log'", "'Disagrees'", "one annotation")
def node_schema_that_disagrees() -> Any:
    return graph("a").add_node("b", reads_disagreeing)


@wrong(BUILDING, RuntimeError, "get_stream_writer", "outside of a node")
def writer_outside_of_a_node() -> Any:
    return get_stream_writer()


@pytest.mark.parametrize("mistake", BUILDING, ids=lambda m: m.make.__name__)
def test_building(mistake: Wrong) -> None:
    """A mistake in a definition is an error before anything runs, and says what it is about and what to do."""
    with pytest.raises(mistake.error) as caught:
        mistake.make()
    _assert_says(caught.value, mistake)


@pytest.mark.parametrize("name", RESERVED)
def test_reserved_node_names(name: str) -> None:
    """A node cannot have a name under which checkpoints keep something else."""
    with pytest.raises(InvalidGraphError, match=rf"{name}.*reserved"):
        graph("a").add_node(name, idle).compile()


@pytest.mark.parametrize("name", [*RESERVED, "__pregel_tasks", "branch:to:a"])
def test_reserved_state_keys(name: str) -> None:
    """A state key cannot have such a name either, nor that of a channel of the graph itself."""
    with pytest.raises(InvalidGraphError, match=rf"{name}.*reserved"):
        StateGraph(TypedDict("Odd", {name: int}))  # type: ignore[operator]


@pytest.mark.langgraph
def test_the_same_names_are_reserved() -> None:
    """Every name that LangGraph reserves is reserved, so that a graph can be moved there."""
    from langgraph._internal._constants import RESERVED as THEIRS

    for name in sorted(THEIRS):
        with pytest.raises(InvalidGraphError, match="reserved"):
            graph("a").add_node(name, idle).compile()


# Running ---------------------------------------------------------------------------------------------------


@wrong(RUNNING, InvalidUpdateError, "'a'", "'text'", "str", "'log', 'answer'", "dict")
def node_returns_text() -> Any:
    return returns("text")


@wrong(RUNNING, InvalidUpdateError, "'a'", "[1, 2]", "list", "dict")
def node_returns_a_list() -> Any:
    return returns([1, 2])


@wrong(RUNNING, InvalidUpdateError, "'a'", "State", "instance", "dict")
def node_returns_the_class_of_the_state() -> Any:
    return returns(State)


@wrong(RUNNING, InvalidUpdateError, "'a'", "Send", "list", "Command")
def node_returns_packets() -> Any:
    return returns([Send("a", {})])


@wrong(RUNNING, InvalidUpdateError, "'a'", "int", "dict")
def command_updates_with_a_number() -> Any:
    return returns(Command(update=3))


@wrong(RUNNING, InvalidUpdateError, "'a'", "'sideways'", "Command.PARENT")
def command_to_another_graph() -> Any:
    return returns(Command(graph="sideways", goto="b"))


@wrong(RUNNING, InvalidUpdateError, "'a'", "'nowhere'", "no such node")
def command_to_an_unknown_node() -> Any:
    return returns(Command(goto="nowhere"))


@wrong(RUNNING, InvalidUpdateError, "'a'", "'nowhere'", "no such node")
def send_to_an_unknown_node() -> Any:
    return returns(Command(goto=Send("nowhere", {})))


@wrong(RUNNING, InvalidUpdateError, "'choose'", "'a'", "'nowhere'", "'b'")
def answer_that_is_no_node() -> Any:
    return answers("nowhere")


@wrong(RUNNING, InvalidUpdateError, "'choose'", "'a'", "'maybe'", "'yes'")
def answer_outside_of_the_path_map() -> Any:
    return answers("maybe", {"yes": "b"})


@wrong(RUNNING, InvalidUpdateError, "'choose'", "'a'", "nowhere")
def answer_that_sends_to_an_unknown_node() -> Any:
    return answers(Send("nowhere", {}))


@wrong(RUNNING, InvalidUpdateError, "'choose'", "'a'", "None")
def answer_none() -> Any:
    return answers(None)


@wrong(RUNNING, InvalidUpdateError, "'choose'", "'a'", "['b']")
def answer_that_cannot_be_looked_up() -> Any:
    return answers([["b"]], {"b": "b"})


@wrong(RUNNING, InvalidUpdateError, "'choose'", "'a'", "'__start__'", "'b'")
def answer_that_begins_again() -> Any:
    return answers(START)


@wrong(RUNNING, InvalidUpdateError, "'choose'", "'a'", "__end__", "'b'")
def answer_that_sends_to_the_end() -> Any:
    return answers(Send(END, {}))


@wrong(RUNNING, InvalidUpdateError, "'choose'", "'a'", "'nowhere'", "'b'")
def one_answer_of_several_that_is_no_node() -> Any:
    return answers(["b", "nowhere"])


@wrong(RUNNING, InvalidUpdateError, "'choose' of node 'a'", "{'to': 'b'}", "leads nowhere", "'b'")
def answer_that_is_a_dict() -> Any:
    return answers({"to": "b"})


@wrong(RUNNING, InvalidUpdateError, "'choose' of node 'a'", "['b']", "leads nowhere")
def answer_that_is_a_list_of_lists() -> Any:
    return answers([["b"]])


@wrong(RUNNING, InvalidUpdateError, "'choose' of node 'a'", "{'to': 'b'}", "leads nowhere", "'yes'")
def answer_that_the_path_map_cannot_look_up() -> Any:
    return answers({"to": "b"}, {"yes": "b"})


@wrong(RUNNING, InvalidUpdateError, "'a'", "3", "no such node")
def command_to_a_number() -> Any:
    return returns(Command(goto=3))  # type: ignore[arg-type]


@wrong(RUNNING, InvalidUpdateError, "'a'", "None", "no such node")
def command_to_nothing() -> Any:
    return returns(Command(goto=None))  # type: ignore[arg-type]


@wrong(RUNNING, InvalidUpdateError, "'a'", "['b']", "no such node")
def command_to_a_list_of_lists() -> Any:
    return returns(Command(goto=[["b"]]))  # type: ignore[list-item]


@wrong(RUNNING, InvalidUpdateError, "'answer'", "2 times", "reducer")
def two_writers_of_one_plain_key() -> Any:
    builder = StateGraph(State)
    for name in "ab":
        builder.add_node(name, lambda state: {"answer": "x"}).add_edge(START, name)
    return builder.compile()


@wrong(RUNNING, GraphRecursionError, "'LangGraph'", "5", "recursion_limit", "loop")
def endless_loop() -> Any:
    return graph("a").add_edge("a", "a").compile().with_config(recursion_limit=5)


@wrong(RUNNING, ValueError, "recursion_limit is 0", "at least 1")
def no_steps_allowed() -> Any:
    return graph("a").compile().with_config(recursion_limit=0)


@wrong(RUNNING, ValueError, "recursion_limit is '9'", "whole number")
def limit_as_text() -> Any:
    return graph("a").compile().with_config(recursion_limit="9")


@wrong(RUNNING, ValueError, "max_concurrency is -1", "at least 1")
def less_than_nothing_at_once() -> Any:
    return graph("a").compile().with_config(max_concurrency=-1)


@pytest.mark.parametrize("mistake", RUNNING, ids=lambda m: m.make.__name__)
def test_running(mistake: Wrong, colour: Colour) -> None:
    """A mistake that shows while a graph runs is the same error in both colours, streamed or not."""
    compiled = mistake.make()
    with pytest.raises(mistake.error) as caught:
        colour.invoke(compiled, {"log": []})
    _assert_says(caught.value, mistake)
    assert colour.observe_stream(compiled, {"log": []})[-1].error == mistake.error.__name__


def _assert_says(error: BaseException, mistake: Wrong) -> None:
    missing = [word for word in mistake.says if word not in str(error)]
    assert not missing, f"{missing} not in: {error}"


# Calling ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["nothing", "", "VALUES"])
@pytest.mark.parametrize("shape", [lambda m: m, lambda m: [m], lambda m: ("values", m)], ids=["bare", "list", "tuple"])
def test_unknown_mode(colour: Colour, mode: str, shape: Callable[[str], Any]) -> None:
    """A mode that does not exist is an error that names it and lists the modes there are."""
    with pytest.raises(ValueError, match=re.escape(repr(mode))) as caught:
        _streamed(colour, graph("a").compile(), stream_mode=shape(mode))
    for known in ("values", "updates", "custom", "messages", "debug", "events"):
        assert repr(known) in str(caught.value)


@pytest.mark.parametrize("modes", [[], ()], ids=str)
def test_no_mode(colour: Colour, modes: Any) -> None:
    """An empty list of modes is an error that lists the modes there are."""
    with pytest.raises(ValueError, match=r"empty.*'values'.*'events'"):
        _streamed(colour, graph("a").compile(), stream_mode=modes)


@pytest.mark.parametrize("modes", [1, {"values": 1}, b"values"], ids=str)
def test_modes_of_the_wrong_type(colour: Colour, modes: Any) -> None:
    """What is neither a mode nor a list of modes is a ``TypeError`` that lists the modes there are."""
    with pytest.raises(TypeError, match=r"stream_mode.*'values'"):
        _streamed(colour, graph("a").compile(), stream_mode=modes)


def test_mode_of_the_wrong_type_in_a_list(colour: Colour) -> None:
    """A member of the list that is no text is an error as well."""
    with pytest.raises((TypeError, ValueError), match=r"42.*'values'"):
        _streamed(colour, graph("a").compile(), stream_mode=["values", 42])


@pytest.mark.parametrize(
    "mistake",
    [{"stream_mode": "nothing"}, {"stream_mode": []}, {"output_keys": "nowhere"}],
    ids=str,
)
def test_wrong_calls_fail_at_the_call(mistake: dict[str, Any]) -> None:
    """``stream`` and ``astream`` refuse what is wrong about the call before anything is read.

    A server has sent its status by then, and ``version`` and unsupported arguments are refused at the call already.
    """
    compiled = graph("a").compile()
    for call in (compiled.stream, compiled.astream):
        with pytest.raises(ValueError, match=r"mode|output_keys"):
            call({"log": []}, **mistake)


def test_events_as_chunks_of_events_fail_at_the_call() -> None:
    """The same goes for ``astream_events`` and ``stream_events``."""
    compiled = graph("a").compile()
    for call in (compiled.stream_events, compiled.astream_events):
        with pytest.raises(ValueError, match="cannot be events"):
            call({"log": []}, stream_mode="events")


@pytest.mark.parametrize("keys", ["nowhere", ["answer", "nowhere"]], ids=str)
def test_unknown_output_key(colour: Colour, keys: Any) -> None:
    """An output key that the state does not have is named, with those that it has."""
    with pytest.raises(ValueError, match=r"output_keys.*'nowhere'.*'log', 'answer'"):
        colour.invoke(graph("a").compile(), {"log": []}, output_keys=keys)
    with pytest.raises(ValueError, match=r"output_keys.*'nowhere'"):
        _streamed(colour, graph("a").compile(), output_keys=keys)


def test_unknown_durability(colour: Colour) -> None:
    """A way of saving that does not exist is named, with those that do."""
    with pytest.raises(ValueError, match=r"durability.*'later'.*'sync', 'async' or 'exit'"):
        colour.invoke(graph("a").compile(), {"log": []}, durability="later")


def test_no_input(colour: Colour) -> None:
    """A run without input is an error that names the keys there are."""
    with pytest.raises(EmptyInputError, match=r"'LangGraph'.*'log', 'answer'"):
        colour.invoke(graph("a").compile(), None)


@pytest.mark.parametrize("value", ["text", 3, ["x"], ()], ids=str)
def test_input_that_is_no_mapping(colour: Colour, value: Any) -> None:
    """An input that cannot be read as the state is refused, with its type and the keys there are."""
    with pytest.raises(InvalidUpdateError, match=rf"input.*{type(value).__name__}.*'log', 'answer'"):
        colour.invoke(graph("a").compile(), value)


def test_asynchronous_node_in_a_synchronous_run() -> None:
    """A sync run of an async node is an error that names the node's function and the async methods."""

    async def wait(state: Any) -> None: ...

    compiled = StateGraph(State).add_node("a", wait).add_edge(START, "a").compile()
    with pytest.raises(TypeError, match=r"'wait'.*ainvoke"):
        compiled.invoke({"log": []})


def test_asynchronous_path_in_a_synchronous_run() -> None:
    """The same goes for the function of a conditional edge."""

    async def choose(state: Any) -> str:
        return END

    compiled = graph("a").add_conditional_edges("a", choose, [END]).compile()
    with pytest.raises(TypeError, match=r"'choose'.*ainvoke"):
        compiled.invoke({"log": []})


@pytest.mark.parametrize("version", ["v3", "v1", "v9"])
def test_event_versions_that_there_are_not(version: str) -> None:
    """A version without events names the one to use; ``v1`` exists in the async API alone, as core has it."""
    compiled = graph("a").compile()
    with pytest.raises(NotImplementedError, match=rf"{version}.*v2"):
        compiled.stream_events({"log": []}, version=version)  # type: ignore[arg-type]
    if version != "v1":
        with pytest.raises(NotImplementedError, match=rf"{version}.*v2"):
            compiled.astream_events({"log": []}, version=version)  # type: ignore[arg-type]


def test_what_a_node_raises_is_not_wrapped(colour: Colour) -> None:
    """An exception of a node's own arrives as the very object that it raised."""
    fault = LookupError("mine")

    def fails(state: Any) -> None:
        raise fault

    compiled = StateGraph(State).add_node("a", fails).add_edge(START, "a").compile()
    with pytest.raises(LookupError) as caught:
        colour.invoke(compiled, {"log": []})
    assert caught.value is fault


@pytest.mark.parametrize(
    ("error", "bases"),
    [
        (InvalidGraphError, (GraphError, ValueError)),
        (GraphRecursionError, (GraphError, RecursionError)),
        (InvalidUpdateError, (GraphError,)),
        (EmptyInputError, (GraphError,)),
    ],
)
def test_one_base_for_all(error: type[Exception], bases: tuple[type[Exception], ...]) -> None:
    """Every error of the engine is a ``GraphError``, and the builtin that ``except`` clauses of old code name."""
    assert issubclass(error, bases[0])
    assert all(issubclass(error, base) for base in bases)


def test_adding_to_a_compiled_graph_warns(caplog: pytest.LogCaptureFixture) -> None:
    """What is added after ``compile`` is not in the graph that was compiled, and the log says so."""
    builder = graph("a")
    compiled = builder.compile()
    builder.add_node("b", idle)
    builder.add_edge("a", "b")
    assert [record.levelname for record in caplog.records] == ["WARNING", "WARNING"]
    assert "ompile it again" in caplog.text
    assert list(compiled.stream({"log": []})) == [{"a": None}]


def _streamed(colour: Colour, compiled: Any, **options: Any) -> list[Any]:
    """Stream to the end; what is raised on the way is the caller's to catch."""

    async def collect() -> list[Any]:
        return [item async for item in compiled.astream({"log": []}, **options)]

    return list(compiled.stream({"log": []}, **options)) if colour.name == "sync" else run(collect())
