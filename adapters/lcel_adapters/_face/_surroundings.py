"""What surrounds a call of the face, and the silence that its graph runs in.

LangGraph's graph, like ours, inherits callbacks from the configuration that surrounds it even when it is given none,
and langchain-core adds tracers that the environment or a ``with`` block asks for (``CallbackManager.configure``).
Behind a face all of them would see a second root. So the graph runs in a copy of the caller's context in which the
variables that lead to handlers are empty, and adapted runnables run with them put back.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import Context, ContextVar, copy_context
from typing import Any, Final, TypeAlias

from langchain_core.callbacks import BaseCallbackHandler
from langsmith import tracing_context
from langsmith.utils import tracing_is_enabled

from lcel_compat._core import var_child_runnable_config

Lent: TypeAlias = Sequence[tuple[ContextVar[Any], Any]]
"""Context variables with values to set for a while."""
_MISSING: Final = object()


class Surroundings:
    """The context of a caller, and a silent copy of it.

    Attributes:
        silent: A context in which a graph runs unobserved; each run of a graph takes one of its own.
    """

    __slots__ = ("_caller", "_changed", "silent")

    def __init__(self) -> None:
        """Take the context that is current."""
        self._caller = caller = copy_context()
        with tracing_context(enabled=False) if tracing_is_enabled() else nullcontext():
            self.silent = copy_context()
        self.silent.run(_hush, caller)
        self._changed = [
            (var, _value(var, caller)) for var, value in self.silent.items() if value is not caller.get(var, _MISSING)
        ]

    def tell(self, var: ContextVar[Any], value: Any) -> None:
        """Set a variable in the silent context that nobody outside of the graph sees."""
        self.silent.run(var.set, value)
        self._changed.append((var, _value(var, self._caller)))

    def added(self) -> Lent:
        """What the engine has set in the context that is current, a node's, for the code in it to find."""
        return [(var, value) for var, value in copy_context().items() if value is not _value(var, self._caller)]

    def restored(self) -> AbstractContextManager[None]:
        """Put back, for a block that runs in the silent context, what the caller has.

        The engines set variables of their own for a node; those stay, which is why the block does not simply run in
        the caller's context.
        """
        return lent(self._changed)


@contextmanager
def lent(values: Lent) -> Iterator[None]:
    """Set variables for a block."""
    tokens = [(var, var.set(value)) for var, value in values]
    try:
        yield
    finally:
        for var, token in tokens:
            var.reset(token)


def _hush(caller: Context) -> None:
    """Empty, in the context that is current, every variable by which a run would find somebody to tell."""
    var_child_runnable_config.set(None)
    # collect_runs, tracing_v2_enabled, get_usage_metadata_callback keep the handler itself in a variable.
    for var, value in caller.items():
        if isinstance(value, BaseCallbackHandler):
            var.set(None)


def _value(var: ContextVar[Any], context: Context) -> Any:
    """A variable's value in a context, its default if it is not set there."""
    try:
        return context.run(var.get)
    except LookupError:
        return None
