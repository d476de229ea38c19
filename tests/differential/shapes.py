"""Rows of the table that vary the topology: edges, joins, routes, loops, sends, commands."""

from __future__ import annotations

import asyncio
import operator
import time
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, NotRequired

from pydantic import BaseModel
from typing_extensions import TypedDict

from tests.differential.cases import Log, awaits, case, logged, says, single
from tests.support.engines import Library

START_LOG = {"log": ["input"]}


@case(START_LOG)
def line(lib: Library) -> Any:
    """Three nodes in a row."""
    return logged(lib, "abc", "^a ab bc c$").compile()


@case(START_LOG)
def named(lib: Library) -> Any:
    """A graph with a name of its own."""
    return logged(lib, "ab", "^a ab b$").compile(name="desk")


@case(START_LOG)
def finish_points(lib: Library) -> Any:
    """Entry and finish points in place of edges from START and to END."""
    builder = logged(lib, "ab", "ab")
    builder.set_entry_point("a")
    builder.set_finish_point("b")
    return builder.compile()


@case(START_LOG, only="async")
def async_line(lib: Library) -> Any:
    """Async nodes in a row."""
    builder = lib.StateGraph(Log)
    builder.add_sequence([("a", awaits("a")), ("b", awaits("b"))])
    builder.add_edge(lib.START, "a")
    return builder.compile()


@case(START_LOG)
def sequence(lib: Library) -> Any:
    """``add_sequence`` with functions named after themselves and with named ones."""
    builder = lib.StateGraph(Log)
    builder.add_sequence([_first, ("second", says("second")), _third])
    builder.add_edge(lib.START, "_first")
    return builder.compile()


def _first(state: Log) -> dict[str, list[str]]:
    return {"log": ["first"]}


def _third(state: Log) -> dict[str, list[str]]:
    return {"log": [f"third after {len(state['log'])}"]}


@case(START_LOG)
def diamond(lib: Library) -> Any:
    """Two branches between one start and one end; the end runs once."""
    return logged(lib, "abcd", "^a ab ac bd cd d$").compile()


@case(START_LOG)
def uneven(lib: Library) -> Any:
    """Branches of unequal length: without a join, the end runs twice."""
    return logged(lib, "abcde", "^a ab ac cd be de").compile()


@case(START_LOG)
def fan(lib: Library) -> Any:
    """START fans out to six nodes that a reducer brings together."""
    return logged(lib, "abcdefz", " ".join(f"^{n} {n}z" for n in "abcdef")).compile()


@case(START_LOG)
def join(lib: Library) -> Any:
    """A join waits for branches of unequal length and runs once."""
    builder = logged(lib, "abcde", "^a ab ac cd e$")
    builder.add_edge(["b", "d"], "e")
    return builder.compile()


@case(START_LOG)
def slow_and_fast(lib: Library) -> Any:
    """Parallel branches that finish in the opposite order of their start."""

    def slow(state: Log) -> dict[str, list[str]]:
        time.sleep(0.02)
        return {"log": ["slow"]}

    builder = logged(lib, "bz", "^b bz z$")
    builder.add_node("a", slow)
    builder.add_edge(lib.START, "a")
    builder.add_edge("a", "z")
    return builder.compile()


@case(START_LOG, only="async")
def slow_and_fast_async(lib: Library) -> Any:
    """Parallel async branches that finish in the opposite order of their start."""

    async def slow(state: Log) -> dict[str, list[str]]:
        await asyncio.sleep(0.02)
        return {"log": ["slow"]}

    builder = logged(lib, "bz", "^b bz z$")
    builder.add_node("a", slow)
    builder.add_edge(lib.START, "a")
    builder.add_edge("a", "z")
    return builder.compile()


@case(START_LOG, config={"max_concurrency": 2})
def two_at_a_time(lib: Library) -> Any:
    """Six parallel nodes of which two may run at a time."""
    return logged(lib, "abcdef", " ".join(f"^{n}" for n in "abcdef")).compile()


@case(START_LOG)
def dead_end(lib: Library) -> Any:
    """A node without an outgoing edge ends its branch."""
    return logged(lib, "abc", "^a ab ac").compile()


def _by_length(state: Log) -> str:
    return "long" if len(state["log"]) > 1 else "short"


@case(START_LOG)
def path_map(lib: Library) -> Any:
    """A conditional edge whose answers a dict maps to nodes."""
    builder = logged(lib, "abc", "^a b$ c$")
    builder.add_conditional_edges("a", _by_length, {"long": "b", "short": "c"})
    return builder.compile()


@case(START_LOG)
def path_list(lib: Library) -> Any:
    """A conditional edge whose possible targets a list names."""
    builder = logged(lib, "abc", "^a b$ c$")
    builder.add_conditional_edges("a", lambda state: "c", ["b", "c"])
    return builder.compile()


@case(START_LOG)
def path_names(lib: Library) -> Any:
    """A conditional edge without a map answers with node names."""
    builder = logged(lib, "abc", "^a")
    builder.add_conditional_edges("a", lambda state: "b")
    return builder.compile()


def _either(state: Log) -> Literal["b", "c"]:
    return "b" if state["log"][-1] == "a" else "c"


@case(START_LOG)
def path_literal(lib: Library) -> Any:
    """A conditional edge whose ``Literal`` annotation names the targets."""
    builder = logged(lib, "abc", "^a bc c$")
    builder.add_conditional_edges("a", _either)
    return builder.compile()


@case(START_LOG)
def path_many(lib: Library) -> Any:
    """A conditional edge that answers with a list of nodes."""
    builder = logged(lib, "abcd", "^a bd cd")
    builder.add_conditional_edges("a", lambda state: ["c", "b"], ["b", "c"])
    return builder.compile()


@case(START_LOG)
def path_to_end(lib: Library) -> Any:
    """A conditional edge that answers with END."""
    builder = logged(lib, "ab", "^a")
    builder.add_conditional_edges("a", lambda state: lib.END, {lib.END: lib.END, "go": "b"})
    return builder.compile()


@case(START_LOG)
def two_paths(lib: Library) -> Any:
    """Two conditional edges from one node, both followed."""
    builder = logged(lib, "abc", "^a")
    builder.add_conditional_edges("a", _by_length, {"long": "b", "short": lib.END})
    builder.add_conditional_edges("a", _either, {"b": "c", "c": lib.END})
    return builder.compile()


async def _aroute(state: Log) -> str:
    return "b"


@case(START_LOG, only="async")
def async_path(lib: Library) -> Any:
    """A conditional edge decided by an async function."""
    builder = logged(lib, "abc", "^a b$ c$")
    builder.add_conditional_edges("a", _aroute, ["b", "c"])
    return builder.compile()


@case(START_LOG)
def conditional_entry(lib: Library) -> Any:
    """A conditional entry point chooses the first node from the input."""
    builder = logged(lib, "ab", "a$ b$")
    builder.set_conditional_entry_point(lambda state: "b" if state["log"] else "a")
    return builder.compile()


@case(START_LOG)
def loop(lib: Library) -> Any:
    """A loop of two nodes that a counter ends."""
    builder = logged(lib, "ab", "^a ab")
    builder.add_conditional_edges("b", lambda s: lib.END if len(s["log"]) > 6 else "a")
    return builder.compile()


@case(START_LOG)
def self_loop(lib: Library) -> Any:
    """A node that routes to itself."""
    builder = logged(lib, "a", "^a")
    builder.add_conditional_edges("a", lambda s: "a" if len(s["log"]) < 4 else lib.END)
    return builder.compile()


@case(START_LOG, config={"recursion_limit": 4})
def endless(lib: Library) -> Any:
    """A loop without an end reaches the recursion limit."""
    return logged(lib, "ab", "^a ab ba").compile()


@case(START_LOG, config={"recursion_limit": 3})
def limit_just_enough(lib: Library) -> Any:
    """As many supersteps as the recursion limit allows."""
    return logged(lib, "abc", "^a ab bc c$").compile()


@case(START_LOG)
def defer(lib: Library) -> Any:
    """A deferred node waits for the longer branch."""
    builder = logged(lib, "abcd", "^a ab ac cd")
    builder.add_node("z", says("z"), defer=True)
    builder.add_edge("b", "z")
    builder.add_edge("d", "z")
    return builder.compile()


class Jobs(TypedDict):
    """A state of jobs that are sent out one by one."""

    jobs: list[int]
    done: Annotated[list[int], operator.add]


@case({"jobs": [3, 1, 2]})
def send(lib: Library) -> Any:
    """``Send`` runs one node once per job, each with an input of its own."""
    builder = lib.StateGraph(Jobs)
    builder.add_node("plan", lambda state: None)
    builder.add_node("work", lambda job: {"done": [job["n"] * 10]})
    builder.add_node("sum", lambda state: {"done": [sum(state["done"])]})
    builder.add_edge(lib.START, "plan")
    builder.add_conditional_edges("plan", lambda state: [lib.Send("work", {"n": n}) for n in state["jobs"]], ["work"])
    builder.add_edge("work", "sum")
    return builder.compile()


@case({"jobs": [1, 2]})
def send_from_start(lib: Library) -> Any:
    """``Send`` straight from the entry point."""
    builder = lib.StateGraph(Jobs)
    builder.add_node("work", lambda job: {"done": [job["n"]]})
    builder.add_conditional_edges(
        lib.START, lambda state: [lib.Send("work", {"n": n}) for n in state["jobs"]], ["work"]
    )
    return builder.compile()


@case(START_LOG)
def command(lib: Library) -> Any:
    """A node that answers with a ``Command``: an update and the next node."""
    builder = logged(lib, "bc", "b$ c$")
    builder.add_node("a", lambda state: lib.Command(update={"log": ["a"]}, goto="c"), destinations=("b", "c"))
    builder.add_edge(lib.START, "a")
    return builder.compile()


@case(START_LOG)
def command_many(lib: Library) -> Any:
    """A ``Command`` that goes to a node and to a ``Send`` at once."""
    builder = logged(lib, "bc")
    target = lib.Send("c", {"log": ["own"]})
    builder.add_node("a", lambda state: lib.Command(goto=["b", target]), destinations=("b", "c"))
    builder.add_edge(lib.START, "a")
    return builder.compile()


@case(START_LOG)
def command_update_only(lib: Library) -> Any:
    """A ``Command`` without ``goto`` follows the edges."""
    builder = logged(lib, "b")
    builder.add_node("a", lambda state: lib.Command(update={"log": ["a"]}))
    builder.add_edge(lib.START, "a")
    builder.add_edge("a", "b")
    return builder.compile()


@dataclass
class Note:
    """A dataclass state with a default and a reducer."""

    text: str
    length: int = 0
    seen: Annotated[list[str], operator.add] = field(default_factory=list)


def _measure(state: Note) -> dict[str, Any]:
    return {"length": len(state.text), "seen": [type(state).__name__]}


@case({"text": "hello"})
def dataclass_state(lib: Library) -> Any:
    """A dataclass as state: nodes get an instance."""
    return single(lib, Note, _measure)


@case(Note(text="hello"))
def dataclass_input(lib: Library) -> Any:
    """A dataclass instance as input."""
    return single(lib, Note, _measure)


class Form(BaseModel):
    """A pydantic state with a default."""

    text: str
    length: int = 0


@case({"text": "hello"})
def pydantic_state(lib: Library) -> Any:
    """A pydantic model as state: nodes get a validated instance."""
    builder = lib.StateGraph(Form)
    builder.add_node("a", lambda state: {"length": len(state.text)})
    builder.add_node("b", lambda state: {"text": f"{state.text}:{type(state).__name__}"})
    builder.add_edge(lib.START, "a")
    builder.add_edge("a", "b")
    return builder.compile()


@case({"text": "hello"})
def pydantic_update(lib: Library) -> Any:
    """A node that returns a pydantic instance as its update."""
    return single(lib, Form, lambda state: Form(text="new", length=3))


@case({"text": ["not", "a", "string"]}, differs="D5: the state is streamed before the step that refuses it")
def pydantic_refuses(lib: Library) -> Any:
    """An input that the pydantic state refuses."""
    return single(lib, Form, lambda state: {"length": 1})


class Sparse(TypedDict):
    """A state of which keys may be missing."""

    text: str
    note: NotRequired[str]


@case({"text": "hello"})
def missing_keys(lib: Library) -> Any:
    """A key that nobody wrote is not in the state."""
    builder = lib.StateGraph(Sparse)
    builder.add_node("a", lambda state: {"text": ",".join(sorted(state))})
    builder.add_node("b", lambda state: {"note": ",".join(sorted(state))})
    builder.add_edge(lib.START, "a")
    builder.add_edge("a", "b")
    return builder.compile()


class Question(TypedDict):
    """An input schema."""

    question: str


class Answer(TypedDict):
    """An output schema."""

    answer: str


class Whole(Question, Answer):
    """A state that is more than input and output."""

    draft: str


@case({"question": "why", "answer": "dropped?"})
def schemas(lib: Library) -> Any:
    """Input and output schemas narrower than the state."""
    builder = lib.StateGraph(Whole, input_schema=Question, output_schema=Answer)
    builder.add_node("a", lambda state: {"draft": state["question"] + "!"})
    builder.add_node("b", lambda state: {"answer": state["draft"].upper()})
    builder.add_edge(lib.START, "a")
    builder.add_edge("a", "b")
    return builder.compile()


class Private(TypedDict):
    """What one node passes to the next and the state does not have."""

    secret: str


def _hides(state: Question) -> Private:
    return {"secret": state["question"][::-1]}


def _reveals(state: Private) -> dict[str, str]:
    return {"answer": state["secret"]}


@case({"question": "why"})
def private_schema(lib: Library) -> Any:
    """A node whose own input schema adds a private key."""
    builder = lib.StateGraph(Whole, input_schema=Question, output_schema=Answer)
    builder.add_node("hides", _hides)
    builder.add_node("reveals", _reveals)
    builder.add_edge(lib.START, "hides")
    builder.add_edge("hides", "reveals")
    return builder.compile()


@case(START_LOG)
def node_input_schema(lib: Library) -> Any:
    """``add_node(input_schema=...)`` narrows what the node sees."""
    builder = lib.StateGraph(Whole)
    builder.add_node("a", lambda state: {"draft": "d", "answer": "a", "question": "q"})
    builder.add_node("b", lambda state: {"draft": ",".join(state)}, input_schema=Answer)
    builder.add_edge(lib.START, "a")
    builder.add_edge("a", "b")
    return builder.compile()


def _larger(left: int, right: int) -> int:
    return max(left, right)


class Count(TypedDict):
    """A state whose reducers are an operator and a function."""

    total: Annotated[int, operator.add]
    best: Annotated[int, _larger]


@case({"total": 1, "best": 5})
def reducers(lib: Library) -> Any:
    """Reducers of other types than lists, written by parallel nodes."""
    builder = lib.StateGraph(Count)
    for name, value in {"a": 3, "b": 9, "c": 7}.items():
        builder.add_node(name, lambda state, value=value: {"total": value, "best": value})
        builder.add_edge(lib.START, name)
    return builder.compile()


@case({"total": 1})
def nothing_and_a_part(lib: Library) -> Any:
    """Nodes that return None, an empty update, and one key of two."""
    builder = lib.StateGraph(Count)
    builder.add_node("none", lambda state: None)
    builder.add_node("empty", lambda state: {})
    builder.add_node("part", lambda state: {"best": 2})
    builder.add_edge(lib.START, "none")
    builder.add_edge("none", "empty")
    builder.add_edge("empty", "part")
    return builder.compile()


@case({"log": ["in"], "unknown": 1})
def unknown_key_in(lib: Library) -> Any:
    """An input key that the state does not have."""
    return single(lib, Log, says("a"))


@case(START_LOG)
def unknown_key_out(lib: Library) -> Any:
    """A node that writes a key the state does not have."""
    return single(lib, Log, lambda state: {"log": ["a"], "unknown": 1})


@case({})
def empty_input(lib: Library) -> Any:
    """An empty input fails in the same way."""
    return single(lib, Log, says("a"))


@case(START_LOG)
def not_a_mapping(lib: Library) -> Any:
    """A node that returns no mapping fails in the same way."""
    return single(lib, Log, lambda state: "text")


class Plain(TypedDict):
    """A state without a reducer."""

    value: int


@case({"value": 1})
def two_writers(lib: Library) -> Any:
    """Two writers of one plain key in one superstep fail in the same way."""
    builder = lib.StateGraph(Plain)
    for name in "ab":
        builder.add_node(name, lambda state: {"value": 2})
        builder.add_edge(lib.START, name)
    return builder.compile()


@case(START_LOG, differs="LangGraph logs a warning and ends the run as if it were complete; we raise")
def goes_nowhere(lib: Library) -> Any:
    """A path that answers with a node that does not exist."""
    builder = logged(lib, "a", "^a")
    builder.add_conditional_edges("a", lambda state: "nowhere")
    return builder.compile()
