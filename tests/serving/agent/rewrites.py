"""How the numbered differences change the real server's facts into what is expected of ours."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tests.serving.agent.scenarios.faults import FIELDS
from tests.support.wire import Form, renamed

Exchanges = Mapping[str, dict[str, Any]]
"""The exchanges of a scenario by name."""


def untouched(facts: Exchanges, found: Exchanges) -> None:
    """No transcript shows it."""


def after_the_fourth(facts: Exchanges, found: Exchanges) -> None:
    """What follows the fourth event is all but the first four."""
    facts["res_ev_replay"]["events"] = facts["res_ev"]["events"][4:]


def error_is_replayed(facts: Exchanges, found: Exchanges) -> None:
    """The replay has the error."""
    facts["res_err_replay"]["events"] = facts["res_err"]["events"]


def messages_are_replayed(facts: Exchanges, found: Exchanges) -> None:
    """The replay has the messages."""
    facts["res_sub_replay"]["events"] = facts["res_sub"]["events"]


def interrupts_are_told(facts: Exchanges, found: Exchanges) -> None:
    """The last event of each stream is the question."""
    for number, exchange in enumerate(facts.values(), 1):
        question = {"value": {"question": "approve?", "n": 7}, "id": f"<interrupt {number}>", "response_schema": None}
        exchange["events"].append(["updates", {"__interrupt__": [question]}])


def said_otherwise(facts: Exchanges, found: Exchanges) -> None:
    """Any words will do that name the field."""
    for name, exchange in facts.items():
        said = found[name].get("json", {}).get("detail") if name in FIELDS else None
        if isinstance(said, str) and FIELDS[name] in said:
            exchange["json"] = {"detail": said}


def all_are_counted(facts: Exchanges, found: Exchanges) -> None:
    """The total is what /count says."""
    facts["as_search"]["headers"]["x-pagination-total"] = str(facts["as_count"]["json"])


def version_is_whole(facts: Exchanges, found: Exchanges) -> None:
    """The latest version has its own context, and its own graph."""
    if "as_latest" in facts:
        facts["as_latest"]["json"]["context"] = facts["as_create"]["json"]["context"]
        facts["as_run"]["events"][-1][1]["log"][0] = "who=assist"
    else:
        for name in ("assistant_latest", "assistant_now"):
            facts[name]["json"]["graph_id"] = facts["assistant_rename"]["json"]["graph_id"]


def copy_is_whole(facts: Exchanges, found: Exchanges) -> None:
    """The copy has the values of the original, and its questions."""
    if "th_copy" in facts:
        values, interrupts, status = facts["th_hist"]["json"][0]["values"], {}, "idle"
        copies = [facts["th_copy"]]
    else:
        state = facts["copy_state"]["json"]
        asked = [{"id": one["id"], "value": one["value"]} for one in state["interrupts"]]
        values, interrupts, status = state["values"], {state["tasks"][0]["id"]: asked}, "interrupted"
        copies = [facts["copy_copy"], facts["copy_thread"]]
    for copy in copies:
        copy["json"] |= {"values": values, "interrupts": interrupts, "status": status}
        copy["json"] |= {"error": None, "config": {"configurable": {}}}


def copy_of_nothing_is_not_found(facts: Exchanges, found: Exchanges) -> None:
    """The answer is that of every other route."""
    facts["thread_copy_unknown"] |= {"status": 404, "json": facts["thread_delete_unknown"]["json"]}


def stateless_runs_name_their_graph(facts: Exchanges, found: Exchanges) -> None:
    """Their metadata has the graph."""
    runs = [facts[name]["json"] for name in ("bg_stateless_create", "batch_two", "keep_runs") if name in facts]
    for run in [one for some in runs for one in (some if isinstance(some, list) else [some])]:
        graph = run["assistant_id"].removeprefix("<assistant ").removesuffix(">")
        for metadata in (run["metadata"], run["kwargs"]["config"]["metadata"]):
            metadata["graph_id"] = graph


def values_are_waited_for(facts: Exchanges, found: Exchanges) -> None:
    """The final values, as on a thread."""
    facts["wait_updates_stateless"]["json"] = facts["wait_updates_thread"]["json"]


def both_wait_with_values(facts: Exchanges, found: Exchanges) -> None:
    """The values beside the questions, as with one question."""
    facts["twoint_wait_1"]["json"] |= {"n": 1, "log": []}


def where_it_forked_is_not_metadata(facts: Exchanges, found: Exchanges) -> None:
    """The parent says it already."""
    for exchange in facts.values():
        states = exchange.get("json")
        for state in states if isinstance(states, list) else [states]:
            if isinstance(state, dict) and isinstance(state.get("metadata"), dict):
                state["metadata"].pop("checkpoint_id", None)


def nothing_is_resumed(facts: Exchanges, found: Exchanges) -> None:
    """The run begins, as LangGraph's own does."""
    question = {"value": {"question": "approve?", "n": None}, "id": "<interrupt 1>", "response_schema": None}
    facts["command_nothing_resume"]["events"][1:] = [
        ["updates", {"prep": {"log": ["prep"]}}],
        ["values", {"log": ["prep"]}],
        ["updates", {"__interrupt__": [question]}],
        ["values", {"log": ["prep"], "__interrupt__": [question]}],
    ]


def detail_is_json(facts: Exchanges, found: Exchanges) -> None:
    """A document as of every other refusal."""
    exchange = facts["store_bad_space"]
    said = exchange.pop("text", None) or exchange["json"]
    exchange["headers"] = {"content-type": "application/json"}
    exchange["json"] = {"detail": said}


def kept_runs_have_a_place(facts: Exchanges, found: Exchanges) -> None:
    """A run that is kept is located on its thread."""
    headers = facts["keep_stream"]["headers"]
    for name in ("location", "content-location"):
        headers[name] = headers[name].replace("/runs/", "/threads/<thread 1>/runs/")


def commands_are_whole(facts: Exchanges, found: Exchanges) -> None:
    """A command that goes nowhere says so with an empty list."""
    first = next(data for name, data in facts["int_all_2"]["events"] if name == "events")
    first["data"]["input"]["goto"] = []


def questions_are_always_there(facts: Exchanges, found: Exchanges) -> None:
    """A thread has its questions, none of them too."""
    facts["cancel_rollback_thread"]["json"]["interrupts"] = {}


def own_words(facts: Exchanges, found: Exchanges) -> None:
    """Any words will do for the same kind of error, at the same place."""
    for name, exchange in facts.items():
        for old, new in zip(exchange.get("events", ()), found[name].get("events", ()), strict=False):
            same = {"AmbiguousResumeError": "RuntimeError"}.get(str(new[1].get("error")), new[1].get("error"))
            if old[0] == new[0] == "error" and same == old[1]["error"] and new[1]["message"]:
                old[1] = new[1]
        if name in ("command_state", "state_nowhere"):
            exchange["json"]["detail"] = found[name]["json"]["detail"]


def cancelled_leaves_no_error(facts: Exchanges, found: Exchanges) -> None:
    """The task is one that has not run."""
    for name, exchange in facts.items():
        if name.endswith("_state"):
            exchange["json"]["tasks"][0]["error"] = None


def nowhere_is_refused(facts: Exchanges, found: Exchanges) -> None:
    """The run fails at once, and the error names the nodes."""
    exchange, other = facts["command_nowhere_goto"], found["command_nowhere_goto"]
    event = other["events"][-1]
    if event[0] == "error" and event[1]["error"] == "InvalidUpdateError" and "'nope'" in event[1]["message"]:
        exchange["events"][1:] = [event]


def in_lanes(form: Form) -> Form:
    """Each stream with its ``events`` behind the frames of other modes, and identifiers in the order of that."""
    lanes = [
        exchange | {"events": _lanes(exchange["events"])} if "events" in exchange else exchange for exchange in form
    ]
    return renamed(lanes)


def early(form: Form) -> Form:
    """Without the ticks behind the second."""
    return [
        {**exchange, "events": [event for event in exchange["events"] if not _is_late(event)]}
        if "events" in exchange
        else exchange
        for exchange in form
    ]


def _is_late(event: Any) -> bool:
    name, data, *_ = event
    return name == "custom" and isinstance(data, dict) and data.get("tick", 0) > 1


def _lanes(events: list[Any]) -> list[Any]:
    return sorted(events, key=lambda event: bool(event[0] == "events"))
