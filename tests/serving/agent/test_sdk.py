"""LangGraph's Python SDK works unchanged: runs and their streams, in both colours."""

from __future__ import annotations

from typing import Any

import pytest

from tests.serving.agent.captures import facts
from tests.serving.agent.colour import settled
from tests.serving.agent.differing import differing
from tests.serving.agent.rewrites import in_lanes
from tests.serving.agent.scenarios import SCENARIOS
from tests.support.wire import Names

pytestmark = [pytest.mark.slow, pytest.mark.langgraph]

QA = {"question": "q?"}
ANSWERED = QA | {"answer": "Hello big world"}
STREAMS = [name for name, scenario in SCENARIOS.items() if scenario.group in ("t_sub", "t_sub_many", "s_qa")]


async def parts(stream: Any) -> list[tuple[str, Any]]:
    """Names and data of a stream."""
    return [(part.event, part.data) async for part in stream]


@pytest.mark.parametrize("name", STREAMS)
async def test_a_stream_is_handed_out_as_the_real_server_sends_it(sdk: Any, thread: str, name: str) -> None:
    """Events, names and data of every mode reach the program that uses the SDK."""
    names, sent, found = Names(), facts(SCENARIOS[name]), []
    for exchange in sent:
        asked = dict(exchange["sent"])
        on = thread if name.startswith("t_") else None
        stream = await parts(sdk.runs.stream(on, asked.pop("assistant_id"), **asked))
        found.append({"events": [[names.text(event), names.data(data)] for event, data in stream]})
    # Where the kinds stand among each other is compared on the wire.
    assert differing(in_lanes([{"events": exchange["events"]} for exchange in sent]), in_lanes(found)) == []


async def test_the_run_of_a_stream_is_known_at_once_and_over_at_its_end(sdk: Any, thread: str) -> None:
    """The SDK learns the ids from the headers, and asks once at the end whether it has to come back: it has not."""
    made: list[Any] = []
    stream = sdk.runs.stream(thread, "qa", input=QA, on_run_created=made.append)
    run = (await parts(stream))[0][1]["run_id"]
    assert made == [{"run_id": run, "thread_id": thread}]
    assert f"GET /threads/{thread}/runs/{run}/stream" not in sdk.requests
    assert (await sdk.runs.get(thread, run))["status"] == "success"


async def test_second_kind_of_parts(sdk: Any, thread: str) -> None:
    """The SDK's second version of parts tells namespaces and interrupts apart."""
    stream = sdk.runs.stream(thread, "sub", input={"n": 1}, stream_mode="updates", stream_subgraphs=True, version="v2")
    found = [(part["type"], [space.split(":")[0] for space in part["ns"]]) async for part in stream]
    below = ("updates", ["child"])
    assert found == [("metadata", []), ("updates", []), below, below, ("updates", []), ("updates", [])]


@pytest.mark.parametrize("stateless", [False, True])
async def test_a_run_is_waited_for(sdk: Any, thread: str, stateless: bool) -> None:
    """The final values come back, on a thread and without one."""
    assert await sdk.runs.wait(None if stateless else thread, "qa", input=QA) == ANSWERED


async def test_a_failed_run_raises_where_it_is_waited_for(sdk: Any, thread: str) -> None:
    """The error's class and text are told, and can be had as data instead."""
    with pytest.raises(Exception, match="ValueError: boom: bad value"):
        await sdk.runs.wait(thread, "err", input={"n": 0})
    failed = await sdk.runs.wait(thread, "err", input={"n": 1}, raise_error=False)
    assert failed["__error__"] == {"error": "MyErr", "message": "An internal error occurred"}
    assert (await sdk.threads.get(thread))["status"] == "error"


async def test_a_run_in_the_background(sdk: Any, thread: str) -> None:
    """It is created, joined, listed and deleted."""
    run = await sdk.runs.create(thread, "qa", input=QA, metadata={"mine": "yes"})
    assert (run["status"], run["thread_id"], run["metadata"]["mine"]) == ("pending", thread, "yes")
    assert await sdk.runs.join(thread, run["run_id"]) == ANSWERED
    await settled(sdk, thread)
    listed = await sdk.runs.list(thread, limit=5, status="success", select=["run_id", "status"])
    assert listed == [{"run_id": run["run_id"], "status": "success"}]
    await sdk.runs.delete(thread, run["run_id"])
    with pytest.raises(sdk.errors.NotFoundError):
        await sdk.runs.get(thread, run["run_id"])


async def test_a_batch_of_runs(sdk: Any) -> None:
    """As many runs come back as payloads went in."""
    runs = await sdk.runs.create_batch([{"assistant_id": "trivial", "input": {"n": number}} for number in range(3)])
    assert [run["kwargs"]["input"] for run in runs] == [{"n": 0}, {"n": 1}, {"n": 2}]


async def test_a_stream_goes_on_where_it_was_left(sdk: Any, thread: str) -> None:
    """A resumable stream, left in the middle, is continued after the last event that was seen, without loss."""
    options = {"stream_mode": ["values", "custom"], "stream_resumable": True}
    seen: list[Any] = []
    async for part in sdk.runs.stream(thread, "slow", input={"n": 4}, **options):
        seen.append(part)
        if part.data == {"tick": 1}:
            break
    run = seen[0].data["run_id"]
    assert [part.data for part in seen[-2:]] == [{"tick": 0}, {"tick": 1}]
    rest = await parts(sdk.runs.join_stream(thread, run, last_event_id=seen[-1].id))
    assert rest == [("custom", {"tick": 2}), ("custom", {"tick": 3}), ("values", {"n": 4, "log": ["pre", "slow4"]})]
    whole = await parts(sdk.runs.join_stream(thread, run, last_event_id="-1", stream_mode=["custom"]))
    assert whole == [("custom", {"tick": tick}) for tick in range(4)]


async def test_a_run_is_cancelled(sdk: Any, thread: str) -> None:
    """Its stream ends, and its status says so."""
    seen: list[Any] = []
    async for part in sdk.runs.stream(thread, "slow", input={"n": 20}, stream_mode="custom"):
        seen.append(part)
        if part.data == {"tick": 0}:
            await sdk.runs.cancel(thread, seen[0].data["run_id"], wait=True)
    assert len(seen) < 5
    assert (await sdk.runs.get(thread, seen[0].data["run_id"]))["status"] == "interrupted"


async def test_many_runs_are_cancelled(sdk: Any, thread: str) -> None:
    """One that runs and one that waits, in one request."""
    runs = [(await sdk.runs.create(thread, "slow", input={"n": 20}))["run_id"] for _ in range(2)]
    await sdk.runs.cancel_many(thread_id=thread, run_ids=runs)
    await settled(sdk, thread)
    assert {run["status"] for run in await sdk.runs.list(thread)} == {"interrupted"}


async def test_an_interrupt_is_answered(sdk: Any, thread: str) -> None:
    """It shows in the stream, on the thread and in the state, and a command resumes the run."""
    stopped = await parts(sdk.runs.stream(thread, "human", input={"n": 7}, stream_mode="updates"))
    question = {"question": "approve?", "n": 7}
    assert [interrupt["value"] for interrupt in stopped[-1][1]["__interrupt__"]] == [question]
    await settled(sdk, thread)
    found = await sdk.threads.get(thread)
    assert (found["status"], [one["value"] for every in found["interrupts"].values() for one in every]) == (
        "interrupted",
        [question],
    )
    state = await sdk.threads.get_state(thread)
    assert (state["next"], [one["value"] for one in state["interrupts"]]) == (["ask"], [question])
    done = await sdk.runs.wait(thread, "human", command={"resume": "yes"})
    assert done == {"n": 7, "log": ["prep", "answered:yes", "fin"]}


async def test_a_command_goes_elsewhere(sdk: Any, thread: str) -> None:
    """An update and a node to go to are a command's, too."""
    await sdk.runs.wait(thread, "human", input={"n": 7})
    command = {"update": {"n": 9}, "goto": "fin"}
    stream = await parts(sdk.runs.stream(thread, "human", command=command, stream_mode="updates"))
    assert ("updates", {"fin": {"log": ["fin"]}}) in stream
    assert (await sdk.threads.get_state(thread))["values"]["n"] == 9


async def test_a_run_stops_before_a_node_and_goes_on(sdk: Any, thread: str) -> None:
    """``interrupt_before`` stops without a question, and no input continues."""
    stopped = await sdk.runs.wait(thread, "sub", input={"n": 1}, interrupt_before=["after"])
    assert stopped["log"][-1] != "after"
    assert (await sdk.threads.get_state(thread))["next"] == ["after"]
    assert (await sdk.runs.wait(thread, "sub", input=None))["log"][-1] == "after"


async def test_two_runs_of_one_thread(sdk: Any, thread: str) -> None:
    """A second run waits for the first, or is rejected with the right exception."""
    first = await sdk.runs.create(thread, "slow", input={"n": 2})
    with pytest.raises(sdk.errors.ConflictError, match="already running a task"):
        await sdk.runs.create(thread, "slow", input={"n": 1}, multitask_strategy="reject")
    second = await sdk.runs.create(thread, "slow", input={"n": 1}, multitask_strategy="enqueue")
    assert (await sdk.runs.join(thread, second["run_id"]))["log"] == ["pre", "slow2", "pre", "slow1"]
    assert (await sdk.runs.get(thread, first["run_id"]))["status"] == "success"


async def test_refusals_have_their_exceptions(sdk: Any, thread: str) -> None:
    """What the server refuses is an exception of its own kind, with the server's words."""
    with pytest.raises(sdk.errors.UnprocessableEntityError, match="Invalid assistant: 'nope'"):
        await sdk.runs.create(thread, "nope", input={})
    with pytest.raises(sdk.errors.NotFoundError, match="not found"):
        await sdk.threads.get("22222222-2222-2222-2222-222222222222")
    with pytest.raises(sdk.errors.NotFoundError):
        await parts(sdk.runs.stream("22222222-2222-2222-2222-222222222222", "qa", input=QA))
    with pytest.raises(sdk.errors.UnprocessableEntityError):
        await sdk.runs.create(thread, "qa", input=QA, multitask_strategy="nope")


async def test_a_thread_is_made_by_its_first_run(sdk: Any) -> None:
    """``if_not_exists`` makes the thread that the client named."""
    named = "01a1fbcd-da96-759d-8f24-e7ae44519999"
    assert await sdk.runs.wait(named, "qa", input=QA, if_not_exists="create") == ANSWERED
    await sdk.threads.delete(named)
