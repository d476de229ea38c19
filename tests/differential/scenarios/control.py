"""Scenarios of control flow and of state: commands, packets, deferred nodes, Overwrite, schemas, outputs."""

from __future__ import annotations

import operator
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, TypedDict

from langchain_core.messages import AIMessage, HumanMessage, RemoveMessage
from pydantic import BaseModel

from tests.differential.scenarios.play import scenario
from tests.differential.scenarios.stage import Log, Stage, says
from tests.differential.scenarios.steps import history, invoke, ran, resume, saved, state, stream, update
from tests.support.models import StreamingChat

BIRDS = {"log": ["birds"]}


def _routes(stage: Stage, name: str, **fields: Any) -> Any:
    return stage.node(name, lambda state: stage.lib.Command(**fields))


@scenario(stream(BIRDS), state(), history(), saved())
def goto(stage: Stage) -> Any:
    """A node that says where to go next."""
    builder = stage.builder({"c": None, "d": None}, "c>$ d>$")
    builder.add_node("a", _routes(stage, "a", update={"log": ["a"]}, goto="c"), destinations=("c", "d"))
    builder.add_edge(stage.lib.START, "a")
    return builder.compile(checkpointer=stage.saver)


@scenario(stream(BIRDS), state(), resume("yes"), state(), saved())
def goto_after_a_question(stage: Stage) -> Any:
    """A node asks, and goes where the answer says."""

    def work(state: Any) -> Any:
        reply = stage.lib.interrupt("where?")
        return stage.lib.Command(update={"log": [reply]}, goto="c" if reply == "yes" else "d")

    return stage.graph({"ask": stage.node("ask", work), "c": None, "d": None}, "^>ask c>$ d>$")


@scenario(stream(BIRDS), state(), history(), saved())
def goto_packets(stage: Stage) -> Any:
    """A node that goes to a packet and to a node at once."""
    send = stage.lib.Send("each", {"topic": "p"})
    each = stage.node("each", lambda state: {"log": [f"each {state['topic']}"]})
    return stage.graph({"a": _routes(stage, "a", goto=[send, "c"]), "each": each, "c": None}, "^>a each>$ c>$")


@scenario(stream(BIRDS), state(), stream(None), state(), history(), saved())
def packets_pending(stage: Stage) -> Any:
    """A stop with packets under way: they are in the checkpoint."""
    each = stage.node("each", lambda state: {"log": [f"each {state['topic']}"]})
    builder = stage.builder({"start": None, "each": each, "end": None}, "^>start each>end>$")
    packets = [stage.lib.Send("each", {"topic": topic}) for topic in "pq"]
    builder.add_conditional_edges("start", lambda state: packets, ["each"])
    return builder.compile(checkpointer=stage.saver, interrupt_before=["each"])


@scenario(stream(BIRDS), state(), stream(None), state(), saved())
def packets_of_packets(stage: Stage) -> Any:
    """A packet's task sends packets, with a stop between."""
    send = stage.lib.Send
    builder = stage.builder({"start": None, "end": None}, "^>start end>$")
    first = stage.node(
        "first",
        lambda s: stage.lib.Command(
            update={"log": [s["topic"]]}, goto=[send("second", {"topic": s["topic"] + n}) for n in "12"]
        ),
    )
    builder.add_node("first", first)
    builder.add_node("second", stage.node("second", lambda s: {"log": [s["topic"]]}))
    builder.add_conditional_edges("start", lambda state: [send("first", {"topic": topic}) for topic in "pq"], ["first"])
    builder.add_edge("second", "end")
    return builder.compile(checkpointer=stage.saver, interrupt_before=["second"])


def _deferred(stage: Stage, **options: Any) -> Any:
    builder = stage.builder({"a": None, "b": None, "b2": None, "c": None}, "^>a ^>b>b2")
    builder.add_node("last", stage.node("last"), defer=True)
    builder.add_edge("a", "last")
    builder.add_edge("b2", "last")
    builder.add_edge("last", "c")
    return builder.compile(checkpointer=stage.saver, **options)


@scenario(stream(BIRDS), state(), history(), saved())
def deferred(stage: Stage) -> Any:
    """A deferred node waits until nothing else is left."""
    return _deferred(stage)


@scenario(stream(BIRDS), state(), stream(None), state(), saved())
def deferred_and_stopped(stage: Stage) -> Any:
    """A stop before a deferred node."""
    return _deferred(stage, interrupt_before=["last"])


@scenario(stream(BIRDS), state(), stream(None), state(), ran())
def deferred_stopped_on_the_way(stage: Stage) -> Any:
    """A stop while a deferred node waits for its time."""
    return _deferred(stage, interrupt_before=["b2"])


@scenario(stream(BIRDS), state(), stream(None), state(), history(), saved())
def joined(stage: Stage) -> Any:
    """A stop before one of two nodes that a third waits for."""
    builder = stage.builder({"a": None, "b": None, "b2": None, "c": None}, "^>a ^>b>b2 c>$")
    builder.add_edge(["a", "b2"], "c")
    return builder.compile(checkpointer=stage.saver, interrupt_before=["b2"])


@scenario(stream(BIRDS), state(), update(lambda s: {"log": s.lib.Overwrite(["new"])}), state(), stream(None), saved())
def overwritten(stage: Stage) -> Any:
    """``Overwrite`` from a node and in an update passes the reducer by."""
    clean = stage.node("clean", lambda state: {"log": stage.lib.Overwrite(["clean"])})
    return stage.graph({"a": None, "clean": clean, "c": None}, "^>a>clean>c>$", interrupt_after=["clean"])


@scenario(stream(lambda stage: {"log": stage.lib.Overwrite(["in"])}), stream(BIRDS), state())
def overwritten_by_input(stage: Stage) -> Any:
    """``Overwrite`` as input."""
    return stage.graph({"a": None}, "^>a>$")


@scenario(stream(BIRDS), state(), saved())
def overwritten_twice(stage: Stage) -> Any:
    """Two ``Overwrite`` of one key in one superstep are an error."""
    over = stage.lib.Overwrite
    nodes = {"l": stage.node("l", lambda s: {"log": over(["l"])}), "r": stage.node("r", lambda s: {"log": over(["r"])})}
    return stage.graph(nodes, "^>l>$ ^>r>$")


def _larger(old: int, new: int) -> int:
    return max(old, new)


class Counts(TypedDict, total=False):
    """Reducers: a sum, the larger, a merged dict."""

    total: Annotated[int, operator.add]
    largest: Annotated[int, _larger]
    merged: Annotated[dict[str, int], operator.or_]


@scenario(stream({"total": 1, "largest": 3}), state(), stream({"total": 5, "merged": {"z": 1}}), state(), saved())
def reducers(stage: Stage) -> Any:
    """Reducers over two runs of a thread."""
    nodes = {
        "l": lambda state: {"total": 2, "largest": 7, "merged": {"l": 1}},
        "r": lambda state: {"total": 3, "largest": 5, "merged": {"r": 2}},
    }
    return stage.graph(nodes, "^>l>$ ^>r>$", Counts)


class Model(BaseModel):
    """A state of pydantic's."""

    log: Annotated[list[str], operator.add] = []
    topic: str = "none"


@scenario(stream({"log": ["in"], "topic": "t"}), state(), stream(None), state(), invoke({"log": ["two"]}), saved())
def pydantic_state(stage: Stage) -> Any:
    """A pydantic state, stopped and continued: nodes see instances."""
    seen = stage.node("a", lambda state: {"log": [f"{type(state).__name__} {state.topic}"]})
    return stage.graph({"a": seen, "b": None}, "^>a>b>$", Model, interrupt_before=["b"])


@scenario(
    stream({"topic": 5}),
    state(),
    stream({"log": ["in"]}),
    state(),
    differs="What was streamed before the refusal is handed out (migration_guide/differences.md, D5)",
)
def pydantic_refuses(stage: Stage) -> Any:
    """A pydantic state refuses an input; the thread is usable afterwards."""
    return stage.graph({"a": None}, "^>a>$", Model)


@dataclass
class Record:
    """A state that is a dataclass."""

    log: Annotated[list[str], operator.add] = field(default_factory=list)
    topic: str = "none"


@scenario(stream({"log": ["in"]}), state(), stream(None), state(), invoke({"log": ["two"]}), saved())
def dataclass_state(stage: Stage) -> Any:
    """A dataclass state, stopped and continued."""
    seen = stage.node("a", lambda state: {"log": [f"{type(state).__name__} {state.topic}"]})
    return stage.graph({"a": seen, "b": None}, "^>a>b>$", Record, interrupt_before=["b"])


class In(TypedDict):
    """What a graph takes."""

    topic: str


class Out(TypedDict):
    """What a graph gives."""

    log: Annotated[list[str], operator.add]


@scenario(stream({"topic": "t"}), state(), stream(None), state(), invoke({"topic": "u"}), saved())
def other_input_and_output(stage: Stage) -> Any:
    """Input and output schemas: the state holds all keys, the streams the output's."""
    builder = stage.builder({"a": None, "b": None}, "^>a>b>$", Log, input_schema=In, output_schema=Out)
    return builder.compile(checkpointer=stage.saver, interrupt_before=["b"])


@scenario(
    stream(BIRDS, output_keys=["topic"]),
    stream(None, output_keys="log"),
    invoke({"log": ["x"]}, output_keys="topic"),
    invoke(None, output_keys=["log"]),
    state(),
)
def output_keys(stage: Stage) -> Any:
    """``output_keys``: a key or a list of keys, in streams and in ``invoke``."""
    nodes = {"a": lambda state: {"topic": "set", "log": ["a"]}, "b": None}
    return stage.graph(nodes, "^>a>b>$", interrupt_before=["b"])


@scenario(stream(BIRDS, output_keys="log"), resume("yes", output_keys="log"), stream(BIRDS, output_keys=["topic"]))
def output_keys_with_a_question(stage: Stage) -> Any:
    """``output_keys`` and an interrupt: how it shows without a state to put it in."""
    return stage.graph({"a": None, "ask": stage.asks("ask", "which?")}, "^>a>ask>$")


@scenario(
    invoke(BIRDS, version="v2"),
    invoke(lambda stage: stage.lib.Command(resume="yes"), version="v2"),
    invoke({"log": ["x"]}, stream_mode="updates"),
    invoke(lambda stage: stage.lib.Command(resume="yes"), stream_mode=["updates", "values"], version="v2"),
)
def invoked_in_versions(stage: Stage) -> Any:
    """``invoke(version="v2")`` and ``invoke(stream_mode=...)`` with an interrupt."""
    return stage.graph({"a": None, "ask": stage.asks("ask", "which?")}, "^>a>ask>$")


class Chat(TypedDict, total=False):
    """Messages with the library's reducer; made for each library in ``_chat``."""

    messages: list[Any]


def _chat(stage: Stage) -> Any:
    return TypedDict("Chat", {"messages": Annotated[list[Any], stage.lib.add_messages]})  # type: ignore[operator]


@scenario(
    stream({"messages": [HumanMessage("hello", id="h1")]}),
    stream({"messages": [HumanMessage("again", id="h2")]}),
    state(),
    update({"messages": [RemoveMessage(id="h1")]}, "chat"),
    state(),
    saved(),
)
def messages(stage: Stage) -> Any:
    """A conversation over two runs, with a message removed by hand."""
    model = StreamingChat(text="I speak.")

    def work(state: Any) -> Any:
        return {"messages": [model.invoke(state["messages"])]}

    async def awork(state: Any) -> Any:
        return {"messages": [await model.ainvoke(state["messages"])]}

    return stage.graph({"chat": awork if stage.colour == "async" else work}, "^>chat>$", _chat(stage))


@scenario(stream(lambda stage: {"messages": [HumanMessage("hello")]}), state(), resume("fine"), state())
def messages_without_ids(stage: Stage) -> Any:
    """Messages get their ids once, and keep them through a question.

    What is saved of the input is not looked at: a message there has its id or not, as threads race.
    """
    ask = stage.node("ask", lambda state: {"messages": [AIMessage(stage.lib.interrupt("how?"))]})
    return stage.graph({"ask": ask}, "^>ask>$", _chat(stage))


@scenario(stream("text"), state(), stream(None), state(), saved())
def root_state(stage: Stage) -> Any:
    """A state that is no mapping."""
    nodes = {"a": stage.node("a", lambda state: state + "a"), "b": stage.node("b", lambda state: state + "b")}
    return stage.graph(nodes, "^>a>b>$", str, interrupt_before=["b"])


@scenario(stream(BIRDS), state(), stream(BIRDS), state(), history(), saved())
def routed(stage: Stage) -> Any:
    """A conditional edge on a thread that runs twice."""
    builder = stage.builder({"a": None, "b": None, "c": None}, "^>a b>$ c>$")
    builder.add_conditional_edges("a", _b_then_c)
    return builder.compile(checkpointer=stage.saver)


def _b_then_c(state: Any) -> Literal["b", "c"]:
    return "b" if len(state["log"]) < 3 else "c"


@scenario(stream(BIRDS), state(), saved())
def writes_nothing(stage: Stage) -> Any:
    """A node that returns ``None``, and one that returns an empty update."""
    nodes = {"a": stage.node("a", lambda state: None), "b": stage.node("b", lambda state: {}), "c": says("c")}
    return stage.graph(nodes, "^>a>b>c>$")


@scenario(
    stream(BIRDS, extra={"metadata": {"team": "desk"}, "tags": ["t"], "run_name": "first"}),
    state(),
    history(filter={"team": "desk"}),
    saved(),
)
def with_metadata(stage: Stage) -> Any:
    """The config's metadata is saved with the checkpoints and is what a history is filtered by."""
    return stage.graph({"a": None, "b": None}, "^>a>b>$")


@scenario(stream(BIRDS), state(), saved())
def sync_functions(stage: Stage) -> Any:
    """Plain functions in either colour."""
    return stage.graph({"a": _plain, "b": _plain_too}, "^>a>b>$")


def _plain(state: Any) -> dict[str, list[str]]:
    return {"log": ["plain"]}


def _plain_too(state: Any) -> dict[str, list[str]]:
    return {"log": ["plain, too"]}
