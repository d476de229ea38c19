"""Which graph a node runs, if it runs one: asked when a graph is compiled, so that its state can be found by name.

The rules are LangGraph's (``langgraph/pregel/_utils.py``): the node is a graph, or a sequence or a function that
reaches one. A function is not run to find out; its closure, its globals and the attributes that its code names are
looked at, which may find a graph that it would never call. That costs an entry in ``get_subgraphs``; to miss one
would lose its streams and its checkpoints.
"""

from __future__ import annotations

import dis
from collections.abc import Iterator, Mapping
from contextlib import suppress
from types import CodeType, FunctionType
from typing import Any, Final

from langchain_core.runnables import Runnable, RunnableLambda, RunnableSequence

from lcel_compat.compiled import CompiledStateGraph

_LEAVES: Final = frozenset(
    {int, float, complex, bool, str, bytes, bytearray, list, tuple, dict, set, frozenset, type(None)}
)
"""Types whose values lead to no graph, since nothing looks into containers; a subclass may have attributes that do."""


def find_subgraph(action: Any) -> Runnable[Any, Any] | None:
    """The first graph that a node's action is or reaches, ours or LangGraph's.

    One that was compiled with ``checkpointer=False`` has no state to be found, and does not count.
    """
    candidates: list[Any] = [action, *_reached(action)]
    seen: set[int] = set()
    for candidate in candidates:
        if id(candidate) in seen:
            continue
        seen.add(id(candidate))
        if _is_graph(candidate) and getattr(candidate, "checkpointer", None) is not False:
            return candidate  # type: ignore[no-any-return]  # a graph is a Runnable
        if isinstance(candidate, RunnableSequence):
            candidates.extend(candidate.steps)
        elif isinstance(candidate, RunnableLambda):
            # Its own `deps` reads the function's source, from a file, and a graph may be compiled on a running loop.
            candidates.extend(_reached(getattr(candidate, "func", None) or getattr(candidate, "afunc", None)))
    return None


def _is_graph(value: Any) -> bool:
    if isinstance(value, CompiledStateGraph):
        return True
    named = ((base.__module__, base.__name__) for base in type(value).__mro__)
    return ("langgraph.pregel.protocol", "PregelProtocol") in named


def _reached(action: Any) -> Iterator[Any]:
    """What a function reaches from outside of its own scope; the object itself of what is bound to one."""
    function = _plain(action)
    if function is None:
        return
    for value in _values(function):
        yield _attribute(value, "__self__", value)


def _plain(action: Any) -> FunctionType | None:
    """The function behind a method or a decorator that says what it wraps."""
    function = getattr(action, "__func__", action)
    wrapped = getattr(function, "__wrapped__", None)
    if callable(wrapped):
        function = getattr(wrapped, "__func__", wrapped)
    return function if isinstance(function, FunctionType) else None


def _values(function: FunctionType) -> Iterator[Any]:
    code = function.__code__
    cells: dict[str, Any] = {}
    for name, cell in zip(code.co_freevars, function.__closure__ or (), strict=False):
        with suppress(ValueError):  # empty as yet, as that of a function that calls itself
            cells[name] = cell.cell_contents
    yield from cells.values()
    outside = {name: function.__globals__[name] for name in code.co_names if name in function.__globals__}
    if all(type(value) in _LEAVES for value in (*cells.values(), *outside.values())):
        return
    for inner in _codes(code):
        yield from _paths(inner, cells, outside)


def _codes(code: CodeType) -> Iterator[CodeType]:
    """The function's code and that of every function, lambda and comprehension inside it."""
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _codes(constant)


def _paths(code: CodeType, cells: Mapping[str, Any], outside: Mapping[str, Any]) -> Iterator[Any]:
    """The values of ``a``, ``a.b`` and ``a.b.c`` wherever code loads them from outside."""
    value: Any = None
    for instruction in dis.get_instructions(code):
        match instruction.opname:
            case "LOAD_GLOBAL":
                value = outside.get(instruction.argval)
            case "LOAD_DEREF":
                value = cells.get(instruction.argval)
            case "LOAD_ATTR" | "LOAD_METHOD":
                value = _attribute(value, instruction.argval)
            case _:  # anything else ends the path: `a, b.c` is not `a.c`
                value = None
        if value is not None:
            yield value


def _attribute(value: Any, name: str, default: Any = None) -> Any:
    """An attribute, unless it is one that raises: to compile a graph fails for no property of the user's."""
    try:
        return getattr(value, name, default)
    except Exception:
        return default
