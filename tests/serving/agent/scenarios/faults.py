"""Graphs that raise, and requests that are refused or should have been."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tests.serving.agent.stage import Scenario, Stage

NOBODY = "22222222-2222-2222-2222-222222222222"
NOBODY_YET = "22222222-2222-2222-2222-222222222223"
NO_ASSISTANT = "11111111-1111-1111-1111-111111111111"
NO_RUN = "33333333-3333-3333-3333-333333333333"
QA = {"assistant_id": "qa", "input": {"question": "x"}}
N1 = {"input": {"n": 1}}
CONFLICT = {"assistant_id": "ctx", **N1, "context": {"who": "a"}, "config": {"configurable": {"who": "b"}}}

# Name: method, path, body; `{thread}` is a thread that exists.
REFUSED: dict[str, tuple[str, str, Any]] = {
    "bad_assistant_missing": ("POST", "/threads/{thread}/runs/stream", N1),
    "bad_assistant_name": ("POST", "/threads/{thread}/runs/stream", {"assistant_id": "nope", **N1}),
    "bad_assistant_name_stateless": ("POST", "/runs/stream", {"assistant_id": "nope", **N1}),
    "bad_assistant_uuid": ("POST", "/threads/{thread}/runs/stream", {"assistant_id": NO_ASSISTANT, **N1}),
    "bad_assistant_uuid_stateless": ("POST", "/runs/stream", {"assistant_id": NO_ASSISTANT, **N1}),
    "bad_assistant_get": ("GET", "/assistants/nope", None),
    "bad_assistant_get_uuid": ("GET", f"/assistants/{NO_ASSISTANT}", None),
    "bad_ctx_and_conf": ("POST", "/runs/stream", CONFLICT),
    "bad_durability": ("POST", "/threads/{thread}/runs/stream", QA | {"durability": "zzz"}),
    "bad_json": ("POST", "/threads/{thread}/runs/stream", '{"assistant_id":"qa",'),
    "bad_json_array": ("POST", "/runs/stream", "[1]"),
    "bad_json_empty": ("POST", "/runs/stream", ""),
    "bad_json_stateless": ("POST", "/runs/stream", "not json"),
    "bad_method": ("GET", "/runs/stream", None),
    "bad_mts": ("POST", "/threads/{thread}/runs/stream", QA | {"multitask_strategy": "zzz"}),
    "bad_od": ("POST", "/threads/{thread}/runs/stream", QA | {"on_disconnect": "zzz"}),
    "bad_route": ("GET", "/nope", None),
    "bad_run_cancel": ("POST", f"/threads/{{thread}}/runs/{NO_RUN}/cancel", None),
    "bad_run_get": ("GET", f"/threads/{{thread}}/runs/{NO_RUN}", None),
    "bad_run_join": ("GET", f"/threads/{{thread}}/runs/{NO_RUN}/join", None),
    "bad_run_stream": ("GET", f"/threads/{{thread}}/runs/{NO_RUN}/stream", None),
    "bad_stream_mode": ("POST", "/threads/{thread}/runs/stream", QA | {"stream_mode": "nope"}),
    "bad_stream_mode_list": ("POST", "/threads/{thread}/runs/stream", QA | {"stream_mode": ["values", "nope"]}),
    "bad_stream_mode_tools": ("POST", "/threads/{thread}/runs/stream", QA | {"stream_mode": ["tools"]}),
    "bad_thread": ("POST", f"/threads/{NOBODY}/runs/stream", QA),
    "bad_thread_get": ("GET", f"/threads/{NOBODY}", None),
    "bad_thread_get_notuuid": ("GET", "/threads/abc", None),
    "bad_thread_history": ("POST", f"/threads/{NOBODY}/history", {}),
    "bad_thread_notuuid": ("POST", "/threads/abc/runs/stream", QA),
    "bad_thread_state": ("GET", f"/threads/{NOBODY}/state", None),
    "bad_unknown_field": ("POST", "/runs/stream", QA | {"wat": 1}),
    "bad_input_wrongkeys": ("POST", "/threads/{thread}/runs/stream", {"assistant_id": "qa", "input": {"foo": 1}}),
}
ON_ONE_THREAD = {
    "bad_stream_mode_empty": QA | {"stream_mode": []},
    "bad_stream_mode_dup": QA | {"stream_mode": ["values", "values"]},
    "bad_input_type": {"assistant_id": "qa", "input": "str"},
    "bad_input_num": {"assistant_id": "qa", "input": 5},
}

# What an answer has to name that refuses a body: the field, or that it is the body itself.
FIELDS = {
    "assistant_make_nothing": "graph_id",
    "bad_assistant_missing": "assistant_id",
    "bad_durability": "durability",
    "bad_json_array": "body",
    "bad_mts": "multitask_strategy",
    "bad_od": "on_disconnect",
    "bad_stream_mode": "stream_mode",
    "bad_stream_mode_list": "stream_mode",
    "bad_stream_mode_tools": "stream_mode",
    "batch_none": "body",
    "search_bad_limit": "limit",
    "search_bad_sort": "sort_by",
    "search_bad_status": "status",
    "state_bad_limit": "limit",
    "state_wrong": "values",
    "store_bad_value": "value",
    "store_no_key": "key",
    "thread_make_named": "if_exists",
    "thread_make_text": "metadata",
}


def scenarios() -> Iterator[Scenario]:
    """All of them."""
    for name in REFUSED:
        yield _refused(name)
    yield Scenario(name="bad_on_one_thread", group="bad", names=tuple(ON_ONE_THREAD), play=_on_one_thread)
    yield Scenario(name="bad_thread_ine", group="bad", names=("bad_thread_ine",), play=_if_not_exists)
    for n in (0, 1):
        yield _raises(n)
    known = ("err_2", "err_state", "err_thread", "err_runs", "err_events", "err_wait")
    yield Scenario(name="err_2", group="err", names=known, play=_known)
    yield Scenario(name="err_stateless", group="err", names=("err_stateless", "err_wait_raise"), play=_stateless)


def _refused(name: str) -> Scenario:
    method, path, body = REFUSED[name]

    async def play(stage: Stage) -> None:
        await stage.call(name, method, path.replace("{thread}", await stage.thread()), body)

    return Scenario(name=name, group="bad", names=(name,), play=play)


async def _on_one_thread(stage: Stage) -> None:
    path = f"/threads/{await stage.thread()}/runs/stream"
    for name, body in ON_ONE_THREAD.items():
        await stage.call(name, "POST", path, body)


async def _if_not_exists(stage: Stage) -> None:
    await stage.aside("DELETE", f"/threads/{NOBODY_YET}")
    await stage.call("bad_thread_ine", "POST", f"/threads/{NOBODY_YET}/runs/stream", QA | {"if_not_exists": "create"})
    await stage.aside("DELETE", f"/threads/{NOBODY_YET}")


def _raises(n: int) -> Scenario:
    async def play(stage: Stage) -> None:
        body = {"assistant_id": "err", "input": {"n": n}, "stream_mode": ["values", "updates"]}
        await stage.call(f"err_{n}", "POST", f"/threads/{await stage.thread()}/runs/stream", body)

    return Scenario(name=f"err_{n}", group="err", names=(f"err_{n}",), play=play)


async def _known(stage: Stage) -> None:
    thread = f"/threads/{await stage.thread()}"
    body = {"assistant_id": "err", "input": {"n": 2}, "stream_mode": ["values", "updates"]}
    await stage.call("err_2", "POST", f"{thread}/runs/stream", body)
    await stage.settled(thread)
    await stage.call("err_state", "GET", f"{thread}/state")
    await stage.call("err_thread", "GET", thread)
    await stage.call("err_runs", "GET", f"{thread}/runs")
    body = {"assistant_id": "err", "input": {"n": 0}, "stream_mode": ["events", "tasks", "debug"]}
    await stage.call("err_events", "POST", f"{thread}/runs/stream", body)
    await stage.call("err_wait", "POST", f"{thread}/runs/wait", {"assistant_id": "err", "input": {"n": 0}})


async def _stateless(stage: Stage) -> None:
    body = {"assistant_id": "err", "input": {"n": 0}, "stream_mode": ["values"]}
    await stage.call("err_stateless", "POST", "/runs/stream", body)
    await stage.call("err_wait_raise", "POST", "/runs/wait", {"assistant_id": "err", "input": {"n": 1}})
