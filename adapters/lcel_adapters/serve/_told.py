"""What clients are told of exceptions: the class, and the text where it is of a kind that tells no secrets."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Any

# Exceptions whose text a client may read (AGENT-SERVER.md, Q2); that of any other might tell what is nobody's business.
_TOLD = (ValueError, TypeError, KeyError, AttributeError, RuntimeError, RecursionError, TimeoutError)
_TOLD_NAMES = frozenset(
    {"InvalidUpdateError", "GraphBubbleUp", "EmptyInputError", "TaskNotFound", "GraphRecursionError"}
)
UNTOLD = "An internal error occurred"


def told(error: BaseException) -> dict[str, str]:
    """An error as clients are told: its class, and its text if that may be."""
    return {"error": type(error).__name__, "message": str(error) if _is_told(type(error)) else UNTOLD}


def told_field(error: Any) -> Any:
    """The field ``error`` of a task: an exception of this run, or what a checkpoint keeps of one, or None."""
    if isinstance(error, BaseException):
        return told(error)
    return None if error is None else told_repr(str(error))


def told_repr(text: str) -> str:
    """What a checkpoint keeps of an exception, its ``repr()``, as clients are told.

    A text is shown if every class of its name that is loaded may be told, since a name is all that is left of the
    class: SQLAlchemy's ``TimeoutError`` has that of Python's. It is also hidden if there is anything but plain values
    in it, such as another exception, and if the class writes its ``repr()`` otherwise.
    """
    name, bracket, rest = text.partition("(")
    classes = [*_loaded(name)] if bracket else []
    if not classes:
        return UNTOLD
    if rest == ")" or (all(map(_is_told, classes)) and _is_plain(text)):
        return text
    return f"{name}({UNTOLD!r})"


def _is_told(cls: type[BaseException]) -> bool:
    return issubclass(cls, _TOLD) or not _TOLD_NAMES.isdisjoint(base.__name__ for base in cls.__mro__)


def _loaded(name: str) -> Iterator[type[BaseException]]:
    """The exceptions of a name, in all modules."""
    waiting: list[type[BaseException]] = [BaseException]
    seen: set[type[BaseException]] = set()
    while waiting:
        cls = waiting.pop()
        if cls not in seen:
            seen.add(cls)
            waiting += type.__subclasses__(cls)
            if cls.__name__ == name:
                yield cls


def _is_plain(text: str) -> bool:
    """Whether it is a call with nothing but literals."""
    try:
        call = ast.parse(text, mode="eval").body
        if not isinstance(call, ast.Call) or call.keywords:
            return False
        for argument in call.args:
            ast.literal_eval(argument)
    except (SyntaxError, ValueError, TypeError, MemoryError, RecursionError):
        return False
    return True
