"""The forms in which a run hands out its items: with namespaces, as parts that say what they are, printed."""

from __future__ import annotations

import operator
import re
from dataclasses import dataclass, field
from typing import Annotated, Any, TypedDict

import pytest
from langgraph.checkpoint.memory import InMemorySaver
from pydantic import BaseModel

from lcel_compat import START, Command, CompiledStateGraph, StateGraph, get_stream_writer, interrupt
from lcel_compat.types import GraphOutput
from tests.support.colours import Colour
from tests.support.models import TEXT, chat_chain

THREAD: Any = {"configurable": {"thread_id": "1"}}
ALL = ["values", "updates", "custom", "messages", "tasks", "debug"]
TASK = r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"


class State(TypedDict, total=False):
    """One key that is folded, one that is not."""

    log: Annotated[list[str], operator.add]
    answer: str


def says(name: str) -> Any:
    def node(state: Any) -> dict[str, list[str]]:
        get_stream_writer()(name)
        return {"log": [name]}

    return node


def nest(depth: int = 1, **options: Any) -> CompiledStateGraph:
    """A node ``in`` in graphs ``s1``, ``s2``…, each in the one around it, and a node ``out`` after the outermost."""
    graph: Any = StateGraph(State).add_node("in", says("in")).add_edge(START, "in").compile()
    for level in range(depth, 0, -1):
        builder = StateGraph(State).add_node(f"s{level}", graph).add_edge(START, f"s{level}")
        if level == 1:
            builder.add_node("out", says("out")).add_edge("s1", "out")
        graph = builder.compile(**(options if level == 1 else {}))
    compiled: CompiledStateGraph = graph
    return compiled


def places(items: list[Any]) -> set[tuple[str, ...]]:
    """The namespaces of items, without the ids of tasks."""
    return {tuple(part.split(":")[0] for part in namespace) for namespace, *_ in items}


# Graphs inside ---------------------------------------------------------------------------------------------


def test_without_subgraphs(colour: Colour) -> None:
    """What graphs inside do is not shown unless it is asked for, in no mode but ``events``."""
    items = colour.observe_stream(nest(), {"log": []}, stream_mode="custom")
    assert items == ["out"]
    items = colour.observe_stream(nest(), {"log": []}, stream_mode="updates")
    assert [next(iter(item)) for item in items] == ["s1", "out"]


@pytest.mark.parametrize("depth", [1, 2, 3])
@pytest.mark.parametrize("mode", ["values", "updates", "custom", "tasks", "debug"])
def test_namespaces(colour: Colour, mode: Any, depth: int) -> None:
    """With ``subgraphs=True`` an item comes with where its graph stands: a ``node:task_id`` for each level."""
    items = colour.observe_stream(nest(depth), {"log": []}, stream_mode=mode, subgraphs=True)
    levels = [tuple(f"s{n}" for n in range(1, level + 1)) for level in range(depth + 1)]
    assert places(items) == ({(), levels[-1]} if mode == "custom" else set(levels))
    assert all(re.fullmatch(rf"s\d:{TASK}", part) for namespace, _ in items for part in namespace)
    plain = colour.observe_stream(nest(depth), {"log": []}, stream_mode=mode)
    assert len([item for namespace, item in items if not namespace]) == len(plain)


def test_namespaces_of_several_modes(colour: Colour) -> None:
    """Of several modes items are ``(namespace, mode, item)``; a list of one mode counts as several."""
    items = colour.observe_stream(nest(), {"log": []}, stream_mode=["updates", "custom"], subgraphs=True)
    assert [(len(namespace), mode, item) for namespace, mode, item in items] == [
        (1, "custom", "in"),
        (1, "updates", {"in": {"log": ["in"]}}),
        (0, "updates", {"s1": {"log": ["in"]}}),
        (0, "custom", "out"),
        (0, "updates", {"out": {"log": ["out"]}}),
    ]
    items = colour.observe_stream(nest(), {"log": []}, stream_mode=["custom"], subgraphs=True)
    assert [item[1:] for item in items] == [("custom", "in"), ("custom", "out")]


def test_a_graph_called_twice(colour: Colour) -> None:
    """A node that calls graphs several times tells them apart by a number after its task."""
    inner = StateGraph(State).add_node("in", says("in")).add_edge(START, "in").compile()

    def calls(state: Any) -> Any:
        inner.invoke({"log": []})
        return inner.invoke({"log": []})

    async def acalls(state: Any) -> Any:
        await inner.ainvoke({"log": []})
        return await inner.ainvoke({"log": []})

    node = calls if colour.name == "sync" else acalls
    graph = StateGraph(State).add_node("a", node).add_edge(START, "a").compile()
    items = colour.observe_stream(graph, {"log": []}, stream_mode="custom", subgraphs=True)
    (first, _), (second, _) = items
    assert second == (*first, "1")


def test_tokens_of_graphs_inside(colour: Colour) -> None:
    """``messages`` shows tokens of graphs inside only if it is asked to, and then where they are from."""

    def ask(state: Any) -> dict[str, str]:
        return {"answer": chat_chain().invoke({"topic": "parrots"})}

    inner = StateGraph(State).add_node("in", ask).add_edge(START, "in").compile()
    graph = StateGraph(State).add_node("sub", inner).add_edge(START, "sub").compile()
    plain = colour.observe_stream(graph, {"log": []}, stream_mode="messages")
    placed = colour.observe_stream(graph, {"log": []}, stream_mode="messages", subgraphs=True)
    assert plain == []
    assert "".join(message.content for _, (message, _) in placed) == TEXT
    assert places(placed) == {("sub",)}


def test_events_have_no_namespace(colour: Colour) -> None:
    """``events`` include graphs inside in any case; their namespace is ``()``."""
    items = colour.observe_stream(nest(), {"log": []}, stream_mode="events", subgraphs=True)
    assert {namespace for namespace, _ in items} == {()}
    plain = colour.observe_stream(nest(), {"log": []}, stream_mode="events")
    assert [event["name"] for _, event in items] == [event["name"] for event in plain]


def test_two_readers(colour: Colour) -> None:
    """A function that streams a graph itself gets its items, and so does the outer consumer of ``subgraphs``."""
    inner = StateGraph(State).add_node("in", says("in")).add_edge(START, "in").compile()
    read: list[Any] = []

    def node(state: Any) -> None:
        read.extend(inner.stream({"log": []}, stream_mode="updates"))

    async def anode(state: Any) -> None:
        read.extend([item async for item in inner.astream({"log": []}, stream_mode="updates")])

    graph = StateGraph(State).add_node("a", node if colour.name == "sync" else anode).add_edge(START, "a").compile()
    items = colour.observe_stream(graph, {"log": []}, stream_mode="updates", subgraphs=True)
    assert read == [{"in": {"log": ["in"]}}]
    assert [(len(namespace), item) for namespace, item in items] == [(1, read[0]), (0, {"a": None})]


# Parts -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["values", "updates", "custom", "tasks", "debug", "events"])
def test_parts(colour: Colour, mode: Any) -> None:
    """With ``version="v2"`` an item is a dict that says its mode and namespace, whether or not modes are a list."""
    for asked in (mode, [mode]):
        parts = colour.observe_stream(nest(), {"log": []}, stream_mode=asked, version="v2")
        expected = {"type", "ns", "data", "interrupts"} if mode == "values" else {"type", "ns", "data"}
        assert all(part.keys() == expected for part in parts)
        assert {(part["type"], part["ns"]) for part in parts} == {(mode, ())}
        plain = colour.observe_stream(nest(), {"log": []}, stream_mode=mode)
        if mode in ("values", "updates", "custom"):
            assert [part["data"] for part in parts] == plain
        assert len(parts) == len(plain)


def test_parts_of_graphs_inside(colour: Colour) -> None:
    """``ns`` is the namespace of the graph; graphs inside are shown if ``subgraphs`` asks for them."""
    asked: Any = {"stream_mode": ["updates", "custom"], "version": "v2"}
    parts = colour.observe_stream(nest(), {"log": []}, subgraphs=True, **asked)
    assert [(len(part["ns"]), part["type"], part["data"]) for part in parts] == [
        (1, "custom", "in"),
        (1, "updates", {"in": {"log": ["in"]}}),
        (0, "updates", {"s1": {"log": ["in"]}}),
        (0, "custom", "out"),
        (0, "updates", {"out": {"log": ["out"]}}),
    ]
    assert {part["ns"] for part in colour.observe_stream(nest(), {"log": []}, **asked)} == {()}


def asking() -> CompiledStateGraph:
    """A node that asks."""
    builder = StateGraph(State).add_node("a", lambda state: {"log": [interrupt("what?")]}).add_edge(START, "a")
    return builder.compile(checkpointer=InMemorySaver())


def test_parts_show_questions_apart(colour: Colour) -> None:
    """The part of ``values`` has the questions beside the state, and not in it."""
    parts = colour.observe_stream(asking(), {"log": ["in"]}, THREAD, stream_mode="values", version="v2")
    assert [part["data"] for part in parts] == [{"log": ["in"]}] * 2
    assert [[i.value for i in part["interrupts"]] for part in parts] == [[], ["what?"]]


def test_output(colour: Colour) -> None:
    """``invoke(version="v2")`` returns the state and the questions apart."""
    graph = asking()
    first = colour.invoke(graph, {"log": ["in"]}, THREAD, version="v2")
    assert isinstance(first, GraphOutput)
    assert (first.value, [i.value for i in first.interrupts]) == ({"log": ["in"]}, ["what?"])
    second = colour.invoke(graph, Command(resume="this"), THREAD, version="v2")
    assert second == GraphOutput(value={"log": ["in", "this"]}, interrupts=())


@dataclass
class Record:
    """A state that is a class."""

    log: Annotated[list[str], operator.add] = field(default_factory=list)


class Model(BaseModel):
    """A state that is a model."""

    log: Annotated[list[str], operator.add] = []


@pytest.mark.parametrize("schema", [Record, Model])
def test_values_are_instances(colour: Colour, schema: Any) -> None:
    """With ``version="v2"`` the state is an instance of its class; without, a dict."""
    builder = StateGraph(schema).add_node("a", lambda state: {"log": ["a"]}).add_edge(START, "a")
    graph = builder.compile(checkpointer=InMemorySaver())
    parts = colour.observe_stream(graph, {"log": []}, THREAD, stream_mode=["values", "checkpoints"], version="v2")
    values = [part["data"] for part in parts if part["type"] == "values"]
    assert values == [schema(log=[]), schema(log=["a"])]
    saved = [part["data"]["values"] for part in parts if part["type"] == "checkpoints"]
    assert saved[-1] == schema(log=["a"])
    assert colour.invoke(graph, {"log": []}, THREAD, version="v2").value == schema(log=["a", "a"])
    assert colour.invoke(graph, {"log": []}, THREAD) == {"log": ["a", "a", "a"]}


@pytest.mark.parametrize("version", ["v3", "v0", None])
def test_an_unknown_version(colour: Colour, version: Any) -> None:
    """Another version is refused before anything runs, with those that there are."""
    with pytest.raises(ValueError, match="'v1' and 'v2'"):
        colour.invoke(nest(), {"log": []}, version=version)


# Printing --------------------------------------------------------------------------------------------------

COLOUR = re.compile(r"\x1b\[[0-9;]*m")


def printed(capsys: pytest.CaptureFixture[str]) -> list[str]:
    """The lines that were printed, without colours."""
    return COLOUR.sub("", capsys.readouterr().out).splitlines()


def test_print_mode(colour: Colour, capsys: pytest.CaptureFixture[str]) -> None:
    """``print_mode`` prints the items of other modes, and changes nothing of what is handed out."""
    graph = nest()
    items = colour.observe_stream(graph, {"log": []}, stream_mode="custom", print_mode=["updates", "values"])
    assert items == ["out"]
    assert printed(capsys) == [
        "[values] {'log': []}",
        "[updates] {'s1': {'log': ['in']}}",
        "[values] {'log': ['in']}",
        "[updates] {'out': {'log': ['out']}}",
        "[values] {'log': ['in', 'out']}",
    ]
    assert colour.invoke(graph, {"log": []}, print_mode="custom") == {"log": ["in", "out"]}
    assert printed(capsys) == ["[custom] 'out'"]


def test_printed_namespaces(colour: Colour, capsys: pytest.CaptureFixture[str]) -> None:
    """What is printed is what the outermost graph shows in that mode."""
    colour.observe_stream(nest(), {"log": []}, stream_mode="values", print_mode="custom", subgraphs=True)
    lines = printed(capsys)
    assert lines[-1] == "[custom] 'out'"


def test_debug_prints(colour: Colour, capsys: pytest.CaptureFixture[str]) -> None:
    """``compile(debug=True)`` and ``stream(debug=True)`` print updates and values; ``debug=False`` turns it off."""
    loud = nest(debug=True)
    colour.invoke(loud, {"log": []})
    assert {line.split("]")[0] for line in printed(capsys)} == {"[updates", "[values"}
    colour.observe_stream(loud, {"log": []}, debug=False)
    assert printed(capsys) == []
    colour.observe_stream(nest(), {"log": []}, debug=True)
    assert len(printed(capsys)) == 5


def test_tokens_are_printed(colour: Colour, capsys: pytest.CaptureFixture[str]) -> None:
    """A mode that looks at callbacks can be printed as well, beside any that is read."""

    def ask(state: Any) -> dict[str, str]:
        return {"answer": chat_chain().invoke({"topic": "parrots"})}

    graph = StateGraph(State).add_node("a", ask).add_edge(START, "a").compile()
    assert colour.invoke(graph, {"log": []}, print_mode="messages")["answer"]
    assert len(printed(capsys)) > 3


def test_an_unknown_mode_to_print(colour: Colour) -> None:
    """``print_mode`` takes the modes that there are."""
    with pytest.raises(ValueError, match="no stream mode 'loud'"):
        colour.invoke(nest(), {"log": []}, print_mode="loud")


@pytest.mark.parametrize("asked", [ALL, ["values"], "values"], ids=str)
def test_invoke_reads_any_mode(colour: Colour, asked: Any) -> None:
    """``invoke(stream_mode=...)`` with anything but ``"values"`` returns the items of those modes."""
    result = colour.invoke(nest(), {"log": []}, stream_mode=asked)
    if asked == "values":
        assert result == {"log": ["in", "out"]}
    else:
        assert {mode for mode, _ in result} == {*asked} - {"messages"}
