"""Runs in the background, in batches, later, from checkpoints, with contexts and with commands."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tests.serving.agent.scenarios.together import slow
from tests.serving.agent.script import delete, get, post, scripted
from tests.serving.agent.stage import Scenario, Stage

RUNS = "/threads/{thread}/runs"
STREAM = f"{RUNS}/stream"
WAIT = f"{RUNS}/wait"
EVERY = ["values", "updates", "messages-tuple", "debug", "custom", "events", "tasks", "checkpoints"]


def body(graph: str, given: Any = None, **more: Any) -> dict[str, Any]:
    """A run's body."""
    return {"assistant_id": graph, "input": given, **more}


QA = body("qa", {"question": "q?"})
N1 = body("trivial", {"n": 1})
HUMAN = body("human", {"n": 7})


def scenarios() -> Iterator[Scenario]:
    """All of them: none was captured."""
    yield from _background()
    yield from _where_it_goes_on()
    yield from _commands()
    yield from _told()
    yield Scenario(name="wait_cancelled", group="runs", names=_CANCELLED, play=_wait_cancelled, captured=False)
    yield Scenario(name="cancel_wait", group="runs", names=_WAITED, play=_cancel_wait, captured=False)
    yield Scenario(name="cancel_rollback", group="runs", names=_UNDONE, play=_cancel_rollback, captured=False)
    yield Scenario(name="cancel_pending", group="runs", names=_PENDING, play=_cancel_pending, captured=False)
    yield Scenario(name="cancel_many", group="runs", names=_MANY, play=_cancel_many, captured=False)
    yield Scenario(name="keep", group="runs", names=_KEPT, play=_keep, captured=False)
    yield Scenario(name="later", group="runs", names=_LATER, play=_later, captured=False)


def _background() -> Iterator[Scenario]:
    run = "{run}"
    yield scripted(
        "bg",
        "runs",
        post("create", RUNS, QA, run="run_id"),
        get("join", f"{RUNS}/{run}/join"),
        get("get", f"{RUNS}/{run}"),
        get("stream", f"{RUNS}/{run}/stream"),
        post("second", RUNS, QA | {"metadata": {"mine": 1}}, second="run_id"),
        get("list", RUNS),
        get("limited", f"{RUNS}?limit=1"),
        get("offset", f"{RUNS}?limit=1&offset=1"),
        get("status", f"{RUNS}?status=error"),
        get("select", f"{RUNS}?select=run_id&select=status"),
        get("bad_status", f"{RUNS}?status=nope"),
        delete("delete", f"{RUNS}/{run}"),
        get("gone", f"{RUNS}/{run}"),
        delete("delete_again", f"{RUNS}/{run}"),
        get("left", f"{RUNS}?select=run_id"),
    )
    yield scripted("bg_stateless", "runs", post("create", "/runs", N1))
    yield scripted(
        "bg_failed", "runs", post("", RUNS, body("err", {"n": 0}), run="run_id"), get("run", f"{RUNS}/{run}")
    )
    yield scripted("batch", "runs", post("two", "/runs/batch", [N1, QA]), post("none", "/runs/batch", []))
    yield scripted("wait", "runs", post("thread", WAIT, QA), post("stateless", "/runs/wait", QA))
    modes = QA | {"stream_mode": ["updates"]}
    yield scripted("wait_updates", "runs", post("thread", WAIT, modes), post("stateless", "/runs/wait", modes))
    create = QA | {"if_not_exists": "create"}
    yield scripted(
        "create", "runs", delete("", "/threads/{thread}"), post("wait", WAIT, create), get("get", "/threads/{thread}")
    )


def _where_it_goes_on() -> Iterator[Scenario]:
    history = "/threads/{thread}/history"
    for durability in ("sync", "async", "exit"):
        more = body("sub", {"n": 1}, durability=durability, stream_mode=["checkpoints", "values"])
        yield scripted(f"durability_{durability}", "runs", post("run", STREAM, more), post("history", history))
    none = body("trivial", stream_mode=["values", "updates"])
    yield scripted("no_input", "runs", post("empty", STREAM, none), post("", WAIT, N1), post("after", STREAM, none))
    failed = body("err", {"n": 0})
    again = body("err", stream_mode=["values", "updates"])
    yield scripted("no_input_failed", "runs", post("", WAIT, failed), post("again", STREAM, again))
    for when in ("before", "after"):
        stop = {f"interrupt_{when}": ["ask"], "stream_mode": ["values", "updates"]}
        every = {f"interrupt_{when}": "*", "stream_mode": EVERY}
        on = body("human", stream_mode=["values", "updates"])
        yield scripted(
            f"interrupt_{when}",
            "runs",
            post("stop", STREAM, HUMAN | stop),
            get("thread", "/threads/{thread}"),
            get("state", "/threads/{thread}/state"),
            post("on", STREAM, on),
            post("every", STREAM, body("trivial", {"n": 1}, **every)),
        )
        yield scripted(
            f"interrupt_{when}_wait",
            "runs",
            post("stop", WAIT, body("trivial", {"n": 1}, **{f"interrupt_{when}": "*"})),
        )
    past = {"stream_mode": ["values", "checkpoints"]}
    yield scripted(
        "past",
        "runs",
        post("", WAIT, body("sub", {"n": 1})),
        post("", history, {"limit": 10}, one="2.checkpoint_id", two="1.checkpoint_id"),
        post("checkpoint", STREAM, body("sub", checkpoint={"checkpoint_id": "{one}", "checkpoint_ns": ""}, **past)),
        post("checkpoint_id", STREAM, body("sub", checkpoint_id="{two}", **past)),
        post("other_input", STREAM, body("sub", {"n": 5}, checkpoint_id="{two}", **past)),
        post("history", history, {"limit": 20}),
        get("state", "/threads/{thread}/state"),
        post("unknown", STREAM, body("sub", checkpoint_id="1f1e54f8-c639-6505-8004-52eb48e5865d", **past)),
    )


def _commands() -> Iterator[Scenario]:
    def command(graph: str, **given: Any) -> dict[str, Any]:
        return {"assistant_id": graph, "command": given, "stream_mode": ["values", "updates"]}

    yield scripted(
        "command",
        "runs",
        post("", WAIT, HUMAN),
        post("update", STREAM, command("human", update={"n": 9})),
        post("goto", STREAM, command("human", goto="fin")),
        post("send", STREAM, command("human", goto={"node": "fin", "input": {"n": 3, "log": []}})),
        post("both", STREAM, command("human", update={"n": 1}, resume="both")),
        get("state", "/threads/{thread}/state"),
    )
    yield scripted(
        "command_nowhere", "runs", post("", WAIT, HUMAN), post("goto", STREAM, command("human", goto="nope"))
    )
    yield scripted("command_nothing", "runs", post("resume", STREAM, command("human", resume="x")))
    two = body("twoint", {"n": 1})
    yield scripted(
        "twoint",
        "runs",
        post("1", STREAM, two | {"stream_mode": ["values", "updates", "tasks"]}),
        get("thread", "/threads/{thread}"),
        get("state", "/threads/{thread}/state", one="interrupts.0.id", other="interrupts.1.id"),
        post("one", STREAM, command("twoint", resume={"{one}": "first"})),
        post("other", STREAM, command("twoint", resume={"{other}": "second"})),
    )
    ids = {"{one}": "first", "{other}": "second"}
    yield scripted(
        "twoint_wait",
        "runs",
        post("1", WAIT, two),
        get("", "/threads/{thread}/state", one="interrupts.0.id", other="interrupts.1.id"),
        post("both", STREAM, command("twoint", resume=ids)),
    )
    yield scripted(
        "twoint_one_for_both", "runs", post("", WAIT, two), post("resume", STREAM, command("twoint", resume="x"))
    )


def _told() -> Iterator[Scenario]:
    who = {"context": {"who": "context"}}
    configurable = {"config": {"configurable": {"who": "configurable"}}}
    more = {"tags": ["mine"], "recursion_limit": 7, "configurable": {"who": "me"}}
    ctx = body("ctx", {"n": 1})
    yield scripted(
        "ctx", "runs", post("context", "/runs/wait", ctx | who), post("config", "/runs/wait", ctx | configurable)
    )
    events = ctx | {"config": more, "metadata": {"mine": 1}, "stream_mode": ["events", "checkpoints"]}
    yield scripted(
        "config", "runs", post("events", STREAM, events), get("run", RUNS), get("thread", "/threads/{thread}")
    )
    limit = body("sub", {"n": 1}, config={"recursion_limit": 2}, stream_mode=["values"])
    yield scripted(
        "recursion",
        "runs",
        post("limit", STREAM, limit),
        post("zero", STREAM, limit | {"config": {"recursion_limit": 0}}),
    )
    yield scripted("fan", "runs", post("every", STREAM, body("fan", {"items": [1]}, stream_mode=EVERY)))
    yield scripted(
        "fan_values", "runs", post("three", STREAM, body("fan", {"items": [1, 2, 3]}, stream_mode=["values"]))
    )


_CANCELLED = ("wait_cancelled", "wait_cancelled_post")


async def _wait_cancelled(stage: Stage) -> None:
    thread = f"/threads/{await stage.thread()}"
    async with (
        stage.open("wait_cancelled", "POST", f"{thread}/runs/wait", slow(6)) as waiting,
        stage.open("", "GET", f"{thread}/runs/{waiting.run}/stream") as stream,
    ):
        await stream.seen("custom", 2)
        await stage.call("wait_cancelled_post", "POST", f"{thread}/runs/{waiting.run}/cancel")
    del stage.answers[""]


_WAITED = ("cancel_wait_stream", "cancel_wait_post", "cancel_wait_run")


async def _cancel_wait(stage: Stage) -> None:
    thread = f"/threads/{await stage.thread()}"
    async with stage.open("cancel_wait_stream", "POST", f"{thread}/runs/stream", slow(6)) as stream:
        await stream.seen("custom", 2)
        await stage.call("cancel_wait_post", "POST", f"{thread}/runs/{stream.run}/cancel?wait=1&action=interrupt")
    await stage.settled(thread)
    await stage.call("cancel_wait_run", "GET", f"{thread}/runs/{stream.run}")


_UNDONE = tuple(f"cancel_rollback_{word}" for word in ("stream", "post", "run", "state", "thread"))


async def _cancel_rollback(stage: Stage) -> None:
    thread = f"/threads/{await stage.thread()}"
    async with stage.open("cancel_rollback_stream", "POST", f"{thread}/runs/stream", slow(6)) as stream:
        await stream.seen("custom", 2)
        run = f"{thread}/runs/{stream.run}"
        await stage.call("cancel_rollback_post", "POST", f"{run}/cancel?action=rollback&wait=1")
    await stage.settled(thread)
    await stage.call("cancel_rollback_run", "GET", run)
    await stage.call("cancel_rollback_state", "GET", f"{thread}/state")
    await stage.call("cancel_rollback_thread", "GET", thread)


_PENDING = ("cancel_pending_first", "cancel_pending_second", "cancel_pending_post", "cancel_pending_run")


async def _cancel_pending(stage: Stage) -> None:
    thread = f"/threads/{await stage.thread()}"
    async with stage.open("cancel_pending_first", "POST", f"{thread}/runs/stream", slow(4)) as first:
        await first.seen("custom", 1)
        second = await stage.call("cancel_pending_second", "POST", f"{thread}/runs", slow(1))
        run = f"{thread}/runs/{second.json['run_id']}"
        await stage.call("cancel_pending_post", "POST", f"{run}/cancel")
        await stage.call("cancel_pending_run", "GET", run)
    await stage.settled(thread)


_MANY = ("cancel_many_stream", "cancel_many_post", "cancel_many_again", "cancel_many_runs")


async def _cancel_many(stage: Stage) -> None:
    thread = await stage.thread()
    path = f"/threads/{thread}"
    async with stage.open("cancel_many_stream", "POST", f"{path}/runs/stream", slow(6)) as first:
        await first.seen("custom", 2)
        asked = {"thread_id": thread, "run_ids": [first.run]}
        await stage.call("cancel_many_post", "POST", "/runs/cancel", asked)
    await stage.settled(path)
    await stage.call("cancel_many_again", "POST", "/runs/cancel", asked)
    await stage.call("cancel_many_runs", "GET", f"{path}/runs?select=status&select=run_id")


_KEPT = ("keep_stream", "keep_thread", "keep_state", "keep_runs")


async def _keep(stage: Stage) -> None:
    asked = body("qa", {"question": "q?"}, stream_mode=["checkpoints", "values"], on_completion="keep")
    stream = await stage.call("keep_stream", "POST", "/runs/stream", asked)
    thread = f"/threads/{stream.data('checkpoints')['config']['configurable']['thread_id']}"
    await stage.settled(thread)
    await stage.call("keep_thread", "GET", thread)
    await stage.call("keep_state", "GET", f"{thread}/state")
    await stage.call("keep_runs", "GET", f"{thread}/runs")


_LATER = ("later_create", "later_get", "later_join")


async def _later(stage: Stage) -> None:
    thread = f"/threads/{await stage.thread()}"
    made = await stage.call("later_create", "POST", f"{thread}/runs", N1 | {"after_seconds": 2})
    run = f"{thread}/runs/{made.json['run_id']}"
    await stage.call("later_get", "GET", run)
    await stage.call("later_join", "GET", f"{run}/join")
