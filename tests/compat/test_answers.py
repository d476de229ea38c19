"""Interrupts: what a node asks, what the run shows, and how answers find their questions."""

from __future__ import annotations

import asyncio
import operator
from dataclasses import dataclass
from typing import Annotated, Any, TypedDict

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langgraph.checkpoint.memory import InMemorySaver
from pydantic import BaseModel, ValidationError

from lcel_compat import START, Command, CompiledStateGraph, Interrupt, Send, StateGraph, interrupt
from lcel_compat._answers import Answers, common_answer, given_to, interrupt_id, is_answer_map
from lcel_compat._constants import INTERRUPT, NULL_TASK, RESUME
from lcel_compat.errors import AmbiguousResumeError, EmptyInputError, GraphInterrupt, NoCheckpointerError
from tests.support.colours import Colour, Raised

THREAD: Any = {"configurable": {"thread_id": "1"}}
QUESTION = interrupt_id("ns", 0)


class State(TypedDict, total=False):
    """One key that is folded."""

    log: Annotated[list[str], operator.add]


def graph(saver: Any = None, **nodes: Any) -> CompiledStateGraph:
    """Nodes side by side."""
    builder = StateGraph(State)
    for name, node in nodes.items():
        builder.add_node(name, node).add_edge(START, name)
    return builder.compile(checkpointer=InMemorySaver() if saver is None else saver)


def asks(*questions: str, ran: list[str] | None = None) -> Any:
    """A node that asks these questions one after the other, and logs the answers."""

    def node(state: Any) -> dict[str, list[str]]:
        if ran is not None:
            ran.append("|".join(questions))
        return {"log": [f"{question} {interrupt(question)}" for question in questions]}

    return node


def asked(colour: Colour, compiled: CompiledStateGraph, value: Any) -> list[Interrupt]:
    """What a run waits for after this input."""
    state: Any = colour.invoke(compiled, value, THREAD)
    return [] if state is None else list(state.get(INTERRUPT, ()))


# One task's answers ----------------------------------------------------------------------------------------


def answers(*given: Any, common: Any = None) -> tuple[Answers, list[Any], list[list[Any]]]:
    """A task's answers, what is left of the common one, and what was kept."""
    left, kept = [common] if common is not None else [], list[list[Any]]()

    def take(remove: bool) -> Any:
        if not left:
            return None
        return left.pop() if remove else left[0]

    return Answers("ns", given, take, kept.append), left, kept


def test_answers_come_in_the_order_of_the_questions() -> None:
    """The first question gets the first answer, and so on; what was used is kept after each."""
    found, _, kept = answers("one", "two")
    assert [found.ask("a"), found.ask("b")] == ["one", "two"]
    assert kept == [["one"], ["one", "two"]]


def test_a_question_without_an_answer() -> None:
    """It ends the node with the question, whose id is made of the task's namespace and of how many it has answered."""
    found, _, kept = answers("one")
    found.ask("a")
    with pytest.raises(GraphInterrupt) as caught:
        found.ask({"what": "b"})
    assert caught.value.interrupts == (Interrupt({"what": "b"}, interrupt_id("ns", 1)),)
    assert kept == [["one"]]


def test_the_common_answer_is_taken_once() -> None:
    """An answer that names no question goes to the first question without one of its own."""
    found, left, kept = answers("one", common="two")
    assert [found.ask("a"), found.ask("b")] == ["one", "two"]
    assert left == []
    assert kept == [["one"], ["one", "two"]]
    with pytest.raises(GraphInterrupt):
        found.ask("c")


def test_an_answer_that_does_not_fit_is_not_used_up() -> None:
    """The schema's error is raised, and the question can be answered again."""
    found, left, kept = answers(common="many")
    with pytest.raises(ValidationError):
        found.ask("how many?", int)
    assert (left, kept) == (["many"], [])


@dataclass
class Choice:
    """What an answer can be."""

    name: str


class Form(BaseModel):
    """What an answer can be."""

    name: str


@pytest.mark.parametrize(
    ("schema", "answer", "expected"),
    [
        (int, "3", 3),
        (Choice, {"name": "x"}, Choice("x")),
        (Form, {"name": "x"}, Form(name="x")),
        ({"type": "integer"}, "3", "3"),
        (None, "3", "3"),
    ],
    ids=["int", "dataclass", "model", "json schema", "nothing"],
)
def test_a_schema_makes_the_answer(schema: Any, answer: Any, expected: Any) -> None:
    """A class makes the answer and describes itself to whoever answers; a JSON schema only describes."""
    found, _, _ = answers(answer)
    assert found.ask("?", schema) == expected
    with pytest.raises(GraphInterrupt) as caught:
        found.ask("?", schema)
    described: Any = caught.value.interrupts[0].response_schema
    expected_title = None if isinstance(schema, dict | type(None)) or schema is int else schema.__name__
    assert (described is None) == (schema is None)
    assert schema is None or described == schema or described.get("title") == expected_title


def test_ids_differ_by_question_and_task() -> None:
    """Each question of each task has an id of its own, 32 hexadecimal digits, the same in every run."""
    ids = {interrupt_id(ns, n) for ns in ("a:1", "a:1|b:2", "b:1") for n in range(4)}
    assert len(ids) == 12
    assert interrupt_id("a:1", 0) == interrupt_id("a:1", 0)
    assert all(len(i) == 32 and int(i, 16) >= 0 for i in ids)


@pytest.mark.parametrize(
    ("resume", "is_map"),
    [
        ({QUESTION: 1}, True),
        ({QUESTION: 1, interrupt_id("x", 1): 2}, True),
        ({}, True),
        ({"name": "x"}, False),
        ({QUESTION: 1, "name": "x"}, False),
        ({QUESTION.upper() + "X": 1}, False),
        ({1: 1}, False),
        ({"abc": 1}, False),
        (QUESTION, False),
        ([QUESTION], False),
        (None, False),
    ],
)
def test_which_resume_is_a_map(resume: Any, is_map: bool) -> None:
    """A mapping all of whose keys look like ids addresses questions; any other value is an answer itself."""
    assert is_answer_map(resume) == is_map


def test_what_a_task_was_given() -> None:
    """The answers it used before, then the one that is addressed to its next question; nobody else's."""
    pending = [("t", INTERRUPT, ()), ("t", RESUME, ["one"]), ("u", RESUME, ["other"])]
    assert given_to("t", "ns", pending, None) == ["one"]
    assert given_to("t", "ns", pending, {interrupt_id("ns", 1): "two"}) == ["one", "two"]
    assert given_to("t", "ns", pending, {interrupt_id("other", 0): "two"}) == ["one"]
    assert given_to("v", "ns", pending, None) == []
    assert given_to("t", "ns", [], {QUESTION: "one"}) == []


def test_the_common_answer_of_the_graph_around() -> None:
    """A graph that was given none of its own takes that of the graph around it; a taken one is gone from both."""
    outer = [(NULL_TASK, RESUME, "yes"), ("t", "a", 1)]
    around = common_answer(outer, None)
    inner = common_answer([], around)
    assert inner(False) == around(False) == "yes"
    assert inner(True) == "yes"
    assert outer == [("t", "a", 1)]
    assert inner(False) is None
    assert inner(True) is None


# Whole runs ------------------------------------------------------------------------------------------------


def test_asked_and_answered(colour: Colour) -> None:
    """A run that asks ends with the question; the thread goes on with the answer, the node from its beginning."""
    ran: list[str] = []
    compiled = graph(a=asks("name?", ran=ran))
    first = asked(colour, compiled, {"log": []})
    assert [i.value for i in first] == ["name?"]
    assert colour.invoke(compiled, Command(resume="Ann"), THREAD) == {"log": ["name? Ann"]}
    assert ran == ["name?", "name?"]


def test_several_questions_in_one_node(colour: Colour) -> None:
    """Questions of one node are answered one run after the other; answers that were given are not asked again."""
    ran: list[str] = []
    compiled = graph(a=asks("1", "2", "3", ran=ran))
    questions = [asked(colour, compiled, {"log": []})]
    questions += [asked(colour, compiled, Command(resume=str(answer))) for answer in (10, 20)]
    assert [[i.value for i in q] for q in questions] == [["1"], ["2"], ["3"]]
    assert len({i.id for q in questions for i in q}) == 3
    assert colour.invoke(compiled, Command(resume="30"), THREAD) == {"log": ["1 10", "2 20", "3 30"]}
    assert len(ran) == 4


def test_questions_of_neighbours(colour: Colour) -> None:
    """Neighbours ask at once, and are answered together by their questions' ids, or one by one."""
    ran: list[str] = []
    compiled = graph(a=asks("a?", ran=ran), b=asks("b?", ran=ran), c=lambda state: ran.append("c"))
    ids = {i.value: i.id for i in asked(colour, compiled, {"log": []})}
    assert ids.keys() == {"a?", "b?"}
    left = asked(colour, compiled, Command(resume={ids["b?"]: "B"}))
    assert [(i.value, i.id) for i in left] == [("a?", ids["a?"])]
    assert colour.invoke(compiled, Command(resume={ids["a?"]: "A"}), THREAD) == {"log": ["a? A", "b? B"]}
    assert ran.count("c") == 1
    assert ran.count("b?") == 2


def test_one_answer_to_several_questions(colour: Colour) -> None:
    """An answer that could be to any of several questions is refused, with their ids, and nothing runs."""
    ran: list[str] = []
    compiled = graph(a=asks("a?", ran=ran), b=asks("b?", ran=ran))
    ids = [i.id for i in asked(colour, compiled, {"log": []})]
    ran.clear()
    with pytest.raises(AmbiguousResumeError) as caught:
        colour.invoke(compiled, Command(resume="A"), THREAD)
    assert all(i in str(caught.value) for i in ids)
    assert ran == []
    answers: Any = Command(resume=dict(zip(ids, "xy", strict=True)))
    assert len(colour.invoke(compiled, answers, THREAD)["log"]) == 2


def test_packets_ask(colour: Colour) -> None:
    """Tasks of one node that packets started ask each a question of their own."""
    builder = StateGraph(State)
    builder.add_node("work", lambda n: {"log": [f"{n} {interrupt(n)}"]})
    builder.add_conditional_edges(START, lambda state: [Send("work", n) for n in (1, 2, 3)], ["work"])
    compiled = builder.compile(checkpointer=InMemorySaver())
    found = asked(colour, compiled, {"log": []})
    assert [i.value for i in found] == [1, 2, 3]
    final = colour.invoke(compiled, Command(resume={i.id: i.value * 10 for i in found}), THREAD)
    assert final == {"log": ["1 10", "2 20", "3 30"]}


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_questions_of_graphs_inside(colour: Colour, depth: int) -> None:
    """A node of a graph at any depth asks, and its answer reaches it; nodes before it do not run again."""
    ran: list[str] = []
    builder = StateGraph(State).add_node("before", lambda state: ran.append("before")).add_node("a", asks("deep?"))
    inner = builder.add_edge(START, "before").add_edge("before", "a").compile()
    for _ in range(depth):
        inner = StateGraph(State).add_node("sub", inner).add_edge(START, "sub").compile()
    compiled = inner.copy({"checkpointer": InMemorySaver()})
    assert [i.value for i in asked(colour, compiled, {"log": []})] == ["deep?"]
    assert colour.invoke(compiled, Command(resume="yes"), THREAD)["log"][-1] == "deep? yes"
    assert ran == ["before"]


def test_a_graph_that_a_function_calls_asks(colour: Colour) -> None:
    """A function that calls a graph is run again, and the graph goes on where it asked."""
    ran: list[str] = []
    inner = graph(saver=False, a=asks("in?", ran=ran)).copy({"checkpointer": None})

    def calls(state: Any) -> Any:
        ran.append("calls")
        return {"log": [f"got {inner.invoke(state)['log']}"]}

    async def acalls(state: Any) -> Any:
        ran.append("calls")
        return {"log": [f"got {(await inner.ainvoke(state))['log']}"]}

    compiled = graph(a=calls if colour.name == "sync" else acalls)
    assert [i.value for i in asked(colour, compiled, {"log": []})] == ["in?"]
    assert colour.invoke(compiled, Command(resume="yes"), THREAD) == {"log": ["got ['in? yes']"]}
    assert ran == ["calls", "in?"] * 2


@pytest.mark.parametrize("mode", ["values", "updates"])
def test_what_the_modes_show(colour: Colour, mode: Any) -> None:
    """``values`` and ``updates`` show the questions under ``__interrupt__``, as the last item."""
    compiled = graph(a=asks("name?"))
    items = colour.observe_stream(compiled, {"log": ["in"]}, THREAD, stream_mode=mode)
    question = (Interrupt("name?", items[-1][INTERRUPT][0].id),)
    assert items[-1] == ({INTERRUPT: question} if mode == "updates" else {"log": ["in"], INTERRUPT: question})
    assert len(items) == (1 if mode == "updates" else 2)


def test_an_interrupt_is_no_failure(colour: Colour) -> None:
    """A node that asks is not tried again by its retry policy, and its error handler is not called."""
    from lcel_compat import RetryPolicy

    ran: list[str] = []
    policy = RetryPolicy(retry_on=lambda error: True, initial_interval=0.001, jitter=False)
    builder = StateGraph(State)
    builder.add_node("a", asks("?", ran=ran), retry_policy=policy, error_handler=lambda state: ran.append("handler"))
    compiled = builder.add_edge(START, "a").compile(checkpointer=InMemorySaver())
    asked(colour, compiled, {"log": []})
    assert ran == ["?"]
    assert colour.invoke(compiled, Command(resume="yes"), THREAD) == {"log": ["? yes"]}


def test_a_node_that_fails_after_its_answer(colour: Colour) -> None:
    """Answers of a task that failed afterwards are kept with it: it is not asked again when the thread goes on."""
    failures = [1]

    def node(state: Any) -> Any:
        answer = interrupt("?")
        if failures:
            failures.pop()
            raise ConnectionError("once")
        return {"log": [answer]}

    compiled = graph(a=node)
    asked(colour, compiled, {"log": []})
    with pytest.raises(ConnectionError):
        colour.invoke(compiled, Command(resume="yes"), THREAD)
    assert colour.invoke(compiled, None, THREAD) == {"log": ["yes"]}


def test_an_answer_that_does_not_fit(colour: Colour) -> None:
    """A run whose answer the schema refuses fails, and the question can be answered again."""

    def node(state: Any) -> Any:
        return {"log": [f"{interrupt('how many?', response_schema=int) + 1}"]}

    compiled = graph(a=node)
    (question,) = asked(colour, compiled, {"log": []})
    assert question.response_schema == {"type": "integer"}
    with pytest.raises(ValidationError):
        colour.invoke(compiled, Command(resume="many"), THREAD)
    assert colour.invoke(compiled, Command(resume="3"), THREAD) == {"log": ["4"]}


@pytest.mark.parametrize("answer", [0, False, "", [], {}, {"id": 1}, [1, 2]], ids=repr)
def test_any_value_can_be_an_answer(colour: Colour, answer: Any) -> None:
    """Values that count as false, and lists and dicts, are answers as well; an empty dict addresses nothing."""

    def node(state: Any) -> Any:
        return {"log": [interrupt("?")]}

    compiled = graph(a=node)
    asked(colour, compiled, {"log": []})
    if answer == {}:
        assert len(asked(colour, compiled, Command(resume=answer))) == 1
        return
    assert colour.invoke(compiled, Command(resume=answer), THREAD) == {"log": [answer]}


def test_nothing_to_answer(colour: Colour) -> None:
    """Without a saver there is nothing that could be resumed, and the error says what to do."""
    compiled = graph(a=asks("?")).copy({"checkpointer": None})
    with pytest.raises(NoCheckpointerError, match="checkpointer"):
        colour.invoke(compiled, Command(resume="yes"))


def test_asking_without_a_saver(colour: Colour) -> None:
    """A run that is not saved ends with its question all the same, as LangGraph's does; nobody can answer it."""
    compiled = graph(a=asks("?")).copy({"checkpointer": None})
    assert [i.value for i in asked(colour, compiled, {"log": []})] == ["?"]


def test_an_empty_command(colour: Colour) -> None:
    """A command that says nothing is no input."""
    compiled = graph(a=asks("?"))
    asked(colour, compiled, {"log": []})
    assert isinstance(colour.observe_stream(compiled, Command(), THREAD)[-1], Raised)
    with pytest.raises(EmptyInputError):
        colour.invoke(compiled, Command(), THREAD)


def test_outside_of_a_node() -> None:
    """``interrupt()`` outside of a node says where it belongs."""
    with pytest.raises(RuntimeError, match="outside of a node"):
        interrupt("?")


@given(st.lists(st.integers(0, 3), min_size=1, max_size=4), st.randoms(use_true_random=False))
def test_any_order_of_answers(questions: list[int], random: Any) -> None:
    """However many questions neighbours ask, and in whichever order they are answered, each answer finds its own."""
    names = [f"n{number}" for number in range(len(questions))]

    def node(name: str, count: int) -> Any:
        def ask(state: Any) -> Any:
            return {"log": [f"{name}.{n}={interrupt(f'{name}.{n}')}" for n in range(count)]}

        return ask

    compiled = graph(**{name: node(name, count) for name, count in zip(names, questions, strict=True)})

    async def play() -> list[str]:
        state = await compiled.ainvoke({"log": []}, THREAD)
        for _ in range(sum(questions)):
            if not (waiting := state.get(INTERRUPT)):
                break
            some = random.sample(waiting, random.randint(1, len(waiting)))
            state = await compiled.ainvoke(Command(resume={i.id: i.value for i in some}), THREAD)
        return list(state["log"])

    expected = [f"{name}.{n}={name}.{n}" for name, count in zip(names, questions, strict=True) for n in range(count)]
    assert asyncio.run(play()) == expected
