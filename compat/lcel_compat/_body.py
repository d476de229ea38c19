"""What a node runs: a function with what it asks for by name, or runnables.

The rules of injection are LangGraph's (``langgraph/_internal/_runnable.py``): a parameter is filled when its
name is known and its annotation is absent or the expected one.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from langchain_core.runnables import Runnable, RunnableConfig, RunnableLambda, RunnableParallel, RunnableSequence

from lcel_compat.types import StreamWriter

_INJECTED: Final[Mapping[str, tuple[Any, ...]]] = {
    "config": (RunnableConfig, "RunnableConfig", RunnableConfig | None, "RunnableConfig | None"),
    "writer": (StreamWriter, "StreamWriter"),
}
"""Parameters that the engine fills, with the annotations under which it does so (none at all is fine too)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FunctionBody:
    """A plain function as a node or as the path of a conditional edge.

    Attributes:
        function: The function, or any callable object.
        name: The name its run gets where it has a run; ``None`` for a lambda.
        is_async: Whether calling it gives something to await.
        wants: The names of the parameters to fill, beside the first.
    """

    function: Callable[..., Any]
    name: str | None
    is_async: bool
    wants: frozenset[str]
    steps: int = 1

    def arguments(self, config: RunnableConfig, writer: StreamWriter) -> dict[str, Any]:
        """The keyword arguments that the function asks for."""
        if not self.wants:
            return {}
        available: dict[str, Any] = {"config": config, "writer": writer}
        return {name: available[name] for name in self.wants}


@dataclass(frozen=True, slots=True, kw_only=True)
class RunnableBody:
    """One runnable, or the steps of a plain ``RunnableSequence``, as a node.

    A ``RunnableSequence`` without a configuration of its own is run step by step in the node's own run, as
    LangGraph does: the prompt of ``prompt | model`` is a child of the node, not of a sequence in it.
    """

    runnables: tuple[Runnable[Any, Any], ...]

    @property
    def steps(self) -> int:
        return len(self.runnables)


Body: TypeAlias = FunctionBody | RunnableBody


def body_of(action: Any, *, name: str | None = None) -> Body:
    """Make a body of whatever a user may add as a node: a function, a runnable, a mapping of runnables.

    Raises:
        TypeError: If it is none of these.
    """
    if isinstance(action, RunnableSequence):
        return RunnableBody(runnables=tuple(action.steps))
    if isinstance(action, Runnable):
        return RunnableBody(runnables=(action,))
    if isinstance(action, dict):
        return RunnableBody(runnables=(RunnableParallel(action),))
    if not callable(action):
        raise TypeError(
            f"{action!r} ({type(action).__name__}) cannot be a node; a node is a function of the state, a"
            " Runnable, or a dict of these."
        )
    if _is_generator(action):
        return RunnableBody(runnables=(RunnableLambda(action, name=name),))
    return function_body(action)


def path_of(action: Any) -> Body:
    """Make a body of the path of a conditional edge; a ``RunnableSequence`` keeps its own run here.

    Raises:
        TypeError: If it is neither a function nor a runnable.
    """
    return RunnableBody(runnables=(action,)) if isinstance(action, Runnable) else body_of(action)


def function_body(function: Callable[..., Any]) -> FunctionBody:
    """Look at a function once, so that nothing is inspected while it runs."""
    _refuse_missing(function)
    name = getattr(function, "__name__", None)
    return FunctionBody(
        function=function,
        name=None if name == "<lambda>" else name,
        is_async=_is_coroutine(function),
        wants=_wanted(function),
    )


def _refuse_missing(function: Callable[..., Any]) -> None:
    """What LangGraph injects and this engine does not is an error where the node is added, not where it runs."""
    try:
        _, *others = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):  # no signature, or no parameter at all
        return
    for parameter in others:
        if parameter.name in ("runtime", "store", "previous") and parameter.default is inspect.Parameter.empty:
            raise TypeError(
                f"{getattr(function, '__name__', function)!r} asks for {parameter.name!r}, which this engine does not"
                " give to nodes yet; it gives config and writer."
            )


def _wanted(function: Callable[..., Any]) -> frozenset[str]:
    fillable = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    try:
        parameters = inspect.signature(function).parameters
    except (TypeError, ValueError):  # some built-ins have no signature
        return frozenset()
    return frozenset(
        name
        for name, annotations in _INJECTED.items()
        if (p := parameters.get(name)) is not None
        and p.kind in fillable
        and (p.annotation is inspect.Parameter.empty or _matches(p.annotation, annotations))
    )


def _matches(annotation: Any, accepted: tuple[Any, ...]) -> bool:
    text = annotation if isinstance(annotation, str) else None
    if text is not None and text.removeprefix("Optional[").removesuffix("]") in accepted:
        return True
    return any(annotation == known for known in accepted)


def _unwrapped(function: Any) -> Any:
    while isinstance(function, functools.partial):
        function = function.func
    return function


def _is_coroutine(function: Any) -> bool:
    target = _unwrapped(function)
    return inspect.iscoroutinefunction(target) or inspect.iscoroutinefunction(
        getattr(target, "__call__", None)  # noqa: B004 - the method itself is looked at
    )


def _is_generator(function: Any) -> bool:
    target = _unwrapped(function)
    kinds = (inspect.isgeneratorfunction, inspect.isasyncgenfunction)
    return any(kind(target) or kind(getattr(target, "__call__", None)) for kind in kinds)  # noqa: B004
