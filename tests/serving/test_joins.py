"""What a checkpoint that is written late says of a join: what was true when it was made."""

from __future__ import annotations

import asyncio
import operator
from typing import Annotated, Any

import pytest
from langgraph.checkpoint.memory import InMemorySaver
from typing_extensions import TypedDict

from lcel_adapters.serve._target import target
from tests.support.engines import LANGGRAPH, OURS

Update = dict[str, Any]
BEFORE = ("left", "right")


class State(TypedDict, total=False):
    """Who was there."""

    log: Annotated[list[str], operator.add]


class Late(InMemorySaver):
    """Writes whole checkpoints, as LangGraph's saver for SQLite does, when the run is some supersteps further."""

    async def aput(self, config: Any, checkpoint: Any, metadata: Any, new_versions: Any) -> Any:
        await asyncio.sleep(0.05)
        return self.put(config, checkpoint, metadata, checkpoint["channel_versions"])


def _node(name: str) -> Any:
    async def node(state: State) -> Update:
        return {"log": [name]}

    return node


def _joined(api: Any, *, defer: bool) -> Any:
    """Two nodes, and one that waits for both."""
    graph = api.StateGraph(State)
    for name in ("begin", *BEFORE):
        graph.add_node(name, _node(name))
    graph.add_node("end", _node("end"), defer=defer)
    graph.add_edge(api.START, "begin")
    for name in BEFORE:
        graph.add_edge("begin", name)
    graph.add_edge(list(BEFORE), "end")
    return graph


async def _replayed(graph: Any, saver: Late) -> tuple[list[str], list[list[str]]]:
    """Run a graph twice: its log, and those of going on as if the server had died in the second run."""
    thread: Any = {"configurable": {"thread_id": "1"}}
    await graph.ainvoke({"log": ["first"]}, thread)
    before = len(list(saver.list(thread)))
    whole = await graph.ainvoke({"log": ["second"]}, thread)
    saved = sorted(saver.list(thread), key=lambda one: one.checkpoint["id"])
    found = []
    for length in range(before + 2, len(saved) + 1):
        left = InMemorySaver()
        for one in saved[:length]:
            place: Any = one.parent_config or {"configurable": {**one.config["configurable"], "checkpoint_id": None}}
            left.put(place, one.checkpoint, one.metadata, one.checkpoint["channel_versions"])
        found.append((await graph.copy({"checkpointer": left}).ainvoke(None, thread))["log"])
    return whole["log"], found


@pytest.mark.parametrize("defer", [False, True], ids=["at-once", "deferred"])
@pytest.mark.parametrize("api", [OURS, pytest.param(LANGGRAPH, marks=pytest.mark.langgraph)], ids=["ours", "langgraph"])
async def test_who_goes_on_from_any_checkpoint_comes_to_the_same_end(api: Any, defer: bool) -> None:
    """However late checkpoints are written, the node behind a join runs once after all it waits for."""
    saver = Late()
    served = target("joined", _joined(api, defer=defer).compile(), checkpointer=saver, store=None).graph
    whole, found = await _replayed(served, saver)
    assert whole[-4:] == ["begin", *BEFORE, "end"]
    assert found == [whole] * len(found)


@pytest.mark.langgraph
@pytest.mark.parametrize("defer", [False, True], ids=["at-once", "deferred"])
def test_joins_of_graphs_inside_hand_out_copies_too(defer: bool) -> None:
    """A graph that is a node is saved with the one around it."""
    inner = _joined(LANGGRAPH, defer=defer).compile()
    outer = LANGGRAPH.StateGraph(State)
    outer.add_node("inner", inner)
    outer.add_edge(LANGGRAPH.START, "inner")
    target("outer", outer.compile(), checkpointer=InMemorySaver(), store=None)
    join = inner.channels["join:left+right:end"].from_checkpoint((set(), False) if defer else set())
    before = join.checkpoint()
    join.update(["left"])
    assert before == ((set(), False) if defer else set())
    assert join.checkpoint() == (({"left"}, False) if defer else {"left"})


@pytest.mark.langgraph
async def test_langgraphs_own_join_forgets_the_node_behind() -> None:
    """The defect this server mends; once LangGraph has mended it, ``_joins`` can go."""
    saver = Late()
    whole, found = await _replayed(_joined(LANGGRAPH, defer=False).compile(checkpointer=saver), saver)
    assert whole[:-1] in found
