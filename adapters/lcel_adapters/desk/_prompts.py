"""The prompts of the support desk.

They are the whole protocol between the application and its model: what `DeskModel` needs to know
stands here in words, so that any provider's chat model can take its place.
"""

from __future__ import annotations

from langchain_core.prompts import ChatPromptTemplate

_TRIAGE = """\
You sort the questions that reach the support desk of Quillbay, a shared notebook for teams.
Reply with one JSON object and nothing else. Its keys:
- category: one of billing (invoice, receipt, charge, payment, pay, card, refund, money, price, \
cost, plan, subscription, upgrade, downgrade, cancel, renewal, tax, VAT, discount, billing); \
technical (sync, crash, freeze, error, bug, fail, broken, slow, API, key, webhook, login, sign, \
password, code, import, export, conflict, version, lost, missing, update, install, icon); \
general (anything else)
- urgency: one of high (urgent, asap, immediately, today, deadline, blocked, lost, everyone, \
outage, down); normal (anything else)
- summary: the question in at most 8 words
- keywords: a list of at most 4 words of the question that say what it is about"""

_ANSWER = """\
You answer {kind} questions at the support desk of Quillbay, a shared notebook for teams.
Use only the articles below, best match first, and cite each one you use by its id: [id].
{style}
Close with: {closing}
If no article answers the question, reply only with: I could not find this in our help center. \
{handover}

{{context}}"""


def triage_prompt() -> ChatPromptTemplate:
    """From `{"question": str}` to messages that ask for a JSON object about the question."""
    return ChatPromptTemplate.from_messages([("system", _TRIAGE), ("human", "{question}")])


def billing_prompt() -> ChatPromptTemplate:
    """From `{"question": str, "context": str}` to messages that ask for a few sentences."""
    return _answer_prompt(
        kind="billing",
        style="Write at most 3 plain sentences.",
        closing="If this does not settle it, reply with the invoice number.",
        handover="A colleague from billing will answer within one working day.",
    )


def technical_prompt() -> ChatPromptTemplate:
    """From `{"question": str, "context": str}` to messages that ask for numbered steps."""
    return _answer_prompt(
        kind="technical",
        style="Write at most 4 numbered steps, one on each line.",
        closing="If none of this helps, send us the log file from Help, then Show log.",
        handover="Please describe the steps that lead to the problem and attach the log file.",
    )


def general_prompt() -> ChatPromptTemplate:
    """From `{"question": str, "context": str}` to messages that ask for a short answer."""
    return _answer_prompt(
        kind="general",
        style="Write at most 2 plain sentences.",
        closing="Is there anything else you would like to know?",
        handover="Could you say it in other words?",
    )


def _answer_prompt(*, kind: str, style: str, closing: str, handover: str) -> ChatPromptTemplate:
    system = _ANSWER.format(kind=kind, style=style, closing=closing, handover=handover)
    return ChatPromptTemplate.from_messages([("system", system), ("human", "{question}")])
