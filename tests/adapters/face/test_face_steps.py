"""Nodes besides the legacy one: a graph of several nodes is shown as a sequence is."""

from __future__ import annotations

import operator
from collections.abc import Callable
from itertools import pairwise
from typing import Annotated, Any

import pytest
from langchain_core.messages import HumanMessage
from langchain_core.runnables import Runnable, RunnableConfig, RunnableLambda, RunnablePassthrough, RunnableSequence
from langgraph.checkpoint.memory import InMemorySaver
from typing_extensions import TypedDict

from lcel_adapters import FaceError, LegacyFace, as_lcel, as_node
from tests.adapters.face.watch import EACH_LIBRARY, Recorder, assert_same_runnable, tree
from tests.support.colours import ASYNC, Colour, run
from tests.support.engines import OURS, Library
from tests.support.models import MULTIPLY, TEXT, Shelf, StreamingChat, chat_chain


class State(TypedDict, total=False):
    """A question on its way to an answer."""

    topic: str
    about: dict[str, str]
    answer: str
    length: int
    log: Annotated[list[str], operator.add]


def _prepare(topic: str) -> dict[str, str]:
    return {"topic": topic.upper()}


def _rag() -> Runnable[Any, Any]:
    return chat_chain().with_config(run_name="rag", tags=["main"])


def _line(lib: Library, *nodes: tuple[str, Any]) -> Any:
    builder = lib.StateGraph(State)
    names = [lib.START, *(name for name, _ in nodes), lib.END]
    for name, action in nodes:
        builder.add_node(name, action)
    for start, end in pairwise(names):
        builder.add_edge(start, end)
    return builder.compile()


def _face(lib: Library, *nodes: tuple[str, Any], input: Any = "topic", output: Any = "answer") -> Any:
    return as_lcel(_line(lib, *nodes), input=input, output=output)


@EACH_LIBRARY
def test_a_line_of_adapted_nodes_is_their_sequence(lib: Library) -> None:
    """Adapted runnables one after another look like the sequence of them, the last one's chunks as they are made."""

    def chain() -> Runnable[Any, Any]:
        return RunnableSequence(RunnableLambda(_prepare), _rag())

    def face() -> Any:
        first = as_node(RunnableLambda(_prepare), input="topic", output="about")
        return _face(lib, ("first", first), ("second", as_node(_rag(), input="about", output="answer")))

    # Only when a run ends differs: a node has ended before the next one starts, a step of a sequence has not.
    assert_same_runnable(chain, face, "parrots", at_once=True)


@EACH_LIBRARY
def test_a_function_is_a_chain_run_named_after_its_node(lib: Library) -> None:
    """A plain function before the chain is shown as ``RunnableLambda`` would show it, with what it was given."""

    def prepare(state: Any) -> State:
        return {"about": _prepare(state["topic"])}

    def chain() -> Runnable[Any, Any]:
        def picks(update: Any) -> Any:
            return update["about"]

        inner = _rag()
        return RunnableSequence(
            RunnableLambda(lambda topic: {"topic": topic, "log": []}),
            RunnableLambda(prepare, name="prepare"),
            RunnableLambda(picks),
            inner,
        )

    face = _face(lib, ("prepare", prepare), ("chat", as_node(_rag(), input="about", output="answer")))
    expected = [e for e in ASYNC.observe_events(chain(), "parrots") if e["name"] == "prepare"]
    actual = [e for e in ASYNC.observe_events(face, "parrots") if e["name"] == "prepare"]
    assert [(e["event"], e["data"]) for e in actual] == [(e["event"], e["data"]) for e in expected]
    assert [event["tags"] for event in actual] == [["seq:step:1"]] * 3
    assert not any(key.startswith("langgraph") for e in actual for key in e["metadata"])


@EACH_LIBRARY
def test_models_and_tools_inside_a_function_hang_under_its_run(lib: Library, colour: Colour) -> None:
    """What a plain node calls is seen, once, under the run named after the node, with the caller's tags."""

    def ask(state: State, config: RunnableConfig) -> State:
        length = MULTIPLY.invoke({"a": 2, "b": 3})
        return {"answer": str(StreamingChat().invoke(state["topic"], config).content), "length": length}

    tracer = Recorder()
    face = _face(lib, ("ask", ask))
    assert colour.invoke(face, "parrots", {"callbacks": [tracer], "tags": ["mine"]}) == TEXT
    (root,) = [tree(run, list) for run in tracer.roots]
    (node,) = root["runs"]
    assert (root["name"], node["name"], node["tags"]) == ("RunnableSequence", "ask", ["mine", "seq:step:1"])
    assert [(run["name"], run["tags"]) for run in node["runs"]] == [("multiply", ["mine"]), ("StreamingChat", ["mine"])]


@EACH_LIBRARY
def test_a_function_after_the_chain_gathers(lib: Library, colour: Colour) -> None:
    """A function might write the answer, so the face waits for it, as a function in a sequence does."""

    def shout(state: State) -> State:
        return {"answer": state["answer"].upper()}

    chat = as_node(_rag(), input={"topic": "topic"}, output="answer")
    face = _face(lib, ("chat", chat), ("shout", shout), input={"topic": "topic"})
    assert colour.observe_stream(face, {"topic": "parrots"}) == [TEXT.upper()]
    assert colour.invoke(face, {"topic": "parrots"}) == TEXT.upper()


@EACH_LIBRARY
def test_a_node_known_to_write_elsewhere_does_not_hold_the_chunks(lib: Library, colour: Colour) -> None:
    """After the chain, an adapted node with another output key leaves its chunks what they are: tokens."""
    chat = as_node(_rag(), input={"topic": "topic"}, output="answer")
    count = as_node(RunnableLambda(len), input="answer", output="length")
    face = _face(lib, ("chat", chat), ("count", count), input={"topic": "topic"})
    assert colour.observe_stream(face, {"topic": "parrots"})[:2] == ["A", " parrot"]
    names = [e["name"] for e in ASYNC.observe_events(face, {"topic": "parrots"}) if e["event"] == "on_chain_end"]
    assert names == ["rag", "len", "RunnableSequence"]


@EACH_LIBRARY
def test_a_subgraph_is_one_run(lib: Library, colour: Colour) -> None:
    """Of a subgraph, its node's run is seen and what its own nodes call, adapted or not, right under that run."""

    def note(state: State) -> State:
        return {"length": len(Shelf().invoke(state["topic"]))}

    inner = _line(lib, ("chat", as_node(_rag(), input={"topic": "topic"}, output="answer")), ("note", note))
    tracer = Recorder()
    face = _face(lib, ("inner", inner))
    colour.invoke(face, "parrots", {"callbacks": [tracer]})
    (root,) = [tree(run, list) for run in tracer.roots]
    (node,) = root["runs"]
    assert node["name"] == "inner"
    assert [run["name"] for run in node["runs"]] == ["rag", "Shelf"]
    assert colour.observe_stream(face, "parrots") == [TEXT]


@EACH_LIBRARY
def test_tokens_are_seen_inside_functions_and_subgraphs(lib: Library) -> None:
    """Events show the tokens of models in plain nodes and in subgraphs, under the caller's root."""

    async def ask(state: State) -> State:
        return {"topic": str((await StreamingChat().ainvoke(state["topic"])).content)}

    inner = _line(lib, ("chat", as_node(_rag(), input={"topic": "topic"}, output="answer")))
    events = ASYNC.observe_events(_face(lib, ("ask", ask), ("inner", inner)), "parrots")
    tokens = [event for event in events if event["event"] == "on_chat_model_stream"]
    assert "".join(event["data"]["chunk"].content for event in tokens) == TEXT * 2
    assert {event["parent_ids"][0] for event in tokens} == {events[0]["run_id"]}
    assert [event["event"] for event in events if event["event"].startswith("on_parser_s")][:2] == [
        "on_parser_start",
        "on_parser_stream",
    ]


@pytest.mark.langgraph
def test_a_tool_node_is_one_run(colour: Colour) -> None:
    """LangGraph's ``ToolNode`` is a chain run named after its node, with the tool's run in it."""
    from langgraph.graph import END, START, MessagesState, StateGraph
    from langgraph.prebuilt import ToolNode

    call = {"name": "multiply", "args": {"a": 2, "b": 3}, "id": "call-1"}
    model = StreamingChat(text="", tool_calls=[call], message_id="1")
    builder = StateGraph(MessagesState)
    builder.add_node("agent", as_node(model, input="messages", output="messages"))
    builder.add_node("tools", ToolNode([MULTIPLY]))
    builder.add_edge(START, "agent")
    builder.add_edge("agent", "tools")
    builder.add_edge("tools", END)
    face = as_lcel(builder.compile(), input="messages", output=lambda state: state["messages"][-1])
    tracer = Recorder()
    answer = colour.invoke(face, [HumanMessage("2 * 3?")], {"callbacks": [tracer]})
    (root,) = [tree(run, list) for run in tracer.roots]
    assert answer.content == "6"
    assert [run["name"] for run in root["runs"]] == ["StreamingChat", "tools"]
    assert [(run["name"], run["type"]) for run in root["runs"][1]["runs"]] == [("multiply", "tool")]


@EACH_LIBRARY
def test_a_loop_gathers_and_counts_its_steps(lib: Library, colour: Colour) -> None:
    """A node that may run again is not streamed; each of its runs is a step of its own."""
    builder = lib.StateGraph(State)
    builder.add_node("more", as_node(lambda n: n + 1, input="length", output="length"))
    builder.add_edge(lib.START, "more")
    builder.add_conditional_edges("more", lambda state: lib.END if state["length"] > 2 else "more", ["more", lib.END])
    face = as_lcel(builder.compile(), input="length", output="length")
    assert colour.observe_stream(face, 0) == [3]
    tracer = Recorder()
    assert colour.invoke(face, 0, {"callbacks": [tracer]}) == 3
    assert [run.tags for run in tracer.roots[0].child_runs] == [["seq:step:1"], ["seq:step:2"], ["seq:step:3"]]


@EACH_LIBRARY
def test_steps_are_counted_from_the_first_of_a_run(lib: Library, colour: Colour) -> None:
    """On a thread whose supersteps have gone far, a run's first node is still step 1."""
    builder = lib.StateGraph(State)
    builder.add_node("prepare", lambda state: {"about": _prepare(state["topic"])})
    builder.add_node("chat", as_node(_rag(), input="about", output="answer"))
    builder.add_edge(lib.START, "prepare")
    builder.add_edge("prepare", "chat")
    builder.add_edge("chat", lib.END)
    face = as_lcel(builder.compile(checkpointer=InMemorySaver()), input="topic", output="answer")
    for _ in range(2):
        tracer = Recorder()
        colour.invoke(face, "parrots", {"callbacks": [tracer], "configurable": {"thread_id": "1"}})
        steps = [sorted(run.tags) for run in tracer.roots[0].child_runs if run.tags]
        assert steps == [["seq:step:1"], ["main", "seq:step:2"]]


@EACH_LIBRARY
def test_what_was_said_is_never_taken_back(lib: Library, colour: Colour) -> None:
    """If the state makes something else of the streamed answer, the face says so instead of showing two answers."""
    builder = lib.StateGraph(State)
    builder.add_node("chat", as_node(chat_chain() | (lambda text: [text]), input={"topic": "topic"}, output="log"))
    builder.add_edge(lib.START, "chat")
    builder.add_edge("chat", lib.END)
    face = as_lcel(builder.compile(), input={"topic": "topic", "log": "log"}, output="log")
    value = {"topic": "parrots", "log": ["before"]}
    with pytest.raises(FaceError, match="which was shown"):
        colour.invoke(face.with_config(run_name="x"), value)


@EACH_LIBRARY
def test_a_speaker_that_runs_twice(lib: Library, colour: Colour) -> None:
    """If the node whose chunks are handed out is sent to twice, the second answer is refused, not mixed in."""

    def split(state: State) -> list[Any]:
        return [lib.Send("chat", {"topic": topic}) for topic in ("parrots", "crows")]

    builder = lib.StateGraph(State)
    builder.add_node("chat", as_node(_rag(), input={"topic": "topic"}, output="answer"))
    builder.add_conditional_edges(lib.START, split, ["chat"])
    builder.add_edge("chat", lib.END)
    found = colour.observe_stream(as_lcel(builder.compile(), input="topic", output="answer"), "birds")
    assert found[:2] == ["A", " parrot"]
    assert found[-1].error == "FaceError"


@EACH_LIBRARY
def test_an_abandoned_stream_of_several_nodes(lib: Library) -> None:
    """A reader who leaves ends the graph: no later node runs, in either colour."""
    ran: list[str] = []
    chat = as_node(_rag(), input={"topic": "topic"}, output="answer")
    count = as_node(RunnableLambda(ran.append), input="answer", output="length")

    async def leave(face: Any) -> None:
        stream = face.astream({"topic": "parrots"})
        assert await anext(stream) == "A"
        await stream.aclose()

    face = _face(lib, ("chat", chat), ("count", count), input={"topic": "topic"})
    stream = face.stream({"topic": "parrots"})
    assert next(stream) == "A"
    stream.close()
    run(leave(face))
    assert ran == []


@EACH_LIBRARY
def test_whole_state_in_and_out(lib: Library, colour: Colour) -> None:
    """Without mappings the face's input is the graph's, and so is its output."""
    face = as_lcel(
        _line(
            lib, ("chat", as_node(_rag(), input={"topic": "topic"}, output="answer")), ("end", lambda s: {"length": 1})
        )
    )
    expected = {"topic": "parrots", "answer": TEXT, "length": 1, "log": []}
    assert colour.invoke(face, {"topic": "parrots"}) == expected
    assert colour.observe_stream(face, {"topic": "parrots"}) == [expected]


@EACH_LIBRARY
def test_the_whole_state_of_a_chain_that_keeps_it(lib: Library) -> None:
    """A chain from state to state, ``RunnablePassthrough.assign``, is the chain behind a face without mappings."""

    class Both(TypedDict, total=False):
        topic: str
        answer: str

    def chain() -> Runnable[Any, Any]:
        return RunnablePassthrough.assign(answer=chat_chain()).with_config(run_name="rag")

    def face() -> Any:
        builder = lib.StateGraph(Both)
        builder.add_node("chat", as_node(chain()))
        builder.add_edge(lib.START, "chat")
        builder.add_edge("chat", lib.END)
        return as_lcel(builder.compile())

    assert_same_runnable(chain, face, {"topic": "parrots"}, at_once=True)


@EACH_LIBRARY
def test_a_message_that_the_state_collects(lib: Library) -> None:
    """A model whose answer is added to the state's messages is the chain, when ``output`` finds it there."""

    def model() -> Runnable[Any, Any]:
        return StreamingChat(message_id="1") | RunnablePassthrough()

    def face() -> Any:
        builder = lib.StateGraph(lib.MessagesState)
        builder.add_node("chat", as_node(model(), input="messages", output="messages"))
        builder.add_edge(lib.START, "chat")
        builder.add_edge("chat", lib.END)
        return as_lcel(builder.compile(), input="messages", output=lambda state: state["messages"][-1])

    assert_same_runnable(model, face, [HumanMessage("hi", id="0")])


@EACH_LIBRARY
def test_schemas_of_several_nodes(lib: Library) -> None:
    """With mappings the types are those of the state's keys, without them the graph's schemas."""
    chat = as_node(_rag(), input={"topic": "topic"}, output="answer")
    graph = _line(lib, ("chat", chat), ("note", lambda state: {}))
    face = as_lcel(graph, input="topic", output="length")
    assert (face.InputType, face.OutputType) == (str, int)
    assert as_lcel(graph).get_input_jsonschema() == graph.get_input_jsonschema()
    with pytest.raises(TypeError, match="takes no 'stop'"):
        face.invoke("parrots", stop=["x"])


REFUSED: dict[str, tuple[Callable[[Library], Any], type[Exception], str]] = {
    "a builder": (lambda lib: lib.StateGraph(State), TypeError, "Compile the builder"),
    "a runnable": (lambda lib: RunnablePassthrough(), TypeError, "no compiled StateGraph"),
    "callbacks of its own": (lambda lib: _heard(lib), FaceError, "Bind them to the face"),
    "a breakpoint": (lambda lib: _stopping(lib), FaceError, "stops before or after 'chat'"),
}


def _heard(lib: Library) -> Any:
    chat = as_node(_rag(), input={"topic": "topic"}, output="answer")
    return _line(lib, ("chat", chat)).with_config(callbacks=[Recorder()])


def _stopping(lib: Library) -> Any:
    builder = lib.StateGraph(State)
    builder.add_node("chat", as_node(_rag(), input={"topic": "topic"}, output="answer"))
    builder.add_edge(lib.START, "chat")
    return builder.compile(interrupt_before=["chat"])


@EACH_LIBRARY
@pytest.mark.parametrize("what", REFUSED)
def test_what_cannot_be_shown_is_refused_at_once(lib: Library, what: str) -> None:
    """``as_lcel`` raises where it is called, and says what to do."""
    make, error, message = REFUSED[what]
    with pytest.raises(error, match=message):
        as_lcel(make(lib))


@EACH_LIBRARY
def test_wrong_mappings_are_refused_at_once(lib: Library) -> None:
    """A mapping of the wrong kind, or to a key that there is not, is an error where ``as_lcel`` is called."""
    graph = _line(lib, ("chat", as_node(_rag(), input={"topic": "topic"}, output="answer")))
    for wrong in ({"input": 3}, {"input": {"topic": 3}}, {"output": 3}):
        with pytest.raises(TypeError, match="is neither a state key"):
            as_lcel(graph, **wrong)
    with pytest.raises(FaceError, match="is no key of the graph's output"):
        as_lcel(graph, output="nothing")


def test_the_face_says_what_it_is() -> None:
    """``repr`` shows the call that made it."""
    face = _face(OURS, ("chat", as_node(_rag(), input="about", output="answer")))
    assert isinstance(face, LegacyFace)
    assert repr(face).endswith("input='topic', output='answer')")
