"""Scenarios of time travel: re-running from an old checkpoint, forking it, updating as a node, updating in bulk."""

from __future__ import annotations

from typing import Any

from tests.differential.scenarios.play import scenario
from tests.differential.scenarios.stage import Stage
from tests.differential.scenarios.steps import (
    bulk,
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


def _line(stage: Stage, **options: Any) -> Any:
    return stage.graph({"a": None, "b": None, "c": None}, "^>a>b>c>$", **options)


def _asking(stage: Stage) -> Any:
    return stage.graph({"a": None, "ask": stage.asks("ask", "which?"), "c": None}, "^>a>ask>c>$")


@scenario(stream(BIRDS), stream(None, at=2), state(), history(), ran(), saved())
def again_from_the_middle(stage: Stage) -> Any:
    """A finished run is run again from an old checkpoint."""
    return _line(stage)


@scenario(stream(BIRDS), stream(None, at=4), state(), history(), ran())
def again_from_the_input(stage: Stage) -> Any:
    """A run again from the checkpoint of its input."""
    return _line(stage)


@scenario(stream(BIRDS), stream(None, at=0), state(), history(), ran())
def again_from_the_end(stage: Stage) -> Any:
    """The newest checkpoint addressed by its id: there is nothing to do."""
    return _line(stage)


@scenario(stream(BIRDS), invoke(None, at=2), history(), state(at=3), state(at=0))
def again_invoked(stage: Stage) -> Any:
    """``invoke`` from an old checkpoint."""
    return _line(stage)


@scenario(stream(BIRDS), stream({"log": ["new"]}, at=2), state(), history(), saved())
def new_input_in_the_past(stage: Stage) -> Any:
    """New input at an old checkpoint starts a branch there."""
    return _line(stage)


@scenario(stream(BIRDS), update({"log": ["forked"]}, at=2), state(), stream(None), history(), ran(), saved())
def fork(stage: Stage) -> Any:
    """An old checkpoint is updated and the run goes on from there."""
    return _line(stage)


@scenario(stream(BIRDS), update({"log": ["as a"]}, "a", at=3), state(), stream(None), history(), ran())
def fork_as_node(stage: Stage) -> Any:
    """An old checkpoint is updated as if a node had written: its successors come next."""
    return _line(stage)


@scenario(stream(BIRDS), update(None, at=2), state(), stream(None), history(), ran())
def fork_without_values(stage: Stage) -> Any:
    """An update of nothing copies the checkpoint."""
    return _line(stage)


@scenario(stream(BIRDS), update(None, "__copy__", at=2), state(), stream(None), history(), saved())
def copied(stage: Stage) -> Any:
    """``as_node="__copy__"`` forks a checkpoint as it is."""
    return _line(stage)


@scenario(stream(BIRDS), update(None, "__end__"), state(), history())
def ended_by_hand(stage: Stage) -> Any:
    """``as_node=END`` with nothing clears what would come next."""
    return _line(stage, interrupt_before=["b"])


@scenario(update({"log": ["first"]}, "a"), state(), stream(None), history(), saved())
def begun_by_update(stage: Stage) -> Any:
    """A thread begins with an update as a node."""
    return _line(stage)


@scenario(update({"log": ["first"]}), state(), stream(None), history())
def begun_by_update_of_nobody(stage: Stage) -> Any:
    """A thread begins with an update that names no node."""
    return _line(stage)


@scenario(update({"log": ["first"]}, "__input__"), state(), stream(None), history(), saved())
def begun_by_input(stage: Stage) -> Any:
    """``as_node="__input__"``: an update that is the graph's input."""
    return _line(stage)


@scenario(update({"log": ["first"]}, "__start__"), state(), stream(None), history())
def begun_as_start(stage: Stage) -> Any:
    """``as_node="__start__"``."""
    return _line(stage)


@scenario(stream(BIRDS), update({"log": ["after"]}), state(), update({"log": ["more"]}), history(), saved())
def updated_after_the_end(stage: Stage) -> Any:
    """Updates of a finished thread."""
    return _line(stage)


@scenario(stream(BIRDS), update({"log": ["x"]}, "nobody"), update({"nothing": 1}, "a"), state())
def mistaken_updates(stage: Stage) -> Any:
    """An update as a node that is not there, and one of a key that is not there."""
    return _line(stage)


def _diamond(stage: Stage, **options: Any) -> Any:
    return stage.graph({"a": None, "l": None, "r": None, "c": None}, "^>a>l>c>$ a>r>c", **options)


@scenario(stream(BIRDS), update({"log": ["who?"]}), state(), update({"log": ["l"]}, "l"), state(), stream(None))
def updated_between_two(stage: Stage) -> Any:
    """After two nodes of one superstep an update must say which it is of."""
    return _diamond(stage, interrupt_before=["c"])


@scenario(bulk([({"log": ["in"]}, "__input__")], [({"log": ["A"]}, "a")]), state(), history(), stream(None), saved())
def in_bulk(stage: Stage) -> Any:
    """Two supersteps of updates, then a run."""
    return _line(stage)


@scenario(
    stream(BIRDS),
    bulk([({"log": ["L"]}, "l"), ({"log": ["R"]}, "r")]),
    state(),
    stream(None),
    history(),
    saved(),
)
def in_bulk_at_once(stage: Stage) -> Any:
    """Two nodes' updates in one superstep of a bulk update."""
    return _diamond(stage, interrupt_before=["l"])


@scenario(bulk(), bulk([]), bulk([({"log": ["x"]}, "a"), (None, "__copy__")]), state())
def mistaken_bulk(stage: Stage) -> Any:
    """A bulk update of nothing, and one that mixes what cannot be mixed."""
    return _line(stage)


@scenario(stream(BIRDS), bulk([(None, "__copy__")], [({"log": ["x"]}, "a")], at=2), state(), stream(None), history())
def bulk_in_the_past(stage: Stage) -> Any:
    """A bulk update that first copies an old checkpoint."""
    return _line(stage)


@scenario(stream(BIRDS), resume("yes"), stream(None, at=2), state(), resume("no"), state(), history(), ran(), saved())
def question_asked_again(stage: Stage) -> Any:
    """A re-run from before an answered question asks it again; another answer makes another branch."""
    return _asking(stage)


@scenario(stream(BIRDS), resume("yes"), resume("other", at=2), state(), history(), ran(), saved())
def answered_in_the_past(stage: Stage) -> Any:
    """An answer at the old checkpoint where the question was asked."""
    return _asking(stage)


@scenario(stream(BIRDS), resume("yes", at=0), state(), history(), ran(), saved())
def answered_at_the_head(stage: Stage) -> Any:
    """An answer that addresses the newest checkpoint by its id."""
    return _asking(stage)


@scenario(
    stream(BIRDS), resume("yes"), update({"log": ["forked"]}, at=2), stream(None), state(), resume("no"), history()
)
def fork_with_a_question(stage: Stage) -> Any:
    """A fork before a question: it is asked in the new branch."""
    return _asking(stage)


def _nested(stage: Stage) -> Any:
    inner = stage.sub({"x": None, "ask": stage.asks("ask", "which?"), "y": None}, "^>x>ask>y>$")
    return stage.graph({"a": None, "sub": inner, "c": None}, "^>a>sub>c>$")


@scenario(
    stream(BIRDS), resume("yes"), stream(None, at=2), state(subgraphs=True), resume("no"), state(), history(), ran()
)
def subgraph_again(stage: Stage) -> Any:
    """A re-run from the checkpoint before a subgraph runs it from its start."""
    return _nested(stage)


@scenario(stream(BIRDS), resume("yes"), state(at=2, subgraphs=True), stream(None, at=1), state(), ran(), saved())
def after_the_subgraph_again(stage: Stage) -> Any:
    """A re-run from after a subgraph leaves it alone; its old state can still be read."""
    return _nested(stage)


@scenario(
    stream(BIRDS), update({"log": ["in"]}, "x", within="sub"), resume("yes"), stream(None), state(), history(), ran()
)
def fork_inside(stage: Stage) -> Any:
    """A subgraph that waits is updated as one of its nodes, and forks the root with it."""
    return _nested(stage)


@scenario(
    stream(BIRDS), history(limit=2), history(before=1), history(filter={"source": "loop"}), history(filter={"step": 1})
)
def history_in_part(stage: Stage) -> Any:
    """A history with a limit, from a checkpoint backwards, and filtered by metadata."""
    return _line(stage)


@scenario(state(), history(), state(subgraphs=True), saved())
def nothing_there(stage: Stage) -> Any:
    """The state and the history of a thread that never ran."""
    return _line(stage)


@scenario(stream(BIRDS), command(update={"log": ["u"]}, goto="b"), state(), history(), ran(), saved())
def command_on_a_finished_thread(stage: Stage) -> Any:
    """``Command(update=..., goto=...)`` as input starts a node of a finished thread."""
    return _line(stage)


@scenario(stream(BIRDS), command(goto="c", at=3), state(), history(), ran())
def command_in_the_past(stage: Stage) -> Any:
    """``Command(goto=...)`` at an old checkpoint."""
    return _line(stage)


@scenario(stream(BIRDS), command(update={"log": ["u"]}), state(), history())
def command_that_updates(stage: Stage) -> Any:
    """``Command(update=...)`` alone, while the thread stands before a node."""
    return _line(stage, interrupt_before=["b"])


@scenario(stream(BIRDS), command(goto=[("b", {"log": ["sent"]}), "c"]), state(), history(), ran(), saved())
def command_that_sends(stage: Stage) -> Any:
    """``Command(goto=[Send, node])`` as input."""
    return _line(stage)


@scenario(command(update={"log": ["u"]}, goto="b"), state(), history())
def command_first(stage: Stage) -> Any:
    """A ``Command`` on a thread that never ran."""
    return _line(stage)


@scenario(
    stream(BIRDS),
    stream(lambda stage: stage.lib.Command()),
    state(),
    differs="LangGraph means to raise EmptyInputError and raises UnboundLocalError (pregel/_loop.py, _first)",
)
def command_of_nothing(stage: Stage) -> Any:
    """A ``Command`` without anything."""
    return _line(stage)


@scenario(stream(None), state(), stream({}), state(), stream({"nothing": 1}), state(), saved())
def input_of_nothing(stage: Stage) -> Any:
    """``None`` on a new thread, an empty input, and one without a known key."""
    return _line(stage)


@scenario(stream(BIRDS), stream({"log": ["more"]}), stream(None, at=2), state(), history(), saved())
def memory_again(stage: Stage) -> Any:
    """A re-run takes a subgraph's lasting state back to where it was then."""
    lasting = stage.sub({"x": None}, "^>x>$", checkpointer=True)
    return stage.graph({"lasting": lasting, "c": None}, "^>lasting>c>$")


@scenario(stream(BIRDS), stream({"log": ["more"]}), stream(None, at=2), state(), history(), saved())
def memory_below_the_unsaved_again(stage: Stage) -> Any:
    """The same below a subgraph that is not saved."""
    lasting = stage.sub({"x": None}, "^>x>$", checkpointer=True)
    middle = stage.sub({"lasting": lasting}, "^>lasting>$", checkpointer=False)
    return stage.graph({"mid": middle, "c": None}, "^>mid>c>$")
