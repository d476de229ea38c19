"""What our Agent Server does otherwise than the real one, on purpose: numbered, each with its reason.

Those without scenarios are shown by no transcript; their tests are in test_differences.py.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass

from tests.serving.agent import rewrites
from tests.serving.agent.rewrites import Exchanges
from tests.serving.agent.scenarios.faults import FIELDS
from tests.support.wire import Form

__all__ = ["DIFFERENCES", "Difference", "compared"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One chosen difference.

    Attributes:
        number: A and a figure: the server's; E: our engine's, against LangGraph's behind the same server.
        reason: Why ours is right, with the quirk of AGENT-SERVER.md (vi).
        scenarios: Where it shows.
        rewrite: Changes the real server's facts of such a scenario, by the names of its exchanges, into what is
            expected of ours; what is found is there to be read where more than one answer is right.
        both: Changes both sides, where it is an order that is not compared.
    """

    number: str
    reason: str
    scenarios: frozenset[str] = frozenset()
    rewrite: Callable[[Exchanges, Exchanges], None] = rewrites.untouched
    both: Callable[[Form], Form] | None = None


def compared(scenario: str, engine: str, facts: Form, found: Form) -> tuple[Form, Form]:
    """What is expected of our server, and what was found, ready to be compared.

    Args:
        scenario: Its name.
        engine: Of the graphs: ``lcel_compat`` or ``langgraph``.
        facts: What the real server answered.
        found: What ours answered.
    """
    form = deepcopy(facts)
    by_name = [{exchange["name"]: exchange for exchange in one} for one in (form, found)]
    for difference in DIFFERENCES:
        if scenario in difference.scenarios and (engine == "lcel_compat" or difference.number.startswith("A")):
            difference.rewrite(by_name[0], by_name[1])
            if difference.both is not None:
                form, found = difference.both(form), difference.both(found)
    if scenario in ENDED:
        form, found = rewrites.early(form), rewrites.early(found)
    return form, found


ENDED = frozenset({"mts_interrupt", "mts_rollback", "cancel", "od_cancel", "wait_cancelled", "cancel_wait"})
"""Where a run is ended while it ticks: how often it ticked before is the machine's speed."""


def _one(
    number: str, reason: str, scenarios: str = "", rewrite: Callable[..., None] = rewrites.untouched
) -> Difference:
    return Difference(number=number, reason=reason, scenarios=frozenset(scenarios.split()), rewrite=rewrite)


_NESTED = [f"{on}_sub_{modes}_{below}" for on in "ts" for modes in ("multi", "all") for below in ("false", "true")]

DIFFERENCES: tuple[Difference, ...] = (
    _one(
        "A1",
        "Q6: every event has an id of its own, so that a stream continued after one lacks none.",
        "res_ev",
        rewrites.after_the_fourth,
    ),
    _one("A2", "Q7: an error is replayed like every event before it.", "res_err", rewrites.error_is_replayed),
    _one(
        "A3",
        "Q7: so are the events of the mode `messages`, whose names are not the mode's.",
        "res_sub",
        rewrites.messages_are_replayed,
    ),
    _one(
        "A4",
        "Q4: an interrupt is told, as `updates` tells it, to a stream of modes that would not show it.",
        "int_unseen",
        rewrites.interrupts_are_told,
    ),
    _one(
        "A5",
        "A refused field is named, with what may stand there, in words of pydantic and not of JSON Schema.",
        " ".join([*FIELDS, "batch", "search", "thread", "state", "assistant", "store"]),
        rewrites.said_otherwise,
    ),
    _one("A6", "Q15: streams, runs and states tell nothing of the server's insides and of a request's headers."),
    _one("A7", "`Location` is exposed to pages of other origins, so that they can take up a broken stream."),
    _one("A8", "Pages of other origins are let in where they are named, and not all of them."),
    _one("A9", "Q12: `feedback_keys` change nothing where no LangSmith is; the stream does not end with an error."),
    _one("A10", "Threads are searched by values beside threads that have none; the real server answers 500."),
    _one(
        "A11",
        "`x-pagination-total` is how many there are, as /count says, and not how many are known to be there.",
        "graphs",
        rewrites.all_are_counted,
    ),
    _one(
        "A12",
        "Q13: to make a version the latest restores all of it, with its context and its graph.",
        "assistants assistant",
        rewrites.version_is_whole,
    ),
    _one(
        "A13",
        "A copied thread is answered with the values, the status and the questions that it has.",
        "threads copy",
        rewrites.copy_is_whole,
    ),
    _one("A14", "To copy an unknown thread is 404, not 409.", "thread", rewrites.copy_of_nothing_is_not_found),
    _one(
        "A15",
        "The metadata of a run without a thread names its graph, as that of a run on a thread does.",
        "bg_stateless batch keep",
        rewrites.stateless_runs_name_their_graph,
    ),
    _one(
        "A16",
        "/runs/wait answers the final values whatever modes were asked for, as on a thread.",
        "wait_updates",
        rewrites.values_are_waited_for,
    ),
    _one(
        "A17",
        "Q15: the checkpoint that a run or an update went back to is no metadata of the new one.",
        "past state supersteps",
        rewrites.where_it_forked_is_not_metadata,
    ),
    _one(
        "A18",
        "A command on an empty thread runs as LangGraph runs it; the real server fails with a TypeError of its own.",
        "command_nothing",
        rewrites.nothing_is_resumed,
    ),
    _one(
        "A19",
        "/wait answers the values beside several questions, as it does beside one.",
        "twoint_wait",
        rewrites.both_wait_with_values,
    ),
    _one("A20", "Every refusal is a document with `detail`.", "store", rewrites.detail_is_json),
    _one(
        "A21",
        "A run without a thread that is kept is located on the thread that it has, where it can be joined.",
        "keep",
        rewrites.kept_runs_have_a_place,
    ),
    _one(
        "A22",
        "A command in an event has all of its fields; the real server makes some of them null.",
        "int_all",
        rewrites.commands_are_whole,
    ),
    _one(
        "A23",
        "A thread always says which questions wait, after a rollback too.",
        "cancel_rollback",
        rewrites.questions_are_always_there,
    ),
    _one("A24", "LangGraph's joins hand out copies; a run that goes on after a crash passes no node behind one."),
    _one("A25", "Q2: a text that the event `error` hides is hidden in states and in other modes as well."),
    _one(
        "E1",
        "Our engine's errors have the kinds of LangGraph's, and their own words.",
        "bad_on_one_thread command no_input past recursion state twoint_one_for_both",
        rewrites.own_words,
    ),
    _one(
        "E2",
        "A task that was cancelled is one that has not run: our engine saves no error for it.",
        "cancel od_cancel",
        rewrites.cancelled_leaves_no_error,
    ),
    _one(
        "E3",
        "A command that goes to a node that is not there is refused.",
        "command_nowhere",
        rewrites.nowhere_is_refused,
    ),
    Difference(
        number="E4",
        reason="Where the frames of a subgraph stand among the events differs; each kind keeps its own order.",
        scenarios=frozenset({"t_sub_multi_true", "t_sub_multi_false", *_NESTED}),
        both=rewrites.in_lanes,
    ),
)
