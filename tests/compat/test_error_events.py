"""``error_events=True``: every run that started has an end, the innermost first; without it, events are core's."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Annotated, Any, TypedDict

import pytest
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import RunnableLambda, RunnableParallel
from langchain_core.tools import tool

from lcel_compat import START, CompiledStateGraph, Send, StateGraph
from tests.support.colours import Colour, Raised
from tests.support.models import ModelFault, StreamingChat


class State(TypedDict, total=False):
    """A topic and a folded key."""

    topic: str
    log: Annotated[list[Any], operator.add]


@tool
def broken(topic: str) -> str:
    """Fail."""
    raise ValueError("lost")


def lose(value: Any) -> Any:
    raise ValueError("lost")


def line(*nodes: Any) -> CompiledStateGraph:
    builder = StateGraph(State)
    builder.add_sequence([(f"n{number}", node) for number, node in enumerate(nodes)])
    builder.add_edge(START, "n0")
    return builder.compile()


def beside(*nodes: Any) -> CompiledStateGraph:
    builder = StateGraph(State)
    for number, node in enumerate(nodes):
        builder.add_node(f"n{number}", node)
        builder.add_edge(START, f"n{number}")
    return builder.compile()


def sent() -> CompiledStateGraph:
    builder = StateGraph(State)
    builder.add_node("each", RunnableLambda(lambda given: lose(given) if given["topic"] == "b" else {}))
    builder.add_conditional_edges(START, lambda state: [Send("each", {"topic": t}) for t in "abc"], ["each"])
    return builder.compile()


def chat(model: Any) -> Any:
    parsed = ChatPromptTemplate.from_template("about {topic}") | model | StrOutputParser()
    return parsed | RunnableLambda(lambda text: {"log": [text]})


GRAPHS: dict[str, Callable[[], CompiledStateGraph]] = {
    "function": lambda: line(lambda state: {"log": ["a"]}, lose),
    "chain": lambda: line(RunnableLambda(lambda state: state) | RunnableLambda(lose)),
    "model in mid-stream": lambda: line(chat(StreamingChat(fail_after=1))),
    "tool": lambda: line(RunnableLambda(lambda state: state["topic"]) | broken),
    "parallel": lambda: line(RunnableParallel(a=RunnableLambda(lose), b=chat(StreamingChat()))),
    "branches": lambda: beside(chat(StreamingChat()), lose),
    "graph inside": lambda: line(line(lambda state: {}, line(lose))),
    "packets": sent,
}


@pytest.mark.parametrize("name", GRAPHS)
def test_every_start_has_an_end(name: str, colour: Colour) -> None:
    """Every run that started ends once, with its end or its error, and none that fails ends before a run inside it."""
    *events, last = colour.observe_events(GRAPHS[name](), {"topic": "parrots"}, error_events=True)
    assert isinstance(last, Raised)
    open_runs: dict[str, list[str]] = {}
    ended: list[str] = []
    for event in events:
        if event["event"].endswith("_start"):
            open_runs[event["run_id"]] = event["parent_ids"]
        elif event["event"].endswith(("_end", "_error")):
            del open_runs[event["run_id"]]
            ended.append(event["run_id"])
            failed = event["event"].endswith("_error")
            assert not failed or not any(event["run_id"] in parents for parents in open_runs.values())
    assert not open_runs
    assert len(ended) == len(set(ended))


@pytest.mark.parametrize("name", GRAPHS)
def test_the_error_is_told_on_its_way_out(name: str, colour: Colour) -> None:
    """The run that failed and all around it tell the error, the innermost first; the last event is the graph's own."""
    *events, _ = colour.observe_events(GRAPHS[name](), {"topic": "parrots"}, error_events=True)
    errors = [e for e in events if isinstance(e["data"].get("error"), ValueError | ModelFault)]
    assert errors[-1] is events[-1]
    assert errors[-1]["parent_ids"] == []
    assert len({str(e["data"]["error"]) for e in errors}) == 1
    assert set(errors[0]["parent_ids"]) <= {e["run_id"] for e in errors}
    assert len(errors[0]["parent_ids"]) >= 1


@pytest.mark.parametrize("name", GRAPHS)
def test_without_it_only_tools_tell(name: str, colour: Colour) -> None:
    """By default the events are core's: a failing run has no end, but for tools."""
    *events, last = colour.observe_events(GRAPHS[name](), {"topic": "parrots"})
    assert isinstance(last, Raised)
    assert {e["event"] for e in events if e["event"].endswith("_error")} <= {"on_tool_error"}


def test_nothing_is_added_to_a_run_that_succeeds(colour: Colour) -> None:
    """A run that completes has the same events with it and without."""
    graph = line(chat(StreamingChat()))
    kinds = [
        [(e["event"], e["name"]) for e in colour.observe_events(graph, {"topic": "parrots"}, error_events=flag)]
        for flag in (False, True)
    ]
    assert kinds[0] == kinds[1]
