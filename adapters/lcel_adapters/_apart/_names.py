"""Names for the nodes of a chain that had none: what a step is, in a word, after the key it works for."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Any, Final

from langchain_core.language_models import BaseLanguageModel
from langchain_core.output_parsers import BaseLLMOutputParser
from langchain_core.prompts import BasePromptTemplate
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import (
    Runnable,
    RunnableBranch,
    RunnableGenerator,
    RunnableLambda,
    RunnableParallel,
    RunnablePassthrough,
    RunnableSequence,
)
from langchain_core.runnables.base import RunnableBindingBase
from langchain_core.runnables.fallbacks import RunnableWithFallbacks
from langchain_core.runnables.passthrough import RunnableAssign

_KINDS: Final[tuple[tuple[type, str], ...]] = (
    (BasePromptTemplate, "prompt"),
    (BaseLanguageModel, "model"),
    (BaseLLMOutputParser, "parser"),
    (BaseRetriever, "retriever"),
    (RunnableLambda, "function"),
    (RunnableGenerator, "generator"),
    (RunnableSequence, "chain"),
    (RunnableParallel, "parallel"),
    (RunnableAssign, "assign"),
    (RunnableBranch, "branch"),
    (RunnablePassthrough, "passthrough"),
)


def label(runnable: Any) -> str:
    """A word for a runnable: the name it was given, what kind of thing it is, or its class."""
    if isinstance(runnable, RunnableBindingBase):
        return word(runnable.config.get("run_name") or "") or label(runnable.bound)
    if given := word(getattr(runnable, "name", None) or ""):
        return given
    if isinstance(runnable, RunnableWithFallbacks):
        return label(runnable.runnable)
    kind = next((said for kind, said in _KINDS if isinstance(runnable, kind)), None)
    return kind or word(_snake(type(runnable).__name__.removeprefix(Runnable.__name__))) or "step"


def free(name: str, taken: Collection[str]) -> str:
    """The name, with a number if it is taken."""
    numbered = (name if number == 1 else f"{name}_{number}" for number in range(1, len(taken) + 2))
    return next(candidate for candidate in numbered if candidate not in taken)


def word(name: str) -> str:
    """The name with nothing in it that a name in Python may not have."""
    return re.sub(r"\W+", "_", name).strip("_")


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()
