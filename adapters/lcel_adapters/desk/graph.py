"""The support desk as graphs: the whole chain in one node, and taken apart into nodes.

Both are made of the parts the chain is made of, and both compile in either library:

    from langgraph.graph import StateGraph

    build_graph(state_graph=StateGraph)

Without `state_graph` it is `lcel_compat.StateGraph`.
"""

from __future__ import annotations

from typing import Any, Literal

from langchain_core.documents import Document
from typing_extensions import TypedDict

from lcel_adapters._node import as_node
from lcel_adapters.desk._chain import build_chain, build_parts, format_documents
from lcel_adapters.desk._loading import ChatModel
from lcel_compat import END, START, StateGraph, StreamWriter

__all__ = ["DeskState", "StepState", "build_graph", "build_step_graph", "category", "read_up"]


class DeskState(TypedDict):
    """What goes into the desk, and what comes out."""

    question: str
    answer: str


class StepState(TypedDict):
    """What the nodes of the taken-apart desk hand on; a run starts with `question`."""

    question: str
    documents: list[Document]
    triage: dict[str, Any]
    context: str
    answer: str


def build_graph(model: ChatModel | None = None, *, state_graph: Any = StateGraph) -> Any:
    """The chain as it was, in one node: the first step of a move.

    Args:
        model: As for `build_chain`.
        state_graph: The class of the builder: `lcel_compat.StateGraph`, or LangGraph's.

    Returns:
        A compiled graph from `{"question": str}` to `{"question": str, "answer": str}`.
    """
    builder = state_graph(DeskState)
    builder.add_node("desk", as_node(build_chain(model), input={"question": "question"}, output="answer"))
    builder.add_edge(START, "desk")
    builder.add_edge("desk", END)
    return builder.compile()


def build_step_graph(model: ChatModel | None = None, *, state_graph: Any = StateGraph) -> Any:
    """The chain taken apart: its parallel, its formatting step and its branch are nodes and edges.

    `search` and `triage` run at once, `read_up` waits for both, and the category that triage found leads to one of
    the three answers. Arguments are those of `build_graph`.

    Returns:
        A compiled graph from `{"question": str}` to a `StepState`.
    """
    parts = build_parts(model)
    builder = state_graph(StepState)
    builder.add_node("search", as_node(parts.search, output="documents"))
    builder.add_node("triage", as_node(parts.triage, output="triage"))
    builder.add_node("read_up", read_up)
    builder.add_node("billing", as_node(parts.billing, output="answer"))
    builder.add_node("technical", as_node(parts.technical, output="answer"))
    builder.add_node("general", as_node(parts.general, output="answer"))
    builder.add_edge(START, "search")
    builder.add_edge(START, "triage")
    builder.add_edge(["search", "triage"], "read_up")
    builder.add_conditional_edges("read_up", category)
    for answer in ("billing", "technical", "general"):
        builder.add_edge(answer, END)
    return builder.compile(name="support_desk_steps")


def read_up(state: StepState, writer: StreamWriter) -> dict[str, Any]:
    """Format the documents that were found, and say how far the desk is (mode `custom`)."""
    found = [document.metadata["title"] for document in state["documents"]]
    writer({"progress": "reading", "articles": found, "category": state["triage"]["category"]})
    return {"context": format_documents(dict(state))}


def category(state: StepState) -> Literal["billing", "technical", "general"]:
    """The answer that a question gets; whatever triage sorts elsewhere is `general`, as in the chain's branch."""
    found = state["triage"]["category"]
    return found if found in ("billing", "technical") else "general"
