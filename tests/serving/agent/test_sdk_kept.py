"""LangGraph's Python SDK works unchanged: threads and their states, assistants and the store, in both colours."""

from __future__ import annotations

from typing import Any

import pytest

from tests.serving.agent.colour import settled
from tests.support.wire import assistant_id

pytestmark = [pytest.mark.slow, pytest.mark.langgraph]


async def test_threads_are_made_changed_and_deleted(sdk: Any) -> None:
    """Metadata merge, a second thread of one id is refused or the first."""
    made = await sdk.threads.create(metadata={"a": 1})
    thread = made["thread_id"]
    with pytest.raises(sdk.errors.ConflictError):
        await sdk.threads.create(thread_id=thread)
    assert (await sdk.threads.create(thread_id=thread, if_exists="do_nothing"))["metadata"] == {"a": 1}
    assert (await sdk.threads.update(thread, metadata={"b": 2}))["metadata"] == {"a": 1, "b": 2}
    await sdk.threads.delete(thread)
    with pytest.raises(sdk.errors.NotFoundError):
        await sdk.threads.get(thread)


async def test_threads_are_found(sdk: Any, thread: str) -> None:
    """By metadata, status and values; in an order, a page at a time; and counted."""
    mine = {"owner": thread}
    ids = [(await sdk.threads.create(metadata=mine))["thread_id"] for _ in range(3)]
    for number, graph in enumerate(("human", "trivial", "trivial")):
        await sdk.runs.wait(ids[number], graph, input={"n": number})
        await settled(sdk, ids[number])

    async def found(**asked: Any) -> list[str]:
        return [one["thread_id"] for one in await sdk.threads.search(metadata=mine, **asked)]

    assert sorted(await found()) == sorted(ids)
    assert await found(status="interrupted") == ids[:1]
    assert await found(sort_by="created_at", sort_order="asc") == ids
    assert await found(sort_by="created_at", sort_order="asc", limit=1, offset=1) == ids[1:2]
    assert await sdk.threads.count(metadata=mine, status="idle") == 2
    assert await sdk.threads.search(ids=ids[:1], select=["thread_id"]) == [{"thread_id": ids[0]}]


async def test_states_are_read_changed_and_gone_back_to(sdk: Any, thread: str) -> None:
    """An update makes a checkpoint, a fork begins at an old one, the history has them all."""
    await sdk.runs.wait(thread, "human", input={"n": 1})
    await settled(sdk, thread)
    asked = await sdk.threads.get_state(thread)
    updated = await sdk.threads.update_state(thread, {"log": ["by hand"]}, as_node="ask")
    after = await sdk.threads.get_state(thread, checkpoint_id=updated["checkpoint_id"])
    assert (asked["next"], after["next"]) == (["ask"], ["fin"])
    assert after["values"]["log"] == ["prep", "by hand"]
    history = await sdk.threads.get_history(thread, limit=10)
    assert [state["next"] for state in history] == [["fin"], ["ask"], ["prep"], ["__start__"]]
    before = {"configurable": {"checkpoint_id": history[1]["checkpoint_id"]}}
    old = await sdk.threads.get_history(thread, limit=1, before=before)
    assert [state["next"] for state in old] == [["prep"]]
    forked = await sdk.runs.wait(thread, "human", checkpoint_id=history[2]["checkpoint_id"], input=None)
    assert forked["log"] == ["prep"]
    assert [
        state["metadata"]["source"] for state in await sdk.threads.get_history(thread, metadata={"source": "update"})
    ]


async def test_a_copy_goes_its_own_way(sdk: Any, thread: str) -> None:
    """A copied thread has the state of the first, and its runs do not touch it."""
    await sdk.runs.wait(thread, "human", input={"n": 1})
    await settled(sdk, thread)
    copy = await sdk.threads.copy(thread)
    copied = (copy if copy else (await sdk.threads.search(limit=1))[0])["thread_id"]
    assert (await sdk.runs.wait(copied, "human", command={"resume": "x"}))["log"] == ["prep", "answered:x", "fin"]
    assert (await sdk.threads.get_state(thread))["values"]["log"] == ["prep"]


async def test_assistants_have_versions(sdk: Any, thread: str) -> None:
    """Each change is a version, any of them can be the latest, and runs see its context."""
    made = await sdk.assistants.create("ctx", context={"who": "one"}, name="mine", metadata={"owner": thread})
    assistant = made["assistant_id"]
    changed = await sdk.assistants.update(assistant, context={"who": "two"})
    assert (made["version"], changed["version"]) == (1, 2)
    assert (await sdk.runs.wait(None, assistant, input={"n": 1}))["log"] == ["who=two", "conf=two"]
    versions = await sdk.assistants.get_versions(assistant)
    assert [version["context"]["who"] for version in versions] == ["two", "one"]
    assert (await sdk.assistants.set_latest(assistant, 1))["version"] == 1
    found = await sdk.assistants.search(metadata={"owner": thread})
    assert [one["assistant_id"] for one in found] == [assistant]
    assert await sdk.assistants.count(metadata={"owner": thread}) == 1
    await sdk.assistants.delete(assistant)
    with pytest.raises(sdk.errors.NotFoundError):
        await sdk.assistants.get(assistant)


async def test_graphs_are_described(sdk: Any) -> None:
    """Every graph has an assistant, which tells its drawing, its schemas and its subgraphs."""
    sub = assistant_id("sub")
    assert (await sdk.assistants.get(sub))["graph_id"] == "sub"
    drawn = await sdk.assistants.get_graph(sub, xray=True)
    assert {"before", "child:inner_a", "child:inner_b", "after"} <= {node["id"] for node in drawn["nodes"]}
    schemas = await sdk.assistants.get_schemas(sub)
    assert set(schemas["input_schema"]["properties"]) == {"n", "log"}
    assert list(await sdk.assistants.get_subgraphs(sub, recurse=True)) == ["child"]
    assert await sdk.assistants.search(graph_id="qa", limit=1, select=["graph_id"]) == [{"graph_id": "qa"}]


async def test_the_store_keeps_items(sdk: Any, thread: str) -> None:
    """They are put, found by namespace and content, and deleted."""
    space = [thread, "mine"]
    await sdk.store.put_item(space, key="k", value={"n": 1})
    await sdk.store.put_item(space, key="l", value={"n": 2})
    assert (await sdk.store.get_item(space, key="k"))["value"] == {"n": 1}
    found = await sdk.store.search_items([thread], filter={"n": 2})
    assert [item["key"] for item in found["items"]] == ["l"]
    assert (await sdk.store.list_namespaces([thread]))["namespaces"] == [space]
    await sdk.store.delete_item(space, key="k")
    assert [item["key"] for item in (await sdk.store.search_items([thread]))["items"]] == ["l"]
    await sdk.store.delete_item(space, key="l")
