"""The support desk as graphs: the whole chain in one node, and the chain taken apart into nodes.

Both are steps of a move from LCEL. ``build_graph`` changes nothing of the application; ``build_step_graph`` makes nodes
of its parts, so that each can be edited, watched and retried alone. The same definitions compile in LangGraph: pass its
class as ``state_graph``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, TypeAlias

from langchain_core.documents import Document
from langchain_core.runnables import Runnable
from typing_extensions import TypedDict

from lcel_adapters._node import as_node
from lcel_adapters.desk._chain import Parts, build_chain, build_parts, format_documents, is_billing, is_technical
from lcel_adapters.desk._loading import ChatModel
from lcel_compat import END, START, StateGraph, StreamWriter

Builder: TypeAlias = Callable[[Any], Any]
"""``lcel_compat.StateGraph``, or a class with the same signatures: LangGraph's."""

_QUESTION = {"question": "question"}


class DeskState(TypedDict, total=False):
    """What the chain reads and returns."""

    question: str
    answer: str


class DeskSteps(DeskState, total=False):
    """``DeskState`` and what the steps hand on."""

    documents: list[Document]
    triage: dict[str, Any]
    context: str


def build_graph(model: ChatModel | None = None, *, state_graph: Builder = StateGraph) -> Runnable[Any, Any]:
    """The chain as it is, in the one node ``desk``.

    The node is not named as the chain: its run is one more, and consumers know the chain's by its name.

    Args:
        model: As for ``build_chain``.
        state_graph: The class that builds the graph.

    Returns:
        A compiled graph from ``{"question": str}`` to ``{"question", "answer"}``.

    Raises:
        ModelSpecError: As for ``build_chain``.
    """
    graph = state_graph(DeskState)
    graph.add_node("desk", as_node(build_chain(model), input=_QUESTION, output="answer"))
    graph.add_edge(START, "desk")
    graph.add_edge("desk", END)
    compiled: Runnable[Any, Any] = graph.compile()
    return compiled


def build_step_graph(model: ChatModel | None = None, *, state_graph: Builder = StateGraph) -> Runnable[Any, Any]:
    """The parts of the chain as nodes; arguments and errors are those of ``build_graph``.

    Search and triage run at once, ``add_context`` waits for both and says so to the ``custom`` mode, and a conditional
    edge leads to the node that answers.

    Returns:
        A compiled graph from ``{"question": str}`` to ``DeskSteps``.
    """
    graph = state_graph(DeskSteps)
    _add_nodes(graph, build_parts(model))
    graph.add_edge(START, "search_articles")
    graph.add_edge(START, "triage_question")
    graph.add_edge(["search_articles", "triage_question"], "add_context")
    graph.add_conditional_edges("add_context", choose_answer)
    for answer in ("answer_billing", "answer_technical", "answer_general"):
        graph.add_edge(answer, END)
    compiled: Runnable[Any, Any] = graph.compile()
    return compiled


def add_context(state: DeskSteps, writer: StreamWriter) -> DeskSteps:
    """The found documents as ``context``, and a progress message ``{"progress", "articles"}`` about them."""
    articles = [document.id for document in state["documents"]]
    writer({"progress": f"answering a {state['triage']['category']} question", "articles": articles})
    return {"context": format_documents(dict(state))}


def choose_answer(state: DeskSteps) -> Literal["answer_billing", "answer_technical", "answer_general"]:
    """The node that answers, by what triage found; the chain's own conditions decide."""
    seen = dict(state)
    if is_billing(seen):
        return "answer_billing"
    return "answer_technical" if is_technical(seen) else "answer_general"


def _add_nodes(graph: Any, parts: Parts) -> None:
    read = {"question": "question", "context": "context"}
    graph.add_node("search_articles", as_node(parts.search, input=_QUESTION, output="documents"))
    graph.add_node("triage_question", as_node(parts.triage, input=_QUESTION, output="triage"))
    graph.add_node("add_context", add_context)
    graph.add_node("answer_billing", as_node(parts.billing, input=read, output="answer"))
    graph.add_node("answer_technical", as_node(parts.technical, input=read, output="answer"))
    graph.add_node("answer_general", as_node(parts.general, input=read, output="answer"))
