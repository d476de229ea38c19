"""The differences we choose, each with the number it has in migration_guide/differences.md.

A test shows both sides: what LangGraph or core does today, and what we do. When theirs changes, the difference may be
gone, and the test says so.
"""

from __future__ import annotations

import asyncio
import logging
import re
import sys
import time
import typing
import warnings
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.messages import AIMessage
from langchain_core.output_parsers import StrOutputParser
from langchain_core.runnables import Runnable, RunnableGenerator, RunnableLambda
from langchain_core.runnables.graph import Graph
from langchain_core.tracers.context import collect_runs
from langgraph.checkpoint.memory import InMemorySaver
from pydantic import BaseModel, ValidationError
from typing_extensions import TypedDict

from lcel_adapters import as_node
from lcel_compat.errors import (
    AmbiguousResumeError,
    EmptyInputError,
    GraphError,
    InvalidUpdateError,
    NoCheckpointerError,
    StepTimeoutError,
)
from tests.support.engines import LANGGRAPH, OURS, Library
from tests.support.models import StreamingChat, chat_chain
from tests.support.saving import SaverFault, Told

pytestmark = pytest.mark.langgraph

TABLE = Path(__file__).parents[2] / "migration_guide" / "differences.md"
THREAD: Any = {"configurable": {"thread_id": "1"}}


class State(TypedDict, total=False):
    topic: str
    x: int
    y: int


def line(lib: Library, *nodes: Any, schema: Any = State) -> Any:
    """A graph of these nodes, one after the other, named a, b, c, …"""
    builder = lib.StateGraph(schema)
    names = "abcdefgh"[: len(nodes)]
    for name, node in zip(names, nodes, strict=True):
        builder.add_node(name, node)
    for start, end in zip([lib.START, *names], names, strict=False):
        builder.add_edge(start, end)
    return builder


def loop(lib: Library, turns: int) -> Any:
    """A graph that comes back to its node until it has been there this often."""
    builder = line(lib, lambda state: {"x": state["x"] + 1})
    builder.add_conditional_edges("a", lambda state: "a" if state["x"] < turns else lib.END, ["a", lib.END])
    return builder.compile()


def around(lib: Library, node: Any, **compile_options: Any) -> Any:
    """A graph of one node, which may be a graph."""
    return lib.StateGraph(State).add_node("n", node).add_edge(lib.START, "n").compile(**compile_options)


def asking(lib: Library, *names: str) -> Any:
    """A saved graph of nodes that run at once and ask something each."""
    builder = lib.StateGraph(State)
    for name in names:
        builder.add_node(name, lambda state: {"x": lib.interrupt("how many?")}).add_edge(lib.START, name)
    return builder.compile(checkpointer=InMemorySaver())


def until(condition: Callable[[], bool]) -> None:
    """Wait for something that happens in another thread, five seconds at most."""
    deadline = time.monotonic() + 5
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.001)


def events_of(graph: Any, value: Any, **kwargs: Any) -> list[Any]:
    """What ``astream_events`` gives, version 2."""

    async def collect() -> list[Any]:
        return [event async for event in graph.astream_events(value, version="v2", **kwargs)]

    return asyncio.run(collect())


def test_every_difference_has_a_number_and_a_test() -> None:
    """The table and this module name the same differences, without a gap."""
    rows = [int(n) for n in re.findall(r"^\| D(\d+) \|", TABLE.read_text("utf-8"), re.MULTILINE)]
    tests = {int(m.group(1)) for name in globals() if (m := re.match(r"test_d(\d+)_", name))}
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


class Names(BaseCallbackHandler):
    """Remembers the name of every chain run."""

    def __init__(self) -> None:
        self.seen: list[Any] = []

    def on_chain_start(self, *args: Any, name: Any = None, **kwargs: Any) -> None:
        self.seen.append(name)


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


def test_d18_every_start_has_an_end() -> None:
    """Runs that fail end in events, too, if that is asked for; else, as ever, they do not."""
    kinds: dict[Any, list[str]] = {}
    for lib in (LANGGRAPH, OURS):
        for asked in (False, True):
            found = kinds.setdefault((lib.name, asked), [])

            async def read(graph: Any, asked: bool, found: list[str]) -> None:
                async for event in graph.astream_events({"x": 0}, version="v2", error_events=asked):
                    found.append(event["event"])

            with pytest.raises(ZeroDivisionError):
                asyncio.run(read(line(lib, lambda s: 1 / 0).compile(), asked, found))
    starts = ["on_chain_start"] * 2
    assert kinds.pop(("lcel_compat", True)) == starts + ["on_chain_error"] * 2
    assert list(kinds.values()) == [starts] * 3


class Talk(TypedDict, total=False):
    topic: str
    message: Any
    text: str


def test_d19_a_parser_node_reads_while_the_model_node_speaks() -> None:
    """With ``stream=True`` a node begins on the first chunk of the one before it, and writes in its own superstep."""
    model = as_node(StreamingChat(delay=0.005), input="topic", output="message")
    parser = as_node(StrOutputParser(), input="message", output="text")

    def built(lib: Library, **options: Any) -> Any:
        builder = lib.StateGraph(Talk).add_node("model", model).add_node("parser", parser)
        return builder.add_edge(lib.START, "model").add_edge("model", "parser", **options).compile()

    def reads_ahead(graph: Any) -> bool:
        kinds = [event["event"] for event in events_of(graph, {"topic": "parrots"})]
        return "on_parser_stream" in kinds[: kinds.index("on_chat_model_end")]

    plain, streaming = built(OURS), built(OURS, stream=True)
    assert [reads_ahead(graph) for graph in (built(LANGGRAPH), plain, streaming)] == [False, False, True]
    for mode in ("updates", "values"):
        shown = [[[*item] for item in g.stream({"topic": "parrots"}, stream_mode=mode)] for g in (plain, streaming)]
        assert shown[0] == shown[1]
    with pytest.raises(TypeError):
        built(LANGGRAPH, stream=True)


def test_d20_a_command_of_nothing() -> None:
    """A ``Command`` that says nothing is an input of nothing."""
    for lib, error in ((LANGGRAPH, UnboundLocalError), (OURS, EmptyInputError)):
        graph = asking(lib, "a")
        graph.invoke({"x": 0}, THREAD)
        with pytest.raises(error):
            graph.invoke(lib.Command(), THREAD)


def test_d20_durable_where_nothing_is_saved() -> None:
    """A run with ``durability="sync"`` may have a graph inside that is not saved, or not be saved itself."""
    for lib in (LANGGRAPH, OURS):
        inner = line(lib, lambda s: {"x": 1}).compile(checkpointer=False)
        for graph in (around(lib, inner, checkpointer=InMemorySaver()), around(lib, inner)):
            if lib is OURS:
                assert graph.invoke({"x": 0}, THREAD, durability="sync") == {"x": 1}
            else:
                with warnings.catch_warnings(action="ignore"), pytest.raises(AttributeError):
                    graph.invoke({"x": 0}, THREAD, durability="sync")


def test_d20_compiled_twice() -> None:
    """A builder whose nodes have a default error handler can be compiled as often as any other."""
    for lib in (LANGGRAPH, OURS):
        builder = line(lib, lambda s: 1 / 0)
        builder.set_node_defaults(error_handler=lambda s: {"y": 3})
        assert builder.compile().invoke({"x": 1}) == {"x": 1, "y": 3}
        if lib is LANGGRAPH:
            with pytest.raises(ValueError, match="already exists"):
                builder.compile()
        else:
            assert builder.compile().invoke({"x": 1}) == {"x": 1, "y": 3}


def test_d20_no_thread() -> None:
    """A configuration without a thread is refused by runs and by looks at the state; ``None`` is no thread."""

    def nowhere() -> Any:  # LangGraph writes into the one it is given
        return {"configurable": {"thread_id": None}}

    theirs, ours = asking(LANGGRAPH, "a"), asking(OURS, "a")
    with pytest.raises(KeyError, match="configurable"):
        theirs.get_state({})
    assert theirs.invoke({"x": 0}, nowhere())["x"] == 0
    assert theirs.get_state(nowhere()).values == {}
    for config in ({}, nowhere()):
        with pytest.raises(ValueError, match="thread_id"):
            ours.get_state(config)
        with pytest.raises(ValueError, match="thread_id"):
            ours.invoke({"x": 0}, config)


def test_d21_questions_are_shown_whatever_keys_are() -> None:
    """A part of a stream keeps the question that it shows, whichever keys the state is shown by."""
    asked = {}
    for lib in (LANGGRAPH, OURS):
        modes = ["updates", "values"]
        parts = list(asking(lib, "a").stream({"x": 0}, THREAD, stream_mode=modes, output_keys="x", version="v2"))
        asked[lib.name] = ["__interrupt__" in part["data"] for part in parts if part["type"] == "updates"]
    assert asked == {"langgraph": [False], "lcel_compat": [True]}


def test_d22_one_cause_one_error() -> None:
    """Each mistake has a class of its own, and a missing saver the same one everywhere."""

    def resumed(lib: Library) -> Any:
        return line(lib, lambda s: None).compile().invoke(lib.Command(resume=1))

    def looked_at(lib: Library) -> Any:
        return line(lib, lambda s: None).compile().get_state(THREAD)

    def ambiguous(lib: Library) -> Any:
        graph = asking(lib, "a", "b")
        graph.invoke({"x": 0}, THREAD)
        return graph.invoke(lib.Command(resume=1), THREAD)

    def slow(lib: Library) -> Any:
        graph = line(lib, lambda s: time.sleep(0.1)).compile()
        graph.step_timeout = 0.01
        return graph.invoke({"x": 0})

    for call, theirs, ours in (
        (resumed, RuntimeError, NoCheckpointerError),
        (looked_at, ValueError, NoCheckpointerError),
        (ambiguous, RuntimeError, AmbiguousResumeError),
        (slow, TimeoutError, StepTimeoutError),
    ):
        with pytest.raises(theirs) as caught:
            call(LANGGRAPH)
        assert type(caught.value) is theirs
        with pytest.raises(ours) as own:
            call(OURS)
        assert isinstance(own.value, GraphError)
        assert isinstance(own.value, theirs) == (call is not resumed)


class SlowWrites(Told):
    """A saver that takes longer for what a task wrote than for a checkpoint."""

    def put_writes(self, config: Any, writes: Any, task_id: str, task_path: str = "") -> None:
        time.sleep(0.1)
        super().put_writes(config, writes, task_id, task_path)


def test_d23_saved_in_order_and_before_it_is_shown() -> None:
    """In ``sync``, an update is saved before it is shown, and what tasks wrote before the checkpoint that has it."""
    for lib in (LANGGRAPH, OURS):
        saver = SlowWrites()
        graph = line(lib, lambda s: {"x": 1}, lambda s: {"y": 1}).compile(checkpointer=saver)
        for item in graph.stream({"x": 0}, THREAD, stream_mode="updates", durability="sync"):
            saver.story.append(("shown", *item))
        place = saver.story.index
        assert [place(("writes", "a")) < place(late) for late in (("shown", "a"), ("put", "loop", 1))] == [
            lib is OURS
        ] * 2


def test_d24_a_save_that_fails_ends_the_run() -> None:
    """In ``async``, too, a run that cannot be saved begins no further superstep once that is known."""
    ran: list[str] = []
    for lib in (LANGGRAPH, OURS):
        saver = Told(fails_at=2)

        def node(state: Any, saver: Told = saver) -> Any:
            ran.append("node")
            until(lambda: len(saver.calls) > 2)
            time.sleep(0.05)
            return {"x": 1}

        with pytest.raises(SaverFault):
            line(lib, *[node] * 6).compile(checkpointer=saver).invoke({"x": 0}, THREAD)
        assert ran == ["node"] * (6 if lib is LANGGRAPH else 1)
        assert (len(saver.calls) > 3) == (lib is LANGGRAPH)
        ran.clear()


def test_d25_a_retried_node_does_not_repeat_its_graph() -> None:
    """A graph that a node calls goes on where it failed when the node is tried again."""
    for lib in (LANGGRAPH, OURS):
        ran: list[str] = []

        def second(state: Any, ran: list[str] = ran) -> Any:
            ran.append("second")
            if ran.count("second") == 1:
                raise ConnectionError
            return {"y": 1}

        inner = line(lib, lambda state, ran=ran: ran.append("first"), second).compile()
        retry = lib.RetryPolicy(initial_interval=0.001, jitter=False)
        builder = lib.StateGraph(State).add_node("n", lambda s, inner=inner: inner.invoke(s), retry_policy=retry)
        builder.add_edge(lib.START, "n").compile(checkpointer=InMemorySaver()).invoke({"x": 0}, THREAD)
        again = ["first"] if lib is LANGGRAPH else []
        assert ran == ["first", "second", *again, "second"]


async def test_d26_a_node_that_took_too_long_has_ended() -> None:
    """When a timeout is told, what the node does at its end is done."""
    ended: list[str] = []
    for lib in (LANGGRAPH, OURS):

        async def slow(state: Any, name: str = lib.name) -> None:
            try:
                await asyncio.sleep(5)
            finally:
                await asyncio.sleep(0.1)
                ended.append(name)

        graph = lib.StateGraph(State).add_node("a", slow, timeout=0.02).add_edge(lib.START, "a").compile()
        with pytest.raises(Exception, match="'a'") as caught:
            await graph.ainvoke({"x": 1})
        assert type(caught.value).__name__ == "NodeTimeoutError"
        assert (lib.name in ended) == (lib is OURS)
    await asyncio.sleep(0.2)


def test_d27_an_update_by_hand_is_no_run() -> None:
    """``update_state`` shows tracers what its conditional edges run, and no run around it."""
    roots = {}
    for lib in (LANGGRAPH, OURS):
        builder = line(lib, lambda s: {"x": 1}, lambda s: {"y": 1})
        builder.add_conditional_edges("a", RunnableLambda(lambda state: "b", name="route"), ["b"])
        graph = builder.compile(checkpointer=InMemorySaver())
        names = Names()
        graph.update_state({**THREAD, "callbacks": [names]}, {"x": 1}, as_node="a")
        roots[lib.name] = names.seen
    assert roots == {"langgraph": ["LangGraphUpdateState", "route"], "lcel_compat": ["route"]}


def test_d28_the_next_superstep_begins_before_this_one_is_read() -> None:
    """While a consumer looks at an update the next superstep runs, and no further one."""

    def ran(lib: Library) -> list[str]:
        begun: list[str] = []

        def node(name: str) -> Any:
            return lambda state: begun.append(name)

        stream = line(lib, *map(node, "abc")).compile().stream({"x": 0})
        assert next(stream) == {"a": None}
        until(lambda: len(begun) > 1 or lib is LANGGRAPH)
        stream.close()
        return begun

    assert (ran(LANGGRAPH), ran(OURS)) == (["a"], ["a", "b"])


def test_a_failure_names_its_node() -> None:
    """The error of a node carries a note with the node's name, as in LangGraph; this is no difference."""
    for lib in (LANGGRAPH, OURS):
        with pytest.raises(ZeroDivisionError) as caught:
            line(lib, lambda s: 1 / 0).compile().invoke({"x": 0})
        assert any("task with name 'a'" in note for note in caught.value.__notes__)
