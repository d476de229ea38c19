"""Nothing that langchain-core calls a runnable is undecided: every public class is in a table here, or a test fails."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Iterator
from typing import Any

import langchain_core
import pytest
from langchain_core.runnables import Runnable

from tests.adapters.face.more import ALL

BEHIND_THE_FACE: dict[str, tuple[str, ...]] = {
    "BaseChatModel": ("chat_model_streaming", "chat_model_not_streaming", "chat_model_calling_a_tool"),
    "BaseGenerationOutputParser": ("functions_parser",),
    "BaseLLM": ("text_model_streaming", "text_model_not_streaming"),
    "BaseOutputParser": ("plain_parser_after_a_model",),
    "BaseCumulativeTransformOutputParser": ("json_parser_after_a_model",),
    "BaseTransformOutputParser": ("string_parser_after_a_model",),
    "BasePromptTemplate": ("prompt", "chat_prompt"),
    "BaseRetriever": ("retriever",),
    "BaseTool": ("tool", "tool_given_a_call", "tool_of_a_string"),
    "DictPromptTemplate": ("dict_prompt",),
    "RouterRunnable": ("router",),
    "RunnableAssign": ("assign", "assign_of_a_chain"),
    "RunnableBinding": ("bound_arguments", "bound_configuration", "bound_listeners"),
    "RunnableBranch": ("branch_taken", "branch_by_default"),
    "RunnableConfigurableAlternatives": ("configurable_alternatives",),
    "RunnableConfigurableFields": ("configurable_fields",),
    "RunnableEach": ("each",),
    "RunnableGenerator": ("generator", "generator_async"),
    "RunnableLambda": ("lambda_sync", "lambda_async", "lambda_of_both_colours", "lambda_returning_a_runnable"),
    "RunnableParallel": ("parallel", "parallel_of_chains"),
    "RunnablePassthrough": ("passthrough", "passthrough_with_a_function"),
    "RunnablePick": ("pick_one", "pick_several"),
    "RunnableRetry": ("retry_streamed", "retry_invoked"),
    "RunnableSequence": ("sequence", "sequence_within_a_sequence"),
    "RunnableWithFallbacks": ("fallbacks_used", "fallbacks_not_used"),
    "RunnableWithMessageHistory": ("message_history",),
}
"""Each class of runnables, and the kinds (``more.py``) that stand for it behind the face."""

ABSTRACT = {
    "BaseLanguageModel": "the base of chat models and text models",
    "DynamicRunnable": "the base of configurable fields and alternatives",
    "Runnable": "the base of all",
    "RunnableBindingBase": "the base of bindings",
    "RunnableEachBase": "the base of RunnableEach",
    "RunnableSerializable": "the base of runnables that can be serialised",
}
"""Bases, which stand behind no face but as one of the classes above."""

NOT_PROMISED = {
    "ContextGet": "was beta, and is gone since langchain-core 1.0",
    "ContextSet": "was beta, and is gone since langchain-core 1.0",
}
"""Classes that nobody relies on."""


def _modules() -> Iterator[str]:
    for module in pkgutil.walk_packages(langchain_core.__path__, "langchain_core.", onerror=lambda name: None):
        if not module.name.startswith("langchain_core.pydantic_v1") and "._" not in module.name:
            yield module.name


def _runnables() -> dict[str, type[Runnable[Any, Any]]]:
    """Every public class of runnables that core has, by name."""
    found: dict[str, type[Runnable[Any, Any]]] = {}
    for name in _modules():
        try:
            module = importlib.import_module(name)
        except ImportError:  # a module of an optional dependency
            continue
        for cls in vars(module).values():
            if inspect.isclass(cls) and issubclass(cls, Runnable) and cls.__module__.startswith("langchain_core."):
                found[_name(cls)] = cls
    return {name: cls for name, cls in found.items() if not name.startswith("_")}


def _name(cls: type) -> str:
    """The name of a class, without what a generic one was given."""
    return cls.__name__.partition("[")[0]


def _decided(cls: type[Runnable[Any, Any]]) -> bool:
    """Whether a class is in a table, or is one of a class in it and says nothing else about how it runs."""
    return _name(cls) in {*ABSTRACT, *NOT_PROMISED} or any(_name(base) in BEHIND_THE_FACE for base in cls.__mro__)


def test_every_class_of_runnables_is_decided() -> None:
    """Each public class that core has is tried behind the face, or is made of one that is."""
    runnables = _runnables()
    assert len(runnables) > 40
    assert sorted(name for name, cls in runnables.items() if not _decided(cls)) == []


def test_the_tables_name_what_there_is() -> None:
    """No class in the tables has gone from core."""
    assert sorted({*BEHIND_THE_FACE, *ABSTRACT} - set(_runnables())) == []


@pytest.mark.parametrize("name", BEHIND_THE_FACE)
def test_each_class_is_tried(name: str) -> None:
    """Each class has kinds that are compared, alone and nested (``test_face_kinds.py``)."""
    assert set(BEHIND_THE_FACE[name]) <= {kind.name for kind in ALL}


def test_an_undecided_class_would_be_found() -> None:
    """A new way to run, made from the base of all, is not taken for decided."""

    class Unheard(Runnable[int, int]):
        def invoke(self, input: int, config: object = None, **kwargs: object) -> int:
            return input

    assert not _decided(Unheard)
