"""Threads and assistants: made, found, changed, read and deleted."""

from __future__ import annotations

from collections.abc import Iterator

from tests.serving.agent.stage import Scenario, Stage
from tests.support.wire import assistant_id

THREADS = (
    "th_create",
    "th_create_dup",
    "th_create_dup_ok",
    "th_get",
    "th_patch",
    "th_search",
    "th_count",
    "th_state_empty",
    "th_hist_empty",
    "th_state_update_nograph",
    "th_state",
    "th_state_subgraphs",
    "th_state_update",
    "th_state_at",
    "th_state_at_post",
    "th_hist",
    "th_copy",
    "th_runs_empty",
    "th_delete",
)
QA = f"/assistants/{assistant_id('qa')}"
# Name: method, path, body.
GRAPHS = {
    "as_search": ("POST", "/assistants/search", {}),
    "as_search_qa": (
        "POST",
        "/assistants/search",
        {"graph_id": "qa", "limit": 1, "select": ["assistant_id", "graph_id"]},
    ),
    "as_count": ("POST", "/assistants/count", {}),
    "as_get": ("GET", QA, None),
    "as_get_byname": ("GET", "/assistants/qa", None),
    "as_graph": ("GET", f"{QA}/graph", None),
    "as_graph_x": ("GET", f"{QA}/graph?xray=true", None),
    "as_graph_byname": ("GET", "/assistants/sub/graph?xray=1", None),
    "as_schemas": ("GET", f"{QA}/schemas", None),
    "as_schemas_byname": ("GET", "/assistants/qa/schemas", None),
    "as_subgraphs": ("GET", f"{QA}/subgraphs", None),
    "as_subgraphs_byname": ("GET", "/assistants/sub/subgraphs?recurse=true", None),
}


def scenarios() -> Iterator[Scenario]:
    """All of them."""
    yield Scenario(name="threads", group="keeping", names=THREADS, play=_threads)
    yield Scenario(name="graphs", group="keeping", names=tuple(GRAPHS), play=_graphs)
    names = ("as_create", "as_patch", "as_versions", "as_latest", "as_run", "as_delete")
    yield Scenario(name="assistants", group="keeping", names=names, play=_assistants)


async def _threads(stage: Stage) -> None:
    made = await stage.call("th_create", "POST", "/threads", {"metadata": {"u": "x"}})
    thread = made.json["thread_id"]
    await stage.call("th_create_dup", "POST", "/threads", {"thread_id": thread})
    await stage.call("th_create_dup_ok", "POST", "/threads", {"thread_id": thread, "if_exists": "do_nothing"})
    path = f"/threads/{thread}"
    await stage.call("th_get", "GET", path)
    await stage.call("th_patch", "PATCH", path, {"metadata": {"u2": "y"}})
    await stage.call("th_search", "POST", "/threads/search", {"metadata": {"u": "x"}, "limit": 2})
    await stage.call("th_count", "POST", "/threads/count", {"metadata": {"u": "x"}})
    await stage.call("th_state_empty", "GET", f"{path}/state")
    await stage.call("th_hist_empty", "GET", f"{path}/history")
    await stage.call("th_state_update_nograph", "POST", f"{path}/state", {"values": {"log": ["x"]}})
    await stage.aside("POST", f"{path}/runs/wait", {"assistant_id": "sub", "input": {"n": 1}})
    await stage.settled(path)
    await _travels(stage, path)


async def _travels(stage: Stage, path: str) -> None:
    await stage.call("th_state", "GET", f"{path}/state")
    await stage.call("th_state_subgraphs", "GET", f"{path}/state?subgraphs=true")
    updated = await stage.call(
        "th_state_update", "POST", f"{path}/state", {"values": {"log": ["upd"]}, "as_node": "after"}
    )
    checkpoint = updated.json["checkpoint_id"]
    await stage.call("th_state_at", "GET", f"{path}/state/{checkpoint}")
    asked = {"checkpoint": {"checkpoint_id": checkpoint, "checkpoint_ns": ""}}
    await stage.call("th_state_at_post", "POST", f"{path}/state/checkpoint", asked)
    await stage.call("th_hist", "POST", f"{path}/history", {"limit": 3})
    copy = await stage.call("th_copy", "POST", f"{path}/copy")
    await stage.call("th_runs_empty", "GET", f"{path}/runs?limit=2")
    await stage.call("th_delete", "DELETE", path)
    await stage.aside("DELETE", f"/threads/{copy.json['thread_id']}")


async def _graphs(stage: Stage) -> None:
    for name, (method, path, body) in GRAPHS.items():
        await stage.call(name, method, path, body)


async def _assistants(stage: Stage) -> None:
    made = {"graph_id": "ctx", "name": "mine", "context": {"who": "assist"}, "metadata": {"a": 1}}
    assistant = (await stage.call("as_create", "POST", "/assistants", made)).json["assistant_id"]
    path = f"/assistants/{assistant}"
    await stage.call("as_patch", "PATCH", path, {"context": {"who": "v2"}})
    await stage.call("as_versions", "POST", f"{path}/versions", {})
    await stage.call("as_latest", "POST", f"{path}/latest", {"version": 1})
    await stage.call("as_run", "POST", "/runs/stream", {"assistant_id": assistant, "input": {"n": 1}})
    await stage.call("as_delete", "DELETE", path)
