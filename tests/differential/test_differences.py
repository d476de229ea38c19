"""The differences we choose, each with the number it has in migration_guide/differences.md.

A test shows both sides: what LangGraph or core does today, and what we do. When theirs changes, the difference may be
gone, and the test says so.
"""

from __future__ import annotations

import asyncio
import logging
import re
import sys
import typing
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import AIMessage
from langchain_core.runnables import Runnable, RunnableGenerator, RunnableLambda
from langchain_core.runnables.graph import Graph
from langchain_core.tracers.context import collect_runs
from langgraph.checkpoint.memory import InMemorySaver
from pydantic import BaseModel, ValidationError

from lcel_compat.errors import (
    InvalidUpdateError,
)
from tests.differential.lines import THREAD, Names, State, around, events_of, line, loop
from tests.support.engines import LANGGRAPH, OURS, Library
from tests.support.models import StreamingChat, chat_chain

pytestmark = pytest.mark.langgraph

TABLE = Path(__file__).parents[2] / "migration_guide" / "differences.md"


def test_every_difference_has_a_number_and_a_test() -> None:
    """The table and these modules name the same differences, without a gap."""
    rows = [int(n) for n in re.findall(r"^\| D(\d+) \|", TABLE.read_text("utf-8"), re.MULTILINE)]
    modules = [path.read_text("utf-8") for path in Path(__file__).parent.glob("test_differences*.py")]
    tests = {int(n) for text in modules for n in re.findall(r"^(?:async )?def test_d(\d+)_", text, re.MULTILINE)}
    assert list(range(1, len(rows) + 1)) == rows == sorted(tests)


def test_d1_unknown_destination(caplog: pytest.LogCaptureFixture) -> None:
    """A route to nowhere is an error here, a warning in LangGraph's log there."""
    built = {lib.name: line(lib, lambda s: {"x": 1}) for lib in (LANGGRAPH, OURS)}
    for builder in built.values():
        builder.add_conditional_edges("a", lambda state: "nowhere")
    with caplog.at_level(logging.WARNING):
        assert built["langgraph"].compile().invoke({"x": 0}) == {"x": 1}
    assert "nowhere" in caplog.text
    with pytest.raises(Exception, match=r"node 'a' answered 'nowhere'.*may answer"):
        built["lcel_compat"].compile().invoke({"x": 0})


def test_d1_answer_outside_the_path_map() -> None:
    """An answer that the path map does not know names the answers that it does."""
    for lib, error in ((LANGGRAPH, "KeyError"), (OURS, "InvalidUpdateError")):
        builder = line(lib, lambda s: {"x": 1})
        builder.add_conditional_edges("a", lambda state: "no", {"yes": lib.END})
        with pytest.raises(Exception) as caught:  # noqa: PT011 - its class is what is compared
            builder.compile().invoke({"x": 0})
        assert type(caught.value).__name__ == error
    assert "'yes'" in str(caught.value)


def test_d2_events_as_a_mode_and_synchronously() -> None:
    """Events are a stream mode like the others, and there are synchronous ones."""
    ours, theirs = (line(lib, lambda s: {"x": 1}).compile() for lib in (OURS, LANGGRAPH))
    expected = [event["event"] for event in events_of(theirs, {"x": 0})]
    assert [e["event"] for e in ours.stream({"x": 0}, stream_mode="events")] == expected
    assert [e["event"] for e in ours.stream_events({"x": 0})] == expected
    assert list(theirs.stream({"x": 0}, stream_mode="events")) == []
    with pytest.raises(NotImplementedError):
        list(theirs.stream_events({"x": 0}, version="v2"))


def test_d3_recursion_limit_of_events() -> None:
    """A loop of 30 turns is fine under every path here; LangGraph's stops at 25 in ``astream_events``."""
    assert events_of(loop(OURS, 30), {"x": 0})[-1]["data"]["output"] == {"x": 30}
    theirs = loop(LANGGRAPH, 30)
    assert theirs.invoke({"x": 0}) == {"x": 30}
    with pytest.raises(RecursionError):
        events_of(theirs, {"x": 0})
    with pytest.raises(RecursionError):
        events_of(theirs.with_config(recursion_limit=60), {"x": 0})


def test_d4_tuples_and_unknown_modes() -> None:
    """A tuple of modes labels its items; a mode that does not exist is named."""
    ours, theirs = (line(lib, lambda s: {"x": 1}).compile() for lib in (OURS, LANGGRAPH))
    modes = ("updates", "values")
    assert list(ours.stream({"x": 0}, stream_mode=modes)) == list(theirs.stream({"x": 0}, stream_mode=list(modes)))
    assert all(isinstance(item, dict) for item in theirs.stream({"x": 0}, stream_mode=modes))
    assert list(theirs.stream({"x": 0}, stream_mode="nope")) == []
    for wrong in ("nope", [], ["values", "nope"]):
        with pytest.raises(ValueError, match="'values', 'updates'"):
            list(ours.stream({"x": 0}, stream_mode=wrong))


class Form(BaseModel):
    text: str = ""


def test_d5_what_was_streamed_before_a_failure() -> None:
    """The state after the first step reaches the consumer although the second cannot be prepared."""
    seen: dict[str, list[Any]] = {}
    for lib in (LANGGRAPH, OURS):
        items = seen.setdefault(lib.name, [])
        graph = line(lib, lambda s: s, schema=Form).compile()
        with pytest.raises(ValidationError):
            items.extend(graph.stream({"text": ["no text"]}, stream_mode="values"))
    assert seen == {"langgraph": [], "lcel_compat": [{"text": ["no text"]}]}


class Plain(typing.TypedDict):
    question: str


def test_d6_schemas_of_typing_typed_dicts() -> None:
    """A ``typing.TypedDict`` has a JSON schema on every Python."""
    ours, theirs = (line(lib, lambda s: s, schema=Plain).compile() for lib in (OURS, LANGGRAPH))
    assert ours.get_input_jsonschema()["properties"] == {"question": {"title": "Question", "type": "string"}}
    assert "question" in str(ours.get_output_schema().model_json_schema())
    if sys.version_info < (3, 12):
        with pytest.raises(Exception, match="typing_extensions"):
            theirs.get_input_jsonschema()


def test_d7_collected_runs_are_whole() -> None:
    """``collect_runs`` gets the whole tree, with the graph's own run first."""
    roots = {}
    for lib in (LANGGRAPH, OURS):
        graph = line(lib, RunnableLambda(lambda state: {"y": 1}, name="inner")).compile()
        with collect_runs() as collected:
            graph.invoke({"x": 1})
        roots[lib.name] = [run.name for run in collected.traced_runs]
    assert roots["lcel_compat"] == ["LangGraph"]
    assert roots["langgraph"] != ["LangGraph"]


def test_d8_name_of_a_lambda_that_routes() -> None:
    """The run of a lambda path has one name in both colours."""
    seen: dict[str, list[Any]] = {}
    for lib in (LANGGRAPH, OURS):
        builder = line(lib, lambda s: {"x": 1})
        builder.add_conditional_edges("a", lambda state: "end", {"end": lib.END})
        sync, asynchronous = Names(), Names()
        builder.compile().invoke({"x": 0}, {"callbacks": [sync]})
        asyncio.run(builder.compile().ainvoke({"x": 0}, {"callbacks": [asynchronous]}))
        seen[lib.name] = [sync.seen[-1], asynchronous.seen[-1]]
    assert seen == {"langgraph": ["RunnableCallable", None], "lcel_compat": [None, None]}


def test_d9_synchronous_events_stream() -> None:
    """A parser inside a node streams in synchronous events as it does in asynchronous ones."""
    graph = line(OURS, chat_chain(StreamingChat()) | (lambda text: {"y": len(text)})).compile()
    kinds = [event["event"] for event in graph.stream_events({"topic": "parrots"})]
    assert kinds.count("on_parser_stream") > 1


def test_d9_but_for_graphs_of_langgraph() -> None:
    """LangGraph's own graph inside ours is run by LangGraph, whose synchronous runs stream no runnables."""
    chain = chat_chain(StreamingChat()) | (lambda text: {"y": len(text)})
    spoken = {}
    for lib in (LANGGRAPH, OURS):
        graph = around(OURS, line(lib, chain).compile())
        both = list(graph.stream_events({"topic": "parrots"})), events_of(graph, {"topic": "parrots"})
        spoken[lib.name] = [any(event["event"] == "on_parser_stream" for event in events) for events in both]
    assert spoken == {"langgraph": [False, True], "lcel_compat": [True, True]}


def _none(chunks: Iterator[Any]) -> Iterator[Any]:
    yield from ()


async def _anone(chunks: AsyncIterator[Any]) -> AsyncIterator[Any]:
    nothing: tuple[Any, ...] = ()
    for item in nothing:
        yield item


def test_d10_a_node_without_chunks_is_followed() -> None:
    """The node after a silent one runs, whether somebody looks at events or not."""
    ran = {}
    for lib in (LANGGRAPH, OURS):
        graph = line(lib, RunnableGenerator(_none, _anone), lambda s: {"y": 2}).compile()
        ended = [e["name"] for e in events_of(graph, {"x": 1}) if e["event"] == "on_chain_end"]
        ran[lib.name] = "b" in ended
    assert ran == {"langgraph": False, "lcel_compat": True}


def test_d11_messages_as_chunks_lose_nothing() -> None:
    """With messages as the root's chunks, every parser chunk is still there, every time."""
    chain = chat_chain(StreamingChat()).with_config(run_name="asked") | (lambda text: {"y": len(text)})
    graph = line(OURS, chain).compile()

    def parsed(**kwargs: Any) -> int:
        return sum(e["event"] == "on_parser_stream" for e in events_of(graph, {"topic": "parrots"}, **kwargs))

    expected = parsed()
    assert {parsed(stream_mode="messages") for _ in range(10)} == {expected}


def test_d12_events_of_version_3() -> None:
    """Version 3 is refused at the call, with a word on what to use."""
    graph = line(OURS, lambda s: s).compile()
    with pytest.raises(NotImplementedError, match="version='v2'"):
        graph.astream_events({"x": 1}, version="v3")
    with pytest.raises(NotImplementedError, match="version='v2'"):
        graph.stream_events({"x": 1}, version="v3")


async def _lead(graph: Runnable[Any, Any], made: list[int], **asked: Any) -> int:
    """How far a node that writes in a loop gets ahead of a slow consumer, before that has 20 items."""
    made.clear()
    lead = taken = 0
    async with aclosing(graph.astream({"x": 1}, stream_mode="custom", **asked)) as items:  # type: ignore[type-var]
        async for _ in items:
            taken += 1
            await asyncio.sleep(0.002)
            lead = max(lead, len(made) - taken)
            if taken == 20:
                break
    return lead


def _writes(lib: Library, made: list[int]) -> Any:
    async def node(state: Any) -> Any:
        writer = lib.get_stream_writer()
        for number in range(500):
            made.append(number)
            writer(number)
            await asyncio.sleep(0)
        return {"y": 1}

    return node


async def test_d13_the_producer_waits() -> None:
    """A node is held at its next await when the consumer has as much before it as was agreed."""
    made: list[int] = []
    assert await _lead(line(OURS, _writes(OURS, made)).compile(buffer=4), made) <= 5
    assert await _lead(line(LANGGRAPH, _writes(LANGGRAPH, made)).compile(), made) > 100


async def test_d13_in_graphs_inside() -> None:
    """So is a node of a graph inside whose items the consumer is shown."""
    made: list[int] = []
    ours = around(OURS, line(OURS, _writes(OURS, made)).compile(), buffer=4)
    assert await _lead(ours, made, subgraphs=True) <= 5
    assert (
        await _lead(around(LANGGRAPH, line(LANGGRAPH, _writes(LANGGRAPH, made)).compile()), made, subgraphs=True) > 100
    )


def test_d14_what_cannot_update_the_state() -> None:
    """A message is refused with the remedy; in LangGraph it is lost in silence."""
    message = AIMessage("hi")
    assert line(LANGGRAPH, lambda s: message).compile().invoke({"x": 0}) == {"x": 0}
    with pytest.raises(InvalidUpdateError, match=r"'a' returned AIMessage.*as_node\(runnable, output="):
        line(OURS, lambda s: message).compile().invoke({"x": 0})


def test_d15_misspelt_arguments() -> None:
    """An argument that nobody has is a mistake; one of LangGraph's that is refused has a number."""
    builder = line(OURS, lambda s: {"x": 1})
    for call, name in (
        (lambda: builder.add_node("b", str, metdata=None), "metdata"),
        (lambda: builder.compile(nmae="x"), "nmae"),
        (lambda: list(builder.compile().stream({"x": 0}, streammode="values")), "streammode"),
    ):
        with pytest.raises(TypeError, match=f"unexpected keyword argument '{name}'"):
            call()
    with pytest.raises(TypeError, match=r"trace_policy.*Refusal R1"):
        builder.add_node("b", str, trace_policy=object())
    assert list(line(LANGGRAPH, lambda s: {"x": 1}).compile().stream({"x": 0}, streammode="values"))


def test_d15_values_that_mean_nothing() -> None:
    """So is a value that an argument cannot have."""
    for name in ("durability", "version"):
        theirs, ours = (
            line(lib, lambda s: {"x": 1}).compile(checkpointer=InMemorySaver()) for lib in (LANGGRAPH, OURS)
        )
        assert list(theirs.stream({"x": 0}, THREAD, **{name: "sink"})) == [{"a": {"x": 1}}]
        with pytest.raises(ValueError, match=f"{name} is 'sink'"):
            list(ours.stream({"x": 0}, THREAD, **{name: "sink"}))


def test_d16_notebooks_draw_by_themselves(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is sent to a server for showing a graph in a notebook."""
    asked: list[Graph] = []
    monkeypatch.setattr(Graph, "draw_mermaid_png", lambda graph: asked.append(graph))
    theirs, ours = (line(lib, lambda s: None).compile() for lib in (LANGGRAPH, OURS))
    theirs._repr_mimebundle_()
    assert len(asked) == 1
    assert ours._repr_mimebundle_()["text/vnd.mermaid"] == theirs.get_graph().draw_mermaid()
    assert len(asked) == 1


def test_d17_edges_with_and_without_labels() -> None:
    """A node whose commands may lead where its labelled path may lead, too, can be drawn."""
    drawn = []
    for lib in (LANGGRAPH, OURS):
        builder = lib.StateGraph(State)
        builder.add_node("a", lambda s: None, destinations=("b",))
        builder.add_node("b", lambda s: None)
        builder.add_edge(lib.START, "a")
        builder.add_conditional_edges("a", lambda s: "go", {"go": "b"})
        drawn.append(builder.compile().get_graph)
    with pytest.raises(TypeError):
        drawn[0]()
    assert [(e.source, e.target, e.data) for e in drawn[1]().edges][1] == ("a", "b", None)


def test_a_failure_names_its_node() -> None:
    """The error of a node carries a note with the node's name, as in LangGraph; this is no difference."""
    for lib in (LANGGRAPH, OURS):
        with pytest.raises(ZeroDivisionError) as caught:
            line(lib, lambda s: 1 / 0).compile().invoke({"x": 0})
        assert any("task with name 'a'" in note for note in caught.value.__notes__)
