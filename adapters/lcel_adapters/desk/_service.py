"""The support desk as it is served: it remembers a session, asks a tool, and has a way out when a model fails.

`build_service` makes it in three forms that whoever calls it or listens to it cannot tell apart: the chain, the chain
in a node of a graph, and the chain taken apart into nodes.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

from langchain_core.chat_history import BaseChatMessageHistory, InMemoryChatMessageHistory
from langchain_core.messages import HumanMessage
from langchain_core.runnables import Runnable, RunnableLambda, RunnablePassthrough
from langchain_core.runnables.history import RunnableWithMessageHistory
from langchain_core.tools import tool

from lcel_adapters._apart import from_lcel
from lcel_adapters._face import as_lcel
from lcel_adapters._node import as_node
from lcel_adapters.desk._chain import Parts, State, build_parts, format_documents
from lcel_adapters.desk._graph import DeskState
from lcel_adapters.desk._loading import ChatModel
from lcel_adapters.desk._words import content_words
from lcel_compat import START, StateGraph

Form: TypeAlias = Literal["chain", "face", "apart"]

_STATUS = {
    "billing": "Payments and invoices work.",
    "technical": "Synchronization was slow until 09:40 today and works again.",
}


@tool
def service_status(area: str) -> str:
    """Say how an area of Quillbay is doing: billing, technical or general."""
    return _STATUS.get(area, "Everything works.")


def build_service(model: ChatModel | None = None, *, form: Form = "chain") -> Runnable[State, str]:
    """The support desk from `{"question": str}` to the answer, which streams as `str` chunks.

    A run needs to know its session: `{"configurable": {"session_id": "..."}}`. Sessions are kept in memory, for as long
    as the runnable is.

    Args:
        model: As for `build_chain`.
        form: `"chain"` is plain LCEL. `"face"` is a graph whose one node is that chain, with its face. `"apart"` is the
            graph that the chain becomes when it is taken apart, with its face, and what remembers stays around it.

    Raises:
        ModelSpecError: As for `build_chain`.
    """
    chain = _chain(build_parts(model))
    if form == "chain":
        return _remembering(chain)
    if form == "apart":
        return _remembering(as_lcel(from_lcel(chain).compile()))
    graph = StateGraph(DeskState)
    graph.add_node("desk", as_node(_remembering(chain), input={"question": "question"}, output="answer"))
    return as_lcel(graph.add_edge(START, "desk").compile(), output="answer")


def follow_up(state: State) -> str:
    """The question; one of few words with the question before it, which says what it is about."""
    question = str(state["question"])
    earlier = [str(message.content) for message in state["history"] if isinstance(message, HumanMessage)]
    return f"{earlier[-1]} {question}" if earlier and len(content_words(question)) < 3 else question


def area(state: State) -> State:
    """What `service_status` is asked."""
    return {"area": state["triage"]["category"]}


def context(state: State) -> str:
    """The articles that were found, and how the service is doing."""
    return f"{format_documents(state)}\n<status>{state['status']}</status>"


def hand_over(state: State) -> str:
    """What is said when no model answers."""
    return "We cannot answer at once. A colleague will write to you within one working day."


def _chain(parts: Parts) -> Runnable[State, str]:
    status = (RunnableLambda(area) | service_status).with_config(run_name="status")
    answer = parts.route.with_fallbacks([RunnableLambda(hand_over)])
    chain = (
        RunnablePassthrough.assign(question=RunnableLambda(follow_up))
        | parts.gather
        | RunnablePassthrough.assign(status=status)
        | RunnablePassthrough.assign(context=RunnableLambda(context))
        | answer
    )
    return chain.with_config(run_name="support_service", tags=["support-desk"])


def _remembering(chain: Runnable[State, str]) -> Runnable[State, str]:
    sessions: dict[str, BaseChatMessageHistory] = {}

    def session(session_id: str) -> BaseChatMessageHistory:
        return sessions.setdefault(session_id, InMemoryChatMessageHistory())

    remembering: Runnable[State, str] = RunnableWithMessageHistory(
        chain, session, input_messages_key="question", history_messages_key="history"
    )
    return remembering.with_types(output_type=str)  # its own schema is that of messages: LangServe refuses text
