"""Scenarios of waiting: ``interrupt()`` in all places, answers by value and by id, and stops before and after nodes."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel

from tests.differential.scenarios.play import scenario
from tests.differential.scenarios.stage import Stage
from tests.differential.scenarios.steps import (
    answer,
    command,
    history,
    invoke,
    ran,
    resume,
    saved,
    state,
    stream,
    update,
)

BIRDS = {"log": ["birds"]}


@scenario(stream(BIRDS), state(), resume("yes"), state(), history(), ran(), saved())
def one(stage: Stage) -> Any:
    """One interrupt, answered."""
    return stage.graph({"a": None, "ask": stage.asks("ask", "which?"), "c": None}, "^>a>ask>c>$")


@scenario(invoke(BIRDS), state(), invoke(lambda stage: stage.lib.Command(resume="yes")), state())
def one_invoked(stage: Stage) -> Any:
    """``invoke`` returns the state and the interrupts that wait."""
    return stage.graph({"a": None, "ask": stage.asks("ask", "which?"), "c": None}, "^>a>ask>c>$")


@scenario(stream(BIRDS), resume(1), state(), resume(2), state(), resume(3), state(), ran(), saved())
def three_in_a_node(stage: Stage) -> Any:
    """Three interrupts in one node: it starts again each time, and the answers given so far hold."""
    return stage.graph({"ask": stage.asks("ask", "first?", "second?", "third?"), "c": None}, "^>ask>c>$")


def _two(stage: Stage) -> Any:
    nodes = {"l": stage.asks("l", "left?"), "r": stage.asks("r", "right?"), "n": None, "c": None}
    return stage.graph(nodes, "^>l>c>$ ^>r>c ^>n>c")


@scenario(stream(BIRDS), state(), answer({"left?": 1, "right?": 2}), state(), ran(), saved())
def two_in_parallel(stage: Stage) -> Any:
    """Two nodes of one superstep interrupt, a third does not; both are answered by id, at once."""
    return _two(stage)


@scenario(stream(BIRDS), answer({"right?": 2}), state(), answer({"left?": 1}), state(), ran(), saved())
def answered_one_by_one(stage: Stage) -> Any:
    """Two interrupts wait, one is answered, then the other; what is finished does not run again."""
    return _two(stage)


@scenario(stream(BIRDS), resume("both"), state(), ran())
def ambiguous_answer(stage: Stage) -> Any:
    """One value for two waiting interrupts is an error."""
    return _two(stage)


@scenario(stream(BIRDS), answer({"left?": 1}), resume("the last"), state(), ran())
def last_by_value(stage: Stage) -> Any:
    """Once only one interrupt waits, a bare value answers it."""
    return _two(stage)


@scenario(stream(BIRDS), answer({"left 1?": 1, "right 1?": 2}), state(), answer({"left 2?": 3, "right 2?": 4}), state())
def two_each_in_parallel(stage: Stage) -> Any:
    """Two nodes with two interrupts each: a second pair of ids waits after the first was answered."""
    nodes = {"l": stage.asks("l", "left 1?", "left 2?"), "r": stage.asks("r", "right 1?", "right 2?")}
    return stage.graph({**nodes, "c": None}, "^>l>c>$ ^>r>c")


def _fan(stage: Stage) -> Any:
    ask = stage.node("each", lambda s: {"log": [f"{s['topic']} {stage.lib.interrupt(s['topic'] + '?')}"]})
    builder = stage.builder({"start": None, "each": ask, "end": None}, "^>start each>end>$")
    packets = [stage.lib.Send("each", {"topic": topic}) for topic in "pqr"]
    builder.add_conditional_edges("start", lambda state: packets, ["each"])
    return builder.compile(checkpointer=stage.saver)


@scenario(stream(BIRDS), state(), answer({"p?": 1, "q?": 2, "r?": 3}), state(), history(), ran(), saved())
def in_sent_tasks(stage: Stage) -> Any:
    """Every packet's task interrupts; all are answered at once."""
    return _fan(stage)


@scenario(stream(BIRDS), answer({"q?": 2}), state(), answer({"p?": 1, "r?": 3}), state(), ran(), saved())
def in_sent_tasks_partially(stage: Stage) -> Any:
    """Packets' tasks are answered one first, the rest later."""
    return _fan(stage)


@scenario(stream({"log": []}), resume("1"), resume("2"), state(), history(), ran())
def in_a_loop(stage: Stage) -> Any:
    """A node in a loop interrupts in each turn."""
    builder = stage.builder({"ask": stage.asks("ask", "again?")}, "^>ask")
    builder.add_conditional_edges("ask", lambda s: "ask" if len(s["log"]) < 2 else stage.lib.END)
    return builder.compile(checkpointer=stage.saver)


@scenario(stream(BIRDS), stream(None), state(), resume("yes"), state(), ran())
def continued_without_an_answer(stage: Stage) -> Any:
    """``None`` on a thread that waits: it asks again."""
    return stage.graph({"a": None, "ask": stage.asks("ask", "which?")}, "^>a>ask>$")


@scenario(stream(BIRDS), stream({"log": ["new"]}), state(), resume("yes"), state(), history(), ran())
def new_input_while_waiting(stage: Stage) -> Any:
    """New input on a thread that waits: it begins anew, and what waited is dropped."""
    return stage.graph({"a": None, "ask": stage.asks("ask", "which?")}, "^>a>ask>$")


@scenario(
    stream(BIRDS), answer({"left?": 1}), stream({"log": ["new"]}), state(), answer({"left?": 3, "right?": 4}), ran()
)
def new_input_half_answered(stage: Stage) -> Any:
    """New input while one of two interrupts is answered."""
    return _two(stage)


@scenario(resume("yes"), state())
def answer_without_a_run(stage: Stage) -> Any:
    """An answer on a thread that never ran."""
    return stage.graph({"ask": stage.asks("ask", "which?")}, "^>ask>$")


@scenario(stream(BIRDS), resume("yes"), resume("again"), state())
def answer_to_nothing(stage: Stage) -> Any:
    """An answer on a thread that is finished."""
    return stage.graph({"ask": stage.asks("ask", "which?")}, "^>ask>$")


@scenario(stream(BIRDS), resume(0), state(), ran())
def falsy_answer(stage: Stage) -> Any:
    """``0`` is an answer."""
    return stage.graph({"ask": stage.asks("ask", "which?")}, "^>ask>$")


@scenario(stream(BIRDS), resume({"a": 1}), state())
def dict_as_a_value(stage: Stage) -> Any:
    """A dict whose keys are no ids is a value."""
    return stage.graph({"ask": stage.asks("ask", "which?")}, "^>ask>$")


@scenario(stream(BIRDS), stream(lambda s: s.lib.Command(resume={"0" * 32: 1})), state(), resume("yes"), state(), ran())
def unknown_id(stage: Stage) -> Any:
    """An answer under an id that nothing waits for."""
    return stage.graph({"ask": stage.asks("ask", "which?")}, "^>ask>$")


@scenario(stream(BIRDS), command(resume="yes", update={"log": ["updated"]}), state(), saved())
def answer_and_update(stage: Stage) -> Any:
    """``Command(resume=..., update=...)``: the state changes before the node runs again."""
    return stage.graph({"ask": stage.asks("ask", "which?"), "c": None}, "^>ask>c>$")


@scenario(stream(BIRDS), command(resume="yes", goto="side"), state(), ran(), saved())
def answer_and_goto(stage: Stage) -> Any:
    """``Command(resume=..., goto=...)``: another node runs beside the one that waited."""
    return stage.graph({"ask": stage.asks("ask", "which?"), "side": None, "c": None}, "^>ask>c>$")


@scenario(stream(BIRDS), update({"log": ["by hand"]}), state(), resume("yes"), stream(None), state(), ran(), saved())
def updated_while_waiting(stage: Stage) -> Any:
    """The state is updated while an interrupt waits: it is asked anew."""
    return stage.graph({"a": None, "ask": stage.asks("ask", "which?"), "c": None}, "^>a>ask>c>$")


@scenario(stream(BIRDS), update({"log": ["for ask"]}, "ask"), state(), stream(None), state(), ran())
def updated_as_the_waiting_node(stage: Stage) -> Any:
    """An update as the node that waits takes its place."""
    return stage.graph({"a": None, "ask": stage.asks("ask", "which?"), "c": None}, "^>a>ask>c>$")


class Decision(BaseModel):
    """An answer with a schema."""

    approved: bool
    reason: str = ""


def _decides(stage: Stage) -> Any:
    interrupt = stage.lib.interrupt
    return stage.node("ask", lambda state: {"log": [repr(interrupt("approve?", response_schema=Decision))]})


@scenario(stream(BIRDS), state(), resume({"approved": True}), state())
def with_a_schema(stage: Stage) -> Any:
    """``response_schema``: the interrupt carries it, the answer is validated."""
    return stage.graph({"ask": _decides(stage), "c": None}, "^>ask>c>$")


@scenario(stream(BIRDS), resume({"approved": "perhaps"}), state(), resume({"approved": False}), state(), ran())
def against_the_schema(stage: Stage) -> Any:
    """An answer that does not fit fails the run and is not kept: it can be given again."""
    return stage.graph({"ask": _decides(stage), "c": None}, "^>ask>c>$")


@scenario(stream(BIRDS), state(), ran())
def caught(stage: Stage) -> Any:
    """A node that catches ``Exception`` swallows its own interrupt."""

    def work(state: Any) -> Any:
        try:
            return {"log": [stage.lib.interrupt("which?")]}
        except Exception as error:
            return {"log": [type(error).__name__]}

    return stage.graph({"ask": stage.node("ask", work), "c": None}, "^>ask>c>$")


@scenario(stream(BIRDS), state(), resume("now"), state(), saved())
def with_structured_values(stage: Stage) -> Any:
    """An interrupt's value is any data."""
    work = stage.node("ask", lambda s: {"log": [str(stage.lib.interrupt({"q": ["a", 1], "state": s["log"]}))]})
    return stage.graph({"ask": work}, "^>ask>$")


@scenario(stream(BIRDS), state(), saved())
def in_a_path_function(stage: Stage) -> Any:
    """An interrupt in a conditional edge's function."""
    builder = stage.builder({"a": None, "c": None}, "^>a c>$")
    builder.add_conditional_edges("a", lambda state: stage.lib.interrupt("where to?"), ["c"])
    return builder.compile(checkpointer=stage.saver)


@scenario(stream(BIRDS))
def without_a_saver(stage: Stage) -> Any:
    """An interrupt in a graph that nothing saves."""
    return stage.builder({"a": None, "ask": stage.asks("ask", "which?")}, "^>a>ask>$").compile()


# stops before and after nodes


def _line(stage: Stage, **options: Any) -> Any:
    return stage.graph({"a": None, "b": None, "c": None}, "^>a>b>c>$", **options)


@scenario(stream(BIRDS), state(), stream(None), state(), history(), saved())
def before(stage: Stage) -> Any:
    """``compile(interrupt_before=...)``."""
    return _line(stage, interrupt_before=["b"])


@scenario(stream(BIRDS), state(), stream(None), state(), history(), saved())
def after(stage: Stage) -> Any:
    """``compile(interrupt_after=...)``."""
    return _line(stage, interrupt_after=["b"])


@scenario(stream(BIRDS), state(), stream(None), state(), stream(None), stream(None), state())
def before_all(stage: Stage) -> Any:
    """``interrupt_before="*"``."""
    return _line(stage, interrupt_before="*")


@scenario(stream(BIRDS), state(), stream(None), state(), stream(None), stream(None), state())
def after_all(stage: Stage) -> Any:
    """``interrupt_after="*"``."""
    return _line(stage, interrupt_after="*")


@scenario(stream(BIRDS, interrupt_before=["c"]), state(), stream(None, interrupt_after=["c"]), state(), stream(None))
def at_the_call(stage: Stage) -> Any:
    """``interrupt_before`` and ``interrupt_after`` at the call."""
    return _line(stage)


@scenario(stream(BIRDS, interrupt_after="*"), stream(None, interrupt_before="*"), stream(None, interrupt_before="*"))
def all_at_the_call(stage: Stage) -> Any:
    """``"*"`` at the call."""
    return _line(stage)


@scenario(invoke(BIRDS), invoke(None), state())
def before_invoked(stage: Stage) -> Any:
    """``invoke`` that stops before a node returns the state so far."""
    return _line(stage, interrupt_before=["b"])


@scenario(stream(BIRDS), update({"log": ["by hand"]}), state(), stream(None), state(), history())
def updated_before(stage: Stage) -> Any:
    """An update while the thread stands before a node."""
    return _line(stage, interrupt_before=["b"])


@scenario(stream(BIRDS), update({"log": ["for b"]}, "b"), state(), stream(None), state(), ran())
def updated_as_the_next(stage: Stage) -> Any:
    """An update as the node that would come next: it is not run."""
    return _line(stage, interrupt_before=["b"])


@scenario(stream(BIRDS), stream({"log": ["more"]}), state(), stream(None), state())
def new_input_before(stage: Stage) -> Any:
    """New input while the thread stands before a node."""
    return _line(stage, interrupt_before=["b"])


@scenario(stream(BIRDS), resume("x"), state(), ran())
def answered_before(stage: Stage) -> Any:
    """An answer while the thread stands before a node goes on, too."""
    return _line(stage, interrupt_before=["b"])


@scenario(stream(BIRDS), state(), stream(None), state())
def before_one_of_two(stage: Stage) -> Any:
    """A stop before one of two nodes of a superstep holds both."""
    return stage.graph({"a": None, "l": None, "r": None, "c": None}, "^>a>l>c>$ a>r>c", interrupt_before=["r"])


@scenario(stream(BIRDS), state(), resume("yes"), state(), stream(None), state(), ran())
def stop_and_question(stage: Stage) -> Any:
    """A node that asks, and a stop after it."""
    return stage.graph({"ask": stage.asks("ask", "q?"), "c": None}, "^>ask>c>$", interrupt_after=["ask"])


@scenario(stream(BIRDS), stream(None), state(), saved())
def before_without_a_saver(stage: Stage) -> Any:
    """A stop in a graph that nothing saves: the run just ends there."""
    return stage.builder({"a": None, "b": None}, "^>a>b>$").compile(interrupt_before=["b"])


@scenario(stream(BIRDS), state(), stream(None), state())
def before_a_routed_node(stage: Stage) -> Any:
    """A stop before a node that a conditional edge leads to."""
    builder = stage.builder({"a": None, "b": None, "c": None}, "^>a b>$ c>$")
    builder.add_conditional_edges("a", _to_b)
    return builder.compile(checkpointer=stage.saver, interrupt_before=["b"])


def _to_b(state: Any) -> Literal["b", "c"]:
    return "b"
