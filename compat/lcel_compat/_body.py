"""What a node runs: a function with what it asks for by name, or runnables.

The rules of injection are LangGraph's (``langgraph/_internal/_runnable.py``): a parameter is filled when its
name is known and its annotation is absent or the expected one. Where LangGraph compares annotations as they stand,
here ``X | None`` and ``Optional[X]`` are ``X``, as objects and as the strings that postponed evaluation makes of them.
"""

from __future__ import annotations

import functools
import inspect
import re
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from langchain_core.runnables import Runnable, RunnableConfig, RunnableLambda, RunnableParallel, RunnableSequence

from lcel_compat.runtime import Runtime
from lcel_compat.types import StreamWriter

if TYPE_CHECKING:
    from lcel_compat.errors import NodeError

_NOTHING: Final = inspect.Parameter.empty
_ANY: Final = "*"
_INJECTED: Final[Mapping[str, tuple[str, ...]]] = {
    "config": ("", "RunnableConfig"),
    "writer": ("", "StreamWriter"),
    "store": ("", "BaseStore"),
    "runtime": (_ANY,),
    "error": ("NodeError",),
}
"""Parameters that the engine fills, with the names of the annotations under which it does so; ``""`` is none at all."""
_OWNERS: Final = ("langchain_core.", "langgraph.", "lcel_compat.")
"""Where the classes of these names are from: a class of the user's own may be called ``BaseStore``, too."""
_TEXT: Final = re.compile(r"(?:None \| )?(?:(?:\w+\.)*Optional\[)?(?:\w+\.)*(\w+)\]?(?: \| None)?")


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

    def arguments(
        self,
        config: RunnableConfig,
        writer: StreamWriter,
        runtime: Callable[[], Runtime[Any]] | None = None,
        error: NodeError | None = None,
    ) -> dict[str, Any]:
        """The keyword arguments that the function asks for.

        Args:
            config: The configuration of the node's body.
            writer: What the node sends values with.
            runtime: Makes the node's runtime; called only for a function that asks for it or for the store.
            error: What an error handler is told. Any other node gets ``None`` there, as in LangGraph.
        """
        wants = self.wants
        if not wants:
            return {}
        given: dict[str, Any] = {}
        if "config" in wants:
            given["config"] = config
        if "writer" in wants:
            given["writer"] = writer
        if "error" in wants:
            given["error"] = error
        if "runtime" in wants or "store" in wants:
            made = Runtime(stream_writer=writer) if runtime is None else runtime()
            given |= {"runtime": made} if "runtime" in wants else {}
            given |= {"store": made.store} if "store" in wants else {}
        return given


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
    """Look at a function once, so that nothing is inspected while it runs.

    Raises:
        TypeError: If it asks for something that nobody would give it.
    """
    name = getattr(function, "__name__", None)
    others = _beside_the_state(function)
    wants = frozenset(p.name for p in others if _is_filled(p))
    _refuse_missing(function, [p for p in others if p.name not in wants])
    return FunctionBody(
        function=function,
        name=None if name == "<lambda>" else name,
        is_async=_is_coroutine(function),
        wants=wants,
    )


def _beside_the_state(function: Callable[..., Any]) -> Sequence[inspect.Parameter]:
    """The parameters that can be filled by name; the first is the state's, whatever its name."""
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):  # some built-ins have no signature
        return ()
    first = parameters[:1] if parameters and parameters[0].kind is not inspect.Parameter.KEYWORD_ONLY else []
    fillable = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    return [p for p in parameters[len(first) :] if p.kind in fillable]


def _is_filled(parameter: inspect.Parameter) -> bool:
    accepted = _INJECTED.get(parameter.name, ())
    return _ANY in accepted or _annotated(parameter.annotation) in accepted


def _annotated(annotation: Any) -> str | None:
    """The name of the library's class that an annotation means, ``""`` for no annotation, else ``None``."""
    if annotation is _NOTHING:
        return ""
    if isinstance(annotation, str):
        named = _TEXT.fullmatch(annotation)
        return named and named[1]
    if annotation == StreamWriter:
        return "StreamWriter"
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        (inner, *more) = (a for a in typing.get_args(annotation) if a is not types.NoneType)
        return None if more else _annotated(inner)
    if getattr(annotation, "__module__", "").startswith(_OWNERS):
        return getattr(annotation, "__name__", None)
    return None


def _refuse_missing(function: Callable[..., Any], unfilled: Sequence[inspect.Parameter]) -> None:
    """What nobody gives is an error where the node is added, not where it runs.

    A decorated function may get it from its decorator: ``functools.wraps`` shows the parameters of what is inside.
    """
    for parameter in unfilled:
        if parameter.default is not _NOTHING:
            continue
        if parameter.name == "previous" or (parameter.name in _INJECTED and not hasattr(function, "__wrapped__")):
            raise TypeError(f"{getattr(function, '__name__', function)!r} asks for {_complaint(parameter)}")


def _complaint(parameter: inspect.Parameter) -> str:
    name = parameter.name
    if name == "previous":
        return (
            "'previous', the last return value in LangGraph's functional API, which this package has not. A node finds"
            " what it returned before in the state; give the parameter a default if the function is used there, too."
        )
    hint = "nothing" if parameter.annotation is _NOTHING else inspect.formatannotation(parameter.annotation)
    return (
        f"{name!r}, annotated as {hint}; a node is given {name!r} only as {_INJECTED[name][-1]}. Annotate it so, or"
        " give the parameter another name and a default."
    )


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
