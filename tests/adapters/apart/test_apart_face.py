"""``as_lcel`` of a chain that was taken apart: the chain, also after its graph was edited."""

from __future__ import annotations

import asyncio
import pickle
import threading
import time
from collections.abc import Callable
from contextlib import aclosing
from typing import Any

import pytest
from langchain_core.runnables import (
    RunnableConfig,
    RunnableGenerator,
    RunnableLambda,
    RunnableParallel,
    RunnablePassthrough,
)
from langgraph.checkpoint.memory import InMemorySaver
from typing_extensions import TypedDict

from lcel_adapters import ChainGraph, FaceError, FaceInterruptError, as_lcel, as_node, from_lcel
from lcel_compat import END, START, Command, StateGraph, StreamWriter, get_stream_writer, interrupt
from lcel_compat.policies import RetryPolicy
from tests.adapters.apart.test_from_lcel import rag
from tests.adapters.face.watch import Recorder, assert_same_runnable, tree
from tests.support.colours import ASYNC, SYNC, Colour, Raised, run
from tests.support.models import TEXT, ModelFault, Shelf, StreamingChat, chat_chain
from tests.support.normal import assert_same, assert_same_events


def _apart(make: Callable[[], Any]) -> Callable[[], Any]:
    return lambda: as_lcel(from_lcel(make()).compile())


def _face(graph: ChainGraph) -> Any:
    return as_lcel(graph.compile())


def _named() -> Any:
    return rag().with_config(run_name="rag", tags=["main"], metadata={"tier": "free"})


def _words(events: list[Any], kind: str = "on_parser_stream") -> list[str]:
    return [event["data"]["chunk"] for event in events if event["event"] == kind and event["data"]["chunk"]]


# Unedited ------------------------------------------------------------------------------------------------

USES: dict[str, Callable[[Any], Any]] = {
    "alone": lambda chain: chain,
    "named": lambda chain: chain.with_config(run_name="x", tags=["t"]),
    "first": lambda chain: chain | str.upper,
    "last": lambda chain: RunnableLambda(str.lower) | chain,
    "in the middle of a stream": lambda chain: RunnableGenerator(_letters, _aletters) | chain | _shout(),
    "in a parallel": lambda chain: RunnableParallel(a=chain, b=RunnablePassthrough()),
    "retried": lambda chain: chain.with_retry(),
    "a fallback": lambda chain: RunnableLambda(_fail).with_fallbacks([chain]),
    "listened to": lambda chain: chain.with_listeners(on_start=lambda run: None),
}


def _letters(texts: Any) -> Any:
    for text in texts:
        yield from text


async def _aletters(texts: Any) -> Any:
    async for text in texts:
        for letter in text:
            yield letter


def _shout() -> Any:
    def shout(texts: Any) -> Any:
        for text in texts:
            yield text.upper()

    async def ashout(texts: Any) -> Any:
        async for text in texts:
            yield text.upper()

    return RunnableGenerator(shout, ashout)


def _fail(value: Any) -> Any:
    raise ModelFault("no")


@pytest.mark.parametrize("use", USES)
def test_wherever_the_chain_is_used(use: str) -> None:
    """Bound, retried, as a fallback, on either side of others, in the middle of a stream: it is the chain."""
    assert_same_runnable(lambda: USES[use](_named()), lambda: USES[use](_apart(_named)()), "parrots", at_once=True)


@pytest.mark.parametrize(
    "filters",
    [
        {"include_names": ["rag"]},
        {"include_types": ["parser", "prompt"]},
        {"include_tags": ["seq:step:3"]},
        {"exclude_types": ["chat_model"]},
        {"exclude_tags": ["map:key:context"]},
    ],
)
@pytest.mark.parametrize("version", ["v1", "v2"])
def test_filters(filters: dict[str, Any], version: str) -> None:
    """Events that a filter lets through are the chain's."""
    old = ASYNC.observe_events(_named(), "parrots", version=version, **filters)
    assert old
    assert_same_events(old, ASYNC.observe_events(_apart(_named)(), "parrots", version=version, **filters))


def test_batches(colour: Colour) -> None:
    """A batch is that many runs of the chain."""
    face = _apart(_named)()
    assert face.batch(["a", "b"]) == [TEXT] * 2
    assert run(face.abatch(["a", "b"])) == [TEXT] * 2


def test_arguments_reach_the_first_step(colour: Colour) -> None:
    """What is passed beside the configuration goes where a sequence hands it: to its first step."""

    def first(value: str, **kwargs: Any) -> str:
        return f"{value}{kwargs['end']}"

    face = as_lcel(from_lcel(RunnableLambda(first) | RunnablePassthrough()).compile())
    assert colour.invoke(face, "a", end="!") == "a!"
    assert colour.observe_stream(face.bind(end="?"), "a") == ["a?"]


def test_schemas_are_the_chains() -> None:
    """Input and output schemas, and the drawn graph, are those of the chain."""
    face, chain = _apart(rag)(), rag()
    assert face.get_input_jsonschema() == chain.get_input_jsonschema()
    assert face.get_output_jsonschema() == chain.get_output_jsonschema()
    assert face.get_name() == chain.get_name()
    assert "as_lcel(" in repr(face)


def test_the_face_can_be_pickled(colour: Colour) -> None:
    """What comes out of pickle is the chain's face still, bound as it was."""

    def chain() -> Any:
        return chat_chain(StreamingChat(message_id="1")).with_config(run_name="rag")

    face = pickle.dumps(_apart(chain)())
    assert_same_runnable(chain, lambda: pickle.loads(face), {"topic": "x"})


def test_a_failure_in_mid_stream() -> None:
    """A model that breaks off shows the same tokens and the same error, in the same runs."""

    def chain() -> Any:
        return chat_chain(StreamingChat(fail_after=2, message_id="1"))

    assert_same_runnable(chain, _apart(chain), {"topic": "parrots"})


class First(RunnablePassthrough[Any]):
    """Reads one chunk, and no further."""

    def transform(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Any:
        """The first chunk."""
        yield next(iter(input))

    async def atransform(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Any:
        """The first chunk."""
        yield await anext(aiter(input))


def test_a_step_that_stops_reading(colour: Colour) -> None:
    """What a step has said when the next one reads no further is its result, and the graph goes on with it."""
    saver = InMemorySaver()
    graph = from_lcel(_shout() | RunnableGenerator(_letters, _aletters, name="letters") | First())
    face, config = as_lcel(graph.compile(checkpointer=saver)), {"configurable": {"thread_id": "1"}}
    assert colour.observe_stream(face, "ab", config) == ["A"]
    (saved,) = list(saver.list(None, limit=1))
    values = saved.checkpoint["channel_values"]
    assert {key: values.get(key) for key in ("letters_result", "output")} == {"letters_result": "A", "output": "A"}


def test_the_first_token_does_not_wait(colour: Colour) -> None:
    """Chunks come up as they are made, through the parser, while the model is still speaking."""
    model = StreamingChat(delay=0.05)
    events = ASYNC.observe_events(as_lcel(from_lcel(chat_chain(model)).compile()), {"topic": "x"})
    kinds = [e["event"] for e in events if e["event"] in ("on_parser_stream", "on_chat_model_stream")]
    assert kinds[:4] == ["on_chat_model_stream", "on_parser_stream"] * 2


def test_a_long_branch_does_not_wait_for_a_superstep(colour: Colour) -> None:
    """Two branches of two steps take as long as the longer one, not as long as the longest of each step."""

    def slow(seconds: float) -> Any:
        def wait(value: Any) -> Any:
            time.sleep(seconds)
            return value

        return RunnableLambda(wait)

    chain = RunnableParallel(a=slow(0.2) | slow(0.01), b=slow(0.01) | slow(0.2))
    face = as_lcel(from_lcel(chain).compile())
    began = time.monotonic()
    colour.invoke(face, "x")
    assert time.monotonic() - began < 0.35


# Edited --------------------------------------------------------------------------------------------------


def _runs(face: Any, value: Any, colour: Colour, how: str = "observe_stream") -> list[Any]:
    tracer = Recorder()
    getattr(colour, how)(face, value, {"callbacks": [tracer]})
    return [tree(run, list) for run in tracer.roots]


def _outline(run: dict[str, Any]) -> Any:
    return (tuple(run["tags"]), run["name"], sorted(map(_outline, run["runs"]), key=str))


@pytest.mark.parametrize("how", ["invoke", "observe_stream"])
def test_a_function_in_a_nodes_place(colour: Colour, how: str) -> None:
    """A step replaced by a function is a chain run named after its node; all other runs are the chain's."""

    def find(state: Any, config: RunnableConfig) -> Any:
        return {"context_retriever_result": Shelf().invoke(state["input"], config)}

    graph = from_lcel(_named()).replace_node("context_retriever", find)
    (old,), (new,) = _runs(_named(), "parrots", colour, how), _runs(_face(graph), "parrots", colour, how)
    before, after = _outline(old), _outline(new)
    shelf: Any = (("main", "seq:step:1"), "Shelf", [])
    found: Any = (("main", "seq:step:1"), "context_retriever", [(("main",), "Shelf", [])])
    assert str(after) == str(before).replace(str(shelf), str(found))


def test_the_rest_streams_on(colour: Colour) -> None:
    """With a step before the model replaced, the face streams token by token, as the chain did."""
    graph = from_lcel(_named()).replace_node("context_retriever", lambda s: {"context_retriever_result": []})
    assert colour.observe_stream(_face(graph), "parrots") == colour.observe_stream(_named(), "parrots")
    kept = {"include_types": ["parser", "chat_model"]}
    old, new = (ASYNC.observe_events(each, "parrots", **kept) for each in (_named(), _face(graph)))
    assert _words(new) == _words(old)
    assert [e["tags"] for e in new] == [e["tags"] for e in old]


def test_a_runnable_in_a_nodes_place(colour: Colour) -> None:
    """A bare runnable takes the mappings of what it replaces, and the face is that of the chain with it."""

    def chain() -> Any:
        return chat_chain(StreamingChat(text="other words", message_id="1"))

    graph = from_lcel(chat_chain())
    graph.replace_node("model", StreamingChat(text="other words", message_id="1"))
    assert_same_runnable(chain, lambda: _face(graph), {"topic": "x"})


class Inner(TypedDict, total=False):
    """The state of a subgraph."""

    prompt_result: Any
    model_result: Any


def test_a_subgraph_in_a_nodes_place(colour: Colour) -> None:
    """A subgraph is one run named after the node, with what its nodes call right under it."""
    inner = StateGraph(Inner)
    inner.add_node("ask", as_node(StreamingChat(message_id="1"), input="prompt_result", output="model_result"))
    inner.add_edge(START, "ask")
    inner.add_edge("ask", END)
    graph = from_lcel(chat_chain()).replace_node("model", inner.compile())
    (root,) = _runs(_face(graph), {"topic": "x"}, colour)
    assert [(r["name"], r["tags"], [c["name"] for c in r["runs"]]) for r in root["runs"]] == [
        ("ChatPromptTemplate", ["seq:step:1"], []),
        ("model", ["seq:step:2"], ["StreamingChat"]),
        ("StrOutputParser", ["seq:step:3"], []),
    ]
    assert colour.invoke(_face(graph), {"topic": "x"}) == TEXT


def test_an_added_node_is_a_run_beside_the_steps(colour: Colour) -> None:
    """A node that is no step of the chain is shown under the root, without a number; the steps keep theirs."""
    seen: list[Any] = []
    graph = from_lcel(chat_chain())

    def log(state: Any) -> Any:
        time.sleep(0.05)
        seen.append(state["output"])
        return {}

    graph.add_node("log", log)
    graph.add_edge("parser", "log")
    (root,) = _runs(_face(graph), {"topic": "x"}, colour)
    assert {(run["name"], *run["tags"]) for run in root["runs"]} >= {("log",), ("StrOutputParser", "seq:step:3")}
    assert len(seen) == 1


def test_a_decision_by_a_function(colour: Colour) -> None:
    """A function may decide in place of the conditions; it is the run where they were, and the way is the graph's."""
    from langchain_core.runnables import RunnableBranch

    branch = RunnableBranch((lambda text: len(text) > 3, RunnableLambda(str.upper)), RunnableLambda(str.title))
    graph = from_lcel(branch | RunnablePassthrough())
    graph.replace_node("decision", lambda state: {"decision_result": "1"})
    assert colour.observe_stream(_face(graph), "ab") == ["AB"]
    (root,) = _runs(_face(graph), "ab", colour, "invoke")
    assert [(run["name"], run["tags"]) for run in root["runs"][0]["runs"]] == [
        ("decision", ["condition:1"]),
        ("upper", ["branch:1"]),
    ]


def test_a_node_is_tried_again_before_it_speaks(colour: Colour) -> None:
    """With a retry policy a step that fails before its first chunk runs again; after it, the error is the caller's."""
    left = [1, 1]

    def flaky(texts: Any) -> Any:
        for text in texts:
            if left:
                left.pop()
                raise ModelFault("not yet")
            yield text

    async def aflaky(texts: Any) -> Any:
        async for text in texts:
            for each in flaky([text]):
                yield each

    policy = RetryPolicy(initial_interval=0.001, jitter=False, retry_on=ModelFault)
    graph = from_lcel(RunnablePassthrough() | _shout() | RunnablePassthrough())
    graph.replace_node("shout", RunnableGenerator(flaky, aflaky, name="flaky"), retry_policy=policy)
    (root,) = _runs(_face(graph), "ab", colour)
    assert [run["name"] for run in root["runs"]].count("flaky") == 3
    assert root["outputs"] == {"output": "ab"}


def test_what_was_said_is_not_said_again(colour: Colour) -> None:
    """A model that breaks off after a chunk is not run again, whatever the node's policy: the chunk is out."""
    policy = RetryPolicy(initial_interval=0.001, jitter=False, retry_on=ModelFault)
    graph = from_lcel(chat_chain())
    graph.replace_node("model", StreamingChat(fail_after=1), retry_policy=policy)
    said = colour.observe_stream(_face(graph), {"topic": "x"})
    assert said == ["A", Raised("ModelFault", "broken off after 1 pieces")]


def test_an_error_that_is_handled(colour: Colour) -> None:
    """What handles a node's error is shown in its place, and the next step is given what it wrote."""
    graph = from_lcel(RunnablePassthrough() | RunnableLambda(_fail) | RunnablePassthrough())
    graph.replace_node("fail", RunnableLambda(_fail), error_handler=lambda state: {"fail_result": "saved"})
    graph.add_edge("__error_handler__fail", "passthrough_2")
    assert colour.observe_stream(_face(graph), "x") == ["saved"]
    assert colour.invoke(_face(graph), "x") == "saved"


def test_a_step_that_the_graph_passes_by(colour: Colour) -> None:
    """Where the graph leaves a step out, there is no run of it, and the next one is given what the state says."""
    steps = RunnableLambda(_fail) | RunnableLambda(lambda text: text + "x", name="x") | _shout()
    graph = from_lcel(RunnablePassthrough() | steps)
    graph.replace_node("fail", RunnableLambda(_fail), error_handler=lambda state: {"x_result": "saved"})
    graph.add_edge("__error_handler__fail", "shout")
    assert colour.observe_stream(_face(graph), "a") == ["SAVED"]
    (root,) = _runs(_face(graph), "a", colour, "invoke")
    names = [run["name"] for run in root["runs"]]
    assert names == ["RunnablePassthrough", "_fail", "__error_handler__fail", "shout"]


def test_a_command_in_a_nodes_place(colour: Colour) -> None:
    """A function may answer with a command: the next step is given what the state then says."""
    graph = from_lcel(RunnablePassthrough() | RunnablePassthrough() | _shout())
    graph.replace_node("passthrough_2", lambda state: Command(update={"passthrough_2_result": "said"}))
    assert colour.observe_stream(_face(graph), "x") == ["SAID"]
    assert colour.invoke(_face(graph), "x") == "SAID"


def test_a_writer_in_a_function(colour: Colour) -> None:
    """A function in a node's place finds what the engine gives it, as in any node."""

    def note(state: Any, writer: StreamWriter) -> Any:
        get_stream_writer()("heard")
        writer("too")
        return {"output": state["input"]}

    graph = from_lcel(RunnablePassthrough() | RunnablePassthrough()).replace_node("passthrough_2", note)
    assert colour.invoke(_face(graph), "x") == "x"


def test_another_output_than_what_was_shown(colour: Colour) -> None:
    """If a node after the last step makes something else of the output, the face says so."""
    graph = from_lcel(chat_chain())
    graph.add_node("shout", lambda state: {"output": state["output"].upper()})
    graph.add_edge("parser", "shout")
    with pytest.raises(FaceError, match="was shown"):
        colour.invoke(_face(graph), {"topic": "x"})


def test_an_interrupt_cannot_be_answered(colour: Colour) -> None:
    """A node that asks a person raises the documented error."""
    graph = from_lcel(RunnablePassthrough() | RunnablePassthrough())
    graph.replace_node("passthrough_2", lambda state: {"output": interrupt("sure?")})
    with pytest.raises(FaceInterruptError, match="sure"):
        colour.invoke(_face(graph), "x")


@pytest.mark.parametrize("options", [{"interrupt_before": ["model"]}, {"interrupt_after": "*"}])
def test_a_breakpoint_is_refused(options: dict[str, Any]) -> None:
    """A chain runs to its end, so a graph that is told to stop has no such face."""
    with pytest.raises(FaceError, match="stops before or after"):
        as_lcel(from_lcel(chat_chain()).compile(**options))


def test_branches_that_wait_do_not_block_each_other(colour: Colour) -> None:
    """More branches than threads, each waiting for its superstep, come to an end."""
    steps = {f"k{n}": RunnableLambda(str, name="one") | RunnableLambda(str, name="two") for n in range(9)}
    graph = from_lcel(RunnableParallel(steps))
    for n in range(9):
        graph.replace_node(f"k{n}_two", lambda state, n=n: {f"k{n}": n})
    for config in ({}, {"max_concurrency": 1}):
        assert colour.invoke(_face(graph), "x", config) == {f"k{n}": n for n in range(9)}


# Several faces, threads, endings -------------------------------------------------------------------------


def test_two_faces_over_one_graph(colour: Colour) -> None:
    """The chain's face and one with mappings of its own stand side by side over one compiled graph."""
    graph = from_lcel(chat_chain()).compile()
    whole, mapped = as_lcel(graph), as_lcel(graph, input="input", output="prompt_result")
    assert colour.invoke(whole, {"topic": "x"}) == TEXT
    assert colour.invoke(mapped, {"topic": "x"}).to_messages()[1].content == "On x."
    assert colour.invoke(whole, {"topic": "y"}) == TEXT


def test_a_thread_keeps_the_state_of_each_step(colour: Colour) -> None:
    """With a saver and a thread each superstep is saved, and the face streams nevertheless; without one nothing is."""
    saver = InMemorySaver()
    graph = from_lcel(chat_chain()).compile(checkpointer=saver)
    face, config = as_lcel(graph), RunnableConfig(configurable={"thread_id": "1"})
    assert [text for text in colour.observe_stream(face, {"topic": "x"}, config) if text][:2] == ["A", " parrot"]
    steps = [set(state.values) for state in graph.get_state_history(config)]
    assert steps[0] == {"input", "prompt_result", "model_result", "output"}
    assert len(steps) == 5
    colour.invoke(face, {"topic": "x"})
    assert len(list(saver.list(None))) == 5


def _left() -> list[str]:
    return [t.name for t in threading.enumerate() if t.name.startswith("lcel-compat")]


def test_who_stops_reading_ends_the_graph() -> None:
    """After a chunk the reader leaves: no thread, no task, no open model is left."""

    async def work() -> set[str]:
        before = asyncio.all_tasks()
        async with aclosing(_apart(lambda: chat_chain(StreamingChat(delay=0.01)))().astream({"topic": "x"})) as said:
            async for _ in said:
                break
        return {task.get_name() for task in asyncio.all_tasks() - before}

    assert run(work()) == set()
    said = _apart(lambda: chat_chain(StreamingChat(delay=0.01)))().stream({"topic": "x"})
    assert next(said) == "A"
    said.close()
    assert _left() == []


async def _for_ever(value: Any) -> Any:
    await asyncio.sleep(10)


async def _first(chunks: Any) -> Any:
    return await anext(aiter(chunks))


def test_cancellation_ends_the_graph() -> None:
    """A caller that is cancelled leaves no task behind, and is cancelled."""

    async def work() -> set[str]:
        before = asyncio.all_tasks()
        face = as_lcel(from_lcel(RunnablePassthrough() | RunnableLambda(_for_ever)).compile())
        tasks = [asyncio.ensure_future(work) for work in (face.ainvoke("x"), _first(face.astream("x")))]
        await asyncio.sleep(0.05)
        for task in tasks:
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        return {task.get_name() for task in asyncio.all_tasks() - before}

    assert run(work()) == set()


def test_runs_at_once_do_not_meet() -> None:
    """Many runs of one face at a time have each their own answers."""
    face = as_lcel(from_lcel(RunnableParallel(a=RunnablePassthrough() | str, b=RunnablePassthrough())).compile())

    async def work() -> list[Any]:
        return await asyncio.gather(*(face.ainvoke(n) for n in range(20)))

    assert run(work()) == [{"a": str(n), "b": n} for n in range(20)]
    assert face.batch(list(range(20))) == [{"a": str(n), "b": n} for n in range(20)]
    assert SYNC.invoke(face, 1) == {"a": "1", "b": 1}
    assert_same(face.invoke(2), {"a": "2", "b": 2})
