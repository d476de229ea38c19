"""Scenarios of graphs in graphs: as nodes and called in nodes, side by side, in loops, with savers of their own."""

from __future__ import annotations

import operator
from typing import Annotated, Any, TypedDict

from tests.differential.scenarios.play import scenario
from tests.differential.scenarios.stage import Stage, says
from tests.differential.scenarios.steps import answer, history, invoke, ran, resume, saved, state, stream, update

BIRDS = {"log": ["birds"]}
FISH = {"log": ["fish"]}


class Other(TypedDict, total=False):
    """A subgraph's state that shares no key with ``Log``."""

    words: Annotated[list[str], operator.add]


class Half(TypedDict, total=False):
    """A subgraph's state that shares ``log`` with ``Log`` and has a key of its own."""

    log: Annotated[list[str], operator.add]
    secret: str


def _asking(stage: Stage, *questions: str, **options: Any) -> Any:
    return stage.sub({"x": None, "ask": stage.asks("ask", *questions)}, "^>x>ask>$", **options)


@scenario(stream(BIRDS), state(), history(), saved())
def one_deep(stage: Stage) -> Any:
    """A subgraph between two nodes, with its parent's saver."""
    inner = stage.sub({"x": None, "y": None}, "^>x>y>$")
    return stage.graph({"a": None, "sub": inner, "c": None}, "^>a>sub>c>$")


@scenario(stream(BIRDS), stream(FISH), history(), saved())
def two_runs_of_one_thread(stage: Stage) -> Any:
    """A second input on a finished thread: the subgraph begins anew."""
    inner = stage.sub({"x": None}, "^>x>$")
    return stage.graph({"sub": inner}, "^>sub>$")


@scenario(stream(BIRDS), state(subgraphs=True), resume("yes"), state(), saved())
def two_deep(stage: Stage) -> Any:
    """An interrupt in a subgraph of a subgraph."""
    middle = stage.sub({"m": None, "deep": _asking(stage, "really?")}, "^>m>deep>$")
    return stage.graph({"a": None, "mid": middle, "c": None}, "^>a>mid>c>$")


@scenario(stream(BIRDS), state(subgraphs=True), resume("one"), state(subgraphs=True), resume("two"), state(), ran())
def three_deep(stage: Stage) -> Any:
    """Two interrupts in turn, three levels down."""
    low = stage.sub({"low": _asking(stage, "first?", "second?")}, "^>low>$")
    middle = stage.sub({"mid": low, "after": None}, "^>mid>after>$")
    return stage.graph({"top": middle, "c": None}, "^>top>c>$")


@scenario(stream(BIRDS), state(subgraphs=True), history(), saved())
def private_key(stage: Stage) -> Any:
    """A subgraph with a key that its parent does not have."""
    inner = stage.sub({"x": lambda state: {"secret": "s", "log": ["x"]}, "y": None}, "^>x>y>$", Half)
    return stage.graph({"sub": inner, "c": None}, "^>sub>c>$")


@scenario(stream(BIRDS), state(), saved())
def called_in_node(stage: Stage) -> Any:
    """A subgraph of another state that a node calls: it has its parent's saver and a namespace."""
    inner = stage.sub({"x": lambda state: {"words": ["x"]}}, "^>x>$", Other)
    return stage.graph({"call": _words(stage, "call", inner), "c": None}, "^>call>c>$")


def _words(stage: Stage, name: str, graph: Any) -> Any:
    return stage.calls(name, graph, lambda state: {"words": state["log"]}, lambda found: {"log": found["words"][-1:]})


@scenario(stream(BIRDS), state(subgraphs=True), resume("go"), state(), ran(), saved())
def called_and_interrupted(stage: Stage) -> Any:
    """A subgraph that a node calls interrupts; the node starts again and the subgraph goes on."""
    inner = stage.sub(
        {"x": lambda state: {"words": ["x"]}, "ask": lambda state: {"words": [stage.lib.interrupt("which?")]}},
        "^>x>ask>$",
        Other,
    )
    return stage.graph({"call": _words(stage, "call", inner), "c": None}, "^>call>c>$")


@scenario(stream(BIRDS), state(subgraphs=True), resume("go"), state())
def called_two_deep(stage: Stage) -> Any:
    """A node calls a subgraph whose node calls another, which interrupts."""
    low = stage.sub({"ask": lambda state: {"words": [stage.lib.interrupt("deep?")]}}, "^>ask>$", Other)
    call = stage.calls("mid", low, lambda state: state, lambda found: {"words": ["mid"]})
    middle = stage.sub({"mid": call, "after": lambda state: {"words": ["after"]}}, "^>mid>after>$", Other)
    return stage.graph({"call": _words(stage, "call", middle), "c": None}, "^>call>c>$")


def _twice(stage: Stage, first: Any, second: Any) -> Any:
    """Return a node that calls two subgraphs, one after the other."""

    def node(state: Any) -> Any:
        stage.ran["twice"] += 1
        return {"log": [str(graph.invoke({"words": ["in"]})["words"]) for graph in (first, second)]}

    async def anode(state: Any) -> Any:
        stage.ran["twice"] += 1
        return {"log": [str((await graph.ainvoke({"words": ["in"]}))["words"]) for graph in (first, second)]}

    return anode if stage.colour == "async" else node


@scenario(stream(BIRDS), state(), saved())
def called_twice_in_a_node(stage: Stage) -> Any:
    """One node calls the same subgraph twice: the second call has a namespace with a number."""
    inner = stage.sub({"x": lambda state: {"words": ["x"]}}, "^>x>$", Other)
    return stage.graph({"twice": _twice(stage, inner, inner)}, "^>twice>$")


@scenario(stream(BIRDS), state(subgraphs=True), resume("one"), state(subgraphs=True), resume("two"), state(), ran())
def called_twice_and_interrupted(stage: Stage) -> Any:
    """Both calls interrupt, the second after the first was answered."""
    asking = [
        stage.sub({"ask": lambda state, q=q: {"words": [stage.lib.interrupt(q)]}}, "^>ask>$", Other)
        for q in ("first?", "second?")
    ]
    return stage.graph({"twice": _twice(stage, *asking)}, "^>twice>$")


@scenario(stream(BIRDS), state(subgraphs=True), saved())
def two_in_parallel(stage: Stage) -> Any:
    """Two subgraphs in one superstep."""
    left = stage.sub({"x": None, "y": None}, "^>x>y>$")
    right = stage.sub({"z": None}, "^>z>$")
    return stage.graph({"left": left, "right": right, "c": None}, "^>left>c>$ ^>right>c")


@scenario(stream(BIRDS), state(), saved())
def same_graph_as_two_nodes(stage: Stage) -> Any:
    """One compiled graph as two nodes, one after the other."""
    inner = stage.sub({"x": None}, "^>x>$")
    return stage.graph({"one": inner, "two": inner}, "^>one>two>$")


@scenario(stream({"log": []}), state(), history(), saved())
def in_a_loop(stage: Stage) -> Any:
    """A subgraph in a loop: a namespace for each turn."""
    inner = stage.sub({"x": None}, "^>x>$")
    return _loop(stage, inner, turns=3).compile(checkpointer=stage.saver)


def _loop(stage: Stage, inner: Any, *, turns: int) -> Any:
    builder = stage.builder({"sub": inner}, "^>sub")
    builder.add_conditional_edges("sub", lambda s: "sub" if len(s["log"]) < 2 * turns else stage.lib.END)
    return builder


@scenario(stream({"log": []}), resume("1"), state(subgraphs=True), resume("2"), resume("3"), state(), history(), ran())
def interrupts_in_a_loop(stage: Stage) -> Any:
    """A subgraph in a loop interrupts in each turn."""
    return _loop(stage, stage.sub({"ask": stage.asks("ask", "again?")}, "^>ask>$"), turns=2).compile(
        checkpointer=stage.saver
    )


def _fan(stage: Stage, target: Any, items: str = "pqr") -> Any:
    builder = stage.builder({"start": None, "each": target, "end": None}, "^>start each>end>$")
    send = stage.lib.Send
    builder.add_conditional_edges("start", lambda s: [send("each", {"log": [], "secret": i}) for i in items], ["each"])
    return builder.compile(checkpointer=stage.saver)


@scenario(stream(BIRDS), state(), saved())
def sent_to(stage: Stage) -> Any:
    """Three packets to one subgraph: three namespaces in one superstep."""
    inner = stage.sub({"x": lambda state: {"log": [f"x of {state['secret']}"]}}, "^>x>$", Half)
    return _fan(stage, inner)


@scenario(stream(BIRDS), state(subgraphs=True), answer({"p?": 1, "r?": 3}), answer({"q?": 2}), state(), ran(), saved())
def sent_to_and_interrupted(stage: Stage) -> Any:
    """Packets to a subgraph that interrupts: as many interrupts wait, and are answered two first, one later."""
    inner = stage.sub({"x": lambda state: {"log": [stage.lib.interrupt(f"{state['secret']}?")]}}, "^>x>$", Half)
    return _fan(stage, inner)


@scenario(stream(BIRDS), state(subgraphs=True), history(), saved())
def without_a_saver(stage: Stage) -> Any:
    """``checkpointer=False``: nothing of the subgraph is saved."""
    inner = stage.sub({"x": None, "y": None}, "^>x>y>$", checkpointer=False)
    return stage.graph({"sub": inner, "c": None}, "^>sub>c>$")


@scenario(stream(BIRDS), state(), resume("yes"), state(), saved())
def without_a_saver_interrupted(stage: Stage) -> Any:
    """``checkpointer=False`` and an interrupt: the subgraph starts again."""
    inner = _asking(stage, "which?", checkpointer=False)
    return stage.graph({"sub": inner, "c": None}, "^>sub>c>$")


@scenario(
    stream(BIRDS, durability="sync"),
    state(),
    differs="LangGraph waits for a checkpoint that such a subgraph never saves: AttributeError (main.py, 3105)",
)
def unsaved_and_durable(stage: Stage) -> Any:
    """``checkpointer=False`` in a run with ``durability="sync"``."""
    inner = stage.sub({"x": None, "y": None}, "^>x>y>$", checkpointer=False)
    return stage.graph({"sub": inner, "c": None}, "^>sub>c>$")


@scenario(stream(BIRDS), state(subgraphs=True), resume("yes"), stream(FISH), state(), saved())
def saved_below_the_unsaved(stage: Stage) -> Any:
    """Graphs inside one with ``checkpointer=False`` are saved by the graph further out."""
    low = stage.sub({"x": None, "ask": stage.asks("ask", "which?")}, "^>x>ask>$")
    lasting = stage.sub({"z": None}, "^>z>$", checkpointer=True)
    middle = stage.sub({"lasting": lasting, "low": low}, "^>lasting>low>$", checkpointer=False)
    return stage.graph({"mid": middle, "c": None}, "^>mid>c>$")


@scenario(stream(BIRDS), stream(FISH), stream(BIRDS), state(), saved())
def with_its_own_memory(stage: Stage) -> Any:
    """``checkpointer=True``: the subgraph's state lasts from run to run."""
    inner = stage.sub({"x": None}, "^>x>$", checkpointer=True)
    return stage.graph({"sub": inner, "c": None}, "^>sub>c>$")


@scenario(stream(BIRDS), state(subgraphs=True), resume("yes"), stream(FISH), resume("no"), state(), saved())
def with_its_own_memory_interrupted(stage: Stage) -> Any:
    """``checkpointer=True`` and an interrupt in each of two runs."""
    inner = _asking(stage, "which?", checkpointer=True)
    return stage.graph({"sub": inner, "c": None}, "^>sub>c>$")


@scenario(stream(BIRDS), state(), saved())
def of_its_own_saver(stage: Stage) -> Any:
    """A subgraph compiled with a saver of its own, called with a thread of its own."""
    from langgraph.checkpoint.memory import InMemorySaver

    inner = stage.sub({"x": lambda state: {"words": ["x"]}}, "^>x>$", Other, checkpointer=InMemorySaver())
    return stage.graph({"call": _words(stage, "call", inner), "c": None}, "^>call>c>$")


@scenario(stream(BIRDS), state(subgraphs=True), stream(None), state(subgraphs=True), stream(None), state(), saved())
def stops_before_and_after_inside(stage: Stage) -> Any:
    """``interrupt_before`` and ``interrupt_after`` compiled into the subgraph."""
    inner = stage.sub({"x": None, "y": None}, "^>x>y>$", interrupt_before=["y"], interrupt_after=["y"])
    return stage.graph({"a": None, "sub": inner, "c": None}, "^>a>sub>c>$")


@scenario(
    stream(BIRDS),
    state(subgraphs=True),
    update({"log": ["by hand"]}, within="sub"),
    state(subgraphs=True),
    stream(None),
    state(),
    saved(),
)
def updated_inside(stage: Stage) -> Any:
    """The subgraph's state is updated while it waits."""
    inner = stage.sub({"x": None, "y": None}, "^>x>y>$", interrupt_before=["y"])
    return stage.graph({"a": None, "sub": inner, "c": None}, "^>a>sub>c>$")


@scenario(stream(BIRDS), update({"log": ["as x"]}, "x", within="sub"), stream(None), state(), ran())
def updated_inside_as_node(stage: Stage) -> Any:
    """The subgraph's state is updated as if one of its nodes had written."""
    inner = stage.sub({"x": None, "y": None}, "^>x>y>$", interrupt_before=["x"])
    return stage.graph({"a": None, "sub": inner, "c": None}, "^>a>sub>c>$")


@scenario(stream(BIRDS), history(within="sub"), state(within="sub"), state(within="sub", subgraphs=True))
def history_inside(stage: Stage) -> Any:
    """A waiting subgraph has a history of its own."""
    inner = stage.sub({"x": None, "y": None}, "^>x>y>$", interrupt_before=["y"])
    return stage.graph({"a": None, "sub": inner}, "^>a>sub>$")


@scenario(stream(BIRDS), state(within="mid/low"), update({"log": ["deep"]}, within="mid/low"), stream(None), state())
def updated_two_deep(stage: Stage) -> Any:
    """The state of a subgraph's subgraph is updated while it waits."""
    low = stage.sub({"x": None, "y": None}, "^>x>y>$", interrupt_before=["y"])
    middle = stage.sub({"low": low, "m": None}, "^>low>m>$")
    return stage.graph({"mid": middle}, "^>mid>$")


def _leaves(stage: Stage, **fields: Any) -> Any:
    command = stage.lib.Command
    return stage.node("x", lambda state: command(graph=command.PARENT, **fields))


@scenario(stream(BIRDS), state(), history(), saved())
def to_the_parent(stage: Stage) -> Any:
    """``Command(graph=PARENT)``: a node of the subgraph updates the parent and says where to go there."""
    inner = stage.sub({"x": _leaves(stage, update={"log": ["from below"]}, goto="c"), "y": None}, "^>x>y>$")
    return stage.graph({"a": None, "sub": inner, "c": None, "d": None}, "^>a>sub c>$ d>$")


@scenario(stream(BIRDS), state(), history())
def to_the_parent_by_send(stage: Stage) -> Any:
    """``Command(graph=PARENT)`` with packets for the parent's node."""
    send = stage.lib.Send
    goto = [send("each", {"topic": "p"}), send("each", {"topic": "q"})]
    inner = stage.sub({"x": _leaves(stage, goto=goto)}, "^>x>$")
    each = stage.node("each", lambda state: {"log": [f"each {state['topic']}"]})
    return stage.graph({"sub": inner, "each": each}, "^>sub each>$")


@scenario(stream(BIRDS), state(), saved())
def to_the_parent_from_two_deep(stage: Stage) -> Any:
    """``PARENT`` is the next graph up, not the root."""
    low = stage.sub({"x": _leaves(stage, update={"log": ["up"]}, goto="n")}, "^>x>$")
    middle = stage.sub({"low": low, "n": None}, "^>low n>$")
    return stage.graph({"mid": middle, "c": None}, "^>mid>c>$")


@scenario(stream(BIRDS), resume("go"), state(), saved())
def to_the_parent_after_an_interrupt(stage: Stage) -> Any:
    """A subgraph leaves for its parent once its interrupt is answered."""
    command = stage.lib.Command
    leave = stage.node(
        "x", lambda state: command(graph=command.PARENT, update={"log": [stage.lib.interrupt("leave?")]}, goto="c")
    )
    inner = stage.sub({"w": None, "x": leave}, "^>w>x>$")
    return stage.graph({"sub": inner, "c": None}, "^>sub c>$")


@scenario(stream(BIRDS), state(), stream(None), state(), ran(), saved())
def fails_inside(stage: Stage) -> Any:
    """A node of a subgraph fails; the run is continued, and what was finished inside is not run again."""
    inner = stage.sub({"x": None, "bad": stage.fails("bad"), "y": None}, "^>x>bad>y>$")
    return stage.graph({"a": None, "sub": inner, "c": None}, "^>a>sub>c>$")


@scenario(stream(BIRDS), stream(None), state(), ran())
def fails_in_a_call(stage: Stage) -> Any:
    """A node of a called subgraph fails; when the caller runs again the subgraph continues."""
    inner = stage.sub({"x": None, "bad": stage.fails("bad")}, "^>x>bad>$")
    call = stage.calls("call", inner, lambda state: {"log": ["in"]}, lambda found: {"log": found["log"][1:]})
    return stage.graph({"call": call, "c": None}, "^>call>c>$")


@scenario(invoke(BIRDS), state(), invoke(None), state(), ran())
def invoked(stage: Stage) -> Any:
    """``invoke`` on a graph whose subgraph stops: what it returns."""
    inner = stage.sub({"x": None, "y": None}, "^>x>y>$", interrupt_before=["y"])
    return stage.graph({"sub": inner, "c": None}, "^>sub>c>$")


@scenario(stream(BIRDS), state(subgraphs=True), resume("yes"), state(), saved())
def fan_in_a_subgraph(stage: Stage) -> Any:
    """A diamond inside a subgraph, one branch of which interrupts."""
    inner = stage.sub({"x": None, "l": None, "r": stage.asks("r", "right?"), "j": None}, "^>x>l>j>$ x>r>j")
    return stage.graph({"sub": inner, "c": None}, "^>sub>c>$")


@scenario(stream(BIRDS), state(), saved())
def writer_inside(stage: Stage) -> Any:
    """What a subgraph's node writes to the ``custom`` stream has the subgraph's namespace."""

    def speak(state: Any) -> Any:
        stage.lib.get_stream_writer()({"node": "x", "n": 1})
        return {"log": ["x"]}

    inner = stage.sub({"x": speak if stage.colour == "sync" else stage.node("x", speak)}, "^>x>$")
    return stage.graph({"sub": inner, "c": says("c")}, "^>sub>c>$")
