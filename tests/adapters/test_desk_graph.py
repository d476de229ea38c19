from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from langchain_core.messages import AIMessageChunk

import lcel_adapters.desk as desk
from lcel_adapters.desk import QUESTIONS, DeskModel, build_chain, build_graph, build_step_graph
from tests.support.engines import LANGGRAPH, OURS, Library

LIBRARIES = [
    pytest.param(OURS, id="ours"),
    pytest.param(LANGGRAPH, id="langgraph", marks=pytest.mark.langgraph),
]
BUILDERS = [pytest.param(build_graph, id="one-node"), pytest.param(build_step_graph, id="steps")]
CHAIN = build_chain(DeskModel())
GIVEN = {"question": QUESTIONS[0]}


async def _collected(stream: AsyncIterator[Any]) -> list[Any]:
    return [item async for item in stream]


def _events(runnable: Any, given: Any) -> list[Any]:
    return asyncio.run(_collected(runnable.astream_events(given, version="v2")))


def _chunks(events: list[Any], kind: str, name: str) -> list[Any]:
    return [e["data"]["chunk"] for e in events if e["event"] == kind and e["name"] == name]


@pytest.mark.parametrize("lib", LIBRARIES)
@pytest.mark.parametrize("build", BUILDERS)
def test_graphs_answer_as_the_chain(build: Any, lib: Library) -> None:
    """Both graphs, compiled by either library, answer every sample question as the chain does."""
    graph = build(DeskModel(), state_graph=lib.StateGraph)

    for question in QUESTIONS:
        assert graph.invoke({"question": question})["answer"] == CHAIN.invoke({"question": question})


@pytest.mark.parametrize("lib", LIBRARIES)
@pytest.mark.parametrize("build", BUILDERS)
def test_parser_chunks_stream(build: Any, lib: Library) -> None:
    """The parser's chunks are the chain's, piece by piece: what a chat front end reads."""
    graph = build(DeskModel(), state_graph=lib.StateGraph)
    expected = _chunks(_events(CHAIN, GIVEN), "on_parser_stream", "answer_text")

    assert len(expected) >= 10
    assert _chunks(_events(graph, GIVEN), "on_parser_stream", "answer_text") == expected


@pytest.mark.parametrize("lib", LIBRARIES)
@pytest.mark.parametrize("build", BUILDERS)
def test_tokens_stream_in_messages(build: Any, lib: Library) -> None:
    """The tokens of mode `messages` add up to the answer, under the node that answers."""
    graph = build(DeskModel(), state_graph=lib.StateGraph)
    items = asyncio.run(_collected(graph.astream(GIVEN, stream_mode="messages")))
    answering = items[-1][1]["langgraph_node"]
    # In one node triage's tokens come first, from another message.
    tokens = [m for m, metadata in items if metadata["langgraph_node"] == answering and m.id == items[-1][0].id]

    assert all(isinstance(token, AIMessageChunk) for token in tokens)
    assert len(tokens) >= 10
    assert "".join(str(token.content) for token in tokens) == CHAIN.invoke(GIVEN)


@pytest.mark.parametrize("lib", LIBRARIES)
def test_progress_is_sent(lib: Library) -> None:
    """The plain node between the steps tells mode `custom` which articles were found."""
    graph = build_step_graph(DeskModel(), state_graph=lib.StateGraph)
    items = list(graph.stream(GIVEN, stream_mode=["custom", "values"]))
    progress = [item for mode, item in items if mode == "custom"]

    assert [message["articles"] for message in progress] == [[d.id for d in items[-1][1]["documents"]]]
    assert "billing" in progress[0]["progress"]


@pytest.mark.parametrize("lib", LIBRARIES)
def test_steps_are_nodes(lib: Library) -> None:
    """Search and triage run in the first step at once, then the context, then the answer that triage chose."""
    graph = build_step_graph(DeskModel(), state_graph=lib.StateGraph)
    for question, answer in [(QUESTIONS[0], "billing"), (QUESTIONS[3], "technical"), (QUESTIONS[6], "general")]:
        tasks = list(graph.stream({"question": question}, stream_mode="debug"))
        steps = [(t["step"], t["payload"]["name"]) for t in tasks if t["type"] == "task"]

        assert sorted(steps[:2]) == [(1, "search_articles"), (1, "triage_question")]
        assert steps[2:] == [(2, "add_context"), (3, f"answer_{answer}")]


def test_one_node_hides_no_run() -> None:
    """Every run of the chain is in the graph's events, under the same name, as often as before."""

    def starts(events: list[Any]) -> list[tuple[str, str]]:
        return sorted((e["event"], e["name"]) for e in events if e["event"].endswith("_start"))

    new = starts(_events(build_graph(DeskModel()), GIVEN))

    assert new == sorted([*starts(_events(CHAIN, GIVEN)), ("on_chain_start", "LangGraph"), ("on_chain_start", "desk")])


def test_attributes_are_compiled_graphs() -> None:
    """`lcel_adapters.desk:graph` and `:step_graph` are graphs that run, the same object each time."""
    for name in ("graph", "step_graph"):
        graph = getattr(desk, name)
        assert graph is getattr(desk, name)
        assert graph.invoke(GIVEN)["answer"] == CHAIN.invoke(GIVEN)
