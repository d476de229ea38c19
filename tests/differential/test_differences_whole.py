"""The chosen differences of graphs that are saved, tried again or nested, and of events; see test_differences.py."""

from __future__ import annotations

import asyncio
import time
import warnings
from typing import Any

import pytest
from langchain_core.output_parsers import StrOutputParser
from langchain_core.runnables import RunnableLambda
from langgraph.checkpoint.memory import InMemorySaver
from typing_extensions import TypedDict

from lcel_adapters import as_node
from lcel_compat.errors import (
    AmbiguousResumeError,
    EmptyInputError,
    GraphError,
    NoCheckpointerError,
    StepTimeoutError,
)
from tests.differential.lines import THREAD, Names, State, around, asking, events_of, line, until
from tests.support.engines import LANGGRAPH, OURS, Library
from tests.support.models import StreamingChat
from tests.support.saving import SaverFault, Told

pytestmark = pytest.mark.langgraph


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
    empty: Any = {}
    for config in (empty, nowhere()):
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
        assert isinstance(own.value, theirs)


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
