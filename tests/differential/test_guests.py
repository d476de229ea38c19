"""LangGraph's own pieces inside our graphs, and our graphs inside LangGraph's: the same as all of one kind."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Annotated, Any

import pytest
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from langchain_core.tools import InjectedToolCallId, tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.config import get_config, get_store, get_stream_writer
from langgraph.errors import NodeInterrupt
from langgraph.func import entrypoint, task
from langgraph.graph import StateGraph
from langgraph.graph.message import push_message
from langgraph.prebuilt import InjectedState, InjectedStore, ToolNode, ToolRuntime
from langgraph.runtime import Runtime, get_runtime
from langgraph.store.base import BaseStore
from langgraph.store.memory import InMemoryStore
from langgraph.types import Command, Overwrite, RetryPolicy, Send, interrupt
from typing_extensions import TypedDict

import lcel_compat
from lcel_compat._guests import converted
from tests.differential.scenarios.play import Recording, Scenario, assert_same_play, is_racing, oracle, play
from tests.differential.scenarios.stage import Log, Stage
from tests.differential.scenarios.steps import Step, answer, command, history, ran, resume, saved, state, stream, update
from tests.differential.scenarios.streams import EVENTS, VIEWS
from tests.support.colours import ASYNC, SYNC, Colour
from tests.support.engines import LANGGRAPH, OURS

BIRDS = {"log": ["birds"]}
SCENARIOS: list[Scenario] = []
AT_ONCE: set[str] = set()
"""Scenarios in which one node runs several tools at once, so that their events have no order."""
THEIRS: set[str] = set()
"""Scenarios in which a node runs a graph of LangGraph's."""


def scenario(
    *steps: Step, at_once: bool = False, theirs: bool = False, **options: Any
) -> Callable[[Callable[[Stage], Any]], Callable[[Stage], Any]]:
    """Add a graph that is made of LangGraph's pieces, whichever library runs it, with its script."""

    def add(build: Callable[[Stage], Any]) -> Callable[[Stage], Any]:
        SCENARIOS.append(Scenario(name=build.__name__, build=build, steps=steps, **options))
        AT_ONCE.update([build.__name__] if at_once else [])
        THEIRS.update([build.__name__] if theirs else [])
        return build

    return add


def without_chunks(recording: Recording) -> Recording:
    """Return events without the chunks of chains."""
    return [
        replace(one, value=[e for e in one.value if not isinstance(e, dict) or e["event"] != "on_chain_stream"])
        if one.streamed
        else one
        for one in recording
    ]


# functions that ask for their surroundings


@scenario(stream(BIRDS), state(), resume("one"), state(), resume("two"), history())
def questions(stage: Stage) -> Any:
    """A node asks twice with LangGraph's ``interrupt``."""
    asks = stage.node("asks", lambda state: {"log": [interrupt("first?"), interrupt("second?")]})
    return stage.graph({"asks": asks}, "^>asks>$")


@scenario(stream(BIRDS), resume("one"), resume("two"), state(), ran())
def questions_of_both_kinds(stage: Stage) -> Any:
    """A node asks with either library's function; the order of the questions counts."""
    asks = stage.node("asks", lambda state: {"log": [stage.lib.interrupt("first?"), interrupt("second?")]})
    return stage.graph({"asks": asks}, "^>asks>$")


class Answer(TypedDict):
    """What is answered."""

    yes: bool


@scenario(stream(BIRDS), resume({"yes": "perhaps"}), state(), resume({"yes": "true"}), state())
def question_with_a_schema(stage: Stage) -> Any:
    """A question says which answers it takes; one that does not fit leaves it open."""

    def work(state: Any) -> Any:
        return {"log": [str(interrupt("sure?", response_schema=Answer))]}

    return stage.graph({"asks": stage.node("asks", work)}, "^>asks>$")


@scenario(stream(BIRDS), resume("one"), state(), ran())
def question_after_a_failure(stage: Stage) -> Any:
    """A node that is tried again asks from the first question on."""

    def work(state: Any) -> Any:
        answer = interrupt("first?")
        if stage.ran["asks"] == 2:
            raise ConnectionError
        return {"log": [answer]}

    builder = stage.builder({}, "")
    builder.add_node("asks", stage.node("asks", work), retry_policy=RetryPolicy(initial_interval=0.001, jitter=False))
    builder.add_edge(stage.lib.START, "asks")
    return builder.compile(checkpointer=stage.saver)


@pytest.mark.filterwarnings("ignore:NodeInterrupt is deprecated")
@scenario(stream(BIRDS), state())
def node_interrupt(stage: Stage) -> Any:
    """The old way to ask, an exception."""

    def work(state: Any) -> Any:
        raise NodeInterrupt("why?")

    return stage.graph({"asks": stage.node("asks", work)}, "^>asks>$")


class Ctx(TypedDict):
    """The run's context."""

    user: str


@scenario(stream(BIRDS, context={"user": "ann"}), stream(BIRDS, context={"user": "bob"}))
def surroundings(stage: Stage) -> Any:
    """Functions of LangGraph's find the configuration, the store, the writer and the runtime of the node."""

    def work(state: Any) -> Any:
        runtime: Runtime[Ctx] = get_runtime()
        get_stream_writer()({"hello": runtime.context["user"]})
        runtime.stream_writer("direct")
        assert runtime.store is get_store()
        user = runtime.context["user"]
        get_store().put(("seen",), user, {"n": len(state["log"])})
        info = runtime.execution_info
        assert info is not None
        assert info.checkpoint_ns == get_config()["configurable"]["checkpoint_ns"]
        return {"log": [f"{len(get_store().search(('seen',)))} {info.node_attempt} {info.thread_id is not None}"]}

    builder = stage.builder({"a": stage.node("a", work)}, "^>a>$", context_schema=Ctx)
    return builder.compile(checkpointer=stage.saver, store=InMemoryStore())


class Messages(TypedDict):
    """A conversation and what else tools look at."""

    messages: Annotated[list[Any], lcel_compat.add_messages]
    mood: str


@scenario(stream({"messages": []}), state())
def pushed_message(stage: Stage) -> Any:
    """A node hands a message out and into the state before it returns."""

    def work(state: Any) -> Any:
        push_message(AIMessage("early", id="m1"))
        return {"mood": "good"}

    return stage.graph({"a": stage.node("a", work)}, "^>a>$", Messages)


# results


@scenario(stream(BIRDS), state())
def steering(stage: Stage) -> Any:
    """A node returns LangGraph's ``Command`` and packets, and a conditional edge its ``Send``."""
    go = stage.node("go", lambda state: Command(update={"log": ["go"]}, goto=[Send("each", {"topic": "p"}), "late"]))
    each = stage.node("each", lambda state: {"log": [f"each {state['topic']}"]})
    builder = stage.builder({"go": go, "each": each, "late": None}, "^>go each>$")
    builder.add_conditional_edges("late", lambda state: [Send("each", {"topic": t}) for t in "qr"], ["each"])
    return builder.compile(checkpointer=stage.saver)


@scenario(stream({"log": ["a", "b"]}), state())
def overwriting(stage: Stage) -> Any:
    """A node replaces a reduced key with LangGraph's ``Overwrite``."""
    wipe = stage.node("wipe", lambda state: {"log": Overwrite(["new"])})
    return stage.graph({"wipe": wipe, "b": None}, "^>wipe>b>$")


# ToolNode


@tool
def multiply(a: int, b: int) -> int:
    """Multiply."""
    return a * b


@tool
def moody(state: Annotated[dict[str, Any], InjectedState], runtime: ToolRuntime[Ctx]) -> str:
    """Look around."""
    runtime.stream_writer({"tool": runtime.tool_call_id})
    get_stream_writer()("from the function")
    return f"{state['mood']} {runtime.state['mood']} {runtime.context} {sorted(runtime.state)}"


@tool
def remember(fact: str, store: Annotated[Any, InjectedStore()]) -> str:
    """Store a fact."""
    store.put(("facts",), fact, {"fact": fact})
    return f"{len(store.search(('facts',)))} known"


@tool
def cheer(tool_call_id: Annotated[str, InjectedToolCallId]) -> Any:
    """Change the mood."""
    return Command(update={"mood": "great", "messages": [ToolMessage("cheered", tool_call_id=tool_call_id)]})


@tool
def confirm(question: str) -> str:
    """Ask a person."""
    return f"{question} {interrupt(question)}"


@tool
def broken() -> str:
    """Fail."""
    raise ConnectionError("no line")


TOOLS = [multiply, moody, remember, cheer, confirm, broken]


def calls(*wanted: tuple[str, dict[str, Any]]) -> dict[str, Any]:
    """Return a state whose last message calls these tools."""
    asked = [{"name": name, "args": args, "id": f"c{i}"} for i, (name, args) in enumerate(wanted)]
    return {"messages": [HumanMessage("hi", id="h"), AIMessage("", tool_calls=asked, id="a")], "mood": "dull"}


def _tools(stage: Stage, **options: Any) -> Any:
    builder = stage.builder({"tools": ToolNode(TOOLS, **options)}, "^>tools>$", Messages, context_schema=Ctx)
    return builder.compile(checkpointer=stage.saver, store=InMemoryStore())


LOOK: tuple[str, dict[str, Any]] = ("moody", {})
EACH = calls(("multiply", {"a": 2, "b": 3}), LOOK, ("remember", {"fact": "f"}))


@scenario(stream(EACH, context={"user": "ann"}), state(), at_once=True)
def tools(stage: Stage) -> Any:
    """Tools with all that may be injected: state, store, runtime, call id."""
    return _tools(stage)


@scenario(stream(calls(("cheer", {}), ("multiply", {"a": 2, "b": 2}))), state(), at_once=True)
def tool_that_commands(stage: Stage) -> Any:
    """A tool that updates the state with LangGraph's ``Command``."""
    return _tools(stage)


@scenario(stream(calls(("confirm", {"question": "sure?"}))), state(), resume("yes"), state())
def tool_that_asks(stage: Stage) -> Any:
    """A tool that interrupts the graph, and is run again with the answer."""
    return _tools(stage)


@scenario(stream(calls(("broken", {}))), state())
def tool_that_fails(stage: Stage) -> Any:
    """A tool's error fails the node."""
    return _tools(stage)


@scenario(stream(calls(("broken", {}), ("nosuch", {}))), state(), at_once=True)
def tool_errors_as_messages(stage: Stage) -> Any:
    """A tool's error becomes a message where the node was told so."""
    return _tools(stage, handle_tool_errors=True)


@scenario(stream(calls(("multiply", {"a": 2, "b": 3}), LOOK)), state())
def tools_by_packets(stage: Stage) -> Any:
    """Packets that hold one tool call each: the node reads the state itself."""

    def fan(state: Any) -> Any:
        return [Send("tools", [{**call, "type": "tool_call"}]) for call in state["messages"][-1].tool_calls]

    builder = stage.builder({"tools": ToolNode(TOOLS)}, "tools>$", Messages)
    builder.add_conditional_edges(stage.lib.START, fan, ["tools"])
    return builder.compile(checkpointer=stage.saver)


# LangGraph's graphs as nodes


def inner(stage: Stage, *names: str, **options: Any) -> Any:
    """Return a graph of LangGraph's with a question in its middle, to be used as a node."""
    builder = StateGraph(Log)
    ask = stage.node("ask", lambda state: {"log": [f"got {interrupt(str(len(state['log'])))}"]})
    for name in ("first", "ask", "last"):
        builder.add_node(name, ask if name == "ask" else stage.node(name))
    builder.set_entry_point("first").add_edge("first", "ask").add_edge("ask", "last")
    return builder.compile(name="inner", **options)


@scenario(stream(BIRDS), state(subgraphs=True), resume("yes"), state(), ran(), history(), theirs=True)
def graph_node(stage: Stage) -> Any:
    """LangGraph's graph is a node: it waits where it asked, and goes on there."""
    return stage.graph({"before": None, "sub": inner(stage), "after": None}, "^>before>sub>after>$")


@scenario(stream(BIRDS), state(subgraphs=True), resume("yes"), stream(BIRDS), resume("again"), ran(), theirs=True)
def graph_node_called(stage: Stage) -> Any:
    """LangGraph's graph is called inside a node."""
    call = stage.calls("sub", inner(stage), lambda state: {"log": ["in"]}, lambda out: {"log": out["log"]})
    return stage.graph({"sub": call}, "^>sub>$")


@scenario(stream(BIRDS), resume("yes"), resume("again"), state(), ran(), theirs=True)
def graph_called_twice(stage: Stage) -> Any:
    """LangGraph's graph is called twice inside one node; the second has a namespace of its own."""
    graph = inner(stage)

    def node(state: Any) -> Any:
        stage.ran["sub"] += 1
        return {"log": [*graph.invoke({"log": []})["log"], *graph.invoke({"log": ["x"]})["log"]]}

    async def anode(state: Any) -> Any:
        stage.ran["sub"] += 1
        first = await graph.ainvoke({"log": []})
        return {"log": [*first["log"], *(await graph.ainvoke({"log": ["x"]}))["log"]]}

    return stage.graph({"sub": anode if stage.colour == "async" else node}, "^>sub>$")


@scenario(stream(BIRDS), state(), resume("yes"), stream(BIRDS), resume("again"), state(), ran(), theirs=True)
def graph_node_with_history(stage: Stage) -> Any:
    """LangGraph's graph keeps a history of its own per thread (``checkpointer=True``)."""
    return stage.graph({"sub": inner(stage, checkpointer=True)}, "^>sub>$")


@scenario(stream(BIRDS), resume("yes"), state(), stream(None, at=3), resume("no"), state(), ran(), theirs=True)
def graph_node_replayed(stage: Stage) -> Any:
    """The outer graph goes back to before the node, and LangGraph's graph starts over."""
    return stage.graph({"before": None, "sub": inner(stage), "after": None}, "^>before>sub>after>$")


@scenario(stream(BIRDS), state(subgraphs=True), resume("yes"), state(), ran(), theirs=True)
def graph_node_two_deep(stage: Stage) -> Any:
    """LangGraph's graph in a graph of the engine's own in the graph."""
    middle = stage.sub({"sub": inner(stage), "m": None}, "^>sub>m>$")
    return stage.graph({"middle": middle}, "^>middle>$")


@scenario(stream(BIRDS), state(), ran(), theirs=True)
def graph_node_fails(stage: Stage) -> Any:
    """A node of LangGraph's graph fails."""
    builder = StateGraph(Log)
    builder.add_node("bad", stage.fails("bad", times=9)).set_entry_point("bad")
    return stage.graph({"sub": builder.compile()}, "^>sub>$")


@scenario(stream(BIRDS), state(), stream(None), state(), ran(), theirs=True)
def graph_node_with_breakpoint(stage: Stage) -> Any:
    """LangGraph's graph stops before one of its nodes, and goes on with ``None``."""
    builder = StateGraph(Log)
    builder.add_node("one", stage.node("one")).add_node("two", stage.node("two"))
    sub = builder.set_entry_point("one").add_edge("one", "two").compile(interrupt_before=["two"])
    return stage.graph({"sub": sub, "after": None}, "^>sub>after>$")


@scenario(stream(BIRDS), state(), theirs=True)
def command_to_the_parent(stage: Stage) -> Any:
    """A node of LangGraph's graph steers the graph around it."""
    builder = StateGraph(Log)
    up = Command(graph=Command.PARENT, update={"log": ["up"]}, goto="target")
    builder.add_node("bad", stage.node("bad", lambda state: up)).set_entry_point("bad")
    return stage.graph({"sub": builder.compile(), "never": None, "target": None}, "^>sub>never target>$")


@scenario(stream(BIRDS, context={"user": "ann"}), state(), theirs=True)
def context_of_an_inner_graph(stage: Stage) -> Any:
    """LangGraph's graph has the context, the store and the writer of the graph around it."""

    def work(state: Any, runtime: Runtime[Ctx]) -> Any:
        runtime.stream_writer(runtime.context)
        assert runtime.store is not None
        return {"log": [runtime.context["user"], str(runtime.control is not None)]}

    sub = StateGraph(Log, context_schema=Ctx).add_node("work", work).set_entry_point("work").compile()
    builder = stage.builder({"sub": sub}, "^>sub>$", context_schema=Ctx)
    return builder.compile(checkpointer=stage.saver, store=InMemoryStore())


def _drains(stage: Stage, one: Any) -> Any:
    """Return a node that asks its run to stop, by the runtime it finds."""

    def work(state: Any) -> Any:
        control = one().control
        control.request_drain("deploy")
        return {"log": [f"asked {control.drain_reason}"]}

    return stage.node("drains", work)


@scenario(stream(BIRDS), state(), stream(None), state(), ran(), theirs=True)
def graph_node_drains(stage: Stage) -> Any:
    """A node of LangGraph's graph asks the whole run to stop between two supersteps."""
    builder = StateGraph(Log).add_node("drains", _drains(stage, get_runtime)).add_node("more", stage.node("more"))
    sub = builder.set_entry_point("drains").add_edge("drains", "more").compile()
    return stage.graph({"sub": sub, "after": None}, "^>sub>after>$")


@scenario(
    stream(BIRDS),
    update({"log": ["by hand"]}, within="sub"),
    state(subgraphs=True),
    state(within="sub"),
    history(within="sub"),
    resume("yes"),
    state(),
    theirs=True,
)
def graph_node_updated(stage: Stage) -> Any:
    """The state of LangGraph's graph is changed by hand while it waits."""
    return stage.graph({"sub": inner(stage), "after": None}, "^>sub>after>$")


@scenario(stream(BIRDS), state(subgraphs=True), answer({"2": "two", "3": "three"}), state(), ran(), theirs=True)
def graph_nodes_at_once(stage: Stage) -> Any:
    """Two tasks run LangGraph's graph at once, and wait for an answer each."""
    builder = stage.builder({"sub": inner(stage)}, "sub>$")
    packets = [stage.lib.Send("sub", {"log": ["x"] * n}) for n in (1, 2)]
    builder.add_conditional_edges(stage.lib.START, lambda state: packets, ["sub"])
    return builder.compile(checkpointer=stage.saver)


@scenario(stream(BIRDS), stream(BIRDS), state(), ran(), theirs=True)
def graph_with_a_thread_of_its_own(stage: Stage) -> Any:
    """LangGraph's graph is called on a thread of its own, with a saver of its own, and remembers."""
    builder = StateGraph(Log).add_node("first", stage.node("first")).set_entry_point("first")
    return _on_its_own(stage, stage, builder.compile(checkpointer=InMemorySaver()))


def _on_its_own(outer: Stage, stage: Stage, graph: Any) -> Any:
    config: Any = {"configurable": {"thread_id": "own"}}

    def node(state: Any) -> Any:
        return {"log": graph.invoke({"log": ["in"]}, config)["log"]}

    async def anode(state: Any) -> Any:
        return {"log": (await graph.ainvoke({"log": ["in"]}, config))["log"]}

    return outer.graph({"sub": anode if stage.colour == "async" else node}, "^>sub>$")


@scenario(stream(BIRDS, durability="exit"), saved(), resume("yes", durability="sync"), saved(), theirs=True)
def graph_node_saved_at_the_end(stage: Stage) -> Any:
    """LangGraph's graph is saved when the run around it is."""
    return stage.graph({"sub": inner(stage), "after": None}, "^>sub>after>$")


@scenario(stream(BIRDS), resume("yes"), state(), theirs=True)
def functional_api(stage: Stage) -> Any:
    """What LangGraph's functional API makes is a graph, too, and its tasks are its own."""

    @task
    def double(text: str) -> str:
        return text * 2

    def flow(state: Any) -> Any:
        return {"log": [double(interrupt("what?")).result()]}

    async def aflow(state: Any) -> Any:
        return {"log": [await double(interrupt("what?"))]}

    work: Any = aflow if stage.colour == "async" else flow
    work.__name__ = "flow"
    return stage.graph({"sub": entrypoint()(work), "after": None}, "^>sub>after>$")


@scenario(stream(BIRDS), command(resume="yes", update={"log": ["said"]}), state(), theirs=True)
def resumed_with_an_update(stage: Stage) -> Any:
    """The answer comes with an update of the state."""
    return stage.graph({"sub": inner(stage)}, "^>sub>$")


@pytest.mark.parametrize("case", SCENARIOS, ids=lambda case: case.name)
def test_pieces_in_our_graph(case: Scenario, colour: Colour) -> None:
    """A graph that holds LangGraph's pieces does the same, step by step, whichever engine runs it."""
    assert_same_play(oracle(case, colour), play(case, colour, OURS), racing=is_racing(case))


@pytest.mark.parametrize("case", [c for c in SCENARIOS if c.name not in AT_ONCE], ids=lambda case: case.name)
def test_events_of_pieces_in_our_graph(case: Scenario, colour: Colour) -> None:
    """The events are the same, too.

    Synchronous ones, which LangGraph has not, lack the chunks that nodes of its own graphs end with: in a synchronous
    run it shows them to nobody.
    """
    expected, actual = oracle(case, ASYNC, EVENTS), play(case, colour, OURS, view=EVENTS)
    if colour is SYNC and case.name in THEIRS:
        expected, actual = without_chunks(expected), without_chunks(actual)
    assert_same_play(expected, actual, EVENTS, racing=is_racing(case))


def test_graph_in_a_node_that_is_tried_again(colour: Colour) -> None:
    """LangGraph's graph goes on where it failed when its node is tried again.

    LangGraph tells it to, too, but lets it begin anew under another namespace: its count of graphs goes on.
    """
    stage = Stage(lib=OURS, colour=colour.name, saver=InMemorySaver())
    builder = StateGraph(Log).add_node("first", stage.node("first"))
    builder.add_node("bad", stage.fails("bad", times=1)).set_entry_point("first").add_edge("first", "bad")
    outer = stage.builder({}, "")
    outer.add_node("sub", builder.compile(), retry_policy=RetryPolicy(initial_interval=0.001, jitter=False))
    graph = outer.add_edge(stage.lib.START, "sub").compile(checkpointer=stage.saver)
    done = colour.invoke(graph, BIRDS, {"configurable": {"thread_id": "1"}})
    assert [done["log"], dict(stage.ran)] == [["birds", "birds", "first", "bad"], {"first": 1, "bad": 2}]


# our graphs as nodes of LangGraph's

HOSTED: list[Scenario] = []


def hosted(*steps: Step, **options: Any) -> Callable[[Callable[[Stage, Stage], Any]], Callable[[Stage, Stage], Any]]:
    """Add a graph of LangGraph's that has a graph of the stage's library in it, with its script."""

    def add(build: Callable[[Stage, Stage], Any]) -> Callable[[Stage, Stage], Any]:
        def built(stage: Stage) -> Any:
            return build(Stage(lib=LANGGRAPH, colour=stage.colour, saver=stage.saver, ran=stage.ran), stage)

        HOSTED.append(Scenario(name=build.__name__, build=built, steps=steps, **options))
        return build

    return add


def answered(value: Any, **options: Any) -> Step:
    """Stream LangGraph's ``Command(resume=value)``."""
    return stream(lambda stage: Command(resume=value), **options)


def asking(stage: Stage, **options: Any) -> Any:
    """Return a graph with a question in its middle."""
    ask = stage.node("ask", lambda state: {"log": [f"got {stage.lib.interrupt(str(len(state['log'])))}"]})
    return stage.sub({"first": None, "ask": ask, "last": None}, "^>first>ask>last>$", **options)


@hosted(stream(BIRDS), state(), answered("yes"), state(), history(), ran())
def our_graph_node(outer: Stage, stage: Stage) -> Any:
    """A node that waits where it asked, and goes on there."""
    return outer.graph({"before": None, "sub": asking(stage), "after": None}, "^>before>sub>after>$")


@hosted(stream(BIRDS), answered("yes"), stream(BIRDS), answered("again"), state(), ran())
def our_graph_called(outer: Stage, stage: Stage) -> Any:
    """A graph that is called inside a node."""
    call = outer.calls("sub", asking(stage), lambda state: {"log": ["in"]}, lambda out: {"log": out["log"]})
    return outer.graph({"sub": call}, "^>sub>$")


@hosted(stream(BIRDS), answered("yes"), answered("again"), state(), ran())
def our_graph_called_twice(outer: Stage, stage: Stage) -> Any:
    """A graph that is called twice inside one node."""
    graph = asking(stage)

    def node(state: Any) -> Any:
        return {"log": [*graph.invoke({"log": []})["log"], *graph.invoke({"log": ["x"]})["log"]]}

    async def anode(state: Any) -> Any:
        first = await graph.ainvoke({"log": []})
        return {"log": [*first["log"], *(await graph.ainvoke({"log": ["x"]}))["log"]]}

    return outer.graph({"sub": anode if stage.colour == "async" else node}, "^>sub>$")


@hosted(stream(BIRDS), answered("yes"), stream(BIRDS), answered("again"), state(), ran())
def our_graph_with_history(outer: Stage, stage: Stage) -> Any:
    """A graph that keeps a history of its own per thread."""
    return outer.graph({"sub": asking(stage, checkpointer=True)}, "^>sub>$")


@hosted(stream(BIRDS), answered("yes"), stream(None, at=3), answered("no"), state(), ran())
def our_graph_replayed(outer: Stage, stage: Stage) -> Any:
    """The outer graph goes back to before the node, and the graph in it starts over."""
    return outer.graph({"before": None, "sub": asking(stage), "after": None}, "^>before>sub>after>$")


@hosted(stream(BIRDS), answered("yes"), state(), ran())
def our_graph_two_deep(outer: Stage, stage: Stage) -> Any:
    """LangGraph's graph in a graph of ours in LangGraph's."""
    middle = stage.sub({"sub": inner(stage), "m": None}, "^>sub>m>$")
    return outer.graph({"middle": middle}, "^>middle>$")


@hosted(stream(BIRDS), state(), ran())
def our_graph_fails(outer: Stage, stage: Stage) -> Any:
    """A node of the inner graph fails."""
    return outer.graph({"sub": stage.sub({"bad": stage.fails("bad", times=9)}, "^>bad>$")}, "^>sub>$")


@hosted(stream(BIRDS), stream(None), state(), ran())
def our_graph_with_breakpoint(outer: Stage, stage: Stage) -> Any:
    """The inner graph stops before one of its nodes, and goes on with ``None``."""
    sub = stage.sub({"one": None, "two": None}, "^>one>two>$", interrupt_before=["two"])
    return outer.graph({"sub": sub, "after": None}, "^>sub>after>$")


@hosted(stream(BIRDS), state())
def our_command_to_the_parent(outer: Stage, stage: Stage) -> Any:
    """A node of the inner graph steers the graph around it."""
    up = stage.lib.Command(graph=stage.lib.Command.PARENT, update={"log": ["up"]}, goto="target")
    sub = stage.sub({"up": stage.node("up", lambda state: up)}, "^>up")
    return outer.graph({"sub": sub, "never": None, "target": None}, "^>sub>never target>$")


@hosted(stream(BIRDS), state(), stream(None), state(), ran())
def our_graph_drains(outer: Stage, stage: Stage) -> Any:
    """A node of the inner graph asks the whole run to stop between two supersteps."""
    drains = _drains(stage, stage.lib.get_runtime if stage.lib is OURS else get_runtime)
    sub = stage.sub({"drains": drains, "more": None}, "^>drains>more>$")
    return outer.graph({"sub": sub, "after": None}, "^>sub>after>$")


@hosted(stream(BIRDS), state(), history(), ran())
def our_graph_tried_again(outer: Stage, stage: Stage) -> Any:
    """The inner graph fails in a node that is tried again: it goes on where it failed."""
    sub = stage.sub({"first": None, "bad": stage.fails("bad", times=1)}, "^>first>bad>$")
    builder = outer.builder({}, "")
    builder.add_node("sub", sub, retry_policy=RetryPolicy(initial_interval=0.001, jitter=False))
    return builder.add_edge(outer.lib.START, "sub").compile(checkpointer=stage.saver)


@hosted(
    stream(BIRDS),
    update({"log": ["by hand"]}, within="sub"),
    state(subgraphs=True),
    state(within="sub"),
    history(within="sub"),
    answered("yes"),
    state(),
)
def our_graph_updated(outer: Stage, stage: Stage) -> Any:
    """The state of the inner graph is changed by hand while it waits."""
    return outer.graph({"sub": asking(stage), "after": None}, "^>sub>after>$")


@hosted(stream(BIRDS), stream(BIRDS), state(), ran())
def our_graph_with_a_thread_of_its_own(outer: Stage, stage: Stage) -> Any:
    """The inner graph is called on a thread of its own, with a saver of its own, and remembers."""
    return _on_its_own(outer, stage, stage.sub({"first": None}, "^>first>$", checkpointer=InMemorySaver()))


@hosted(stream(BIRDS, durability="exit"), saved(), answered("yes", durability="sync"), saved())
def our_graph_saved_at_the_end(outer: Stage, stage: Stage) -> Any:
    """The inner graph is saved when the run around it is."""
    return outer.graph({"sub": asking(stage), "after": None}, "^>sub>after>$")


@hosted(stream(BIRDS, context={"user": "ann"}), state())
def our_graph_in_a_context(outer: Stage, stage: Stage) -> Any:
    """The inner graph has the context, the store and the writer of the graph around it."""

    def work(state: Any, runtime: Any, store: BaseStore) -> Any:
        runtime.stream_writer(runtime.context)
        assert runtime.store is store is not None
        return {"log": [runtime.context["user"], str(runtime.control is not None)]}

    sub = stage.builder({}, "", context_schema=Ctx).add_node("work", work).set_entry_point("work").compile()
    builder = outer.builder({"sub": sub}, "^>sub>$", context_schema=Ctx)
    return builder.compile(checkpointer=stage.saver, store=InMemoryStore())


@hosted(stream(BIRDS, context={"user": "ann"}), answered("yes", context={"user": "bob"}), state())
def our_functions(outer: Stage, stage: Stage) -> Any:
    """Our functions find the surroundings of LangGraph's node."""
    lib = stage.lib
    runtime: Any = lib.get_runtime if lib is OURS else get_runtime

    def work(state: Any) -> Any:
        lib.get_stream_writer()({"hello": runtime().context["user"]})
        assert lib.get_store() is runtime().store is not None
        return {"log": [lib.interrupt("sure?"), str(lib.get_config()["configurable"]["thread_id"] is not None)]}

    builder = outer.builder({"a": outer.node("a", work)}, "^>a>$", context_schema=Ctx)
    return builder.compile(checkpointer=stage.saver, store=InMemoryStore())


@hosted(stream(calls(("ours", {"question": "sure?"}))), answered("yes"), state())
def our_functions_in_a_tool(outer: Stage, stage: Stage) -> Any:
    """Our functions find them in a tool of LangGraph's, too."""

    @tool
    def ours(question: str) -> str:
        """Ask a person."""
        stage.lib.get_stream_writer()(question)
        return str(stage.lib.interrupt(question))

    return outer.graph({"tools": ToolNode([ours], handle_tool_errors=True)}, "^>tools>$", Messages)


@pytest.mark.parametrize("case", HOSTED, ids=lambda case: case.name)
def test_our_graph_in_langgraphs(case: Scenario, colour: Colour) -> None:
    """A graph of LangGraph's that holds ours does the same, step by step, as one that is LangGraph's all through."""
    assert_same_play(oracle(case, colour), play(case, colour, OURS), racing=is_racing(case))


@pytest.mark.parametrize("case", HOSTED, ids=lambda case: case.name)
def test_events_of_our_graph_in_langgraphs(case: Scenario) -> None:
    """The events are the same, too."""
    expected = oracle(case, ASYNC, EVENTS)
    assert_same_play(expected, play(case, ASYNC, OURS, view=EVENTS), EVENTS, racing=is_racing(case))


@pytest.mark.slow
@pytest.mark.parametrize("case", [*SCENARIOS, *HOSTED], ids=lambda case: case.name)
def test_other_views(case: Scenario, colour: Colour) -> None:
    """Modes alone, without what graphs inside do, and the parts of version 2 show the same as well."""
    racing = is_racing(case)
    for view in [view for view in VIEWS if view.name in ("updates", "custom", "messages", "parts")]:
        if not (racing and view.version):  # parts of tasks that run at once have no order
            assert_same_play(oracle(case, colour, view), play(case, colour, OURS, view=view), view, racing=racing)


# what is refused


def _late(stage: Stage) -> Any:
    """Return a node that asks as if LangGraph had not been loaded when the node began."""

    def work(state: Any) -> Any:
        given = get_config()["configurable"]
        for key in [key for key in given if key.startswith("__pregel_")]:
            del given[key]
        return {"log": [interrupt("sure?")]}

    return stage.graph({"asks": stage.node("asks", work)}, "^>asks>$")


def test_langgraph_imported_in_the_middle_of_a_node(colour: Colour) -> None:
    """A node that imports LangGraph itself, for the first time, is told what to import instead."""
    stage = Stage(lib=OURS, colour=colour.name, saver=None)
    with pytest.raises(RuntimeError, match="from lcel_compat import interrupt"):
        colour.invoke(_late(stage), BIRDS)


@task
def doubled(value: int) -> int:
    """Return twice the value."""
    return 2 * value


def test_tasks_of_the_functional_api(colour: Colour) -> None:
    """A task of LangGraph's functional API is refused in a node, with what to do instead."""
    stage = Stage(lib=OURS, colour=colour.name, saver=None)
    graph = stage.graph({"a": stage.node("a", lambda state: {"log": [doubled(2)]})}, "^>a>$")
    with pytest.raises(RuntimeError, match="without @task"):
        colour.invoke(graph, BIRDS)


def test_an_error_without_words(colour: Colour) -> None:
    """What a node raises is looked at with care: an error need not say anything."""
    stage = Stage(lib=OURS, colour=colour.name, saver=None)

    def work(state: Any) -> Any:
        raise KeyError

    with pytest.raises(KeyError):
        colour.invoke(stage.graph({"a": stage.node("a", work)}, "^>a>$"), BIRDS)


def test_our_command_in_langgraphs_tools() -> None:
    """``ToolNode`` takes no ``Command`` but LangGraph's; its refusal of ours says what to import."""
    refusal = TypeError(f"Tool t returned unexpected type: {lcel_compat.Command}")
    with pytest.raises(TypeError, match=r"from langgraph\.types import Command"):
        raise converted(refusal)
    other = TypeError("something else")
    assert converted(other) is other
