"""``from_lcel``: which graph a chain becomes."""

from __future__ import annotations

from typing import Any

import pytest
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import (
    Runnable,
    RunnableBranch,
    RunnableLambda,
    RunnableParallel,
    RunnablePassthrough,
)

from lcel_adapters import ChainGraph, RunnableNode, from_lcel
from lcel_compat import END, START
from lcel_compat.errors import InvalidGraphError
from tests.support.colours import Colour
from tests.support.models import TEXT, Shelf, StreamingChat, chat_chain


def _text(documents: Any) -> str:
    return " ".join(document.page_content for document in documents)


def rag() -> Runnable[Any, Any]:
    """A retriever and the question side by side, and a chat about both."""
    prompt = ChatPromptTemplate.from_template("On {topic}: {context}")
    return {"context": Shelf() | RunnableLambda(_text), "topic": RunnablePassthrough()} | chat_chain_of(prompt)


def chat_chain_of(prompt: Any) -> Runnable[Any, Any]:
    """``prompt | model | parser``."""
    from langchain_core.output_parsers import StrOutputParser

    return prompt | StreamingChat(message_id="1", delay=0.01) | StrOutputParser()  # type: ignore[no-any-return]


def test_a_sequence_is_a_line_with_streaming_edges() -> None:
    """Each step is a node that reads the key of the one before it; the last one writes ``output``."""
    graph = from_lcel(chat_chain())
    assert list(graph.nodes) == ["prompt", "model", "parser"]
    line = {(START, "prompt"), ("prompt", "model"), ("model", "parser")}
    assert graph.edges == line | {("parser", END)}
    assert graph.streaming_edges == line
    assert list(graph.channels) == ["input", "prompt_result", "model_result", "output"]


def test_a_parallel_is_nodes_at_once_that_the_next_one_joins() -> None:
    """Nodes are named after their keys, and the next node reads a dict of them, as one would write it by hand."""
    graph = from_lcel(rag())
    assert list(graph.nodes)[:4] == ["context_retriever", "context_text", "topic_passthrough", "prompt"]
    prompt = graph.nodes["prompt"].action
    assert isinstance(prompt, RunnableNode)
    assert prompt.input == {"context": "context", "topic": "topic"}
    assert graph.waiting_edges == {(("context_text", "topic_passthrough"), "prompt")}


def test_an_assignment_reads_what_it_adds_to() -> None:
    """What follows ``assign`` is given the whole dict, by a function that says where each part is from."""
    graph = from_lcel(RunnablePassthrough.assign(size=RunnableLambda(len)) | RunnableLambda(str))
    reading = graph.nodes["str"].action.input
    assert reading({"input": {"a": 1}, "size": 1}) == {"a": 1, "size": 1}
    assert reading.value.source("state") == "{**state['input'], 'size': state['size']}"


def test_a_branch_is_a_node_that_decides(colour: Colour) -> None:
    """The decision is in the state, a conditional edge follows it, and all ways end in one key."""
    lower: Any = RunnablePassthrough() | RunnableLambda(str.lower)
    branch: Any = RunnableBranch((lambda text: len(text) > 3, RunnableLambda(str.upper)), lower)
    graph = from_lcel(branch | RunnableLambda(str.title))
    assert list(graph.nodes) == ["decision", "case_1_upper", "default_passthrough", "default_lower", "title"]
    state = colour.invoke(graph.compile(), {"input": "abcd"})
    assert (state["decision_result"], state["decision_end"], state["output"]) == ("1", "ABCD", "Abcd")
    assert colour.invoke(graph.compile(), {"input": "AB"})["decision_end"] == "ab"


def test_parts_with_a_name_of_their_own_are_opened_too() -> None:
    """A sequence with ``run_name``, tags or metadata is structure; one with arguments or callbacks stays whole."""
    inner: Any = RunnablePassthrough() | RunnableLambda(str)
    assert len(from_lcel(RunnablePassthrough() | inner.with_config(tags=["a"], run_name="b")).nodes) == 3
    assert list(from_lcel(RunnablePassthrough() | inner.bind(stop=["x"])).nodes) == ["passthrough", "chain"]
    assert len(from_lcel(RunnablePassthrough() | inner.with_config(configurable={"a": 1})).nodes) == 2


@pytest.mark.parametrize(
    ("depth", "nodes"), [(0, ["chain"]), (1, ["parallel", "prompt", "model", "parser"]), (3, None)]
)
def test_depth_says_how_far(depth: int, nodes: list[str] | None) -> None:
    """0 leaves the chain whole, 1 opens the outermost structure, more opens more, ``None`` everything."""
    graph = from_lcel(rag(), depth=depth)
    assert list(graph.nodes) == (nodes or list(from_lcel(rag()).nodes))


def test_what_stays_whole() -> None:
    """A branch at the end of a parallel's branch, and a parallel at the end of a branch's, are nodes of their own."""
    branch: Any = RunnableBranch((bool, RunnableParallel(a=RunnablePassthrough())), RunnablePassthrough())
    assert list(from_lcel(branch).nodes) == ["decision", "case_1_parallel", "default_passthrough"]
    cases: Any = RunnableBranch((bool, str), repr)
    parallel: Any = RunnableParallel(key=RunnablePassthrough() | cases)
    assert list(from_lcel(parallel).nodes) == ["key_passthrough", "key_branch"]
    retried: Any = RunnablePassthrough() | RunnablePassthrough().with_retry()
    assert list(from_lcel(retried).nodes) == ["passthrough", "passthrough_2"]


def test_names_are_given_once() -> None:
    """Nodes and state keys share no name, and a name that is taken gets a number; odd keys become words."""

    def output(value: Any) -> Any:
        return value

    graph = from_lcel(
        {"a b": RunnableLambda(output), "output": output, "a_b": output} | RunnableLambda(output) | output
    )
    assert not {*graph.nodes} & {*graph.channels}
    assert list(graph.nodes) == ["a_b_output", "output_output", "a_b_output_2", "output_3", "output_4"]


def test_the_graph_runs_by_itself(colour: Colour) -> None:
    """Without any face it is a graph as any other: its state has the result of each step."""
    state = colour.invoke(from_lcel(rag()).compile(), {"input": "parrots"})
    assert state["output"] == TEXT
    assert state["context"] == "parrots can talk parrots can fly"


def test_the_graph_streams_by_itself(colour: Colour) -> None:
    """Its own events show the parser at work while the model speaks."""
    events = colour.observe_events(from_lcel(rag()).compile(), {"input": "parrots"})
    seen = [e["event"] for e in events if e["event"] in ("on_parser_stream", "on_chat_model_stream")]
    assert seen.index("on_parser_stream") < len(seen) - seen[::-1].index("on_chat_model_stream") - 1


def test_a_replaced_node_stays_where_it_is() -> None:
    """``replace_node`` keeps the node's place and, for a bare runnable, its mappings; a failure changes nothing."""
    graph = from_lcel(rag())
    before = list(graph.nodes)
    graph.replace_node("context_retriever", RunnableLambda(lambda query: []))
    assert list(graph.nodes) == before
    node = graph.nodes["context_retriever"].action
    assert (node.input, node.output) == ("input", "context_retriever_result")
    with pytest.raises(TypeError):
        graph.replace_node("model", 3)
    assert list(graph.nodes) == before
    with pytest.raises(InvalidGraphError, match="no node 'nothing' to replace; there is 'context_retriever'"):
        graph.replace_node("nothing", str)


def test_what_is_no_chain_is_refused() -> None:
    """A number is no chain, and no depth is less than none."""
    with pytest.raises(TypeError):
        from_lcel(3)
    with pytest.raises(ValueError, match="0 or more"):
        from_lcel(rag(), depth=-1)
    assert isinstance(from_lcel(str.upper), ChainGraph)
