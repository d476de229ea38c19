"""No false alarm on the graphs that the engines are compared on: each against itself, in both versions of events."""

from __future__ import annotations

import asyncio
import operator
from functools import partial
from typing import Annotated, Any, TypedDict

import pytest
from langchain_core.messages import AIMessage

from lcel_compat import START
from lcel_compat.compare import acompare, compare_events
from tests.differential.observe import events
from tests.differential.table import CASES, Case
from tests.support.engines import LANGGRAPH, OURS, Library
from tests.support.models import StreamingChat


class State(TypedDict, total=False):
    """A topic that takes its time."""

    topic: str
    delay: float
    answers: Annotated[list[Any], operator.add]


GRAPHS = [case for case in CASES if case.runs_in("async")]
FEW = [case for case in GRAPHS if case.name in ("diamond", "send", "parallel_chat")]
pytestmark = pytest.mark.langgraph


@pytest.mark.parametrize("library", [LANGGRAPH, OURS], ids=lambda library: library.name)
def test_graphs_whose_nodes_race_are_the_same_as_themselves(library: Library) -> None:
    """Parallel nodes and tasks sent by `Send` emit and chunk in any order, which is no difference."""
    check(library, FEW, times=3)


@pytest.mark.slow
@pytest.mark.parametrize("library", [LANGGRAPH, OURS], ids=lambda library: library.name)
def test_every_graph_is_the_same_as_itself(library: Library) -> None:
    """All graphs of the table: lines, branches, loops, errors, tools, subgraphs, chains in nodes."""
    check(library, GRAPHS, times=1)


@pytest.mark.parametrize("library", [LANGGRAPH, OURS], ids=lambda library: library.name)
async def test_tasks_that_race_with_messages_are_the_same_as_themselves(library: Library) -> None:
    """Whichever message comes first: the order numbers no identifiers where it is the order of arrival."""

    async def answer(state: State) -> State:
        await asyncio.sleep(state["delay"])
        return {"answers": [await StreamingChat(text=state["topic"]).ainvoke("A fact.")]}

    def graph(*delays: float) -> Any:
        sends = [library.Send("answer", {"topic": f"fact {n}", "delay": delay}) for n, delay in enumerate(delays)]
        builder = library.StateGraph(State)
        builder.add_node("answer", answer)
        builder.add_conditional_edges(START, lambda _: sends, ["answer"])
        return builder.compile()

    found = await acompare(graph(0.0, 0.05), graph(0.05, 0.0), [{"topic": "facts"}], repeats=0)
    chunks = [finding for finding in found.findings if finding.event == "on_chain_stream"]
    assert chunks == []


@pytest.mark.parametrize("library", [LANGGRAPH, OURS], ids=lambda library: library.name)
@pytest.mark.parametrize("version", ["v1", "v2"])
@pytest.mark.filterwarnings("ignore:astream_events version='v1'")
async def test_it_does_not_matter_whose_message_gets_its_id_first(library: Library, version: Any) -> None:
    """The last of several nodes is seen with the id that the reducer gives, the others without; whichever it is."""

    def graph(delays: dict[str, float]) -> Any:
        builder = library.StateGraph(library.MessagesState)
        for name, delay in delays.items():
            builder.add_node(name, partial(answer, name, delay))
            builder.add_edge(START, name)
        return builder.compile()

    async def answer(name: str, delay: float, state: Any) -> dict[str, Any]:
        await asyncio.sleep(delay)
        return {"messages": [AIMessage(name)]}

    old, new = graph({"one": 0, "two": 0.05}), graph({"one": 0.05, "two": 0})
    found = await acompare(old, new, [{"messages": [("human", "hi")]}], repeats=0, version=version)
    assert found.findings == ()


def check(library: Library, graphs: list[Case], *, times: int) -> None:
    """Record each graph twice, as often as asked, in each version of events, and compare."""
    for case in graphs:
        for version in ("v1", "v2") * times:
            recordings = [events(library, case, version=version) for _ in range(2)]
            assert compare_events(*recordings).findings == (), f"{case.name}, {version}"
