"""LangGraph's ``RemoteGraph`` works unchanged: a served graph is used like one of the own process, in both colours."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any, TypedDict

import pytest
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, StateGraph
from langgraph.pregel.remote import RemoteException, RemoteGraph
from langgraph.types import Command
from langgraph_sdk import get_client, get_sync_client

from lcel_compat import StateGraph as OurGraph

pytestmark = [pytest.mark.slow, pytest.mark.langgraph]

QA = {"question": "q?"}
ANSWERED = QA | {"answer": "Hello big world"}


class Remote:
    """Remote graphs of one server, whose methods are called in one colour."""

    def __init__(self, colour: str, client: Any, sync_client: Any) -> None:
        self._colour, self._clients = colour, {"client": client, "sync_client": sync_client}

    def graph(self, name: str) -> Any:
        """The served graph of that name."""
        return RemoteGraph(name, **self._clients)

    async def call(self, graph: Any, method: str, *args: Any, **kwargs: Any) -> Any:
        """What a method gives; a list of it where that is a stream."""
        if self._colour == "sync":
            return await asyncio.to_thread(lambda: _listed(getattr(graph, method)(*args, **kwargs)))
        made = getattr(graph, f"a{method}")(*args, **kwargs)
        return [item async for item in made] if hasattr(made, "__aiter__") else await made


def _listed(made: Any) -> Any:
    return list(made) if hasattr(made, "__next__") else made


@pytest.fixture(params=["async", "sync"])
async def remote(request: pytest.FixtureRequest, server: str) -> AsyncIterator[Remote]:
    """Remote graphs in one colour."""
    with get_sync_client(url=server) as sync_client:
        async with get_client(url=server) as client:
            yield Remote(request.param, client, sync_client)


async def on_a_thread(remote: Remote) -> Any:
    """A configuration with a new thread."""
    return {"configurable": {"thread_id": (await remote._clients["client"].threads.create())["thread_id"]}}


async def test_a_served_graph_is_invoked(remote: Remote) -> None:
    """Its final state comes back."""
    assert await remote.call(remote.graph("qa"), "invoke", QA) == ANSWERED


async def test_a_served_graph_streams(remote: Remote) -> None:
    """One mode gives items, several give pairs, subgraphs give their namespace."""
    qa, sub = remote.graph("qa"), remote.graph("sub")
    assert await remote.call(qa, "stream", QA, stream_mode="values") == [QA, ANSWERED]
    pairs = await remote.call(qa, "stream", QA, stream_mode=["values", "updates"])
    update = ("updates", {"answer": {"answer": "Hello big world"}})
    assert [tuple(pair)[:2] for pair in pairs] == [("values", QA), update, ("values", ANSWERED)]
    found = await remote.call(sub, "stream", {"n": 1}, stream_mode="updates", subgraphs=True)
    assert [(len(space), *update) for space, update in found] == [
        (0, "before"),
        (1, "inner_a"),
        (1, "inner_b"),
        (0, "child"),
        (0, "after"),
    ]


async def test_tokens_come_as_they_are_made(remote: Remote) -> None:
    """``messages`` gives a model's chunks with their metadata; ``custom`` what a node writes."""
    found = await remote.call(remote.graph("qa"), "stream", QA, stream_mode="messages")
    assert [chunk["content"] for chunk, _ in found] == ["Hello", " big", " world", ""]
    assert {metadata["langgraph_node"] for _, metadata in found} == {"answer"}
    written = await remote.call(remote.graph("custom"), "stream", {"n": 1}, stream_mode="custom")
    assert written == [{"progress": 1, "of": 2}, "just a string", {"progress": 2, "of": 2}]


async def test_a_failure_is_an_exception(remote: Remote) -> None:
    """What the served graph raises is raised, by name."""
    with pytest.raises(RemoteException, match="ValueError"):
        await remote.call(remote.graph("err"), "invoke", {"n": 0})


async def test_states_are_read_and_changed(remote: Remote) -> None:
    """State, history and updates of a thread, and a run that goes on from there."""
    config, human = await on_a_thread(remote), remote.graph("human")
    await remote.call(human, "invoke", {"n": 1}, config)
    state = await remote.call(human, "get_state", config)
    assert (state.next, state.values) == (("ask",), {"n": 1, "log": ["prep"]})
    assert [one.value for one in state.interrupts] == [{"question": "approve?", "n": 1}]
    updated = await remote.call(human, "update_state", config, {"log": ["by hand"]}, as_node="ask")
    assert (await remote.call(human, "get_state", updated)).values["log"] == ["prep", "by hand"]
    history = await remote.call(human, "get_state_history", config)
    assert [one.next for one in history] == [("fin",), ("ask",), ("prep",), ("__start__",)]
    assert (await remote.call(human, "invoke", None, config))["log"] == ["prep", "by hand", "fin"]


async def test_an_interrupt_is_answered_by_a_command(remote: Remote) -> None:
    """A command resumes the served graph."""
    config, human = await on_a_thread(remote), remote.graph("human")
    await remote.call(human, "invoke", {"n": 1}, config)
    done = await remote.call(human, "invoke", Command(resume="yes"), config)
    assert done["log"] == ["prep", "answered:yes", "fin"]


async def test_a_served_graph_is_drawn(remote: Remote) -> None:
    """The drawing has the nodes, and those of subgraphs when asked."""
    drawn = await remote.call(remote.graph("sub"), "get_graph", xray=True)
    assert {"before", "child:inner_a", "child:inner_b", "after"} <= set(drawn.nodes)


class Outer(TypedDict, total=False):
    """The state of a graph around a served one."""

    n: int
    log: list[str]


@pytest.fixture(params=[StateGraph, OurGraph], ids=["langgraph", "lcel_compat"])
def kind(request: pytest.FixtureRequest) -> Any:
    """Whose graph is around a served one."""
    return request.param


def around(kind: Any, node: Any) -> Any:
    """A graph with a served graph as its node."""
    graph = kind(Outer)
    graph.add_node("far", node)
    graph.add_edge(START, "far")
    return graph.compile(checkpointer=InMemorySaver(), name="outer")


async def test_a_served_graph_is_a_node(remote: Remote, kind: Any) -> None:
    """Inside a graph of this process it runs, and its streams come through with its namespace."""
    outer = around(kind, remote.graph("sub"))
    config = await on_a_thread(remote)
    found = await remote.call(outer, "stream", {"n": 1}, config, stream_mode="updates", subgraphs=True)
    assert [(len(space), *update) for space, update in found] == [
        (1, "before"),
        (2, "inner_a"),
        (2, "inner_b"),
        (1, "child"),
        (1, "after"),
        (0, "far"),
    ]


async def test_an_interrupt_below_is_the_outer_graphs(remote: Remote, kind: Any) -> None:
    """What the served graph asks stops the graph around it. (An answer does not reach it: the client sends none.)"""
    outer, config = around(kind, remote.graph("human")), await on_a_thread(remote)
    stopped = await remote.call(outer, "invoke", {"n": 3}, config)
    assert [one.value for one in stopped["__interrupt__"]] == [{"question": "approve?", "n": 3}]
    assert (await remote.call(outer, "get_state", config)).next == ("far",)


async def test_an_interrupt_below_is_streamed(remote: Remote, kind: Any) -> None:
    """It comes as the served graph's, and as that of the graph around it."""
    outer, config = around(kind, remote.graph("human")), await on_a_thread(remote)
    options = {"stream_mode": ["updates"], "subgraphs": True}
    found = await remote.call(outer, "stream", {"n": 3}, config, **options)
    asked = [(len(space), update["__interrupt__"]) for space, _, update in found if "__interrupt__" in update]
    assert [(depth, len(interrupts)) for depth, interrupts in asked] == [(1, 1), (0, 1)]
