"""Which model the desk talks to: `MODULE:OBJECT`, an environment variable, or its own."""

from __future__ import annotations

import os
from importlib import import_module
from operator import attrgetter
from typing import Any, TypeAlias

from langchain_core.language_models import LanguageModelInput
from langchain_core.messages import BaseMessage
from langchain_core.runnables import Runnable

from lcel_adapters.desk._model import DeskModel

MODEL_VARIABLE = "LCEL_COMPAT_MODEL"

ChatModel: TypeAlias = Runnable[LanguageModelInput, BaseMessage]
"""A chat model, or one that was wrapped with `bind`, `with_config`, `with_fallbacks`…"""


class ModelSpecError(ValueError):
    """A model was asked for that could not be had; the message says what to write instead."""


def load_model(spec: str | None = None) -> ChatModel:
    """The chat model that `spec` names as `MODULE:OBJECT`.

    OBJECT may be dotted, and is a model or something that makes one when called without arguments
    (a class, a factory). A Runnable is taken at its word to be a model, since one that was bound,
    configured or given fallbacks is no more than that. Without `spec` the variable
    `LCEL_COMPAT_MODEL` is read in its place; without that too it is `DeskModel()`.

    Raises `ModelSpecError` if `spec` is malformed, or the module, the object or a model in it
    cannot be had.
    """
    asked = spec or os.environ.get(MODEL_VARIABLE)
    if not asked:
        return DeskModel()
    module, colon, path = asked.partition(":")
    if not (module and colon and path):
        raise ModelSpecError(f"model {asked!r} is not of the form MODULE:OBJECT")
    return _model(asked, _find(asked, module, path))


def _find(asked: str, module: str, path: str) -> Any:
    try:
        return attrgetter(path)(import_module(module))
    except ImportError as error:
        raise ModelSpecError(
            f"model {asked!r}: cannot import {module!r} ({error}); is its package installed?"
        ) from error
    except AttributeError as error:
        raise ModelSpecError(f"model {asked!r}: {module!r} has no {path!r}") from error


def _model(asked: str, found: Any) -> ChatModel:
    made = found if isinstance(found, Runnable) or not callable(found) else _made(asked, found)
    if not isinstance(made, Runnable):
        raise ModelSpecError(
            f"model {asked!r} is {made!r}, not a LangChain chat model; name a model, or a class or "
            "function that makes one without arguments"
        )
    return made


def _made(asked: str, factory: Any) -> Any:
    try:
        return factory()
    except Exception as error:
        raise ModelSpecError(
            f"model {asked!r} could not be made without arguments "
            f"({type(error).__name__}: {error}); name a model that is set up already"
        ) from error
