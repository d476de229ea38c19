"""What code inside a node can find out about where it runs.

One context variable holds the node that is running. Threads that core starts, and asyncio's tasks, inherit it; that is
how a graph called inside a node knows its parent. Through the user's configuration travels the task's id alone, by
which a call with a configuration of its own is told from one with the node's.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final, cast

from langchain_core.runnables import RunnableConfig

from lcel_compat._answers import Answers
from lcel_compat._constants import TASK_ID
from lcel_compat._core import var_child_runnable_config
from lcel_compat.types import StreamWriter

if TYPE_CHECKING:
    from lcel_compat._asyncio import Clock
    from lcel_compat._execute import Frame
    from lcel_compat._machine import Task
    from lcel_compat.runtime import Runtime


class TaskScope:
    """A node that is running.

    Attributes:
        task: The task.
        frame: What it has in common with the other tasks of its run.
        attempt: How often it has been tried, this time included.
        called_graphs: Whether an earlier attempt called graphs; they go on where they were then.
        clock: By which its timeout is measured, if it has one.
        touched_by_all: Whether everything that it does is progress, and not only its heartbeats.
    """

    attempt = 1
    called_graphs = False
    clock: Clock | None = None
    touched_by_all = False
    _answers: Answers | None = None
    _runtime: Runtime[Any] | None = None
    _graphs: Iterator[int] | None = None

    def __init__(self, task: Task, frame: Frame) -> None:
        # One is made for every task, and most of them ask it for nothing.
        self.task = task
        self.frame = frame

    @property
    def graphs(self) -> Iterator[int]:
        """Counts the graphs that the node calls; each but the first gets its number into its namespace."""
        if self._graphs is None:
            self._graphs = itertools.count()
        return self._graphs

    @property
    def writer(self) -> StreamWriter:
        """What the node sends values to consumers of ``custom`` with."""
        write, clock = self.frame.writer, self.clock
        if clock is None or not self.touched_by_all:
            return write

        def written(value: Any) -> None:
            clock.touch()
            write(value)

        return written

    @property
    def answers(self) -> Answers:
        """The answers to the node's interrupts."""
        if self._answers is None:
            self._answers = self.frame.session.answers_for(self.task)
        return self._answers

    def runtime(self) -> Runtime[Any]:
        """What the node may know of its run, made when it is first asked for."""
        if self._runtime is None:
            self._runtime = self.frame.session.runtime_for(self)
        return self._runtime

    def outward(self, error: BaseException) -> BaseException:
        """What a graph inside raises, in the form that the graph around understands."""
        return error

    def again(self, attempt: int) -> None:
        """The node is tried once more; it asks its questions, and calls its graphs, from the first one on."""
        self.attempt = attempt
        self.called_graphs = self.called_graphs or self._graphs is not None
        self._graphs = self._runtime = None
        if self._answers is not None:
            self._answers.again()


current_task: Final[ContextVar[TaskScope | None]] = ContextVar("lcel_compat_task", default=None)
"""The node that is running in this context."""


def running_with(config: RunnableConfig | None) -> TaskScope | None:
    """The node that calls something with this configuration: one of ours, or one of LangGraph's in its place.

    There is none if the configuration addresses a thread of its own: then it does not hold the task's id.
    """
    scope, task_id = current_task.get(), config and config.get("configurable", {}).get(TASK_ID)
    if scope is not None and scope.task.id == task_id:
        return scope
    if task_id is None:
        return None
    from lcel_compat._hosts import host_of  # only nodes of LangGraph's need it

    return cast("TaskScope | None", host_of(config))


def here(asked: str) -> TaskScope:
    """The node that is running; ``asked`` is the function that wants to know.

    Raises:
        RuntimeError: Outside of a node.
    """
    scope = running_with(var_child_runnable_config.get()) or current_task.get()
    if scope is None:
        raise RuntimeError(
            f"{asked}() was called outside of a node. Call it while a node is running; in a thread of your own, start"
            " the thread with contextvars.copy_context().run, or hand it what it needs."
        )
    return scope


def get_stream_writer() -> StreamWriter:
    """The writer of the node that is running: a function that sends one value to consumers of ``custom``.

    Calling it costs nothing when nobody asked for ``custom``.

    Raises:
        RuntimeError: Outside of a node, and in a thread that was started without this one's context.
    """
    return here("get_stream_writer").writer


def get_store() -> Any:
    """The store that the graph was compiled with, a ``BaseStore`` of langgraph-checkpoint, or ``None``.

    Raises:
        RuntimeError: Outside of a node, and in a thread that was started without this one's context.
    """
    return here("get_store").frame.session.store


def get_config() -> RunnableConfig:
    """The configuration of the node, or of the runnable in it, that is running.

    Raises:
        RuntimeError: Outside of any runnable, and in a thread that was started without this one's context.
    """
    config = var_child_runnable_config.get()
    if config is None:
        here("get_config")
        raise RuntimeError("get_config() was called outside of a runnable.")
    return config


def interrupt(value: Any, *, response_schema: Any = None) -> Any:
    """Ask, from inside a node, and wait for the answer.

    The first time, this ends the run; it shows ``value`` under ``__interrupt__``. Started again with
    ``Command(resume=answer)`` on the same thread, the node runs again from its beginning, and this returns the answer.
    Several calls in one node get their answers in their order.

    Args:
        value: What is asked; anything that can be saved.
        response_schema: What an answer looks like: a JSON schema to show, or a class (pydantic model, TypedDict,
            dataclass) by which answers are also checked and made.

    Raises:
        GraphInterrupt: While there is no answer. Do not catch it.
        pydantic.ValidationError: If the answer does not fit ``response_schema``; the question can be answered again.
        RuntimeError: Outside of a node.
    """
    return here("interrupt").answers.ask(value, response_schema)
