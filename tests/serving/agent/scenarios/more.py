"""More of threads, assistants and the store than was captured."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tests.serving.agent.scenarios.faults import NO_ASSISTANT, NOBODY
from tests.serving.agent.script import Step, delete, get, post, scripted
from tests.serving.agent.stage import Scenario
from tests.support.wire import GRAPHS, assistant_id

THREAD = "/threads/{thread}"
WAIT = f"{THREAD}/runs/wait"


def scenarios() -> Iterator[Scenario]:
    """All of them: none was captured."""
    yield from _threads()
    yield from _states()
    yield from _assistants()
    yield from _store()


def patch(name: str, path: str, body: Any) -> Step:
    """A PATCH."""
    return Step(name=name, method="PATCH", path=path, body=body)


def put(name: str, path: str, body: Any) -> Step:
    """A PUT."""
    return Step(name=name, method="PUT", path=path, body=body)


def _threads() -> Iterator[Scenario]:
    mine = {"metadata": {"owner": "search {thread}"}}
    yield scripted(
        "search",
        "more",
        post("", "/threads", mine | {"thread_id": "{thread}", "if_exists": "do_nothing"}),
        patch("", THREAD, mine),
        post("", WAIT, {"assistant_id": "human", "input": {"n": 1}}),
        post("", "/threads", mine, second="thread_id"),
        post("", "/threads/{second}/runs/wait", {"assistant_id": "trivial", "input": {"n": 2}}),
        post("", "/threads", mine, third="thread_id"),
        post("all", "/threads/search", mine),
        post("idle", "/threads/search", mine | {"status": "idle"}),
        post("interrupted", "/threads/search", mine | {"status": "interrupted"}),
        post("select", "/threads/search", mine | {"select": ["thread_id", "status"]}),
        post(
            "sorted", "/threads/search", mine | {"sort_by": "created_at", "sort_order": "asc", "select": ["thread_id"]}
        ),
        post("limited", "/threads/search", mine | {"limit": 1, "offset": 1}),
        post("ids", "/threads/search", {"ids": ["{thread}"]}),
        post("count", "/threads/count", mine | {"status": "idle"}),
        post("bad_status", "/threads/search", {"status": "nope"}),
        post("bad_sort", "/threads/search", {"sort_by": "nope"}),
        post("bad_limit", "/threads/search", {"limit": -1}),
    )
    yield scripted(
        "thread",
        "more",
        post("make_named", "/threads", {"thread_id": "{thread}", "if_exists": "nope"}),
        post("make_not_uuid", "/threads", {"thread_id": "abc"}),
        post("make_text", "/threads", {"metadata": "text"}),
        patch("patch_unknown", f"/threads/{NOBODY}", {"metadata": {}}),
        delete("delete_unknown", f"/threads/{NOBODY}"),
        post("copy_unknown", f"/threads/{NOBODY}/copy"),
        get("runs_unknown", f"/threads/{NOBODY}/runs"),
        post("state_unknown", f"/threads/{NOBODY}/state", {"values": {"n": 1}}),
        delete("delete", THREAD),
        get("get", THREAD),
        get("state", f"{THREAD}/state"),
    )
    yield scripted(
        "prune",
        "more",
        post("", WAIT, {"assistant_id": "trivial", "input": {"n": 1}}),
        post("delete", "/threads/prune", {"thread_ids": ["{thread}", NOBODY]}),
        get("get", THREAD),
    )
    yield scripted("ok", "more", get("ok", "/ok"))
    supersteps = [
        {"updates": [{"values": {"n": 3}, "as_node": "__input__"}]},
        {"updates": [{"values": {"log": ["t"]}, "as_node": "t"}]},
    ]
    yield scripted(
        "supersteps",
        "more",
        post("make", "/threads", {"metadata": {"graph_id": "trivial"}, "supersteps": supersteps}, made="thread_id"),
        get("state", "/threads/{made}/state"),
        post("history", "/threads/{made}/history"),
        delete("", "/threads/{made}"),
    )
    copied = post("copy", f"{THREAD}/copy", None, copy="thread_id")
    yield scripted(
        "copy",
        "more",
        post("", WAIT, {"assistant_id": "human", "input": {"n": 1}}),
        copied,
        get("thread", "/threads/{copy}"),
        get("state", "/threads/{copy}/state"),
        post("history", "/threads/{copy}/history"),
        get("runs", "/threads/{copy}/runs"),
        post("resume", "/threads/{copy}/runs/wait", {"assistant_id": "human", "command": {"resume": "copy"}}),
        get("original", f"{THREAD}/state"),
    )


def _states() -> Iterator[Scenario]:
    history = f"{THREAD}/history"
    yield scripted(
        "state",
        "more",
        post("", WAIT, {"assistant_id": "human", "input": {"n": 1}}),
        post("update", f"{THREAD}/state", {"values": {"n": 2}}),
        get("updated", f"{THREAD}/state"),
        get("thread", THREAD),
        post("as_node", f"{THREAD}/state", {"values": {"log": ["by hand"]}, "as_node": "ask"}),
        get("moved", f"{THREAD}/state"),
        post("nowhere", f"{THREAD}/state", {"values": {"log": ["by hand"]}, "as_node": "nope"}),
        post("wrong", f"{THREAD}/state", {"values": 5}),
        post("", history, {"limit": 10}, first="3.checkpoint_id"),
        post(
            "fork",
            f"{THREAD}/state",
            {"values": {"n": 5}, "checkpoint": {"checkpoint_id": "{first}", "checkpoint_ns": ""}},
        ),
        get("forked", f"{THREAD}/state"),
        post("history", history, {"limit": 10}),
        post("before", history, {"limit": 2, "before": {"configurable": {"checkpoint_id": "{first}"}}}),
        post("filtered", history, {"metadata": {"source": "update"}}),
        post("at", history, {"checkpoint": {"checkpoint_id": "{first}", "checkpoint_ns": ""}, "limit": 1}),
        get("unknown", f"{THREAD}/state/1f1e54f8-c639-6505-8004-52eb48e5865d"),
        get("not_uuid", f"{THREAD}/state/abc"),
        post("none", f"{THREAD}/state", {"values": None, "as_node": "fin"}),
        get("finished", f"{THREAD}/state"),
        post("bad_limit", history, {"limit": 0}),
    )


def _assistants() -> Iterator[Scenario]:
    for graph in GRAPHS:
        own = f"/assistants/{assistant_id(graph)}"
        # The schemas of messages are langchain-core's, and change with it.
        schemas = [] if graph == "chat" else [get("schemas", f"{own}/schemas")]
        yield scripted(f"graph_{graph}", "graphs", get("drawn", f"{own}/graph?xray=true"), *schemas)
    sub = f"/assistants/{assistant_id('sub')}"
    yield scripted(
        "graph_sub_below",
        "graphs",
        get("subgraphs", f"{sub}/subgraphs"),
        get("recurse", f"{sub}/subgraphs?recurse=true"),
        get("child", f"{sub}/subgraphs/child"),
        get("nope", f"{sub}/subgraphs/nope"),
        get("xray", f"{sub}/graph?xray=0"),
        get("bad_xray", f"{sub}/graph?xray=zzz"),
    )
    made = {"graph_id": "ctx", "name": "second", "config": {"configurable": {"who": "me"}, "recursion_limit": 9}}
    path = "/assistants/{assistant}"
    mine = {"metadata": {"owner": "assistant {thread}"}}
    yield scripted(
        "assistant",
        "more",
        post("make", "/assistants", made | mine | {"description": "Mine."}, assistant="assistant_id"),
        post("make_again", "/assistants", made | {"assistant_id": "{assistant}"}),
        post("make_or_not", "/assistants", made | {"assistant_id": "{assistant}", "if_exists": "do_nothing"}),
        post("make_no_graph", "/assistants", {"graph_id": "nope"}),
        post("make_nothing", "/assistants", {}),
        post("make_conflict", "/assistants", made | {"context": {"who": "b"}}),
        get("get", path),
        post("search", "/assistants/search", mine),
        post("search_name", "/assistants/search", mine | {"name": "sec"}),
        post("count", "/assistants/count", mine),
        post("run", "/runs/wait", {"assistant_id": "{assistant}", "input": {"n": 1}}),
        patch("rename", path, {"name": "third", "metadata": {"b": 2}}),
        patch("description", path, {"description": "Other."}),
        patch("other_graph", path, {"graph_id": "trivial"}),
        patch("no_graph", path, {"graph_id": "nope"}),
        post("versions", f"{path}/versions", {"limit": 2}),
        post("latest", f"{path}/latest", {"version": 2}),
        post("latest_unknown", f"{path}/latest", {"version": 99}),
        get("now", path),
        delete("delete", path),
        delete("delete_again", path),
        patch("patch_unknown", f"/assistants/{NO_ASSISTANT}", {"name": "x"}),
        post("versions_unknown", f"/assistants/{NO_ASSISTANT}/versions"),
    )


def _store() -> Iterator[Scenario]:
    items, space = "/store/items", ["{thread}", "a"]
    yield scripted(
        "store",
        "more",
        put("put", items, {"namespace": space, "key": "k", "value": {"text": "one", "n": 1}}),
        put("other", items, {"namespace": ["{thread}", "b"], "key": "l", "value": {"n": 2}}),
        put("again", items, {"namespace": space, "key": "k", "value": {"text": "two", "n": 2}}),
        get("get", f"{items}?key=k&namespace={{thread}}.a"),
        get("unknown", f"{items}?key=zzz&namespace={{thread}}.a"),
        post("search", f"{items}/search", {"namespace_prefix": ["{thread}"]}),
        post("filter", f"{items}/search", {"namespace_prefix": ["{thread}"], "filter": {"text": "two"}}),
        post("limit", f"{items}/search", {"namespace_prefix": ["{thread}"], "limit": 1, "offset": 1}),
        post("spaces", "/store/namespaces", {"prefix": ["{thread}"]}),
        post("depth", "/store/namespaces", {"prefix": ["{thread}"], "max_depth": 1}),
        delete("delete", items, {"namespace": space, "key": "k"}),
        delete("delete_again", items, {"namespace": space, "key": "k"}),
        get("gone", f"{items}?key=k&namespace={{thread}}.a"),
        put("bad_value", items, {"namespace": space, "key": "k", "value": 5}),
        put("bad_space", items, {"namespace": ["a.b"], "key": "k", "value": {}}),
        put("no_space", items, {"namespace": [], "key": "k", "value": {}}),
        put("no_key", items, {"namespace": space, "value": {}}),
        post("", f"{items}/search", {"namespace_prefix": ["{thread}"]}),
        delete("", items, {"namespace": ["{thread}", "b"], "key": "l"}),
    )
