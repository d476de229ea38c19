"""The one place that touches langchain-core's private names.

Chat models stream inside ``invoke`` only when a handler that has both tap methods of
``_StreamingCallbackHandler`` listens (language_models/chat_models.py:626), and core taps the chunks of
the *first* such handler it finds (runnables/base.py:2556-2568 and 2658-2670). Code that runs inside a
node finds its configuration in ``var_child_runnable_config`` (runnables/config.py). None of the two is
public; ``tests/compat/test_core.py`` fails loudly on the day core moves them.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from langchain_core.runnables.config import var_child_runnable_config
from langchain_core.tracers._streaming import _StreamingCallbackHandler

try:  # newer cores mark the handlers of the content-block protocol (events v3)
    from langchain_core.tracers._streaming import _V2StreamingCallbackHandler
except ImportError:  # pragma: no cover - langchain-core < 1.3
    V3_MARKER: type | None = None
else:
    V3_MARKER = _V2StreamingCallbackHandler

if TYPE_CHECKING:
    from langchain_core.runnables import Runnable, RunnableConfig, RunnableParallel

StreamingHandler = _StreamingCallbackHandler
"""Marker protocol of the handlers that core taps, and for which chat models stream."""


def enter(config: RunnableConfig, run: Any = None) -> None:
    """Make a configuration the surrounding one, for good, in the context that is current: a task's own.

    Args:
        config: What runnables called from here find, when they are given no configuration.
        run: The run manager of the run that the code belongs to, if LangSmith's tracer listens to it: functions
            marked ``traceable`` that are called from here become its children (runnables/config.py,
            ``_set_config_context``).
    """
    var_child_runnable_config.set(config)
    if run is None:
        return
    tracer = langsmith_tracer(run.handlers)
    if tracer is not None and (traced := tracer.run_map.get(str(run.run_id))):
        from langsmith.run_helpers import _set_tracing_context

        _set_tracing_context({"parent": traced})


def parallel_steps(parallel: RunnableParallel[Any]) -> dict[str, Runnable[Any, Any]]:
    """The branches of a parallel, by key; core keeps them in ``steps__`` and offers no other way to them."""
    return dict(parallel.steps__)


def with_steps(parallel: RunnableParallel[Any], steps: Mapping[str, Runnable[Any, Any]]) -> RunnableParallel[Any]:
    """The same parallel with other branches."""
    return parallel.model_copy(update={"steps__": dict(steps)})


def before_threads_are_joined(callback: Callable[[], None]) -> Callable[[], None]:
    """Call a function when the interpreter is about to exit, before it waits for the threads of pools.

    ``atexit`` comes too late for that: concurrent.futures joins its threads earlier, through the same private hook.
    """
    register = getattr(threading, "_register_atexit", None)
    if register is not None:
        register(callback)
    return callback


def langsmith_tracer(handlers: Iterable[Any]) -> Any | None:
    """LangSmith's tracer, if it is among these handlers."""
    if "langchain_core.tracers.langchain" not in sys.modules:
        return None
    from langchain_core.tracers.langchain import LangChainTracer

    return next((h for h in handlers if isinstance(h, LangChainTracer)), None)


__all__ = [
    "V3_MARKER",
    "StreamingHandler",
    "before_threads_are_joined",
    "enter",
    "langsmith_tracer",
    "parallel_steps",
    "var_child_runnable_config",
    "with_steps",
]
