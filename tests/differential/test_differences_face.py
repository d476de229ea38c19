"""The chosen differences between a chain, its face and the chain taken apart; see test_differences.py."""

from __future__ import annotations

from typing import Any

import pytest
from langchain_core.output_parsers import StrOutputParser
from langchain_core.runnables import RunnableLambda
from typing_extensions import TypedDict

from lcel_adapters import as_lcel, as_node, from_lcel, to_langgraph
from lcel_compat import START, StateGraph
from tests.support.colours import ASYNC
from tests.support.models import StreamingChat


class State(TypedDict, total=False):
    """What goes in and comes out."""

    x: Any
    y: Any


def _named(runnable: Any, value: Any, name: str) -> list[Any]:
    return [event for event in ASYNC.observe_events(runnable, value) if event["name"] == name]


def test_d29_a_model_of_a_conditional_edge_is_not_shown() -> None:
    """A face does not show what the function of a conditional edge calls; the graph itself does."""
    model = StreamingChat(name="judge")

    async def judge(state: State) -> str:
        return "answer" if (await model.ainvoke("Is it?")).content else "__end__"

    builder = StateGraph(State).add_node("answer", as_node(RunnableLambda(str.upper), input="x", output="y"))
    graph = builder.add_conditional_edges(START, judge, ["answer"]).compile()
    assert _named(graph, {"x": "a"}, "judge")
    face = as_lcel(graph, input="x", output="y")
    assert ASYNC.invoke(face, "a") == "A"
    assert not _named(face, "a", "judge")


def test_d30_an_opened_part_has_no_run_of_its_own_but_in_the_face() -> None:
    """Tags of a sequence that was taken apart are in the chain's events and in its face's, not in the bare graph's."""
    chain = RunnableLambda(str.strip) | (StreamingChat(name="model") | StrOutputParser()).with_config(tags=["part"])
    builder = from_lcel(chain)
    tags: list[set[str]] = []
    for runnable, value in ((chain, "a"), (as_lcel(builder.compile()), "a"), (builder.compile(), {"input": "a"})):
        tags.append({tag for event in _named(runnable, value, "model") for tag in event["tags"]})
    assert ["part" in found for found in tags] == [True, True, False]


@pytest.mark.langgraph
def test_d31_a_graph_taken_apart_streams_between_its_nodes_here_alone() -> None:
    """The parser's chunks of a chain taken apart come one by one here; in LangGraph there are none."""
    graph = from_lcel(StreamingChat() | StrOutputParser()).compile()
    ours, theirs = (
        [event for event in ASYNC.observe_events(g, {"input": "a"}) if event["event"] == "on_parser_stream"]
        for g in (graph, to_langgraph(graph))
    )
    assert (len(ours) > 1, len(theirs)) == (True, 0)
