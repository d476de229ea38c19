"""The support desk as an LCEL chain, and the parts it is made of."""

from __future__ import annotations

from dataclasses import dataclass
from operator import itemgetter
from typing import Any, TypeAlias

from langchain_core.documents import Document
from langchain_core.output_parsers import JsonOutputParser, StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import (
    Runnable,
    RunnableBranch,
    RunnableLambda,
    RunnableParallel,
    RunnablePassthrough,
)

from lcel_adapters.desk import _prompts
from lcel_adapters.desk._articles import load_articles
from lcel_adapters.desk._loading import ChatModel, load_model
from lcel_adapters.desk._retriever import Bm25Index, HelpCenterRetriever

State: TypeAlias = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """The runnables of the support desk, each usable alone.

    `search` and `triage` read `question`; `gather` runs both; `add_context` reads `documents`;
    the answers and `route`, which chooses one by `triage`, read `question` and `context`.
    """

    retriever: HelpCenterRetriever
    """`str` → documents, best first."""
    search: Runnable[State, list[Document]]
    """`{"question"}` → documents, best first."""
    triage: Runnable[State, State]
    """`{"question"}` → `{"category", "urgency", "summary", "keywords"}`; its parser streams."""
    gather: Runnable[State, State]
    """`{"question"}` → `{"question", "documents", "triage"}`."""
    add_context: Runnable[State, State]
    """A state with `documents` → the same with `context`, their text."""
    billing: Runnable[State, str]
    technical: Runnable[State, str]
    general: Runnable[State, str]
    route: Runnable[State, str]
    """`{"question", "context", "triage"}` → the answer; streams it."""

    @property
    def answer(self) -> Runnable[State, str]:
        """`{"question", "documents", "triage"}` → the answer; streams it."""
        return self.add_context | self.route


def build_chain(model: ChatModel | None = None) -> Runnable[State, str]:
    """The support desk: from `{"question": str}` to the answer, which streams as `str` chunks.

    Without `model` it is `load_model()`: the one `LCEL_COMPAT_MODEL` names, or `DeskModel()`.
    Raises `ModelSpecError` if that variable names no model.
    """
    parts = build_parts(model)
    chain = parts.gather | parts.answer
    return chain.with_config(run_name="support_desk", tags=["support-desk"], metadata={"application": "support-desk"})


def build_parts(model: ChatModel | None = None) -> Parts:
    """The parts of `build_chain(model)`."""
    model = load_model() if model is None else model
    retriever = HelpCenterRetriever(name="help_center", index=Bm25Index.of(load_articles()))
    question = RunnableLambda(itemgetter("question"), name="question")
    search = (question | retriever).with_config(run_name="search")
    triage = _triage(model)
    billing = _answer(model, "billing", _prompts.billing_prompt())
    technical = _answer(model, "technical", _prompts.technical_prompt())
    general = _answer(model, "general", _prompts.general_prompt())
    branch = RunnableBranch((is_billing, billing), (is_technical, technical), general)
    return Parts(
        retriever=retriever,
        search=search,
        triage=triage,
        gather=_gather(question, search, triage),
        add_context=_add_context(),
        billing=billing,
        technical=technical,
        general=general,
        route=branch.with_config(run_name="route"),
    )


def check_triage(triage: Any) -> State:
    """What the model made of a question, with every key present and the choices in lower case.

    A step of its own for a second reason: it takes the partial dicts that the JSON parser streams
    and passes on the last. Since `AddableDict` no longer adds two dicts (utils.py:491 in 1.7.2),
    partial dicts that reach a parallel's output make the next step lose all other keys.
    """
    found = triage if isinstance(triage, dict) else {}
    keywords = found.get("keywords")
    return {
        "category": str(found.get("category", "general")).strip().lower(),
        "urgency": str(found.get("urgency", "normal")).strip().lower(),
        "summary": str(found.get("summary", "")),
        "keywords": [str(word) for word in keywords] if isinstance(keywords, list) else [],
    }


def is_billing(state: State) -> bool:
    """Whether triage sorted the question under billing."""
    return bool(state["triage"]["category"] == "billing")


def is_technical(state: State) -> bool:
    """Whether triage sorted the question under technical."""
    return bool(state["triage"]["category"] == "technical")


def format_documents(state: State) -> str:
    """The `documents` of a state as the text that the answer prompts take for `context`."""
    articles = [
        f'<article id="{document.id}" title="{document.metadata["title"]}">\n{document.page_content}\n</article>'
        for document in state["documents"]
    ]
    return "\n".join(articles) or "(no article matches)"


def _triage(model: ChatModel) -> Runnable[State, State]:
    chain = (
        _prompts.triage_prompt().with_config(run_name="triage_prompt")
        | model.with_config(run_name="triage_model")
        | JsonOutputParser(name="triage_json")
        | RunnableLambda(check_triage, name="check_triage")
    )
    return chain.with_config(run_name="triage", tags=["triage"])


def _gather(
    question: Runnable[State, str],
    search: Runnable[State, list[Document]],
    triage: Runnable[State, State],
) -> Runnable[State, State]:
    steps = RunnableParallel(question=question, documents=search, triage=triage)
    return steps.with_config(run_name="gather")


def _add_context() -> Runnable[State, State]:
    context = RunnableLambda(format_documents, name="format_documents")
    return RunnablePassthrough.assign(context=context).with_config(run_name="add_context")


def _answer(model: ChatModel, kind: str, prompt: ChatPromptTemplate) -> Runnable[State, str]:
    chain = (
        prompt.with_config(run_name=f"{kind}_prompt")
        | model.with_config(run_name="answer_model")
        | StrOutputParser(name="answer_text")
    )
    return chain.with_config(run_name=f"{kind}_answer", tags=["answer"])
