"""Where replay steps in: the methods that classes of models, tools and retrievers define.

Callbacks cannot replace what a model answers, and models sit in closures where nobody can exchange them; so the
methods of their classes are wrapped while any ``replay`` block is open. In which classes? Not those that are met at
core's public methods: a chain that holds ``retriever.invoke`` or ``model.stream`` as a bound method would go past any
wrapper put there later. What such a method calls is looked up on the class every time, though. So every class that is
loaded is wrapped when the first block opens, and every class that is made later when it is made
(``__init_subclass__``), as providers' packages may be imported in the middle of a run. A wrapped method that is
called where no replay is at work, in another task or thread, calls the original at once.

Left alone are the methods of core's four base classes: they only delegate, and core compares them by identity to see
whether a class can stream (``BaseChatModel._should_stream``) or run asynchronously (``BaseTool.arun``).

``CallbackManager.configure``, through which every run begins, is wrapped to see whether anything runs inside a call.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import ExitStack
from functools import wraps
from typing import Any, Final, TypeGuard

from langchain_core.callbacks import AsyncCallbackManager, CallbackManager

from lcel_compat.replay._families import Family, Shape, families, subclasses
from lcel_compat.replay._play import aplay, aplay_stream, play, play_stream
from lcel_compat.replay._record import arecord, arecord_stream, manager_in, record, record_stream
from lcel_compat.replay._session import begin, run_started

_HOW: Final[dict[Shape, tuple[Callable[..., Any], Callable[..., Any]]]] = {
    "call": (play, record),
    "acall": (aplay, arecord),
    "stream": (play_stream, record_stream),
    "astream": (aplay_stream, arecord_stream),
}
_LOCK: Final = threading.Lock()
_ABSENT: Final = object()


class _Wrappers:
    """What is wrapped now, and for how many blocks."""

    def __init__(self) -> None:
        self.blocks = 0
        self.undo = ExitStack()
        self.wrapped: set[tuple[type, str]] = set()

    def replace(self, owner: type, name: str, new: Any) -> None:
        """Set an attribute until all blocks are closed, unless someone else sets it in the meantime."""
        old = vars(owner).get(name, _ABSENT)
        setattr(owner, name, new)
        self.undo.callback(_put_back, owner, name, vars(owner)[name], old)


_WRAPPERS: Final = _Wrappers()


def install() -> None:
    """Wrap, for one more block."""
    with _LOCK:
        _WRAPPERS.blocks += 1
        if _WRAPPERS.blocks > 1:
            return
        for manager in (CallbackManager, AsyncCallbackManager):
            _WRAPPERS.replace(manager, "configure", _watched(vars(manager)["configure"]))
        for family in families():
            _WRAPPERS.replace(family.base, "__init_subclass__", _welcoming(family))
            for cls in subclasses(family.base):
                _wrap_class(family, cls)


def uninstall() -> None:
    """Restore everything when the last block closes."""
    with _LOCK:
        _WRAPPERS.blocks -= 1
        if not _WRAPPERS.blocks:
            _WRAPPERS.undo.close()
            _WRAPPERS.wrapped.clear()


def _put_back(owner: type, name: str, ours: Any, old: Any) -> None:
    if vars(owner).get(name) is not ours:
        return
    if old is _ABSENT:
        delattr(owner, name)
    else:
        setattr(owner, name, old)


def _wrap_class(family: Family, cls: type) -> None:
    """Wrap what a class and those it is derived from define, mixins as well."""
    for owner in cls.__mro__:
        if owner in family.base.__mro__:
            continue
        for name, shape in family.methods.items():
            make = vars(owner).get(name)
            if (owner, name) not in _WRAPPERS.wrapped and _is_method(make):
                _WRAPPERS.wrapped.add((owner, name))
                _WRAPPERS.replace(owner, name, _wrapper(family, shape, make))


def _is_method(made: Any) -> TypeGuard[Callable[..., Any]]:
    return callable(made) and not isinstance(made, staticmethod | classmethod)


def _wrapper(family: Family, shape: Shape, make: Callable[..., Any]) -> Callable[..., Any]:
    playing, recording = _HOW[shape]

    @wraps(make)  # Core reads the signature, of a tool also the annotations.
    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        turn = begin(family, self, (args, kwargs))
        if turn is None:
            return make(self, *args, **kwargs)
        if turn.playing:
            return playing(turn, manager_in((args, kwargs)))
        return recording(turn, make, (args, kwargs))

    return method


def _welcoming(family: Family) -> Any:
    """An ``__init_subclass__`` that does what the base class's does, and wraps the new class."""
    own: Any = vars(family.base).get("__init_subclass__")
    base: Any = family.base

    def __init_subclass__(cls: Any, /, **kwargs: Any) -> None:
        if own is None:
            super(base, cls).__init_subclass__(**kwargs)
        else:
            own.__get__(None, cls)(**kwargs)
        with _LOCK:
            if _WRAPPERS.blocks:
                _wrap_class(family, cls)

    return classmethod(__init_subclass__)


def _watched(configure: Any) -> Any:
    make = configure.__func__

    @wraps(make)
    def watching(cls: type, *args: Any, **kwargs: Any) -> Any:
        run_started()
        return make(cls, *args, **kwargs)

    return classmethod(watching)
