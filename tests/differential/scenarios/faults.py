"""Scenarios of failing: nodes that raise and are run again, beside others that are not; limits; cancelled branches."""

from __future__ import annotations

import operator
from typing import Annotated, Any, TypedDict

from tests.differential.scenarios.play import scenario
from tests.differential.scenarios.stage import Failure, Stage
from tests.differential.scenarios.steps import (
    answer,
    bulk,
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
LATE = 0.03
"""Seconds after which a node fails, so that its siblings are certain to be finished."""


@scenario(stream(BIRDS), state(), stream(None), state(), history(), ran(), saved())
def once(stage: Stage) -> Any:
    """A node fails once; ``None`` runs it again, and nothing before it."""
    return stage.graph({"a": None, "bad": stage.fails("bad"), "c": None}, "^>a>bad>c>$")


@scenario(invoke(BIRDS), state(), invoke(None), state(), ran())
def once_invoked(stage: Stage) -> Any:
    """``invoke`` raises what the node raised."""
    return stage.graph({"a": None, "bad": stage.fails("bad"), "c": None}, "^>a>bad>c>$")


@scenario(stream(BIRDS), stream(None), state(), stream(None), stream(None), state(), ran(), saved())
def three_times(stage: Stage) -> Any:
    """A node fails three times."""
    return stage.graph({"a": None, "bad": stage.fails("bad", times=3), "c": None}, "^>a>bad>c>$")


@scenario(stream(BIRDS), state(), stream(None), state(), history(), ran(), saved())
def beside_a_sibling(stage: Stage) -> Any:
    """A node fails after its sibling finished: the sibling does not run again."""
    nodes = {"ok": None, "bad": stage.fails("bad", late=LATE), "c": None}
    return stage.graph(nodes, "^>ok>c>$ ^>bad>c")


@scenario(stream(BIRDS), state(), stream(None), state(), ran(), saved())
def beside_a_silent_sibling(stage: Stage) -> Any:
    """A sibling that finished without writing anything does not run again, either."""
    nodes = {"ok": stage.node("ok", lambda state: None), "bad": stage.fails("bad", late=LATE), "c": None}
    return stage.graph(nodes, "^>ok>c>$ ^>bad>c")


@scenario(stream(BIRDS), state(), stream(None), state(), ran(), saved())
def beside_packets(stage: Stage) -> Any:
    """One of three packets' tasks fails after the others finished: it alone runs again."""

    def work(state: Any) -> Any:
        if state["topic"] == "bad" and stage.ran["each"] <= 3:
            raise Failure("bad packet")
        return {"log": [f"{state['topic']} done"]}

    late = stage.node("each", work, late=LATE)
    builder = stage.builder({"start": None, "each": work, "late": late, "end": None}, "^>start each>end>$ late>end")
    builder.add_conditional_edges(
        "start", lambda s: [_send(stage, topic) for topic in ("p", "q", "bad")], ["each", "late"]
    )
    return builder.compile(checkpointer=stage.saver)


def _send(stage: Stage, topic: str) -> Any:
    return stage.lib.Send("late" if topic == "bad" else "each", {"topic": topic})


@scenario(stream(BIRDS), state(), answer({"which?": "yes"}), stream(None), state(), ran(), saved())
def beside_a_question(stage: Stage) -> Any:
    """One node asks, another fails: both are seen, and both are settled."""
    nodes = {"ask": stage.asks("ask", "which?"), "bad": stage.fails("bad", late=LATE), "c": None}
    return stage.graph(nodes, "^>ask>c>$ ^>bad>c")


@scenario(stream(BIRDS), resume("yes"), state(), stream(None), state(), ran(), saved())
def after_an_answer(stage: Stage) -> Any:
    """A node fails after its question was answered: the answer is kept."""

    def work(state: Any) -> Any:
        reply = stage.lib.interrupt("which?")
        if stage.ran["ask"] <= 2:
            raise Failure("after the answer")
        return {"log": [reply]}

    return stage.graph({"ask": stage.node("ask", work), "c": None}, "^>ask>c>$")


@scenario(stream(BIRDS), update({"log": ["by hand"]}, "bad"), state(), stream(None), state(), ran())
def replaced_by_an_update(stage: Stage) -> Any:
    """A failed node's update is given by hand, and the run goes on after it."""
    return stage.graph({"a": None, "bad": stage.fails("bad"), "c": None}, "^>a>bad>c>$")


@scenario(stream(BIRDS), update({"log": ["before"]}), state(), stream(None), state(), ran())
def updated_before_going_on(stage: Stage) -> Any:
    """The state is updated between a failure and the next attempt."""
    return stage.graph({"a": None, "bad": stage.fails("bad"), "c": None}, "^>a>bad>c>$")


@scenario(stream(BIRDS), update({"log": ["hand"]}, "bad"), state(), stream(None), state(), ran(), saved())
def updated_beside_a_sibling(stage: Stage) -> Any:
    """An update after a failed superstep applies what its finished tasks wrote."""
    nodes = {"ok": None, "bad": stage.fails("bad", late=LATE), "c": None}
    return stage.graph(nodes, "^>ok>c>$ ^>bad>c")


@scenario(stream(BIRDS), bulk([(None, "__end__")]), state(), ran(), saved())
def ended_beside_a_sibling(stage: Stage) -> Any:
    """A failed superstep is ended by hand: what its finished tasks wrote is applied."""
    nodes = {"ok": None, "bad": stage.fails("bad", late=LATE), "c": None}
    return stage.graph(nodes, "^>ok>c>$ ^>bad>c")


@scenario(stream(BIRDS), stream({"log": ["new"]}), state(), history(), ran())
def new_input_after_a_failure(stage: Stage) -> Any:
    """New input on a thread whose last run failed."""
    return stage.graph({"a": None, "bad": stage.fails("bad"), "c": None}, "^>a>bad>c>$")


@scenario(stream(BIRDS), stream(None, at=1), state(), history(), ran())
def from_before_the_failure(stage: Stage) -> Any:
    """A re-run from an older checkpoint than the one that failed."""
    return stage.graph({"a": None, "bad": stage.fails("bad"), "c": None}, "^>a>bad>c>$")


@scenario(stream(BIRDS), stream(None, at=0), state(), history(), ran(), saved())
def failed_checkpoint_addressed(stage: Stage) -> Any:
    """The failed superstep's own checkpoint addressed by its id."""
    nodes = {"ok": None, "bad": stage.fails("bad", late=LATE), "c": None}
    return stage.graph(nodes, "^>ok>c>$ ^>bad>c")


@scenario(
    stream(BIRDS, extra={"recursion_limit": 3}), state(), stream(None, extra={"recursion_limit": 3}), state(), saved()
)
def out_of_steps(stage: Stage) -> Any:
    """The recursion limit ends a run; the thread can be continued with as many steps again."""
    return stage.graph(dict.fromkeys("abcde"), "^>a>b>c>d>e>$")


@scenario(stream({"log": []}), state(), stream(None), state(), ran(), saved())
def in_the_second_turn(stage: Stage) -> Any:
    """A node in a loop fails in its second turn."""

    def work(state: Any) -> Any:
        if stage.ran["turn"] == 2:
            raise Failure("second turn")
        return {"log": ["turn"]}

    builder = stage.builder({"turn": stage.node("turn", work)}, "^>turn")
    builder.add_conditional_edges("turn", lambda s: "turn" if len(s["log"]) < 3 else stage.lib.END)
    return builder.compile(checkpointer=stage.saver)


@scenario(stream(BIRDS), state(), stream(None), state(), ran())
def in_a_path_function(stage: Stage) -> Any:
    """A conditional edge's function fails: its node is run again."""

    def path(state: Any) -> str:
        if stage.ran["a"] == 1:
            raise Failure("no way")
        return "c"

    builder = stage.builder({"a": None, "c": None}, "^>a c>$")
    builder.add_conditional_edges("a", path, ["c"])
    return builder.compile(checkpointer=stage.saver)


class Clash(TypedDict, total=False):
    """A key that takes one value a superstep, beside a log."""

    log: Annotated[list[str], operator.add]
    topic: str


@scenario(stream(BIRDS), state(), saved())
def two_values_at_once(stage: Stage) -> Any:
    """Two nodes write a key that takes one value: the superstep fails after both finished."""
    nodes = {"l": lambda state: {"topic": "l"}, "r": lambda state: {"topic": "r"}}
    return stage.graph(nodes, "^>l>$ ^>r>$", Clash)


@scenario(stream(BIRDS), ran())
def not_an_update(stage: Stage) -> Any:
    """A node that returns what is no update; the saved error, in each library's words, is not looked at."""
    return stage.graph({"a": stage.node("a", lambda state: 5)}, "^>a>$")


@scenario(stream(BIRDS), state(subgraphs=True), stream(None), state(), ran(), saved())
def in_one_of_two_subgraphs(stage: Stage) -> Any:
    """Of two subgraphs in one superstep one fails after the other finished."""
    left = stage.sub({"x": None}, "^>x>$")
    right = stage.sub({"y": None, "bad": stage.fails("bad", late=LATE)}, "^>y>bad>$")
    return stage.graph({"left": left, "right": right, "c": None}, "^>left>c>$ ^>right>c")
